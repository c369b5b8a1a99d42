"""The page of one production order: its jobs with the time at which each ends, and what a person should do next."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass

from django.utils import timezone

from production.models import PrintJob, PrintJobPart, ProductionOrder, ScheduleEntry
from production.selectors.effects import parts
from production.selectors.progress import PlateProgress
from production.selectors.waiting import order_waiting_reasons, waiting_reasons

#: How many of an order's jobs its page shows: the running ones, those to be cleared, then the latest.
JOBS_SHOWN = 60

_OVER = (PrintJob.Status.FINISHED, PrintJob.Status.FAILED, PrintJob.Status.CANCELLED)
_RUNNING = (PrintJob.Status.SENT, PrintJob.Status.PRINTING, PrintJob.Status.PAUSED, PrintJob.Status.UNKNOWN)


@dataclass(frozen=True)
class JobRow:
    """A job of an order: how many of its parts are this order's, when it ended or will, and what it waits for.

    ``is_planned`` says that ``ends_at`` is a plan and not the machine's word.
    """

    job: PrintJob
    planned: int
    good: int
    scrap: int
    on_plate: int
    others: tuple[str, ...]
    ends_at: datetime.datetime | None
    is_planned: bool
    waits_for: str

    @property
    def is_to_be_cleared(self) -> bool:
        """Return whether a person must count its plate."""
        return _uncounted(self.job)


@dataclass(frozen=True)
class NextStep:
    """What a person should do next, in one sentence, and the job at which it is done."""

    text: str
    job: PrintJob | None = None


def job_rows(order: ProductionOrder, reasons: dict[int, str] | None = None) -> list[JobRow]:
    """Return an order's jobs, those that need somebody or something first, in a constant number of queries."""
    rows = list(
        PrintJobPart.objects.filter(production_order=order, job__deleted_at__isnull=True)
        .select_related("job__printer", "job__plate")
        .order_by("job_id")
    )
    rows.sort(key=lambda row: _place(row.job))
    rows = rows[:JOBS_SHOWN]
    jobs = [row.job for row in rows]
    on_plate: dict[int, int] = defaultdict(int)
    others: dict[int, list[str]] = defaultdict(list)
    for job_id, pk, code, number in PrintJobPart.objects.filter(job__in=jobs).values_list(
        "job_id", "production_order_id", "production_order__code", "planned"
    ):
        on_plate[job_id] += number
        if pk != order.pk:
            others[job_id].append(code)
    planned = dict(ScheduleEntry.objects.filter(print_job__in=jobs).values_list("print_job_id", "ends_at"))
    waits = waiting_reasons(jobs) if reasons is None else reasons
    now = timezone.now()
    found = []
    for row in rows:
        job = row.job
        ends_at, is_planned = _end(job, planned.get(job.pk), now)
        why = "a person to clear the plate" if _uncounted(job) else waits.get(job.pk, "")
        if job.status == PrintJob.Status.UNKNOWN:
            why = "a person to say how it ended"
        found.append(
            JobRow(
                job,
                row.planned,
                row.good,
                row.scrap,
                on_plate[job.pk],
                tuple(sorted(others[job.pk])),
                ends_at,
                is_planned,
                why,
            )
        )
    return found


def _place(job: PrintJob) -> tuple[int, int]:
    """Return where a job stands: what runs, what is to be counted, the queue, then what is over, the latest first."""
    if job.status in _RUNNING:
        return 0, job.pk
    if _uncounted(job):
        return 1, job.pk
    return (2, job.pk) if job.status == PrintJob.Status.QUEUED else (3, -job.pk)


def _uncounted(job: PrintJob) -> bool:
    return job.status in _OVER and job.started_at is not None and job.cleared_at is None


def _end(
    job: PrintJob, planned: datetime.datetime | None, now: datetime.datetime
) -> tuple[datetime.datetime | None, bool]:
    if job.finished_at is not None:
        return job.finished_at, False
    if job.status == PrintJob.Status.PRINTING and job.remaining_minutes is not None:
        return now + datetime.timedelta(minutes=job.remaining_minutes), False
    if (
        job.status in (PrintJob.Status.PRINTING, PrintJob.Status.SENT)
        and job.started_at is not None
        and planned is None
    ):
        return job.started_at + datetime.timedelta(minutes=float(job.estimated_time_minutes)), True
    return planned, True


def next_steps(order: ProductionOrder, rows: Sequence[JobRow], plates: Sequence[PlateProgress]) -> list[NextStep]:
    """Return the two or three things that a person should do next; nothing when the farm goes on by itself."""
    steps: list[NextStep] = []
    if order.merged_into_id is not None or order.status in (order.Status.CANCELLED, order.Status.COMPLETED):
        return steps
    if order.is_held:
        steps.append(NextStep(f"It is held: {order.hold_reason}. Release the hold to let its jobs be sent."))
    for row in rows:
        where = row.job.printer.name if row.job.printer is not None else "its printer"
        if row.job.status == PrintJob.Status.UNKNOWN:
            steps.append(NextStep(f"Say how {row.job.code} at {where} ended.", row.job))
        elif row.is_to_be_cleared:
            steps.append(NextStep(f"Clear {parts(row.on_plate)} off {where}.", row.job))
        elif row.job.status == PrintJob.Status.PAUSED:
            why = f": {row.job.error_text}" if row.job.error_text else ""
            steps.append(NextStep(f"{row.job.code} is paused at {where}{why}.", row.job))
    if order.status == order.Status.FAILED:
        steps.append(NextStep("It was given up: retry it, or cancel it."))
    if order.status in (order.Status.QUEUED, order.Status.PRINTING):
        missing = sum(plate.missing for plate in plates)
        if missing:
            steps.append(NextStep(f"No job brings {parts(missing)}: make the missing parts, or close it short."))
    reason = order_waiting_reasons([order]).get(order.pk, "")
    if reason and not order.is_held:
        steps.append(NextStep(f"{reason}."))
    waits: dict[str, PrintJob] = {}
    for row in rows:
        goes_by_itself = row.waits_for.startswith("Next in line")
        if row.job.status == PrintJob.Status.QUEUED and row.waits_for and not goes_by_itself:
            waits.setdefault(row.waits_for, row.job)
    if not order.is_held:
        steps += [NextStep(f"{job.code} waits: {why}", job) for why, job in waits.items()]
    if order.status == order.Status.DRAFT and not steps:
        steps.append(NextStep("Confirm it to reserve its material and make its jobs."))
    return steps[:3]
