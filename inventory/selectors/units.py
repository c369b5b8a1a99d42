"""A product's own units beside the common ones: a spool of 1 kg, a box of 50.

A quantity in a common unit is rounded half up to the 4 decimals that stock is kept in (0.1 g of a kg), as it always
was. One in a product's own unit is a count of things and must come out exactly: what does not is refused, so that
three boxes of a third never make 0.9999.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from decimal import ROUND_HALF_UP, Decimal, localcontext

from blb3d.core.errors import UnknownConversion
from blb3d.core.units import Unit, convert, dimension_units, positive_quantity, round_quantity
from inventory.errors import InexactQuantity
from inventory.models import Product, ProductUnit

#: The enumeration makes a list of them each time that it is asked.
_COMMON = frozenset(Unit.values)

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
    if unit in _COMMON:
        return convert(quantity, unit, product.unit_of_measure)
    known = (unit_factors([product.pk]) if factors is None else factors).get(product.pk, {})
    if unit not in known:
        raise UnknownConversion(
            f"{product.sku} has no unit {unit}.",
            details={"source": unit, "target": product.unit_of_measure, "sku": product.sku, "known": sorted(known)},
        )
    with localcontext() as context:
        context.prec = 60  # a product of 14 and 18 digits is exact
        return quantity * known[unit]


def stock_quantity(
    product: Product, quantity: Decimal, unit: str, *, factors: Factors | None = None, what: str = "quantity"
) -> Decimal:
    """Return a quantity above 0 in the product's stock unit as it is kept, at 4 decimals.

    In a common unit it is rounded half up (0.1 g of a kg); in one of the product's own it comes out exactly or is
    refused.

    Raises:
        UnknownConversion: the unit is neither one of the product's nor measures what its stock unit does.
        InvalidValue: it is not above 0 at stock precision, or absurdly large.
        InexactQuantity: so many of the product's own unit are not a quantity of 4 decimals.
    """
    exact = to_stock(product, quantity, unit, factors=factors)
    kept = positive_quantity(exact, what=what)
    if unit not in _COMMON and kept != exact:
        factor = exact / quantity
        nearest = (kept / factor).quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP)
        raise InexactQuantity(
            f"{quantity.normalize():f} {unit} of {product.sku} are {exact.normalize():f} {product.unit_of_measure}: "
            "stock is kept to 4 decimals.",
            details={"sku": product.sku, "unit": unit, "quantity": str(quantity), "nearest": str(nearest)},
        )
    return kept


def from_stock(product: Product, quantity: Decimal, unit: str, *, factors: Factors | None = None) -> Decimal:
    """Convert a quantity in the stock unit into another unit, at 4 decimals: for people to read, never to post.

    Raises:
        UnknownConversion: the unit is neither one of the product's nor measures what its stock unit does.
    """
    one = to_stock(product, Decimal(1), unit, factors=factors)
    return round_quantity(quantity / one)


def purchase_unit(product: Product) -> str:
    """Return what a product is bought in unless its vendor says otherwise."""
    return product.purchase_unit or product.unit_of_measure


def usage_unit(product: Product) -> str:
    """Return what bills and people speak of: g of a material that is weighed, else the stock unit."""
    if product.usage_unit:
        return product.usage_unit
    if product.is_material and product.unit_of_measure in dimension_units(Unit.KILOGRAM):
        return Unit.GRAM
    return product.unit_of_measure


def units_of(product: Product, factors: Mapping[int, Mapping[str, Decimal]]) -> list[str]:
    """Return every unit that a product may be spoken of in, its stock unit first, then its own, then common ones."""
    own = sorted(factors.get(product.pk, {}))
    common = [unit for unit in dimension_units(product.unit_of_measure) if unit != product.unit_of_measure]
    return [product.unit_of_measure, *own, *common]


def unit_choices(product: Product, factors: Factors | None = None) -> list[tuple[str, str]]:
    """Return a product's units for a form, its own with what they are: ``spool (1 kg)``. At most one query."""
    known = unit_factors([product.pk]) if factors is None else factors
    own = known.get(product.pk, {})
    return [
        (unit, f"{unit} ({own[unit].normalize():f} {product.unit_of_measure})" if unit in own else unit)
        for unit in units_of(product, known)
    ]
