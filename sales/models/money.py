"""Payments, refunds and invoices."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import Q
from django.utils import timezone

from blb3d.core.documents import Document, step_permissions


class Payment(Document):
    """Money that came in for an order, or is being asked of a payment provider."""

    class Status(models.TextChoices):
        INTENDED = "intended", "being charged"  # written and committed before the provider is called
        RECEIVED = "received", "received"
        DECLINED = "declined", "declined"

    sales_order = models.ForeignKey("sales.SalesOrder", models.PROTECT, related_name="payments")
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3, default="USD")
    method = models.CharField(max_length=30, help_text="card, bank, squarespace ...")
    reference = models.CharField(max_length=190, blank=True, default="", help_text="The provider's or bank's id")
    #: Sent to the provider so that asking twice charges once.
    idempotency_key = models.CharField(max_length=64, unique=True)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.RECEIVED)
    decline_reason = models.CharField(max_length=300, blank=True, default="")
    received_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "payments"
        ordering = ["-id"]
        constraints = [models.CheckConstraint(condition=Q(amount__gt=0), name="payment_positive")]
        permissions = step_permissions("payment", "receive", "decline")

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} {self.method}"


class Refund(Document):
    """Money that went back to a customer."""

    sales_order = models.ForeignKey("sales.SalesOrder", models.PROTECT, related_name="refunds")
    payment = models.ForeignKey(Payment, models.PROTECT, null=True, blank=True, related_name="refunds")
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    reason = models.CharField(max_length=300, blank=True, default="")
    reference = models.CharField(max_length=190, blank=True, default="")
    refunded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "refunds"
        ordering = ["-id"]
        constraints = [models.CheckConstraint(condition=Q(amount__gt=0), name="refund_positive")]

    def __str__(self) -> str:
        return f"{self.amount} back"


class Invoice(Document):
    """A legal document: everything on it is a snapshot; it is corrected by a credit note, never changed."""

    class Kind(models.TextChoices):
        INVOICE = "invoice", "invoice"
        CREDIT_NOTE = "credit_note", "credit note"

    invoice_number = models.CharField(max_length=30, unique=True)
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.INVOICE)
    sales_order = models.ForeignKey("sales.SalesOrder", models.PROTECT, related_name="invoices")
    corrects = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="corrections")
    issued_on = models.DateField()
    due_on = models.DateField()
    bill_to = models.TextField()
    ship_to = models.TextField(blank=True, default="")
    customer_po_number = models.CharField(max_length=60, blank=True, default="")
    subtotal = models.DecimalField(max_digits=12, decimal_places=2)
    discount_total = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(0))
    shipping_total = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(0))
    tax_total = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(0))
    grand_total = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3, default="USD")

    class Meta:
        db_table = "invoices"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["sales_order"], condition=Q(kind="invoice"), name="invoice_one_per_order")
        ]

    def __str__(self) -> str:
        return self.invoice_number

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: an issued invoice is corrected by a credit note."""
        raise TypeError("An issued invoice is never deleted.")


class InvoiceLine(models.Model):
    """A line of an invoice, as it was."""

    invoice = models.ForeignKey(Invoice, models.PROTECT, related_name="lines")
    line_number = models.PositiveIntegerField()
    sku = models.CharField(max_length=60, blank=True, default="")
    description = models.CharField(max_length=300)
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=12, decimal_places=2)
    total = models.DecimalField(max_digits=12, decimal_places=2)

    class Meta:
        db_table = "invoice_lines"
        ordering = ["invoice_id", "line_number"]
        constraints = [models.UniqueConstraint(fields=["invoice", "line_number"], name="invoice_line_unique")]

    def __str__(self) -> str:
        return f"{self.invoice_id}/{self.line_number}"
