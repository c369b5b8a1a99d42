"""The yield report: a page with filters, and the same as CSV."""

from __future__ import annotations

import csv
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET
from unfold import widgets

from blb3d.console.navigation import YIELD
from blb3d.core.admin.verbs import worded
from blb3d.core.errors import BLB3DError
from inventory.models import Product
from production.models import DefectReason, Printer
from production.selectors.yields import COLUMNS, GROUPS, YieldFilter, YieldReport, yield_report


class FilterForm(forms.Form):
    """Which days, grouped by what, narrowed to what."""

    date_from = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    date_to = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs={"type": "date"}))
    by = forms.ChoiceField(choices=list(GROUPS.items()), required=False, label="By")
    printer = forms.ModelChoiceField(Printer.objects.order_by("name"), required=False, empty_label="All")
    material = forms.ModelChoiceField(
        Product.objects.filter(category=Product.Category.MATERIAL).order_by("sku"), required=False, empty_label="All"
    )
    product = forms.CharField(required=False, max_length=60, label="Product (SKU)")
    defect = forms.ModelChoiceField(
        DefectReason.objects.order_by("position", "name"), to_field_name="code", required=False, empty_label="All"
    )

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            is_choice = isinstance(field.widget, forms.Select)
            field.widget.attrs["class"] = " ".join(widgets.SELECT_CLASSES if is_choice else widgets.INPUT_CLASSES)

    def clean_product(self) -> Product | None:
        """Return the product of the SKU."""
        sku = str(self.cleaned_data["product"]).strip().upper()
        if not sku:
            return None
        found = Product.objects.filter(sku=sku).first()
        if found is None:
            raise forms.ValidationError("There is no such product.")
        return found

    def wanted(self) -> YieldFilter:
        """Return what is asked for."""
        given = self.cleaned_data
        return YieldFilter.of_days(
            given["date_from"],
            given["date_to"],
            by=given["by"] or "printer",
            printer_id=given["printer"].pk if given["printer"] else None,
            material_id=given["material"].pk if given["material"] else None,
            product_id=given["product"].pk if given["product"] else None,
            defect=given["defect"].code if given["defect"] else "",
        )


@require_GET
def yields(request: HttpRequest) -> HttpResponse:
    """Show what came out good, what was lost, why, and what that cost; ``?format=csv`` for a spreadsheet."""
    if not request.user.has_perms(YIELD.permissions):  # type: ignore[union-attr]
        raise PermissionDenied
    form = FilterForm(request.GET)
    report, wanted, refusal = None, None, ""
    if form.is_valid():
        try:
            wanted = form.wanted()
            report = yield_report(wanted)
        except BLB3DError as error:
            refusal = worded(error)
    if report is not None and wanted is not None and request.GET.get("format") == "csv":
        return _csv(report, wanted)
    asked = {name: value for name, value in request.GET.items() if name != "format"}
    context = {
        **admin.site.each_context(request),
        "title": YIELD.title,
        "form": form,
        "report": report,
        "wanted": wanted,
        "first": GROUPS[wanted.by] if wanted else "",
        "refusal": refusal,
        "csv_url": f"?{urlencode({**asked, 'format': 'csv'})}",
    }
    return TemplateResponse(request, "admin/console/yields.html", context)


def _csv(report: YieldReport, wanted: YieldFilter) -> HttpResponse:
    name = f"yield-by-{wanted.by}-{wanted.start}-{wanted.end}.csv"
    response = HttpResponse(
        content_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
    writer = csv.writer(response)
    writer.writerow([GROUPS[wanted.by].lower(), *(column.replace("_", " ") for column in COLUMNS[1:])])
    for row in (*report.rows, report.total):
        writer.writerow([_text(getattr(row, column)) for column in COLUMNS])
    return response


def _text(value: Any) -> str:
    """Return a text that a spreadsheet takes for one: what begins like a formula is quoted."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


urlpatterns: list[URLPattern] = [path("admin/yield/", admin.site.admin_view(yields), name=YIELD.url_name)]
