"""Columns of lists and facts of headers: chips, money and quantities as people read them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from django.utils.safestring import SafeString
from unfold.decorators import display

from blb3d.core.templatetags.blb3d_ui import NARROW_GAP, chip, money, plain_number


def chip_column(field: str, description: str = "") -> Callable[..., SafeString]:
    """Return a list column that shows a field with choices as a chip: ``payment = chip_column("payment_status")``."""

    @display(description=description or field.replace("_", " "), ordering=field)
    def column(self: Any, obj: Any) -> SafeString:
        return status_chip(obj, field)

    column.shows = field  # type: ignore[attr-defined]
    return column


def money_column(field: str, description: str = "", currency: str = "currency") -> Callable[..., str]:
    """Return a list column that shows an amount with its currency."""

    @display(description=description or field.replace("_", " "), ordering=field)
    def column(self: Any, obj: Any) -> str:
        return money(getattr(obj, field), getattr(obj, currency, None))

    column.shows = field  # type: ignore[attr-defined]
    return column


def number_column(field: str, description: str = "", unit: str = "") -> Callable[..., str]:
    """Return a list column that shows a quantity without the zeros of storage; ``unit`` is a field's name or text."""

    @display(description=description or field.replace("_", " "), ordering=field)
    def column(self: Any, obj: Any) -> str:
        value = getattr(obj, field)
        shown_unit = getattr(obj, unit, unit) if value is not None else ""
        return f"{plain_number(value)}{NARROW_GAP}{shown_unit}" if shown_unit else plain_number(value)

    column.shows, column.unit = field, unit  # type: ignore[attr-defined]
    return column


def status_chip(obj: Any, field: str = "status") -> SafeString:
    """Return a document's status as a chip with the words of its choices."""
    shown = getattr(obj, f"get_{field}_display", None)
    value = getattr(obj, field)
    label = str(shown() if shown else value)
    return chip(value, label=label[:1].upper() + label[1:])
