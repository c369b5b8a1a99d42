"""Units: a quantity never travels without its unit, and there is one place that converts.

Factors are exact. Stock of a material is in kg; slicers speak grams. An unknown conversion is refused: a wrong factor
between g and kg is an error of 1000 in stock and cost.
"""

from __future__ import annotations

from decimal import ROUND_HALF_UP, Decimal

from django.db import models

from blb3d.core.errors import InvalidValue, UnknownConversion

QUANTUM = Decimal("0.0001")


class Unit(models.TextChoices):
    """Units of measure, named as they are written on documents."""

    EACH = "each", "each"
    KILOGRAM = "kg", "kg"
    GRAM = "g", "g"
    METER = "m", "m"
    MILLIMETER = "mm", "mm"
    LITER = "l", "l"
    MILLILITER = "ml", "ml"
    HOUR = "h", "h"
    MINUTE = "min", "min"


#: unit -> (dimension, factor to the dimension's base unit)
_FACTORS: dict[str, tuple[str, Decimal]] = {
    Unit.EACH: ("count", Decimal(1)),
    Unit.KILOGRAM: ("mass", Decimal(1000)),
    Unit.GRAM: ("mass", Decimal(1)),
    Unit.METER: ("length", Decimal(1000)),
    Unit.MILLIMETER: ("length", Decimal(1)),
    Unit.LITER: ("volume", Decimal(1000)),
    Unit.MILLILITER: ("volume", Decimal(1)),
    Unit.HOUR: ("time", Decimal(60)),
    Unit.MINUTE: ("time", Decimal(1)),
}


def round_quantity(quantity: Decimal) -> Decimal:
    """Round a quantity to the 4 decimals that stock is kept in, half up."""
    return quantity.quantize(QUANTUM, rounding=ROUND_HALF_UP)


def convert(quantity: Decimal, source: str, target: str) -> Decimal:
    """Convert a quantity exactly from one unit to another (125.5 g -> 0.1255 kg); not rounded.

    Raises:
        UnknownConversion: one of the units is unknown, or they measure different things.
    """
    if source == target and source in _FACTORS:
        return quantity
    try:
        source_dimension, source_factor = _FACTORS[source]
        target_dimension, target_factor = _FACTORS[target]
    except KeyError as missing:
        raise UnknownConversion(f"Unknown unit {missing}.", details={"source": source, "target": target}) from None
    if source_dimension != target_dimension:
        raise UnknownConversion(
            f"{source} cannot be converted into {target}.", details={"source": source, "target": target}
        )
    return quantity * source_factor / target_factor


def dimension_units(unit: str) -> list[str]:
    """Return the common units that measure what ``unit`` does, itself among them; none for one that is unknown."""
    dimension = _FACTORS[unit][0] if unit in _FACTORS else None
    return [str(other) for other, (kind, _) in _FACTORS.items() if kind == dimension]


def grams_to_kg(grams: Decimal) -> Decimal:
    """Convert grams to kilograms at stock precision."""
    return round_quantity(convert(grams, Unit.GRAM, Unit.KILOGRAM))


def positive_quantity(quantity: Decimal, *, what: str = "quantity", maximum: Decimal = Decimal(1_000_000)) -> Decimal:
    """Return the quantity at stock precision if it is above 0 and at most ``maximum``.

    Raises:
        InvalidValue: it is zero at stock precision, negative, not a number or absurdly large.
    """
    if not quantity.is_finite() or quantity <= 0 or quantity > maximum or not round_quantity(quantity):
        raise InvalidValue(
            f"The {what} must be more than 0 and at most {maximum}.", details={"field": what, "value": str(quantity)}
        )
    return round_quantity(quantity)
