"""Who sells what to us, in which unit, how fast, and what it costs from which quantity on."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from decimal import ROUND_CEILING, Decimal

from django.db.models import F, Max, Q

from blb3d.core.errors import UnknownConversion
from blb3d.core.units import Unit, round_quantity
from inventory.models import MaterialLot, Product, Vendor, VendorItem, VendorPrice
from inventory.selectors.units import Factors, to_stock, unit_factors

_ZERO = Decimal(0)


@dataclass(frozen=True)
class Source:
    """Where a product is bought unless somebody says otherwise: days to wait, least quantity and step in stock units.

    ``item_id`` is None where the vendor is only known from the last lot; a minimum or multiple of 0 is none.
    """

    product_id: int
    vendor_id: int
    item_id: int | None
    lead_days: int
    minimum: Decimal
    multiple: Decimal


@dataclass(frozen=True)
class Price:
    """A price per purchase unit from a quantity on, while it is valid."""

    minimum: Decimal
    unit_price: Decimal
    valid_from: datetime.date | None
    valid_to: datetime.date | None

    def holds(self, on: datetime.date, quantity: Decimal) -> bool:
        """Tell whether it is the price of so much on a day, as far as this break goes."""
        return (
            self.minimum <= quantity
            and (self.valid_from is None or self.valid_from <= on)
            and (self.valid_to is None or on <= self.valid_to)
        )


def sources(product_ids: Collection[int]) -> dict[int, Source]:
    """Return where each product is bought; what nobody is known to sell is left out. At most four queries.

    The preferred vendor's item, else the only active one, else the vendor of the last lot. Where several sell a
    product and none is preferred, it is the one of them who sent the last lot, else the one listed first. Its own lead
    time goes before the vendor's.
    """
    wanted = set(product_ids)
    if not wanted:
        return {}
    offers: dict[int, list[VendorItem]] = defaultdict(list)
    rows = VendorItem.objects.filter(is_active=True, vendor__is_active=True, product_id__in=wanted)
    for item in rows.select_related("vendor", "product").order_by("product_id", "-is_preferred", "pk"):
        offers[item.product_id].append(item)
    undecided = wanted - {pk for pk, items in offers.items() if items[0].is_preferred or len(items) == 1}
    last = last_vendors(undecided) if undecided else {}
    factors = unit_factors(offers) if offers else {}
    found = {}
    for product_id in wanted:
        items, vendor = offers.get(product_id, []), last.get(product_id)
        if items:
            item = items[0] if vendor is None else next((i for i in items if i.vendor_id == vendor.pk), items[0])
            found[product_id] = _source_of(item, factors)
        elif vendor is not None:
            found[product_id] = Source(product_id, vendor.pk, None, vendor.lead_time_days, _ZERO, _ZERO)
    return found


def _source_of(item: VendorItem, factors: Factors) -> Source:
    days = item.vendor.lead_time_days if item.lead_time_days is None else item.lead_time_days
    try:
        factor = to_stock(item.product, Decimal(1), item.unit, factors=factors)
    except UnknownConversion:
        # An item in a unit that is not one of the product's cannot be counted: it binds nobody until it is mended.
        factor = _ZERO
    return Source(
        item.product_id,
        item.vendor_id,
        item.pk,
        days,
        round_quantity(item.minimum_quantity * factor),
        round_quantity(step_of(item.unit, item.order_multiple) * factor),
    )


def last_vendors(product_ids: Collection[int]) -> dict[int, Vendor]:
    """Return the active vendor of each product's last lot, in two queries."""
    lots = MaterialLot.objects.filter(product_id__in=set(product_ids), vendor__is_active=True)
    newest = lots.order_by().values("product_id").annotate(at=Max("received_date"))
    latest = {row["product_id"]: row["at"] for row in newest}
    if not latest:
        return {}
    rows = lots.filter(received_date__in=set(latest.values())).select_related("vendor").order_by("pk")
    return {
        lot.product_id: lot.vendor
        for lot in rows
        if lot.vendor is not None and lot.received_date == latest[lot.product_id]
    }


def vendor_items(pairs: Iterable[tuple[int, int]]) -> dict[tuple[int, int], VendorItem]:
    """Return the active items of pairs of vendor and product, in one query."""
    wanted = set(pairs)
    rows = VendorItem.objects.filter(
        is_active=True, vendor_id__in={vendor for vendor, _ in wanted}, product_id__in={pk for _, pk in wanted}
    )
    return {(row.vendor_id, row.product_id): row for row in rows if (row.vendor_id, row.product_id) in wanted}


def prices_of(item_ids: Collection[int], on: datetime.date | None) -> dict[int, list[Price]]:
    """Return the prices of vendor items that are valid on a day, the largest break first, in one query.

    Without a day also those that held once and those that will hold. Orders are written in the vendor's currency, so
    that a price in another one is none.
    """
    valid = Q(currency=F("item__vendor__currency"))
    if on is not None:
        valid &= (Q(valid_from__isnull=True) | Q(valid_from__lte=on)) & (Q(valid_to__isnull=True) | Q(valid_to__gte=on))
    # A price with a beginning was entered for a time: it goes before one that always held.
    rows = VendorPrice.objects.filter(valid, item_id__in=set(item_ids)).order_by(
        "-minimum_quantity", F("valid_from").desc(nulls_last=True), "-pk"
    )
    found: dict[int, list[Price]] = defaultdict(list)
    for row in rows:
        found[row.item_id].append(Price(row.minimum_quantity, row.unit_price, row.valid_from, row.valid_to))
    return found


def price_for(prices: Iterable[Price], quantity: Decimal, on: datetime.date) -> Decimal | None:
    """Return the price per purchase unit of so many, or None when there is none; ``prices`` as :func:`prices_of`."""
    return next((price.unit_price for price in prices if price.holds(on, quantity)), None)


def purchase_quantity(quantity: Decimal, minimum: Decimal, multiple: Decimal) -> Decimal:
    """Return the least quantity that a vendor sells of at least ``quantity``: its minimum, in its steps."""
    asked = max(quantity, minimum)
    if multiple > 0:
        asked = (asked / multiple).to_integral_value(rounding=ROUND_CEILING) * multiple
    return asked


def step_of(unit: str, multiple: Decimal) -> Decimal:
    """Return the steps in which something is bought: a product's own units (spools, boxes) come whole at least."""
    return multiple if multiple or unit in Unit.values else Decimal(1)


def factor_of(product: Product, unit: str, factors: Mapping[int, dict[str, Decimal]]) -> Decimal:
    """Return the stock units in one of ``unit``."""
    return to_stock(product, Decimal(1), unit, factors=dict(factors))
