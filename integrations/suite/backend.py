"""The Bambu Print Suite as the way to its printers: commands are rows that the worker carries out over HTTP.

While the suite is away, commands stay where they are and are tried again, for days if need be. A job is looked up by
its code before it is made, so that one whose answer was lost is not made twice.
"""

from __future__ import annotations

import datetime
import logging
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.errors import BLB3DError, PartnerRefused, PartnerUnavailable
from blb3d.core.outbox import emit
from blb3d.core.work import WorkStatus, backoff
from integrations.errors import PartnerNotSetUp, UnreadableAnswer
from integrations.models import PrinterCommand, PrinterConnection
from integrations.printers.backend import BambuLan, served_by
from integrations.suite.client import SuiteClient, SuiteJob, SuitePrinter
from production import services as production
from production.models import Printer, PrintJob

log = logging.getLogger(__name__)

Kind = PrinterCommand.Kind
Status = PrintJob.Status

#: A suite that is away is asked again at least this often.
LONGEST_WAIT = datetime.timedelta(minutes=5)
PRIORITIES = {1: "low", 2: "normal", 3: "high", 4: "urgent"}
#: What the suite's words for a printer say in the machine's own.
STATES = {
    **dict.fromkeys(("idle", "ready", "available", "online"), "IDLE"),
    **dict.fromkeys(("printing", "running", "busy"), "RUNNING"),
    **dict.fromkeys(("paused", "pause"), "PAUSE"),
    **dict.fromkeys(("finished", "finish", "completed", "complete"), "FINISH"),
    **dict.fromkeys(("failed", "error"), "FAILED"),
}
AWAY = frozenset({"offline", "disconnected", "unreachable"})
#: Answers that refuse the key and not the job; and after so many failed questions the suite itself is in trouble.
_KEY_REFUSED = frozenset({401, 403})
_MOST_FAILURES = 3
#: In these the suite can still say what becomes of a job.
RUNNING = (Status.SENT, Status.PRINTING, Status.PAUSED)


class PrintSuite(BambuLan):
    """Writes commands for :func:`carry_out`, which the worker calls every few seconds; every call may be repeated."""


def suite() -> User:
    """Return the actor of everything that the suite reports."""
    return User.objects.system("print-suite")


def links() -> Any:
    """Return the connections of the printers that the suite runs."""
    found = PrinterConnection.objects.filter(served_by(PrinterConnection.Backend.PRINT_SUITE))
    return found.filter(printer__deleted_at__isnull=True)


def take_back(job: PrintJob) -> None:
    """Write that the suite shall give up what it was told to print of a job in dispatches that are over."""
    started = (WorkStatus.PENDING, WorkStatus.DONE)
    starts = PrinterCommand.objects.filter(job=job, kind=Kind.START, status__in=started)
    if job.printer_id is not None:
        starts = starts.exclude(dispatch=job.dispatch_attempts)
    for start in starts.filter(printer__in=links().values("printer")):
        PrinterCommand.objects.get_or_create(
            job=job, kind=Kind.STOP, dispatch=start.dispatch, defaults={"printer_id": start.printer_id}
        )


def carry_out(*, limit: int = 50) -> int:
    """Carry out the due commands, oldest first; return how many came through. A suite that is away ends the round."""
    due = PrinterCommand.objects.filter(
        status=WorkStatus.PENDING, next_attempt_at__lte=timezone.now(), printer__in=links().values("printer")
    ).order_by("id")[:limit]
    done = 0
    for command in list(due):
        if not command.claim():
            continue
        try:
            with command.kept(), SuiteClient() as client:
                _carry_out(command, client)
            done += 1
        except (PartnerUnavailable, PartnerNotSetUp, UnreadableAnswer) as problem:
            _put_off(command, str(problem))
            break
        except PartnerRefused as refusal:
            _refused(command, f"{refusal} {refusal.details.get('body', '')}".strip())
        except (BLB3DError, IntegrityError) as problem:
            _put_off(command, str(problem))
    return done


def _put_off(command: PrinterCommand, why: str) -> None:
    wait = min(backoff(command.attempts), LONGEST_WAIT)
    PrinterCommand.objects.filter(pk=command.pk, status=WorkStatus.PENDING).update(
        next_attempt_at=timezone.now() + wait, last_error=why[:4000]
    )


def _refused(command: PrinterCommand, why: str) -> None:
    """Lay what the suite refuses before a person; the job of a start goes back into the queue."""
    with transaction.atomic():
        command.finish(WorkStatus.DEAD, why[:4000])
        job = PrintJob.objects.get(pk=command.job_id)
        if command.kind == Kind.START and job.status == Status.SENT:
            production.requeue_job(job, actor=suite(), reason=why[:500])


def _carry_out(command: PrinterCommand, client: SuiteClient) -> None:
    job = PrintJob.objects.select_related("production_order__product", "plate").get(pk=command.job_id)
    if command.kind == Kind.START:
        _start(command, job, client)
        return
    if command.kind == Kind.STOP and command.dispatch:
        _give_up(command, job, client)
        return
    if not job.bambu_job_id or job.status not in RUNNING:
        command.finish(WorkStatus.IGNORED, "The job is not with the print suite")
        return
    word = {Kind.PAUSE: "paused", Kind.RESUME: "printing", Kind.STOP: "cancelled"}[Kind(command.kind)]
    told = client.change_job(job.bambu_job_id, status=word)
    with transaction.atomic():
        if command.finish():
            _report(job, told)


def _give_up(command: PrinterCommand, job: PrintJob, client: SuiteClient) -> None:
    """Cancel what the suite has of an earlier dispatch; its news does not matter to the job any more."""
    start = PrinterCommand.objects.filter(job=job, kind=Kind.START, dispatch=command.dispatch)
    if start.filter(status=WorkStatus.PENDING).exists():
        _put_off(command, "Its start is still on its way")
        return
    told = client.job(job_code(job, command.dispatch))
    if told is not None:
        client.change_job(told.id, status="cancelled")
    command.finish()


def _start(command: PrinterCommand, job: PrintJob, client: SuiteClient) -> None:
    if (job.status, job.printer_id, job.dispatch_attempts) != (Status.SENT, command.printer_id, command.dispatch):
        command.finish(WorkStatus.IGNORED, "The job does not wait for this printer any more")
        return
    code = job_code(job)
    told = client.job(code)
    if told is None and job.cancel_requested_at is not None:
        with transaction.atomic():
            command.finish(WorkStatus.IGNORED, "The job was cancelled")
            production.record_cancelled(job, actor=suite(), reason="Cancelled before it was sent")
        return
    told = told or client.make_job(_body(job, code))
    if job.cancel_requested_at is not None:
        # It was made before we knew; the stop that was asked for had no id to name.
        told = client.change_job(told.id, status="cancelled")
    waits = PrintJob.objects.filter(pk=job.pk, status=Status.SENT, dispatch_attempts=command.dispatch)
    with transaction.atomic():
        # A job that went back into the queue while it was being made is taken back by a command of its own.
        if command.finish() and waits.exists():
            production.name_job(job, bambu_job_id=told.id, actor=suite())
            _note_printer(job, told)
            _report(job, told)
            if job.cancel_requested_at is not None and job.status in RUNNING:
                # The stop came while it was being made, and had no id to name.
                PrintSuite().stop(job)


def job_code(job: PrintJob, dispatch: int | None = None) -> str:
    """Return the code under which the suite knows a job: one per dispatch, since a job given back may be sent again."""
    number = dispatch or job.dispatch_attempts
    again = f"-{number}" if number > 1 else ""
    return f"{job.production_order.code}-{job.code}{again}"


def _body(job: PrintJob, code: str) -> dict[str, Any]:
    """Return a job in the words of the suite's guide; the quantity is that of the parts on the plate."""
    order = job.production_order
    material = job.filaments.select_related("material").order_by("position").first()
    return {
        "production_order_id": order.pk,
        "production_order_code": code,
        "product_sku": order.product.sku,
        "product_name": order.product.name,
        "quantity": sum(part.planned for part in job.parts.all()),
        "material_type": material.material.material_type if material else "",
        "gcode_file": job.gcode_file or None,
        "priority": PRIORITIES.get(job.priority, "normal"),
        "estimated_time": round(job.estimated_time_minutes),
        "created_at": job.created_at.isoformat(),
    }


def _note_printer(job: PrintJob, told: SuiteJob) -> None:
    """Say it where the suite chose another printer than we did: whoever looks for the plate must know."""
    link = PrinterConnection.objects.filter(printer=job.printer_id).first()
    if told.printer_id and link is not None and link.suite_printer_id not in ("", told.printer_id):
        other = PrinterConnection.objects.filter(suite_printer_id=told.printer_id).select_related("printer").first()
        name = other.printer.name if other else told.printer_id
        production.flag_job(job, text=f"The print suite put it on {name}", actor=suite())


def _report(job: PrintJob, told: SuiteJob) -> None:
    try:
        with transaction.atomic():
            production.report_job(
                job,
                actor=suite(),
                status=told.status,
                percent=told.progress,
                layer=told.layer,
                remaining_minutes=told.remaining_minutes,
            )
    except BLB3DError as refusal:
        # The suite's own callback was faster, or a person decided meanwhile.
        log.info("%s: the suite says %s: %s", job.code, told.status, refusal)


def synchronise() -> int:
    """Ask the suite for its printers and for the jobs that it runs; return how many jobs it knew.

    Callbacks bring the same news faster; this brings what they missed. Silence makes printers stale, and nothing else.
    """
    connections = list(links().select_related("printer"))
    if not connections:
        return 0
    try:
        with SuiteClient() as client:
            _write_printers(connections, client.printers())
            return _write_jobs(connections, client)
    except (PartnerUnavailable, PartnerNotSetUp, UnreadableAnswer, PartnerRefused) as problem:
        log.warning("the print suite: %s", problem)
        stale = Printer.Connection.REFUSED if isinstance(problem, PartnerRefused) else Printer.Connection.STALE
        Printer.objects.filter(pk__in=[link.printer_id for link in connections]).exclude(connection=stale).update(
            connection=stale
        )
        return 0


def _write_printers(connections: list[PrinterConnection], told: list[SuitePrinter]) -> None:
    by_id, by_name = {row.id: row for row in told}, {row.name.lower(): row for row in told if row.name}
    ours = set(
        PrintJob.objects.filter(bambu_job_id__in=[row.job_id for row in told if row.job_id]).values_list(
            "bambu_job_id", flat=True
        )
    )
    now = timezone.now()
    for link in connections:
        printer = link.printer
        row = by_id.get(link.suite_printer_id) if link.suite_printer_id else by_name.get(printer.name.lower())
        was_ready = printer.is_ready
        values: dict[str, Any]
        is_heard = row is not None and row.status not in AWAY
        if row is None or not is_heard:
            values = {"connection": Printer.Connection.OFFLINE}
        else:
            foreign = f"job {row.job_id} of the print suite" if row.job_id and row.job_id not in ours else ""
            values = {
                "connection": Printer.Connection.ONLINE,
                # A word that nobody here knows is kept as it is: the printer is not ready then.
                "state": STATES.get(row.status, row.status.upper()[:20]),
                "foreign_job": foreign[:200],
                "write_access": Printer.WriteAccess.YES,
            }
            if values["state"] != printer.state:
                values["state_at"] = now
        changed = {name: value for name, value in values.items() if getattr(printer, name) != value}
        with transaction.atomic():
            Printer.objects.filter(pk=printer.pk).update(**changed, **({"last_seen_at": now} if is_heard else {}))
            for name, value in changed.items():
                setattr(printer, name, value)
            if printer.is_ready and not was_ready:
                emit("integrations.printer_ready", f"production.printer:{printer.pk}", id=printer.pk)


def _write_jobs(connections: list[PrinterConnection], client: SuiteClient) -> int:
    jobs = PrintJob.objects.filter(
        printer__in=[link.printer_id for link in connections], status__in=RUNNING, bambu_job_id__gt=""
    )
    known = failures = 0
    for job in list(jobs.order_by("id")):
        try:
            told = client.job(job.bambu_job_id)
            if told is None:
                production.lose_job(job, actor=suite(), reason="The print suite does not know the job any more")
                continue
        except (PartnerUnavailable, PartnerRefused) as problem:
            # One job that the suite cannot tell of; no answer, a refused key and many such jobs are its own trouble.
            failures += 1
            status = problem.details.get("status")
            is_away = isinstance(problem, PartnerUnavailable) and status is None
            if is_away or status in _KEY_REFUSED or failures >= _MOST_FAILURES:
                raise
            log.warning("%s: the print suite: %s", job.code, problem)
        except BLB3DError as problem:
            log.warning("%s: the print suite: %s", job.code, problem)
        else:
            known += 1
            _report(job, told)
    return known
