"""How vendors deliver: a page with the days to look at."""

from __future__ import annotations

import datetime
from typing import Any

from django import forms
from django.contrib import admin
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_GET
from unfold import widgets

from blb3d.console.navigation import VENDORS, page_url
from inventory.selectors.vendor_performance import vendor_performance

#: So many days back it looks unless told otherwise.
DAYS = 365


class FilterForm(forms.Form):
    """Which days, and which vendor."""

    date_from = forms.DateField(required=False, label="From", widget=forms.DateInput(attrs={"type": "date"}))
    date_to = forms.DateField(required=False, label="To", widget=forms.DateInput(attrs={"type": "date"}))
    vendor = forms.CharField(required=False, max_length=40, label="Vendor (code)")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for field in self.fields.values():
            field.widget.attrs["class"] = " ".join(widgets.INPUT_CLASSES)

    def clean(self) -> dict[str, Any]:
        """Fill in the days that are not given, and refuse a beginning after the end."""
        given = super().clean() or {}
        given["date_to"] = given.get("date_to") or timezone.localdate()
        earliest = max(given["date_to"].toordinal() - DAYS, 1)
        given["date_from"] = given.get("date_from") or datetime.date.fromordinal(earliest)
        if given["date_from"] > given["date_to"]:
            raise forms.ValidationError("The first day is after the last.")
        return given


@require_GET
def vendors(request: HttpRequest) -> HttpResponse:
    """Show who delivers on time, what was refused, and how prices moved."""
    if not request.user.has_perms(VENDORS.permissions):  # type: ignore[union-attr]
        raise PermissionDenied
    today = timezone.localdate()
    # The days that are looked at when nobody says others stand in their fields.
    named = {name: value for name, value in request.GET.items() if value}
    until = {"date_to": today.isoformat(), "date_from": (today - datetime.timedelta(days=DAYS)).isoformat()}
    form = FilterForm(named if "date_from" in named or "date_to" in named else until | named)
    rows, given = [], {}
    if form.is_valid():
        given = form.cleaned_data
        found = vendor_performance(
            given["date_from"],
            given["date_to"],
            today=today,
            vendor_code=given["vendor"].strip(),
        )
        rows = [(row, page_url("inventory.Vendor", row.vendor.pk, request)) for row in found]
    context = {**admin.site.each_context(request), "title": VENDORS.title, "form": form, "rows": rows, "given": given}
    return TemplateResponse(request, "admin/console/vendors.html", context)


urlpatterns: list[URLPattern] = [path("admin/vendors/", admin.site.admin_view(vendors), name=VENDORS.url_name)]
