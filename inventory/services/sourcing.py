"""What vendors sell us and on which terms."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents, lock_documents, update_documents
from blb3d.core.errors import InvalidValue
from blb3d.core.verbs import verb
from inventory.models import Product, Vendor, VendorItem, VendorPrice
from inventory.selectors.units import to_stock
from inventory.services.ledger import valid_cost

_ZERO = Decimal(0)


@dataclass(frozen=True)
class PriceSpec:
    """A price per purchase unit from a quantity on, while it is valid."""

    unit_price: Decimal
    minimum_quantity: Decimal = _ZERO
    valid_from: datetime.date | None = None
    valid_to: datetime.date | None = None


@verb
def set_vendor_item(
    vendor: Vendor,
    product: Product,
    *,
    unit: str,
    vendor_sku: str = "",
    lead_time_days: int | None = None,
    minimum_quantity: Decimal = _ZERO,
    order_multiple: Decimal = _ZERO,
    is_preferred: bool = False,
    prices: Sequence[PriceSpec] = (),
    actor: User,
) -> VendorItem:
    """Say in which unit, how fast and at least how many a vendor sells of a product; ``prices`` are added to it.

    One that is preferred takes the place of the one that was.

    Raises:
        UnknownConversion: the unit is not the product's and does not measure what its stock unit does.
        InvalidValue: a quantity or price is negative.
    """
    to_stock(product, Decimal(1), unit)
    for name, value in (("minimum_quantity", minimum_quantity), ("order_multiple", order_multiple)):
        if not value.is_finite() or value < 0:
            raise InvalidValue("A quantity is a number of at least 0.", details={"field": name})
    rows = lock_documents(VendorItem.objects.filter(vendor=vendor, product=product))
    item = rows[0] if rows else VendorItem(vendor=vendor, product=product)
    item.unit, item.vendor_sku, item.lead_time_days = unit, vendor_sku.strip(), lead_time_days
    item.minimum_quantity, item.order_multiple, item.is_active = minimum_quantity, order_multiple, True
    item.save()
    insert_documents(
        [
            VendorPrice(
                item=item,
                minimum_quantity=price.minimum_quantity,
                unit_price=valid_cost(price.unit_price),
                currency=vendor.currency,
                valid_from=price.valid_from,
                valid_to=price.valid_to,
            )
            for price in prices
        ],
        natural_key="minimum_quantity",
        within={"item": item},
    )
    if is_preferred and not item.is_preferred:
        prefer_vendor_item(item, actor=actor)
    return item


@verb
def prefer_vendor_item(item: VendorItem, *, actor: User) -> VendorItem:
    """Buy a product from this vendor from now on unless somebody says otherwise.

    Raises:
        InvalidValue: the vendor does not sell it any more.
    """
    rows = lock_documents(VendorItem.objects.filter(product_id=item.product_id))
    if not item.is_active:
        raise InvalidValue("This vendor does not sell it any more.", details={"field": "is_active"})
    # The old one first: there is never a moment with two.
    before = [row for row in rows if row.is_preferred and row.pk != item.pk]
    for row in before:
        row.is_preferred = False
    update_documents(before, ["is_preferred"])
    chosen = next(row for row in rows if row.pk == item.pk)
    if not chosen.is_preferred:
        chosen.is_preferred = True
        chosen.save()
    item.refresh_from_db()
    return item
