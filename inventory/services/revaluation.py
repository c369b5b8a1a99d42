"""What stock is worth, changed without moving it: a new cost, or cost that came after the goods."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal

from django.db.models import Q

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents, update_documents
from blb3d.core.errors import InvalidValue
from blb3d.core.units import positive_quantity, round_quantity
from blb3d.core.verbs import verb
from inventory.errors import NothingOnHand
from inventory.models import Inventory, InventoryLocation, InventoryTransaction, MaterialLot, Product, Reference
from inventory.services.ledger import Key, Kind, Movement, lock_balances, post_locked, require_lot_of, valid_cost, worth

_ZERO = Decimal(0)


@dataclass(frozen=True)
class CostAdded:
    """Cost that belongs to a receipt: freight, duty, a price that the bill put right (negative when it was less).

    ``received_quantity`` is what the receipt brought, in the stock unit; without a lot it is stock that has none.
    """

    product_id: int
    lot_id: int | None
    received_quantity: Decimal
    amount: Decimal


@dataclass(frozen=True)
class CostShare:
    """What became of one :class:`CostAdded`: the three parts add up to its amount."""

    added: CostAdded
    #: By how much the stock that is still there is worth more.
    on_stock: Decimal
    #: What belongs to goods that are used or gone.
    expensed: Decimal
    #: What cannot be said in a cost of four decimals.
    rounding: Decimal


@dataclass(frozen=True)
class CostSpread:
    """What became of all costs that were added."""

    shares: tuple[CostShare, ...]
    rows: tuple[InventoryTransaction, ...] = field(default=(), repr=False)

    @property
    def on_stock(self) -> Decimal:
        """Return by how much stock is worth more."""
        return sum((share.on_stock for share in self.shares), _ZERO)

    @property
    def expensed(self) -> Decimal:
        """Return how much could not be put on stock any more, and what rounding left."""
        return sum((share.expensed + share.rounding for share in self.shares), _ZERO)


@verb
def revalue_stock(
    product: Product,
    *,
    unit_cost: Decimal,
    reason: str,
    lot: MaterialLot | None = None,
    location: InventoryLocation | None = None,
    reference_type: str = Reference.MANUAL,
    reference_id: int | None = None,
    actor: User,
) -> list[InventoryTransaction]:
    """Make stock worth ``unit_cost`` per stock unit: a lot wherever it lies, or a product's stock without a lot.

    ``location`` narrows the latter to one place; a lot has one cost.

    Raises:
        InvalidValue: no reason is given, or the cost is negative.
        LotOfAnotherProduct: the lot holds another product.
        NothingOnHand: there is none of it.
    """
    if not reason.strip():
        raise InvalidValue("A revaluation needs a reason.", details={"field": "reason"})
    require_lot_of(lot, product)
    cost = valid_cost(unit_cost)
    condition = Q(product=product, lot=lot) if lot is not None else Q(product=product, lot__isnull=True)
    if lot is None and location is not None:
        condition &= Q(location=location)
    locked = [row for row in lock_balances(condition) if row.on_hand_quantity > 0]
    if not locked:
        raise NothingOnHand(details={"sku": product.sku})
    movements = [
        _revaluation(balance, cost, reference=(reference_type, reference_id), reason=reason) for balance in locked
    ]
    rows = post_locked(movements, _by_key(locked), actor=actor)
    if lot is not None:
        _set_lot_costs({lot.pk: cost})
        lot.refresh_from_db()
    return rows


@verb
def add_cost(
    rows: Sequence[CostAdded],
    *,
    reference_type: str = Reference.MANUAL,
    reference_id: int | None = None,
    reason: str,
    actor: User,
) -> CostSpread:
    """Put cost that came after the goods on what is still there of them; say how much came too late.

    Of each receipt as large a part of the amount goes on stock as is still on hand of what it brought, at every place
    in proportion; the rest is to be expensed. A lot's cost rises by the whole amount per received unit. The number of
    statements is constant.

    Raises:
        InvalidValue: an amount is not a number, no reason is given, or stock would be worth less than nothing.
    """
    if not reason.strip():
        raise InvalidValue("Added cost needs a reason.", details={"field": "reason"})
    for added in rows:
        positive_quantity(added.received_quantity, what="received_quantity", maximum=Decimal(10) ** 10)
        if not added.amount.is_finite():
            raise InvalidValue("An amount is a number.", details={"field": "amount"})
    if not rows:
        return CostSpread(())
    balances = _lock_for(rows)
    by_stock: dict[tuple[int, int | None], list[Inventory]] = defaultdict(list)
    for balance in balances:
        by_stock[(balance.product_id, balance.lot_id)].append(balance)
    costs = {balance.pk: balance.cost_per_unit for balance in balances}
    # Of 20 that came as 10 and 10 and of which 10 are left, half of either's cost is on them.
    came: dict[tuple[int, int | None], Decimal] = defaultdict(Decimal)
    for added in rows:
        came[(added.product_id, added.lot_id)] += added.received_quantity
    lots: dict[int, Decimal] = defaultdict(Decimal)
    movements: list[Movement] = []
    shares = []
    for added in rows:
        if added.lot_id is not None:
            lots[added.lot_id] += added.amount / added.received_quantity
        stock = (added.product_id, added.lot_id)
        share, posted = _spread(added, came[stock], by_stock[stock], costs)
        shares.append(share)
        movements += [
            _revaluation(balance, cost, reference=(reference_type, reference_id), reason=reason)
            for balance, cost in posted
        ]
    written = post_locked(movements, _by_key(balances), actor=actor)
    _raise_lot_costs(lots)
    return CostSpread(tuple(shares), tuple(written))


def _lock_for(rows: Sequence[CostAdded]) -> list[Inventory]:
    wanted = {(added.product_id, added.lot_id) for added in rows}
    lots = Q(lot_id__in={lot for _, lot in wanted if lot is not None})
    if any(lot is None for _, lot in wanted):
        lots |= Q(lot__isnull=True)
    found = lock_balances(lots & Q(product_id__in={product for product, _ in wanted}, on_hand_quantity__gt=0))
    return [row for row in found if (row.product_id, row.lot_id) in wanted]


def _spread(
    added: CostAdded, came: Decimal, balances: Sequence[Inventory], costs: dict[int, Decimal]
) -> tuple[CostShare, list[tuple[Inventory, Decimal]]]:
    """Return what becomes of an amount, and the new costs of balances; ``costs`` go along.

    ``came`` is what all receipts of this stock together brought.
    """
    on_hand = sum((balance.on_hand_quantity for balance in balances), _ZERO)
    if not on_hand:
        return CostShare(added, _ZERO, added.amount, _ZERO), []
    part = round_quantity(added.amount * min(on_hand, came) / came)
    on_stock, posted = _ZERO, []
    for balance in balances:
        before = costs[balance.pk]
        cost = round_quantity(before + part / on_hand)
        if cost < 0:
            raise InvalidValue(
                "Stock cannot be worth less than nothing.",
                details={"field": "amount", "product_id": added.product_id, "amount": str(added.amount)},
            )
        if cost == before:
            continue
        costs[balance.pk] = cost
        on_stock += worth(balance.on_hand_quantity, cost) - worth(balance.on_hand_quantity, before)
        posted.append((balance, cost))
    return CostShare(added, on_stock, added.amount - part, part - on_stock), posted


def _revaluation(balance: Inventory, unit_cost: Decimal, *, reference: tuple[str, int | None], reason: str) -> Movement:
    return Movement(
        Kind.REVALUATION,
        balance.product_id,
        balance.location_id,
        balance.lot_id,
        unit_cost=unit_cost,
        reference_type=reference[0],
        reference_id=reference[1],
        reason=reason,
    )


def _by_key(balances: Sequence[Inventory]) -> dict[Key, Inventory]:
    return {(row.product_id, row.location_id, row.lot_id): row for row in balances}


def _set_lot_costs(costs: dict[int, Decimal]) -> None:
    lots = lock_documents(MaterialLot.all_objects.filter(pk__in=costs))
    for lot in lots:
        lot.unit_cost = costs[lot.pk]
    update_documents(lots, ["unit_cost"])


def _raise_lot_costs(changes: dict[int, Decimal]) -> None:
    lots = lock_documents(MaterialLot.all_objects.filter(pk__in=changes)) if changes else []
    for lot in lots:
        lot.unit_cost = max(_ZERO, round_quantity(lot.unit_cost + changes[lot.pk]))
    update_documents(lots, ["unit_cost"])
