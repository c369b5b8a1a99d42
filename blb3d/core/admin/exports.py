"""Lists as files: every list of the console, filtered and searched as shown, all of its rows."""

from __future__ import annotations

import logging
import tempfile
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.admin.options import IncorrectLookupParameters
from django.contrib.admin.utils import label_for_field, lookup_field
from django.core.exceptions import FieldDoesNotExist, ObjectDoesNotExist, PermissionDenied
from django.db import models
from django.http import FileResponse, Http404, HttpRequest, HttpResponseBase, HttpResponseNotAllowed
from django.http import StreamingHttpResponse as Stream
from django.shortcuts import redirect
from django.urls import path, reverse
from django.utils import timezone

from blb3d.core.admin.reading import NOTHING, is_money, is_quantity, labelled, unit_of
from blb3d.core.admin.verbs import worded
from blb3d.core.tables import csv_lines, write_xlsx
from blb3d.core.tables.errors import ExportTooLarge

#: Rows that are fetched at a time, and what belongs to them with them.
CHUNK = 2000
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"
#: Kept in memory up to here, on disk above.
_SPOOLED_BYTES = 5 * 1024 * 1024

audit = logging.getLogger("audit")


class ExportAdmin:
    """Mixin of an admin whose list can be had as CSV and XLSX: the columns that it shows, and nothing else."""

    change_list_template = "admin/document/change_list.html"

    def get_urls(self) -> list[Any]:
        """Return the pages with the files of the list, ``export/csv/`` and ``export/xlsx/``."""
        opts = self.model._meta  # type: ignore[attr-defined]
        door = path(
            "export/<slug:kind>/",
            self.admin_site.admin_view(self.export_view),  # type: ignore[attr-defined]
            name=f"{opts.app_label}_{opts.model_name}_export",
        )
        return [door, *super().get_urls()]  # type: ignore[misc]

    def export_view(self, request: HttpRequest, kind: str) -> HttpResponseBase:
        """Send the list as a file; one that is too long is refused on the list itself."""
        if request.method not in {"GET", "HEAD"}:
            return HttpResponseNotAllowed(["GET", "HEAD"])
        if kind not in {"csv", "xlsx"}:
            raise Http404
        if not self.has_view_permission(request):  # type: ignore[attr-defined]
            raise PermissionDenied
        opts = self.model._meta  # type: ignore[attr-defined]
        back = reverse(f"{self.admin_site.name}:{opts.app_label}_{opts.model_name}_changelist")  # type: ignore[attr-defined]
        try:
            shown = self.get_changelist_instance(request)  # type: ignore[attr-defined]
        except IncorrectLookupParameters:
            return redirect(f"{back}?e=1")
        most = settings.EXPORT_MAX_ROWS  # type: ignore[misc]
        if shown.result_count > most:
            error = ExportTooLarge(
                f"The list has {shown.result_count:,} rows; an export holds at most {most:,}. Please filter it first."
            )
            self.message_user(request, worded(error), messages.ERROR)  # type: ignore[attr-defined]
            asked = request.GET.urlencode()
            return redirect(f"{back}?{asked}" if asked else back)
        audit.info(
            "exported",
            extra={
                "event": f"{opts.label_lower}.exported",
                "actor_id": request.user.pk,
                "actor": str(getattr(request.user, "email", "")),
                "subject": opts.label_lower,
                "result": f"{shown.result_count} rows as {kind}",
                "reason": request.GET.urlencode()[:500],
            },
        )
        columns = [name for name in shown.list_display if name != "action_checkbox"]
        rows = self._export_rows(shown.queryset, columns)
        name = f"{opts.verbose_name_plural}-{timezone.localdate()}.{kind}".replace(" ", "-")
        if kind == "csv":
            headers = {"Content-Disposition": f'attachment; filename="{name}"'}
            return Stream(csv_lines(rows), content_type="text/csv; charset=utf-8", headers=headers)
        file = tempfile.SpooledTemporaryFile(max_size=_SPOOLED_BYTES)  # noqa: SIM115  (the response closes it)
        write_xlsx(rows, file, title=str(opts.verbose_name_plural))
        return FileResponse(file, as_attachment=True, filename=name, content_type=XLSX)

    def _export_rows(self, queryset: models.QuerySet[Any], columns: Sequence[Any]) -> Iterator[list[Any]]:
        told = [self._export_column(name) for name in columns]
        fields = [field for _, field, _ in told if field is not None]
        heads, readers = [head for head, _, _ in told], [read for _, _, read in told]
        model = self.model  # type: ignore[attr-defined]
        # What a number is of is lost without these: the list shows them beside it.
        known = {field.name for field in model._meta.concrete_fields}
        if known & {"product", "unit_of_measure"} and any(is_quantity(field) for field in fields):
            heads.append("Unit")
            readers.append(unit_of)
        if "currency" in known and "currency" not in columns and any(is_money(field) for field in fields):
            heads.append("Currency")
            readers.append(lambda row: row.currency)
        yield heads
        for row in queryset.iterator(chunk_size=CHUNK):
            yield [read(row) for read in readers]

    def _export_column(self, name: Any) -> tuple[str, Any, Callable[[Any], Any]]:
        """Return a column's heading, the field that it shows, and what reads it of a row.

        The stored value is read where a column shows one field, else its words.
        """
        model = self.model  # type: ignore[attr-defined]
        label = labelled(label_for_field(name, model, self))  # type: ignore[call-overload]
        heading = label[:1].upper() + label[1:]
        column = getattr(self, name, name) if isinstance(name, str) else name
        shown = getattr(column, "reads", None) or getattr(column, "shows", None)
        if shown is not None:
            unit = getattr(column, "unit", "")
            words = f"{heading} ({unit})" if unit and not hasattr(model, unit) and unit not in heading else heading
            try:
                field = model._meta.get_field(shown)
            except FieldDoesNotExist:
                # A figure that the list's query works out.
                return words, None, lambda row: getattr(row, shown)
            return words, field, _stored(field)

        def look(row: Any) -> Any:
            try:
                field, _, value = lookup_field(name, row, self)  # type: ignore[arg-type]
            except ObjectDoesNotExist:
                return None
            if field is not None and field.remote_field is None and field.choices:
                return _words(row, field)
            return None if value in (NOTHING, "") else value

        return heading, None, look


def _stored(field: Any) -> Callable[[Any], Any]:
    if field.choices:
        return lambda row: _words(row, field)
    return lambda row: getattr(row, field.attname)


def _words(row: Any, field: Any) -> str | None:
    words = str(getattr(row, f"get_{field.name}_display")() or "")
    return words[:1].upper() + words[1:] or None
