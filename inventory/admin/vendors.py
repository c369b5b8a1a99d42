"""Vendors and what they sell us, in the console."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any
from urllib.parse import urlencode

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from unfold.decorators import display
from unfold.forms import PaginationInlineFormSet

from blb3d.core.admin import AdminVerb, DocumentAdmin, DocumentInline, ReadOnlyInline
from blb3d.core.templatetags.blb3d_ui import plain_number
from inventory import services as inventory
from inventory.admin.units import UnitForm
from inventory.models import Vendor, VendorItem, VendorPrice
from inventory.selectors.units import to_stock
from inventory.selectors.vendor_performance import vendor_performance


class SoldInline(ReadOnlyInline):
    """What the vendor sells us."""

    model = VendorItem
    fields = ("product", "vendor_sku", "unit", "least", "lead_time_days", "is_preferred", "is_active")
    readonly_fields = ("least",)
    show_change_link = True
    verbose_name_plural = "what they sell us"

    @display(description="at least, in steps of")
    def least(self, item: VendorItem) -> str:
        """Show minimum and multiple."""
        return _least(item)


def _least(item: VendorItem) -> str:
    words = [plain_number(item.minimum_quantity) if item.minimum_quantity else "–"]
    if item.order_multiple:
        words.append(plain_number(item.order_multiple))
    return ", ".join(words)


@admin.register(Vendor)
class VendorAdmin(DocumentAdmin):
    list_display = ("code", "name", "email", "phone", "lead_time_days", "currency", "is_active")
    list_filter = ("is_active",)
    search_fields = ("code", "name", "email")
    header_fields = ("code", "email", "phone", "lead_time_days", "last_year")
    related_documents = ("purchase_orders", "bills", "lots")
    inlines = (SoldInline,)
    fields = (
        ("code", "name"),
        ("contact_name", "email"),
        ("phone", "our_account"),
        "address",
        ("currency", "payment_days"),
        ("lead_time_days", "is_active"),
        "quarantine_receipts",
        "notes",
    )

    @display(description="last 365 days")
    def last_year(self, vendor: Vendor) -> str:
        """Show in short how the vendor delivers."""
        today = timezone.localdate()
        since = today - datetime.timedelta(days=365)
        rows = vendor_performance(since, today, today=today, vendor_code=vendor.code)
        if not rows or rows[0].on_time_percent is None:
            return ""
        row = rows[0]
        words = [f"{row.on_time_percent} % on time"]
        if row.overdue:
            words.append(f"{row.overdue} overdue")
        if row.rejected_value:
            words.append(f"{row.rejected_percent} % refused")
        return ", ".join(words)

    def page_links(self, obj: Vendor) -> list[tuple[str, str]]:
        """Lead to how the vendor delivers."""
        return [("How they deliver", f"{reverse('console-vendors')}?{urlencode({'vendor': obj.code})}")]


class PricesFormSet(PaginationInlineFormSet):  # type: ignore[misc]
    """Prices in the vendor's currency: orders are written in it, and no price is converted."""

    def clean(self) -> None:
        """Refuse a price in another currency."""
        super().clean()
        if self.instance.vendor_id is None:
            return
        currency = self.instance.vendor.currency
        for form in self.forms:
            if form.has_changed() and form.cleaned_data.get("currency", currency) != currency:
                form.add_error("currency", f"This vendor sells in {currency}.")


class PriceInline(DocumentInline):
    """What an item costs from which quantity on; an old price is ended, not overwritten."""

    model = VendorPrice
    formset = PricesFormSet
    fields = ("minimum_quantity", "unit_price", "currency", "valid_from", "valid_to")
    show_change_link = False


class SoldUnitForm(UnitForm):
    """The terms of a product, in one of its units."""

    unit_field = "unit"


@admin.register(VendorItem)
class VendorItemAdmin(DocumentAdmin):
    form = SoldUnitForm
    list_display = ("product", "vendor", "vendor_sku", "unit", "least", "lead_time_days", "is_preferred", "is_active")
    list_filter = ("is_preferred", "is_active", "vendor")
    search_fields = ("vendor_sku", "product__sku", "product__name", "vendor__code", "vendor__name")
    header_fields = ("product", "vendor", "vendor_sku", "unit", "is_preferred")
    readonly_fields = ("is_preferred",)
    fields = (
        ("vendor", "product"),
        ("vendor_sku", "unit"),
        ("minimum_quantity", "order_multiple"),
        ("lead_time_days", "is_active"),
    )
    inlines = (PriceInline,)
    extra_verbs = (
        AdminVerb(
            name="prefer",
            label="Buy it here from now on",
            call=inventory.prefer_vendor_item,
            permission="inventory.change_vendoritem",
            visible=lambda item: item.is_active and not item.is_preferred,
        ),
    )

    @display(description="at least, in steps of")
    def least(self, item: VendorItem) -> str:
        """Show minimum and multiple."""
        return _least(item)

    def heading(self, obj: VendorItem) -> str:
        """Name product and vendor."""
        return f"{obj.product.sku} of {obj.vendor.name}"

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Keep whose and what it is."""
        return (*super().get_readonly_fields(request, obj), *(("vendor", "product") if obj is not None else ()))

    def save_model(self, request: HttpRequest, obj: VendorItem, form: Any, change: bool) -> None:
        """Save the terms; the unit must be one that the product can be received in."""
        to_stock(obj.product, Decimal(1), obj.unit)
        super().save_model(request, obj, form, change)
