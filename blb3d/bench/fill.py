"""Rows for any table, made from its own fields: enough for lists, where only number and relations matter."""

from __future__ import annotations

import datetime
import uuid
from decimal import Decimal
from typing import Any

from django.db import models
from django.utils import timezone

#: How many different parents rows refer to, so that a query per row would be seen as one.
PARENTS = 25


def fill(model: type[models.Model], count: int, *, _busy: frozenset[type[models.Model]] = frozenset()) -> None:
    """Bring a table to at least ``count`` rows; required parents are made too."""
    have = model._base_manager.count()
    if have >= count:
        return
    parents: dict[str, list[Any]] = {}
    for field in model._meta.local_fields:
        if isinstance(field, models.ForeignKey):
            target = field.remote_field.model
            own = target is model or target in _busy
            if own and field.null:
                continue
            wanted = count if isinstance(field, models.OneToOneField) else PARENTS
            fill(target, wanted, _busy=_busy | {model})
            keys = target._base_manager.order_by("pk").values_list("pk", flat=True)
            taken = set()
            if isinstance(field, models.OneToOneField):
                taken = set(model._base_manager.values_list(field.attname, flat=True))
            parents[field.attname] = [key for key in keys[: wanted + len(taken)] if key not in taken]
    model._base_manager.bulk_create(
        [_row(model, number, parents, number - have) for number in range(have, count)], batch_size=500
    )


def _row(model: type[models.Model], number: int, parents: dict[str, list[Any]], offset: int) -> models.Model:
    values: dict[str, Any] = {}
    for field in model._meta.local_fields:
        if field.generated or isinstance(field, models.AutoField):
            continue
        if isinstance(field, models.ForeignKey):
            choices = parents.get(field.attname)
            if choices:
                values[field.attname] = choices[offset % len(choices)]
            continue
        values[field.attname] = _value(model, field, number)
    return model(**values)


def _value(model: type[models.Model], field: Any, number: int) -> Any:
    in_constraint = any(field.name in getattr(constraint, "fields", ()) for constraint in model._meta.constraints)
    if isinstance(field, models.UUIDField):
        return uuid.uuid4()
    if isinstance(field, models.BooleanField):
        # False keeps out of "one active per ..." constraints.
        return False if in_constraint or "default" in field.name else field.get_default()
    if isinstance(field, models.EmailField):
        return f"row{number}@example.com"
    if isinstance(field, models.CharField) and field.choices:
        return field.get_default() or field.flatchoices[0][0]
    if isinstance(field, models.FileField):
        return ""
    if isinstance(field, models.CharField | models.TextField):
        if field.unique or in_constraint:
            return f"{model._meta.model_name[:6]}-{number}"[-(field.max_length or 50) :]
        return field.get_default() or (f"text {number}"[: field.max_length or 50])
    if isinstance(field, models.DateTimeField):
        later = field.name.startswith(("end", "expires"))
        return None if field.null else timezone.now() + datetime.timedelta(minutes=number + (1 if later else 0))
    if isinstance(field, models.DateField):
        return None if field.null else timezone.localdate()
    if isinstance(field, models.DecimalField):
        return None if field.null else field.get_default() if field.has_default() else Decimal(number % 90 + 1)
    if isinstance(field, models.JSONField):
        return field.get_default()
    if isinstance(field, models.IntegerField):
        if field.choices:
            return field.get_default() or field.flatchoices[0][0]
        if in_constraint or not field.has_default():
            return None if field.null and not in_constraint else number + 1
        return field.get_default()
    return field.get_default()
