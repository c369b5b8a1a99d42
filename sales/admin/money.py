"""Payments, refunds and invoices in the console."""

from __future__ import annotations

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from unfold.contrib.filters.admin import RangeDateFilter, RangeDateTimeFilter

from blb3d.accounts.models import User
from blb3d.core.admin import AdminVerb, DocumentAdmin, LedgerAdmin, ReadOnlyInline, money_column, number_column
from blb3d.core.templatetags.blb3d_ui import money
from sales import services as sales
from sales.admin.forms import ReferenceForm
from sales.models import Invoice, InvoiceLine, Payment, Refund


@admin.register(Payment)
class PaymentAdmin(DocumentAdmin):
    list_display = ("sales_order", "sum", "method", "status", "reference", "received_at")
    list_filter = ("status", "method", ("created_at", RangeDateTimeFilter))
    search_fields = ("reference", "sales_order__order_number", "sales_order__customer__name")
    sum = money_column("amount", "amount")
    header_fields = ("sales_order", "sum", "method", "received_at", "decline_reason")
    fields = (("method", "reference"), "idempotency_key")
    readonly_fields = ("method", "reference", "idempotency_key")
    verbs = {
        "receive": AdminVerb(call=sales.receive_payment, form_class=ReferenceForm, style="primary"),
        "decline": AdminVerb(call=sales.decline_payment, style="danger"),
    }

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Refuse: a payment is recorded at its order."""
        return False


@admin.register(Refund)
class RefundAdmin(LedgerAdmin):
    list_display = ("sales_order", "amount", "reason", "reference", "refunded_at")
    search_fields = ("reference", "sales_order__order_number")
    header_fields = ("sales_order", "payment", "amount", "refunded_at", "reason", "reference")
    fields = ("reference",)


class InvoiceLineInline(ReadOnlyInline):
    """Lines of an invoice."""

    model = InvoiceLine
    fields = ("place", "sku", "description", "quantity", "unit_price", "total")
    readonly_fields = ("place",)
    list_related = ("invoice",)
    show_change_link = False
    verbose_name_plural = "lines"
    place = number_column("line_number", "#")


def _pdf(invoice: Invoice, *, actor: User) -> HttpResponse:
    return HttpResponse(
        sales.invoice_pdf(invoice),
        content_type="application/pdf",
        headers={"Content-Disposition": f'inline; filename="{invoice.invoice_number}.pdf"'},
    )


@admin.register(Invoice)
class InvoiceAdmin(LedgerAdmin):
    list_display = ("invoice_number", "kind", "sales_order", "issued_on", "due_on", "total")
    list_filter = ("kind", ("issued_on", RangeDateFilter))
    search_fields = ("invoice_number", "sales_order__order_number", "customer_po_number")
    total = money_column("grand_total", "total")
    header_fields = ("sales_order", "kind", "issued_on", "due_on", "total", "customer_po_number")
    fields = (("bill_to", "ship_to"),)
    inlines = (InvoiceLineInline,)
    extra_verbs = (AdminVerb(name="pdf", label="PDF", call=_pdf, permission="sales.view_invoice", style="primary"),)

    def totals(self, obj: Invoice) -> list[tuple[str, str]]:
        """Show the sums as they stand on the paper."""
        shown = [("Lines", obj.subtotal), ("Discount", -obj.discount_total), ("Shipping", obj.shipping_total),
                 ("Tax", obj.tax_total), ("Total", obj.grand_total)]  # fmt: skip
        return [(words, money(amount, obj.currency)) for words, amount in shown if amount or words == "Total"]
