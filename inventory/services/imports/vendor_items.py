"""What vendors sell us, and at which prices, from a table: one row for each price."""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db import connection
from django.utils import timezone

from blb3d.core.documents import insert_documents, update_documents
from blb3d.core.errors import BLB3DError
from blb3d.core.tables import Table
from inventory.models import Product, Vendor, VendorItem, VendorPrice
from inventory.selectors.sourcing import Price, price_for, prices_of
from inventory.selectors.units import purchase_unit, to_stock, unit_factors
from inventory.services.imports.products import find_products
from inventory.services.imports.sheets import (
    COMMON,
    Change,
    Column,
    Plan,
    Row,
    Sheet,
    any_unit,
    as_text,
    batches,
    code,
    day,
    flag,
    number,
    text,
    whole,
)

#: What the rows of one item must agree on.
_TERMS = ("vendor_sku", "unit", "lead_time_days", "minimum_quantity", "order_multiple", "is_preferred")

VENDOR_ITEM_COLUMNS = (
    Column("vendor", ("vendor code", "supplier", "supplier code"), code(40), "Its code", "V-0001", is_required=True),
    Column("product", ("sku", "item", "our sku", "article"), code(60), "Our SKU", "M-00044", is_required=True),
    Column("vendor_sku", ("supplier sku", "vendor item", "vendor part number", "order number"), text(80),
           "What the vendor calls it", "PLA-BK-1"),
    Column("unit", ("purchase unit", "uom"), any_unit, "Purchase unit; empty: what the product is bought in", "spool"),
    Column("lead_time_days", ("lead time",), whole(), "Empty: the vendor's", "5", is_number=True),
    Column("minimum_quantity", ("minimum order quantity", "moq", "minimum"), number(), "In the purchase unit", "10",
           is_number=True),
    Column("order_multiple", ("multiple", "pack size"), number(), "In the purchase unit", "10", is_number=True),
    Column("is_preferred", ("preferred", "main supplier"), flag, "yes: bought here unless told otherwise", "yes"),
    Column("from_quantity", ("from", "price break", "break", "quantity from"), number(),
           "The price holds from so many purchase units on", "100", is_number=True),
    Column("price", ("unit price", "cost", "purchase price", "vendor price"), number(),
           "Per purchase unit, in the vendor's currency; one that differs holds from valid_from on", "20.00",
           is_number=True),
    Column("valid_from", ("price from", "valid from"), day, "Of the price; empty: today", "2026-01-01"),
)  # fmt: skip


@dataclass
class _Item:
    """The rows of one vendor and product."""

    vendor: Vendor
    product: Product
    rows: list[Row] = field(default_factory=list)
    prices: dict[Decimal, tuple[Decimal, dt.date]] = field(default_factory=dict)

    @property
    def first(self) -> Row:
        return self.rows[0]

    @property
    def key(self) -> str:
        return f"{self.vendor.code}, {self.product.sku}"


def plan_vendor_items(table: Table, *, lock: bool = False) -> Plan:
    """Return what a table of vendors' items would do; terms that a row does not name and other prices stay."""
    plan = Plan()
    sheet = Sheet(table, VENDOR_ITEM_COLUMNS, plan)
    items = _items(sheet, lock=lock)
    present: dict[tuple[int, int], VendorItem] = {}
    preferred: dict[int, VendorItem] = {}
    rows = VendorItem.objects.select_for_update() if lock else VendorItem.objects.all()
    for part in batches(sorted({product for _, product in items})):
        for item in rows.filter(product_id__in=part).order_by("pk"):
            present[(item.vendor_id, item.product_id)] = item
            if item.is_preferred:
                preferred[item.product_id] = item
    known: dict[int, list[Price]] = {}
    for part in batches([item.pk for key, item in present.items() if key in items]):
        known |= prices_of(part, None)
    new: list[VendorItem] = []
    changed: list[VendorItem] = []
    displaced: list[VendorItem] = []
    prices_to_add: list[tuple[VendorItem, Decimal, Decimal, dt.date]] = []
    chosen: dict[int, int] = {}
    for key, told in items.items():
        if told.first.values.get("is_preferred"):
            if told.product.pk in chosen:
                words = f"{told.product.sku} is preferred at another vendor in row {chosen[told.product.pk]}"
                sheet.wrong(told.first, "is_preferred", words)
                continue
            chosen[told.product.pk] = told.first.number
            before = preferred.get(told.product.pk)
            if before is not None and before.vendor_id != told.vendor.pk:
                displaced.append(before)
        item = present.get(key)
        terms = {name: told.first.values[name] for name in _TERMS if name in told.first.values}
        if item is None:
            item = VendorItem(
                vendor=told.vendor, product=told.product, **{"unit": purchase_unit(told.product), **terms}
            )
            new.append(item)
            values = [("unit", "–", item.unit)]
        else:
            item.vendor = told.vendor
            values = [
                (name, as_text(getattr(item, name)), as_text(value))
                for name, value in terms.items()
                if getattr(item, name) != value
            ]
            for name, value in terms.items():
                setattr(item, name, value)
            if values:
                changed.append(item)
        held = known.get(item.pk, []) if item.pk else []
        for quantity, (price, since) in told.prices.items():
            # On its own day, or a price of tomorrow, or of last year, would be added again and again.
            before_it = price_for([row for row in held if row.minimum == quantity], quantity, since)
            if before_it != price:
                values.append((f"price from {as_text(quantity)}", as_text(before_it), as_text(price)))
                prices_to_add.append((item, quantity, price, since))
        if values:
            plan.add(Change(told.first.number, told.key, is_new=item.pk is None, values=tuple(values)))
        else:
            plan.unchanged += 1
    plan.work.append(lambda: _write(new, changed, displaced, prices_to_add))
    return plan


def _items(sheet: Sheet, *, lock: bool) -> dict[tuple[int, int], _Item]:
    """Return the good rows by vendor and product, and note what is wrong with the others."""
    vendors = {vendor.code.upper(): vendor for vendor in Vendor.objects.all()}
    named = {row.values["product"] for row in sheet.rows if "product" in row.values}
    products = {sku: found for sku, found in find_products(named, lock=lock).items() if found.deleted_at is None}
    factors: dict[int, dict[str, Decimal]] = {}
    if any(row.values.get("unit") not in COMMON for row in sheet.rows) or any(
        product.purchase_unit not in COMMON for product in products.values()
    ):
        for part in batches([product.pk for product in products.values()]):
            factors |= unit_factors(part)
    items: dict[tuple[int, int], _Item] = {}
    for row in sheet.rows:
        sheet.need(row, "vendor", "product")
        if "vendor" in row.values and row.values["vendor"] not in vendors:
            sheet.wrong(row, "vendor", f"there is no vendor {row.values['vendor']}")
        if "product" in row.values and row.values["product"] not in products:
            sheet.wrong(row, "product", f"there is no product {row.values['product']}")
        if "price" not in row.values and "price" not in row.bad and "from_quantity" in row.values:
            sheet.wrong(row, "price", "is missing")
        if row.is_bad:
            continue
        vendor, product = vendors[row.values["vendor"]], products[row.values["product"]]
        if "unit" in row.values:
            try:
                to_stock(product, Decimal(1), row.values["unit"], factors=factors)
            except BLB3DError as error:
                sheet.wrong(row, "unit", error.message)
                continue
        item = items.setdefault((vendor.pk, product.pk), _Item(vendor, product))
        if item.rows and any(item.first.values.get(name) != row.values.get(name) for name in _TERMS):
            sheet.wrong(row, "vendor", f"only prices differ between the rows of an item: see row {item.first.number}")
            continue
        quantity = row.values.get("from_quantity", Decimal("0.0000"))
        if item.rows and ("price" not in row.values or quantity in item.prices):
            sheet.wrong(row, "product", f"{item.key} stands in row {item.first.number} already")
            continue
        item.rows.append(row)
        if "price" in row.values:
            item.prices[quantity] = (row.values["price"], row.values.get("valid_from", timezone.localdate()))
    return items


def _write(
    new: list[VendorItem],
    changed: list[VendorItem],
    displaced: list[VendorItem],
    prices: list[tuple[VendorItem, Decimal, Decimal, dt.date]],
) -> None:
    # The old ones first: there is never a moment with two.
    for item in displaced:
        item.is_preferred = False
    update_documents(displaced, list(_TERMS))
    update_documents([item for item in changed if item not in displaced], list(_TERMS))
    _insert(new, "vendor_id", "product_id")
    rows = [
        VendorPrice(
            item=item,
            minimum_quantity=quantity,
            unit_price=price,
            currency=item.vendor.currency,
            valid_from=since,
        )
        for item, quantity, price, since in prices
    ]
    _insert(rows, "item_id", "minimum_quantity")


def _insert(rows: list[Any], group: str, natural_key: str) -> None:
    """Insert rows; a database that returns no keys is asked for them group by group."""
    if connection.features.can_return_rows_from_bulk_insert:
        insert_documents(rows)
        return
    groups: dict[int, list[Any]] = defaultdict(list)
    for row in rows:
        groups[getattr(row, group)].append(row)
    for value, members in groups.items():
        insert_documents(members, natural_key=natural_key, within={group: value})
