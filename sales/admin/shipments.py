"""Parcels in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from blb3d.core.admin import AdminVerb, DocumentAdmin, ReadOnlyInline
from sales import services as sales
from sales.admin.forms import ShipForm
from sales.models import Shipment, ShipmentLine


class ParcelLineInline(ReadOnlyInline):
    """What is in a parcel."""

    model = ShipmentLine
    fields = ("part", "quantity", "serial_numbers")
    verbose_name_plural = "inside"
    readonly_fields = ("part", "serial_numbers")
    show_change_link = False
    hide_title = True

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the lines with what is shown of them."""
        return super().get_queryset(request).select_related("sales_order_line__product").prefetch_related("serials")

    @display(description="part")
    def part(self, row: ShipmentLine) -> str:
        """Name the product, or what the shop calls it."""
        return str(row.sales_order_line.product or row.sales_order_line.name)

    @display(description="serial numbers")
    def serial_numbers(self, row: ShipmentLine) -> SafeString | str:
        """Link to which ones."""
        serials = [(reverse("admin:production_serialnumber_change", args=[s.pk]), s) for s in row.serials.all()]
        return format_html_join(", ", '<a class="text-link" href="{}">{}</a>', serials) or "–"


@admin.register(Shipment)
class ShipmentAdmin(DocumentAdmin):
    list_display = ("shipment_number", "sales_order", "status", "carrier", "tracking_number", "shipped_at")
    list_filter = ("status", "carrier", ("created_at", RangeDateTimeFilter))
    search_fields = ("shipment_number", "tracking_number", "sales_order__order_number")
    header_fields = ("sales_order", "carrier", "service", "tracking_number", "shipped_at", "delivered_at")
    fields = ("goes_to", "tracking_url", "cost")
    readonly_fields = ("goes_to", "tracking_url")
    inlines = (ParcelLineInline,)
    verbs = {
        "ship": AdminVerb(call=sales.ship_shipment, form_class=ShipForm),
        "deliver": AdminVerb(call=sales.deliver_shipment, label="Mark as delivered", style="primary"),
        "void": sales.void_shipment,
    }

    @display(description="goes to")
    def goes_to(self, parcel: Shipment) -> str:
        """Show the address as it is written on the parcel."""
        return parcel.sales_order.shipping_address.text() or "–"

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: a parcel is packed at its order."""
        return False
