"""Sending jobs to printers: one job per printer, one printer per job, the right file, the right material."""

from __future__ import annotations

import logging
import re
import secrets
from collections.abc import Sequence

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import InvalidTransition
from blb3d.core.verbs import verb
from production.errors import MaterialNotLoaded, NoFileForModel, OrderHeld, PlateNotCleared, PrinterNotReady
from production.lifecycles import PRINT_JOB
from production.models import Printer, PrintJob, PrintJobFilament, ProductionOrder
from production.selectors.fleet import PRINTABLE, Fit, fit, jobs_for_matching, load_fleet, order_trouble, plan_dispatch
from production.services.making import lock_job
from production.services.planning import queue_production_order

#: A printer takes submission numbers from 1 to 2^31 - 1 and holds a bigger one, or one seen before, for the job before.
_SUBMISSIONS = 2**31 - 1

#: What a planned dispatch meets when the shop floor changed since it was planned.
_OVERTAKEN = (InvalidTransition, OrderHeld, PrinterNotReady, PlateNotCleared, NoFileForModel, MaterialNotLoaded)

log = logging.getLogger(__name__)


@verb
def dispatch_job(job: PrintJob, printer: Printer, *, actor: User) -> PrintJob:
    """Claim a printer for a queued job and choose its file and trays; the fact ``production.job_dispatched`` starts it.

    Raises:
        InvalidTransition: the job is not queued (any more).
        OrderHeld: its production order is held or not in work.
        PrinterNotReady: the printer is busy, silent, out of service, in maintenance, or another job was faster.
        PlateNotCleared: an earlier job's plate was not cleared.
        NoFileForModel: no released print file for the printer's model, or it does not fit in.
        MaterialNotLoaded: a filament's material and colour is in no slot.
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
        trouble = order_trouble(job.production_order)
        if trouble is not None:
            raise trouble
        lock_documents(Printer.objects.filter(pk=printer.pk))
        fleet = load_fleet(printer_ids=[printer.pk])
        if not fleet.printers:
            raise PrinterNotReady(f"{printer.name} is not there any more.", details={"printer_id": printer.pk})
        chosen = fleet.printers[0]
        # The job itself is queued as long as this step is not saved, so it does not stand in its own way.
        trouble = fleet.trouble(chosen)
        if trouble is not None:
            raise trouble
        found = fit(jobs_for_matching(PrintJob.objects.filter(pk=job.pk)).get(), chosen)
        if not isinstance(found, Fit):
            raise found
        job.printer, job.print_file = chosen, found.print_file
        job.gcode_file = str(found.print_file.file)
        job.submission_id = str(secrets.randbelow(_SUBMISSIONS) + 1)
        job.subtask_name = re.sub(r"[^A-Za-z0-9_.-]", "_", f"{job.code}_{job.plate.product.sku}")[:120]
        job.dispatch_attempts += 1
        job.sent_at = timezone.now()
        job.error_code = job.error_text = ""
        filaments = list(PrintJobFilament.objects.filter(job=job))
        for filament in filaments:
            slot = found.slots[filament.position]
            filament.tray, filament.spool_id = slot.tray, slot.spool_id
        PrintJobFilament.objects.bulk_update(filaments, ["tray", "spool"])
        move.payload["printer_id"] = chosen.pk
    return job


def dispatch_next(*, actor: User, limit: int = 50) -> list[PrintJob]:
    """Send waiting jobs to the printers that are free for them; return those that were sent.

    Each is sent in its own transaction, so that one refusal (another dispatcher was faster) does not stop the rest.
    With ``ENABLE_AUTO_ROUTING`` off nothing is sent: a person chooses.
    """
    if not settings.ENABLE_AUTO_ROUTING:
        return []
    return _send(plan_dispatch(limit=limit), actor=actor)


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
