"""The variance report: what orders cost against their quotes, as a page with filters and as CSV."""

from __future__ import annotations

import csv
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.conf import settings
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.views.decorators.http import require_GET
from unfold import widgets

from blb3d.console.navigation import VARIANCE, admin_of, page_url
from blb3d.core.admin.verbs import worded
from blb3d.core.errors import BLB3DError
from quotes.variance import Variance, VarianceFilter, VarianceReport, variance_report

#: How many orders the page shows; the file has all of them.
SHOWN = 500
HEADINGS = (
    "order",
    "completed",
    "product",
    "customer",
    "quote",
    "reckoned by",
    "units",
    "good",
    "expected material",
    "expected machine",
    "expected labour",
    "expected cost",
    "material",
    "machine",
    "labour",
    "cost",
    "of it failures",
    "over",
    "over percent",
    "price",
    "margin",
    "margin percent",
)


class FilterForm(forms.Form):
    """Which days, and narrowed to what."""

    date_from = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    date_to = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs={"type": "date"}))
    customer = forms.CharField(required=False, max_length=100)
    product = forms.CharField(required=False, max_length=100)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = " ".join(widgets.INPUT_CLASSES)

    def wanted(self) -> VarianceFilter:
        """Return what is asked for."""
        given = self.cleaned_data
        return VarianceFilter.of_days(
            given["date_from"], given["date_to"], customer=given["customer"], product=given["product"]
        )


@require_GET
def variance(request: HttpRequest) -> HttpResponse:
    """Show what finished orders cost, what was reckoned with, and the margin; ``?format=csv`` for a spreadsheet."""
    if not request.user.has_perms(VARIANCE.permissions):  # type: ignore[union-attr]
        raise PermissionDenied
    form = FilterForm(request.GET)
    report, wanted, refusal = None, None, ""
    if form.is_valid():
        try:
            wanted = form.wanted()
            report = variance_report(wanted)
        except BLB3DError as error:
            refusal = worded(error)
    if report is not None and wanted is not None and request.GET.get("format") == "csv":
        return _csv(report, wanted)
    asked = {name: value for name, value in request.GET.items() if name != "format"}
    may_open = admin_of("production.ProductionOrder", request) is not None
    shown = report.rows[:SHOWN] if report is not None else []
    context = {
        **admin.site.each_context(request),
        "title": VARIANCE.title,
        "form": form,
        "report": report,
        "rows": [
            (row, page_url("production.ProductionOrder", row.order_id, request) if may_open else "") for row in shown
        ],
        "left_out": len(report.rows) - len(shown) if report is not None else 0,
        "wanted": wanted,
        "currency": settings.CURRENCY,  # type: ignore[misc]
        "refusal": refusal,
        "csv_url": f"?{urlencode({**asked, 'format': 'csv'})}",
    }
    return TemplateResponse(request, "admin/console/variance.html", context)


def _csv(report: VarianceReport, wanted: VarianceFilter) -> HttpResponse:
    name = f"variance-{wanted.start}-{wanted.end}.csv"
    response = HttpResponse(
        content_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
    writer = csv.writer(response)
    writer.writerow(HEADINGS)
    for row in (*report.rows, report.total):
        writer.writerow(_cells(row))
    return response


def _cells(row: Variance) -> list[str]:
    texts = (row.code, row.completed, row.sku, row.customer, row.quote, row.basis)
    numbers = (
        row.units,
        row.good,
        *(
            side
            for cost in (row.expected, row.actual)
            for side in (cost.material, cost.machine, cost.labour, cost.total)
        ),
        row.failures,
        row.over,
        row.over_percent,
        row.price,
        row.margin,
        row.margin_percent,
    )
    return [*(_text(value) for value in texts), *("" if value is None else str(value) for value in numbers)]


def _text(value: Any) -> str:
    """Return a text that a spreadsheet takes for one: what begins like a formula is quoted."""
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


urlpatterns: list[URLPattern] = [path("admin/variance/", admin.site.admin_view(variance), name=VARIANCE.url_name)]
