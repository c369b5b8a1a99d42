"""Lines under a document's page."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import TabularInline

from blb3d.core.admin.keys import AutocompleteKeys


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
    """Lines that are shown; verbs change them. Name what is shown in ``fields``."""

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Refuse."""
        return False
