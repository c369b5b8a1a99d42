"""Rows of any table, for tests of what every table's page must hold: only what the database asks for, and every key."""

from __future__ import annotations

import datetime
import itertools
from decimal import Decimal
from typing import Any

from django.db import models
from django.utils import timezone

_number = itertools.count(1)
_LATER = {"ends_at", "due_on"}


def make_row(model: type[models.Model], *, with_optional_keys: bool = False) -> Any:
    """Store and return a row with fresh rows behind its keys, the optional ones too when asked."""
    number = next(_number)
    values: dict[str, Any] = {}
    for field in model._meta.concrete_fields:
        if field.primary_key or field.generated:
            continue
        if field.is_relation:
            optional = field.null and not (with_optional_keys and field.editable and field.related_model is not model)
            if not optional:
                values[field.name] = make_row(field.related_model)  # type: ignore[arg-type]
        elif not field.has_default() and not field.null:
            values[field.name] = _value(field, number)
    row = model(**values)
    row.save()
    return row


def _value(field: Any, number: int) -> Any:
    if field.choices and not field.unique:
        return field.flatchoices[0][0]
    if isinstance(field, models.DateTimeField):
        return timezone.now() + datetime.timedelta(hours=field.name in _LATER)
    if isinstance(field, models.DateField):
        return timezone.localdate()
    if isinstance(field, models.TimeField):
        return datetime.time(number % 24)
    if isinstance(field, models.BooleanField):
        return False
    if isinstance(field, models.DecimalField):
        return Decimal(1)
    if isinstance(field, models.IntegerField):
        return number % 30000
    if isinstance(field, models.JSONField):
        return {}
    if isinstance(field, models.EmailField):
        return f"somebody{number}@example.com"
    if isinstance(field, models.GenericIPAddressField):
        return "192.0.2.1"
    return f"{field.name[:8]}{number}"[: field.max_length or 80]
