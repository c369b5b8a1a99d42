"""Why something waits, in a sentence for the people who can change it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from django.db.models import Exists, OuterRef, Q

from inventory.models import PrintFile, ProductPlate
from production.errors import MaintenanceAhead, MaterialNotLoaded, MaterialNotPrintable, TagsMissing, WrongNozzle
from production.models import (
    PrintJob,
    PrintJobPart,
    ProductionOperation,
    ProductionOrder,
    QualityInspection,
    ScheduleEntry,
)
from production.selectors.fleet import (
    MAX_DISPATCH_ATTEMPTS,
    Fit,
    Fleet,
    FleetPrinter,
    Needs,
    WaitingJob,
    load_fleet,
    needs_of,
    waiting_jobs,
)

#: Refusals by how little is missing before the job could print.
_NEAREST_FIRST = (MaintenanceAhead, MaterialNotLoaded, MaterialNotPrintable, TagsMissing, WrongNozzle)


def plates_without_file(product_ids: Iterable[int]) -> dict[int, list[ProductPlate]]:
    """Return the active plates that have no released print file, by product; products without any are left out."""
    released = PrintFile.objects.filter(plate=OuterRef("pk"), released_at__isnull=False, withdrawn_at__isnull=True)
    plates = ProductPlate.objects.filter(~Exists(released), product__in=list(product_ids), is_active=True)
    found: dict[int, list[ProductPlate]] = defaultdict(list)
    for plate in plates.order_by("plate_number"):
        found[plate.product_id].append(plate)
    return dict(found)


def order_waiting_reasons(orders: Iterable[ProductionOrder]) -> dict[int, str]:
    """Return what orders wait for, by order id; orders that wait for nothing are left out.

    Before printing that is a hold, a print file, material, or a printer that could do it; after it a plate to clear,
    an operation, parts that nobody prints again, or the final inspection. What single jobs wait for is told by
    :func:`waiting_reasons`. At most five queries.
    """
    rows = {order.pk: order for order in orders}
    planned = [order for order in rows.values() if order.status in (order.Status.DRAFT, order.Status.CONFIRMED)]
    begun = [order for order in rows.values() if order.status in (order.Status.QUEUED, order.Status.PRINTING)]
    over = [order for order in rows.values() if order.status == order.Status.COMPLETED and order.sales_order_id]
    reasons = {order.pk: f"Held: {order.hold_reason}".rstrip(": ") for order in planned + begun if order.is_held}
    if planned:
        reasons |= _not_printable({order.pk: order for order in planned if order.pk not in reasons})
    if begun:
        reasons |= _after_printing([order for order in begun if order.pk not in reasons])
    if over:
        passed = QualityInspection.objects.filter(
            inspection_type=QualityInspection.Type.FINAL, passed=True, production_order__in=[order.pk for order in over]
        )
        seen = set(passed.values_list("production_order_id", flat=True))
        reasons |= {
            order.pk: "Its final inspection" for order in over if order.pk not in seen and order.quantity_completed
        }
    return reasons


def _not_printable(orders: Mapping[int, ProductionOrder]) -> dict[int, str]:
    """Return what keeps orders whose jobs are not made yet from being printed."""
    reasons = {}
    without_file = plates_without_file({order.product_id for order in orders.values()})
    for pk, order in orders.items():
        if order.product_id in without_file:
            numbers = ", ".join(str(plate.plate_number) for plate in without_file[order.product_id])
            reasons[pk] = f"No print file for plate {numbers}"
    told = ScheduleEntry.objects.filter(production_order__in=orders, print_job__isnull=True, plate__isnull=False)
    for pk, why in told.exclude(waits_for="").order_by("-id").values_list("production_order_id", "waits_for"):
        if orders[pk].product_id not in without_file:
            reasons[pk] = why
    return reasons


def _after_printing(orders: Iterable[ProductionOrder]) -> dict[int, str]:
    """Return what orders wait for of which no job waits or prints any more."""
    reasons: dict[int, str] = {}
    rows = {order.pk: order for order in orders}
    live: set[int] = set()
    on_plates: dict[int, list[str]] = defaultdict(list)
    may_lie = Q(job__status__in=(PrintJob.Status.QUEUED, *PrintJob.ACTIVE)) | Q(
        job__started_at__isnull=False, job__cleared_at__isnull=True
    )
    parts = PrintJobPart.objects.filter(may_lie, production_order__in=rows, job__deleted_at__isnull=True)
    for pk, status, printer in parts.order_by("job_id").values_list(
        "production_order_id", "job__status", "job__printer__name"
    ):
        if status == PrintJob.Status.QUEUED or status in PrintJob.ACTIVE:
            live.add(pk)
        elif printer:
            on_plates[pk].append(printer)
    steps: dict[int, str] = {}
    operations = ProductionOperation.objects.filter(production_order__in=rows, status__in=ProductionOperation.OPEN)
    for pk, name, center in operations.order_by("-sequence").values_list(
        "production_order_id", "name", "work_center__name"
    ):
        steps[pk] = f"{name} at {center}"
    for pk, order in rows.items():
        if pk in live:
            continue
        if pk in on_plates:
            names = ", ".join(sorted(set(on_plates[pk])))
            reasons[pk] = f"A person clears the plate of {names}"
        elif pk in steps:
            reasons[pk] = steps[pk]
        elif order.quantity_missing:
            reasons[pk] = f"{order.quantity_missing} parts are missing and no job prints them"
    return reasons


def operation_waiting_reasons(operations: Iterable[ProductionOperation]) -> dict[int, str]:
    """Return what operations wait for that have no units to work on, by operation id, in two queries.

    That is the operation before it where that is still open, else the printing.
    """
    empty = [row for row in operations if row.status in ProductionOperation.OPEN and not row.quantity_waiting]
    if not empty:
        return {}
    orders = {row.production_order_id for row in empty}
    before: dict[int, list[tuple[int, str]]] = defaultdict(list)
    earlier = ProductionOperation.objects.filter(production_order__in=orders, status__in=ProductionOperation.OPEN)
    for order_id, sequence, name in earlier.order_by("sequence").values_list("production_order_id", "sequence", "name"):
        before[order_id].append((sequence, name))
    held = ProductionOrder.objects.filter(pk__in=orders, is_held=True)
    reasons_of = {pk: f"Held: {why}".rstrip(": ") for pk, why in held.values_list("pk", "hold_reason")}
    reasons = {}
    for row in empty:
        names = [name for sequence, name in before[row.production_order_id] if sequence < row.sequence]
        found = f"{names[-1]} before it" if names else "Parts from the printers"
        reasons[row.pk] = reasons_of.get(row.production_order_id, found)
    return reasons


def waiting_reason(job: PrintJob) -> str:
    """Return why a queued job is not sent, or an empty string when it is not waiting."""
    return waiting_reasons([job]).get(job.pk, "")


def waiting_reasons(jobs: Iterable[PrintJob]) -> dict[int, str]:
    """Return why queued jobs are not sent, by job id, in a constant number of queries."""
    queued = [job.pk for job in jobs if job.status == PrintJob.Status.QUEUED]
    reasons: dict[int, str] = {}
    ready: list[WaitingJob] = []
    for job in waiting_jobs(PrintJob.objects.filter(pk__in=queued)) if queued else []:
        trouble = job.trouble
        if trouble is not None:
            reasons[job.pk] = trouble.message
        elif job.dispatch_attempts >= MAX_DISPATCH_ATTEMPTS:
            reasons[job.pk] = f"It was sent {job.dispatch_attempts} times and never began: a person must look"
        else:
            ready.append(job)
    if ready:
        fleet, needs = load_fleet(), needs_of(ready)
        held_up: dict[Any, str | FleetPrinter] = {}
        told = ScheduleEntry.objects.filter(print_job__in=[job.pk for job in ready]).exclude(waits_for="")
        short = dict(told.filter(starts_at__isnull=False).values_list("print_job_id", "waits_for"))
        reasons |= {job.pk: _why(job, needs, fleet, held_up, short.get(job.pk, "")) for job in ready}
    return reasons


def _why(job: WaitingJob, needs: Needs, fleet: Fleet, held_up: dict[Any, str | FleetPrinter], short: str) -> str:
    if not fleet.printers:
        return "There is no printer"
    alike = (job.plate_id, job.group_id, job.estimated_minutes, needs.filaments[job.pk])
    if alike not in held_up:
        held_up[alike] = _hold_up(job, needs, fleet)
    found = held_up[alike]
    if isinstance(found, str):
        return found
    refusal = needs.fit(job, found, fleet)
    if isinstance(refusal, MaterialNotLoaded) and short:
        return short
    return "" if isinstance(refusal, Fit) else refusal.message


def _hold_up(job: WaitingJob, needs: Needs, fleet: Fleet) -> str | FleetPrinter:
    """Return what all jobs of this plate and these filaments wait for; if no printer fits, the one that comes nearest.

    A refusal names the job, which is why it is worded for each.
    """
    # Only a printer of a model that there is a file for can fit, or lack no more than material.
    files = needs.plates[job.plate_id].files
    answers = {printer: needs.fit(job, printer, fleet) for printer in fleet.printers if printer.model in files}
    fitting = [printer for printer, answer in answers.items() if isinstance(answer, Fit)]
    if not fitting:
        # That a material is not loaded is nearer to printing than that no file is there: say that first.
        for near in _NEAREST_FIRST:
            found = next((printer for printer, answer in answers.items() if isinstance(answer, near)), None)
            if found is not None:
                return found
        return fleet.printers[0]
    ready = [printer for printer in fitting if fleet.trouble(printer) is None]
    by_hand = [printer for printer in fitting if printer.is_by_hand and fleet.hand_trouble(printer) is None]
    if not ready and by_hand:
        return f"{by_hand[0].name} could take it: a person starts it at the machine"
    if not ready:
        troubles = (fleet.trouble(printer) for printer in fitting[:3])
        return " ".join(trouble.message for trouble in troubles if trouble)
    automatic = [printer for printer in ready if fleet.is_automatic(printer)]
    if automatic:
        return f"Next in line for {automatic[0].name}"
    return f"{ready[0].name} could take it: a person starts it"
