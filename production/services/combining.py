"""Several half-filled plates made one: parts of different orders printed together."""

from __future__ import annotations

from collections.abc import Sequence

from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.verbs import verb
from production.errors import NotCombinable
from production.lifecycles import PRINT_JOB
from production.models import PrintJob, PrintJobPart, ProductionOrder
from production.services.making import rescale_jobs


@verb
def combine_jobs(jobs: Sequence[PrintJob], *, actor: User) -> PrintJob:
    """Put the parts of several waiting jobs of one plate onto the first of them; the others are cancelled.

    Raises:
        NotCombinable: fewer than two jobs, not all waiting, of different plates, or more parts than the plate holds.
    """
    pks = list(dict.fromkeys(job.pk for job in jobs))
    lock_documents(ProductionOrder.objects.filter(job_parts__job__in=pks).distinct())
    locked = {job.pk: job for job in lock_documents(PrintJob.objects.filter(pk__in=pks))}
    rows = [locked[pk] for pk in pks if pk in locked]
    parts = list(PrintJobPart.objects.filter(job__in=rows).order_by("id"))
    first, *rest = rows or [None]
    total = sum(part.planned for part in parts)
    if (
        first is None
        or not rest
        or len({job.plate_id for job in rows}) > 1
        or any(job.status != PrintJob.Status.QUEUED for job in rows)
        or total > first.plate.parts_per_plate
    ):
        raise NotCombinable(details={"jobs": [job.code for job in rows], "parts": total})
    own = {part.production_order_id: part for part in parts if part.job_id == first.pk}
    before = sum(part.planned for part in own.values())
    for part in parts:
        if part.job_id == first.pk:
            continue
        kept = own.get(part.production_order_id)
        if kept is None:
            own[part.production_order_id] = PrintJobPart(
                job=first, production_order_id=part.production_order_id, planned=part.planned
            )
        else:
            kept.planned += part.planned
    PrintJobPart.objects.bulk_update([part for part in own.values() if part.pk], ["planned"])
    PrintJobPart.objects.bulk_create([part for part in own.values() if not part.pk])
    first.priority = max(job.priority for job in rows)
    rescale_jobs([first], {first.pk: (before, total)})
    with PRINT_JOB.step_many(rest, "cancel", actor=actor, reason=f"Printed with {first.code}") as move:
        move.set(finished_at=timezone.now())
    kept_instance = next(job for job in jobs if job.pk == first.pk)
    kept_instance.refresh_from_db()
    return kept_instance
