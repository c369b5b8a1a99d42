"""A person empties a plate and says what is good: the one way in which printed parts become stock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db.models import Exists, OuterRef
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents, take_over
from blb3d.core.errors import InvalidTransition, InvalidValue
from blb3d.core.numbering import next_numbers
from blb3d.core.outbox import emit, gathering
from blb3d.core.verbs import verb
from production.errors import AlreadyCleared, WrongCounts
from production.models import DefectReason, PrintJob, PrintJobPart, ProductionOperation, ProductionOrder
from production.selectors.fleet import PRINTABLE
from production.selectors.progress import PlateCounts, count_parts, good_units, missing_by_plate, parts_beside
from production.services.flow import Flow
from production.services.making import PlannedJob, make_jobs, own_plates
from production.services.material import lock_stock
from production.services.output import draw_serial_numbers, take_in
from production.services.planning import complete_production_order
from production.services.standing import Standing

Status = PrintJob.Status


@dataclass(frozen=True)
class PlateCount:
    """What became of one production order's parts on a plate; ``defect`` and ``reason`` are why some are scrap."""

    production_order_id: int
    good: int
    scrap: int = 0
    reason: str = ""
    defect: DefectReason | None = None


@verb
def clear_plate(job: PrintJob, counts: Sequence[PlateCount], *, actor: User, requeue_missing: bool = True) -> PrintJob:
    """Count the parts of a job that is over and give its printer free.

    Good parts that make whole units (the least over a product's plates) become stock, kept for whoever the order is
    for, with serial numbers where the product has them; their other components are taken by bill of materials. Units
    of an order with operations after printing go to the first of those instead. Parts that are missing come back in
    one new job, unless other jobs bring them. An order with every part good completes.

    Raises:
        InvalidTransition: the job is not over.
        AlreadyCleared: it was counted before.
        WrongCounts: an order that was not on the plate, more parts than were, or parts of a job that never began.
    """
    with gathering():
        _clear(job, counts, requeue_missing=requeue_missing, actor=actor)
    return job


def _clear(job: PrintJob, counts: Sequence[PlateCount], *, requeue_missing: bool, actor: User) -> None:
    ahead = ProductionOperation.objects.filter(production_order=OuterRef("production_order")).exclude(
        status=ProductionOperation.Status.SKIPPED
    )
    rows = job.parts.select_related("production_order__product").annotate(has_work_ahead=Exists(ahead))
    parts = {part.production_order_id: part for part in rows}
    products = {pk: part.production_order.product for pk, part in parts.items()}
    _check(job, parts, counts)
    good = sum(count.good for count in counts)
    serials = draw_serial_numbers(_serials_needed(parts, counts))
    is_short = requeue_missing and good < sum(part.planned for part in parts.values())
    numbers = next_numbers("PJ", int(is_short))

    orders = lock_documents(ProductionOrder.objects.filter(job_parts__job=job))
    # Whoever changes a job or its parts holds their orders, so that all of it is as it is read here.
    beside = parts_beside(order.pk for order in orders)
    mine = [part for part in beside if part.job_id == job.pk]
    take_over(job, mine[0].job)
    for part in mine:
        part.job = job
    if job.status not in (Status.FINISHED, Status.FAILED, Status.CANCELLED):
        raise InvalidTransition(
            f"{job.code} is {job.get_status_display()}: its plate cannot be cleared.", details={"status": job.status}
        )
    if job.cleared_at is not None:
        raise AlreadyCleared(details={"job": job.code, "cleared_at": job.cleared_at.isoformat()})
    if good and job.started_at is None:
        raise WrongCounts(f"{job.code} never began.", details={"job": job.code})
    _count(job, {part.production_order_id: part for part in mine}, counts, actor=actor)
    plates = count_parts(beside)
    again = _requeue(job, mine, orders, plates, numbers) if is_short else []
    if len(orders) > 1:
        lock_stock(orders)
    for order in orders:
        order.product = products[order.pk]
        has_operations = any(p.has_operations for p in mine if p.production_order_id == order.pk)  # type: ignore[attr-defined]
        flow = Flow(order, is_empty=not has_operations)
        if flow:
            flow.take_printed(good_units(plates[order.pk]))
            flow.save(actor=actor)
        # New jobs, and what the end of one order does to the jobs of the next, are not among what was read.
        is_known = len(orders) == 1 and not again
        standing = Standing(order, beside if is_known else None, flow.operations)
        take_in(order, job, serials, actor=actor, standing=standing)
    emit(
        "production.plate_cleared",
        f"production.printjob:{job.pk}",
        id=job.pk,
        number=job.code,
        printer_id=job.printer_id,
        production_order_ids=[order.pk for order in orders],
    )


@verb
def count_printed(
    order: ProductionOrder,
    *,
    good: int,
    scrap: int = 0,
    reason: str = "",
    defect: DefectReason | None = None,
    close_short: bool = False,
    actor: User,
) -> list[PrintJob]:
    """Clear every plate of an order that is over, counting its units together: the first plates are filled first.

    Missing parts come back in new jobs, unless the order is closed short with the reason.

    Raises:
        WrongCounts: more units than the waiting plates hold, none is waiting, or one holds parts of other orders.
        InvalidValue: a count is negative.
        ReasonRequired: it is closed short and nobody says why.
        UnitsInWork: it is to be closed short, but what was printed has operations before it.
    """
    if good < 0 or scrap < 0:
        raise InvalidValue("Counts must not be negative.", details={"good": good, "scrap": scrap})
    over = (Status.FINISHED, Status.FAILED, Status.CANCELLED)
    jobs = list(
        order.print_jobs.filter(status__in=over, started_at__isnull=False, cleared_at__isnull=True)
        .prefetch_related("parts")
        .order_by("id")
    )
    shared = [job.code for job in jobs if len(job.parts.all()) > 1]
    if shared or not jobs:
        text = "Its plates hold parts of other orders too." if shared else "No plate waits to be cleared."
        raise WrongCounts(f"{order.code}: {text}", details={"jobs": shared})
    left: dict[int, list[int]] = {job.plate_id: [good, scrap] for job in jobs}
    counts = []
    for job in jobs:
        part, plate = job.parts.all()[0], left[job.plate_id]
        own_good = min(plate[0], part.planned)
        own_scrap = min(plate[1], part.planned - own_good)
        plate[0], plate[1] = plate[0] - own_good, plate[1] - own_scrap
        counts.append(PlateCount(part.production_order_id, own_good, own_scrap, reason, defect))
    if any(any(plate) for plate in left.values()):
        raise WrongCounts(
            f"{order.code}: more parts than its plates held.", details={"jobs": [job.code for job in jobs]}
        )
    for job, count in zip(jobs, counts, strict=True):
        clear_plate(job, [count], actor=actor, requeue_missing=not close_short)
    order.refresh_from_db()
    if close_short and order.status != ProductionOrder.Status.COMPLETED:
        complete_production_order(order, actor=actor, reason=reason)
    return jobs


def _check(job: PrintJob, parts: Mapping[int, PrintJobPart], counts: Sequence[PlateCount]) -> None:
    named = [count.production_order_id for count in counts]
    unknown = sorted(set(named) - set(parts))
    if unknown or len(named) != len(set(named)):
        raise WrongCounts(
            "The counts name each production order of the plate once.",
            details={"unknown": unknown, "on_plate": sorted(parts)},
        )
    for count in counts:
        if count.good < 0 or count.scrap < 0:
            raise InvalidValue("Counts must not be negative.", details={"order": count.production_order_id})
        planned = parts[count.production_order_id].planned
        if count.good + count.scrap > planned:
            raise WrongCounts(
                f"{job.code} held {planned} parts, {count.good + count.scrap} were counted.",
                details={"production_order_id": count.production_order_id, "planned": planned},
            )


def _serials_needed(parts: Mapping[int, PrintJobPart], counts: Sequence[PlateCount]) -> int:
    """Return how many units may become stock: those of serialised products that have nothing left to do to them."""
    ready = {
        pk
        for pk, part in parts.items()
        if part.production_order.product.is_serialized and not part.has_work_ahead  # type: ignore[attr-defined]
    }
    return sum(count.good for count in counts if count.production_order_id in ready)


def _count(job: PrintJob, parts: Mapping[int, PrintJobPart], counts: Sequence[PlateCount], *, actor: User) -> None:
    for count in counts:
        part = parts[count.production_order_id]
        part.good, part.scrap, part.scrap_reason = count.good, count.scrap, count.reason[:200]
        part.defect = count.defect
    PrintJobPart.objects.bulk_update(parts.values(), ["good", "scrap", "scrap_reason", "defect"])
    job.cleared_at, job.cleared_by = timezone.now(), actor
    job.save()


def _requeue(
    job: PrintJob,
    parts: Sequence[PrintJobPart],
    orders: Sequence[ProductionOrder],
    counts: dict[int, dict[int, PlateCounts]],
    numbers: Sequence[str],
) -> list[PrintJob]:
    """Make one job of what this one owes and no other brings; of a mixed plate one for each plate it was mixed of."""
    by_order = {part.production_order_id: part for part in parts}
    again = []
    for order in orders:
        if order.status not in PRINTABLE:
            continue
        part = by_order[order.pk]
        plate_id = part.plate_id or job.plate_id
        owed = missing_by_plate(order, counts[order.pk], [plate_id]).get(plate_id, 0)
        number = min(part.planned - part.good, owed)
        if number > 0:
            again.append((order, number))
    if again and job.plate.is_mixed:
        owed_parts = [(order, by_order[order.pk], number) for order, number in again]
        return make_jobs(own_plates(owed_parts, retry_of=job), numbers)
    return make_jobs([PlannedJob(job.plate, tuple(again), retry_of=job)] if again else [], numbers)
