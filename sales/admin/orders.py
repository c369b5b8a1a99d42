"""Sales orders in the console; one by hand goes through the same door as every other."""

from __future__ import annotations

from typing import Any

from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.utils.html import format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display

from blb3d.accounts.models import User
from blb3d.core.admin import (
    AdminVerb,
    DocumentAdmin,
    DocumentInline,
    ReadOnlyInline,
    chip_column,
    money_column,
)
from inventory.models import Product
from sales import selectors
from sales import services as sales
from sales.admin.forms import (
    AddressForm,
    MapForm,
    NewLineForm,
    NewOrderForm,
    PackForm,
    PaymentForm,
    RefundForm,
    unmapped_lines,
)
from sales.models import ADDRESS_COLUMNS, SalesOrder, SalesOrderLine

Status = SalesOrder.Status
_OPEN = (Status.PENDING, Status.CONFIRMED, Status.IN_PRODUCTION, Status.QUALITY_CHECK, Status.ON_HOLD)
_AMOUNTS = ("subtotal", "discount_total", "shipping_total", "tax_total", "grand_total", "amount_paid")
_ADDRESS = tuple(f"shipping_{column}" for column in ADDRESS_COLUMNS.values())


class NewLineInline(DocumentInline):
    """Lines of an order that is being taken."""

    model = SalesOrderLine
    form = NewLineForm
    fields = ("product", "quantity", "unit_price")
    extra = 3
    show_change_link = False
    verbose_name = "line"


class LineInline(ReadOnlyInline):
    """Lines of an order."""

    model = SalesOrderLine
    fields = ("line_number", "product", "name", "chosen", "supply", "quantity", "quantity_shipped", "price", "amount")
    readonly_fields = ("chosen", "price", "amount")
    show_change_link = False
    hide_title = True
    verbose_name_plural = "lines"
    price = money_column("unit_price", "each", currency="")
    amount = money_column("total", "total", currency="")

    def get_queryset(self, request: HttpRequest) -> Any:
        """Return the lines with their products."""
        return super().get_queryset(request).select_related("product")

    @display(description="options")
    def chosen(self, line: SalesOrderLine) -> SafeString | str:
        """Show what the buyer chose."""
        return format_html_join(", ", "{}: {}", line.options.items()) or "–"


def _map(order: SalesOrder, *, actor: User, line: SalesOrderLine, product: Product, quantity: int) -> SalesOrder:
    return sales.map_order_line(line, [(product, quantity)], actor=actor)


@admin.register(SalesOrder)
class SalesOrderAdmin(DocumentAdmin):
    list_display = ("order_number", "customer", "status", "payment", "source", "total", "promised_date", "created_at")
    list_filter = (
        "status",
        "payment_status",
        "source",
        "held_for_mapping",
        ("created_at", RangeDateTimeFilter),
    )
    search_fields = (
        "order_number",
        "source_order_number",
        "customer_po_number",
        "customer__name",
        "customer__company_name",
        "customer__email",
    )
    payment = chip_column("payment_status", "payment")
    total = money_column("grand_total", "total")
    header_fields = ("customer", "payment", "total", "promised_date", "source", "hold_reason")
    related_documents = ("quote", "production_orders", "shipments", "payments", "refunds", "invoices")
    readonly_fields = ("source_order_number", *_AMOUNTS, *_ADDRESS)
    fieldsets = (
        (None, {"fields": (("customer_po_number", "promised_date"), ("source_order_number", "priority"))}),
        ("Notes", {"classes": ["collapse"], "fields": ("customer_note", "internal_note")}),
        ("Amounts", {"fields": (_AMOUNTS[:3], _AMOUNTS[3:])}),
        ("Ship to", {"classes": ["collapse"], "fields": (_ADDRESS[-2:], _ADDRESS[:2], _ADDRESS[2:4], _ADDRESS[4:6])}),
    )
    new_fieldsets = (
        (None, {"fields": (("customer", "customer_po_number"), ("promised_date", "priority"), "confirm_now")}),
        (
            "Another address than the customer's, discount, shipping, note",
            {
                "classes": ["collapse"],
                "fields": (
                    _ADDRESS[-2:],
                    _ADDRESS[:2],
                    _ADDRESS[2:4],
                    _ADDRESS[4:6],
                    ("discount_total", "shipping_total"),
                    "customer_note",
                ),
            },
        ),
    )
    verbs = {
        "confirm": sales.confirm_order,
        "deliver": sales.deliver_order,
        "complete": sales.complete_order,
        "hold": sales.hold_order,
        "resume": sales.resume_order,
        "cancel": sales.cancel_order,
    }
    bulk_verbs = ("confirm",)
    extra_verbs = (
        AdminVerb(
            name="pack",
            label="Pack",
            call=sales.pack_shipment,
            permission="sales.pack_shipment",
            form_class=PackForm,
            style="primary",
            visible=lambda order: order.status in (Status.QUALITY_CHECK, Status.IN_PRODUCTION),
        ),
        AdminVerb(
            name="map_line",
            label="Map a SKU",
            call=_map,
            permission="sales.change_salesorder",
            form_class=MapForm,
            style="primary",
            visible=lambda order: order.status in (Status.PENDING, Status.ON_HOLD) and unmapped_lines(order).exists(),
        ),
        AdminVerb(
            name="record_payment",
            label="Record a payment",
            call=sales.record_payment,
            permission="sales.record_payment_salesorder",
            form_class=PaymentForm,
            visible=lambda order: order.amount_owed > 0 and order.status != Status.CANCELLED,
        ),
        AdminVerb(
            name="refund",
            label="Record a refund",
            call=sales.record_refund,
            permission="sales.add_refund",
            form_class=RefundForm,
            visible=lambda order: order.amount_paid > order.amount_refunded,
        ),
        AdminVerb(
            name="change_address",
            label="Change the address",
            call=sales.update_shipping,
            permission="sales.change_salesorder",
            form_class=AddressForm,
            visible=lambda order: order.status in _OPEN,
        ),
        AdminVerb(
            name="invoice",
            label="Issue the invoice",
            call=sales.issue_invoice,
            permission="sales.add_invoice",
            visible=lambda order: (
                order.confirmed_at is not None
                and order.status not in (Status.CANCELLED, Status.ON_HOLD)
                and not order.invoices.exists()
            ),
        ),
        AdminVerb(
            name="reorder",
            label="Order again",
            call=sales.reorder,
            permission="sales.add_salesorder",
            confirm="The same lines are ordered again, at today's list prices.",
        ),
    )

    def progress(self, obj: Any) -> tuple[int, int, str] | None:
        """Show how many parts are good."""
        found = selectors.order_progress([obj.pk])[obj.pk]
        return (found.good, found.total, f"{found.good} of {found.total} parts are there") if found.total else None

    def get_fieldsets(self, request: HttpRequest, obj: Any = None) -> Any:
        """Return the sections; a new order asks for the least first."""
        return self.new_fieldsets if obj is None else super().get_fieldsets(request, obj)

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> tuple[str, ...]:
        """Return what verbs change; nothing is read-only while an order is being taken."""
        return () if obj is None else super().get_readonly_fields(request, obj)

    def get_form(self, request: HttpRequest, obj: Any = None, change: bool = False, **kwargs: Any) -> Any:
        """Return the form, for a new order its own."""
        if obj is None:
            kwargs["form"] = NewOrderForm
        return super().get_form(request, obj, change, **kwargs)

    def get_inlines(self, request: HttpRequest, obj: Any) -> Any:
        """Return the lines: typed while the order is being taken, then shown."""
        return (NewLineInline,) if obj is None else (LineInline,)

    def save_model(self, request: HttpRequest, obj: Any, form: Any, change: bool) -> None:
        """Save notes and dates of an order; a new one is placed once its lines are known, in ``save_related``."""
        if change:
            super().save_model(request, obj, form, change)

    def save_related(self, request: HttpRequest, form: Any, formsets: Any, change: bool) -> None:
        """Place a new order with its lines."""
        if change:
            super().save_related(request, form, formsets, change)
            return
        lines = [row for formset in formsets for row in formset.cleaned_data if row]
        given = form.cleaned_data
        actor: User = request.user  # type: ignore[assignment]
        draft = sales.OrderDraft(
            source=SalesOrder.Source.MANUAL,
            customer=given["customer"],
            lines=[sales.LineDraft(row["product"], row["quantity"], row["unit_price"]) for row in lines],
            discount_total=given["discount_total"],
            shipping_total=given["shipping_total"],
            shipping=form.shipping(),
            customer_po_number=given["customer_po_number"],
            customer_note=given["customer_note"],
            promised_date=given["promised_date"],
            priority=given["priority"],
        )
        order: Model = sales.place_order(draft, actor=actor)
        if given["confirm_now"]:
            sales.confirm_order(order, actor=actor)
        form.instance.__dict__.update(order.__dict__)

    def construct_change_message(self, request: HttpRequest, form: Any, formsets: Any, add: bool = False) -> Any:
        """Say what was changed; the lines of a new order were not saved by their forms."""
        return super().construct_change_message(request, form, [] if add else formsets, add)
