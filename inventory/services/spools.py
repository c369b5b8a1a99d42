"""Reels in somebody's hands: made of a lot, weighed, moved with their stock, split and put together."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q, Sum
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents, lock_documents
from blb3d.core.errors import InvalidValue
from blb3d.core.numbering import next_numbers
from blb3d.core.outbox import emit
from blb3d.core.units import Unit, convert, positive_quantity, round_quantity
from blb3d.core.verbs import verb
from inventory.errors import MixedLots, SpoolGone, SpoolInDryer, TooManyGrams, WrongWeight
from inventory.models import DryingRecord, Inventory, InventoryLocation, MaterialLot, Reference, Reservation, Spool
from inventory.services.corrections import Correction, correct_balances
from inventory.services.ledger import Holder, Kind, Movement, lock_balances, post_transactions

#: No reel weighs more.
MAX_GRAMS = Decimal(30_000)
#: Reels that get their labels at once.
MAX_SPOOLS = 500
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
        if value is not None:
            _weight(value, name)
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
    row.overdrawn_grams = Decimal(0)
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
    """Book a change of a lot whose balances are locked, where the reel is first; return it in the stock unit."""
    left = round_quantity(change)
    own = sorted(
        (row for row in balances if row.lot_id == lot.pk), key=lambda row: row.location_id != spool.location_id
    )
    if not left or not own:
        return Decimal(0)
    if left > 0:
        own = [own[0] if own[0].location_id == spool.location_id else max(own, key=_on_hand)]
    corrections = []
    for row in own:
        part = left if left > 0 else max(left, -row.on_hand_quantity)
        left -= part
        corrections.append(
            Correction(
                lot.product_id, row.location_id, lot.pk, part, Reference.LOT, lot.pk, reason, unit_cost=lot.unit_cost
            )
        )
    return sum(correct_balances(corrections, actor=actor), Decimal(0))


def _on_hand(row: Inventory) -> tuple[Decimal, int]:
    return (row.on_hand_quantity, -row.pk)


@verb
def move_spool(spool: Spool, *, location: InventoryLocation | None, actor: User) -> Spool:
    """Put a reel onto another shelf or into a drybox; what is left on it moves with it in the books.

    Stock comes from where the reel was; where the books have less of the lot there, the rest comes from where the lot
    lies without a reel, and what is nowhere is not moved. Free stock goes first; what is reserved stays reserved for
    the same documents at its new place. Without a location only the note is taken away. Emits
    ``inventory.spool_moved``.

    Raises:
        InvalidValue: the location is switched off.
    """
    if location is not None and not location.is_active:
        raise InvalidValue(f"{location.code} is not in use.", details={"field": "location"})
    lot = MaterialLot.objects.select_related("product").get(pk=spool.lot_id)
    balances = lock_balances(Q(product_id=lot.product_id, lot_id=lot.pk))
    [row] = lock_documents(Spool.objects.filter(pk=spool.pk))
    before = row.location_id
    if before != (location.pk if location else None):
        moved = _move_stock(row, lot, balances, location, actor=actor) if location is not None else Decimal(0)
        row.location = location
        row.save()
        emit(
            "inventory.spool_moved",
            f"inventory.spool:{row.pk}",
            id=row.pk,
            number=row.label,
            lot_id=lot.pk,
            from_location_id=before,
            to_location_id=row.location_id,
            quantity=str(moved),
        )
    spool.refresh_from_db()
    return spool


def _move_stock(
    spool: Spool, lot: MaterialLot, balances: Sequence[Inventory], target: InventoryLocation, *, actor: User
) -> Decimal:
    """Transfer what is left on a reel to its new place; return how much, in the stock unit."""
    wanted = round_quantity(convert(spool.remaining_grams, Unit.GRAM, lot.product.unit_of_measure))
    others = [row for row in balances if row.location_id not in (spool.location_id, target.pk)]
    reels = _on_reels(lot, [row.location_id for row in others], but=spool)
    parts: list[tuple[Inventory, Decimal]] = []
    for row in balances:
        if row.location_id == spool.location_id:
            parts.append((row, min(wanted, row.on_hand_quantity)))
    missing = wanted - sum((part for _, part in parts), Decimal(0))
    for row in sorted(others, key=_on_hand, reverse=True):
        part = min(missing, row.on_hand_quantity - reels.get(row.location_id, Decimal(0)))
        if part > 0:
            parts.append((row, part))
            missing -= part
    parts = [(row, part) for row, part in parts if part > 0]
    held: dict[int, list[Reservation]] = defaultdict(list)
    for kept in Reservation.objects.filter(balance_id__in=[row.pk for row, _ in parts]).order_by("-id"):
        held[kept.balance_id].append(kept)
    movements: list[Movement] = []
    for row, part in parts:
        movements += _transfer(row, part, target, held[row.pk], reason=f"{spool.label} was put there")
    post_transactions(movements, actor=actor)
    return sum((part for _, part in parts), Decimal(0))


def _on_reels(lot: MaterialLot, location_ids: Sequence[int], *, but: Spool) -> dict[int, Decimal]:
    """Return how much of a lot hangs at each place on other reels, in the stock unit."""
    rows = Spool.objects.filter(lot=lot, location_id__in=location_ids).exclude(pk=but.pk).order_by()
    return {
        place: round_quantity(convert(grams, Unit.GRAM, lot.product.unit_of_measure))
        for place, grams in rows.values_list("location_id").annotate(Sum("remaining_grams"))
    }


def _transfer(
    source: Inventory, quantity: Decimal, target: InventoryLocation, held: Sequence[Reservation], *, reason: str
) -> Iterator[Movement]:
    """Give the movements of a transfer: what is free first, then what is kept for somebody, the latest first."""
    free = min(quantity, source.on_hand_quantity - source.allocated_quantity)
    shares: list[tuple[Decimal, Holder | None]] = [(free, None)]
    left = quantity - free
    for kept in held:
        part = min(left, kept.quantity)
        shares.append((part, (kept.reference_type, kept.reference_id)))
        left -= part
    for part, holder in shares:
        for place, sign in ((source.location_id, -1), (target.pk, 1)):
            if part > 0:
                yield Movement(
                    Kind.TRANSFER,
                    source.product_id,
                    place,
                    source.lot_id,
                    sign * part,
                    sign * part if holder else Decimal(0),
                    unit_cost=source.cost_per_unit,
                    reference_type=Reference.LOT,
                    reference_id=source.lot_id,
                    reason=reason,
                    holder=holder,
                )


@verb
def make_spools(
    lot: MaterialLot,
    *,
    count: int,
    grams_each: Decimal,
    tare_grams: Decimal = Decimal(0),
    location: InventoryLocation | None = None,
    actor: User,
) -> list[Spool]:
    """Give the reels of a lot their labels, ``SP-2025-0001`` and on; they are where the lot's stock is.

    ``location`` says where when the lot lies at several places. Emits ``inventory.spools_made``.

    Raises:
        InvalidValue: it is no filament, or the numbers cannot be.
        TooManyGrams: the lot's reels would hold more than is left of the lot.
    """
    product = lot.product
    if not product.is_material:
        raise InvalidValue(f"{product.sku} does not come on reels.", details={"sku": product.sku})
    if not 1 <= count <= MAX_SPOOLS:
        raise InvalidValue(f"From 1 to {MAX_SPOOLS} reels at a time.", details={"field": "count"})
    grams = positive_quantity(grams_each, what="grams_each", maximum=MAX_GRAMS)
    tare = _weight(tare_grams, "tare_grams")
    labels = next_numbers("SP", count, digits=4)
    [row] = lock_documents(MaterialLot.objects.filter(pk=lot.pk))
    held = Spool.objects.filter(lot=row).aggregate(total=Sum("remaining_grams"))["total"] or Decimal(0)
    left = convert(row.quantity_remaining, product.unit_of_measure, Unit.GRAM)
    room = round_quantity(left - held)
    if grams * count > room:
        raise TooManyGrams(
            f"Lot {row.lot_number} has {max(room, Decimal(0)).normalize():f} g that are on no reel yet.",
            details={"wanted_grams": str(grams * count), "free_grams": str(room)},
        )
    if location is None:
        here = Inventory.objects.filter(lot=row, on_hand_quantity__gt=0).order_by("-on_hand_quantity", "id")
        location = next((balance.location for balance in here.select_related("location")[:1]), None)
    spools = insert_documents(
        [Spool(label=label, lot=row, tare_grams=tare, remaining_grams=grams, location=location) for label in labels],
        natural_key="label",
    )
    emit(
        "inventory.spools_made",
        f"inventory.materiallot:{row.pk}",
        lot_id=row.pk,
        number=row.lot_number,
        labels=labels,
        grams_each=str(grams),
    )
    return spools


@verb
def split_spool(
    spool: Spool, *, grams: Decimal, tare_grams: Decimal = Decimal(0), actor: User, reason: str = ""
) -> Spool:
    """Wind part of a reel onto a new one with a label of its own; same lot, same place, the sum stays.

    Emits ``inventory.spool_split``.

    Raises:
        TooManyGrams: not less than all of it would go.
        SpoolInDryer: it is in the dryer.
    """
    part = positive_quantity(grams, what="grams", maximum=MAX_GRAMS)
    tare = _weight(tare_grams, "tare_grams")
    [label] = next_numbers("SP", 1, digits=4)
    [row] = lock_documents(Spool.objects.filter(pk=spool.pk))
    require_out_of_dryer([row])
    if part >= row.remaining_grams:
        raise TooManyGrams(
            f"{row.label} holds {row.remaining_grams.normalize():f} g: less than that can go onto another reel.",
            details={"grams": str(part), "remaining_grams": str(row.remaining_grams)},
        )
    row.remaining_grams -= part
    row.save()
    new = Spool(
        label=label,
        lot_id=row.lot_id,
        tare_grams=tare,
        remaining_grams=part,
        location_id=row.location_id,
        opened_at=row.opened_at,
        dried_at=row.dried_at,
        split_from=row,
    )
    new.save()
    emit(
        "inventory.spool_split",
        f"inventory.spool:{row.pk}",
        id=row.pk,
        number=row.label,
        new_id=new.pk,
        new_number=new.label,
        grams=str(part),
    )
    spool.refresh_from_db()
    return new


@verb
def merge_spools(source: Spool, *, into: Spool, actor: User, reason: str = "") -> Spool:
    """Wind what is left of a reel onto another one of the same lot; the sum stays, the source is empty for good.

    Stock goes to where the other reel is. Emits ``inventory.spool_merged``.

    Raises:
        MixedLots: the reels are of different lots.
        SpoolGone: the source is empty, or the other one was put together with a third.
        SpoolInDryer: one of them is in the dryer.
    """
    if source.pk == into.pk:
        raise InvalidValue("A reel cannot be wound onto itself.", details={"field": "into"})
    if source.lot_id != into.lot_id:
        raise MixedLots(
            f"{source.label} is of lot {source.lot.lot_number}, {into.label} of lot {into.lot.lot_number}.",
            details={"lots": [source.lot.lot_number, into.lot.lot_number]},
        )
    lock_balances(Q(lot_id=source.lot_id))
    first, second = lock_documents(Spool.objects.filter(pk__in=(source.pk, into.pk)))
    giver, taker = (first, second) if first.pk == source.pk else (second, first)
    require_out_of_dryer([giver, taker])
    for row, is_gone in ((giver, not giver.remaining_grams), (taker, taker.merged_into_id is not None)):
        if is_gone:
            raise SpoolGone(details={"spool": row.label})
    if taker.location is not None and giver.location_id != taker.location_id:
        giver = move_spool(giver, location=taker.location, actor=actor)
    grams = giver.remaining_grams
    taker.remaining_grams += grams
    taker.overdrawn_grams = Decimal(0)
    taker.opened_at = min((at for at in (giver.opened_at, taker.opened_at) if at is not None), default=None)
    taker.dried_at = min(giver.dried_at, taker.dried_at) if giver.dried_at and taker.dried_at else None
    taker.save()
    giver.remaining_grams, giver.merged_into = Decimal(0), taker
    giver.save()
    emit(
        "inventory.spool_merged",
        f"inventory.spool:{giver.pk}",
        id=giver.pk,
        number=giver.label,
        into_id=taker.pk,
        into_number=taker.label,
        grams=str(grams),
    )
    source.refresh_from_db()
    into.refresh_from_db()
    return into


def require_out_of_dryer(spools: Sequence[Spool]) -> None:
    """Refuse what cannot be done with a reel in the dryer.

    Raises:
        SpoolInDryer: one of them is.
    """
    inside = DryingRecord.objects.filter(spool__in=spools, ended_at__isnull=True).select_related("spool").first()
    if inside is not None:
        raise SpoolInDryer(
            f"{inside.spool.label} is in the dryer: take it out first.", details={"spool": inside.spool.label}
        )


def _weight(value: Decimal, name: str) -> Decimal:
    if not (value.is_finite() and 0 <= value <= MAX_GRAMS):
        raise InvalidValue(f"A weight is from 0 to {MAX_GRAMS} g.", details={"field": name})
    return round_quantity(value)
