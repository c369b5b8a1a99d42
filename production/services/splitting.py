"""Production orders divided and joined: who needs how many by when stays the same, and nothing is made twice."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from decimal import Decimal

from django.db.models import Sum

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents, lock_documents, update_documents
from blb3d.core.errors import InvalidTransition, InvalidValue
from blb3d.core.numbering import next_number, next_numbers
from blb3d.core.outbox import emit
from blb3d.core.verbs import verb
from inventory.models import Reference, Reservation
from inventory.services import Need, hand_over_reservations, release_reservations, reserve
from production.errors import NotDivisible, NotMergeable
from production.lifecycles import PRODUCTION_ORDER
from production.models import Demand, PrintJob, PrintJobPart, ProductionOperation, ProductionOrder, TraceLink
from production.selectors.needs import needs_of, stocked_lines
from production.selectors.progress import begun_units, count_plates
from production.services.flow import end_operations
from production.services.links import link
from production.services.making import (
    active_plates,
    hold_job_numbers,
    jobs_owed,
    lock_order,
    make_jobs,
    withdraw_queued_jobs,
)
from production.services.material import lock_stock
from production.services.planning import (
    MAX_QUANTITY,
    cancel_production_order,
    confirm_production_orders,
    fail_production_order,
    reserve_material,
    settle,
)

Status = ProductionOrder.Status
Node = TraceLink.Node
Operation = ProductionOperation.Status

#: How far an order is that may be divided or joined.
_RANK: dict[str, int] = {Status.DRAFT: 0, Status.CONFIRMED: 1, Status.QUEUED: 2, Status.PRINTING: 3}
_ORDER = Reference.PRODUCTION_ORDER


@verb
def split_production_order(order: ProductionOrder, *, quantity: int, actor: User, reason: str = "") -> ProductionOrder:
    """Take units that have not begun off an order into a new one, which goes on from the same status; return that.

    The units that the order would have made last go, with the demand for them, their jobs that still wait (a plate
    that both need is shared) and the material that the order does not need for the rest. An order that has nothing
    left to make completes.

    Raises:
        NotDivisible: so many units have begun, or none would be left; ``details["most"]`` says how many can go.
        InvalidTransition: the order is failed or over.
    """
    code = next_number("PO")
    lock_order(order)
    return _split(order, quantity, code, actor=actor, reason=reason)


def _split(
    order: ProductionOrder,
    quantity: int,
    code: str,
    *,
    actor: User,
    reason: str,
    demands: Collection[int] | None = None,
) -> ProductionOrder:
    """Split a locked order; with ``demands`` the new order is for these rows first, else for those served last."""
    if order.status not in _RANK:
        raise InvalidTransition(
            f"An order that is {order.get_status_display()} cannot be split.", details={"status": order.status}
        )
    begun = begun_units(order, count_plates([order.pk])[order.pk])
    most = min(order.quantity - begun, order.quantity - 1)
    if not 1 <= quantity <= most:
        text = f"of {order.quantity} parts {begun} have begun" if begun else f"it is for {order.quantity}"
        raise NotDivisible(
            f"{quantity} cannot be split off {order.code}: {text}.", details={"most": max(most, 0), "begun": begun}
        )
    moved = _moved_demand(order, quantity, demands)
    is_for_others = bool(moved) or not order.demands.exists()
    [new] = insert_documents(
        [
            ProductionOrder(
                code=code,
                product_id=order.product_id,
                bom_id=order.bom_id,
                quantity=quantity,
                source_type=order.source_type if is_for_others else ProductionOrder.Source.STOCK,
                sales_order_id=order.sales_order_id if is_for_others else None,
                sales_order_line_id=order.sales_order_line_id if is_for_others else None,
                quote_id=order.quote_id if is_for_others else None,
                priority=order.priority,
                due_date=min((row.due_date for row, _ in moved if row.due_date), default=order.due_date),
                printer_group_id=order.printer_group_id,
                is_held=order.is_held,
                hold_reason=order.hold_reason,
                split_from=order,
                notes=order.notes,
            )
        ],
        natural_key="code",
    )
    _move_demand(moved, new)
    order.quantity -= quantity
    order.save()
    _move_parts(order, new, quantity)
    if order.status != Status.DRAFT:
        lock_stock([order])
        _divide_material(order, new, actor=actor)
        confirm_production_orders([new], actor=actor, reason=reason)
        if order.status != Status.CONFIRMED:
            with PRODUCTION_ORDER.step(new, "queue", actor=actor, reason=reason):
                pass
    if new.sales_order_id is not None:
        link([((Node.PRODUCTION_ORDER, new.pk), (Node.SALES_ORDER, new.sales_order_id))], new=True)
    emit(
        "production.order_split",
        f"production.productionorder:{order.pk}",
        id=order.pk,
        number=order.code,
        quantity=quantity,
        into_id=new.pk,
        into=new.code,
    )
    if not order.quantity_missing and order.status in (Status.QUEUED, Status.PRINTING):
        with PRODUCTION_ORDER.step(order, "complete", actor=actor, reason=reason) as move:
            settle(move, actor=actor)
    return new


def _moved_demand(order: ProductionOrder, quantity: int, chosen: Collection[int] | None) -> list[tuple[Demand, int]]:
    """Return from which demand rows how much goes: of chosen ones from the last, else what the tail was for."""
    rows = list(order.demands.order_by("id"))
    if chosen is not None:
        moved, left = [], quantity
        for row in reversed(rows):
            part = min(row.quantity, left) if row.pk in chosen else 0
            if part:
                moved.append((row, part))
                left -= part
        return moved[::-1]
    moved, start, kept = [], 0, order.quantity - quantity
    for row in rows:
        end = start + row.quantity
        part = end - max(start, kept)
        if part > 0:
            moved.append((row, part))
        start = end
    return moved


def _move_demand(moved: Sequence[tuple[Demand, int]], new: ProductionOrder) -> None:
    rows = []
    for row, part in moved:
        rows.append(
            Demand(
                production_order=new,
                quantity=part,
                due_date=row.due_date,
                reference_type=row.reference_type,
                reference_id=row.reference_id,
                label=row.label,
            )
        )
        if part == row.quantity:
            row.delete()
        else:
            row.quantity -= part
            row.save(update_fields=["quantity"])
    Demand.objects.bulk_create(rows)


def _move_parts(order: ProductionOrder, new: ProductionOrder, quantity: int) -> None:
    """Give the new order the waiting parts that the old one, its quantity lowered, does not need any more.

    Whole jobs go first; a plate that both need stays one plate with parts of both.
    """
    waiting = PrintJob.objects.filter(parts__production_order=order, status=PrintJob.Status.QUEUED)
    jobs = {job.pk: job for job in lock_documents(waiting) if job.status == PrintJob.Status.QUEUED}
    by_plate: dict[int, list[PrintJobPart]] = defaultdict(list)
    for part in PrintJobPart.objects.filter(production_order=order, job__in=jobs).order_by("job_id"):
        by_plate[part.plate_id or jobs[part.job_id].plate_id].append(part)
    counts = count_plates([order.pk])[order.pk]
    gone: list[PrintJobPart] = []
    shared: list[PrintJobPart] = []
    for plate_id, parts in by_plate.items():
        needed = max(order.quantity + order.quantity_lost - counts[plate_id].begun, 0)
        left = min(max(counts[plate_id].waiting - needed, 0), quantity)
        for part in sorted(parts, key=lambda row: (-row.planned, -row.job_id)):
            if part.planned <= left:
                left -= part.planned
                gone.append(part)
        kept = [part for part in parts if part not in gone]
        if left:  # less than any that is kept: the last plate is made for both
            part = kept[-1]
            part.planned -= left
            other = PrintJobPart(
                job_id=part.job_id,
                production_order=new,
                planned=left,
                plate_id=part.plate_id,
                grams_each=part.grams_each,
                minutes_each=part.minutes_each,
            )
            shared += [part, other]
    _give_parts(gone, new)
    PrintJobPart.objects.bulk_update([part for part in shared if part.pk], ["planned"])
    PrintJobPart.objects.bulk_create([part for part in shared if not part.pk])
    _head_jobs([jobs[part.job_id] for part in gone], {order.pk}, new)


def _give_parts(parts: Sequence[PrintJobPart], to: ProductionOrder) -> None:
    for part in parts:
        part.production_order = to
    PrintJobPart.objects.bulk_update(parts, ["production_order"])


def _head_jobs(jobs: Iterable[PrintJob], old: Collection[int], new: ProductionOrder) -> None:
    """Let jobs that were made for an old order, and hold nothing of it any more, be the new one's."""
    headed = [job for job in jobs if job.production_order_id in old]
    for job in headed:
        job.production_order = new
    update_documents(headed, ["production_order"])


def _divide_material(order: ProductionOrder, new: ProductionOrder, *, actor: User) -> None:
    """Hand over what the order has reserved and does not need for the rest, up to what the new one needs."""
    lines = stocked_lines([order.bom_id]).get(order.bom_id, [])
    own = needs_of(lines, order.quantity_missing)
    held = _held(order)
    most = {
        product: min(max(held.get(product, Decimal(0)) - own.get(product, Decimal(0)), Decimal(0)), needed)
        for product, needed in needs_of(lines, new.quantity).items()
    }
    hand_over_reservations((_ORDER, order.pk), (_ORDER, new.pk), most=most, actor=actor)


def _held(order: ProductionOrder) -> dict[int, Decimal]:
    held: dict[int, Decimal] = defaultdict(Decimal)
    rows = Reservation.objects.filter(reference_type=_ORDER, reference_id=order.pk)
    for product_id, quantity in rows.values_list("balance__product_id", "quantity"):
        held[product_id] += quantity
    return held


@verb
def merge_production_orders(
    order: ProductionOrder, others: Sequence[ProductionOrder], *, actor: User, reason: str = ""
) -> ProductionOrder:
    """Make the quantities of other orders with this one: demand, waiting jobs and material join it, they are cancelled.

    The joined order is as urgent as the most urgent and due with the earliest. Jobs for what has none yet are made
    when the order is queued. An order that joins several customers belongs to none of them; its demand names them.

    Raises:
        NotMergeable: another product or bill, held or bound to printers differently, begun, further than this one, or
            on one mixed plate with different plates of the product; ``details["orders"]`` names those.
    """
    wanted = {other.pk for other in others} - {order.pk}
    units = sum(other.quantity for other in others)
    plates = active_plates(order) if order.status == Status.QUEUED else []
    numbers = next_numbers("PJ", sum(-(-units // plate.parts_per_plate) for plate in plates))
    locked = {row.pk: row for row in lock_documents(ProductionOrder.objects.filter(pk__in=[order.pk, *wanted]))}
    order.refresh_from_db()
    sources = [locked[pk] for pk in sorted(wanted) if pk in locked]
    _check_merge(order, sources)
    added = sum(source.quantity for source in sources)
    Demand.objects.filter(production_order__in=sources).update(production_order=order)
    _join_parts(order, sources)
    order.quantity += added
    order.priority = max(row.priority for row in (order, *sources))
    order.due_date = min((row.due_date for row in (order, *sources) if row.due_date), default=None)
    _join_owners(order, sources)
    order.save()
    _raise_priority(order)
    lock_stock([order])
    for source in sources:
        hand_over_reservations((_ORDER, source.pk), (_ORDER, order.pk), actor=actor)
    ProductionOrder.objects.filter(merged_into__in=sources).update(merged_into=order)
    for source in sources:
        words = reason or f"Made with {order.code}"
        with PRODUCTION_ORDER.step(source, "cancel", actor=actor, reason=words) as move:
            source.merged_into = order
            move.payload["merged_into_id"] = order.pk
            end_operations(source, actor=actor)
    if order.status != Status.DRAFT:
        reserve_material([order], actor=actor)
    if order.status == Status.QUEUED:
        make_jobs(jobs_owed(order, plates or active_plates(order)), numbers)
    emit(
        "production.orders_merged",
        f"production.productionorder:{order.pk}",
        id=order.pk,
        number=order.code,
        quantity=order.quantity,
        merged_ids=[source.pk for source in sources],
    )
    for other in others:
        if other.pk in wanted:
            other.refresh_from_db()
    return order


def _check_merge(order: ProductionOrder, sources: Sequence[ProductionOrder]) -> None:
    if not sources:
        raise NotMergeable("Choose at least one other order.", details={"orders": []})
    every = [order, *sources]
    begun = set(
        PrintJobPart.objects.filter(production_order__in=every)
        .exclude(job__status=PrintJob.Status.QUEUED)
        .exclude(job__status=PrintJob.Status.CANCELLED, job__started_at__isnull=True)
        .values_list("production_order_id", flat=True)
    )
    begun |= set(
        ProductionOperation.objects.filter(
            production_order__in=every, status__in=[Operation.RUNNING, Operation.DONE]
        ).values_list("production_order_id", flat=True)
    )
    owners = {row.sales_order_id for row in every}
    rules: tuple[tuple[str, Callable[[ProductionOrder], object]], ...] = (
        ("of another product or bill", lambda row: (row.product_id, row.bom_id) != (order.product_id, order.bom_id)),
        ("over, or failed", lambda row: row.status not in _RANK),
        ("begun", lambda row: row.status == Status.PRINTING or row.pk in begun or row.quantity_completed),
        (f"further than {order.code}: merge the other way round", lambda row: _RANK[row.status] > _RANK[order.status]),
        (f"held, or {order.code} is", lambda row: row.is_held != order.is_held),
        ("a draft for a customer: confirm the sales order first", lambda row: _waits_for_word(row, order, owners)),
        ("bound to other printers", lambda row: row.printer_group_id != order.printer_group_id),
    )
    for words, is_wrong in rules:
        wrong = [row.code for row in every if is_wrong(row)]
        if wrong:
            raise NotMergeable(f"{', '.join(wrong)}: {words}.", details={"orders": wrong})
    mixed = PrintJobPart.objects.filter(production_order__in=every, job__status=PrintJob.Status.QUEUED)
    plates_on: dict[int, set[int | None]] = defaultdict(set)
    for job_id, plate_id in mixed.filter(plate__isnull=False).values_list("job_id", "plate_id"):
        plates_on[job_id].add(plate_id)
    if any(len(plates) > 1 for plates in plates_on.values()):
        codes = [row.code for row in every]
        raise NotMergeable(
            f"{', '.join(codes)}: they share a mixed plate with parts of different plates. Give it up first.",
            details={"orders": codes},
        )
    if sum(row.quantity for row in every) > MAX_QUANTITY:
        raise NotMergeable(f"An order is for at most {MAX_QUANTITY}.", details={"orders": [row.code for row in every]})


def _waits_for_word(row: ProductionOrder, order: ProductionOrder, owners: Collection[int | None]) -> bool:
    """Tell whether a draft would be joined with other customers' parts before its sales order is confirmed.

    A draft for the shelf may join an order that is confirmed.
    """
    if row.status != Status.DRAFT or len(owners) == 1:
        return False
    return row.sales_order_id is not None or order.status == Status.DRAFT


def _join_parts(order: ProductionOrder, sources: Sequence[ProductionOrder]) -> None:
    """Bring the sources' waiting parts to the order; on a plate that held both they become one count."""
    waiting = PrintJob.objects.filter(parts__production_order__in=[order, *sources], status=PrintJob.Status.QUEUED)
    jobs = {job.pk: job for job in lock_documents(waiting.distinct()) if job.status == PrintJob.Status.QUEUED}
    rows = list(PrintJobPart.objects.filter(job__in=jobs, production_order__in=[order, *sources]).order_by("id"))
    kept: dict[int, PrintJobPart] = {row.job_id: row for row in rows if row.production_order_id == order.pk}
    given, grown, emptied = [], set(), []
    for row in rows:
        if row.production_order_id == order.pk:
            continue
        own = kept.get(row.job_id)
        if own is None:
            kept[row.job_id] = row
            given.append(row)
            continue
        own.planned += row.planned
        grown.add(own.job_id)
        emptied.append(row.pk)
    PrintJobPart.objects.filter(pk__in=emptied).delete()
    _give_parts(given, order)
    PrintJobPart.objects.bulk_update([kept[job_id] for job_id in grown], ["planned"])
    _head_jobs(jobs.values(), {source.pk for source in sources}, order)


def _join_owners(order: ProductionOrder, sources: Sequence[ProductionOrder]) -> None:
    """Name a sales order, line or quote only where all of it is for that one; link the trace to every sales order."""
    owners = {row.sales_order_id for row in sources if row.sales_order_id is not None}
    link(((Node.PRODUCTION_ORDER, order.pk), (Node.SALES_ORDER, owner)) for owner in sorted(owners))
    for column in ("sales_order_id", "sales_order_line_id", "quote_id"):
        if any(getattr(row, column) != getattr(order, column) for row in sources):
            setattr(order, column, None)


def _raise_priority(order: ProductionOrder) -> None:
    jobs = lock_documents(PrintJob.objects.filter(production_order=order, status=PrintJob.Status.QUEUED))
    less = [job for job in jobs if job.priority < order.priority]
    for job in less:
        job.priority = order.priority
    update_documents(less, ["priority"])


@verb
def change_production_quantity(
    order: ProductionOrder, *, quantity: int, actor: User, reason: str = ""
) -> ProductionOrder:
    """Make more or fewer units with an order; material and jobs that were not sent follow.

    Fewer is only what nobody waits for: who needs how many is changed where it was ordered. An order that has nothing
    left to make completes.

    Raises:
        InvalidValue: fewer than have begun or than people wait for (``details["least"]``), or absurdly many.
        InvalidTransition: the order is failed or over.
    """
    # One at least: who waits for numbers holds no order, and with one the others are ours too.
    numbers = next_numbers("PJ", len(jobs_owed(order, active_plates(order))) or 1)
    lock_order(order)
    if order.status not in _RANK:
        raise InvalidTransition(
            f"The quantity of an order that is {order.get_status_display()} is not changed.",
            details={"status": order.status},
        )
    needed = order.demands.aggregate(total=Sum("quantity"))["total"] or 0
    least = max(begun_units(order, count_plates([order.pk])[order.pk]), needed, 1)
    if not least <= quantity <= MAX_QUANTITY:
        why = f"{needed} are waited for" if least == needed else "so many have begun"
        text = f"At least {least}: {why}." if quantity < least else f"At most {MAX_QUANTITY}."
        raise InvalidValue(f"{order.code}: {text}", details={"field": "quantity", "least": least})
    if quantity == order.quantity:
        return order
    is_less, order.quantity = quantity < order.quantity, quantity
    order.save()
    has_jobs = order.status in (Status.QUEUED, Status.PRINTING)
    if has_jobs:
        if is_less:
            withdraw_queued_jobs(order, actor=actor, reason=reason or f"{order.code} is for {quantity} now")
        make_jobs(jobs_owed(order, active_plates(order)), numbers)
    if order.status != Status.DRAFT:
        lock_stock([order])
        if is_less:
            release_reservations(_ORDER, [order.pk], actor=actor)
        reserve_material([order], actor=actor)
    if has_jobs and not order.quantity_missing:
        with PRODUCTION_ORDER.step(order, "complete", actor=actor, reason=reason) as move:
            settle(move, actor=actor)
    return order


@verb
def withdraw_demand(reference_type: str, reference_ids: Collection[int], *, actor: User, reason: str) -> None:
    """Make nothing more for documents that need nothing any more, and free what is kept for them.

    An order that is for them alone is given up and cancelled, asking its printers to stop. One that others wait for
    too goes on with their quantity; parts that have begun are finished and go to whoever waits, then to the shelf.
    """
    found = Demand.objects.filter(reference_type=reference_type, reference_id__in=list(reference_ids))
    orders = ProductionOrder.objects.filter(demands__in=found, status__in=ProductionOrder.OPEN)
    waiting = list(orders.distinct().order_by("pk"))
    before = _served(waiting)
    hold_job_numbers(waiting)
    codes = dict(zip((order.pk for order in waiting), next_numbers("PO", len(waiting)), strict=True)) if waiting else {}
    lock_documents(ProductionOrder.objects.filter(pk__in=[order.pk for order in waiting]))
    lock_stock(waiting)
    for order in waiting:
        lock_order(order)
        if order.status in ProductionOrder.OPEN:
            own = {row.pk: row for row in order.demands.all() if row.reference_type == reference_type}
            own = {pk: row for pk, row in own.items() if row.reference_id in set(reference_ids)}
            if sum(row.quantity for row in own.values()) >= order.quantity:
                _give_up(order, actor=actor, reason=reason)
            else:
                _take_out(order, own, codes[order.pk], actor=actor, reason=reason)
    found.delete()
    release_reservations(reference_type, reference_ids, actor=actor)
    _serve_again(waiting, before, actor=actor)


def _give_up(order: ProductionOrder, *, actor: User, reason: str) -> None:
    if order.status == Status.PRINTING:
        fail_production_order(order, actor=actor, reason=reason)
    cancel_production_order(order, actor=actor, reason=reason)


def _take_out(order: ProductionOrder, own: Mapping[int, Demand], code: str, *, actor: User, reason: str) -> None:
    """Split off and cancel as much of the own demand as has not begun."""
    if order.status not in _RANK:
        return
    begun = begun_units(order, count_plates([order.pk])[order.pk])
    units = min(sum(row.quantity for row in own.values()), order.quantity - begun, order.quantity - 1)
    if units > 0:
        off = _split(order, units, code, actor=actor, reason=reason, demands=set(own))
        cancel_production_order(off, actor=actor, reason=reason)


def _served(orders: Sequence[ProductionOrder]) -> dict[int, int]:
    """Return how many of the units that are made were for whom, by demand: they are served in their order."""
    completed = {
        order.pk: order.quantity_completed
        for order in ProductionOrder.objects.filter(pk__in=[row.pk for row in orders]).exclude(status=Status.CANCELLED)
    }
    served: dict[int, int] = {}
    starts: dict[int, int] = defaultdict(int)
    for demand in Demand.objects.filter(production_order__in=completed).order_by("id"):
        pk = demand.production_order_id
        served[demand.pk] = max(min(completed[pk] - starts[pk], demand.quantity), 0)
        starts[pk] += demand.quantity
    return served


def _serve_again(orders: Sequence[ProductionOrder], before: Mapping[int, int], *, actor: User) -> None:
    """Keep the units that are made already for those who moved up in the line, as far as they lie free."""
    now = _served(orders)
    more = {pk: units - before.get(pk, 0) for pk, units in now.items() if units > before.get(pk, 0)}
    demands = list(Demand.objects.filter(pk__in=more).select_related("production_order").order_by("id"))
    held: dict[tuple[str, int, int], Decimal] = defaultdict(Decimal)
    rows = Reservation.objects.filter(reference_id__in=[row.reference_id for row in demands])
    for kind, number, product_id, quantity in rows.values_list(
        "reference_type", "reference_id", "balance__product_id", "quantity"
    ):
        held[(kind, number, product_id)] += quantity
    needs = []
    for row in demands:
        product_id = row.production_order.product_id
        kept = held[(row.reference_type, row.reference_id, product_id)]
        needs.append(Need(product_id, kept + more[row.pk], row.reference_type, row.reference_id))
    if needs:
        reserve(needs, actor=actor)
