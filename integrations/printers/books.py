"""What was concluded about a printer, taken into the books: verbs for jobs, plain updates for the machine's own row."""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterable
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.errors import InvalidTransition
from blb3d.core.outbox import emit
from blb3d.core.work import WorkStatus
from integrations.bambu.decide import FILE_SUFFIXES, RAN_OUT, Cause, Decision, ExpectedJob, Kind
from integrations.bambu.state import GcodeState
from integrations.bambu.state import WriteAccess as Access
from integrations.bambu.words import error_words, is_runout
from integrations.models import PrinterCommand, PrinterConnection
from integrations.printers.loaded import note_loaded
from integrations.printers.session import Finding, PrinterSession, Refused
from production import services as production
from production.models import Printer, PrinterEvent, PrintJob

log = logging.getLogger(__name__)

#: ``Printer.last_seen_at`` is written no more often than this.
SEEN_EVERY = datetime.timedelta(seconds=30)
#: In these a job is on the machine and the machine can still say what becomes of it.
RUNNING = (PrintJob.Status.SENT, PrintJob.Status.PRINTING, PrintJob.Status.PAUSED)
SIGNED_ONLY = "The printer obeys signed commands only: switch on its developer mode, or start prints at the machine"

Status = PrintJob.Status


def listener() -> User:
    """Return the actor of everything that printers report."""
    return User.objects.system("listener")


# --- jobs ----------------------------------------------------------------------------------------------------------


def book(session: PrinterSession, finding: Finding) -> None:
    """Take one finding into the books, all of it or nothing; a second time changes nothing."""
    decision = finding.decision
    log.info(
        "printer %s: %s %s%s",
        session.printer.serial,
        decision.kind,
        decision.submission_id,
        " (inferred)" if decision.inferred else "",
    )
    with transaction.atomic():
        if decision.kind is Kind.FOREIGN_STARTED:
            _book_foreign(session, decision)
        elif job := PrintJob.objects.filter(pk=finding.job_id).first():
            _book_job(session, job, finding)


def _book_job(session: PrinterSession, job: PrintJob, finding: Finding) -> None:
    decision, actor = finding.decision, listener()
    reason = _words(decision.cause)
    match decision.kind:
        case Kind.STARTED:
            production.begin_job(job, actor=actor, at=decision.at, printer=session.printer)
            _remember_number(job, finding)
            note_loaded(session, job, decision.state)
        case Kind.PAUSED:
            production.record_paused(job, actor=actor, reason=reason)
            if decision.cause and (is_runout(decision.cause.code) or decision.cause.code == RAN_OUT):
                _tell_of_runout(session, job, reason)
        case Kind.RESUMED:
            production.record_resumed(job, actor=actor)
        case Kind.FINISHED:
            minutes = None if decision.inferred else _minutes(decision)
            production.record_finished(job, actor=actor, at=decision.at, minutes=minutes, inferred=decision.inferred)
        case Kind.CANCELLED:
            told = reason or ("Stopped from here" if decision.by_us else "Cancelled at the printer")
            production.record_cancelled(job, actor=actor, reason=told, progress_percent=finding.percent, at=decision.at)
        case Kind.FAILED | Kind.ABORTED | Kind.REJECTED:
            if _book_refusal(session, job, finding):
                _write_down(session, job, finding, reason or "The printer refused it")
                return
            production.record_failed(
                job,
                actor=actor,
                code=decision.cause.code if decision.cause else "",
                text=reason or _END_WORDS[decision.kind],
                progress_percent=_progress_at_end(finding),
                at=decision.at,
            )
        case Kind.UNSEEN_END:
            production.lose_job(job, actor=actor, reason="The printer was not heard when the job ended")
        case Kind.NOT_STARTED:
            _not_started(session, job, finding)
            _write_down(session, job, finding, reason)
            return
    _settle_start(job.pk, WorkStatus.DONE)
    _write_down(session, job, finding, reason)


def _write_down(session: PrinterSession, job: PrintJob, finding: Finding, reason: str) -> None:
    """Add the decision to the printer's events, in the transaction of what it decided."""
    decision = finding.decision
    # A job begins once per dispatch and ends once; it may pause at many moments.
    often = decision.kind in (Kind.PAUSED, Kind.RESUMED)
    moment = f"{decision.at.timestamp():.3f}" if often else str(job.dispatch_attempts)
    key = f"job {job.pk} {decision.kind} {moment}"
    if PrinterEvent.objects.filter(printer=session.printer, key=key).exists():
        return
    PrinterEvent.objects.create(
        printer=session.printer,
        job=job,
        key=key,
        at=decision.at,
        kind=f"job_{decision.kind}",
        text=f"{job.code}: {reason}"[:300] if reason else job.code,
        details={
            "percent": finding.percent,
            "inferred": decision.inferred,
            "by_us": decision.by_us,
            "code": decision.cause.code if decision.cause else "",
        },
    )


def _tell_of_runout(session: PrinterSession, job: PrintJob, reason: str) -> None:
    """Tell whoever cares that a job waits for filament."""
    emit(
        "integrations.printer_runout",
        f"production.printer:{session.printer.pk}",
        id=session.printer.pk,
        job_id=job.pk,
        number=job.code,
        reason=reason,
    )


_END_WORDS = {
    Kind.FAILED: "The printer gave no reason",
    Kind.ABORTED: "The printer is idle again: it was switched off, or the job was thrown away",
    Kind.REJECTED: "The printer took the file and did not print it",
}


def _words(cause: Cause | None) -> str:
    return error_words(cause.code) if cause else ""


def _minutes(decision: Decision) -> Decimal | None:
    if decision.running_since is None:
        return None
    return Decimal((decision.at - decision.running_since).total_seconds()) / 60


def _progress_at_end(finding: Finding) -> int:
    """Return how far the job was: what was seen, or what the printer still shows of a failure."""
    decision = finding.decision
    if decision.kind is Kind.REJECTED:
        return 0
    shown = decision.state.percent if decision.kind is Kind.FAILED and decision.state else 0
    return max(finding.percent, shown)


def _remember_number(job: PrintJob, finding: Finding) -> None:
    """Keep the number that the printer itself gave the job, so that a restart finds it again."""
    if finding.own_id:
        PrintJob.objects.filter(pk=job.pk).update(submission_id=finding.own_id[:20])


def _book_refusal(session: PrinterSession, job: PrintJob, finding: Finding) -> bool:
    """Give a job back that this printer refused for a reason of its own; tell whether it was one."""
    answer = finding.refusal
    if answer is None or not (answer.wants_signature or answer.was_busy):
        return False
    if answer.wants_signature:
        _mark_read_only(session)
    give_back(job, SIGNED_ONLY if answer.wants_signature else "The printer was busy with another job")
    return True


def _not_started(session: PrinterSession, job: PrintJob, finding: Finding) -> None:
    """Send a job again that the printer forgot, as often as is allowed; then another printer, or a person, has it."""
    decision = finding.decision
    echoed = decision.state is not None and decision.state.subtask_id == decision.submission_id
    if echoed:
        # The printer repeats the number and does nothing: so a command that is not signed is refused in silence.
        _mark_read_only(session)
        give_back(job, SIGNED_ONLY)
        return
    if job.cancel_requested_at is not None:
        if job.status == Status.SENT:
            production.record_cancelled(job, actor=listener(), reason="Stopped before the printer began")
        _settle_start(job.pk, WorkStatus.DONE)
        return
    why = _words(decision.cause) or "no reason seen"
    again = PrinterCommand.objects.filter(
        job=job,
        kind=PrinterCommand.Kind.START,
        status=WorkStatus.PENDING,
        submission_id=decision.submission_id,
        publications__lt=settings.DISPATCH_MAX_ATTEMPTS,
    ).update(published_at=None, next_attempt_at=timezone.now(), last_error=f"The printer did not begin: {why}")
    if not again:
        give_back(job, f"{session.printer.name} did not begin the job: {why}")


def give_back(job: PrintJob, reason: str) -> None:
    """Put a job that never began back into the queue and lay its start before a person."""
    with transaction.atomic():
        _settle_start(job.pk, WorkStatus.DEAD, reason)
        job.refresh_from_db()
        if job.status == Status.SENT:
            production.requeue_job(job, actor=listener(), reason=reason)


def _settle_start(job_id: int, status: str, note: str = "") -> None:
    started = PrinterCommand.objects.filter(job=job_id, kind=PrinterCommand.Kind.START, status=WorkStatus.PENDING)
    started.update(status=status, finished_at=timezone.now(), last_error=note)


def book_refused(session: PrinterSession, refused: Refused) -> None:
    """Lay a refused pause, resume or stop before a person; a refused stop ends nothing."""
    answer = refused.answer
    command = PrinterCommand.objects.filter(pk=refused.command_id, printer=session.printer).first()
    if command is None:
        return
    reason = answer.reason or "The printer refused the command"
    PrinterCommand.objects.filter(pk=command.pk).update(
        status=WorkStatus.DEAD, last_error=reason, published_at=None, finished_at=timezone.now()
    )
    if command.kind == PrinterCommand.Kind.STOP:
        session.stop_refused()
    if answer.wants_signature:
        _mark_read_only(session)


# --- jobs that nobody here sent ------------------------------------------------------------------------------------


def _book_foreign(session: PrinterSession, decision: Decision) -> None:
    """Follow a queued job that a person started at the machine, known by its code; else name what lies on the plate."""
    assert decision.state is not None
    name = decision.state.subtask_name
    job = PrintJob.objects.filter(code__in=_codes(name)).first()
    if job is not None and job.status == Status.QUEUED and _adopt(session, job, decision):
        return
    if job is not None and job.printer_id == session.printer.pk and job.occupies_plate:
        return  # One of ours that was settled by hand while it still runs: its own plate holds the printer.
    _update(session.printer, foreign_job=(name or "a print without a name")[:200])


def _adopt(session: PrinterSession, job: PrintJob, decision: Decision) -> bool:
    """Begin a job on the printer where a person started it; False when another job holds that printer."""
    assert decision.state is not None
    number, name = decision.state.subtask_id or decision.state.task_id, decision.state.subtask_name
    try:
        with transaction.atomic():
            production.begin_job(job, actor=listener(), at=decision.at, printer=session.printer)
            PrintJob.objects.filter(pk=job.pk).update(submission_id=number[:20], subtask_name=name[:120])
    except (InvalidTransition, IntegrityError) as refusal:
        log.warning("printer %s prints %s, which cannot begin there: %s", session.printer.serial, job.code, refusal)
        job.refresh_from_db()
        return False
    session.expect(job.pk, ExpectedJob(number, name, decision.at, started=True))
    return True


def _codes(name: str) -> list[str]:
    """Return what may be the code of a job in the name that a person gave a print, or that we gave it."""
    for suffix in FILE_SUFFIXES:
        name = name.removesuffix(suffix)
    return [part for part in {name, name.partition("_")[0], name.partition(" ")[0]} if part]


# --- after a restart, and when the books were changed by others ----------------------------------------------------


def expectation(job: PrintJob) -> ExpectedJob | None:
    """Return what the printer of an active job should be doing, from the books; None while nothing was sent to it."""
    started = job.status in (Status.PRINTING, Status.PAUSED)
    command = PrinterCommand.objects.filter(
        job=job, kind=PrinterCommand.Kind.START, dispatch=job.dispatch_attempts, published_at__isnull=False
    ).first()
    if command is None and not started:
        return None
    stopped = PrinterCommand.objects.filter(job=job, kind=PrinterCommand.Kind.STOP, published_at__isnull=False)
    sent_at = command.published_at if command else job.started_at
    assert sent_at is not None
    return ExpectedJob(
        submission_id=job.submission_id,
        subtask_name=job.subtask_name,
        sent_at=sent_at,
        state_before=GcodeState.read(command.state_before) if command and command.state_before else None,
        previous_id=command.previous_id if command else "",
        started=started,
        running_since=job.started_at if started else None,
        paused=job.status == Status.PAUSED,
        max_percent=int(job.progress_percent),
        max_layer=job.current_layer,
        cancel_requested=stopped.exists(),
    )


def agree(session: PrinterSession, job: PrintJob | None) -> None:
    """Make the session expect what the books say: ``job`` is the one that is on the printer, if any."""
    expected = expectation(job) if job else None
    if job is None or expected is None:
        if session.job_id is not None:
            session.forget()
        return
    followed = session.watch.job
    known = {followed.submission_id, followed.printer_job_id} if followed else set()
    if session.job_id != job.pk or expected.submission_id not in known:
        session.expect(job.pk, expected)


# --- the printer's own row -----------------------------------------------------------------------------------------


def _update(printer: Printer, **values: Any) -> None:
    """Write what changed of a printer's row; others may be editing it, so nothing else is touched."""
    changed = {name: value for name, value in values.items() if getattr(printer, name) != value}
    if not changed:
        return
    Printer.objects.filter(pk=printer.pk).update(**changed)
    for name, value in changed.items():
        setattr(printer, name, value)


def _mark_read_only(session: PrinterSession) -> None:
    log.warning("printer %s: %s", session.printer.serial, SIGNED_ONLY)
    _update(session.printer, write_access=Printer.WriteAccess.NO)


def write_seen(sessions: Iterable[PrinterSession], at: datetime.datetime) -> None:
    """Note for printers that are heard that they are, in one statement and no more often than is useful."""
    due = [
        session.printer
        for session in sessions
        if session.printer.last_seen_at is None or at - session.printer.last_seen_at >= SEEN_EVERY
    ]
    for start in range(0, len(due), 500):
        part = due[start : start + 500]
        Printer.objects.filter(pk__in=[printer.pk for printer in part]).update(last_seen_at=at)
        for printer in part:
            printer.last_seen_at = at


def write_printer(session: PrinterSession, at: datetime.datetime) -> None:
    """Write the machine's state, contact and write access where they changed; a printer that got ready is a fact."""
    printer, state = session.printer, session.state
    was_ready = printer.is_ready
    values: dict[str, Any] = {"connection": session.contact}
    if state is not None and session.is_live:
        values["state"] = state.gcode_state.value
        if values["state"] != printer.state:
            values["state_at"] = at
        by_hand = session.link.backend == PrinterConnection.Backend.BY_HAND
        if state.write_access is not session.access and state.write_access is not Access.UNKNOWN and not by_hand:
            values["write_access"] = state.write_access.value
        if values.get("state_at"):
            values["last_seen_at"] = at
    if any(getattr(printer, name) != value for name, value in values.items()):
        with transaction.atomic():
            _update(printer, **values)
            if printer.is_ready and not was_ready:
                emit("integrations.printer_ready", f"production.printer:{printer.pk}", id=printer.pk)
    if state is not None:
        session.access = state.write_access
