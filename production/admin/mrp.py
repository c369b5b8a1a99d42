"""Material planning in the console: forecasts by hand, firm orders, and the record of runs."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.contrib.filters.admin import RangeDateFilter, RangeDateTimeFilter

from blb3d.accounts.models import User
from blb3d.core.admin import AdminVerb, DocumentAdmin, LedgerAdmin, VerbForm
from blb3d.core.lifecycle import allow
from inventory.models import Vendor
from production.models import FirmOrder, Forecast, MRPRun, Replenish
from production.selectors.mrp_plan import release_permissions
from production.services import mrp


def _remove(forecast: Forecast, *, actor: User) -> HttpResponse:
    mrp.remove_forecast(forecast, actor=actor)
    return redirect("admin:production_forecast_changelist")


@admin.register(Forecast)
class ForecastAdmin(DocumentAdmin):
    list_display = ("product", "starts_on", "ends_on", "quantity", "notes")
    list_filter = (("starts_on", RangeDateFilter), ("ends_on", RangeDateFilter))
    search_fields = ("product__sku", "product__name", "notes")
    header_fields = ("product", "starts_on", "ends_on", "quantity")
    fields = ("product", ("starts_on", "ends_on"), "quantity", "notes")
    extra_verbs = (
        AdminVerb(
            name="remove",
            call=_remove,
            permission="production.delete_forecast",
            style="danger",
            confirm="Nothing is planned for it any more from the next run on.",
        ),
    )


class FirmForm(VerbForm):
    """What was decided, to be changed."""

    quantity = forms.DecimalField(min_value=Decimal("0.0001"), max_digits=14, decimal_places=4)
    due_on = forms.DateField(label="There by")
    vendor = forms.ModelChoiceField(
        Vendor.objects.filter(is_active=True).order_by("code"), required=False, empty_label="The usual one"
    )

    def prepare(self) -> None:
        """Start from what it is; what is made has no vendor."""
        order: Any = self.document
        for name in ("quantity", "due_on", "vendor"):
            self.fields[name].initial = getattr(order, name)
        if order.kind == Replenish.MAKE:
            del self.fields["vendor"]


def _release(order: FirmOrder, *, actor: User) -> Any:
    for permission in release_permissions([order.kind]):
        allow(actor, permission)
    released = mrp.release([order], actor=actor)
    return (released.production_orders or released.purchase_orders)[0]


@admin.register(FirmOrder)
class FirmOrderAdmin(DocumentAdmin):
    list_display = ("number", "kind", "product", "quantity", "start_on", "due_on", "vendor", "status", "why")
    list_filter = ("status", "kind", ("due_on", RangeDateFilter))
    search_fields = ("number", "product__sku", "product__name", "why")
    header_fields = ("kind", "product", "quantity", "start_on", "due_on", "vendor")
    related_documents = ("production_order", "purchase_order", "run")
    fields = (("number", "kind"), ("product", "quantity"), ("start_on", "due_on"), "vendor", "why")
    readonly_fields = ("number", "kind", "product", "quantity", "start_on", "due_on", "vendor", "why")
    verbs = {
        "release": AdminVerb(call=_release, style="primary"),
        "drop": mrp.drop,
    }
    extra_verbs = (
        AdminVerb(
            name="change",
            call=mrp.change_firm_order,
            permission="production.change_firmorder",
            form_class=FirmForm,
            visible=lambda order: order.status == FirmOrder.Status.FIRM,
        ),
    )

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: firm orders are made of planned ones."""
        return False


@admin.register(MRPRun)
class MRPRunAdmin(LedgerAdmin):
    list_display = (
        "number",
        "kind",
        "status",
        "cause",
        "started_at",
        "seconds",
        "planned_to_make",
        "planned_to_buy",
        "messages",
        "late",
        "error",
    )
    list_filter = ("status", "kind", ("started_at", RangeDateTimeFilter))
    search_fields = ("number", "cause", "error")
