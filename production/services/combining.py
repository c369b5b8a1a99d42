"""Several half-filled plates made one: parts of different orders printed together."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Sequence

from django.conf import settings
from django.db.models import F, Sum
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.verbs import verb
from production.errors import NotCombinable
from production.lifecycles import PRINT_JOB
from production.models import PrintJob, PrintJobPart, ProductionOrder
from production.selectors.fleet import LOOK_AHEAD, waiting_for_dispatch
from production.services.making import rescale_jobs

log = logging.getLogger(__name__)


@verb
def combine_jobs(jobs: Sequence[PrintJob], *, actor: User) -> PrintJob:
    """Put the parts of several waiting jobs of one plate onto the first of them; the others are cancelled.

    Raises:
        NotCombinable: fewer than two jobs, not all waiting, of different plates, kept to different groups of printers,
            or more parts than the plate holds.
    """
    pks = list(dict.fromkeys(job.pk for job in jobs))
    orders = lock_documents(ProductionOrder.objects.filter(job_parts__job__in=pks).distinct())
    locked = {job.pk: job for job in lock_documents(PrintJob.objects.filter(pk__in=pks))}
    rows = [locked[pk] for pk in pks if pk in locked]
    parts = list(PrintJobPart.objects.filter(job__in=rows).order_by("id"))
    first, *rest = rows or [None]
    total = sum(part.planned for part in parts)
    if (
        first is None
        or not rest
        or len({(job.plate_id, job.printer_group_id) for job in rows}) > 1
        or any(job.status != PrintJob.Status.QUEUED for job in rows)
        or total > first.plate.parts_per_plate
        # Another order's parts came onto one of them before it was locked: that order must be locked too.
        or {part.production_order_id for part in parts} - {order.pk for order in orders}
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


def combine_waiting(*, actor: User) -> list[PrintJob]:
    """Fill partly filled plates of waiting jobs with the parts of others; return the jobs that took some.

    Jobs of the same plate, group and priority go together, in the order in which they would be sent, so that nobody's
    parts are held up by less urgent ones. Each plate is filled in its own transaction. With ``COMBINE_PLATES`` off
    nothing is done: a person combines.
    """
    if not settings.COMBINE_PLATES:
        return []
    columns = ("id", "plate_id", "printer_group_id", "priority", "plate__parts_per_plate", "on_plate")
    rows = waiting_for_dispatch().filter(plate__parts_per_plate__gt=1).annotate(on_plate=Sum("parts__planned"))
    partly = rows.filter(on_plate__lt=F("plate__parts_per_plate")).values_list(*columns)[:LOOK_AHEAD]
    plates: dict[tuple[object, ...], list[tuple[int, list[int]]]] = defaultdict(list)
    for pk, plate_id, group_id, priority, room, planned in partly:
        alike = plates[plate_id, group_id, priority]
        for index, (left, pks) in enumerate(alike):
            if planned <= left:
                alike[index] = (left - planned, [*pks, pk])
                break
        else:
            alike.append((room - planned, [pk]))
    filled = [pks for alike in plates.values() for _, pks in alike if len(pks) > 1]
    if not filled:
        return []
    jobs = PrintJob.objects.in_bulk([pk for pks in filled for pk in pks])
    combined = []
    for pks in filled:
        try:
            combined.append(combine_jobs([jobs[pk] for pk in pks if pk in jobs], actor=actor))
        except NotCombinable as refusal:
            log.info("plates were not combined: %s", refusal)
    return combined
