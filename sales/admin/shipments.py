"""Parcels in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest
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
    readonly_fields = ("part", "serial_numbers")
    show_change_link = False
    hide_title = True

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the lines with what is shown of them."""
        return super().get_queryset(request).select_related("sales_order_line").prefetch_related("serials")

    @display(description="part")
    def part(self, row: ShipmentLine) -> str:
        """Show the order line's name."""
        return row.sales_order_line.name

    @display(description="serial numbers")
    def serial_numbers(self, row: ShipmentLine) -> str:
        """Show which ones."""
        return ", ".join(serial.serial_number for serial in row.serials.all()) or "–"


@admin.register(Shipment)
class ShipmentAdmin(DocumentAdmin):
    list_display = ("shipment_number", "sales_order", "status", "carrier", "tracking_number", "shipped_at")
    list_filter = ("status", "carrier", ("created_at", RangeDateTimeFilter))
    search_fields = ("shipment_number", "tracking_number", "sales_order__order_number")
    header_fields = ("sales_order", "carrier", "service", "tracking_number", "shipped_at", "delivered_at")
    related_documents = ("sales_order",)
    fields = ("sales_order", ("carrier", "service"), ("tracking_number", "tracking_url"), "cost")
    readonly_fields = ("sales_order", "carrier", "service", "tracking_number", "tracking_url")
    inlines = (ParcelLineInline,)
    verbs = {
        "ship": AdminVerb(call=sales.ship_shipment, form_class=ShipForm),
        "deliver": sales.deliver_shipment,
        "void": sales.void_shipment,
    }

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: a parcel is packed at its order."""
        return False
