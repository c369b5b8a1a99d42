"""The page where tables are brought in: products, bills of materials, opening stock, vendors."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path, reverse
from django.views.decorators.http import require_GET, require_POST
from unfold import widgets

from blb3d.console.navigation import IMPORTS, list_url
from blb3d.core.admin.exports import XLSX
from blb3d.core.admin.verbs import worded
from blb3d.core.errors import BLB3DError
from blb3d.core.tables import read_table, write_csv, write_xlsx
from blb3d.core.uploads import refuse_oversized
from inventory.models import ImportBatch
from inventory.services import imports

LATEST = 10


class UploadForm(forms.Form):
    """A file with a table."""

    file = forms.FileField(
        label="CSV or XLSX",
        validators=[refuse_oversized],
        widget=forms.FileInput(attrs={"accept": ".csv,.txt,.tsv,.xlsx", "class": " ".join(widgets.INPUT_CLASSES)}),
    )


def _check(request: HttpRequest) -> None:
    if not request.user.has_perms(IMPORTS.permissions):  # type: ignore[union-attr]
        raise PermissionDenied


def _kind(request: HttpRequest, name: str) -> imports.Kind:
    _check(request)
    if name not in imports.KINDS:
        raise Http404
    if not imports.may_import(name, request.user):
        raise PermissionDenied
    return imports.KINDS[name]


@require_GET
def overview(request: HttpRequest) -> HttpResponse:
    """Show what may be imported, with columns and templates, and the latest imports."""
    _check(request)
    kinds = [kind for name, kind in imports.KINDS.items() if imports.may_import(name, request.user)]
    batches = ImportBatch.objects.select_related("created_by").order_by("-pk")[:LATEST]
    context = {
        **admin.site.each_context(request),
        "title": IMPORTS.title,
        "kinds": [(kind, UploadForm(auto_id=f"{kind.value}_%s"), kind.columns()) for kind in kinds],
        "batches": [(batch, reverse("admin:inventory_importbatch_change", args=[batch.pk])) for batch in batches]
        if request.user.has_perm("inventory.view_importbatch")  # type: ignore[union-attr]
        else [],
        "list_url": list_url("inventory.ImportBatch"),
        "most": settings.IMPORT_MAX_ROWS,  # type: ignore[misc]
    }
    return TemplateResponse(request, "admin/console/imports.html", context)


@require_POST
def upload(request: HttpRequest, kind: str) -> HttpResponse:
    """Take a file in and lead to what it would do; nothing else is written."""
    _kind(request, kind)
    form = UploadForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, " ".join(map(str, form.errors["file"])))
        return redirect("console-imports")
    file = form.cleaned_data["file"]
    try:
        table = read_table(file.name, file.read())
        batch = imports.preview_import(table, kind=kind, actor=request.user)  # type: ignore[arg-type]
    except BLB3DError as refusal:
        messages.error(request, worded(refusal))
        return redirect("console-imports")
    return redirect("admin:inventory_importbatch_change", batch.pk)


@require_GET
def template(request: HttpRequest, kind: str, ending: str) -> HttpResponseBase:
    """Send an empty table with the headings of a kind."""
    rows = [[column.name for column in _kind(request, kind).columns()]]
    name = f"{kind}.{ending}"
    if ending == "xlsx":
        return FileResponse(write_xlsx(rows, title=kind), as_attachment=True, filename=name, content_type=XLSX)
    headers: dict[str, Any] = {"Content-Disposition": f'attachment; filename="{name}"'}
    return HttpResponse(write_csv(rows), content_type="text/csv; charset=utf-8", headers=headers)


urlpatterns: list[URLPattern] = [
    path("admin/imports/", admin.site.admin_view(overview), name=IMPORTS.url_name),
    path("admin/imports/<slug:kind>/", admin.site.admin_view(upload), name="console-imports-upload"),
    path(
        "admin/imports/<slug:kind>/template.csv",
        admin.site.admin_view(template),
        {"ending": "csv"},
        name="console-imports-csv",
    ),
    path(
        "admin/imports/<slug:kind>/template.xlsx",
        admin.site.admin_view(template),
        {"ending": "xlsx"},
        name="console-imports-xlsx",
    ),
]
