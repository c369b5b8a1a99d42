"""Good units become stock: at what they cost, kept for who waits for them, named where they have serial numbers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Case, DecimalField, Exists, F, OuterRef, Value, When
from django.db.models.functions import Cast
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents
from blb3d.core.numbering import next_numbers
from blb3d.core.units import round_quantity
from inventory.models import BOMLine, InventoryTransaction, Product, Reference
from inventory.services import Share, Use, receive_made
from production.lifecycles import PRODUCTION_ORDER
from production.models import (
    Demand,
    PrintJob,
    PrintJobFilament,
    ProductionOrder,
    ProductionOrderMaterial,
    SerialNumber,
    TraceLink,
)
from production.selectors.fleet import PRINTABLE
from production.services.links import Node as LinkNode
from production.services.links import link
from production.services.making import recount
from production.services.material import record_uses
from production.services.planning import per_unit, settle
from production.services.standing import Standing

Node = TraceLink.Node


def draw_serial_numbers(count: int) -> list[str]:
    """Return so many new serial numbers of today: BLB-20250131-0001."""
    return next_numbers("BLB", count, period=f"{timezone.localdate():%Y%m%d}", digits=4)


def take_in(
    order: ProductionOrder,
    job: PrintJob | None,
    serials: list[str],
    *,
    actor: User,
    standing: Standing | None = None,
) -> list[SerialNumber]:
    """Bring an order's counters to what was counted; whole new units go on the shelf, and a whole order completes.

    ``job`` is the plate that the units came from; None when they come from the last operation. ``serials`` are used up
    from the front. Returns the serial numbers that were given. The order is locked and has its product; ``standing``
    was read since.
    """
    known = standing or Standing(order)
    before = order.quantity_completed
    recount(order, known.plates, known.operations)
    is_last = not order.quantity_missing and order.status in PRINTABLE
    given = []
    if order.quantity_completed > before:
        given = _put_on_shelf(known, job or _only_source(order), before, serials, is_last=is_last, actor=actor)
        known.holds_nothing = is_last
    if not is_last:
        order.save()
        return given
    with PRODUCTION_ORDER.step(order, "complete", actor=actor, is_locked=True) as move:
        settle(move, actor=actor, standing=known)
    return given


def _only_source(order: ProductionOrder) -> PrintJob | None:
    """Return the job that the order's good parts came from when there is but one; behind operations nobody can tell."""
    sources = PrintJob.objects.filter(parts__production_order=order, parts__good__gt=0).order_by("id")[:2]
    return sources[0] if len(sources) == 1 else None


def _put_on_shelf(
    known: Standing, job: PrintJob | None, before: int, serials: list[str], *, is_last: bool, actor: User
) -> list[SerialNumber]:
    """Take components for an order's units beyond number ``before`` and receive these; return their serial numbers.

    With the last units the order gives free what it still holds.
    """
    order = known.order
    units = order.quantity_completed - before
    books = _read_books(order)
    made = receive_made(
        order.product,
        production_order_id=order.pk,
        shares=list(_shares(books.demands, before, order.quantity_completed)),
        uses=_uses(order, books, units),
        unit_cost=lambda own: _unit_cost(known, books, units, own),
        is_last=is_last,
        actor=actor,
    )
    edges = record_uses([(None, order.pk, row) for row in made.taken], job=job, booked={}, actor=actor)
    # A job takes the components of its only order once, so their lots have no edges to it yet.
    is_alone = job is not None and all(p.production_order_id == order.pk for p in known.parts if p.job_id == job.pk)
    is_new = is_alone and not books.has_filament
    rows: list[SerialNumber] = []
    named: list[tuple[LinkNode, LinkNode]] = []
    if order.product.is_serialized:
        numbers, serials[:] = serials[:units], serials[units:]
        numbers += draw_serial_numbers(units - len(numbers))
        rows, named = _name_units(order, job, numbers, made.location_id)
    link([] if is_new else edges, also_new=[*edges, *named] if is_new else named)
    return rows


@dataclass
class _Books:
    """What the books know of an order that decides on its new units: cost so far, who waits, what a unit takes."""

    used: Decimal = Decimal(0)
    received: Decimal = Decimal(0)
    demands: list[tuple[int, tuple[str, int]]] = field(default_factory=list)
    #: How much of which component one unit takes that no printer books.
    components: list[tuple[int, Decimal]] = field(default_factory=list)
    #: One of those is, all the same, a filament of one of the order's jobs.
    has_filament: bool = False


def _read_books(order: ProductionOrder) -> _Books:
    """Read all of it in one statement; demands and components in their order."""
    books = _Books()
    for kind, _, amount, rate, word, number in sorted(_rows_of(order), key=lambda row: row[:2]):
        if kind == "used":
            books.used += amount * rate
        elif kind == "received":
            books.received += amount * rate
        elif kind == "demand":
            books.demands.append((int(amount), (word, number)))
        else:
            books.components.append((number, per_unit(BOMLine(quantity=amount, scrap_percent=rate))))
            books.has_filament = books.has_filament or bool(word)
    return books


def _rows_of(order: ProductionOrder) -> Iterable[tuple[str, int, Decimal, Decimal, str, int]]:
    """Return kind, key, amount, rate, word and number of each row of the four kinds."""
    exact: DecimalField[Any, Any] = DecimalField(max_digits=14, decimal_places=4)
    used = ProductionOrderMaterial.objects.filter(production_order=order).annotate(
        kind=Value("used"), amount=F("quantity_used"), rate=F("unit_cost"), word=Value(""), number=Value(0)
    )
    received = InventoryTransaction.objects.filter(
        transaction_type=InventoryTransaction.Kind.PRODUCTION_OUTPUT,
        reference_type=Reference.PRODUCTION_ORDER,
        reference_id=order.pk,
    ).annotate(kind=Value("received"), amount=F("quantity"), rate=F("unit_cost"), word=Value(""), number=Value(0))
    # What was put right on units later they bear already.
    revalued = InventoryTransaction.objects.filter(
        transaction_type=InventoryTransaction.Kind.REVALUATION,
        reference_type=Reference.PRODUCTION_ORDER,
        reference_id=order.pk,
    ).annotate(
        kind=Value("received"), amount=F("value_change"), rate=Cast(Value(1), exact), word=Value(""), number=Value(0)
    )
    demands = Demand.objects.filter(production_order=order).annotate(
        kind=Value("demand"),
        amount=Cast("quantity", exact),
        rate=Cast(Value(0), exact),
        word=F("reference_type"),
        number=F("reference_id"),
    )
    # All but filament, which jobs book by the gram.
    category = Product.Category
    filament = PrintJobFilament.objects.filter(job__parts__production_order=order.pk)
    lines = (
        BOMLine.objects.filter(bom=order.bom_id)
        .exclude(component__category=category.SERVICE)
        .exclude(Exists(filament), component__category=category.MATERIAL)
        .annotate(
            kind=Value("line"),
            amount=F("quantity"),
            rate=Cast("scrap_percent", exact),
            word=Case(
                When(Exists(filament.filter(material=OuterRef("component"))), then=Value("x")), default=Value("")
            ),
            number=F("component_id"),
        )
    )
    columns = ("kind", "pk", "amount", "rate", "word", "number")
    first, *others = (query.order_by().values_list(*columns) for query in (used, received, revalued, demands, lines))
    return first.union(*others, all=True)


def _uses(order: ProductionOrder, books: _Books, units: int) -> list[Use]:
    """Return what so many units take of components."""
    holder = (Reference.PRODUCTION_ORDER, order.pk)
    wanted = [(product_id, round_quantity(each * units)) for product_id, each in books.components]
    return [Use(product_id, quantity, *holder, holder=holder) for product_id, quantity in wanted if quantity > 0]


def _unit_cost(known: Standing, books: _Books, units: int, own_cost: Decimal) -> Decimal:
    """Return what each of so many new units took of filament and components, at the cost of the lots used.

    What earlier units were received at is taken off, and units that are printed and still on a plate or at an operation
    bear their share of it; ``own_cost``, of components that were taken for the new units alone, these bear themselves.
    However an order's units come in, together they cost what was used, and not more.
    """
    ahead = sum(operation.quantity_waiting for operation in known.operations) + known.uncounted_units
    left = books.used - books.received
    return round_quantity(max(left / (units + ahead) + own_cost / units, Decimal(0)))


def _shares(demands: Sequence[tuple[int, tuple[str, int]]], before: int, now: int) -> Iterator[Share]:
    """Yield how many of the units are for whom: demands are served in their order, the rest is free stock."""
    start = 0
    for quantity, holder in demands:
        end = start + quantity
        share = min(now, end) - max(before, start)
        if share > 0:
            yield Share(Decimal(share), holder)
        start = end
    rest = now - max(before, start)
    if rest > 0:
        yield Share(Decimal(rest))


def _name_units(
    order: ProductionOrder, job: PrintJob | None, numbers: list[str], location_id: int
) -> tuple[list[SerialNumber], list[tuple[LinkNode, LinkNode]]]:
    """Insert serial numbers; return them with the edges of the trace to them."""
    rows = insert_documents(
        [
            SerialNumber(
                serial_number=number,
                product_id=order.product_id,
                production_order=order,
                print_job=job,
                sales_order_id=order.sales_order_id,
                location_id=location_id,
            )
            for number in numbers
        ],
        natural_key="serial_number",
    )
    jobs = (
        [job.pk]
        if job
        else PrintJob.objects.filter(parts__production_order=order, parts__good__gt=0).values_list("pk", flat=True)
    )
    sources = [*((Node.PRINT_JOB, pk) for pk in jobs), (Node.PRODUCTION_ORDER, order.pk)]
    return rows, [(source, (Node.SERIAL, row.pk)) for source in sources for row in rows]
