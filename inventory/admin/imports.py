"""Imported tables in the console: what each would do, every error of it, and taking it."""

from __future__ import annotations

import json
from typing import Any

from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.urls import path, reverse
from unfold.contrib.filters.admin import RangeDateTimeFilter

from blb3d.core.admin import AdminVerb
from blb3d.core.tables import write_csv
from inventory.admin.catalogue import WrittenByVerbs
from inventory.models import ImportBatch, ImportContent
from inventory.services import imports

#: Errors and changes that the page shows; the file has all errors.
SHOWN = 200


def _is_open(batch: ImportBatch) -> bool:
    return batch.status == ImportBatch.Status.PREVIEWED


def _can_apply(batch: ImportBatch) -> bool:
    return _is_open(batch) and not batch.error_count and bool(batch.new_count + batch.changed_count)


@admin.register(ImportBatch)
class ImportBatchAdmin(WrittenByVerbs):
    change_form_template = "admin/imports/batch.html"
    list_display = ("file_name", "kind", "status", "row_count", "new_count", "changed_count", "error_count",
                    "created_by", "created_at")  # fmt: skip
    list_filter = ("status", "kind", ("created_at", RangeDateTimeFilter))
    search_fields = ("file_name", "sha256")
    header_fields = ("kind", "row_count", "new_count", "changed_count", "unchanged_count", "error_count",
                     "applied_at", "applied_by")  # fmt: skip
    fields = ("sha256",)
    verbs = {
        "apply": AdminVerb(call=imports.apply_import, visible=_can_apply),
        "discard": AdminVerb(call=imports.discard_import, visible=_is_open),
    }
    extra_verbs = (
        AdminVerb(
            name="check",
            label="Check again",
            call=imports.check_import,
            permission="inventory.apply_importbatch",
            visible=_is_open,
        ),
    )

    def heading(self, obj: ImportBatch) -> str:
        """Name the import by its file."""
        return obj.file_name

    def page_links(self, obj: ImportBatch) -> list[tuple[str, str]]:
        """Lead to the errors as a file, and to another upload."""
        links = [("Another file", reverse("console-imports"))]
        if obj.error_count:
            links.insert(0, ("Errors as CSV", reverse("admin:inventory_importbatch_errors", args=[obj.pk])))
        return links

    def document_page(self, request: HttpRequest, obj: ImportBatch) -> dict[str, Any]:
        """Return what stands around the page, with what was found in the table."""
        found = self._found(obj)
        kind = imports.KINDS.get(obj.kind)
        errors, changes = found.get("errors", []), found.get("changes", [])
        changed = [change for change in changes if not change[2]]
        new = [change for change in changes if change[2]]
        preview = {
            "notes": found.get("notes", []),
            "errors": errors[:SHOWN],
            "errors_left_out": max(0, len(errors) - SHOWN),
            "changed": changed[:SHOWN],
            "changed_left_out": max(0, len(changed) - SHOWN),
            "new": new[:SHOWN],
            "new_left_out": max(0, len(new) - SHOWN),
            "nouns": kind.nouns if kind else obj.kind,
            "is_open": _is_open(obj),
        }
        return {**super().document_page(request, obj), "preview": preview}

    def _found(self, obj: ImportBatch) -> dict[str, Any]:
        findings = ImportContent.objects.filter(batch=obj).values_list("findings", flat=True).first()
        return json.loads(findings) if findings else {}

    def get_urls(self) -> list[Any]:
        """Return the pages with the errors as a file."""
        door = path(
            "<int:pk>/errors.csv",
            self.admin_site.admin_view(self.errors_view),
            name="inventory_importbatch_errors",
        )
        return [door, *super().get_urls()]

    def errors_view(self, request: HttpRequest, pk: int) -> HttpResponse:
        """Send every error of an import."""
        batch = self.get_object(request, str(pk))
        if batch is None:
            raise Http404
        if not self.has_view_permission(request, batch):
            raise PermissionDenied
        rows = [["row", "column", "error"], *self._found(batch).get("errors", [])]
        headers = {"Content-Disposition": f'attachment; filename="import-{pk}-errors.csv"'}
        return HttpResponse(write_csv(rows), content_type="text/csv; charset=utf-8", headers=headers)
