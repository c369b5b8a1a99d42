"""A product's own units beside the common ones: a spool of 1 kg, a box of 50."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from blb3d.core.errors import UnknownConversion
from blb3d.core.units import Unit, convert
from inventory.models import Product, ProductUnit

#: product -> unit -> stock units in one of it
Factors = dict[int, dict[str, Decimal]]


def unit_factors(product_ids: Collection[int]) -> Factors:
    """Return the own units of products, in one query."""
    rows = ProductUnit.objects.filter(product_id__in=set(product_ids)).values_list("product_id", "unit", "factor")
    factors: Factors = {}
    for product_id, unit, factor in rows:
        factors.setdefault(product_id, {})[unit] = factor
    return factors


def to_stock(product: Product, quantity: Decimal, unit: str, *, factors: Factors | None = None) -> Decimal:
    """Convert a quantity of a product exactly into its stock unit (2 spools -> 2 kg, 250 g -> 0.25 kg); not rounded.

    Without ``factors`` a unit that is not a common one is looked up, in one query.

    Raises:
        UnknownConversion: the unit is neither one of the product's nor measures what its stock unit does.
    """
    if unit in Unit.values:
        return convert(quantity, unit, product.unit_of_measure)
    known = (unit_factors([product.pk]) if factors is None else factors).get(product.pk, {})
    if unit not in known:
        raise UnknownConversion(
            f"{product.sku} has no unit {unit}.",
            details={"source": unit, "target": product.unit_of_measure, "sku": product.sku},
        )
    return quantity * known[unit]
