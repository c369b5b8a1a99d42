"""Lines under a document's page."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest
from unfold.admin import TabularInline

from blb3d.core.admin.keys import AutocompleteKeys


class DocumentInline(AutocompleteKeys, TabularInline):
    """Lines that may be edited where the role may; keys are autocompletes, nothing is deleted, no empty rows."""

    extra = 0
    show_change_link = True

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
