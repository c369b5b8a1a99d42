"""News about jobs in the words of a print suite or a person, turned into the verbs that they mean."""

from __future__ import annotations

import datetime
from decimal import Decimal

from blb3d.accounts.models import User
from blb3d.core.verbs import verb
from production.models import PrintJob
from production.services.making import lock_job
from production.services.material import spread_grams
from production.services.progress import (
    begin_job,
    flag_job,
    record_cancelled,
    record_failed,
    record_finished,
    record_paused,
    record_progress,
    record_resumed,
)

Status = PrintJob.Status

#: What others call our statuses; None says nothing that we do not know better.
WORDS: dict[str, Status | None] = {
    **dict.fromkeys(("", "pending", "queued", "scheduled", "sent", "preparing")),
    **dict.fromkeys(("printing", "running", "started", "in_progress", "resumed"), Status.PRINTING),
    **dict.fromkeys(("paused", "pause"), Status.PAUSED),
    **dict.fromkeys(("finished", "finish", "completed", "complete", "done", "success"), Status.FINISHED),
    **dict.fromkeys(("failed", "error"), Status.FAILED),
    **dict.fromkeys(("cancelled", "canceled", "stopped", "aborted"), Status.CANCELLED),
}


@verb
def report_job(
    job: PrintJob,
    *,
    actor: User,
    status: str = "",
    percent: Decimal | None = None,
    layer: int | None = None,
    total_layers: int | None = None,
    remaining_minutes: int | None = None,
    code: str = "",
    reason: str = "",
) -> PrintJob:
    """Take in a status and figures in one go; a status that nobody here knows is kept as a remark for a person.

    Raises:
        InvalidTransition: the job cannot be in that status now.
    """
    word = status.strip().lower()
    target = WORDS.get(word)
    if target == Status.PRINTING:
        lock_job(job)
        if job.status == Status.PAUSED:
            record_resumed(job, actor=actor)
        else:
            begin_job(job, actor=actor)
    if any(value is not None for value in (percent, layer, total_layers, remaining_minutes)):
        record_progress(
            job,
            percent=job.progress_percent if percent is None else percent,
            layer=job.current_layer if layer is None else layer,
            total_layers=job.total_layers if total_layers is None else total_layers,
            remaining_minutes=job.remaining_minutes if remaining_minutes is None else remaining_minutes,
            actor=actor,
        )
    match target:
        case Status.PAUSED:
            record_paused(job, actor=actor, reason=reason)
        case Status.FINISHED:
            report_finished(job, actor=actor)
        case Status.FAILED:
            record_failed(job, actor=actor, code=code, text=reason)
        case Status.CANCELLED:
            record_cancelled(job, actor=actor, reason=reason or "The print suite cancelled it")
    if word not in WORDS:
        flag_job(job, text=f"Reported as {status.strip()}", actor=actor)
    return job


@verb
def report_finished(
    job: PrintJob,
    *,
    actor: User,
    minutes: Decimal | None = None,
    grams: Decimal | None = None,
    at: datetime.datetime | None = None,
) -> PrintJob:
    """Note that a job is through, with its total of grams; one that was started elsewhere begins first."""
    lock_job(job)
    if job.status == Status.QUEUED:
        begin_job(job, actor=actor, at=at)
    by_filament = None if grams is None else spread_grams(job, grams)
    return record_finished(job, actor=actor, at=at, minutes=minutes, grams=by_filament)


@verb
def name_job(job: PrintJob, *, bambu_job_id: str, actor: User) -> PrintJob:
    """Keep the id that the print suite gave the job."""
    lock_job(job)
    if job.bambu_job_id != bambu_job_id:
        job.bambu_job_id = bambu_job_id
        job.save()
    return job
