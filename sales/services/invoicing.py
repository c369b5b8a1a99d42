"""Invoices: issued once per order, from then on a snapshot."""

from __future__ import annotations

import datetime
from pathlib import Path

from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.letters import address_of, letter_pdf
from blb3d.core.lifecycle import allow
from blb3d.core.numbering import next_number
from blb3d.core.outbox import emit
from blb3d.core.verbs import verb
from sales.errors import NotInvoiceable
from sales.models import Customer, Invoice, InvoiceLine, SalesOrder
from sales.services.supply import locked_order

_TEMPLATE = Path(__file__).resolve().parent.parent / "documents" / "invoice.typ"
_DAYS = {
    Customer.Terms.PREPAID: 0,
    Customer.Terms.NET_15: 15,
    Customer.Terms.NET_30: 30,
    Customer.Terms.NET_60: 60,
}
_BEFORE = (SalesOrder.Status.PENDING, SalesOrder.Status.ON_HOLD, SalesOrder.Status.CANCELLED)


@verb
def issue_invoice(order: SalesOrder, *, actor: User) -> Invoice:
    """Issue the order's invoice, or return the one it has. Emits ``sales.invoice_issued``.

    Its number is drawn last, so that numbers have no gaps.

    Raises:
        NotInvoiceable: the order is not confirmed yet, held or cancelled.
    """
    allow(actor, "sales.add_invoice")
    locked_order(order)
    issued = Invoice.objects.filter(sales_order=order, kind=Invoice.Kind.INVOICE).first()
    if issued is not None:
        return issued
    if order.status in _BEFORE:
        raise NotInvoiceable(details={"status": order.status})
    customer = order.customer
    today = timezone.localdate()
    lines = list(order.lines.select_related("product").order_by("line_number"))
    invoice = Invoice(
        sales_order=order,
        issued_on=today,
        due_on=today + datetime.timedelta(days=_DAYS[Customer.Terms(customer.terms)]),
        bill_to=_bill_to(order, customer),
        ship_to=order.shipping_address.text(),
        customer_po_number=order.customer_po_number,
        subtotal=order.subtotal,
        discount_total=order.discount_total,
        shipping_total=order.shipping_total,
        tax_total=order.tax_total,
        grand_total=order.grand_total,
        currency=order.currency,
        invoice_number=next_number("INV"),
    )
    invoice.save()
    InvoiceLine.objects.bulk_create(
        InvoiceLine(
            invoice=invoice,
            line_number=line.line_number,
            sku=line.product.sku if line.product else line.external_sku[:60],
            description=line.name,
            quantity=line.quantity,
            unit_price=line.unit_price,
            total=line.total,
        )
        for line in lines
    )
    emit(
        "sales.invoice_issued",
        f"{Invoice._meta.label_lower}:{invoice.pk}",
        id=invoice.pk,
        number=invoice.invoice_number,
        sales_order_id=order.pk,
    )
    return invoice


def _bill_to(order: SalesOrder, customer: Customer) -> str:
    text = order.billing_address.text()
    name = "" if order.billing_name else customer.name
    company = "" if order.billing_company else customer.company_name
    return "\n".join(filter(None, (company, name, text)))


def invoice_url(invoice: Invoice) -> str:
    """Return the address that the QR code on the invoice leads back to: the invoice itself, for who may see it."""
    return address_of(f"/api/v1/invoices/{invoice.pk}/pdf")


def invoice_pdf(invoice: Invoice) -> bytes:
    """Return an invoice as PDF, made from its snapshot alone: the same invoice gives the same text for ever."""
    data = {
        "title": "Invoice" if invoice.kind == Invoice.Kind.INVOICE else "Credit note",
        "number": invoice.invoice_number,
        "order": invoice.sales_order.order_number,
        "issued_on": invoice.issued_on.isoformat(),
        "due_on": invoice.due_on.isoformat(),
        "po": invoice.customer_po_number,
        "bill_to": invoice.bill_to,
        "ship_to": invoice.ship_to,
        "currency": invoice.currency,
        "lines": [
            [line.sku, line.description, str(line.quantity), f"{line.unit_price:,.2f}", f"{line.total:,.2f}"]
            for line in invoice.lines.all()
        ],
        "totals": [
            [label, f"{amount:,.2f}"]
            for label, amount, always in (
                ("Subtotal", invoice.subtotal, True),
                ("Discount", -invoice.discount_total, False),
                ("Shipping", invoice.shipping_total, False),
                ("Tax", invoice.tax_total, True),
            )
            if always or amount
        ],
        "total": f"{invoice.grand_total:,.2f}",
    }
    return letter_pdf(_TEMPLATE, data, url=invoice_url(invoice))
