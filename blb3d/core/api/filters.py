"""Filters that cost nothing when nobody asks for one."""

from __future__ import annotations

from functools import cache
from typing import Any, cast

from django.db.models import QuerySet
from django_filters.rest_framework import DjangoFilterBackend, FilterSet
from rest_framework.request import Request


class FilterBackend(DjangoFilterBackend):
    """django-filter, with each view's set of filters made once, and its form only for a call that names one."""

    def get_filterset_class(self, view: Any, queryset: QuerySet[Any] | None = None) -> type[FilterSet] | None:
        if queryset is None or getattr(view, "filterset_class", None) or not getattr(view, "filterset_fields", None):
            return super().get_filterset_class(view, queryset)
        return _filterset_class(cast(Any, queryset.model), tuple(view.filterset_fields))

    def filter_queryset(self, request: Request, queryset: QuerySet[Any], view: Any) -> QuerySet[Any]:
        filterset_class = self.get_filterset_class(view, queryset)
        if filterset_class is None or request.query_params.keys().isdisjoint(filterset_class.base_filters):
            return queryset
        return super().filter_queryset(request, queryset, view)


@cache
def _filterset_class(model: Any, names: tuple[str, ...]) -> type[FilterSet]:
    meta = type("Meta", (), {"model": model, "fields": names})
    return type(f"{model.__name__}FilterSet", (FilterSet,), {"Meta": meta})
