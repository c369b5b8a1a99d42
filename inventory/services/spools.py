"""Reels in somebody's hands: weighed, put somewhere. What the scale says corrects the reel and its lot in the books."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import InvalidValue
from blb3d.core.outbox import emit
from blb3d.core.units import Unit, convert, round_quantity
from blb3d.core.verbs import verb
from inventory.errors import WrongWeight
from inventory.models import Inventory, InventoryLocation, MaterialLot, Reference, Spool
from inventory.services.consumption import Use, consume
from inventory.services.ledger import Kind, Movement, lock_balances, post_locked

#: No reel weighs more.
MAX_GRAMS = Decimal(30_000)
#: Reels come a little fuller than they say.
_FULLER = Decimal("1.1")


@dataclass(frozen=True)
class Weighed:
    """What a weigh-in changed: net grams now and before, and by how many grams the lot was corrected in the books."""

    spool: Spool
    grams: Decimal
    before: Decimal
    booked: Decimal


@verb
def weigh_spool(
    spool: Spool, *, gross_grams: Decimal, actor: User, tare_grams: Decimal | None = None, reason: str = ""
) -> Weighed:
    """Correct what is left on a reel to what the scale shows, less the empty reel; ``tare_grams`` corrects that too.

    The difference is booked to the lot as an adjustment. What is gone is gone: stock that was reserved of it is taken
    too, and its holders get free stock elsewhere as far as there is any. Where the books have less of the lot than is
    missing, they end at nothing. Emits ``inventory.spool_weighed``.

    Raises:
        InvalidValue: a weight is negative or not a number.
        WrongWeight: less than the empty reel, or more than the lot can have held.
    """
    for name, value in (("gross_grams", gross_grams), ("tare_grams", tare_grams)):
        if value is not None and not (value.is_finite() and 0 <= value <= MAX_GRAMS):
            raise InvalidValue(f"A weight is from 0 to {MAX_GRAMS} g.", details={"field": name})
    lot = MaterialLot.objects.select_related("product").get(pk=spool.lot_id)
    # Jobs lock balances and then write to spools: so does this.
    balances = lock_balances(Q(product_id=lot.product_id))
    [row] = lock_documents(Spool.objects.filter(pk=spool.pk))
    tare = row.tare_grams if tare_grams is None else round_quantity(tare_grams)
    grams = round_quantity(gross_grams) - tare
    unit = lot.product.unit_of_measure
    most = convert(lot.quantity_received, unit, Unit.GRAM) * _FULLER
    if grams < 0:
        raise WrongWeight(
            f"{gross_grams.normalize():f} g is less than the empty reel ({tare.normalize():f} g).",
            details={"gross_grams": str(gross_grams), "tare_grams": str(tare)},
        )
    if grams > most:
        raise WrongWeight(
            f"{grams.normalize():f} g is more than lot {lot.lot_number} ever had.",
            details={"net_grams": str(grams), "received_grams": str(most / _FULLER)},
        )
    before = row.remaining_grams
    words = f"Weigh-in of {row.label}: {grams.normalize():f} g, {before.normalize():f} g in the books"
    if reason.strip():
        words = f"{words}. {reason.strip()}"
    booked = _correct_lot(lot, balances, convert(grams - before, Unit.GRAM, unit), row, reason=words, actor=actor)
    row.tare_grams, row.remaining_grams, row.weighed_at = tare, grams, timezone.now()
    row.save()
    spool.refresh_from_db()
    emit(
        "inventory.spool_weighed",
        f"inventory.spool:{row.pk}",
        id=row.pk,
        number=row.label,
        lot_id=lot.pk,
        grams=str(grams),
        before=str(before),
    )
    return Weighed(spool, grams, before, convert(booked, unit, Unit.GRAM))


def _correct_lot(
    lot: MaterialLot, balances: list[Inventory], change: Decimal, spool: Spool, *, reason: str, actor: User
) -> Decimal:
    """Book a change of a lot whose balances are locked; return what was booked, in the stock unit."""
    change = round_quantity(change)
    own = [row for row in balances if row.lot_id == lot.pk]
    if change < 0:
        there = sum((row.on_hand_quantity for row in own), Decimal(0))
        quantity = min(-change, there)
        if quantity:
            use = Use(lot.product_id, quantity, Reference.LOT, lot.pk, lot_id=lot.pk, reason=reason)
            consume([use], actor=actor, kind=Kind.ADJUSTMENT)
        return -quantity
    if not change or not own:
        return Decimal(0)
    target = next((row for row in own if row.location_id == spool.location_id), max(own, key=_on_hand))
    movement = Movement(
        Kind.ADJUSTMENT,
        lot.product_id,
        target.location_id,
        lot.pk,
        change,
        reference_type=Reference.LOT,
        reference_id=lot.pk,
        reason=reason,
    )
    post_locked([movement], {movement.key: target}, actor=actor)
    return change


def _on_hand(row: Inventory) -> tuple[Decimal, int]:
    return (row.on_hand_quantity, -row.pk)


@verb
def move_spool(spool: Spool, *, location: InventoryLocation | None, actor: User) -> Spool:
    """Note on which shelf or in which drybox a reel is kept; the lot's stock stays in the books where it was received.

    Raises:
        InvalidValue: the location is switched off.
    """
    if location is not None and not location.is_active:
        raise InvalidValue(f"{location.code} is not in use.", details={"field": "location"})
    [row] = lock_documents(Spool.objects.filter(pk=spool.pk))
    if row.location_id != (location.pk if location else None):
        row.location = location
        row.save()
    spool.refresh_from_db()
    return spool
