"""Bringing single balances to what somebody saw: what is gone is gone, also where it was reserved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q

from blb3d.accounts.models import User
from blb3d.core.outbox import Fact, emit_all
from blb3d.core.units import round_quantity
from inventory.models import Inventory, Reservation
from inventory.services.ledger import Holder, Key, Kind, Movement, lock_balances, post_transactions
from inventory.services.shelf import Shelf


@dataclass(frozen=True)
class Correction:
    """A signed change of one balance in the stock unit; ``unit_cost`` is for something that the books did not have."""

    product_id: int
    location_id: int
    lot_id: int | None
    change: Decimal
    reference_type: str
    reference_id: int | None
    reason: str
    unit_cost: Decimal

    @property
    def key(self) -> Key:
        """Return which balance it is about."""
        return (self.product_id, self.location_id, self.lot_id)


def correct_balances(corrections: Sequence[Correction], *, actor: User) -> list[Decimal]:
    """Book corrections as adjustments and return what was booked of each; needs a transaction.

    Less comes from free stock first, then from what was reserved, the latest reservation first; its holder gets free
    stock elsewhere as far as there is any, and a fact ``inventory.stock_short`` tells of the rest. Where the books have
    less than is missing, they end at nothing. The number of statements does not depend on the number of corrections.
    """
    products = {row.product_id for row in corrections if round_quantity(row.change)}
    if not products:
        return [Decimal(0)] * len(corrections)
    # All of them, also the empty ones that something comes to, so that they are locked once and in order.
    balances = {(row.product_id, row.location_id, row.lot_id): row for row in lock_balances(Q(product_id__in=products))}
    more = [_addition(row, balances.get(row.key)) for row in corrections if round_quantity(row.change) > 0]
    post_transactions(more, actor=actor)
    holders = _holders(corrections, balances)
    shelf = Shelf(products, holders={holder for kept in holders.values() for holder in kept})
    booked: list[Decimal] = []
    displaced: list[tuple[int, Holder, Decimal]] = []
    for row in corrections:
        change = round_quantity(row.change)
        balance = balances.get(row.key)
        if change >= 0:
            booked.append(change)
        elif balance is None:
            booked.append(Decimal(0))
        else:
            taken, lost = _take(shelf, balance, -change, row, holders[balance.pk])
            booked.append(-taken)
            displaced += lost
    short = [(product_id, holder, _replace(shelf, product_id, holder, part)) for product_id, holder, part in displaced]
    shelf.post(actor=actor)
    emit_all(_short_fact(*row) for row in short if row[2])
    return booked


def _holders(corrections: Sequence[Correction], balances: dict[Key, Inventory]) -> dict[int, list[Holder]]:
    """Return by balance who has reserved of what becomes less, the latest first."""
    less = {balances[row.key].pk for row in corrections if row.change < 0 and row.key in balances}
    found: dict[int, list[Holder]] = defaultdict(list)
    if less:
        for kept in Reservation.objects.filter(balance_id__in=less).order_by("-id"):
            found[kept.balance_id].append((kept.reference_type, kept.reference_id))
    return found


def _take(
    shelf: Shelf, balance: Inventory, quantity: Decimal, row: Correction, holders: Sequence[Holder]
) -> tuple[Decimal, list[tuple[int, Holder, Decimal]]]:
    """Take from one balance; return how much, and whose reservations that were."""
    reference = (row.reference_type, row.reference_id)
    missing = min(quantity, balance.on_hand_quantity)
    wanted, lost = missing, []
    if missing <= 0:
        return Decimal(0), []
    part = min(missing, shelf.free(balance))
    if part > 0:
        shelf.take(balance, part, kind=Kind.ADJUSTMENT, reference=reference, reason=row.reason)
        missing -= part
    for holder in holders:
        part = min(missing, shelf.held(balance, holder))
        if part > 0:
            shelf.take(balance, part, kind=Kind.ADJUSTMENT, reference=reference, holder=holder, reason=row.reason)
            missing -= part
            lost.append((row.product_id, holder, part))
    return wanted - missing, lost


def _replace(shelf: Shelf, product_id: int, holder: Holder, quantity: Decimal) -> Decimal:
    """Reserve free stock for a holder who lost some; return how much there was none of."""
    for balance in shelf.usable(product_id):
        part = min(quantity, shelf.free(balance))
        if part > 0:
            shelf.reserve(balance, part, holder)
            quantity -= part
    return quantity


def _addition(row: Correction, balance: Inventory | None) -> Movement:
    is_new = balance is None or not balance.on_hand_quantity
    return Movement(
        Kind.ADJUSTMENT,
        row.product_id,
        row.location_id,
        row.lot_id,
        row.change,
        unit_cost=row.unit_cost if is_new else None,
        reference_type=row.reference_type,
        reference_id=row.reference_id,
        reason=row.reason,
    )


def _short_fact(product_id: int, holder: Holder, missing: Decimal) -> Fact:
    return Fact(
        "inventory.stock_short",
        f"inventory.product:{product_id}",
        {
            "product_id": product_id,
            "missing": str(missing),
            "reference_type": holder[0],
            "reference_id": holder[1],
        },
    )
