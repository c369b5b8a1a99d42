"""From what is needed to draft purchase orders: grouped by vendor, in the vendor's unit, steps and price."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import ROUND_CEILING, Decimal

from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents, lock_documents, update_documents
from blb3d.core.errors import InvalidValue
from blb3d.core.money import line_total
from blb3d.core.numbering import next_numbers
from blb3d.core.units import QUANTUM, positive_quantity, round_quantity
from blb3d.core.verbs import verb
from inventory.errors import NoVendor
from inventory.models import Product, PurchaseOrder, PurchaseOrderLine, Vendor, VendorItem
from inventory.selectors.sourcing import (
    factor_of,
    price_for,
    prices_of,
    purchase_quantity,
    sources,
    step_of,
    vendor_items,
)
from inventory.selectors.units import Factors, purchase_unit, stock_quantity, unit_factors

_ZERO = Decimal(0)


@dataclass(frozen=True)
class Want:
    """So much of a product, in its stock unit, is needed on a day: from ``vendor``, else from where it usually is."""

    product: Product
    quantity: Decimal
    needed_on: datetime.date | None = None
    vendor: Vendor | None = None
    note: str = ""


@dataclass
class _Asked:
    """What is asked of one vendor of one product for one day."""

    product: Product
    needed_on: datetime.date | None = None
    quantity: Decimal = _ZERO
    notes: list[str] = field(default_factory=list)

    def add(self, want: Want) -> None:
        """Add a want."""
        self.quantity += want.quantity
        if want.note and want.note not in self.notes:
            self.notes.append(want.note)


@verb
def buy(wants: Sequence[Want], *, add_to_drafts: bool = False, actor: User) -> list[PurchaseOrder]:
    """Write draft orders for what is wanted, one for each vendor, and return them by the vendor's code.

    Each line is in the unit of the vendor's item, not below its minimum and in its steps, at the price that holds
    today for all of the product that is wanted; spools and boxes come whole. Without an item it is in the product's
    purchase unit at its standard cost. Wants of one product for one day are one line; what has no day comes with the
    first that has one. A line is expected when it is needed, but not before its lead time is over. ``add_to_drafts``
    adds to each vendor's youngest draft instead of writing another. The number of statements depends on how many
    vendors there are, not on how much is wanted.

    Raises:
        InvalidValue: nothing is wanted, or a quantity is not above 0.
        NoVendor: nobody is known to sell some of the products.
    """
    if not wants:
        raise InvalidValue("Please say what to buy.", details={"field": "wants"})
    for want in wants:
        positive_quantity(want.quantity)
    today = timezone.localdate()
    asked, vendors = _by_vendor(wants)
    pairs = {(vendor_id, row.product.pk) for vendor_id, rows in asked.items() for row in rows}
    items = vendor_items(pairs)
    prices = prices_of([item.pk for item in items.values()], today)
    factors = unit_factors({product_id for _, product_id in pairs})
    # Numbers first: sequences are locked before anything else. A draft that is ordered meanwhile costs one more.
    spare = next_numbers("PUR", len(vendors) - (_count_drafts(vendors) if add_to_drafts else 0))
    orders = _drafts(vendors) if add_to_drafts else {}
    numbers = _last_numbers(orders)
    written: dict[int, list[PurchaseOrderLine]] = {}
    for vendor_id, vendor in vendors.items():
        order = orders.setdefault(vendor_id, PurchaseOrder(vendor=vendor, currency=vendor.currency))
        rows = sorted(asked[vendor_id], key=lambda row: (row.product.sku, row.needed_on or today))
        lines = written[vendor_id] = [
            _line(row, vendor, items.get((vendor_id, row.product.pk)), factors, today) for row in rows
        ]
        totals: dict[int, Decimal] = defaultdict(Decimal)
        for line in lines:
            totals[line.product_id] += line.quantity
        for number, line in enumerate(lines, start=numbers.get(vendor_id, 0) + 1):
            line.line_number = number
            item = items.get((vendor_id, line.product_id))
            price = price_for(prices.get(item.pk, []), totals[line.product_id], today) if item is not None else None
            line.unit_price = line.unit_price if price is None else price
        _add_to_head(order, lines, rows, actor)
    changed = [order for order in orders.values() if order.pk]
    new = sorted((order for order in orders.values() if not order.pk), key=lambda order: order.vendor.code)
    drawn = [*spare, *next_numbers("PUR", max(len(new) - len(spare), 0))]
    for order, number_of_order in zip(new, drawn, strict=False):
        order.po_number = number_of_order
    insert_documents(new, natural_key="po_number")
    update_documents(changed, ["subtotal", "expected_on", "notes", "written_by", "approved_by", "approved_at"])
    for vendor_id, lines in written.items():
        for line in lines:
            line.purchase_order = orders[vendor_id]
        insert_documents(lines, natural_key="line_number", within={"purchase_order": orders[vendor_id]})
    return sorted(orders.values(), key=lambda order: order.vendor.code)


def _by_vendor(wants: Sequence[Want]) -> tuple[dict[int, list[_Asked]], dict[int, Vendor]]:
    """Return what is asked of each vendor by product and day, and the vendors.

    Raises:
        NoVendor: nobody is known to sell some of the products.
    """
    open_ids = {want.product.pk for want in wants if want.vendor is None}
    found = sources(open_ids) if open_ids else {}
    missing = sorted({want.product.sku for want in wants if want.vendor is None and want.product.pk not in found})
    if missing:
        raise NoVendor(f"No vendor is known for {', '.join(missing)}.", details={"skus": missing})
    vendors = {want.vendor.pk: want.vendor for want in wants if want.vendor is not None}
    vendors |= Vendor.objects.in_bulk({source.vendor_id for source in found.values()} - set(vendors))
    asked: dict[int, dict[tuple[int, datetime.date | None], _Asked]] = defaultdict(dict)
    for want in wants:
        vendor_id = want.vendor.pk if want.vendor is not None else found[want.product.pk].vendor_id
        key = (want.product.pk, want.needed_on)
        asked[vendor_id].setdefault(key, _Asked(want.product, want.needed_on)).add(want)
    return {vendor_id: _joined(rows) for vendor_id, rows in asked.items()}, vendors


def _joined(rows: Mapping[tuple[int, datetime.date | None], _Asked]) -> list[_Asked]:
    """Return what is asked of a vendor; what has no day comes with the first of its product that has one."""
    found: dict[int, _Asked] = {}
    dated = sorted((row for row in rows.values() if row.needed_on), key=lambda row: row.needed_on or datetime.date.min)
    for row in dated:
        found.setdefault(row.product.pk, row)
    undated = [row for row in rows.values() if row.needed_on is None]
    for row in undated:
        first = found.get(row.product.pk)
        if first is not None:
            first.quantity += row.quantity
            first.notes += [note for note in row.notes if note not in first.notes]
    return [*dated, *(row for row in undated if row.product.pk not in found)]


def _count_drafts(vendors: Mapping[int, Vendor]) -> int:
    """Return how many of the vendors have a draft."""
    drafts = PurchaseOrder.objects.filter(vendor_id__in=vendors, status=PurchaseOrder.Status.DRAFT)
    return drafts.order_by().values("vendor_id").distinct().count()


def _drafts(vendors: Mapping[int, Vendor]) -> dict[int, PurchaseOrder]:
    """Return the youngest draft of each vendor that has one, locked."""
    drafts = PurchaseOrder.objects.filter(vendor_id__in=vendors, status=PurchaseOrder.Status.DRAFT)
    orders = {}
    for order in lock_documents(drafts):
        if order.status == PurchaseOrder.Status.DRAFT:
            order.vendor = vendors[order.vendor_id]
            orders[order.vendor_id] = order  # ascending: the youngest stays
    return orders


def _last_numbers(orders: Mapping[int, PurchaseOrder]) -> dict[int, int]:
    """Return the number of the last line of each vendor's draft, in one query."""
    by_order = dict.fromkeys((order.pk for order in orders.values()), 0)
    rows = PurchaseOrderLine.all_objects.filter(purchase_order__in=by_order).order_by("line_number")
    by_order |= dict(rows.values_list("purchase_order_id", "line_number"))
    return {vendor_id: by_order[order.pk] for vendor_id, order in orders.items()}


def _add_to_head(
    order: PurchaseOrder, lines: Sequence[PurchaseOrderLine], asked: Sequence[_Asked], actor: User
) -> None:
    """Bring the order's sum, day and notes to what its new lines say; nobody has approved them yet."""
    order.subtotal += sum((line_total(line.unit_price, line.quantity) for line in lines), _ZERO)
    days = [order.expected_on, *(line.expected_on for line in lines)]
    order.expected_on = max(day for day in days if day is not None)
    known = order.notes.splitlines()
    order.notes = "\n".join(dict.fromkeys((*known, *(note for row in asked for note in row.notes))))
    order.written_by, order.approved_by, order.approved_at = actor, None, None


def _line(
    asked: _Asked,
    vendor: Vendor,
    item: VendorItem | None,
    factors: Factors,
    today: datetime.date,
) -> PurchaseOrderLine:
    """Return the line that a vendor needs to send at least what is asked, at the standard cost."""
    product = asked.product
    unit = item.unit if item is not None else purchase_unit(product)
    factor = factor_of(product, unit, factors)
    # Up, at the precision of a line: a third of a box too few would be too few.
    quantity = (asked.quantity / factor).quantize(QUANTUM, rounding=ROUND_CEILING)
    minimum, multiple = (item.minimum_quantity, item.order_multiple) if item is not None else (_ZERO, _ZERO)
    quantity = purchase_quantity(quantity, minimum, step_of(unit, multiple))
    stock_quantity(product, quantity, unit, factors=factors)
    days = vendor.lead_time_days if item is None or item.lead_time_days is None else item.lead_time_days
    return PurchaseOrderLine(
        product=product,
        vendor_sku=item.vendor_sku if item is not None else "",
        quantity=round_quantity(quantity),
        unit_of_measure=unit,
        unit_price=round_quantity(product.unit_cost * factor),
        needed_on=asked.needed_on,
        expected_on=max(today + datetime.timedelta(days=days), asked.needed_on or today),
    )
