"""Sending jobs to printers: one job per printer, one printer per job, the right file, the right material."""

from __future__ import annotations

import logging
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Sum
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import BLB3DError, InvalidTransition
from blb3d.core.units import round_quantity
from blb3d.core.verbs import verb
from inventory.selectors import filaments_of, match_filaments
from production.errors import (
    MaintenanceAhead,
    MaterialNotLoaded,
    MaterialNotPrintable,
    NoFileForModel,
    NotInGroup,
    OrderHeld,
    PlateNotCleared,
    PrinterNotReady,
    ServiceOverdue,
    StartsStaggered,
    SuggestionGone,
    TagsMissing,
    WrongNozzle,
)
from production.lifecycles import PRINT_JOB
from production.models import Printer, PrinterGroup, PrintJob, PrintJobFilament, PrintJobPart, ProductionOrder
from production.selectors.fleet import (
    PRINTABLE,
    Fit,
    dispatch_suggestions,
    job_file_name,
    load_fleet,
    needs_of,
    plan_dispatch,
    waiting_jobs,
)
from production.selectors.spools import spool_warnings
from production.services.making import lock_job
from production.services.planning import queue_production_order

#: A printer takes submission numbers from 1 to 2^31 - 1 and holds a bigger one, or one seen before, for the job before.
_SUBMISSIONS = 2**31 - 1

#: What a planned dispatch meets when the shop floor changed since it was planned.
_OVERTAKEN = (
    InvalidTransition,
    OrderHeld,
    PrinterNotReady,
    PlateNotCleared,
    NoFileForModel,
    MaterialNotLoaded,
    WrongNozzle,
    NotInGroup,
    TagsMissing,
    MaterialNotPrintable,
    ServiceOverdue,
    MaintenanceAhead,
    StartsStaggered,
)

log = logging.getLogger(__name__)


@verb
def dispatch_job(job: PrintJob, printer: Printer, *, actor: User) -> PrintJob:
    """Claim a printer for a queued job and choose its file and trays; the fact ``production.job_dispatched`` starts it.

    Raises:
        InvalidTransition: the job is not queued (any more).
        OrderHeld: its production order is held or not in work.
        PrinterNotReady: the printer is busy, silent, out of service, in maintenance, or another job was faster.
        PlateNotCleared: an earlier job's plate was not cleared.
        ServiceOverdue: a service that it needs before it prints again is overdue.
        StartsStaggered: another printer of its group was just started.
        NoFileForModel: no released print file for the printer's model, or it does not fit in.
        NotInGroup, WrongNozzle, TagsMissing, MaterialNotPrintable: it is not a printer for this job.
        MaterialNotLoaded: a filament's material and colour is in no slot.
        MaintenanceAhead: the job would still print when its maintenance begins.
    """
    try:
        with transaction.atomic():
            return _dispatch(job, printer, actor=actor)
    except IntegrityError as error:
        # The unique claim on the printer: what the checks cannot see, another transaction wrote first.
        job.refresh_from_db()
        raise PrinterNotReady(details={"printer_id": printer.pk, "printer": printer.name}) from error


def _dispatch(job: PrintJob, printer: Printer, *, actor: User) -> PrintJob:
    lock_job(job)
    with PRINT_JOB.step(job, "send", actor=actor) as move:
        [waiting] = waiting_jobs(PrintJob.objects.filter(pk=job.pk))
        trouble = waiting.trouble
        if trouble is not None:
            raise trouble
        # Groups before the printer: whoever starts the next printer of a staggered group waits here and sees our start.
        staggered = lock_documents(PrinterGroup.objects.filter(printers=printer, stagger_seconds__gt=0))
        lock_documents(Printer.objects.filter(pk=printer.pk))
        fleet = load_fleet(printer_ids=[printer.pk])
        if not fleet.printers:
            raise PrinterNotReady(f"{printer.name} is not there any more.", details={"printer_id": printer.pk})
        chosen = fleet.printers[0]
        # The job itself is queued as long as this step is not saved, so it does not stand in its own way.
        trouble = fleet.trouble(chosen)
        if trouble is not None:
            raise trouble
        found = needs_of([waiting]).fit(waiting, chosen, fleet)
        if not isinstance(found, Fit):
            raise found
        job.printer, job.print_file_id = printer, found.print_file.pk
        job.gcode_file = found.print_file.path
        job.submission_id = str(secrets.randbelow(_SUBMISSIONS) + 1)
        job.subtask_name = job_file_name(job)
        job.dispatch_attempts += 1
        job.sent_at = timezone.now()
        if staggered:
            groups = PrinterGroup.objects.filter(pk__in=[group.pk for group in staggered])
            groups.update(last_start_at=job.sent_at)
        job.error_code = job.error_text = ""
        filaments = list(PrintJobFilament.objects.filter(job=job).select_related("material"))
        grams = grams_by_file(job, filaments)
        for filament in filaments:
            slot = found.slots[filament.position]
            filament.tray, filament.spool_id = slot.tray, slot.spool_id
            filament.planned_grams = grams.get(filament.position, filament.planned_grams)
        PrintJobFilament.objects.bulk_update(filaments, ["tray", "spool", "planned_grams"])
        move.payload["printer_id"] = chosen.pk
    return job


def grams_by_file(job: PrintJob, filaments: Sequence[PrintJobFilament]) -> dict[int, Decimal]:
    """Return what the chosen file takes of each filament of the job, by position; nothing where the file does not say.

    The job's estimate stays what it was: it is what the quote was priced by. A partly filled plate takes its share.
    """
    file = filaments_of(job.print_file) if job.print_file else []
    matched = match_filaments(file, [row.as_sliced for row in filaments]) if file else None
    if not matched:
        return {}
    planned = PrintJobPart.objects.filter(job=job).aggregate(total=Sum("planned"))["total"] or 0
    grams: dict[int, Decimal] = {filament.position: Decimal(0) for filament in filaments}
    for filament in file:
        grams[matched[filament.position]] += filament.grams
    return {position: round_quantity(total * planned / job.plate.parts_per_plate) for position, total in grams.items()}


def dispatch_next(*, actor: User, limit: int = 50) -> list[PrintJob]:
    """Send waiting jobs to the printers that are free for them; return those that were sent.

    Each is sent in its own transaction, so that one refusal (another dispatcher was faster) does not stop the rest.
    With ``ENABLE_AUTO_ROUTING`` off nothing is sent: a person chooses. With ``SPOOL_SHORT_BLOCKS`` on a job waits while
    the reels of its printer do not hold enough for it.
    """
    pairs = plan_dispatch(limit=limit)
    if settings.SPOOL_SHORT_BLOCKS:
        pairs = [(job, printer) for job, printer in pairs if _holds_enough(job, printer)]
    return _send(pairs, actor=actor)


def _holds_enough(job: PrintJob, printer: Printer) -> bool:
    """Tell whether the reels in a printer last for a job, those with the same filament in other slots included."""
    short = [warning for warning in spool_warnings(job, printer) if warning.is_short]
    for warning in short:
        log.info("%s waits: %s, %s", job.code, printer.name, warning)
    return not short


@dataclass(frozen=True)
class Confirmed:
    """What came of confirmed suggestions: the jobs that were sent, and why others were not, by job code."""

    sent: list[PrintJob]
    refused: dict[str, BLB3DError]


def confirm_suggestions(*, actor: User, job: PrintJob | None = None, limit: int = 50) -> Confirmed:
    """Send what is suggested now, or one job of it; each in its own transaction, so that a refusal stops no other.

    Raises:
        SuggestionGone: the named job is not suggested (any more).
    """
    pairs = dispatch_suggestions(limit=limit)
    if job is not None:
        pairs = [pair for pair in pairs if pair[0].pk == job.pk]
        if not pairs:
            raise SuggestionGone(details={"job": job.code})
    sent: list[PrintJob] = []
    refused: dict[str, BLB3DError] = {}
    for waiting, printer in pairs:
        try:
            sent.append(dispatch_job(waiting, printer, actor=actor))
        except _OVERTAKEN as refusal:
            refused[waiting.code] = refusal
    return Confirmed(sent, refused)


def start_production_order(order: ProductionOrder, *, actor: User) -> list[PrintJob]:
    """Queue a confirmed order and send its jobs to whatever printers are free for them; return those that were sent.

    Raises what ``queue_production_order`` raises; jobs without a printer wait.
    """
    if order.status not in PRINTABLE:
        queue_production_order(order, actor=actor)
    return _send(plan_dispatch(order=order), actor=actor)


def _send(pairs: Sequence[tuple[PrintJob, Printer]], *, actor: User) -> list[PrintJob]:
    sent = []
    for job, printer in pairs:
        try:
            sent.append(dispatch_job(job, printer, actor=actor))
        except _OVERTAKEN as refusal:
            log.info("%s was not sent to %s: %s", job.code, printer.name, refusal)
    return sent
