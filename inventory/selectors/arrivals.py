"""When material that is not on the shelf will be there."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q

from blb3d.core.errors import UnknownConversion
from inventory.models import Product, PurchaseOrder, PurchaseOrderLine, Vendor
from inventory.selectors.sourcing import sources
from inventory.selectors.stock import available, service_ids
from inventory.selectors.units import to_stock, unit_factors

_ON_ITS_WAY = (PurchaseOrder.Status.ORDERED, PurchaseOrder.Status.PARTIALLY_RECEIVED)


@dataclass(frozen=True)
class Arrival:
    """The day on which enough of a product is there, and whether it is on order already."""

    product_id: int
    name: str
    on: datetime.date
    is_ordered: bool


@dataclass(frozen=True)
class Supply:
    """What there is of a product and what comes: free quantity, what vendors owe by day, and the day on which what is
    ordered today is there. Quantities are in stock units.
    """

    product_id: int
    name: str
    free: Decimal
    coming: tuple[tuple[datetime.date, Decimal], ...]
    ordered_today_on: datetime.date

    def there_on(self, missing: Decimal) -> Arrival:
        """Return when so much beyond what is free is there."""
        for on, quantity in self.coming:
            missing -= quantity
            if missing <= 0:
                return Arrival(self.product_id, self.name, on, is_ordered=True)
        return Arrival(self.product_id, self.name, self.ordered_today_on, is_ordered=False)


def arrivals(needs: Mapping[int, Decimal], today: datetime.date) -> list[Arrival]:
    """Return when each product of which too little is free will be there; what is free in full is left out.

    ``needs`` are quantities in stock units by product. At most nine queries; see :func:`supplies` for how it counts.
    """
    free, services = available(needs), service_ids(needs)
    short = {pk: need - free[pk] for pk, need in needs.items() if need > free[pk] and pk not in services}
    found = supplies(short, today, free=free)
    return [found[pk].there_on(missing) for pk, missing in sorted(short.items())]


def supplies(
    product_ids: Collection[int], today: datetime.date, *, free: Mapping[int, Decimal] | None = None
) -> dict[int, Supply]:
    """Return what there is and comes of each product, in at most eight queries.

    What is on order counts with its expected day, which is not before today; what is ordered today takes the product's
    lead time, else that of where it is bought, else the usual one of vendors. ``free`` is what is free
    now, where it was read a moment ago.
    """
    if not product_ids:
        return {}
    if free is None:
        free = available(product_ids)
    products = Product.all_objects.in_bulk(product_ids)
    coming = _on_order(products, today)
    lead_times = _lead_times(products)
    return {
        pk: Supply(
            pk,
            " ".join(filter(None, (product.material_type, product.color_name))) or product.name,
            free.get(pk, Decimal(0)),
            tuple(coming.get(pk, ())),
            today + datetime.timedelta(days=lead_times[pk]),
        )
        for pk, product in products.items()
    }


def _on_order(products: Mapping[int, Product], today: datetime.date) -> dict[int, list[tuple[datetime.date, Decimal]]]:
    """Return what vendors still owe, by product, the earliest first; without an expected day it counts for nothing.

    A line's own day goes before its order's.
    """
    lines = PurchaseOrderLine.objects.filter(
        Q(expected_on__isnull=False) | Q(purchase_order__expected_on__isnull=False),
        product__in=products,
        purchase_order__status__in=_ON_ITS_WAY,
    ).select_related("purchase_order")
    factors = unit_factors(products)
    coming: dict[int, list[tuple[datetime.date, Decimal]]] = defaultdict(list)
    for line in lines.order_by("pk"):
        expected = line.expected_on or line.purchase_order.expected_on
        if expected is None or line.owed <= 0:
            continue
        try:
            stock = to_stock(products[line.product_id], line.owed, line.unit_of_measure, factors=factors)
        except UnknownConversion:
            continue
        coming[line.product_id].append((max(expected, today), stock))
    return {pk: sorted(rows, key=lambda row: row[0]) for pk, rows in coming.items()}


def _lead_times(products: Mapping[int, Product]) -> dict[int, int]:
    """Return the days from an order to its receipt, by product."""
    days = {pk: product.lead_time_days for pk, product in products.items() if product.lead_time_days}
    unknown = [pk for pk in products if pk not in days]
    if unknown:
        usual = Vendor._meta.get_field("lead_time_days").default
        found = sources(unknown)
        days |= {pk: found[pk].lead_days if pk in found else usual for pk in unknown}
    return days
