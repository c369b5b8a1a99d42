"""Parts of different products on one plate: laid out, sliced and released like every plate, counted by order."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from django.db.models import Q
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import InvalidTransition
from blb3d.core.numbering import next_numbers
from blb3d.core.outbox import emit
from blb3d.core.units import round_quantity
from blb3d.core.verbs import verb
from inventory import services as inventory
from inventory.models import PlateFilament, ProductPlate
from production.errors import NotCombinable
from production.lifecycles import PRINT_JOB
from production.models import PrintJob, PrintJobFilament, PrintJobPart, ProductionOrder
from production.ports import lay_together
from production.selectors.fleet import waiting_for_dispatch
from production.services.making import PlannedJob, Source, give_up_mixed, hold_job_numbers, lock_job, make_jobs

#: What plates must have in common to be printed as one.
_ALIKE = ("layer_height_mm", "infill_percent", "nozzle_diameter_mm")


def mixable_with(job: PrintJob) -> list[PrintJob]:
    """Return the waiting jobs of other products whose parts could lie on one plate with this job's, most urgent first.

    Same single material, layer height, infill, nozzle, tags and group; whether all of it fits on a bed is found when
    they are mixed.
    """
    if job.status != PrintJob.Status.QUEUED or job.plate.is_mixed:
        return []
    materials = list(PrintJobFilament.objects.filter(job=job).values_list("material", flat=True))
    if len(materials) != 1:
        return []
    same = {f"plate__{name}": getattr(job.plate, name) for name in _ALIKE}
    other = Q(filaments__position__gt=0) | Q(pk=job.pk) | Q(plate=job.plate_id)
    rows = waiting_for_dispatch().filter(
        plate__is_mixed=False, printer_group=job.printer_group_id, filaments__material=materials[0], **same
    )
    found = rows.exclude(other).select_related("plate__product", "production_order")[:100]
    return [row for row in found if set(row.plate.printer_tags) == set(job.plate.printer_tags)]


@verb
def mix_jobs(jobs: Sequence[PrintJob], *, actor: User) -> PrintJob:
    """Put the parts of waiting jobs of different products on one plate of its own; the jobs are cancelled for its one.

    The new job waits for the plate's print file: it is sliced like every plate's, and a person releases it. What fails
    on it goes back to the plates of the parts' own products, and so does everything when one of its orders is withdrawn
    before it is sent.

    Raises:
        NotCombinable: fewer than two plates, one that is mixed already, jobs that do not wait, an order that would be
            on it twice, plates that differ in what they ask of a printer, or parts that do not fit on a bed.
    """
    pks = list(dict.fromkeys(job.pk for job in jobs))
    numbers = next_numbers("PJ", 1)
    locked_orders = lock_documents(ProductionOrder.objects.filter(job_parts__job__in=pks).distinct())
    orders = {order.pk: order for order in locked_orders}
    locked = {job.pk: job for job in lock_documents(PrintJob.objects.filter(pk__in=pks))}
    rows = [locked[pk] for pk in pks if pk in locked]
    parts = list(PrintJobPart.objects.filter(job__in=rows).order_by("id"))
    plates = ProductPlate.objects.select_related("product").in_bulk({job.plate_id for job in rows})
    filaments: dict[int, list[PrintJobFilament]] = defaultdict(list)
    for filament in PrintJobFilament.objects.filter(job__in=rows).select_related("material"):
        filaments[filament.job_id].append(filament)
    _check(rows, plates, filaments, parts)
    if {part.production_order_id for part in parts} - set(orders):
        raise NotCombinable("Another order's parts came onto one of the jobs: please look again.")

    on_plate: dict[int, int] = defaultdict(int)
    planned: dict[int, int] = defaultdict(int)
    plate_of = {job.pk: job.plate_id for job in rows}
    source_of: dict[int, int] = {}
    for part in parts:
        source_of[part.production_order_id] = plate_of[part.job_id]
        planned[part.production_order_id] += part.planned
        on_plate[plate_of[part.job_id]] += part.planned
    members = [(plates[pk], number) for pk, number in on_plate.items()]
    layout = lay_together(members)
    if layout is None:
        raise NotCombinable("Nobody here knows how to lay models on a plate.")
    material = filaments[rows[0].pk][0].material
    sources = {plate.pk: _source(plate) for plate, _ in members}
    first = members[0][0]
    plate = inventory.make_mixed_plate(
        members,
        minutes=sum((sources[plate.pk].minutes * number for plate, number in members), Decimal(0)),
        material=material,
        grams=sum((sources[plate.pk].grams * number for plate, number in members), Decimal(0)),
        layer_height_mm=first.layer_height_mm,
        infill_percent=first.infill_percent,
        nozzle_diameter_mm=first.nozzle_diameter_mm,
        printer_tags=first.printer_tags,
        printer_models=layout.printer_models,
        bbox=layout.box,
        actor=actor,
    )
    [job] = make_jobs(
        [
            PlannedJob(
                plate,
                tuple((orders[pk], number) for pk, number in planned.items()),
                sources={pk: sources[plate_id] for pk, plate_id in source_of.items()},
            )
        ],
        numbers,
    )
    if rows[0].printer_group_id != job.printer_group_id:
        job.printer_group_id = rows[0].printer_group_id
        job.save()
    with PRINT_JOB.step_many(rows, "cancel", actor=actor, reason=f"Printed with {job.code} on a mixed plate") as move:
        move.set(finished_at=timezone.now())
    emit(
        "production.print_file_needed",
        f"inventory.productplate:{plate.pk}",
        plate_id=plate.pk,
        product_id=plate.product_id,
        production_order_id=job.production_order_id,
    )
    return job


@verb
def unmix_job(job: PrintJob, *, actor: User, reason: str) -> list[PrintJob]:
    """Give up a mixed plate that was not sent: its parts go back to the plates of their own products.

    Raises:
        InvalidTransition: the job is not waiting, or its plate is not mixed.
        ReasonRequired: no reason was given.
    """
    hold_job_numbers(ProductionOrder.objects.filter(job_parts__job=job))
    lock_job(job)
    if job.status != PrintJob.Status.QUEUED or not job.plate.is_mixed:
        raise InvalidTransition(f"{job.code} is no waiting job of a mixed plate.", details={"status": job.status})
    return give_up_mixed(job, actor=actor, reason=reason)


def _source(plate: ProductPlate) -> Source:
    grams = sum(PlateFilament.objects.filter(plate=plate).values_list("grams", flat=True), Decimal(0))
    return Source(
        plate.pk,
        round_quantity(grams / plate.parts_per_plate),
        round_quantity(plate.estimated_minutes / plate.parts_per_plate),
    )


def _check(
    rows: Sequence[PrintJob],
    plates: dict[int, ProductPlate],
    filaments: dict[int, list[PrintJobFilament]],
    parts: Sequence[PrintJobPart],
) -> None:
    """Refuse jobs that cannot share a mixed plate, with what stands in the way."""
    plate_of: dict[int, set[int]] = defaultdict(set)
    by_pk = {job.pk: job.plate_id for job in rows}
    for part in parts:
        plate_of[part.production_order_id].add(by_pk[part.job_id])
    materials = {tuple(sorted(row.material_id for row in filaments[job.pk])) for job in rows}
    wishes = {
        (*(getattr(plate, name) for name in _ALIKE), tuple(sorted(plate.printer_tags))) for plate in plates.values()
    }
    why = ""
    if len(plates) < 2:
        why = "A mixed plate holds parts of at least two products."
    elif any(job.status != PrintJob.Status.QUEUED for job in rows):
        why = "Only waiting jobs are put on one plate."
    elif any(plate.is_mixed for plate in plates.values()):
        why = "A mixed plate is given up before its parts are mixed anew."
    elif any(len(own) > 1 for own in plate_of.values()):
        why = "An order would have parts of several of its plates on it."
    elif len(materials) > 1 or any(len(one) != 1 for one in materials):
        why = "The jobs are not printed in one and the same filament."
    elif len(wishes) > 1 or len({job.printer_group_id for job in rows}) > 1:
        why = "The plates differ in layer height, infill, nozzle, tags or group of printers."
    if why:
        raise NotCombinable(why, details={"jobs": [job.code for job in rows]})
