"""Vendors' bills beside what was ordered and what came, in the console."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.contrib import admin
from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.contrib.filters.admin import RangeDateFilter
from unfold.decorators import display

from blb3d.core.admin import AdminVerb, ReadOnlyInline
from blb3d.core.money import round_money
from blb3d.core.templatetags.blb3d_ui import money, plain_number
from inventory import services as inventory
from inventory.admin.purchase_forms import BillPaymentForm
from inventory.admin.purchasing import WrittenOnce
from inventory.models import VendorBill, VendorBillLine
from inventory.selectors.matching import match_rows

_TOO_MUCH = "Nobody can approve that more is billed than came and stayed: cancel this bill and enter a right one."
_MAY_STILL = "Who may approve bills can still say yes to it, and says why."


class BillLineInline(ReadOnlyInline):
    """What is billed, beside what was ordered and what came and stayed."""

    model = VendorBillLine
    fields = ("line_number", "what", "ordered", "stayed", "billed", "all_bills", "ordered_price", "price", "off_by")
    readonly_fields = ("what", "ordered", "stayed", "billed", "all_bills", "ordered_price", "price", "off_by")
    list_related = ("order_line__product", "order_line__purchase_order")
    show_change_link = False

    @display(description="what")
    def what(self, line: VendorBillLine) -> SafeString:
        """Show the product, and lead to the order it was bought with."""
        order = line.order_line.purchase_order
        url = reverse("admin:inventory_purchaseorder_change", args=[order.pk])
        return format_html('{} (<a href="{}">{}</a>)', line.order_line.product, url, order)

    @display(description="ordered")
    def ordered(self, line: VendorBillLine) -> str:
        """Show what was ordered and not cancelled."""
        return _quantity(line, line.order_line.quantity - line.order_line.quantity_cancelled)

    @display(description="came and stayed")
    def stayed(self, line: VendorBillLine) -> str:
        """Show what may be billed."""
        return _quantity(line, line.order_line.quantity_received - line.order_line.quantity_returned)

    @display(description="billed here")
    def billed(self, line: VendorBillLine) -> str:
        """Show what this bill says."""
        return _quantity(line, line.quantity)

    @display(description="billed in all")
    def all_bills(self, line: VendorBillLine) -> str:
        """Show what all live bills say of the line."""
        return _quantity(line, line.order_line.quantity_billed)

    @display(description="ordered at")
    def ordered_price(self, line: VendorBillLine) -> str:
        """Show the price ordered."""
        return _price(line, line.order_line.unit_price)

    @display(description="billed at")
    def price(self, line: VendorBillLine) -> str:
        """Show the price billed."""
        return _price(line, line.unit_price)

    @display(description="difference")
    def off_by(self, line: VendorBillLine) -> str:
        """Show what the other price makes of this line."""
        amount = (line.unit_price - line.order_line.unit_price) * line.quantity
        return money(amount, line.order_line.purchase_order.currency) if amount else "–"


def _price(line: VendorBillLine, price: Decimal) -> str:
    """Return a price with its currency and all of its decimals."""
    currency = line.order_line.purchase_order.currency
    return money(price, currency) if price == round_money(price) else f"{currency} {plain_number(price)}"


def _quantity(line: VendorBillLine, quantity: Any) -> str:
    return f"{plain_number(quantity)} {line.order_line.unit_of_measure}"


@admin.register(VendorBill)
class VendorBillAdmin(WrittenOnce):
    list_display = ("number", "vendor", "bill_number", "status", "total_column", "billed_on", "due_on", "paid_on")
    list_filter = ("status", ("due_on", RangeDateFilter))
    search_fields = ("number", "bill_number", "vendor__code", "vendor__name")
    header_fields = ("vendor", "bill_number", "billed_on", "due_on", "paid_on", "payment_reference")
    fields = ("said", ("on_stock_amount", "expensed_amount"), "notes")
    readonly_fields = ("said",)
    inlines = (BillLineInline,)
    verbs = {
        "match": AdminVerb(call=inventory.match_bill, label="Match again"),
        "approve": AdminVerb(call=inventory.approve_bill, confirm="It may be paid then; another price goes on stock."),
        "pay": AdminVerb(call=inventory.pay_bill, form_class=BillPaymentForm),
        "cancel": inventory.cancel_bill,
    }

    def lookup_allowed(self, lookup: str, value: str, request: HttpRequest | None = None) -> bool:
        """Allow the bills of one order, which its page leads to."""
        return lookup == "lines__order_line__purchase_order" or super().lookup_allowed(lookup, value, request)  # type: ignore[arg-type]

    @display(description="total")
    def total_column(self, bill: VendorBill) -> str:
        """Show what is to be paid."""
        return money(bill.total, bill.currency)

    @display(description="what differs")
    def said(self, bill: VendorBill) -> SafeString | str:
        """Show what the match found, one sentence a line."""
        if not bill.differences:
            return "Nothing: it agrees with what was ordered and what came."
        found = list(bill.differences)
        if bill.status == VendorBill.Status.DISPUTED:
            too_much = any(row.too_much for row in match_rows(bill))
            found.append(_TOO_MUCH if too_much else _MAY_STILL)
        return format_html_join("", "<p>{}</p>", ((words,) for words in found))

    def totals(self, obj: VendorBill) -> list[tuple[str, str]]:
        """Show the sums as they stand on the bill."""
        shown = [("Lines", obj.subtotal), ("Freight", obj.freight), ("Tax", obj.tax), ("Total", obj.total)]
        return [(words, money(amount, obj.currency)) for words, amount in shown if amount or words == "Total"]
