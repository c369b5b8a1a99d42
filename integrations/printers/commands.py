"""Carrying out commands: what takes long (upload, publish) in worker threads, what needs the picture in the listener.

A start goes through three hands. ``prepare_start`` (a worker thread) brings the file to the printer; ``hand_over`` (the
listener's thread) looks at the printer, stores what will be sent, and expects it; ``send`` (a worker thread) publishes.
After a crash at any point the row says how far it was: what was stored as published is looked for at the printer first.
"""

from __future__ import annotations

import datetime
import hashlib
import io
import logging
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from blb3d.core.errors import PartnerRefused
from blb3d.core.work import WorkStatus, backoff
from integrations.bambu.address import Trust
from integrations.bambu.decide import ExpectedJob
from integrations.bambu.ftps import DataChannel, upload
from integrations.bambu.protocol import Command, new_submission_id, pause, project_file, resume, stop
from integrations.bambu.state import GcodeState
from integrations.models import PrinterCommand, PrinterConnection
from integrations.printers.addresses import file_address
from integrations.printers.books import RUNNING, SIGNED_ONLY, expectation, give_back, listener
from integrations.printers.session import PrinterSession
from integrations.slicers.errors import UnusablePackage
from integrations.slicers.package import SlicedPackage, read_sliced_package
from inventory.selectors import match_filaments
from production import services as production
from production.models import Printer, PrintJob
from production.ports import SliceFilament
from production.printer_models import printer_model_id

log = logging.getLogger(__name__)

Kind = PrinterCommand.Kind
Status = PrintJob.Status

#: What a printer cannot take for so long is given up; until then it is tried at least this often.
PATIENCE = datetime.timedelta(minutes=10)
LONGEST_WAIT = datetime.timedelta(seconds=20)


@dataclass(frozen=True)
class PreparedStart:
    """A file that lies on the printer and what must be said to print it."""

    command: PrinterCommand
    file_name: str
    md5: str
    plate: int
    trays: tuple[int, ...]


def due(printer_ids: Collection[int]) -> list[PrinterCommand]:
    """Return the commands whose time has come, oldest first; starts that were published wait for their printer."""
    return list(
        PrinterCommand.objects.filter(
            status=WorkStatus.PENDING, next_attempt_at__lte=timezone.now(), printer__in=printer_ids
        )
        .exclude(kind=Kind.START, published_at__isnull=False)
        .order_by("id")
    )


def put_off(command: PrinterCommand, reason: str) -> None:
    """Try again soon; what waited too long is laid before a person, and the job of a start goes back into the queue."""
    now = timezone.now()
    if now - command.created_at < PATIENCE:
        PrinterCommand.objects.filter(pk=command.pk, status=WorkStatus.PENDING).update(
            next_attempt_at=now + min(backoff(command.attempts), LONGEST_WAIT), last_error=reason[:4000]
        )
    elif command.kind == Kind.START:
        give_back(command.job, reason)
    else:
        command.fail(reason, transient=False)


# --- a start -------------------------------------------------------------------------------------------------------


def _job_to_start(command: PrinterCommand) -> PrintJob | None:
    """Return the job of a start that still makes sense; drop the command otherwise."""
    job = PrintJob.objects.get(pk=command.job_id)
    if (job.status, job.printer_id, job.dispatch_attempts) != (Status.SENT, command.printer_id, command.dispatch):
        command.finish(WorkStatus.IGNORED, "The job does not wait for this printer any more")
        return None
    if job.cancel_requested_at is not None:
        with transaction.atomic():
            command.finish(WorkStatus.IGNORED, "The job was cancelled")
            production.record_cancelled(job, actor=listener(), reason="Cancelled before it was sent")
        return None
    return job


def prepare_start(command: PrinterCommand, link: PrinterConnection) -> PreparedStart | None:
    """Bring the file of a claimed start to its printer; None when there is nothing more to do.

    Raises:
        PartnerUnavailable: the file did not arrive; another attempt may succeed.
    """
    job = _job_to_start(command)
    if job is None:
        return None
    try:
        content, package = _print_file(job, link.printer)
        trays = _trays(job, package.filaments)
    except UnusablePackage as refusal:
        with transaction.atomic():
            command.finish(WorkStatus.DEAD, str(refusal))
            production.record_failed(job, actor=listener(), code=refusal.code, text=refusal.message)
        return None
    name = f"{job.subtask_name}.gcode.3mf"
    if command.uploaded_at is None:
        try:
            _upload(link, content, name)
        except PartnerRefused as refusal:
            give_back(job, f"{link.printer.name}: {refusal.details.get('reason', refusal.message)}")
            return None
        command.uploaded_at = timezone.now()
        PrinterCommand.objects.filter(pk=command.pk).update(uploaded_at=command.uploaded_at)
    # In the letters in which slicers write digests.
    md5 = hashlib.md5(content, usedforsecurity=False).hexdigest().upper()
    return PreparedStart(command, name, md5, package.plates[0].index, trays)


def _trays(job: PrintJob, file: Sequence[SliceFilament]) -> tuple[int, ...]:
    """Return the tray of each filament number of the file, -1 where it is not used; raises ``UnusablePackage``."""
    rows = list(job.filaments.select_related("material"))
    numbers = (
        match_filaments(file, [row.as_sliced for row in rows])
        if file and rows
        else {row.position: row.position for row in rows}
    )
    if numbers is None:
        raise UnusablePackage("It uses filaments that the job does not name.")
    trays = {row.position: row.tray for row in rows}
    by_number = [trays.get(numbers.get(number, -1)) for number in range(max(numbers, default=-1) + 1)]
    return tuple(-1 if tray is None else tray for tray in by_number)


def _print_file(job: PrintJob, printer: Printer) -> tuple[bytes, SlicedPackage]:
    """Return a job's file, as it is and read; raises ``UnusablePackage``, also for one made for another machine."""
    if job.print_file is None:
        raise UnusablePackage("The job has no print file.")
    try:
        with job.print_file.file.open("rb") as source:
            content: bytes = source.read()
    except FileNotFoundError as error:
        raise UnusablePackage("The print file is not in the storage.") from error
    package = read_sliced_package(content, printer_model=printer.model)
    if package.is_simulated:
        if not settings.DEMO:
            raise UnusablePackage("The simulated slicer made it: only simulated printers take it.")
    elif not package.names_its_printer and printer_model_id(printer.model):
        raise UnusablePackage("It does not say for which printer it was sliced.")
    return content, package


def _upload(link: PrinterConnection, content: bytes, name: str) -> None:
    address = file_address(link)
    channel = DataChannel.CLEAR if link.ftps_clear_data else None
    done = upload(address, io.BytesIO(content), file_name=name, data_channel=channel)
    if done.data_channel is DataChannel.CLEAR and address.trust is not Trust.OFF and not link.ftps_clear_data:
        log.warning("printer %s: files travel in the clear from now on: it took none otherwise", link.printer.serial)
        PrinterConnection.objects.filter(pk=link.pk).update(ftps_clear_data=True)


def hand_over(session: PrinterSession, start: PreparedStart) -> Command | None:
    """Store what is about to be sent and expect it; None when it must not be sent now."""
    command = start.command
    job = _job_to_start(command)
    if job is None:
        return None
    state = session.state
    if session.printer.write_access == Printer.WriteAccess.NO:
        give_back(job, SIGNED_ONLY)
        return None
    if state is None or not session.is_live:
        put_off(command, "The printer is not connected")
        return None
    if state.gcode_state.is_active:
        give_back(job, f"{session.printer.name} is busy with {state.subtask_name or 'another print'}")
        return None
    foreign = Printer.objects.values_list("foreign_job", flat=True).get(pk=session.printer.pk)
    if foreign:
        # It may be over by now, but it lies on the plate until a person took it off.
        give_back(job, f"{session.printer.name} is busy with {foreign}")
        return None
    if session.job_id is not None or session.findings or not state.gcode_state.takes_a_job:
        put_off(command, f"The printer is not ready: {state.gcode_state}")
        return None
    # A number that the printer has seen would make it take the job for the one before.
    at = timezone.now()
    fresh = command.publications == 0 and job.submission_id not in ("", state.subtask_id)
    submission_id = job.submission_id if fresh else str(new_submission_id())
    if not _store(command, job, submission_id, state.gcode_state, state.subtask_id, at):
        return None
    session.expect(
        job.pk,
        ExpectedJob(submission_id, job.subtask_name, at, state_before=state.gcode_state, previous_id=state.subtask_id),
    )
    return project_file(
        file_name=start.file_name,
        submission_id=int(submission_id),
        name=job.subtask_name,
        trays=start.trays,
        plate=start.plate,
        md5=start.md5,
        sequence_id=command.pk,
    )


def _store(
    command: PrinterCommand,
    job: PrintJob,
    submission_id: str,
    state: GcodeState,
    previous_id: str,
    at: datetime.datetime,
) -> bool:
    """Write down what will be sent, if this claim and the job still stand; nothing may be sent otherwise."""
    with transaction.atomic():
        stands = PrintJob.objects.filter(
            pk=job.pk,
            status=Status.SENT,
            printer=command.printer_id,
            dispatch_attempts=command.dispatch,
            cancel_requested_at__isnull=True,
        ).update(submission_id=submission_id)
        ours = PrinterCommand.objects.filter(
            pk=command.pk, status=WorkStatus.PENDING, attempts=command.attempts, published_at__isnull=True
        )
        if stands and ours.update(
            published_at=at,
            submission_id=submission_id,
            state_before=state.value,
            previous_id=previous_id,
            publications=command.publications + 1,
            last_error="",
        ):
            return True
        transaction.set_rollback(True)
    return False


def take_back(session: PrinterSession, command: PrinterCommand) -> None:
    """Undo ``hand_over`` where it is certain that nothing was sent."""
    if session.job_id == command.job_id and session.watch.job and not session.watch.job.started:
        session.forget()
    PrinterCommand.objects.filter(pk=command.pk, status=WorkStatus.PENDING).update(published_at=None)
    put_off(command, "The printer is not connected")


# --- pause, resume, stop -------------------------------------------------------------------------------------------


def order(session: PrinterSession, command: PrinterCommand) -> Command | None:
    """Return what must be sent for a claimed pause, resume or stop; None when that is settled or must wait."""
    job = PrintJob.objects.get(pk=command.job_id)
    if job.status not in RUNNING or job.printer_id != command.printer_id:
        command.finish(WorkStatus.IGNORED, "The job is over")
        return None
    if command.kind == Kind.STOP and job.status == Status.SENT and expectation(job) is None:
        with transaction.atomic():
            command.finish()
            production.record_cancelled(job, actor=listener(), reason="Cancelled before it was sent")
        return None
    state = session.state.gcode_state if session.state and session.is_live and session.job_id == job.pk else None
    if state is None or not state.is_active:
        put_off(command, "The printer does not print the job now")
        return None
    if command.kind == Kind.STOP:
        PrinterCommand.objects.filter(pk=command.pk).update(published_at=timezone.now())
        session.watch.cancel_requested()
        return stop(sequence_id=command.pk)
    wanted, needed = _PAUSING if command.kind == Kind.PAUSE else _RESUMING
    if state is wanted:
        command.finish()
    elif state is needed:
        return (pause if command.kind == Kind.PAUSE else resume)(sequence_id=command.pk)
    else:
        put_off(command, f"The printer is not printing yet: {state}")
    return None


_PAUSING = (GcodeState.PAUSE, GcodeState.RUNNING)
_RESUMING = (GcodeState.RUNNING, GcodeState.PAUSE)
