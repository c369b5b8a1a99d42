"""Why something waits, in a sentence for the people who can change it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.db.models import Exists, OuterRef

from inventory.models import PrintFile, ProductPlate
from production.errors import MaterialNotLoaded
from production.models import Printer, PrintJob, ProductionOrder
from production.selectors.fleet import (
    MAX_DISPATCH_ATTEMPTS,
    Fit,
    Fleet,
    fit,
    jobs_for_matching,
    load_fleet,
    order_trouble,
)


def plates_without_file(product_ids: Iterable[int]) -> dict[int, list[ProductPlate]]:
    """Return the active plates that have no released print file, by product; products without any are left out."""
    released = PrintFile.objects.filter(plate=OuterRef("pk"), released_at__isnull=False, withdrawn_at__isnull=True)
    plates = ProductPlate.objects.filter(~Exists(released), product__in=list(product_ids), is_active=True)
    found: dict[int, list[ProductPlate]] = defaultdict(list)
    for plate in plates.order_by("plate_number"):
        found[plate.product_id].append(plate)
    return dict(found)


def order_waiting_reasons(orders: Iterable[ProductionOrder]) -> dict[int, str]:
    """Return why planned orders are not queued, by order id; orders that wait for nothing are left out."""
    waiting = [order for order in orders if order.status in (order.Status.DRAFT, order.Status.CONFIRMED)]
    reasons = {order.pk: f"Held: {order.hold_reason}".rstrip(": ") for order in waiting if order.is_held}
    without_file = plates_without_file({order.product_id for order in waiting}) if waiting else {}
    for order in waiting:
        if order.pk not in reasons and order.product_id in without_file:
            numbers = ", ".join(str(plate.plate_number) for plate in without_file[order.product_id])
            reasons[order.pk] = f"No print file for plate {numbers}"
    return reasons


def waiting_reason(job: PrintJob) -> str:
    """Return why a queued job is not sent, or an empty string when it is not waiting."""
    return waiting_reasons([job]).get(job.pk, "")


def waiting_reasons(jobs: Iterable[PrintJob]) -> dict[int, str]:
    """Return why queued jobs are not sent, by job id, in a constant number of queries."""
    queued = [job.pk for job in jobs if job.status == PrintJob.Status.QUEUED]
    if not queued:
        return {}
    fleet = load_fleet()
    held_up: dict[Any, str | Printer] = {}
    return {job.pk: _why(job, fleet, held_up) for job in jobs_for_matching(PrintJob.objects.filter(pk__in=queued))}


def _why(job: PrintJob, fleet: Fleet, held_up: dict[Any, str | Printer]) -> str:
    trouble = order_trouble(job.production_order)
    if trouble is not None:
        return trouble.message
    if job.dispatch_attempts >= MAX_DISPATCH_ATTEMPTS:
        return f"It was sent {job.dispatch_attempts} times and never began: a person must look"
    if not fleet.printers:
        return "There is no printer"
    alike = (job.plate_id, tuple(filament.material_id for filament in job.filaments.all()))
    if alike not in held_up:
        held_up[alike] = _hold_up(job, fleet)
    found = held_up[alike]
    if isinstance(found, str):
        return found
    refusal = fit(job, found)
    return "" if isinstance(refusal, Fit) else refusal.message


def _hold_up(job: PrintJob, fleet: Fleet) -> str | Printer:
    """Return what all jobs of this plate and these filaments wait for; if no printer fits, the one that comes nearest.

    A refusal names the job, which is why it is worded for each.
    """
    firsts = {fleet.kinds[printer.pk]: printer for printer in reversed(fleet.printers)}
    answers = {kind: fit(job, printer) for kind, printer in firsts.items()}
    fitting = [printer for printer in fleet.printers if isinstance(answers[fleet.kinds[printer.pk]], Fit)]
    if not fitting:
        # That a material is not loaded is nearer to printing than that no file is there: say that first.
        return min(fleet.printers, key=lambda p: not isinstance(answers[fleet.kinds[p.pk]], MaterialNotLoaded))
    ready = [printer for printer in fitting if fleet.trouble(printer) is None]
    if not ready:
        troubles = (fleet.trouble(printer) for printer in fitting[:3])
        return " ".join(trouble.message for trouble in troubles if trouble)
    automatic = [printer for printer in ready if printer.auto_dispatch]
    if automatic and settings.ENABLE_AUTO_ROUTING:
        return f"Next in line for {automatic[0].name}"
    return f"{ready[0].name} could take it: a person starts it"
