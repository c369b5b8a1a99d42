"""Good units become stock: at what they cost, kept for who waits for them, named where they have serial numbers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from django.db.models import Exists
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents
from blb3d.core.numbering import next_numbers
from blb3d.core.units import round_quantity
from inventory.models import BOMLine, InventoryTransaction, Product, Reference
from inventory.services import Use, consume, receive_output
from production.lifecycles import PRODUCTION_ORDER
from production.models import (
    Demand,
    PrintJob,
    PrintJobFilament,
    PrintJobPart,
    ProductionOrder,
    ProductionOrderMaterial,
    SerialNumber,
    TraceLink,
)
from production.selectors.fleet import PRINTABLE
from production.services.links import link
from production.services.making import recount
from production.services.material import lock_stock, record_uses
from production.services.planning import per_unit, settle

Node = TraceLink.Node


def draw_serial_numbers(count: int) -> list[str]:
    """Return so many new serial numbers of today: BLB-20250131-0001."""
    return next_numbers("BLB", count, period=f"{timezone.localdate():%Y%m%d}", digits=4)


def take_in(order: ProductionOrder, job: PrintJob | None, serials: list[str], *, actor: User) -> list[SerialNumber]:
    """Bring an order's counters to what was counted; whole new units go on the shelf, and a whole order completes.

    ``job`` is the plate that the units came from; None when they come from the last operation. ``serials`` are used up
    from the front. Returns the serial numbers that were given. The order is locked and has its product.
    """
    before = order.quantity_completed
    recount(order)
    counted = {name: getattr(order, name) for name in ("quantity_completed", "quantity_scrapped", "quantity_lost")}
    now = order.quantity_completed
    given = []
    if now > before:
        lock_stock([order])
        source = job or _only_source(order)
        own = _backflush(order, source, now - before, actor=actor)
        given = _put_on_shelf(order, source, before, now, serials, own, actor=actor)
    if order.quantity_missing or order.status not in PRINTABLE:
        order.save()
        return given
    with PRODUCTION_ORDER.step(order, "complete", actor=actor) as move:
        for name, value in counted.items():
            setattr(order, name, value)
        settle(move, actor=actor)
    return given


def _only_source(order: ProductionOrder) -> PrintJob | None:
    """Return the job that the order's good parts came from when there is but one; behind operations nobody can tell."""
    sources = PrintJob.objects.filter(parts__production_order=order, parts__good__gt=0).order_by("id")[:2]
    return sources[0] if len(sources) == 1 else None


def _backflush(order: ProductionOrder, job: PrintJob | None, units: int, *, actor: User) -> Decimal:
    """Take the components that no printer books: all but filament, which jobs book by the gram. Return their cost."""
    category = Product.Category
    filament = PrintJobFilament.objects.filter(job__parts__production_order=order.pk)
    lines = (
        BOMLine.objects.filter(bom=order.bom_id)
        .exclude(component__category=category.SERVICE)
        .exclude(Exists(filament), component__category=category.MATERIAL)
    )
    uses = []
    for line in lines.order_by("id"):
        quantity = round_quantity(per_unit(line) * units)
        if quantity > 0:
            holder = (Reference.PRODUCTION_ORDER, order.pk)
            uses.append(Use(line.component_id, quantity, Reference.PRODUCTION_ORDER, order.pk, holder=holder))
    if not uses:
        return Decimal(0)
    taken = consume(uses, actor=actor)
    record_uses([(None, order.pk, row) for row in taken], job=job, booked={}, actor=actor)
    return sum((row.quantity * row.unit_cost for row in taken), Decimal(0))


def _put_on_shelf(
    order: ProductionOrder,
    job: PrintJob | None,
    before: int,
    now: int,
    serials: list[str],
    own_cost: Decimal,
    *,
    actor: User,
) -> list[SerialNumber]:
    """Receive an order's units from number ``before`` to ``now`` into stock; return their serial numbers.

    ``own_cost`` is what was taken for these units alone.
    """
    location_id = None
    cost = _unit_cost(order, now - before, own_cost)
    for quantity, holder in _shares(order, before, now):
        output = receive_output(
            order.product,
            quantity=quantity,
            unit_cost=cost,
            production_order_id=order.pk,
            reserve_for=holder,
            actor=actor,
        )
        location_id = output.location_id
    if not order.product.is_serialized:
        return []
    numbers, serials[:] = serials[: now - before], serials[now - before :]
    numbers += draw_serial_numbers(now - before - len(numbers))
    return _name_units(order, job, numbers, location_id)


def _unit_cost(order: ProductionOrder, units: int, own_cost: Decimal) -> Decimal:
    """Return what each of so many new units took of filament and components, at the cost of the lots used.

    What earlier units were received at is taken off, and units that are printed and still on a plate or at an operation
    bear their share of it; ``own_cost``, of components that were taken for the new units alone, these bear themselves.
    However an order's units come in, together they cost what was used, and not more.
    """
    used = ProductionOrderMaterial.objects.filter(production_order=order)
    total = sum((quantity * cost for quantity, cost in used.values_list("quantity_used", "unit_cost")), Decimal(0))
    outputs = InventoryTransaction.objects.filter(
        transaction_type=InventoryTransaction.Kind.PRODUCTION_OUTPUT,
        reference_type=Reference.PRODUCTION_ORDER,
        reference_id=order.pk,
    )
    total -= sum((quantity * cost for quantity, cost in outputs.values_list("quantity", "unit_cost")), Decimal(0))
    ahead = sum(operation.quantity_waiting for operation in order.operations.all()) + _uncounted_units(order)
    return round_quantity(max((total - own_cost) / (units + ahead) + own_cost / units, Decimal(0)))


def _uncounted_units(order: ProductionOrder) -> int:
    """Return how many whole units lie printed on plates that nobody has counted yet."""
    good: dict[int, int] = {}
    there: dict[int, int] = {}
    rows = PrintJobPart.objects.filter(production_order=order, job__deleted_at__isnull=True).select_related("job")
    for part in rows:
        plate = part.source_id
        is_uncounted = part.job.status == PrintJob.Status.FINISHED and part.job.cleared_at is None
        good[plate] = good.get(plate, 0) + part.good
        there[plate] = there.get(plate, 0) + part.good + (part.planned if is_uncounted else 0)
    return min(there.values(), default=0) - min(good.values(), default=0)


def _shares(order: ProductionOrder, before: int, now: int) -> Iterator[tuple[int, tuple[str, int] | None]]:
    """Yield how many of the units are for whom: demands are served in their order, the rest is free stock."""
    start = 0
    for demand in Demand.objects.filter(production_order=order).order_by("id"):
        end = start + demand.quantity
        share = min(now, end) - max(before, start)
        if share > 0:
            yield share, (demand.reference_type, demand.reference_id)
        start = end
    rest = now - max(before, start)
    if rest > 0:
        yield rest, None


def _name_units(
    order: ProductionOrder, job: PrintJob | None, numbers: list[str], location_id: int | None
) -> list[SerialNumber]:
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
    link((source, (Node.SERIAL, row.pk)) for source in sources for row in rows)
    return rows
