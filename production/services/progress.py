"""What the machine says about a job, taken into the books: each report once, however often it comes.

A repeated report of the same end changes nothing except figures it now gives; a report of a different end is refused.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models import Case, F, Value, When
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.errors import InvalidTransition, InvalidValue
from blb3d.core.lifecycle import Move
from blb3d.core.money import round_money
from blb3d.core.outbox import emit
from blb3d.core.units import Unit, convert
from blb3d.core.verbs import verb
from inventory.models import Product
from production.lifecycles import PRINT_JOB, PRODUCTION_ORDER
from production.models import Printer, PrintJob, PrintJobFilament, ProductionOrder, TraceLink
from production.services.links import link
from production.services.making import lock_job
from production.services.material import book_use, planned_grams, spread_grams

#: What a column of counts holds on every database.
_MOST = 2**31 - 1
#: How many jobs one statement writes: no database takes any number of parameters.
_AT_ONCE = 100

Status = PrintJob.Status
Node = TraceLink.Node


@verb
def begin_job(
    job: PrintJob, *, actor: User, at: datetime.datetime | None = None, printer: Printer | None = None
) -> PrintJob:
    """Note that the machine prints the job now; its production orders start with their first job.

    ``printer`` is where it prints: a queued job that a person started there needs it.
    """
    orders = lock_job(job)
    if job.status in (Status.PRINTING, Status.PAUSED):
        return job
    with PRINT_JOB.step(job, "begin", actor=actor, is_locked=True) as move:
        job.printer = job.printer or printer
        _start(job, orders, at=at or timezone.now(), actor=actor)
        move.payload["production_order_ids"] = [order.pk for order in orders]
    return job


def _start(job: PrintJob, orders: list[ProductionOrder], *, at: datetime.datetime, actor: User) -> None:
    """Give the job its start, its orders theirs, and the trace its edges; the caller saves the job."""
    job.started_at = at
    first = [order for order in orders if order.status == ProductionOrder.Status.QUEUED]
    with PRODUCTION_ORDER.step_many(first, "start", actor=actor) as start:
        start.set(started_at=at)
    edges = [((Node.PRINT_JOB, job.pk), (Node.PRODUCTION_ORDER, order.pk)) for order in orders]
    if job.printer_id is not None:
        edges.append(((Node.PRINTER, job.printer_id), (Node.PRINT_JOB, job.pk)))
    link(edges)


@verb
def record_progress(
    job: PrintJob,
    *,
    percent: Decimal | int,
    layer: int = 0,
    total_layers: int = 0,
    remaining_minutes: int | None = None,
    actor: User,
) -> PrintJob:
    """Note how far a running job is (0 to 100 %); news of a job that is not running is old and ignored."""
    percent = min(max(Decimal(percent), Decimal(0)), Decimal(100))
    values = {
        "progress_percent": round_money(percent),
        "current_layer": _counted(layer),
        "total_layers": _counted(total_layers),
        "remaining_minutes": remaining_minutes if remaining_minutes is None else _counted(remaining_minutes),
    }
    running = PrintJob.objects.filter(pk=job.pk, status__in=(Status.PRINTING, Status.PAUSED))
    if running.update(**values):
        for name, value in values.items():
            setattr(job, name, value)
    return job


@dataclass(frozen=True)
class Reached:
    """How far a job is, as its machine says."""

    percent: int
    layer: int = 0
    total_layers: int = 0
    remaining_minutes: int | None = None


@verb
def record_progress_many(reached: Mapping[int, Reached], *, actor: User) -> int:
    """Note how far running jobs are, by job id, in one statement per hundred; return how many were running."""
    rows = sorted(reached.items())
    written = 0
    for start in range(0, len(rows), _AT_ONCE):
        part = rows[start : start + _AT_ONCE]
        columns: dict[str, dict[int, Any]] = {
            "progress_percent": {pk: Decimal(min(max(row.percent, 0), 100)) for pk, row in part},
            "current_layer": {pk: _counted(row.layer) for pk, row in part},
            "total_layers": {pk: _counted(row.total_layers) for pk, row in part},
            "remaining_minutes": {
                pk: None if row.remaining_minutes is None else _counted(row.remaining_minutes) for pk, row in part
            },
        }
        jobs = PrintJob.objects.filter(pk__in=[pk for pk, _ in part])
        running = jobs.filter(status__in=(Status.PRINTING, Status.PAUSED))
        written += running.update(**{name: _by_job(name, values) for name, values in columns.items()})
    return written


def _by_job(name: str, values: Mapping[int, Any]) -> Case:
    field: Any = PrintJob._meta.get_field(name)
    cases = [When(pk=pk, then=Value(value, output_field=field)) for pk, value in values.items()]
    return Case(*cases, output_field=field)


def _counted(number: int) -> int:
    """Return what a machine counts within what can be: its figures are shown and decide nothing."""
    return min(max(number, 0), _MOST)


@verb
def record_paused(job: PrintJob, *, actor: User, reason: str = "") -> PrintJob:
    """Note that the machine paused; ``reason`` is what it says about why."""
    lock_job(job)
    if job.status != Status.PAUSED:
        with PRINT_JOB.step(job, "pause", actor=actor, reason=reason, is_locked=True):
            job.error_text = reason[:500]
    return job


@verb
def record_resumed(job: PrintJob, *, actor: User) -> PrintJob:
    """Note that the machine went on after a pause."""
    lock_job(job)
    if job.status != Status.PRINTING:
        with PRINT_JOB.step(job, "resume", actor=actor, is_locked=True):
            job.error_text = ""
    return job


@verb
def record_finished(
    job: PrintJob,
    *,
    actor: User,
    at: datetime.datetime | None = None,
    minutes: Decimal | None = None,
    grams: Mapping[int, Decimal] | None = None,
    inferred: bool = False,
    reason: str = "",
) -> PrintJob:
    """Note that the machine is through with the job: material is booked, the plate waits for a person.

    ``grams`` by filament position and ``minutes`` are what the machine or the print suite measured; without them the
    plan is booked, and the time between start and end. Told again, better figures correct the first ones.

    Raises:
        InvalidTransition: the job ended otherwise, or was never sent.
        InvalidValue: minutes or grams are negative, or for a filament the job does not have.
    """
    if minutes is not None and (not minutes.is_finite() or minutes < 0):
        raise InvalidValue("The minutes must not be negative.", details={"minutes": str(minutes)})
    orders = lock_job(job)
    if job.status == Status.FINISHED:
        return _correct(job, minutes=minutes, grams=grams, actor=actor)
    at = at or timezone.now()
    with PRINT_JOB.step(job, "finish", actor=actor, reason=reason, is_locked=True) as move:
        if job.started_at is None:
            _start(job, orders, at=job.sent_at or at, actor=actor)
        job.finished_at = at
        is_unseen = inferred or move.source == Status.UNKNOWN
        job.actual_time_minutes = round_money(_minutes(job, at, is_unseen=is_unseen) if minutes is None else minutes)
        job.progress_percent, job.remaining_minutes = Decimal(100), 0
        job.end_inferred = inferred
        book_use(job, {**planned_grams(job, Decimal(1)), **(grams or {})}, actor=actor)
        count_on_printer(job)
        move.payload["production_order_ids"] = [order.pk for order in orders]
    return job


def _correct(job: PrintJob, *, minutes: Decimal | None, grams: Mapping[int, Decimal] | None, actor: User) -> PrintJob:
    before = (job.actual_time_minutes, job.material_grams_used)
    if grams:
        book_use(job, grams, actor=actor)
    if minutes is not None:
        job.actual_time_minutes = round_money(minutes)
        count_on_printer(job)
    if (job.actual_time_minutes, job.material_grams_used) != before:
        job.save()
        _restate(job)
    return job


def count_on_printer(job: PrintJob) -> None:
    """Bring the printer's counters to what an ended job ran on it; the job is locked and saved by the caller.

    The job keeps what the counter has of it, so that its end counts once and a better figure adds the difference. A
    counter is never lowered.
    """
    if job.printer_id is None or job.actual_time_minutes is None:
        return
    more = job.actual_time_minutes - (job.counted_minutes or 0)
    is_new = job.counted_minutes is None
    if more > 0 or is_new:
        Printer.objects.filter(pk=job.printer_id).update(
            printed_minutes=F("printed_minutes") + max(more, Decimal(0)), jobs_done=F("jobs_done") + int(is_new)
        )
        job.counted_minutes = max(job.actual_time_minutes, job.counted_minutes or Decimal(0))


def _restate(job: PrintJob) -> None:
    """Tell that the figures of a job that is over were corrected."""
    if job.finished_at is not None:
        emit("production.job_restated", f"production.printjob:{job.pk}", id=job.pk, number=job.code)


def _minutes(job: PrintJob, end: datetime.datetime, *, is_unseen: bool) -> Decimal:
    """Return how long a job ran; of one whose end nobody saw, and that was found later, no more than it should have."""
    if job.started_at is None:
        return Decimal(0)
    minutes = Decimal(max((end - job.started_at).total_seconds(), 0)) / 60
    return min(minutes, job.estimated_time_minutes) if is_unseen and job.estimated_time_minutes else minutes


@verb
def record_failed(
    job: PrintJob,
    *,
    actor: User,
    code: str,
    text: str,
    progress_percent: Decimal | int | None = None,
    at: datetime.datetime | None = None,
) -> PrintJob:
    """Note that the job failed; what it used up to its progress is booked, and its plate waits for a person.

    Raises:
        InvalidTransition: the job ended otherwise, or was never sent.
    """
    lock_job(job)
    if job.status == Status.FAILED:
        return job
    with PRINT_JOB.step(
        job, "fail", actor=actor, reason=text or code or "The printer gave no reason", is_locked=True
    ) as move:
        job.error_code, job.error_text = code[:40], text[:500]
        _ended_early(move, progress_percent, at, actor=actor)
    return job


@verb
def record_cancelled(
    job: PrintJob,
    *,
    actor: User,
    reason: str,
    progress_percent: Decimal | int | None = None,
    at: datetime.datetime | None = None,
) -> PrintJob:
    """Note that the job was cancelled, at the machine or by us; see :func:`record_failed`.

    Raises:
        InvalidTransition: the job ended otherwise.
        ReasonRequired: no reason was given.
    """
    lock_job(job)
    if job.status == Status.CANCELLED:
        return job
    with PRINT_JOB.step(job, "cancel", actor=actor, reason=reason, is_locked=True) as move:
        _ended_early(move, progress_percent, at, actor=actor)
    return job


def _ended_early(
    move: Move[PrintJob], progress_percent: Decimal | int | None, at: datetime.datetime | None, *, actor: User
) -> None:
    job = move.document
    job.finished_at = at or timezone.now()
    job.remaining_minutes = None
    if job.started_at is None:
        return
    if progress_percent is not None:
        job.progress_percent = round_money(min(max(Decimal(progress_percent), Decimal(0)), Decimal(100)))
    job.actual_time_minutes = round_money(_minutes(job, job.finished_at, is_unseen=move.source == Status.UNKNOWN))
    book_use(job, planned_grams(job, job.progress_percent / 100), actor=actor)
    count_on_printer(job)


@verb
def record_material_used(job: PrintJob, *, material: Product, quantity: Decimal, actor: User) -> PrintJob:
    """Book what the job took of a material in all, in its stock unit; the machine's own end does not add to it.

    Raises:
        InvalidValue: the job has no such filament.
        InvalidTransition: the job has not begun.
    """
    lock_job(job)
    if job.started_at is None:
        raise InvalidTransition(f"{job.code} has not begun.", details={"status": job.status})
    grams = convert(quantity, material.unit_of_measure, Unit.GRAM)
    by_filament = spread_grams(job, grams, material_id=material.pk)
    if not by_filament:
        raise InvalidValue(f"{job.code} does not print {material.sku}.", details={"sku": material.sku})
    book_use(job, by_filament, actor=actor)
    job.save()
    _restate(job)
    return job


@verb
def flag_job(job: PrintJob, *, text: str, actor: User) -> PrintJob:
    """Keep a remark about a job for a person to look at, such as a status that nobody here knows."""
    lock_job(job)
    if job.error_text != text[:500]:
        job.error_text = text[:500]
        job.save()
    return job


@verb
def requeue_job(job: PrintJob, *, actor: User, reason: str) -> PrintJob:
    """Put a sent job that never began back into the queue and give its printer free.

    Raises:
        InvalidTransition: the job began, or was not sent.
    """
    lock_job(job)
    if job.status == Status.QUEUED:
        return job
    with PRINT_JOB.step(job, "requeue", actor=actor, reason=reason, is_locked=True):
        job.refused_by, job.refused_at = job.printer, timezone.now()
        job.printer = job.print_file = job.sent_at = job.cancel_requested_at = None
        job.submission_id = job.subtask_name = job.bambu_job_id = ""
        job.error_text = reason[:500]
        PrintJobFilament.objects.filter(job=job).update(tray=None, spool=None)
    return job


@verb
def lose_job(job: PrintJob, *, actor: User, reason: str) -> PrintJob:
    """Note that nobody saw how the job ended: it keeps its printer until a person decides."""
    lock_job(job)
    if job.status != Status.UNKNOWN:
        with PRINT_JOB.step(job, "lose", actor=actor, reason=reason, is_locked=True):
            job.error_text = reason[:500]
    return job


@verb
def decide_job(job: PrintJob, *, outcome: str, actor: User, reason: str) -> PrintJob:
    """Say how a job ended that nobody saw end: ``finished``, ``failed`` or ``cancelled``.

    Raises:
        InvalidTransition: the end is known, or the job goes on.
        InvalidValue: the outcome is none of the three.
    """
    orders = lock_job(job)
    if job.status != Status.UNKNOWN:
        raise InvalidTransition(
            "Only a job whose end was not seen is decided upon.", details={"step": "decide", "status": job.status}
        )
    if job.started_at is None:
        # A person has seen it on the plate, so it counts as begun when it was sent.
        _start(job, orders, at=job.sent_at or timezone.now(), actor=actor)
        job.save()
    match outcome:
        case Status.FINISHED:
            return record_finished(job, actor=actor, inferred=True, reason=reason)
        case Status.FAILED:
            return record_failed(job, actor=actor, code="", text=reason)
        case Status.CANCELLED:
            return record_cancelled(job, actor=actor, reason=reason)
    raise InvalidValue("A job ends finished, failed or cancelled.", details={"outcome": outcome})


@verb
def request_pause(job: PrintJob, *, actor: User, reason: str = "") -> PrintJob:
    """Ask for the printing job to be paused; it is when the machine says so."""
    lock_job(job)
    return _request(job, "pause", "pause")


@verb
def request_resume(job: PrintJob, *, actor: User, reason: str = "") -> PrintJob:
    """Ask for the paused job to go on; it does when the machine says so."""
    lock_job(job)
    return _request(job, "resume", "resume")


@verb
def request_cancel(job: PrintJob, *, actor: User, reason: str = "") -> PrintJob:
    """Cancel a job: at once while it waits in the queue, else the machine is asked to stop.

    Raises:
        InvalidTransition: the job is over.
        ReasonRequired: the job is cancelled at once and no reason was given.
    """
    lock_job(job)
    if job.status == Status.QUEUED:
        return record_cancelled(job, actor=actor, reason=reason)
    return _request(job, "cancel", "stop")


def _request(job: PrintJob, step: str, command: str) -> PrintJob:
    allowed = [legal.name for legal in PRINT_JOB.legal(job.status)]
    if step not in allowed:
        raise InvalidTransition(
            f"{step} is not possible from {job.status}.",
            details={"step": step, "status": job.status, "allowed": allowed, "id": job.pk},
        )
    if command == "stop" and job.cancel_requested_at is None:
        job.cancel_requested_at = timezone.now()
        job.save()
    emit(
        "production.job_command_requested",
        f"production.printjob:{job.pk}",
        id=job.pk,
        number=job.code,
        command=command,
        printer_id=job.printer_id,
    )
    return job
