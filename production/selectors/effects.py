"""What an act on a production order will do to jobs, stock and promises; nothing is changed to find out."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Max, Q
from django.utils import timezone

from blb3d.core.effects import Effect
from blb3d.core.errors import InvalidValue
from blb3d.core.templatetags.blb3d_ui import NARROW_GAP, duration, plain_number
from inventory.models import Product, ProductPlate, Reference, Reservation
from inventory.selectors import available
from production.models import Demand, PrintJob, PrintJobPart, ProductionOperation, ProductionOrder, ScheduleEntry
from production.selectors.needs import needs_of, stocked_lines
from production.selectors.progress import PlateCounts, begun_units, count_plates, missing_by_plate
from production.selectors.waiting import plates_without_file

#: How many jobs or codes a sentence names.
NAMED = 4
#: How many orders are offered to be merged.
MERGEABLE = 50

_ACTIVE = PrintJob.ACTIVE


def planned_finish(order_ids: Iterable[int]) -> dict[int, datetime.datetime]:
    """Return when orders are planned to be finished; those of which anything is not planned are left out. Two queries.

    What the schedule does not know is taken from the order's own planned end.
    """
    ids = list(order_ids)
    ends: dict[int, datetime.datetime] = {}
    unknown: set[int] = set()
    rows = ScheduleEntry.objects.filter(production_order__in=ids).order_by().values_list("production_order_id")
    for pk, ends_at, unplanned in rows.annotate(Max("ends_at"), unplanned=Max("id", filter=Q(starts_at__isnull=True))):
        if unplanned is None and ends_at is not None:
            ends[pk] = ends_at
        else:
            unknown.add(pk)
    others = [pk for pk in ids if pk not in ends and pk not in unknown]
    own = ProductionOrder.objects.filter(pk__in=others, scheduled_end__isnull=False)
    return {**ends, **dict(own.values_list("pk", "scheduled_end"))}


def day(date: datetime.date) -> str:
    """Return a day as it stands in a sentence: ``12 Mar``, with the year when it is another."""
    year = f" {date.year}" if date.year != timezone.localdate().year else ""
    return f"{date.day} {date:%b}{year}"


def moment(at: datetime.datetime) -> str:
    """Return a moment as it stands in a sentence: ``12 Mar 16:40``."""
    local = timezone.localtime(at)
    return f"{day(local.date())} {local:%H:%M}"


def named(codes: Iterable[str]) -> str:
    """Return codes in a sentence, the first few by name."""
    every = list(codes)
    more = f" and {len(every) - NAMED} more" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more


def parts(number: int) -> str:
    """Return a number of parts in words: ``1 part``, ``5 parts``."""
    return f"{number} part" if number == 1 else f"{number} parts"


def amount(quantity: Decimal, product: Product) -> str:
    """Return a quantity of a product in words: ``0.3 kg M-BLACK``, ``12 C-SCREW``."""
    unit = "" if product.unit_of_measure == "each" else f"{NARROW_GAP}{product.unit_of_measure}"
    return f"{plain_number(quantity)}{unit} {product.sku}"


@dataclass
class _Waiter:
    """Somebody who waits for parts of an order: how many they asked for, and how many of those are not good yet."""

    demand: Demand
    open: int

    @property
    def by(self) -> str:
        """Return the promise in words."""
        return f" by {day(self.demand.due_date)}" if self.demand.due_date else ""


class _View:
    """An order as effects are worked out from it: read once."""

    def __init__(self, order: ProductionOrder) -> None:
        self.order = order
        self.counts: dict[int, PlateCounts] = count_plates([order.pk])[order.pk]
        self.waiters = self._waiters()
        self.finish = planned_finish([order.pk]).get(order.pk)
        self.jobs = list(
            PrintJob.objects.filter(parts__production_order=order, status__in=[PrintJob.Status.QUEUED, *_ACTIVE])
            .select_related("printer")
            .order_by("id")
        )
        self.sharers: dict[int, list[str]] = defaultdict(list)
        others = PrintJobPart.objects.filter(job__in=self.jobs).exclude(production_order=order)
        for job_id, code in others.values_list("job_id", "production_order__code").order_by("id"):
            self.sharers[job_id].append(code)

    def _waiters(self) -> list[_Waiter]:
        start, found = 0, []
        for demand in self.order.demands.order_by("id"):
            served = max(min(self.order.quantity_completed - start, demand.quantity), 0)
            start += demand.quantity
            found.append(_Waiter(demand, demand.quantity - served))
        return found

    @property
    def waiting(self) -> list[PrintJob]:
        return [job for job in self.jobs if job.status == PrintJob.Status.QUEUED]

    @property
    def running(self) -> list[PrintJob]:
        return [job for job in self.jobs if job.status != PrintJob.Status.QUEUED]

    def held(self) -> list[tuple[Product, Decimal]]:
        """Return what the order has reserved, by SKU."""
        sums: dict[int, Decimal] = defaultdict(Decimal)
        rows = Reservation.objects.filter(
            reference_type=Reference.PRODUCTION_ORDER, reference_id=self.order.pk
        ).values_list("balance__product_id", "quantity")
        for product_id, quantity in rows:
            sums[product_id] += quantity
        products = Product.all_objects.filter(pk__in=sums).order_by("sku")
        return [(product, sums[product.pk]) for product in products]


def order_effects(order: ProductionOrder, action: str) -> list[Effect]:
    """Return what an act will do, as far as can be told before it is done, in a constant number of queries.

    Raises:
        InvalidValue: there is no such action; ``details["allowed"]`` names them.
    """
    if action not in _TELL:
        raise InvalidValue(
            "There is no such action.", details={"field": "action", "value": action, "allowed": sorted(_TELL)}
        )
    return list(_TELL[action](_View(order)))


# --- Who waits ---------------------------------------------------------------------------------------------------


def _goes_on(view: _View) -> Iterator[Effect]:
    """Tell who waits for it, and whether the plan keeps what was promised."""
    for waiter in view.waiters:
        if waiter.open:
            yield _planned(
                view, f"{waiter.demand.label} waits for {parts(waiter.open)}{waiter.by}.", waiter.demand.due_date
            )
    if not view.waiters:
        yield _planned(view, "The parts are for the shelf.", view.order.due_date)


def _planned(view: _View, text: str, due: datetime.date | None) -> Effect:
    if view.finish is None:
        return Effect("promise", text)
    is_late = due is not None and timezone.localtime(view.finish).date() > due
    return Effect(
        "promise",
        f"{text} Planned to be finished {moment(view.finish)}{', which is late' if is_late else ''}.",
        is_late,
    )


def _not_made(view: _View) -> Iterator[Effect]:
    """Tell who will not get what they wait for."""
    found = False
    for waiter in view.waiters:
        if waiter.open:
            found = True
            was = f" It was planned for {moment(view.finish)}." if view.finish else ""
            yield Effect(
                "promise", f"{waiter.demand.label} needs {parts(waiter.open)}{waiter.by} that are not made.{was}", True
            )
    if not found:
        yield Effect("promise", "Nobody else waits for the parts that are not made.")


def _delayed(view: _View, until: str) -> Iterator[Effect]:
    for waiter in view.waiters:
        if waiter.open:
            was = f" It was planned for {moment(view.finish)}." if view.finish else ""
            who = f"{waiter.demand.label} waits for {parts(waiter.open)}{waiter.by}"
            yield Effect("promise", f"{who}: no finish can be planned {until}.{was}", True)
    if not view.waiters:
        yield Effect("promise", f"The parts are for the shelf; no finish can be planned {until}.")


# --- Jobs --------------------------------------------------------------------------------------------------------


def _made(view: _View) -> Iterator[Effect]:
    """Tell of the jobs that are made for what no job brings yet."""
    order = view.order
    plates = list(ProductPlate.objects.filter(product=order.product_id, is_active=True).order_by("plate_number"))
    if not plates:
        yield Effect("jobs", "Nothing of it is printed: no print job is made.")
        return
    without = plates_without_file([order.product_id]).get(order.product_id, [])
    if without:
        numbers = ", ".join(str(plate.plate_number) for plate in without)
        yield Effect("jobs", f"No print file is released for plate {numbers}: it waits for that.", True)
        return
    missing = missing_by_plate(order, view.counts, [plate.pk for plate in plates])
    jobs = minutes = Decimal(0)
    for plate in plates:
        owed = missing.get(plate.pk, 0)
        jobs += -(-owed // plate.parts_per_plate)
        minutes += plate.estimated_minutes * owed / plate.parts_per_plate
    if jobs:
        word = "print job is" if jobs == 1 else "print jobs are"
        yield Effect("jobs", f"{jobs} {word} made, {duration(minutes)} of printing.")
    else:
        yield Effect("jobs", "No print job is made: those that are there bring every part.")


def _withdrawn(view: _View, *, stops: bool) -> Iterator[Effect]:
    """Tell which jobs are cancelled, which stay for others, and what happens at the printers."""
    alone = [job for job in view.waiting if not view.sharers[job.pk]]
    if alone:
        verb = "is" if len(alone) == 1 else "are"
        yield Effect("jobs", f"{named(job.code for job in alone)} {verb} cancelled before being sent.")
    for job in view.waiting:
        if view.sharers[job.pk]:
            text = f"{job.code} stays for {named(view.sharers[job.pk])}, without the parts of this order."
            yield Effect("jobs", text)
    for job in view.running:
        where = job.printer.name if job.printer is not None else "its printer"
        if stops and not view.sharers[job.pk]:
            yield Effect("jobs", f"{where} is asked to stop {job.code}.", True)
        elif view.sharers[job.pk]:
            yield Effect("jobs", f"{job.code} goes on at {where}: it prints for {named(view.sharers[job.pk])} too.")
        else:
            yield Effect("jobs", f"{job.code} goes on at {where}; its parts are counted all the same.")
    if not view.jobs:
        yield Effect("jobs", "No print job waits or prints.")


def _go_on_printing(view: _View) -> Iterator[Effect]:
    for job in view.running:
        where = f" at {job.printer.name}" if job.printer is not None else ""
        yield Effect("jobs", f"{job.code} goes on{where}.")


def units_in_work(order_ids: Iterable[int]) -> dict[int, list[str]]:
    """Return where units of orders are between plate and shelf, in words, by order; one query."""
    found: dict[int, list[str]] = defaultdict(list)
    for row in ProductionOperation.objects.filter(production_order__in=list(order_ids)).order_by("sequence"):
        if row.quantity_waiting:
            found[row.production_order_id].append(f"{row.quantity_waiting} at {row.name}")
    return dict(found)


# --- Stock -------------------------------------------------------------------------------------------------------


def _reserves(view: _View) -> Iterator[Effect]:
    """Tell what is reserved for the missing units, and what of it is not there."""
    order = view.order
    lines = stocked_lines([order.bom_id]).get(order.bom_id, [])
    components = {line.component_id: line.component for line in lines}
    held = {product.pk: quantity for product, quantity in view.held()}
    needs = needs_of(lines, order.quantity_missing)
    free = available(needs)
    for product_id, needed in needs.items():
        component, more = components[product_id], needed - held.get(product_id, Decimal(0))
        if more <= 0:
            yield Effect("stock", f"{amount(needed, component)} is reserved already.")
            continue
        short = more - min(free[product_id], more)
        if short:
            there = f" of {plain_number(needed)}" if short < needed else ""
            yield Effect("stock", f"{amount(short, component)}{there} is not there: the order waits for it.", True)
        if more > short:
            yield Effect("stock", f"Reserves {amount(more - short, component)}.")


def _frees(view: _View) -> Iterator[Effect]:
    held = view.held()
    if held:
        yield Effect("stock", f"Frees {named(amount(quantity, product) for product, quantity in held)}.")
    else:
        yield Effect("stock", "Nothing is reserved for it.")
    if view.order.quantity_completed:
        yield Effect("stock", f"What is good stays in stock: {parts(view.order.quantity_completed)}.")


def _keeps(view: _View) -> Iterator[Effect]:
    held = view.held()
    if held:
        yield Effect(
            "stock", f"{named(amount(quantity, product) for product, quantity in held)} stays reserved for it."
        )


# --- Acts --------------------------------------------------------------------------------------------------------


def _confirm(view: _View) -> Iterator[Effect]:
    yield from _goes_on(view)
    yield from _made(view)
    yield from _reserves(view)


def _queue(view: _View) -> Iterator[Effect]:
    yield from _goes_on(view)
    yield from _made(view)


def _hold(view: _View) -> Iterator[Effect]:
    yield from _delayed(view, "while it is held")
    if view.waiting:
        verb = "is" if len(view.waiting) == 1 else "are"
        yield Effect("jobs", f"{named(job.code for job in view.waiting)} {verb} not sent.")
    else:
        yield Effect("jobs", "No print job waits.")
    for job in view.waiting:
        if view.sharers[job.pk]:
            yield Effect("jobs", f"{job.code} also holds parts of {named(view.sharers[job.pk])}, which wait too.", True)
    yield from _go_on_printing(view)
    yield from _keeps(view)


def _release(view: _View) -> Iterator[Effect]:
    yield from _goes_on(view)
    if view.waiting:
        yield Effect("jobs", f"{named(job.code for job in view.waiting)} may be sent again.")
    else:
        yield Effect("jobs", "No print job waits.")


def _in_work(view: _View) -> Iterator[Effect]:
    """Say what keeps an order from ending: printed units that are neither stock nor scrap."""
    for operation in view.order.operations.order_by("sequence"):
        if operation.quantity_waiting:
            units = parts(operation.quantity_waiting)
            yield Effect("parts", f"It is refused while {units} wait at {operation.name}: report them first.", True)


def _cancel(view: _View) -> Iterator[Effect]:
    yield from _in_work(view)
    yield from _not_made(view)
    yield from _withdrawn(view, stops=True)
    yield from _frees(view)


def _complete(view: _View) -> Iterator[Effect]:
    order = view.order
    yield from _in_work(view)
    if order.quantity_missing:
        text = f"It is closed with {order.quantity_completed} of {parts(order.quantity)}; the rest is not made."
        yield Effect("parts", text, True)
        yield from _not_made(view)
    uncounted = sum(plate.begun - plate.good for plate in view.counts.values())
    if uncounted:
        yield Effect("parts", f"{parts(uncounted)} on plates are not counted yet.", True)
    yield from _withdrawn(view, stops=False)
    yield from _frees(view)


def _fail(view: _View) -> Iterator[Effect]:
    yield from _delayed(view, "until it is tried again")
    yield from _withdrawn(view, stops=False)
    yield from _keeps(view)


def _again(view: _View) -> Iterator[Effect]:
    yield from _goes_on(view)
    yield from _made(view)
    yield from _reserves(view)


def _split(view: _View) -> Iterator[Effect]:
    order = view.order
    begun = begun_units(order, view.counts)
    most = max(min(order.quantity - begun, order.quantity - 1), 0)
    text = f"Up to {parts(most)} of {order.quantity} can go into a new order"
    yield Effect("parts", f"{text}; {begun} have begun." if begun else f"{text}.", not most)
    if len(view.waiters) > 1:
        last = view.waiters[-1].demand
        yield Effect("promise", f"Those who are served last go first: {last.label} with {parts(last.quantity)}.")
    elif view.waiters:
        yield Effect("promise", f"Both orders are for {view.waiters[0].demand.label}, who gets the same number in all.")
    if view.waiting:
        yield Effect("jobs", "Jobs that wait are divided; a plate that both need stays one plate.")
    if order.status != ProductionOrder.Status.DRAFT:
        yield Effect("stock", "What is reserved is divided: this order keeps what it needs first.")


def _quantity(view: _View) -> Iterator[Effect]:
    order = view.order
    waited_for = sum(waiter.demand.quantity for waiter in view.waiters)
    begun = begun_units(order, view.counts)
    yield from _goes_on(view)
    least = max(waited_for, begun, 1)
    yield Effect("parts", f"It is for {parts(order.quantity)}. It can be for {least} or more: {begun} have begun, "
                          f"{waited_for} are waited for.")  # fmt: skip
    if view.waiting:
        yield Effect("jobs", "For more, jobs are added; for fewer, those that were not sent are made anew.")
    if order.status != ProductionOrder.Status.DRAFT:
        yield Effect("stock", "More material is reserved, or what is not needed any more is freed.")


def mergeable_orders(order: ProductionOrder) -> list[ProductionOrder]:
    """Return the oldest orders that look as if they could join this one, by due date; the verb decides."""
    statuses = [str(status) for status in ProductionOrder.REQUIRING]
    if order.status not in statuses:
        return []
    earlier = statuses[: statuses.index(order.status) + 1]
    begun = PrintJobPart.objects.filter(job__sent_at__isnull=False).values("production_order_id")
    rows = ProductionOrder.objects.filter(
        product=order.product_id,
        bom=order.bom_id,
        status__in=earlier,
        is_held=order.is_held,
        printer_group=order.printer_group_id,
        quantity_completed=0,
    )
    rows = rows.exclude(pk=order.pk).exclude(pk__in=begun)
    found = list(rows.prefetch_related("demands").order_by("id")[:MERGEABLE])
    return sorted(found, key=lambda row: (row.due_date or datetime.date.max, row.pk))


def _merge(view: _View) -> Iterator[Effect]:
    others = mergeable_orders(view.order)
    if not others:
        yield Effect("parts", "No other order of this product can join it.", True)
        return
    yield from _goes_on(view)
    yield Effect(
        "parts", "What you choose is made with this order, which becomes as urgent and due as the most urgent."
    )
    yield Effect("jobs", "Jobs that wait come along; jobs for what has none are made once this order is queued.")
    yield Effect("stock", "What they have reserved is kept for this order. They are cancelled and point here.")


_TELL: dict[str, Callable[[_View], Iterator[Effect]]] = {
    "cancel": _cancel,
    "complete": _complete,
    "confirm": _confirm,
    "fail": _fail,
    "hold": _hold,
    "merge": _merge,
    "quantity": _quantity,
    "queue": _queue,
    "release": _release,
    "requeue": _queue,
    "retry": _again,
    "split": _split,
    "start": _queue,
}
#: The acts whose effects can be told.
ACTIONS = tuple(sorted(_TELL))
