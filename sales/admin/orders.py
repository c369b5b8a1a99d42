"""Sales orders in the console; one by hand goes through the same door as every other."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from django import forms
from django.contrib import admin
from django.db.models import Model
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateTimeFilter
from unfold.decorators import display
from unfold.widgets import UnfoldAdminSelectWidget

from blb3d.accounts.models import User
from blb3d.core.admin import (
    AdminVerb,
    DocumentAdmin,
    DocumentInline,
    Entry,
    ReadOnlyInline,
    chip_column,
    money_column,
    number_column,
    who,
)
from blb3d.core.templatetags.blb3d_ui import chip, money, when
from inventory.models import Product
from production.models import ProductionOrder
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
from sales.effects import cancel_effects, hold_effects
from sales.models import ADDRESS_COLUMNS, SalesOrder, SalesOrderLine

Status = SalesOrder.Status
_OPEN = (Status.PENDING, Status.CONFIRMED, Status.IN_PRODUCTION, Status.QUALITY_CHECK, Status.ON_HOLD)
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
    fields = ("place", "part", "chosen", "supply", "quantity", "shipped", "price", "amount")
    readonly_fields = ("place", "part", "chosen", "shipped", "price", "amount")
    show_change_link = False
    hide_title = True
    verbose_name_plural = "lines"
    list_related = ("product", "sales_order")
    place = number_column("line_number", "#")
    shipped = number_column("quantity_shipped", "shipped")

    @display(description="part")
    def part(self, line: SalesOrderLine) -> SafeString | str:
        """Link to the product; what the shop calls it stands below where that differs."""
        if line.product is None:
            return line.name
        url = reverse("admin:inventory_product_change", args=[line.product_id])
        own = line.name if line.name not in (line.product.name, line.product.sku) else ""
        return format_html('<a class="text-link" href="{}">{}</a> {}', url, line.product, own)

    @display(description="each")
    def price(self, line: SalesOrderLine) -> str:
        """Show the price of one in the order's currency."""
        return money(line.unit_price, line.sales_order.currency)

    @display(description="total")
    def amount(self, line: SalesOrderLine) -> str:
        """Show the line's sum in the order's currency."""
        return money(line.total, line.sales_order.currency)

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
    header_fields = (
        "customer",
        "payment",
        "total",
        "promised_date",
        "ships_on",
        "bought",
        "hold_reason",
        "customer_po_number",
        "made_with_others",
    )
    related_documents = ("quote", "production_orders", "shipments", "payments", "refunds", "invoices")
    readonly_fields = ("ship_to",)
    fieldsets = (
        (None, {"fields": ("ship_to", ("promised_date", "priority"), "customer_po_number")}),
        ("Notes", {"fields": (("customer_note", "internal_note"),)}),
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
        "deliver": AdminVerb(call=sales.deliver_order, label="Mark as delivered"),
        "complete": sales.complete_order,
        "hold": AdminVerb(call=sales.hold_order, effects=hold_effects),
        "resume": AdminVerb(call=sales.resume_order, visible=lambda order: not unmapped_lines(order).exists()),
        "cancel": AdminVerb(call=sales.cancel_order, effects=cancel_effects),
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
            visible=lambda order: (
                order.status in (Status.QUALITY_CHECK, Status.IN_PRODUCTION)
                and selectors.order_progress([order.pk])[order.pk].good > 0
            ),
        ),
        AdminVerb(
            name="map_line",
            label="Map the SKU",
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
            quiet=True,
            visible=lambda order: order.amount_paid > order.amount_refunded,
        ),
        AdminVerb(
            name="change_address",
            label="Change the address",
            call=sales.update_shipping,
            permission="sales.change_salesorder",
            form_class=AddressForm,
            quiet=True,
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
            quiet=True,
        ),
    )

    @display(description="can ship on")
    def ships_on(self, order: SalesOrder) -> SafeString | str:
        """Show the day by the schedule while something is being made, and by how much that is too late."""
        outlook = selectors.shipment_outlook(order) if order.status in _OPEN else None
        if outlook is None:
            return ""
        day = when(outlook.ships_on) if outlook.ships_on else "not planned"
        if not outlook.late_days:
            return day
        late = f"{outlook.late_days} day{'s' if outlook.late_days > 1 else ''} late"
        return format_html("{} {}", day, chip("held", label=late))

    @display(description="came by")
    def bought(self, order: SalesOrder) -> str:
        """Show where it was bought and its number there."""
        words = order.get_source_display()
        return f"{words[:1].upper()}{words[1:]} {order.source_order_number}".strip()

    @display(description="made together with others")
    def made_with_others(self, order: SalesOrder) -> SafeString | str:
        """Link to production orders that make parts for several orders."""
        shared = selectors.made_for(order).filter(sales_order__isnull=True).order_by("pk")
        return format_html_join(
            ", ",
            '<a href="{}">{}</a>',
            ((reverse("admin:production_productionorder_change", args=[made.pk]), made) for made in shared),
        )

    @display(description="ship to")
    def ship_to(self, order: SalesOrder) -> str:
        """Show the address as it is written on the parcel."""
        return order.shipping_address.text() or "–"

    def totals(self, obj: SalesOrder) -> list[tuple[str, str]]:
        """Show the sums, and what is still owed."""
        shown = [("Lines", obj.subtotal), ("Discount", -obj.discount_total), ("Shipping", obj.shipping_total),
                 ("Tax", obj.tax_total), ("Total", obj.grand_total), ("Paid", obj.amount_paid),
                 ("Refunded", obj.amount_refunded), ("Owed", obj.amount_owed)]  # fmt: skip
        always = {"Lines", "Total", "Paid"}
        return [(words, money(amount, obj.currency)) for words, amount in shown if amount or words in always]

    def events(self, obj: SalesOrder) -> Iterator[Entry]:
        """Tell of money, parcels and invoices."""
        for payment in obj.payments.select_related("created_by"):
            if payment.received_at:
                words = f"took {money(payment.amount, payment.currency)} by {payment.method}"
                yield Entry(payment.received_at, who(payment.created_by), words)
        for refund in obj.refunds.select_related("created_by"):
            words = f"gave {money(refund.amount, obj.currency)} back"
            yield Entry(refund.refunded_at, who(refund.created_by), words, reason=refund.reason)
        for parcel in obj.shipments.select_related("created_by", "updated_by"):
            tracking = f"{parcel.carrier} {parcel.tracking_number}".strip()
            if parcel.packed_at:
                yield Entry(parcel.packed_at, who(parcel.created_by), f"packed {parcel.shipment_number}")
            if parcel.shipped_at:
                yield Entry(parcel.shipped_at, who(parcel.updated_by), f"shipped {parcel} {tracking}".strip())
        for invoice in obj.invoices.select_related("created_by"):
            yield Entry(invoice.created_at, who(invoice.created_by), f"issued {invoice.invoice_number}")

    def formfield_for_dbfield(self, db_field: Any, request: HttpRequest, **kwargs: Any) -> Any:
        """Offer priorities by their names."""
        if db_field.name != "priority":
            return super().formfield_for_dbfield(db_field, request, **kwargs)
        return forms.TypedChoiceField(
            choices=ProductionOrder.Priority.choices, coerce=int, initial=2, widget=UnfoldAdminSelectWidget
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
