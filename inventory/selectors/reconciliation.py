"""The proof of the books: ledger, balances, lot remainders, reservations, values and closings say the same."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import NamedTuple

from django.db.models import Sum

from blb3d.core.units import round_quantity
from inventory.models import (
    Inventory,
    InventoryLocation,
    InventoryTransaction,
    MaterialLot,
    Product,
    Reservation,
    StockPeriod,
    StockPeriodValue,
)
from inventory.selectors.valuation import Key, stock_on

#: How often a difference must be seen while others post.
_LOOKS = 3


@dataclass(frozen=True)
class Difference:
    """Two books that disagree: which, about what, and what each of them says."""

    what: str
    subject: str
    expected: Decimal
    found: Decimal

    def __str__(self) -> str:
        return f"{self.what} of {self.subject}: expected {self.expected}, found {self.found}"


class _Found(NamedTuple):
    """A difference before its subject is named; one that is of a lot as a whole has no product and no location."""

    what: str
    product_id: int | None
    location_id: int | None
    lot_id: int | None
    expected: Decimal
    found: Decimal


@dataclass(frozen=True)
class LedgerReport:
    """How many balances, lots and ledger rows were compared, and every difference."""

    balances: int
    lots: int
    transactions: int
    differences: tuple[Difference, ...]
    value: Decimal = Decimal(0)

    @property
    def is_clean(self) -> bool:
        """Return whether all books agree."""
        return not self.differences


def verify_ledger() -> LedgerReport:
    """Compare all stock books with each other; repairs nothing.

    The ledger's sums are compared with balances and what those are worth, balances with lot remainders and with
    reservations, the last closing with what the ledger says of its time. The number of queries does not depend on the
    size. Where others post meanwhile, see :func:`prove_ledger`.
    """
    # Sums are rounded because SQLite adds decimals as floats.
    ledger: dict[Key, tuple[Decimal, Decimal, Decimal]] = {}
    rows = InventoryTransaction.objects.order_by().values_list("product_id", "location_id", "lot_id")
    for product, place, lot, on_hand, allocated, value in rows.annotate(
        Sum("on_hand_change"), Sum("allocated_change"), Sum("value_change")
    ):
        sums = (round_quantity(on_hand), round_quantity(allocated), round_quantity(value))
        ledger[(product, place, lot)] = sums
    kept = Reservation.objects.order_by().values_list("balance_id").annotate(Sum("quantity"))
    reserved = {balance: round_quantity(quantity) for balance, quantity in kept}
    balances = list(Inventory.objects.order_by("pk"))
    lots = dict(MaterialLot.all_objects.order_by("pk").values_list("pk", "quantity_remaining"))
    found = [
        *_against_ledger(balances, ledger),
        *_against_reservations(balances, reserved),
        *_lots(balances, lots),
        *_against_closing(),
    ]
    total = sum((_worth(balance) for balance in balances), Decimal(0))
    return LedgerReport(len(balances), len(lots), InventoryTransaction.objects.count(), _named(found), total)


def prove_ledger() -> LedgerReport:
    """Verify the ledger while others post: a difference counts when it is seen three times and stays the same.

    The books are compared by several queries. What is posted between two of them looks like a difference once; a real
    one stays.
    """
    report = verify_ledger()
    for _ in range(_LOOKS - 1):
        if report.is_clean:
            break
        again = verify_ledger()
        seen = set(report.differences)
        report = replace(again, differences=tuple(found for found in again.differences if found in seen))
    return report


def _named(found: Sequence[_Found]) -> tuple[Difference, ...]:
    """Return differences as people name their subjects; asks for names only where there is something to name."""
    if not found:
        return ()
    lot_ids = {row.lot_id for row in found if row.lot_id is not None}
    lots = dict(MaterialLot.all_objects.filter(pk__in=lot_ids).values_list("pk", "lot_number"))
    skus = dict(Product.all_objects.filter(pk__in={row.product_id for row in found}).values_list("pk", "sku"))
    places = InventoryLocation.all_objects.filter(pk__in={row.location_id for row in found})
    codes = dict(places.values_list("pk", "code"))
    named = []
    for row in found:
        lot = f"lot {lots.get(row.lot_id, row.lot_id)}" if row.lot_id is not None else ""
        if row.product_id is None:
            subject = lot
        else:
            subject = f"{skus[row.product_id]} at {codes[row.location_id or 0]}"
            subject += f" in {lot}" if lot else ""
        named.append(Difference(row.what, subject, row.expected, row.found))
    return tuple(named)


def _key(balance: Inventory) -> Key:
    return (balance.product_id, balance.location_id, balance.lot_id)


def _worth(balance: Inventory) -> Decimal:
    return round_quantity(balance.on_hand_quantity * balance.cost_per_unit)


def _against_ledger(balances: list[Inventory], ledger: dict[Key, tuple[Decimal, Decimal, Decimal]]) -> Iterator[_Found]:
    nothing = (Decimal(0), Decimal(0), Decimal(0))
    for balance in balances:
        on_hand, allocated, value = ledger.get(_key(balance), nothing)
        if balance.on_hand_quantity != on_hand:
            yield _Found("on hand", *_key(balance), on_hand, balance.on_hand_quantity)
        if balance.allocated_quantity != allocated:
            yield _Found("allocated", *_key(balance), allocated, balance.allocated_quantity)
        if _worth(balance) != value:
            yield _Found("value", *_key(balance), value, _worth(balance))
    for key in ledger.keys() - {_key(balance) for balance in balances}:
        yield _Found("balance", *key, ledger[key][0], Decimal(0))


def _against_reservations(balances: list[Inventory], reserved: dict[int, Decimal]) -> Iterator[_Found]:
    for balance in balances:
        kept = reserved.get(balance.pk, Decimal(0))
        if balance.allocated_quantity != kept:
            yield _Found("reservations", *_key(balance), balance.allocated_quantity, kept)


def _lots(balances: list[Inventory], lots: dict[int, Decimal]) -> Iterator[_Found]:
    on_hand: dict[int, Decimal] = dict.fromkeys(lots, Decimal(0))
    for balance in balances:
        if balance.lot_id is not None:
            on_hand[balance.lot_id] += balance.on_hand_quantity
    for lot, remaining in lots.items():
        if remaining != on_hand[lot]:
            yield _Found("lot remainder", None, None, lot, on_hand[lot], remaining)


def _against_closing() -> Iterator[_Found]:
    """Compare what the last closing kept with what the ledger says of its end now."""
    period = StockPeriod.objects.filter(status=StockPeriod.Status.CLOSED).order_by("-last_day").first()
    if period is None:
        return
    then: dict[Key, tuple[Decimal, Decimal]] = {
        (product, place, lot): (quantity, value)
        for product, place, lot, quantity, value in StockPeriodValue.objects.filter(
            period=period, closing=period.closings
        ).values_list("product_id", "location_id", "lot_id", "quantity", "stock_value")
    }
    now = stock_on(period.ends_at)
    nothing = (Decimal(0), Decimal(0))
    for key in sorted(then.keys() | now.keys(), key=str):
        for what, closed, found in zip(
            ("quantity", "value"), then.get(key, nothing), now.get(key, nothing), strict=True
        ):
            if closed != found:
                yield _Found(f"{what} at the end of {period.last_day}", *key, closed, found)
