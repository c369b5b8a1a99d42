"""What a job really took: booked by filament and lot, shared by the orders on its plate, corrected and never added."""

from __future__ import annotations

import logging
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal

from django.db.models import F, Q, Sum
from django.db.models.functions import Greatest, Round

from blb3d.accounts.models import User
from blb3d.core.errors import InvalidValue
from blb3d.core.units import Unit, convert, round_quantity
from inventory.models import BOMLine, InventoryTransaction, Reference, Spool
from inventory.services import Consumed, CostAdded, Use, add_cost, consume, give_back
from inventory.services.ledger import lock_balances
from production.models import (
    PrintJob,
    PrintJobFilament,
    PrintJobPart,
    ProductionOrder,
    ProductionOrderMaterial,
    TraceLink,
    TrayChange,
)
from production.services.links import Node as LinkNode
from production.services.links import link

Node = TraceLink.Node

log = logging.getLogger(__name__)

#: No job takes more of a filament than a thousand spools.
MAX_GRAMS = Decimal(1_000_000)


def lock_stock(orders: Iterable[ProductionOrder]) -> None:
    """Lock the balances of all that orders take and make, in their order, before several of them are moved in steps.

    The orders are locked by the caller. Who takes screws first and filament after, and who takes them the other way
    round, would wait for each other in a ring.
    """
    products: set[int] = set()
    for product_id, bom_id in {(order.product_id, order.bom_id) for order in orders}:
        products.add(product_id)
        products.update(BOMLine.objects.filter(bom=bom_id).values_list("component_id", flat=True))
    lock_balances(Q(product_id__in=products))


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
    """Share a total by weights, evenly where none weighs anything; together the parts are the total."""
    if not any(weights):
        weights = [1] * len(weights)
    left, weight_left = total, Decimal(sum(weights))
    for weight in weights:
        part = round_quantity(left * weight / weight_left) if weight else Decimal(0)
        left, weight_left = left - part, weight_left - weight
        yield part


def book_use(job: PrintJob, grams: Mapping[int, Decimal], *, actor: User) -> None:
    """Make the books say that the job took so many grams of each filament in all; the job and its orders are locked.

    The lots of the reels it came from are taken first, each for its share of the progress, then what the order has
    reserved, then free stock first in first out. A higher figure than before takes the difference, a lower one gives it
    back to the lots it came from, newest first. Units of an order that is over, already counted, are worth as much more
    or less as far as they are in stock.

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
    parts = list(job.parts.select_related("production_order").order_by("production_order_id"))
    # Units that are counted and of orders that are over have their cost already: they bear what is put right later.
    over = [part.production_order for part in parts if part.production_order.status not in ProductionOrder.OPEN]
    if job.cleared_at is None:
        over = []
    if over:
        lock_stock(over)
    costs: dict[int, Decimal] = defaultdict(Decimal)
    booked: dict[tuple[int, int], list[ProductionOrderMaterial]] = defaultdict(list)
    for row in ProductionOrderMaterial.objects.filter(print_job=job, filament_position__isnull=False).order_by("id"):
        booked[(row.filament_position or 0, row.production_order_id)].append(row)
    reels = _reels(job, changed)
    uses: list[Use] = []
    targets: list[tuple[int, int]] = []
    for filament in changed:
        total = round_quantity(convert(grams[filament.position], Unit.GRAM, filament.material.unit_of_measure))
        for part, target in zip(parts, _split(total, [part.grams_weight for part in parts]), strict=True):
            key = (filament.position, part.production_order_id)
            difference = target - sum((row.quantity_used for row in booked[key]), Decimal(0))
            if difference > 0:
                for lot_id, quantity in _by_lot(difference, reels[filament.position]):
                    uses.append(_use(job, filament, part, quantity, lot_id))
                    targets.append(key)
            elif difference < 0:
                is_open = part.production_order.status in ProductionOrder.OPEN
                costs[part.production_order_id] -= _take_back(booked[key], -difference, keep=is_open, actor=actor)
    taken = consume(uses, actor=actor) if uses else []
    for part_taken in taken:
        costs[targets[part_taken.use_index][1]] += part_taken.quantity * part_taken.unit_cost
    for order in over:
        _put_on_units(order, round_quantity(costs[order.pk]), actor=actor)
    edges = record_uses([(*targets[row.use_index], row) for row in taken], job=job, booked=booked, actor=actor)
    # The first filament of a job that is not counted yet: nothing else can have been traced to it.
    link(edges, new=not any(booked.values()) and job.cleared_at is None)
    for filament in changed:
        before, filament.used_grams = filament.used_grams or Decimal(0), round_quantity(grams[filament.position])
        shares = reels[filament.position]
        for (spool, _), taken_off in zip(shares, _split(filament.used_grams - before, _weights(shares)), strict=True):
            if spool is not None and taken_off:
                left = Round(F("remaining_grams") - F("overdrawn_grams") - taken_off, 4)
                lacking = Round(F("overdrawn_grams") - F("remaining_grams") + taken_off, 4)
                # The version rises so that a page that was opened before cannot write the old grams back.
                Spool.objects.filter(pk=spool.pk).update(
                    remaining_grams=Greatest(left, Decimal(0)),
                    overdrawn_grams=Greatest(lacking, Decimal(0)),
                    version=F("version") + 1,
                )
    PrintJobFilament.objects.bulk_update(changed, ["used_grams"])
    job.material_grams_used = sum((row.used_grams or Decimal(0) for row in filaments), Decimal(0))


def _reels(job: PrintJob, filaments: Sequence[PrintJobFilament]) -> dict[int, list[tuple[Spool | None, int]]]:
    """Return by position the reels that a filament came from, each with the percent of the job that it printed.

    A printer that runs out of one goes on with the next: what was printed since then comes from there.
    """
    changes: dict[int, list[TrayChange]] = defaultdict(list)
    for change in TrayChange.objects.filter(job=job).select_related("spool").order_by("percent", "id"):
        changes[change.position].append(change)
    end = int(job.progress_percent)
    found: dict[int, list[tuple[Spool | None, int]]] = {}
    for filament in filaments:
        spool, since = filament.spool, 0
        shares: list[tuple[Spool | None, int]] = []
        for change in changes[filament.position]:
            at = min(change.percent, end)
            shares.append((spool, at - since))
            spool, since = change.spool, at
        shares.append((spool, end - since))
        found[filament.position] = [row for row in shares if row[1] > 0] or [(filament.spool, 1)]
    return found


def _weights(shares: Sequence[tuple[Spool | None, int]]) -> list[int]:
    return [share for _, share in shares]


def _by_lot(quantity: Decimal, shares: Sequence[tuple[Spool | None, int]]) -> list[tuple[int | None, Decimal]]:
    """Spread a quantity over the lots of the reels it came from; reels of one lot are one."""
    weights: dict[int | None, int] = defaultdict(int)
    for spool, share in shares:
        weights[spool.lot_id if spool is not None else None] += share
    return [
        (lot_id, part)
        for lot_id, part in zip(weights, _split(quantity, list(weights.values())), strict=True)
        if part > 0
    ]


def _use(job: PrintJob, filament: PrintJobFilament, part: PrintJobPart, quantity: Decimal, lot_id: int | None) -> Use:
    return Use(
        filament.material_id,
        quantity,
        Reference.PRINT_JOB,
        job.pk,
        holder=(Reference.PRODUCTION_ORDER, part.production_order_id),
        lot_id=lot_id,
    )


def _put_on_units(order: ProductionOrder, amount: Decimal, *, actor: User) -> None:
    """Put a difference of cost on an order's units as far as they are still in stock; the rest is to be expensed."""
    made = InventoryTransaction.objects.filter(
        transaction_type=InventoryTransaction.Kind.PRODUCTION_OUTPUT,
        reference_type=Reference.PRODUCTION_ORDER,
        reference_id=order.pk,
    ).aggregate(total=Sum("quantity"))["total"]
    if not amount or not made:
        return
    try:
        add_cost(
            [CostAdded(order.product_id, None, round_quantity(made), amount)],
            reference_type=Reference.PRODUCTION_ORDER,
            reference_id=order.pk,
            reason=f"The filament of {order.code} was corrected",
            actor=actor,
        )
    except InvalidValue:
        # The units lie among others that are worth less: what left took more of the value with it than is given back.
        log.warning("%s: %s could not be put on what is left of its units", order.code, amount)


def _take_back(rows: list[ProductionOrderMaterial], quantity: Decimal, *, keep: bool, actor: User) -> Decimal:
    """Give what was taken too much back to its lots, the latest first; return what it cost.

    With ``keep`` the order keeps it reserved; one that is over would never give it free.
    """
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
        holder=(Reference.PRODUCTION_ORDER, first.production_order_id) if keep else None,
        reason="The use was corrected",
    )
    ProductionOrderMaterial.objects.bulk_update(rows, ["quantity_used"])
    return sum((row.quantity * row.unit_cost for row in returned), Decimal(0))


def record_uses(
    taken: Sequence[tuple[int | None, int, Consumed]],
    *,
    job: PrintJob | None,
    booked: Mapping[tuple[int, int], list[ProductionOrderMaterial]],
    actor: User,
) -> list[tuple[LinkNode, LinkNode]]:
    """Write which lot went into which order, and through which job where there is one; ``taken`` rows are (filament
    position, order id, what).

    A lot that the filament took before at the same cost gets a higher figure instead of a second row. Returns the edges
    of the trace that the caller has to write.
    """
    new, more = [], []
    for position, order_id, row in taken:
        earlier = booked.get((position, order_id), []) if position is not None else []
        told = (row.lot_id, row.location_id, row.unit_cost)
        same = next((use for use in earlier if (use.material_lot_id, use.location_id, use.unit_cost) == told), None)
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
    return [
        ((Node.LOT, row.lot_id), (Node.PRINT_JOB, job.pk) if job else (Node.PRODUCTION_ORDER, order_id))
        for _, order_id, row in taken
        if row.lot_id is not None
    ]
