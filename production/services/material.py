"""What a job really took: booked by filament and lot, shared by the orders on its plate, corrected and never added."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal

from django.db.models import F
from django.db.models.functions import Greatest, Round

from blb3d.accounts.models import User
from blb3d.core.errors import InvalidValue
from blb3d.core.units import Unit, convert, round_quantity
from inventory.models import Reference, Spool
from inventory.services import Consumed, Use, consume, give_back
from production.models import PrintJob, PrintJobFilament, PrintJobPart, ProductionOrderMaterial, TraceLink
from production.services.links import link

Node = TraceLink.Node

#: No job takes more of a filament than a thousand spools.
MAX_GRAMS = Decimal(1_000_000)


def planned_grams(job: PrintJob, fraction: Decimal) -> dict[int, Decimal]:
    """Return what each filament should have taken, ``fraction`` of the job being printed; not those already told."""
    untold = job.filaments.filter(used_grams__isnull=True)
    return {row.position: round_quantity(row.planned_grams * fraction) for row in untold}


def spread_grams(job: PrintJob, total: Decimal, *, material_id: int | None = None) -> dict[int, Decimal]:
    """Return a reported total by filament (of one material), as planned; the last one takes the rest."""
    rows = list(job.filaments.order_by("position"))
    if material_id is not None:
        rows = [row for row in rows if row.material_id == material_id]
    planned = sum((row.planned_grams for row in rows), Decimal(0))
    weights = [row.planned_grams if planned else Decimal(1) for row in rows]
    return dict(zip((row.position for row in rows), _split(total, weights), strict=True))


def _split(total: Decimal, weights: Sequence[Decimal | int]) -> Iterator[Decimal]:
    left, weight_left = total, Decimal(sum(weights))
    for weight in weights:
        part = round_quantity(left * weight / weight_left)
        left, weight_left = left - part, weight_left - weight
        yield part


def book_use(job: PrintJob, grams: Mapping[int, Decimal], *, actor: User) -> None:
    """Make the books say that the job took so many grams of each filament in all; the job and its orders are locked.

    The loaded spool's lot is taken first, then what the order has reserved, then free stock first in first out. A
    higher figure than before takes the difference, a lower one gives it back to the lots it came from, newest first.

    Raises:
        InvalidValue: a position is not one of the job's filaments, or a figure is negative or absurdly large.
    """
    filaments = list(job.filaments.select_related("material", "spool").order_by("position"))
    unknown = sorted(set(grams) - {row.position for row in filaments})
    if unknown or any(not value.is_finite() or not 0 <= value <= MAX_GRAMS for value in grams.values()):
        raise InvalidValue(
            f"Grams are given per filament of the job, from 0 to {MAX_GRAMS}.", details={"unknown": unknown}
        )
    changed = [row for row in filaments if row.position in grams and row.used_grams != grams[row.position]]
    if not changed:
        return
    parts = list(job.parts.order_by("production_order_id"))
    booked: dict[tuple[int, int], list[ProductionOrderMaterial]] = defaultdict(list)
    for row in ProductionOrderMaterial.objects.filter(print_job=job, filament_position__isnull=False).order_by("id"):
        booked[(row.filament_position or 0, row.production_order_id)].append(row)
    uses: list[Use] = []
    targets: list[tuple[int, int]] = []
    for filament in changed:
        total = round_quantity(convert(grams[filament.position], Unit.GRAM, filament.material.unit_of_measure))
        for part, target in zip(parts, _split(total, [part.planned for part in parts]), strict=True):
            key = (filament.position, part.production_order_id)
            difference = target - sum((row.quantity_used for row in booked[key]), Decimal(0))
            if difference > 0:
                uses.append(_use(job, filament, part, difference))
                targets.append(key)
            elif difference < 0:
                _take_back(booked[key], -difference, actor=actor)
    taken = consume(uses, actor=actor) if uses else []
    record_uses([(*targets[row.use_index], row) for row in taken], job=job, booked=booked, actor=actor)
    for filament in changed:
        before, filament.used_grams = filament.used_grams or Decimal(0), round_quantity(grams[filament.position])
        if filament.spool_id is not None:
            left = Round(F("remaining_grams") - (filament.used_grams - before), 4)
            Spool.objects.filter(pk=filament.spool_id).update(remaining_grams=Greatest(left, Decimal(0)))
    PrintJobFilament.objects.bulk_update(changed, ["used_grams"])
    job.material_grams_used = sum((row.used_grams or Decimal(0) for row in filaments), Decimal(0))


def _use(job: PrintJob, filament: PrintJobFilament, part: PrintJobPart, quantity: Decimal) -> Use:
    return Use(
        filament.material_id,
        quantity,
        Reference.PRINT_JOB,
        job.pk,
        holder=(Reference.PRODUCTION_ORDER, part.production_order_id),
        lot_id=filament.spool.lot_id if filament.spool else None,
    )


def _take_back(rows: list[ProductionOrderMaterial], quantity: Decimal, *, actor: User) -> None:
    returned = []
    for row in reversed(rows):
        part = min(quantity, row.quantity_used)
        if part <= 0:
            continue
        quantity -= part
        row.quantity_used -= part
        returned.append(Consumed(row.product_id, row.material_lot_id, row.location_id, part, row.unit_cost))
    first = rows[0]
    give_back(
        returned,
        actor=actor,
        reference_type=Reference.PRINT_JOB,
        reference_id=first.print_job_id,
        holder=(Reference.PRODUCTION_ORDER, first.production_order_id),
        reason="The use was corrected",
    )
    ProductionOrderMaterial.objects.bulk_update(rows, ["quantity_used"])


def record_uses(
    taken: Sequence[tuple[int | None, int, Consumed]],
    *,
    job: PrintJob,
    booked: Mapping[tuple[int, int], list[ProductionOrderMaterial]],
    actor: User,
) -> None:
    """Write which lot went into which order through this job; ``taken`` rows are (filament position, order id, what).

    A lot that the filament took before gets a higher figure instead of a second row.
    """
    new, more = [], []
    for position, order_id, row in taken:
        earlier = booked.get((position, order_id), []) if position is not None else []
        same = next(
            (use for use in earlier if (use.material_lot_id, use.location_id) == (row.lot_id, row.location_id)), None
        )
        if same is not None:
            same.quantity_used += row.quantity
            more.append(same)
            continue
        new.append(
            ProductionOrderMaterial(
                production_order_id=order_id,
                material_lot_id=row.lot_id,
                product_id=row.product_id,
                print_job=job,
                filament_position=position,
                location_id=row.location_id,
                quantity_used=row.quantity,
                unit_cost=row.unit_cost,
                consumed_by=actor,
            )
        )
    ProductionOrderMaterial.objects.bulk_create(new)
    ProductionOrderMaterial.objects.bulk_update(more, ["quantity_used"])
    link(((Node.LOT, row.lot_id), (Node.PRINT_JOB, job.pk)) for _, _, row in taken if row.lot_id is not None)
