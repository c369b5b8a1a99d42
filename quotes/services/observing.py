"""Finished prints beside their estimates: one row per job, brought up to date whenever there is news of it.

What cannot teach anything is kept as well, with the reason why it is not learned from.
"""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import InvalidValue, ReasonRequired
from blb3d.core.lifecycle import allow
from blb3d.core.money import round_money
from blb3d.core.units import round_quantity
from blb3d.core.verbs import verb
from production.models import PrintJob
from quotes.models import EstimateObservation, Quote
from quotes.services.corrections import Correction, Corrections
from quotes.services.estimates import RawEstimate

#: The estimate of a catalogue product stands on its plate; nobody kept how it was made.
CATALOGUE = "catalogue"
#: After a longer pause the printer heats and purges again, and nobody knows what was done meanwhile.
LONGEST_PAUSE = datetime.timedelta(hours=1)
#: No print takes so many times its estimate, or its estimate so many times the print: clocks or files were mixed up.
IMPLAUSIBLE = 10

Status = PrintJob.Status


@dataclass(frozen=True)
class _Planned:
    """A job's estimate without corrections, by which method it was made, and the factors that were then applied."""

    quote: Quote | None
    method: str
    material_type: str
    minutes: Decimal
    grams: Decimal
    minutes_factor: Decimal = Decimal(1)
    grams_factor: Decimal = Decimal(1)


@verb
def observe_job(job: PrintJob, *, actor: User) -> EstimateObservation | None:
    """Note how a print that is over compares with its estimate; None for one that never began.

    Told again, it takes over what is known now. What a person said about learning from it stands.
    """
    lock_documents(PrintJob.objects.filter(pk=job.pk))
    job = PrintJob.objects.select_related("plate", "printer", "production_order").get(pk=job.pk)
    if job.status not in (Status.FINISHED, Status.FAILED, Status.CANCELLED) or job.started_at is None:
        return None
    planned = _planned(job)
    paused = _paused(job)
    minutes = _actual_minutes(job, paused)
    row = EstimateObservation.objects.filter(print_job=job).first() or EstimateObservation(print_job=job)
    row.quote, row.product_id = planned.quote, job.plate.product_id
    row.printer_model = job.printer.model if job.printer else ""
    row.material_type, row.method = planned.material_type[:20], planned.method[:40]
    row.estimated_minutes, row.estimated_grams = round_money(planned.minutes), round_quantity(planned.grams)
    row.minutes_factor, row.grams_factor = planned.minutes_factor, planned.grams_factor
    row.actual_minutes, row.actual_grams = minutes, _known_grams(job)
    if row.decided_by_id is None:
        row.exclusion_reason = _reason_against(job, row, paused)
        row.is_excluded = bool(row.exclusion_reason)
    row.save()
    return row


@verb
def exclude_observation(row: EstimateObservation, *, reason: str, actor: User) -> EstimateObservation:
    """Do not learn from a print, because of ``reason``.

    Raises:
        ReasonRequired: there is none.
    """
    return _judge(row, is_excluded=True, reason=reason, actor=actor)


@verb
def include_observation(row: EstimateObservation, *, reason: str, actor: User) -> EstimateObservation:
    """Learn from a print that was left out.

    Raises:
        ReasonRequired: there is no reason.
        InvalidValue: it did not finish, or has no time to compare.
    """
    if row.print_job.status in (Status.FAILED, Status.CANCELLED) or not row.estimated_minutes or not row.actual_minutes:
        raise InvalidValue("Only a finished print with a time of its own teaches something.")
    return _judge(row, is_excluded=False, reason=reason, actor=actor)


def _judge(row: EstimateObservation, *, is_excluded: bool, reason: str, actor: User) -> EstimateObservation:
    allow(actor, "quotes.judge_estimateobservation")
    if not reason.strip():
        raise ReasonRequired(details={"observation": row.pk})
    row.is_excluded, row.exclusion_reason, row.decided_by = is_excluded, reason.strip()[:200], actor
    row.save(update_fields=["is_excluded", "exclusion_reason", "decided_by"])
    return row


def _planned(job: PrintJob) -> _Planned:
    """Return the job's estimate as its quote keeps it, scaled to the parts on the plate; else that of the plate."""
    quote = Quote.objects.filter(product=job.plate.product_id).first()
    kept = _kept_plate(quote, job) if quote is not None else None
    if quote is not None and kept is not None:
        raw, number = kept
        plate, share = raw.plates[number], _share(job)
        method, material_type = raw.files[plate.file].learned_as, raw.material_of(plate)
        applied = Corrections(map(Correction.from_dict, quote.estimate_detail["corrections"]))
        return _Planned(
            quote=quote,
            method=method,
            material_type=material_type,
            minutes=plate.minutes * share,
            grams=sum((grams for _, grams in plate.grams), Decimal(0)) * share,
            minutes_factor=applied.minutes_factor(method, material_type),
            grams_factor=applied.grams_factor(method, material_type),
        )
    filaments = job.filaments.select_related("material").order_by("-planned_grams", "position")
    main = filaments.first()
    return _Planned(
        quote=quote,
        method=CATALOGUE,
        material_type=main.material.material_type if main else "",
        minutes=job.estimated_time_minutes,
        grams=job.estimated_grams,
    )


def _kept_plate(quote: Quote, job: PrintJob) -> tuple[RawEstimate, int] | None:
    """Return the quote's estimate and which of its plates the job prints; None when the plates were planned anew."""
    detail: dict[str, Any] = quote.estimate_detail
    plates, number = detail.get("plates", []), job.plate.plate_number - 1
    if "raw" not in detail or job.plate.revision != 1 or number >= len(plates):
        return None
    return RawEstimate.from_dict(detail["raw"]), number


def _share(job: PrintJob) -> Decimal:
    return Decimal(sum(job.parts.values_list("planned", flat=True))) / job.plate.parts_per_plate


def _actual_minutes(job: PrintJob, paused: datetime.timedelta) -> Decimal:
    """Return how long it printed. Minutes that span from start to end hold the pauses, which are taken out."""
    minutes = job.actual_time_minutes or Decimal(0)
    if not paused or job.started_at is None or job.finished_at is None:
        return minutes
    span, pauses = (Decimal(time.total_seconds()) / 60 for time in (job.finished_at - job.started_at, paused))
    return round_money(max(minutes - pauses, Decimal(0))) if minutes > span - pauses / 2 else minutes


def _paused(job: PrintJob) -> datetime.timedelta:
    """Return how long the job stood still in all, from its history."""
    total, since = datetime.timedelta(0), None
    for status, at in job.history.order_by("history_id").values_list("status", "history_date"):  # type: ignore[attr-defined]
        if since is None and status == Status.PAUSED:
            since = at
        elif since is not None and status != Status.PAUSED:
            total, since = total + (at - since), None
    return total


def _known_grams(job: PrintJob) -> Decimal | None:
    """Return what the job took as somebody weighed or reported it, or as its slice says; None where only the estimate
    was booked, which says nothing about itself.
    """
    share = _share(job)
    estimated = {row.position: round_money(row.grams * share) for row in job.plate.filaments.all()}
    rows = list(job.filaments.all())
    used = [
        row.used_grams
        for row in rows
        if row.used_grams is not None and round_money(row.used_grams) != estimated.get(row.position)
    ]
    return sum(used, Decimal(0)) if rows and len(used) == len(rows) else None


def _reason_against(job: PrintJob, row: EstimateObservation, paused: datetime.timedelta) -> str:
    """Return why nothing can be learned from the print, or nothing."""
    if job.status != Status.FINISHED:
        return f"The print {'failed' if job.status == Status.FAILED else 'was cancelled'}."
    if job.end_inferred:
        return "Its end was concluded, not seen."
    if job.printer is None:
        return "Nobody noted the printer."
    if paused > LONGEST_PAUSE:
        return f"It was paused for {round(paused.total_seconds() / 60)} minutes."
    if _share(job) != 1:
        return "The plate was not full."
    materials = {row.material.material_type for row in job.filaments.select_related("material")}
    if materials != {row.material_type}:
        return "It was printed in another material than estimated, or in several."
    if not row.estimated_minutes or not row.actual_minutes:
        return "It has no time to compare."
    if not 1 / Decimal(IMPLAUSIBLE) < row.actual_minutes / row.estimated_minutes < IMPLAUSIBLE:
        return f"Its time differs from the estimate more than {IMPLAUSIBLE} times."
    return ""
