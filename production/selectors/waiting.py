"""Why something waits, in a sentence for the people who can change it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from django.conf import settings
from django.db.models import Exists, OuterRef

from inventory.models import PrintFile, ProductPlate
from production.errors import MaterialNotLoaded
from production.models import PrintJob, ProductionOrder
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
    return {job.pk: _why(job, fleet) for job in jobs_for_matching(PrintJob.objects.filter(pk__in=queued))}


def _why(job: PrintJob, fleet: Fleet) -> str:
    trouble = order_trouble(job.production_order)
    if trouble is not None:
        return trouble.message
    if job.dispatch_attempts >= MAX_DISPATCH_ATTEMPTS:
        return f"It was sent {job.dispatch_attempts} times and never began: a person must look"
    if not fleet.printers:
        return "There is no printer"
    answers = [(printer, fit(job, printer)) for printer in fleet.printers]
    fitting = [printer for printer, answer in answers if isinstance(answer, Fit)]
    if not fitting:
        # That a material is not loaded is nearer to printing than that no file is there: say that first.
        refusals = [answer for _, answer in answers if not isinstance(answer, Fit)]
        refusals.sort(key=lambda refusal: not isinstance(refusal, MaterialNotLoaded))
        return refusals[0].message
    ready = [printer for printer in fitting if fleet.trouble(printer) is None]
    if not ready:
        troubles = (fleet.trouble(printer) for printer in fitting[:3])
        return " ".join(trouble.message for trouble in troubles if trouble)
    automatic = [printer for printer in ready if printer.auto_dispatch]
    if automatic and settings.ENABLE_AUTO_ROUTING:
        return f"Next in line for {automatic[0].name}"
    return f"{ready[0].name} could take it: a person starts it"
