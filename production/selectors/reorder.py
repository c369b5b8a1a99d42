"""What has fallen below its floor: what is there, on its way and owed, and how much to order. Agrees with planning.

It reads the ground that material planning reads, so that both count the same. What it leaves to planning is time, and
what planned orders of the products above would need.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Collection
from dataclasses import dataclass
from decimal import Decimal

from django.utils import timezone

from inventory.models import Product, Vendor
from inventory.selectors.sourcing import sources
from production.mrp.ground import FIRM, PRODUCTION, PURCHASE, SCALE, STOCK, Item, Problem, exploded
from production.selectors.mrp_ground import load_problem

#: What is made comes in whole units.
_WHOLE = SCALE


@dataclass(frozen=True)
class ReorderLine:
    """A product with a floor, all quantities in its stock unit.

    ``floor`` is the greater of reorder point and safety stock; ``on_hand`` what lies in usable lots or waits for its
    first release, ``reserved`` what of that is kept for somebody; ``on_order`` what open purchases and firm orders
    bring, ``in_production`` what open production orders and firm orders make; ``owed`` what open orders still take.
    ``suggested`` brings what is projected to the floor: at least the minimum, in steps, whole units of what is made.
    """

    product_id: int
    sku: str
    name: str
    unit: str
    replenishment: str
    is_made: bool
    floor: Decimal
    on_hand: Decimal
    reserved: Decimal
    on_order: Decimal
    in_production: Decimal
    owed: Decimal
    suggested: Decimal
    lead_days: int
    vendor_id: int | None
    vendor: str

    @property
    def projected(self) -> Decimal:
        """Return what is left when all that is on its way has come and all that is owed has gone."""
        return self.on_hand + self.on_order + self.in_production - self.owed

    @property
    def missing(self) -> Decimal:
        """Return how much is projected to lack of the floor."""
        return max(self.floor - self.projected, Decimal(0))


def reorder_report(today: datetime.date | None = None, *, only_below: bool = False) -> list[ReorderLine]:
    """Return every active product with a floor, those furthest below it first, in a constant number of queries.

    ``only_below`` leaves out what needs no order.
    """
    problem = load_problem(today or timezone.localdate())
    lines = _lines(problem, [item for item in problem.items.values() if item.floor > 0])
    if only_below:
        lines = [line for line in lines if line.suggested > 0]
    return sorted(lines, key=lambda line: (-(line.missing / line.floor), line.sku))


def _lines(problem: Problem, items: Collection[Item]) -> list[ReorderLine]:
    there: dict[tuple[str, int], int] = defaultdict(int)
    reserved: dict[int, int] = defaultdict(int)
    owed: dict[int, int] = defaultdict(int)
    for supply in problem.supplies:
        there[(supply.key[0], supply.item)] += supply.quantity
        if supply.key[0] == STOCK:
            reserved[supply.item] += sum(quantity for _, quantity in supply.held)
        for component, per in problem.lines.get(supply.bom, ()) if supply.units > 0 else ():
            owed[component] += exploded(per, supply.units)
    for demand in problem.demands:
        owed[demand.item] += demand.quantity
    products = Product.objects.in_bulk([item.id for item in items])
    places = sources([item.id for item in items if not item.is_made])
    vendors = dict(Vendor.objects.filter(pk__in={p.vendor_id for p in places.values()}).values_list("pk", "name"))
    found = []
    for item in items:
        product = products.get(item.id)
        if product is None:
            continue
        on_hand, firm = there[(STOCK, item.id)], there[(FIRM, item.id)]
        bought = there[(PURCHASE, item.id)] + (0 if item.is_made else firm)
        made = there[(PRODUCTION, item.id)] + (firm if item.is_made else 0)
        place = places.get(item.id)
        found.append(
            ReorderLine(
                item.id,
                product.sku,
                product.name,
                product.unit_of_measure,
                product.replenishment,
                item.is_made,
                _plain(item.floor),
                _plain(on_hand),
                _plain(reserved[item.id]),
                _plain(bought),
                _plain(made),
                _plain(owed[item.id]),
                _plain(_order(item, item.floor - (on_hand + bought + made - owed[item.id]))),
                item.lead_days,
                place.vendor_id if place else None,
                vendors.get(place.vendor_id, "") if place else "",
            )
        )
    return found


def _order(item: Item, missing: int) -> int:
    """Return what is ordered when so much is missing: the minimum, then the multiple, then whole units."""
    if missing <= 0:
        return 0
    quantity = _up(max(missing, item.minimum), item.multiple)
    return _up(quantity, _WHOLE) if item.is_made else quantity


def _up(quantity: int, step: int) -> int:
    return -(-quantity // step) * step if step > 0 else quantity


def _plain(scaled: int) -> Decimal:
    return Decimal(scaled) / SCALE
