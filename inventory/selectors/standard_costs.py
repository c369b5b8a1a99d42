"""What products should cost by their bills: all levels, bottom up."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal

from blb3d.core.units import round_quantity
from inventory.models import BOM, BOMLine, Product

_ZERO = Decimal(0)


@dataclass(frozen=True)
class StandardCost:
    """A product with a bill: its standard cost and that of its bill, as they are and as they come out.

    ``without_cost`` are the SKUs of components that nobody gave a cost. A bought product keeps its own cost.
    """

    product_id: int
    sku: str
    name: str
    unit: str
    bom_id: int
    before: Decimal
    after: Decimal
    bom_before: Decimal
    bom_after: Decimal
    without_cost: tuple[str, ...] = ()

    @property
    def changes(self) -> bool:
        """Return whether anything is written."""
        return self.before != self.after or self.bom_before != self.bom_after

    @property
    def difference(self) -> Decimal:
        """Return by how much the standard cost changes."""
        return self.after - self.before


def standard_costs() -> list[StandardCost]:
    """Return every active product with an active bill, by SKU, with what it should cost. Three queries.

    A bill costs its components at standard, scrap added; a component that has a bill costs what its bill does. A made
    product takes the cost of its bill: material and components. Machine time is no part of the standard: it stands in
    the price and in the actual cost of orders.
    """
    boms = list(
        BOM.objects.filter(is_active=True, product__is_active=True, product__deleted_at__isnull=True).order_by("id")
    )
    lines: dict[int, list[tuple[int, Decimal]]] = defaultdict(list)
    rows = BOMLine.objects.filter(bom__is_active=True, bom__deleted_at__isnull=True).order_by("id")
    for bom_id, component, quantity, scrap in rows.values_list("bom_id", "component_id", "quantity", "scrap_percent"):
        lines[bom_id].append((component, quantity * (1 + scrap / 100)))
    products = {row.pk: row for row in Product.all_objects.only(
        "sku", "name", "unit_of_measure", "unit_cost", "replenishment", "category"
    )}  # fmt: skip
    by_product = {bom.product_id: bom for bom in boms}
    totals = _totals({pk: lines[bom.pk] for pk, bom in by_product.items()}, products)
    found = []
    for pk, bom in by_product.items():
        product = products[pk]
        is_bought = product.replenishment == Product.Replenishment.BUY
        nothing = sorted(
            products[component].sku
            for component, _ in lines[bom.pk]
            if not totals.get(component, products[component].unit_cost)
        )
        found.append(
            StandardCost(
                pk,
                product.sku,
                product.name,
                product.unit_of_measure,
                bom.pk,
                product.unit_cost,
                product.unit_cost if is_bought else totals[pk],
                bom.total_cost,
                totals[pk],
                tuple(nothing),
            )
        )
    return sorted(found, key=lambda row: row.sku)


def _totals(bills: dict[int, list[tuple[int, Decimal]]], products: dict[int, Product]) -> dict[int, Decimal]:
    """Return the cost of each product's bill, each after those below it."""
    totals: dict[int, Decimal] = {}
    for start in bills:
        waiting = [start]
        while waiting:
            pk = waiting[-1]
            below = [part for part, _ in bills[pk] if part in bills and part not in totals]
            if pk in totals or not below:
                waiting.pop()
                cost = sum(
                    (quantity * totals.get(part, products[part].unit_cost) for part, quantity in bills[pk]), _ZERO
                )
                totals[pk] = round_quantity(cost)
            else:
                waiting += below
    return totals
