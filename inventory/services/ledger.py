"""The one door into stock: every movement is an append-only ledger row, and balances, lots and reservations follow it.

Whatever is posted in one call is checked as a whole against the locked balances and either happens or does not. The
number of statements does not depend on the number of movements (up to :data:`ROWS_PER_STATEMENT` balances).

Every row says by how much it changed what its balance is worth (on hand times cost, at four decimals), so that the
ledger alone gives the value of stock at any moment. A movement may be dated back a few days, never into closed books,
before its lot came, or so that stock would have left before it was there.
"""

from __future__ import annotations

import datetime
import threading
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any
from weakref import WeakValueDictionary

from django.conf import settings
from django.db import IntegrityError, connection, models, transaction
from django.db.models import Case, DecimalField, F, Q, Value, When
from django.db.models.functions import Round
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.errors import InvalidValue
from blb3d.core.units import positive_quantity, round_quantity
from blb3d.core.verbs import verb
from inventory.errors import (
    DatedAhead,
    DatedBeforeLot,
    DatedTooFarBack,
    InsufficientStock,
    LotNeeded,
    LotOfAnotherProduct,
    NotReserved,
    NotThereThen,
    PeriodClosed,
)
from inventory.lifecycles import LOT
from inventory.models import (
    Inventory,
    InventoryLocation,
    InventoryTransaction,
    MaterialLot,
    Product,
    Reference,
    Reservation,
)
from inventory.services.periods import lock_book

Kind = InventoryTransaction.Kind

#: A balance by what identifies it: product, location, lot.
Key = tuple[int, int, int | None]
#: Whom stock is kept for: reference type and id.
Holder = tuple[str, int]

#: SQL Server takes at most 2100 parameters in a statement; a balance takes six.
ROWS_PER_STATEMENT = 300
#: The same where a key is all that a row takes.
_KEYS_PER_STATEMENT = 2000

_INWARD = {Kind.RECEIPT, Kind.RETURN, Kind.PRODUCTION_OUTPUT}
_OUTWARD = {Kind.CONSUMPTION, Kind.SCRAP, Kind.SHIPMENT}
_ALLOCATING = {Kind.RESERVATION, Kind.RELEASE}
_STOCK_FIELD: DecimalField[Any, Any] = DecimalField(max_digits=14, decimal_places=4)
_COST_FIELD: DecimalField[Any, Any] = DecimalField(max_digits=12, decimal_places=4)
_ZERO = Decimal(0)

#: The row of each balance that this thread locked last. Balances are written back as they are in memory, so that what
#: was posted on another object of the same balance would be lost: only the newest one may be posted on.
_newest = threading.local()

#: Clocks of two machines may differ by so much; what is dated ahead by less is dated now.
_CLOCKS = datetime.timedelta(minutes=5)
#: What is dated back by less was told as it happened: it needs no look into the books, see ``periods.GRACE``.
_JUST_NOW = datetime.timedelta(minutes=1)


@dataclass(frozen=True)
class Movement:
    """One change of one balance, in the product's stock unit.

    ``quantity`` is the signed change of what is on hand (negative for consumption, scrap and shipment), ``allocated``
    the signed change of what is reserved. A change of ``allocated`` changes the reservation of ``holder``, which is
    the reference itself unless said otherwise. Without ``unit_cost`` the balance's own cost is recorded; a revaluation
    moves nothing and makes ``unit_cost`` the balance's cost. ``at`` dates the movement back. ``reverses_id`` names the
    row that this one undoes: it is of the same kind, the other way round, at the cost of that row.
    """

    kind: str
    product_id: int
    location_id: int
    lot_id: int | None = None
    quantity: Decimal = _ZERO
    allocated: Decimal = _ZERO
    unit_cost: Decimal | None = None
    reference_type: str = Reference.MANUAL
    reference_id: int | None = None
    reason: str = ""
    at: datetime.datetime | None = None
    holder: Holder | None = None
    reverses_id: int | None = None

    def __post_init__(self) -> None:
        """Bring quantities to stock precision and refuse a movement that contradicts its kind."""
        object.__setattr__(self, "quantity", round_quantity(self.quantity))
        object.__setattr__(self, "allocated", round_quantity(self.allocated))
        forward = self.quantity if self.reverses_id is None else -self.quantity
        wrong = (
            (self.kind in _INWARD and forward < 0)
            or (self.kind in _OUTWARD and forward > 0)
            or (self.kind in _ALLOCATING and self.quantity != 0)
            or (self.kind == Kind.REVALUATION and bool(self.quantity or self.allocated))
        )
        if wrong:
            raise ValueError(f"A {self.kind} cannot change what is on hand by {self.quantity}.")
        if self.kind == Kind.REVALUATION and self.unit_cost is None:
            raise ValueError("A revaluation needs to say what a unit is worth.")
        if self.allocated and self.holder is None:
            if self.reference_id is None:
                raise ValueError("A change of reserved stock needs to say for whom.")
            object.__setattr__(self, "holder", (str(self.reference_type), self.reference_id))

    @property
    def key(self) -> Key:
        """Return which balance moves."""
        return (self.product_id, self.location_id, self.lot_id)

    @property
    def moves(self) -> bool:
        """Return whether it changes anything."""
        return bool(self.quantity or self.allocated) or self.kind == Kind.REVALUATION


@verb
def post_transactions(movements: Sequence[Movement], *, actor: User) -> list[InventoryTransaction]:
    """Post movements: all of them or none, in a constant number of statements; return the ledger rows.

    Raises:
        InsufficientStock: a balance would fall below what is reserved on it; ``details["items"]`` names each.
        NotReserved: a reservation would fall below nothing.
        DatedAhead, DatedTooFarBack: a movement is dated in the future, or further back than the actor may.
        PeriodClosed: a movement is dated in closed books.
        DatedBeforeLot, NotThereThen: a movement is dated before its stock came.
    """
    moving = [movement for movement in movements if movement.moves]
    if not moving:
        return []
    _check_dates(moving, actor)
    return _post(moving, lock_for(moving), actor=actor)


def lock_balances(condition: Q) -> list[Inventory]:
    """Lock balances in ascending id order and return them as they are now; needs a transaction.

    On SQLite the transaction itself holds the only write lock. Rows that were read before of the same balances are of
    no use from now on: to post on them is an error.
    """
    rows = list(Inventory.objects.select_for_update().filter(condition).order_by("id"))
    newest: WeakValueDictionary[int, Inventory] = vars(_newest).setdefault("rows", WeakValueDictionary())
    for row in rows:
        before = newest.get(row.pk)
        if before is not None:
            before.is_superseded = True
        newest[row.pk] = row
    return rows


def post_locked(
    movements: Sequence[Movement],
    balances: Mapping[Key, Inventory],
    *,
    actor: User,
    known: Collection[Reservation] | None = None,
    lots: Mapping[int, MaterialLot] | None = None,
) -> list[InventoryTransaction]:
    """Post movements on balances that the caller holds locked; see :func:`post_transactions`.

    ``known`` are all reservations of the movements' holders, and ``lots`` their lots, locked too, where these were read
    since the balances were locked.
    """
    if not movements:
        return []
    _check_dates(movements, actor)
    return _post(movements, balances, actor=actor, known=known, locked=lots)


def _post(
    movements: Sequence[Movement],
    balances: Mapping[Key, Inventory],
    *,
    actor: User,
    known: Collection[Reservation] | None = None,
    locked: Mapping[int, MaterialLot] | None = None,
) -> list[InventoryTransaction]:
    old = [key for key in {movement.key for movement in movements} if balances[key].is_superseded]
    if old:
        raise RuntimeError(f"These balances were locked again meanwhile: {old}.")
    on_hand: dict[Key, Decimal] = defaultdict(Decimal)
    allocated: dict[Key, Decimal] = defaultdict(Decimal)
    lots: dict[int, Decimal] = defaultdict(Decimal)
    held: dict[tuple[int, str, int], Decimal] = defaultdict(Decimal)
    for movement in movements:
        on_hand[movement.key] += movement.quantity
        allocated[movement.key] += movement.allocated
        if movement.lot_id is not None:
            lots[movement.lot_id] += movement.quantity
        if movement.holder is not None and movement.allocated:
            held[(balances[movement.key].pk, *movement.holder)] += movement.allocated
    _refuse_shortage(on_hand, allocated, balances)
    _refuse_unseen(movements, balances)
    reservations = _plan_reservations({key: change for key, change in held.items() if change}, known)

    effects, costs = _carry(movements, balances)
    for key, change in on_hand.items():
        # Whoever posts on the same locked rows again starts from what they are now.
        balance = balances[key]
        balance.on_hand_quantity += change
        balance.allocated_quantity += allocated[key]
        balance.cost_per_unit = costs.get(key, balance.cost_per_unit)
    _move_balances(on_hand, allocated, costs, balances)
    _move_reservations(*reservations)
    moved = _move_lots({pk: change for pk, change in lots.items() if change}, locked, actor=actor)
    _refuse_before_receipt(movements, moved)
    return _write_ledger(movements, effects, actor)


def _is_dated_back(movement: Movement, now: datetime.datetime) -> bool:
    return movement.at is not None and movement.at < now - _JUST_NOW


def _check_dates(movements: Sequence[Movement], actor: User) -> None:
    """Refuse dates that nobody may give; a date in the past locks the book, so that it is not closed meanwhile."""
    now = timezone.now()
    dates = [movement.at for movement in movements if movement.at is not None]
    if not dates:
        return
    if max(dates) > now + _CLOCKS:
        raise DatedAhead(details={"at": max(dates).isoformat()})
    earliest = min(dates)
    if earliest >= now - _JUST_NOW:
        return
    days: int = settings.STOCK_BACKDATE_DAYS  # type: ignore[misc]
    is_far = earliest < now - datetime.timedelta(days=days)
    if is_far and actor.kind != "system" and not actor.has_perm("inventory.backdate_stock"):
        raise DatedTooFarBack(details={"at": earliest.isoformat(), "days": days})
    closed = lock_book().closed_through
    if closed is not None and earliest < closed:
        end = timezone.localtime(closed).isoformat()
        raise PeriodClosed(details={"at": earliest.isoformat(), "closed_through": end})


def _refuse_unseen(movements: Sequence[Movement], balances: Mapping[Key, Inventory]) -> None:
    """Refuse stock that leaves, dated back, before it came; asks the ledger only when something is dated back."""
    now = timezone.now()
    since: dict[Key, datetime.datetime] = {}
    for movement in movements:
        if movement.quantity < 0 and movement.at is not None and _is_dated_back(movement, now):
            since[movement.key] = min(movement.at, since.get(movement.key, now))
    if not since:
        return
    changes: dict[Key, list[tuple[datetime.datetime, bool, Decimal]]] = {key: [] for key in since}
    later = InventoryTransaction.objects.order_by().filter(
        product_id__in={product for product, _, _ in since}, transaction_date__gte=min(since.values())
    )
    for product, place, lot, at, change in later.values_list(
        "product_id", "location_id", "lot_id", "transaction_date", "on_hand_change"
    ):
        moved: Key = (product, place, lot)
        if moved in since and at >= since[moved]:
            changes[moved].append((at, change < 0, change))
    items = []
    for key, known in changes.items():
        then = balances[key].on_hand_quantity - sum((change for _, _, change in known), _ZERO)
        told = [(min(m.at or now, now), m.quantity < 0, m.quantity) for m in movements if m.key == key and m.quantity]
        for at, _, change in sorted([*known, *told]):
            if then + change < 0 and at >= since[key]:
                items.append({**_item(key, -change, then), "at": at.isoformat()})
                break
            then += change
    if items:
        raise NotThereThen(details={"items": items})


def _refuse_before_receipt(movements: Sequence[Movement], lots: Sequence[MaterialLot]) -> None:
    """Refuse movements dated before their lot came."""
    now = timezone.now()
    dated = {
        (movement.lot_id, movement.at)
        for movement in movements
        if movement.lot_id is not None and _is_dated_back(movement, now)
    }
    known = {lot.pk: lot for lot in lots}
    missing = {lot for lot, _ in dated if lot not in known}
    if missing:
        known |= MaterialLot.all_objects.in_bulk(missing)
    for lot_id, at in dated:
        lot = known[lot_id]  # type: ignore[index]
        if at is not None and at < lot.received_date:
            raise DatedBeforeLot(
                details={
                    "lot_number": lot.lot_number,
                    "received": lot.received_date.isoformat(),
                    "at": at.isoformat(),
                }
            )


def lock_for(movements: Sequence[Movement]) -> dict[Key, Inventory]:
    """Lock the balances that movements touch, making those that do not exist yet; needs a transaction."""
    net: dict[Key, Decimal] = defaultdict(Decimal)
    for movement in movements:
        net[movement.key] += movement.quantity - movement.allocated
    found = _find(net)
    missing = [key for key in net if key not in found]
    if missing:
        short = {key: -net[key] for key in missing if net[key] < 0}
        if short:
            raise _shortage([_item(key, needed, _ZERO) for key, needed in short.items()])
        _insert_balances(missing)
        found = _find(net)
    locked = lock_balances(Q(pk__in=found.values()))
    return {(row.product_id, row.location_id, row.lot_id): row for row in locked}


def _find(keys: Collection[Key]) -> dict[Key, int]:
    """Return the ids of the balances that exist."""
    lots = Q(lot_id__in={lot for _, _, lot in keys if lot is not None})
    if any(lot is None for _, _, lot in keys):
        lots |= Q(lot__isnull=True)
    rows = Inventory.objects.filter(
        lots, product_id__in={product for product, _, _ in keys}, location_id__in={place for _, place, _ in keys}
    ).values_list("product_id", "location_id", "lot_id", "pk")
    return {(product, place, lot): pk for product, place, lot, pk in rows if (product, place, lot) in keys}


def _insert_balances(keys: Sequence[Key]) -> None:
    """Insert empty balances; one that another transaction inserts at the same time is theirs and ours alike."""
    # Ascending, so that two transactions that insert the same ones wait for each other instead of both failing.
    ordered = sorted(keys, key=lambda key: (key[0], key[1], key[2] or 0))
    rows = [Inventory(product_id=product, location_id=place, lot_id=lot) for product, place, lot in ordered]
    try:
        with transaction.atomic():
            Inventory.objects.bulk_create(rows)
    except IntegrityError:
        for product, place, lot in ordered:
            Inventory.objects.get_or_create(product_id=product, location_id=place, lot_id=lot)


def _item(key: Key, requested: Decimal, available: Decimal) -> dict[str, Any]:
    product, place, lot = key
    return {
        "product_id": product,
        "location_id": place,
        "lot_id": lot,
        "requested": str(requested),
        "available": str(available),
    }


def _shortage(items: list[dict[str, Any]]) -> InsufficientStock:
    return InsufficientStock(details={"items": items})


def _refuse_shortage(
    on_hand: Mapping[Key, Decimal], allocated: Mapping[Key, Decimal], balances: Mapping[Key, Inventory]
) -> None:
    """Refuse when more free stock is needed than there is."""
    items = []
    for key, change in on_hand.items():
        balance = balances[key]
        needed = allocated[key] - change
        free = balance.on_hand_quantity - balance.allocated_quantity
        if needed > free:
            items.append(_item(key, needed, free))
    if items:
        raise _shortage(items)


def worth(quantity: Decimal, unit_cost: Decimal) -> Decimal:
    """Return what stock is worth in the books."""
    return round_quantity(quantity * unit_cost)


def _carry(
    movements: Sequence[Movement], balances: Mapping[Key, Inventory]
) -> tuple[list[tuple[Decimal, Decimal]], dict[Key, Decimal]]:
    """Return the cost and the change of value of each movement, in order, and the costs of balances that changed."""
    effects: list[tuple[Decimal, Decimal]] = []
    states: dict[Key, tuple[Decimal, Decimal]] = {}
    for movement in movements:
        key, balance = movement.key, balances[movement.key]
        quantity, cost = states.get(key, (balance.on_hand_quantity, balance.cost_per_unit))
        own = cost if movement.unit_cost is None else movement.unit_cost
        if not movement.quantity and movement.kind != Kind.REVALUATION:
            effects.append((own, _ZERO))
            continue
        after = quantity + movement.quantity
        new_cost = _cost_after(movement, quantity, cost)
        effects.append((own, worth(after, new_cost) - worth(quantity, cost)))
        states[key] = (after, new_cost)
    costs = {key: cost for key, (_, cost) in states.items() if cost != balances[key].cost_per_unit}
    return effects, costs


def _cost_after(movement: Movement, quantity: Decimal, cost: Decimal) -> Decimal:
    """Return what a unit costs once a movement has come to, or left, a quantity at a cost: the moving average."""
    if movement.unit_cost is None:
        return cost
    if movement.kind == Kind.REVALUATION:
        return movement.unit_cost
    if movement.quantity < 0 and movement.reverses_id is None:
        return cost
    after = quantity + movement.quantity
    if after <= 0:
        return cost
    if movement.quantity > 0 and quantity <= 0:
        return movement.unit_cost
    return max(_ZERO, round_quantity((quantity * cost + movement.quantity * movement.unit_cost) / after))


def _batches(keys: Collection[Any]) -> Iterator[list[Any]]:
    ordered = list(keys)
    for start in range(0, len(ordered), ROWS_PER_STATEMENT):
        yield ordered[start : start + ROWS_PER_STATEMENT]


def _changed(field: str, changes: Mapping[int, Decimal]) -> Round:
    """Return the expression ``field`` + the change of the row; rounded, because SQLite adds decimals as floats."""
    cases = [When(pk=pk, then=Value(change, _STOCK_FIELD)) for pk, change in changes.items()]
    return Round(F(field) + Case(*cases, default=Value(_ZERO, _STOCK_FIELD), output_field=_STOCK_FIELD), 4)


def _writes_whole_rows() -> bool:
    """Tell whether locked rows are written back as they are: in PostgreSQL a long CASE costs far more."""
    return connection.features.supports_update_conflicts and connection.vendor == "postgresql"


def _write_back(rows: Sequence[models.Model], fields: Sequence[str]) -> None:
    """Write fields of rows that are there and locked, in one statement: an insert that finds each of them."""
    type(rows[0])._base_manager.bulk_create(
        rows, update_conflicts=True, unique_fields=[rows[0]._meta.pk.attname], update_fields=fields
    )


def _move_balances(
    on_hand: Mapping[Key, Decimal],
    allocated: Mapping[Key, Decimal],
    costs: Mapping[Key, Decimal],
    balances: Mapping[Key, Inventory],
) -> None:
    """Write what the balances have become; they hold it already."""
    now = timezone.now()
    touched = [key for key in on_hand if on_hand[key] or allocated[key] or key in costs]
    if touched and _writes_whole_rows():
        rows = [balances[key] for key in touched]
        for row in rows:
            row.updated_at = now
        _write_back(rows, ["on_hand_quantity", "allocated_quantity", "cost_per_unit", "updated_at"])
        return
    for keys in _batches(touched):
        pks = {key: balances[key].pk for key in keys}
        values: dict[str, Any] = {"updated_at": now}
        if any(on_hand[key] for key in keys):
            values["on_hand_quantity"] = _changed("on_hand_quantity", {pks[key]: on_hand[key] for key in keys})
        if any(allocated[key] for key in keys):
            values["allocated_quantity"] = _changed("allocated_quantity", {pks[key]: allocated[key] for key in keys})
        if any(key in costs for key in keys):
            cases = [When(pk=pks[key], then=Value(costs[key], _COST_FIELD)) for key in keys if key in costs]
            values["cost_per_unit"] = Case(*cases, default=F("cost_per_unit"), output_field=_COST_FIELD)
        Inventory.objects.filter(pk__in=pks.values()).update(**values)


def _plan_reservations(
    changes: Mapping[tuple[int, str, int], Decimal], known: Collection[Reservation] | None
) -> tuple[list[Reservation], dict[int, Decimal], list[int]]:
    """Return reservations to insert, changes of existing ones by id, and ids of those used up."""
    new: list[Reservation] = []
    changed: dict[int, Decimal] = {}
    gone: list[int] = []
    if not changes:
        return new, changed, gone
    rows: Iterable[Reservation] = () if known is None else known
    if known is None:
        rows = Reservation.objects.filter(
            balance_id__in={balance for balance, _, _ in changes}, reference_id__in={number for _, _, number in changes}
        )
    existing = {(row.balance_id, row.reference_type, row.reference_id): row for row in rows}
    for (balance_id, kind, number), change in changes.items():
        row = existing.get((balance_id, kind, number))
        left = (row.quantity if row else _ZERO) + change
        if left < 0:
            raise NotReserved(details={"balance_id": balance_id, "reference_type": kind, "reference_id": number})
        if row is None:
            new.append(Reservation(balance_id=balance_id, reference_type=kind, reference_id=number, quantity=left))
        elif left:
            changed[row.pk] = change
        else:
            gone.append(row.pk)
    return new, changed, gone


def _move_reservations(new: list[Reservation], changed: Mapping[int, Decimal], gone: list[int]) -> None:
    if _writes_whole_rows():
        Reservation.objects.filter(pk__in=gone).delete()
        gone = []
    for pks in _batches(gone):
        Reservation.objects.filter(pk__in=pks).delete()
    for pks in _batches(changed):
        Reservation.objects.filter(pk__in=pks).update(quantity=_changed("quantity", {pk: changed[pk] for pk in pks}))
    if new:
        Reservation.objects.bulk_create(new)


def lock_lots(condition: Q) -> list[MaterialLot]:
    """Lock lots in ascending id order and return them as they are now; their balances are locked before them."""
    return list(MaterialLot.all_objects.select_for_update().filter(condition).order_by("pk"))


def _move_lots(
    changes: Mapping[int, Decimal], locked: Mapping[int, MaterialLot] | None, *, actor: User
) -> list[MaterialLot]:
    """Change what is left of lots; an empty one is depleted, a refilled one is active again. Return them, locked."""
    if not changes:
        return []
    lots = lock_lots(Q(pk__in=changes)) if locked is None else [locked[pk] for pk in changes]
    for lot in lots:
        # The version rises so that a form that was opened before cannot write an old remainder back.
        lot.quantity_remaining += changes[lot.pk]
        lot.version += 1
    is_saved = not _writes_whole_rows()
    if is_saved:
        for pks in _batches(changes):
            models.QuerySet.update(
                MaterialLot.all_objects.filter(pk__in=pks),
                quantity_remaining=_changed("quantity_remaining", {pk: changes[pk] for pk in pks}),
                version=F("version") + 1,
            )
    empty = [lot for lot in lots if lot.status == MaterialLot.Status.ACTIVE and not lot.quantity_remaining]
    refilled = [lot for lot in lots if lot.status == MaterialLot.Status.DEPLETED and lot.quantity_remaining]
    for step, moved in (("deplete", empty), ("reopen", refilled)):
        with LOT.step_many(moved, step, actor=actor, is_locked=True, is_saved=is_saved):
            pass
    if not is_saved:
        _write_back(lots, ["quantity_remaining", "version", "status", "updated_at", "updated_by"])
    return lots


def _write_ledger(
    movements: Sequence[Movement], effects: Sequence[tuple[Decimal, Decimal]], actor: User
) -> list[InventoryTransaction]:
    now = timezone.now()
    rows = []
    for movement, (cost, value_change) in zip(movements, effects, strict=True):
        signed = movement.kind in {Kind.ADJUSTMENT, Kind.TRANSFER}
        # What undoes a row counts against it wherever quantities of a kind are added up.
        sign = 1 if movement.reverses_id is None else -1
        quantity = movement.allocated if movement.kind in _ALLOCATING else movement.quantity
        rows.append(
            InventoryTransaction(
                transaction_type=movement.kind,
                product_id=movement.product_id,
                location_id=movement.location_id,
                lot_id=movement.lot_id,
                quantity=quantity if signed else sign * abs(quantity),
                on_hand_change=movement.quantity,
                allocated_change=movement.allocated,
                unit_cost=cost,
                value_change=value_change,
                reference_type=movement.reference_type,
                reference_id=movement.reference_id,
                reason=movement.reason[:500],
                reverses_id=movement.reverses_id,
                transaction_date=min(movement.at or now, now),
                created_at=now,
                created_by=actor,
            )
        )
    return InventoryTransaction.objects.bulk_create(rows)


def valid_cost(unit_cost: Decimal) -> Decimal:
    """Return a cost per stock unit at four decimals.

    Raises:
        InvalidValue: it is negative or not a number.
    """
    if not unit_cost.is_finite() or unit_cost < 0:
        raise InvalidValue("A cost is a number of at least 0.", details={"field": "unit_cost"})
    return round_quantity(unit_cost)


def require_lot_of(lot: MaterialLot | None, product: Product) -> None:
    """Refuse a lot that holds another product.

    Raises:
        LotOfAnotherProduct: it does.
    """
    if lot is not None and lot.product_id != product.pk:
        raise LotOfAnotherProduct(details={"lot_number": lot.lot_number, "sku": product.sku})


@verb
def adjust_stock(
    product: Product,
    *,
    location: InventoryLocation,
    quantity_change: Decimal,
    reason: str,
    lot: MaterialLot | None = None,
    at: datetime.datetime | None = None,
    actor: User,
) -> InventoryTransaction:
    """Correct a balance by a signed quantity in the stock unit, for a reason that an auditor can read.

    Raises:
        InvalidValue: the change is nothing, or no reason is given.
        LotNeeded: the product is tracked by lot and none is named.
        InsufficientStock: less would be left than is reserved.
    """
    if not reason.strip():
        raise InvalidValue("An adjustment needs a reason.", details={"field": "reason"})
    if not quantity_change.is_finite() or not round_quantity(quantity_change):
        raise InvalidValue("The change must not be zero.", details={"field": "quantity_change"})
    positive_quantity(abs(quantity_change), what="quantity_change")
    require_lot_of(lot, product)
    if product.is_lot_tracked and lot is None:
        raise LotNeeded(details={"sku": product.sku})
    movement = Movement(
        Kind.ADJUSTMENT,
        product.pk,
        location.pk,
        lot.pk if lot else None,
        quantity_change,
        reference_type=Reference.MANUAL,
        reason=reason,
        at=at,
    )
    return post_transactions([movement], actor=actor)[0]


@verb
def transfer_stock(
    product: Product,
    *,
    quantity: Decimal,
    source: InventoryLocation,
    target: InventoryLocation,
    lot: MaterialLot | None = None,
    reason: str = "",
    at: datetime.datetime | None = None,
    actor: User,
) -> list[InventoryTransaction]:
    """Move free stock to another location at its own cost; two ledger rows that add up to nothing.

    Raises:
        InvalidValue: source and target are the same, or the quantity is not above 0.
        InsufficientStock: the source has less free stock.
    """
    quantity = positive_quantity(quantity)
    if source.pk == target.pk:
        raise InvalidValue("Source and target are the same location.", details={"field": "target"})
    require_lot_of(lot, product)
    lot_id = lot.pk if lot else None
    movements = [
        Movement(Kind.TRANSFER, product.pk, place.pk, lot_id, change, reason=reason, at=at)
        for place, change in ((source, -quantity), (target, quantity))
    ]
    _check_dates(movements, actor)
    balances = lock_for(movements)
    # Read under the lock: what arrives is worth what has left.
    cost = balances[movements[0].key].cost_per_unit
    return _post([replace(movement, unit_cost=cost) for movement in movements], balances, actor=actor)


@verb
def scrap_stock(
    product: Product,
    *,
    location: InventoryLocation,
    quantity: Decimal,
    reason: str,
    lot: MaterialLot | None = None,
    at: datetime.datetime | None = None,
    actor: User,
) -> InventoryTransaction:
    """Throw free stock away, for a reason.

    Raises:
        InvalidValue: the quantity is not above 0, or no reason is given.
        InsufficientStock: there is less free stock.
    """
    if not reason.strip():
        raise InvalidValue("Scrap needs a reason.", details={"field": "reason"})
    require_lot_of(lot, product)
    movement = Movement(
        Kind.SCRAP,
        product.pk,
        location.pk,
        lot.pk if lot else None,
        -positive_quantity(quantity),
        reason=reason,
        at=at,
    )
    return post_transactions([movement], actor=actor)[0]


@verb
def receive_stock(
    product: Product,
    *,
    quantity: Decimal,
    unit_cost: Decimal,
    location: InventoryLocation,
    reference_type: str = Reference.MANUAL,
    reference_id: int | None = None,
    reason: str = "",
    at: datetime.datetime | None = None,
    actor: User,
) -> InventoryTransaction:
    """Receive stock of a product that is not tracked by lot, at a cost per stock unit.

    Raises:
        LotNeeded: the product is tracked by lot.
    """
    if product.is_lot_tracked:
        raise LotNeeded(details={"sku": product.sku})
    movement = Movement(
        Kind.RECEIPT,
        product.pk,
        location.pk,
        quantity=positive_quantity(quantity),
        unit_cost=valid_cost(unit_cost),
        reference_type=reference_type,
        reference_id=reference_id,
        reason=reason,
        at=at,
    )
    return post_transactions([movement], actor=actor)[0]


def post_opening(movements: Sequence[Movement], *, actor: User) -> list[InventoryTransaction]:
    """Post receipts of opening stock; needs a transaction. Lots were inserted with what is left of them.

    Balances that do not exist yet, those of every new lot among them, are inserted as they shall be: one statement,
    however many. What comes to a balance that is there already is posted like anything else.

    Raises:
        ValueError: a movement is no receipt with a cost.
        DatedAhead, DatedTooFarBack, PeriodClosed: see :func:`post_transactions`.
    """
    if any(row.kind != Kind.RECEIPT or row.quantity <= 0 or row.unit_cost is None for row in movements):
        raise ValueError("Opening stock is received at a cost.")
    _check_dates(movements, actor)
    loose = sorted({row.product_id for row in movements if row.lot_id is None})
    found: set[Key] = set()
    for start in range(0, len(loose), _KEYS_PER_STATEMENT):
        part = loose[start : start + _KEYS_PER_STATEMENT]
        rows = Inventory.objects.filter(product_id__in=part, lot__isnull=True)
        found |= {(product, place, None) for product, place in rows.values_list("product_id", "location_id")}
    new = [row for row in movements if row.key not in found]
    balances = [
        Inventory(
            product_id=row.product_id,
            location_id=row.location_id,
            lot_id=row.lot_id,
            on_hand_quantity=row.quantity,
            cost_per_unit=row.unit_cost or _ZERO,
        )
        for row in new
    ]
    if len({row.key for row in new}) != len(new):
        raise ValueError("Opening stock of a balance is received at once.")
    Inventory.objects.bulk_create(balances)
    effects = [(row.unit_cost or _ZERO, worth(row.quantity, row.unit_cost or _ZERO)) for row in new]
    posted = _write_ledger(new, effects, actor)
    known = [row for row in movements if row.key in found]
    return [*posted, *post_transactions(known, actor=actor)]
