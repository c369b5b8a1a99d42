"""What production orders take of components by their bills of materials."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from decimal import Decimal

from blb3d.core.units import round_quantity
from inventory.models import BOMLine, Product


def per_unit(line: BOMLine) -> Decimal:
    """Return how much of a component one unit takes with its planned scrap, in the component's stock unit."""
    return line.quantity * (1 + line.scrap_percent / 100)


def stocked_lines(bom_ids: Iterable[int]) -> dict[int, list[BOMLine]]:
    """Return the lines of bills whose components lie on a shelf, with the components, in one query."""
    rows = BOMLine.objects.filter(bom__in=set(bom_ids)).exclude(component__category=Product.Category.SERVICE)
    lines: dict[int, list[BOMLine]] = defaultdict(list)
    for line in rows.select_related("component").order_by("id"):
        lines[line.bom_id].append(line)
    return dict(lines)


def needs_of(lines: Iterable[BOMLine], units: int) -> dict[int, Decimal]:
    """Return how much of each component so many units take, by product, in stock units."""
    needs: dict[int, Decimal] = defaultdict(Decimal)
    for line in lines:
        quantity = round_quantity(per_unit(line) * units)
        if quantity > 0:
            needs[line.component_id] += quantity
    return dict(needs)
