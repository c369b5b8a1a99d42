"""Lists without model instances: the columns that a serializer shows are read and written out directly.

Building two hundred model instances, and a serializer's fields for each, costs more than the database does. Here the
serializer is the description: it is looked at once, its fields become columns of one ``.values()`` and each answer is
a dictionary of them. A serializer that shows something that is neither a column, a method of its own nor rows under
it is used as it is, by instances.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from decimal import Decimal
from functools import cache
from typing import Any

from django.core.exceptions import FieldDoesNotExist
from django.db import models
from django.db.models import Prefetch, QuerySet
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

Convert = Callable[[Any], Any]
_TEXT = (models.CharField, models.TextField)
#: What these show is what the column holds.
_AS_IT_IS = (
    serializers.BooleanField,
    serializers.IntegerField,
    serializers.JSONField,
    serializers.ReadOnlyField,
    serializers.ChoiceField,
    serializers.ModelField,
)


class Row:
    """A row of a list for a serializer's methods: the columns that were read, and constants of the model."""

    __slots__ = ("_model", "_values")

    def __init__(self, model: type[models.Model], values: dict[str, Any]) -> None:
        """Show ``values`` as attributes."""
        self._model, self._values = model, values

    def __getattr__(self, name: str) -> Any:
        """Return a column, or what the model's class makes of columns: a property, its lifecycle, its statuses."""
        if name in self._values:
            return self._values[name]
        if name == "pk":
            return self._values["id"]
        found = getattr(self._model, name)
        if isinstance(found, property) and found.fget is not None:
            return found.fget(self)
        if hasattr(found, "__get__") and not isinstance(found, type):
            raise AttributeError(f"{name} is not read; name it in the serializer's Meta.reads")
        return found


@dataclass(frozen=True)
class _Below:
    """Rows under a row: shown under ``name``, found by the column ``key``."""

    name: str
    accessor: str
    key: str
    serializer_class: type[Any]
    plan: Plan


@dataclass(frozen=True)
class Plan:
    """How a serializer's rows are read and shown."""

    model: type[models.Model]
    #: Shown name, path of the column, how it is written, what stands for none.
    columns: tuple[tuple[str, str, Convert | None, Any], ...]
    methods: tuple[tuple[str, str], ...]
    #: Shown name and property of the model.
    properties: tuple[tuple[str, str], ...]
    below: tuple[_Below, ...]
    order: tuple[str, ...]
    reads: tuple[str, ...]

    def rows(self, queryset: QuerySet[Any], *more: str) -> QuerySet[Any, dict[str, Any]]:
        """Return the query that reads what is shown."""
        paths = dict.fromkeys(("id", *more, *self.reads, *(path for _, path, _, _ in self.columns)))
        return queryset.select_related(None).prefetch_related(None).values(*paths)

    def shown(self, rows: Iterable[dict[str, Any]], queryset: QuerySet[Any], serializer: Any) -> list[dict[str, Any]]:
        """Return rows as they are shown, with one query for each kind of rows below them."""
        rows = list(rows)
        methods = [(name, getattr(serializer, method)) for name, method in self.methods]
        below = [(part, _rows_below(part, rows, queryset, serializer)) for part in self.below]
        answer = []
        for row in rows:
            shown: dict[str, Any] = {}
            for name, path, convert, otherwise in self.columns:
                value = row[path]
                if value is None:
                    shown[name] = otherwise
                else:
                    shown[name] = value if convert is None else convert(value)
            for part, found in below:
                shown[part.name] = found[row["id"]]
            if methods or self.properties:
                source = Row(self.model, row)
                for name, method in methods:
                    shown[name] = method(source)
                for name, attribute in self.properties:
                    shown[name] = getattr(source, attribute)
            answer.append({name: shown[name] for name in self.order})
        return answer


def _rows_below(
    part: _Below, rows: list[dict[str, Any]], queryset: QuerySet[Any], serializer: Any
) -> dict[int, list[dict[str, Any]]]:
    """Return the shown rows under each of ``rows``, in the order that the query set's own prefetch gives them."""
    lookups = queryset._prefetch_related_lookups  # type: ignore[attr-defined]
    own = next((look for look in lookups if isinstance(look, Prefetch) and look.prefetch_to == part.accessor), None)
    found = own.queryset if own is not None and own.queryset is not None else part.plan.model._default_manager.all()
    read = list(part.plan.rows(found.filter(**{f"{part.key}__in": [row["id"] for row in rows]}), part.key))
    grouped: dict[int, list[dict[str, Any]]] = defaultdict(list)
    below = part.serializer_class(context=serializer.context)
    for row, shown in zip(read, part.plan.shown(read, found, below), strict=True):
        grouped[row[part.key]].append(shown)
    return grouped


@cache
def plan_of(serializer_class: Any, annotations: frozenset[str] = frozenset()) -> Plan | None:
    """Return how a serializer's lists are read, or None when it shows what only an instance can tell."""
    custom = serializer_class.to_representation is not serializers.Serializer.to_representation
    model = getattr(getattr(serializer_class, "Meta", None), "model", None)
    if custom or model is None:
        return None
    columns: list[tuple[str, str, Convert | None, Any]] = []
    methods: list[tuple[str, str]] = []
    properties: list[tuple[str, str]] = []
    below: list[_Below] = []
    fields = serializer_class().fields
    for name, field in fields.items():
        if field.write_only:
            continue
        if isinstance(field, serializers.SerializerMethodField):
            methods.append((name, str(field.method_name)))
        elif isinstance(field, serializers.ListSerializer):
            part = _below(model, name, field)
            if part is None:
                return None
            below.append(part)
        else:
            column = _column(model, field, annotations)
            if column is not None:
                columns.append((name, *column))
            elif _is_property(model, field):
                properties.append((name, str(field.source)))
            else:
                return None
    order = tuple(name for name, field in fields.items() if not field.write_only)
    reads = tuple(getattr(serializer_class.Meta, "reads", ()))
    return Plan(model, tuple(columns), tuple(methods), tuple(properties), tuple(below), order, reads)


def _is_property(model: type[models.Model], field: Any) -> bool:
    return isinstance(field, serializers.ReadOnlyField) and isinstance(getattr(model, field.source or "", 0), property)


def _below(model: type[models.Model], name: str, field: Any) -> _Below | None:
    relation = next((r for r in model._meta.related_objects if r.get_accessor_name() == field.source), None)
    child: Any = type(field.child)
    plan = plan_of(child)
    if relation is None or not relation.one_to_many or plan is None or plan.below:
        return None
    return _Below(name, field.source, relation.field.attname, child, plan)


def _column(
    model: type[models.Model], field: Any, annotations: frozenset[str]
) -> tuple[str, Convert | None, Any] | None:
    path = field.source.replace(".", "__")
    column = _column_at(model, path)
    if column is None and path not in annotations:
        return None
    if isinstance(field, serializers.PrimaryKeyRelatedField):
        path, convert = column.attname if column else path, None  # type: ignore[union-attr]
    else:
        convert = _convert(field, column)
    otherwise = field.default
    if otherwise is serializers.empty or callable(otherwise):
        otherwise = None
    return path, convert, otherwise


def _column_at(model: Any, path: str) -> Any:
    """Return the model's column at the end of a path over keys, or None."""
    column = None
    for part in path.split("__"):
        if model is None:
            return None
        try:
            column = model._meta.get_field(part)
        except FieldDoesNotExist:
            return None
        if not getattr(column, "concrete", False):
            return None
        model = column.related_model
    return column


def _convert(field: Any, column: Any) -> Convert | None:
    if isinstance(field, serializers.DecimalField):
        return _decimal(field)
    plain = isinstance(field, _AS_IT_IS) or (isinstance(field, serializers.CharField) and isinstance(column, _TEXT))
    return None if plain else field.to_representation


def _decimal(field: serializers.DecimalField) -> Convert:
    """Return how decimals are written: most come from the database with the places that are shown."""
    exponent = -field.decimal_places if field.decimal_places is not None else None

    def convert(value: Any) -> Any:
        if type(value) is Decimal and value.as_tuple().exponent == exponent:
            return str(value)
        return field.to_representation(value)

    return convert


class PlainListMixin:
    """For a view: its list is read and written by :func:`plan_of`; put it before DRF's own mixins."""

    def list_context(self, rows: list[Any]) -> dict[str, Any]:
        """Return the serializer's context for a page; override to look something up for all of its rows at once."""
        return self.get_serializer_context()  # type: ignore[attr-defined,no-any-return]

    # No docstring: the schema describes the list with the view's own.
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        view: Any = self
        queryset = view.filter_queryset(view.get_queryset())
        serializer_class = view.get_serializer_class()
        plan = plan_of(serializer_class, frozenset(queryset.query.annotations))
        if plan is None:
            page = view.paginate_queryset(queryset)
            return view.get_paginated_response(serializer_class(page, many=True, context=self.list_context(page)).data)
        rows = view.paginate_queryset(plan.rows(queryset))
        context = self.list_context([Row(plan.model, row) for row in rows])
        return view.get_paginated_response(plan.shown(rows, queryset, serializer_class(context=context)))
