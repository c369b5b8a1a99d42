"""Vendors and purchase orders in the console."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.http import HttpRequest

from blb3d.core.admin import AdminVerb, DocumentAdmin, DocumentInline
from inventory import services as inventory
from inventory.admin.forms import ReceiptForm
from inventory.models import PurchaseOrder, PurchaseOrderLine, Vendor


@admin.register(Vendor)
class VendorAdmin(DocumentAdmin):
    list_display = ("code", "name", "email", "phone", "lead_time_days", "is_active")
    list_filter = ("is_active",)
    search_fields = ("code", "name", "email")
    header_fields = ("code", "email", "phone", "lead_time_days")
    related_documents = ("purchase_orders", "lots")
    fields = (("code", "name"), ("email", "phone"), ("lead_time_days", "is_active"), "notes")


class PurchaseOrderLineInline(DocumentInline):
    """What is bought; edited while the order is a draft."""

    model = PurchaseOrderLine
    fields = ("line_number", "product", "quantity", "unit_of_measure", "unit_price", "quantity_received")
    readonly_fields = ("quantity_received",)
    show_change_link = False

    def _is_draft(self, obj: Any) -> bool:
        return obj is None or obj.status == PurchaseOrder.Status.DRAFT

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow new lines on a draft."""
        return self._is_draft(obj) and super().has_add_permission(request, obj)

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Allow changes on a draft."""
        return self._is_draft(obj) and super().has_change_permission(request, obj)


@admin.register(PurchaseOrder)
class PurchaseOrderAdmin(DocumentAdmin):
    list_display = ("po_number", "vendor", "status", "ordered_on", "expected_on", "created_at")
    list_filter = ("status",)
    search_fields = ("po_number", "vendor__code", "vendor__name")
    header_fields = ("vendor", "ordered_on", "expected_on", "currency")
    related_documents = ("vendor", "lots")
    readonly_fields = ("po_number", "ordered_on")
    fields = (("po_number", "vendor"), ("ordered_on", "expected_on", "currency"), "notes")
    inlines = (PurchaseOrderLineInline,)
    verbs = {
        "order": inventory.order_purchase,
        "receive": AdminVerb(call=inventory.receive_purchase, form_class=ReceiptForm, style="primary"),
        "close_short": inventory.close_purchase_short,
        "cancel": inventory.cancel_purchase,
    }

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep the vendor of an order that was sent."""
        sent = obj is not None and obj.status != PurchaseOrder.Status.DRAFT
        return (*super().get_readonly_fields(request, obj), *(("vendor", "currency") if sent else ()))

    def create(self, request: HttpRequest, obj: PurchaseOrder, form: Any) -> PurchaseOrder:
        """Write the draft under its number; the lines of the page follow."""
        return inventory.create_purchase_order(
            obj.vendor,
            expected_on=obj.expected_on,
            currency=obj.currency,
            notes=obj.notes,
            actor=request.user,  # type: ignore[arg-type]
        )
