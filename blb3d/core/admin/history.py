"""History in the console: read, never put back."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import helpers
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponseBase
from simple_history.admin import SimpleHistoryAdmin
from unfold.forms import AdminForm, Fieldline


class HistoryAdmin(SimpleHistoryAdmin):
    """Mixin of an admin whose rows keep a history.

    simple-history lets whoever may look at a row post an old version back; that would pass by every verb and every
    permission, so it is refused here.
    """

    def revert_disabled(self, request: HttpRequest, obj: Any = None) -> bool:
        """Say yes."""
        return True

    def history_form_view(
        self, request: HttpRequest, object_id: str, version_id: str, extra_context: Any = None
    ) -> HttpResponseBase:
        """Show an old version."""
        if request.method != "GET":
            raise PermissionDenied
        # The console's own widgets for the form, as its base class does for a page.
        vars(helpers).update(AdminForm=AdminForm, Fieldline=Fieldline)
        return super().history_form_view(request, object_id, version_id, extra_context)  # type: ignore[no-any-return]
