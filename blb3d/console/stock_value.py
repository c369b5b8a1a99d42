"""What stock was worth on any day: a page with a date, and the same as CSV."""

from __future__ import annotations

import csv
import datetime
from collections.abc import Iterator
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_GET
from unfold import widgets

from blb3d.console.navigation import STOCK_REPORTS, STOCK_VALUE
from inventory.models.periods import midnight
from inventory.selectors import Worth, valuation

#: What a person may group by -> what the ledger is grouped by.
BY = {
    "product": ("Product", ("product",)),
    "location": ("Location", ("location",)),
    "category": ("Category", ("category",)),
    "lot": ("Product and lot", ("product", "lot")),
    "all": ("Product, location and lot", ("product", "location", "lot")),
}
#: Column of a row -> its head, in the order of the page.
COLUMNS = {
    "sku": "Product",
    "name": "Name",
    "category": "Category",
    "location": "Location",
    "lot_number": "Lot",
    "quantity": "Quantity",
    "unit": "Unit",
    "unit_cost": "Cost per unit",
    "value": "Value",
}
_OF_GROUP = {
    "product": ("sku", "name", "quantity", "unit", "unit_cost"),
    "location": ("location",),
    "category": ("category",),
    "lot": ("lot_number",),
}
ROWS_PER_PAGE = 200


class ValueForm(forms.Form):
    """The end of which day, grouped by what."""

    on = forms.DateField(required=False, label="End of", widget=forms.DateInput(attrs={"type": "date"}))
    by = forms.ChoiceField(choices=[(name, title) for name, (title, _) in BY.items()], required=False, label="By")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            is_choice = isinstance(field.widget, forms.Select)
            field.widget.attrs["class"] = " ".join(widgets.SELECT_CLASSES if is_choice else widgets.INPUT_CLASSES)

    def clean_on(self) -> datetime.date | None:
        """Refuse a day that has not come."""
        on: datetime.date | None = self.cleaned_data["on"]
        if on is not None and on > timezone.localdate():
            raise forms.ValidationError("This day has not come yet.")
        return on


def columns_of(by: str) -> list[str]:
    """Return the columns that rows of a grouping have, in the order of the page."""
    shown = {column for group in BY[by][1] for column in _OF_GROUP[group]} | {"value"}
    return [column for column in COLUMNS if column in shown]


@require_GET
def stock_value(request: HttpRequest) -> HttpResponse:
    """Show what stock was worth at the end of a day, from the ledger; ``?format=csv`` for a spreadsheet."""
    if not request.user.has_perms(STOCK_VALUE.permissions):  # type: ignore[union-attr]
        raise PermissionDenied
    form = ValueForm(request.GET)
    context: dict[str, Any] = {**admin.site.each_context(request), "title": STOCK_VALUE.title, "form": form}
    if request.user.has_perms(STOCK_REPORTS.permissions):  # type: ignore[union-attr]
        context["reports_page"] = STOCK_REPORTS.url_name
    if form.is_valid():
        by, on = form.cleaned_data["by"] or "product", form.cleaned_data["on"]
        is_past = on is not None and on < timezone.localdate()
        rows = valuation(midnight(on + datetime.timedelta(days=1)) if is_past else None, by=BY[by][1])
        columns = columns_of(by)
        if request.GET.get("format") == "csv":
            return _csv(rows, columns, f"stock-value-{on or timezone.localdate()}-by-{by}.csv")
        asked = {name: value for name, value in request.GET.items() if name not in {"format", "page"}}
        page = Paginator(rows, ROWS_PER_PAGE).get_page(request.GET.get("page"))
        context |= {
            "on": on if is_past else None,
            "columns": [(COLUMNS[column], column in _NUMBERS) for column in columns],
            "rows": [list(_cells(row, columns)) for row in page],
            "page": page,
            "count": len(rows),
            "total": sum((row.value for row in rows), Decimal(0)),
            "csv_url": f"?{urlencode({**asked, 'format': 'csv'})}",
            "page_url": f"?{urlencode(asked)}&" if asked else "?",
        }
    return TemplateResponse(request, "admin/console/stock_value.html", context)


_NUMBERS = {"quantity", "unit_cost", "value"}


def _cells(row: Worth, columns: list[str]) -> Iterator[tuple[str, str, Any]]:
    for column in columns:
        value = getattr(row, column)
        yield column, COLUMNS[column], "without a lot" if column == "lot_number" and value is None else value


def _csv(rows: list[Worth], columns: list[str], name: str) -> HttpResponse:
    response = HttpResponse(
        content_type="text/csv; charset=utf-8", headers={"Content-Disposition": f'attachment; filename="{name}"'}
    )
    writer = csv.writer(response)
    writer.writerow([COLUMNS[column].lower() for column in columns])
    writer.writerows([_text(getattr(row, column)) for column in columns] for row in rows)
    return response


def _text(value: Any) -> str:
    """Return a text that a spreadsheet takes for one: what begins like a formula is quoted."""
    if isinstance(value, Decimal):
        return str(value)
    text = "" if value is None else str(value)
    return f"'{text}" if text[:1] in ("=", "+", "-", "@", "\t", "\r") else text


urlpatterns: list[URLPattern] = [
    path("admin/stock-value/", admin.site.admin_view(stock_value), name=STOCK_VALUE.url_name)
]
