"""What stock was worth at any moment, from the ledger alone."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Sum

from blb3d.core.units import round_quantity
from inventory.models import InventoryTransaction

#: What a valuation may be grouped by -> the columns that name a group.
GROUPS: dict[str, tuple[str, ...]] = {
    "product": ("product_id", "product__sku", "product__name", "product__unit_of_measure"),
    "location": ("location_id", "location__code"),
    "lot": ("lot_id", "lot__lot_number"),
    "category": ("product__category",),
}
#: A balance by what identifies it: product, location, lot.
Key = tuple[int, int, int | None]
EVERYTHING = ("product", "location", "lot")


@dataclass(frozen=True)
class Worth:
    """How much of something was on hand and what it was worth; what the rows are not grouped by is None.

    A sum over products of different units has no ``quantity``.
    """

    quantity: Decimal | None
    value: Decimal
    product_id: int | None = None
    sku: str | None = None
    name: str | None = None
    unit: str | None = None
    location_id: int | None = None
    location: str | None = None
    lot_id: int | None = None
    lot_number: str | None = None
    category: str | None = None

    @property
    def unit_cost(self) -> Decimal | None:
        """Return what one stock unit was worth."""
        return round_quantity(self.value / self.quantity) if self.quantity else None


_NAMES = {
    "product__sku": "sku",
    "product__name": "name",
    "product__unit_of_measure": "unit",
    "location__code": "location",
    "lot__lot_number": "lot_number",
    "product__category": "category",
}


def valuation(
    on: datetime.datetime | None = None,
    *,
    by: Sequence[str] = EVERYTHING,
    product_ids: Collection[int] | None = None,
) -> list[Worth]:
    """Return what was on hand before a moment and its value, by any of :data:`GROUPS`; without ``on``, now. One query.

    Values are those that the movements had when they were posted: at the present moment the rows are the balances, and
    the end of a closed period gives the same for ever.
    """
    columns = [column for group in by for column in GROUPS[group]]
    rows = InventoryTransaction.objects.order_by()
    if on is not None:
        rows = rows.filter(transaction_date__lt=on)
    if product_ids is not None:
        rows = rows.filter(product_id__in=set(product_ids))
    found = []
    for row in (
        rows.values(*columns).annotate(on_hand=Sum("on_hand_change"), worth=Sum("value_change")).order_by(*columns)
    ):
        # Rounded because SQLite adds decimals as floats.
        quantity, value = round_quantity(row.pop("on_hand")), round_quantity(row.pop("worth"))
        if quantity or value:
            named = {_NAMES.get(column, column): text for column, text in row.items()}
            found.append(Worth(quantity=quantity if "product" in by else None, value=value, **named))
    return found


def stock_on(on: datetime.datetime) -> dict[Key, tuple[Decimal, Decimal]]:
    """Return quantity and value of every balance before a moment, by product, location and lot. One query."""
    rows = InventoryTransaction.objects.filter(transaction_date__lt=on).order_by()
    found: dict[Key, tuple[Decimal, Decimal]] = {}
    for product, place, lot, on_hand, value in (
        rows.values_list("product_id", "location_id", "lot_id")
        .annotate(Sum("on_hand_change"), Sum("value_change"))
        .order_by("product_id", "location_id", "lot_id")
    ):
        quantity, worth = round_quantity(on_hand), round_quantity(value)
        if quantity or worth:
            found[(product, place, lot)] = (quantity, worth)
    return found


def total_value(on: datetime.datetime | None = None) -> Decimal:
    """Return what all stock was worth before a moment; without one, now. One query."""
    rows = InventoryTransaction.objects.order_by()
    if on is not None:
        rows = rows.filter(transaction_date__lt=on)
    return round_quantity(rows.aggregate(worth=Sum("value_change"))["worth"] or Decimal(0))
