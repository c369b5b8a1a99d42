"""Rows for any table, made from its own fields: enough for lists, where only number and relations matter."""

from __future__ import annotations

import datetime
import math
import uuid
from decimal import Decimal
from itertools import islice
from typing import Any

from django.db import connection, models
from django.utils import timezone

#: How many different parents rows refer to, so that a query per row would be seen as one.
PARENTS = 25
BATCH = 1_000

Key = models.ForeignKey


def fill(model: type[models.Model], count: int, *, _busy: frozenset[type[models.Model]] = frozenset()) -> None:
    """Bring a table to ``count`` rows, or to as many as its constraints allow; the parents are made too."""
    rows = model._base_manager
    have = rows.count()
    missing = min(count, _most(model)) - have
    if missing <= 0:
        return
    parents: dict[str, list[Any]] = {}
    wanted: dict[str, int] = {}
    for field in _keys(model):
        target = field.remote_field.model
        wanted[field.name] = _parents_wanted(model, field, count)
        if target is not model and target not in _busy:
            fill(target, wanted[field.name], _busy=_busy | {model})
        keys = target._base_manager.order_by("-pk").values_list("pk", flat=True)
        if _alone_unique(model, field):
            keys = keys.exclude(pk__in=rows.exclude(**{field.attname: None}).values_list(field.attname, flat=True))
        parents[field.attname] = list(keys[: wanted[field.name]])
        if not field.null and not parents[field.attname]:
            raise ValueError(f"{model._meta.label}.{field.name}: no row to refer to")
    made = (_row(model, number, parents) for number in range(have, have + missing))
    while batch := list(islice(made, BATCH)):
        rows.bulk_create(batch)


def _keys(model: type[models.Model]) -> list[Any]:
    return [field for field in model._meta.local_fields if isinstance(field, Key)]


def _unique_sets(model: type[models.Model]) -> list[tuple[str, ...]]:
    constraints = [c.fields for c in model._meta.constraints if isinstance(c, models.UniqueConstraint)]
    return [tuple(fields) for fields in (*constraints, *((f.name,) for f in model._meta.local_fields if f.unique))]


def _alone_unique(model: type[models.Model], field: Any) -> bool:
    return (field.name,) in _unique_sets(model)


def _parents_wanted(model: type[models.Model], field: Any, count: int) -> int:
    """Return how many parents are needed, where keys alone must make rows different."""
    names = {key.name for key in _keys(model)}
    sets = [fields for fields in _unique_sets(model) if field.name in fields and names.issuperset(fields)]
    return max([PARENTS, *(math.ceil(count ** (1 / len(fields))) for fields in sets)])


def _most(model: type[models.Model]) -> float:
    """Return how many rows the table can hold: a unique field with choices limits it."""
    return min(
        (len(field.flatchoices) for field in model._meta.local_fields if field.unique and field.choices),
        default=math.inf,
    )


def _row(model: type[models.Model], number: int, parents: dict[str, list[Any]]) -> models.Model:
    values: dict[str, Any] = {}
    step = 1
    together = {name for fields in _unique_sets(model) if len(fields) > 1 for name in fields}
    for field in model._meta.local_fields:
        if field.generated or isinstance(field, models.AutoField):
            continue
        if isinstance(field, Key):
            choices = parents[field.attname]
            if choices:
                # Keys that must differ together count like the digits of a number.
                values[field.attname] = choices[number // step % len(choices)]
                step *= len(choices) if field.name in together else 1
        else:
            values[field.attname] = _value(model, field, number, field.name in together)
    return model(**values)


def _value(model: type[models.Model], field: Any, number: int, together: bool) -> Any:
    if field.choices:
        return field.flatchoices[number % len(field.flatchoices)][0] if field.unique else _chosen(model, field, number)
    if isinstance(field, models.UUIDField):
        return uuid.uuid4()
    if isinstance(field, models.BooleanField):
        # False keeps out of "one active per ..." constraints.
        return False if field.name in {"is_active", "is_default"} else bool(field.get_default())
    if isinstance(field, models.DateTimeField):
        later = field.name.startswith(("end", "expires"))
        return None if field.null else timezone.now() + datetime.timedelta(hours=later)
    if isinstance(field, models.DateField):
        return None if field.null else timezone.localdate()
    if field.unique or together:
        return _distinct(field, number)
    if field.null or field.has_default():
        return field.get_default()
    if isinstance(field, models.DecimalField):
        return Decimal(number % 9 + 1)
    if isinstance(field, models.IntegerField):
        return number % 30_000 + 1
    if isinstance(field, models.GenericIPAddressField):
        return "192.0.2.1"
    if isinstance(field, models.FileField):
        return ""
    return {} if isinstance(field, models.JSONField) else _distinct(field, number)


def _chosen(model: type[models.Model], field: Any, number: int) -> Any:
    """Return the status a row is in: every kind in turn, save those that a constraint makes exclusive."""
    conditions = " ".join(str(getattr(constraint, "condition", "")) for constraint in model._meta.constraints)
    free = [value for value, _ in field.flatchoices if repr(str(value)) not in conditions]
    return free[number % len(free)]


def _distinct(field: Any, number: int) -> Any:
    if isinstance(field, models.IntegerField | models.DecimalField):
        return number + 1
    if isinstance(field, models.EmailField):
        return f"row{number}@example.com"
    return f"row-{number}"[: None if field.unique else field.max_length]


def multiply(model: type[models.Model], count: int, *, spread: str = "") -> None:
    """Bring a filled table to about ``count`` rows by copying them inside the database; PostgreSQL only.

    Copies refer to the rows that the first ones refer to; the key named by ``spread`` refers to each row of its table
    in turn, for a table that was multiplied before.
    """
    quote = connection.ops.quote_name
    table, key = quote(model._meta.db_table), quote(model._meta.pk.column)  # type: ignore[union-attr]
    have = model._base_manager.count()
    distinct = {name for fields in _unique_sets(model) for name in fields}
    columns, values = [], []
    for field in model._meta.local_concrete_fields:
        if field.generated or isinstance(field, models.AutoField):
            continue
        column = value = quote(field.column)
        if field.name == spread:
            parents = field.remote_field.model._base_manager.aggregate(first=models.Min("pk"), all=models.Count("pk"))
            value = f"{parents['first']} + mod((copy - 1) * {have} + {key}, {parents['all']})"
        elif isinstance(field, models.UUIDField):
            value = "gen_random_uuid()"
        elif field.name in distinct and isinstance(field, models.CharField) and not field.choices:
            value = f"'copy-' || copy || '-' || {key}"
        elif field.name in distinct and isinstance(field, models.IntegerField):
            value = f"{column} + copy * {have}"
        columns.append(column)
        values.append(value)
    with connection.cursor() as cursor:
        # The copies' keys are right because the first ones' are; to look each of them up takes most of the time.
        cursor.execute("SET session_replication_role = replica")
        cursor.execute(
            f"INSERT INTO {table} ({', '.join(columns)}) SELECT {', '.join(values)} "  # noqa: S608
            f"FROM {table} CROSS JOIN generate_series(1, %s) AS copy",
            [count // have - 1],
        )
        cursor.execute("SET session_replication_role = origin")
        cursor.execute(f"VACUUM ANALYZE {table}")
