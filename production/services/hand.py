"""Prints that a person starts at the machine: the printer takes no commands from here."""

from __future__ import annotations

from django.db import IntegrityError, transaction

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import InvalidTransition
from blb3d.core.verbs import verb
from production.errors import PrinterNotReady
from production.models import Printer, PrintJob, PrintJobFilament
from production.selectors.fleet import Fit, job_file_name, load_fleet, needs_of, waiting_jobs
from production.services.dispatch import grams_by_file
from production.services.making import lock_job
from production.services.progress import begin_job

_RUNNING = (PrintJob.Status.PRINTING, PrintJob.Status.PAUSED)


@verb
def start_by_hand(job: PrintJob, printer: Printer, *, actor: User) -> PrintJob:
    """Note that a person started a waiting job at a printer; what it takes is booked from what hangs there.

    A job that was recognised there meanwhile by its name stays as it is.

    Raises:
        InvalidTransition: the job does not wait any more.
        OrderHeld: its production order is held or not in work.
        PrinterNotReady: the printer is busy, out of service or in maintenance, or another start was faster.
        PlateNotCleared, NoFileForModel, MaterialNotLoaded and the like: as ``dispatch_job``.
    """
    try:
        with transaction.atomic():
            return _start(job, printer, actor=actor)
    except IntegrityError as error:
        job.refresh_from_db()
        raise PrinterNotReady(details={"printer_id": printer.pk, "printer": printer.name}) from error


def _start(job: PrintJob, printer: Printer, *, actor: User) -> PrintJob:
    lock_job(job)
    if job.status in _RUNNING and job.printer_id == printer.pk:
        return job
    if job.status != PrintJob.Status.QUEUED:
        raise InvalidTransition(
            f"{job.code} does not wait any more: it is {job.get_status_display()}.", details={"status": job.status}
        )
    [waiting] = waiting_jobs(PrintJob.objects.filter(pk=job.pk))
    if waiting.trouble is not None:
        raise waiting.trouble
    lock_documents(Printer.objects.filter(pk=printer.pk))
    fleet = load_fleet(printer_ids=[printer.pk])
    if not fleet.printers:
        raise PrinterNotReady(f"{printer.name} is not there any more.", details={"printer_id": printer.pk})
    trouble = fleet.hand_trouble(fleet.printers[0])
    if trouble is not None:
        raise trouble
    found = needs_of([waiting]).fit(waiting, fleet.printers[0], fleet)
    if not isinstance(found, Fit):
        raise found
    job.print_file_id, job.gcode_file = found.print_file.pk, found.print_file.path
    job.subtask_name = job_file_name(job)
    job.save()
    filaments = list(PrintJobFilament.objects.filter(job=job).select_related("material"))
    grams = grams_by_file(job, filaments)
    for filament in filaments:
        slot = found.slots[filament.position]
        filament.tray, filament.spool_id = slot.tray, slot.spool_id
        filament.planned_grams = grams.get(filament.position, filament.planned_grams)
    PrintJobFilament.objects.bulk_update(filaments, ["tray", "spool", "planned_grams"])
    return begin_job(job, printer=printer, actor=actor)
