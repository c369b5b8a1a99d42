"""The proof of the books: ledger, balances, lot remainders and reservations say the same."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum

from blb3d.core.units import round_quantity
from inventory.models import Inventory, InventoryTransaction, MaterialLot, Reservation

Key = tuple[int, int, int | None]


@dataclass(frozen=True)
class Difference:
    """Two books that disagree: which, about what, and what each of them says."""

    what: str
    subject: str
    expected: Decimal
    found: Decimal

    def __str__(self) -> str:
        return f"{self.what} of {self.subject}: expected {self.expected}, found {self.found}"


@dataclass(frozen=True)
class LedgerReport:
    """How many balances, lots and ledger rows were compared, and every difference."""

    balances: int
    lots: int
    transactions: int
    differences: tuple[Difference, ...]

    @property
    def is_clean(self) -> bool:
        """Return whether all books agree."""
        return not self.differences


def verify_ledger() -> LedgerReport:
    """Compare the ledger's sums with balances, balances with lot remainders and with reservations; repairs nothing.

    Four queries, whatever the size. Run it in a quiet hour or in one transaction that sees one state.
    """
    # Sums are rounded because SQLite adds decimals as floats.
    ledger: dict[Key, tuple[Decimal, Decimal]] = {}
    rows = InventoryTransaction.objects.order_by().values_list("product_id", "location_id", "lot_id")
    for product, place, lot, on_hand, allocated in rows.annotate(Sum("on_hand_change"), Sum("allocated_change")):
        ledger[(product, place, lot)] = (round_quantity(on_hand), round_quantity(allocated))
    kept = Reservation.objects.order_by().values_list("balance_id").annotate(Sum("quantity"))
    reserved = {balance: round_quantity(quantity) for balance, quantity in kept}
    balances = list(Inventory.objects.order_by("pk"))
    lots = dict(MaterialLot.all_objects.order_by("pk").values_list("pk", "quantity_remaining"))
    found = [*_against_ledger(balances, ledger), *_against_reservations(balances, reserved), *_lots(balances, lots)]
    return LedgerReport(len(balances), len(lots), InventoryTransaction.objects.count(), tuple(found))


def _name(key: Key) -> str:
    product, place, lot = key
    return f"product {product} at location {place}" + (f" in lot {lot}" if lot else "")


def _key(balance: Inventory) -> Key:
    return (balance.product_id, balance.location_id, balance.lot_id)


def _against_ledger(balances: list[Inventory], ledger: dict[Key, tuple[Decimal, Decimal]]) -> Iterator[Difference]:
    nothing = (Decimal(0), Decimal(0))
    for balance in balances:
        on_hand, allocated = ledger.get(_key(balance), nothing)
        if balance.on_hand_quantity != on_hand:
            yield Difference("on hand", _name(_key(balance)), on_hand, balance.on_hand_quantity)
        if balance.allocated_quantity != allocated:
            yield Difference("allocated", _name(_key(balance)), allocated, balance.allocated_quantity)
    for key in ledger.keys() - {_key(balance) for balance in balances}:
        yield Difference("balance", _name(key), ledger[key][0], Decimal(0))


def _against_reservations(balances: list[Inventory], reserved: dict[int, Decimal]) -> Iterator[Difference]:
    for balance in balances:
        kept = reserved.get(balance.pk, Decimal(0))
        if balance.allocated_quantity != kept:
            yield Difference("reservations", _name(_key(balance)), balance.allocated_quantity, kept)


def _lots(balances: list[Inventory], lots: dict[int, Decimal]) -> Iterator[Difference]:
    on_hand: dict[int, Decimal] = dict.fromkeys(lots, Decimal(0))
    for balance in balances:
        if balance.lot_id is not None:
            on_hand[balance.lot_id] += balance.on_hand_quantity
    for lot, remaining in lots.items():
        if remaining != on_hand[lot]:
            yield Difference("lot remainder", f"lot {lot}", on_hand[lot], remaining)
