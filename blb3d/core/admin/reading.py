"""Fields as people read them: money with its currency, quantities with their unit, moments as clock times.

A column's name says what its number is (``print_time_minutes``, ``unit_cost``), so lists, lines and headers need not
say it again.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from decimal import Decimal
from functools import cache
from typing import Any

from django.db import models
from unfold.decorators import display

from blb3d.core.admin.columns import status_chip
from blb3d.core.money import round_money
from blb3d.core.templatetags.blb3d_ui import NARROW_GAP, duration, file_size, grams, money, plain_number, when

NOTHING = "–"
_MONEY = {"amount", "cost", "price", "subtotal", "total"}
_MONEY_NAMES = {
    "credit_limit",
    "approval_limit",
    "hourly_rate",
    "labour_hourly_rate",
    "machine_hourly_rate",
    "minimum",
    "price_per_kg",
    "setup_per_job",
    "setup_per_plate",
    "surcharge",
    "stock_value",
    "value_change",
}
_SAID = {"minutes", "grams", "percent", "bytes", "mm"}
_AFTER = {"mm": "mm", "cm3": "cm³", "kg": "kg", "percent": "%"}
_ABBREVIATIONS = re.compile(r"\b(api|bom|coa|erp|id|ip|po|pdf|sha256|sku|url|zip)\b", re.IGNORECASE)


def labelled(name: object) -> str:
    """Return a field's name with its abbreviations as they are written: ``po number`` -> ``PO number``."""
    return _ABBREVIATIONS.sub(lambda found: found.group().upper(), str(name))


def _without_unit(name: str) -> str:
    """Return a number's name without the unit, which stands beside the number."""
    return " ".join(word for word in name.split() if word not in _SAID) or name


def _currency(obj: Any) -> str | None:
    own = getattr(obj, "currency", None)
    if own:
        return str(own)
    loaded = (getattr(row, "currency", None) for row in obj._state.fields_cache.values())
    return next((code for code in loaded if code), None)


def unit_of(obj: Any) -> str:
    """Return the unit of a row's quantities as far as it is known without asking the database."""
    product = obj._state.fields_cache.get("product")
    return str(getattr(obj, "unit_of_measure", "") or getattr(product, "unit_of_measure", ""))


def _unit(obj: Any) -> str:
    """Return the unit of a quantity; pieces need no word."""
    unit = unit_of(obj)
    return "" if unit == "each" else unit


def is_quantity(field: models.Field[Any, Any]) -> bool:
    """Tell whether a field is a quantity of something, in a unit that stands elsewhere."""
    has_name = bool({"quantity", "change"} & set(field.name.split("_"))) and not is_money(field)
    return has_name and isinstance(_kind(field), models.DecimalField)


def is_money(field: models.Field[Any, Any]) -> bool:
    """Tell whether a field is an amount of money."""
    words = set(field.name.split("_"))
    return field.name in _MONEY_NAMES or (isinstance(_kind(field), models.DecimalField) and bool(_MONEY & words))


def _amount(value: Decimal, obj: Any) -> str:
    currency = _currency(obj)
    if value == round_money(value):
        return money(value, currency)
    whole = money(round_money(value), currency)
    return whole.rsplit(".", 1)[0] + "." + plain_number(value).rsplit(".", 1)[1]


def _number(field: models.Field[Any, Any], value: Any, obj: Any) -> str:
    words = field.name.split("_")
    if is_money(field):
        return _amount(value, obj)
    if "minutes" in words:
        return duration(value)
    if "grams" in words:
        return grams(value)
    if words[-1] == "bytes":
        return file_size(value)
    unit = _AFTER.get(words[-1], "")
    if not unit and is_quantity(field):
        unit = _unit(obj)
    return f"{plain_number(value)}{NARROW_GAP}{unit}" if unit else plain_number(value)


def _kind(field: models.Field[Any, Any]) -> models.Field[Any, Any]:
    made = field.output_field if isinstance(field, models.GeneratedField) else None
    return made or field


def is_read(field: Any) -> bool:
    """Tell whether a field is better read by :func:`read` than as it is stored."""
    if not isinstance(field, models.Field) or field.remote_field is not None:
        return False
    if isinstance(_kind(field), models.DateField | models.DecimalField) or field.choices:
        return True
    if isinstance(field, models.CharField):
        return labelled(field.verbose_name) != field.verbose_name
    return isinstance(field, models.IntegerField) and bool({"minutes", "bytes", "percent"} & set(field.name.split("_")))


def read(field: models.Field[Any, Any], obj: Any) -> Any:
    """Return what a person reads of a field of ``obj``."""
    value = getattr(obj, field.attname)
    if value is None or value == "":
        return NOTHING
    if field.choices:
        if field.name.endswith("status") or field.name == "connection":
            return status_chip(obj, field.name)
        words = str(getattr(obj, f"get_{field.name}_display")())
        return words[:1].upper() + words[1:]
    if isinstance(field, models.DateField):
        return when(value)
    if isinstance(field, models.CharField):
        return value
    return _number(field, value, obj)


@cache
def reading(field: models.Field[Any, Any]) -> Callable[[Any], Any]:
    """Return the column that shows a field as people read it, for lists, lines and pages; it sorts as the field."""

    @display(description=labelled(_without_unit(str(field.verbose_name))), ordering=field.name)
    def column(obj: Any) -> Any:
        return read(field, obj)

    column.__name__ = field.name
    column.reads = field.name  # type: ignore[attr-defined]
    return column


def readings(model: type[models.Model]) -> dict[str, Callable[[Any], Any]]:
    """Return the columns of all fields of a model that are better read than shown as stored, by name."""
    return {field.name: reading(field) for field in model._meta.concrete_fields if is_read(field)}
