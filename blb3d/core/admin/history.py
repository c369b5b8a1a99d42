"""History in the console: read, never put back."""

from __future__ import annotations

from typing import Any

from django.contrib.admin import helpers
from django.contrib.admin.utils import unquote
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.template.response import TemplateResponse
from simple_history.admin import SimpleHistoryAdmin
from unfold.forms import AdminForm, Fieldline

from blb3d.core.admin.timeline import history
from blb3d.core.documents import Document

HISTORY_SHOWN = 200


class HistoryAdmin(SimpleHistoryAdmin):
    """Mixin of an admin whose rows keep a history.

    simple-history lets whoever may look at a row post an old version back; that would pass by every verb and every
    permission, so it is refused here.
    """

    def revert_disabled(self, request: HttpRequest, obj: Any = None) -> bool:
        """Say yes."""
        return True

    def history_view(self, request: HttpRequest, object_id: str, extra_context: Any = None) -> HttpResponse:
        """Show who changed what of a document, from which value to which, and why."""
        if not issubclass(self.model, Document):
            return super().history_view(request, object_id, extra_context)  # type: ignore[no-any-return]
        document: Any = self.get_object(request, unquote(object_id))
        if document is None:
            raise Http404
        if not self.has_view_permission(request, document):
            raise PermissionDenied
        context = {
            **self.admin_site.each_context(request),
            "opts": self.model._meta,
            "original": document,
            "title": str(document),
            "entries": history(document, HISTORY_SHOWN),
            "most": HISTORY_SHOWN,
        }
        request.current_app = self.admin_site.name  # type: ignore[attr-defined]
        return TemplateResponse(request, "admin/document/history.html", context)

    def history_form_view(
        self, request: HttpRequest, object_id: str, version_id: str, extra_context: Any = None
    ) -> HttpResponseBase:
        """Show an old version."""
        if request.method != "GET":
            raise PermissionDenied
        # The console's own widgets for the form, as its base class does for a page.
        vars(helpers).update(AdminForm=AdminForm, Fieldline=Fieldline)
        return super().history_form_view(request, object_id, version_id, extra_context)  # type: ignore[no-any-return]
