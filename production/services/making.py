"""From a quantity to jobs: how many plates, with which parts, filaments and estimates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents, lock_documents, take_over, update_documents
from blb3d.core.money import round_money
from blb3d.core.numbering import next_numbers
from blb3d.core.units import round_quantity
from inventory.models import PlateFilament, ProductPlate
from production.lifecycles import PRINT_JOB
from production.models import PrintJob, PrintJobFilament, PrintJobPart, ProductionOperation, ProductionOrder
from production.selectors.progress import PlateCounts, count_plates, good_units, missing_by_plate


@dataclass(frozen=True)
class Source:
    """Whose part lies on a mixed plate: the plate of its own product, and what one part takes of the print."""

    plate_id: int
    grams: Decimal
    minutes: Decimal


@dataclass(frozen=True)
class PlannedJob:
    """A plate to print: the parts per production order, the first being the one it is made for.

    On a mixed plate ``sources`` says by order id whose parts they are.
    """

    plate: ProductPlate
    parts: tuple[tuple[ProductionOrder, int], ...]
    retry_of: PrintJob | None = None
    sources: Mapping[int, Source] = field(default_factory=dict)


def lock_order(order: ProductionOrder) -> None:
    """Lock one production order and re-read it in place; needs a transaction."""
    [fresh] = lock_documents(ProductionOrder.all_objects.filter(pk=order.pk))
    take_over(order, fresh)


def lock_job(job: PrintJob) -> list[ProductionOrder]:
    """Lock the production orders on a job's plate and then the job, re-read in place; return the orders by id."""
    orders = lock_documents(ProductionOrder.objects.filter(job_parts__job=job))
    [fresh] = lock_documents(PrintJob.all_objects.filter(pk=job.pk))
    take_over(job, fresh)
    return orders


def recount(
    order: ProductionOrder,
    plates: dict[int, PlateCounts] | None = None,
    operations: Sequence[ProductionOperation] | None = None,
) -> None:
    """Set the order's counters, unsaved: whole units that its plates and operations brought, parts scrapped on both.

    Counts of its plates and its operations, the first one first, are read unless they are given.
    """
    if plates is None:
        plates = count_plates([order.pk])[order.pk]
    last = order.operations.order_by("sequence").last() if operations is None else next(reversed(operations), None)
    order.quantity_completed = good_units(plates) if last is None else last.quantity_good
    order.quantity_scrapped = sum(plate.scrap for plate in plates.values()) + order.quantity_lost * len(plates)


def hold_job_numbers(orders: Iterable[ProductionOrder]) -> None:
    """Take the numbers of jobs before orders are locked whose mixed plates may be given up for jobs of their own.

    Who waits for numbers holds no order, so whoever makes jobs takes numbers first; one is enough to have the others.
    """
    waiting = PrintJob.objects.filter(parts__production_order__in=orders, status=PrintJob.Status.QUEUED)
    if waiting.filter(plate__is_mixed=True).exists():
        next_numbers("PJ", 1)


def active_plates(order: ProductionOrder) -> list[ProductPlate]:
    """Return the plates that the order's product is printed on today, by number."""
    return list(ProductPlate.objects.filter(product=order.product_id, is_active=True).order_by("plate_number"))


def jobs_owed(order: ProductionOrder, plates: Sequence[ProductPlate]) -> list[PlannedJob]:
    """Return the jobs that are still needed for the parts that are neither good nor expected.

    A quantity becomes ceil(quantity / parts per plate) jobs; the last one of a plate may be partly filled.
    """
    counts = count_plates([order.pk])[order.pk]
    missing = missing_by_plate(order, counts, [plate.pk for plate in plates])
    jobs = []
    for plate in plates:
        left = missing.get(plate.pk, 0)
        while left > 0:
            number = min(left, plate.parts_per_plate)
            jobs.append(PlannedJob(plate, ((order, number),)))
            left -= number
    return jobs


def make_jobs(planned: Sequence[PlannedJob], numbers: Sequence[str]) -> list[PrintJob]:
    """Insert the jobs with their parts and filaments in a constant number of statements.

    A partly filled plate is printed with its other objects left out, so time and grams are estimated by its parts.
    ``numbers`` were drawn before anything was locked; should they not be enough, more are drawn.
    """
    if not planned:
        return []
    codes = [*numbers[: len(planned)], *next_numbers("PJ", max(len(planned) - len(numbers), 0))]
    jobs = []
    for code, plan in zip(codes, planned, strict=True):
        order = plan.parts[0][0]
        job = PrintJob(
            code=code,
            production_order=order,
            plate=plan.plate,
            priority=max(part_order.priority for part_order, _ in plan.parts),
            retry_of=plan.retry_of,
            printer_group_id=plan.retry_of.printer_group_id if plan.retry_of else order.printer_group_id,
            estimated_time_minutes=round_money(plan.plate.estimated_minutes * _share(plan)),
        )
        jobs.append(job)
    filaments: dict[int, list[PlateFilament]] = {}
    for filament in PlateFilament.objects.filter(plate__in={plan.plate.pk for plan in planned}).order_by("position"):
        filaments.setdefault(filament.plate_id, []).append(filament)
    rows = []
    for job, plan in zip(jobs, planned, strict=True):
        for filament in filaments.get(plan.plate.pk, []):
            grams = round_quantity(filament.grams * _share(plan))
            job.estimated_grams += grams
            rows.append((job, filament, grams))
    insert_documents(jobs, natural_key="code")
    PrintJobPart.objects.bulk_create(
        _part(job, order, number, plan.sources.get(order.pk))
        for job, plan in zip(jobs, planned, strict=True)
        for order, number in plan.parts
    )
    PrintJobFilament.objects.bulk_create(
        PrintJobFilament(job=job, position=filament.position, material_id=filament.material_id, planned_grams=grams)
        for job, filament, grams in rows
    )
    return jobs


def _part(job: PrintJob, order: ProductionOrder, number: int, source: Source | None) -> PrintJobPart:
    part = PrintJobPart(job=job, production_order=order, planned=number)
    if source is not None:
        part.plate_id, part.grams_each, part.minutes_each = source.plate_id, source.grams, source.minutes
    return part


def own_plates(
    parts: Sequence[tuple[ProductionOrder, PrintJobPart, int]], *, retry_of: PrintJob | None = None
) -> list[PlannedJob]:
    """Return jobs that bring so many of each part of a mixed plate on the plate of its own product."""
    plates = ProductPlate.objects.in_bulk({part.plate_id for _, part, _ in parts})
    jobs = []
    for order, part, number in parts:
        plate, left = plates[part.plate_id], number
        while left > 0:
            jobs.append(PlannedJob(plate, ((order, min(left, plate.parts_per_plate)),), retry_of=retry_of))
            left -= plate.parts_per_plate
    return jobs


def _share(plan: PlannedJob) -> Decimal:
    return Decimal(sum(number for _, number in plan.parts)) / plan.plate.parts_per_plate


def rescale_jobs(jobs: Sequence[PrintJob], planned: dict[int, tuple[int, int]]) -> None:
    """Bring estimates to a new number of parts; ``planned`` gives (before, now) by job id. The jobs are locked."""
    filaments = list(PrintJobFilament.objects.filter(job__in=jobs))
    for filament in filaments:
        before, now = planned[filament.job_id]
        filament.planned_grams = round_quantity(filament.planned_grams * now / before)
    PrintJobFilament.objects.bulk_update(filaments, ["planned_grams"])
    for job in jobs:
        before, now = planned[job.pk]
        job.estimated_time_minutes = round_money(job.estimated_time_minutes * now / before)
        job.estimated_grams = sum((row.planned_grams for row in filaments if row.job_id == job.pk), Decimal(0))
    update_documents(jobs, ["production_order", "priority", "estimated_time_minutes", "estimated_grams"])


def withdraw_queued_jobs(order: ProductionOrder, *, actor: User, reason: str) -> None:
    """Take an order's parts off every job that was not sent yet; a job with no other parts is cancelled.

    The order is locked by the caller, which keeps its jobs from being sent meanwhile. A mixed plate, whose file cannot
    leave parts out, is given up: what else lay on it goes back to the plates of its own products.
    """
    waiting = PrintJob.objects.filter(parts__production_order=order, status=PrintJob.Status.QUEUED)
    locked = lock_documents(waiting)
    mixed = set(ProductPlate.objects.filter(print_jobs__in=locked, is_mixed=True).values_list("pk", flat=True))
    for job in locked:
        if job.plate_id in mixed and job.status == PrintJob.Status.QUEUED:
            give_up_mixed(job, without=order, actor=actor, reason=reason)
    if mixed:
        # While we waited for its lock another order may have given the plate up, and made jobs for this one.
        locked = lock_documents(waiting)
    jobs = [job for job in locked if job.status == PrintJob.Status.QUEUED and job.plate_id not in mixed]
    others: dict[int, list[PrintJobPart]] = {job.pk: [] for job in jobs}
    own: dict[int, PrintJobPart] = {}
    for part in PrintJobPart.objects.filter(job__in=jobs).select_related("production_order"):
        if part.production_order_id == order.pk:
            own[part.job_id] = part
        else:
            others[part.job_id].append(part)
    shared = [job for job in jobs if others[job.pk]]
    PrintJobPart.objects.filter(pk__in=[own[job.pk].pk for job in shared]).delete()
    sizes = {}
    for job in shared:
        left = sum(part.planned for part in others[job.pk])
        sizes[job.pk] = (left + own[job.pk].planned, left)
        if job.production_order_id == order.pk:
            job.production_order = others[job.pk][0].production_order
    rescale_jobs(shared, sizes)
    alone = [job for job in jobs if not others[job.pk]]
    with PRINT_JOB.step_many(alone, "cancel", actor=actor, reason=reason) as move:
        move.set(finished_at=timezone.now())


def give_up_mixed(job: PrintJob, *, actor: User, reason: str, without: ProductionOrder | None = None) -> list[PrintJob]:
    """Cancel a waiting job of a mixed plate; return the jobs that bring its parts, but those of ``without``, instead.

    The job is locked by the caller.
    """
    parts = list(PrintJobPart.objects.filter(job=job).select_related("production_order").order_by("id"))
    kept = [part for part in parts if without is None or part.production_order_id != without.pk]
    with PRINT_JOB.step(job, "cancel", actor=actor, reason=reason):
        job.finished_at = timezone.now()
    plates = lock_documents(ProductPlate.objects.filter(pk=job.plate_id, is_active=True))
    for plate in plates:
        plate.is_active = False
    update_documents(plates, ["is_active"])
    return make_jobs(own_plates([(part.production_order, part, part.planned) for part in kept]), [])
