"""Lines under a document's page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline

from blb3d.core.admin.keys import AutocompleteKeys
from blb3d.core.admin.reading import readings


class DocumentInline(AutocompleteKeys, TabularInline):
    """Lines that may be edited where the role may; keys are autocompletes, nothing is deleted, no empty rows."""

    extra = 0
    hide_title = True
    #: Relations that methods in ``fields`` read.
    list_related: ClassVar[Sequence[str]] = ()

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the lines with their keys joined, so that a page costs the same however many there are."""
        keys = [f.name for f in self.model._meta.fields if f.is_relation and f.name in (self.fields or ())]
        related = dict.fromkeys((*keys, *self.list_related))
        queryset: QuerySet[Any] = super().get_queryset(request)
        return queryset.select_related(*related) if related else queryset

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse: lines are closed by verbs. A plain table of settings may allow it in its own inline."""
        return False


class ReadOnlyInline(DocumentInline):
    """Lines that are shown, as people read them; verbs change them. Name what is shown in ``fields``.

    Where there are none, the page leaves the whole section out.
    """

    #: For the page's template.
    only_shown = True

    def get_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return the columns, numbers with their units and moments as clock times."""
        columns = readings(self.model)
        return [columns.get(name, name) for name in self.fields or ()]

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[Any, ...]:
        """Return what the app names and those columns."""
        return (*super().get_readonly_fields(request, obj), *readings(self.model).values())

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False
