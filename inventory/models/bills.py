"""What vendors bill, matched against what was ordered and what came."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q

from blb3d.core.documents import Document, step_permissions

_MONEY = {"max_digits": 12, "decimal_places": 2, "default": Decimal(0)}


class VendorBill(Document):
    """A vendor's invoice to us."""

    class Status(models.TextChoices):
        ENTERED = "entered", "entered"
        MATCHED = "matched", "matched"
        DISPUTED = "disputed", "disputed"
        APPROVED = "approved", "approved"
        PAID = "paid", "paid"
        CANCELLED = "cancelled", "cancelled"

    number = models.CharField(max_length=30, unique=True)
    vendor = models.ForeignKey("inventory.Vendor", models.PROTECT, related_name="bills")
    bill_number = models.CharField(max_length=80, help_text="The vendor's own")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.ENTERED)
    billed_on = models.DateField()
    due_on = models.DateField(null=True, blank=True)
    currency = models.CharField(max_length=3, default="USD")
    subtotal = models.DecimalField(**_MONEY)
    freight = models.DecimalField(**_MONEY)
    tax = models.DecimalField(**_MONEY)
    #: What the match found, one sentence each; empty when everything agrees.
    differences = models.JSONField(default=list, blank=True)
    #: How much of accepted price differences went onto stock, and how much past it.
    on_stock_amount = models.DecimalField(max_digits=14, decimal_places=4, default=Decimal(0))
    expensed_amount = models.DecimalField(max_digits=14, decimal_places=4, default=Decimal(0))
    paid_on = models.DateField(null=True, blank=True)
    payment_reference = models.CharField(max_length=80, blank=True, default="")
    notes = models.TextField(blank=True, default="")

    class Meta:
        db_table = "vendor_bills"
        ordering = ["-id"]
        permissions = step_permissions("vendorbill", "match", "approve", "pay", "cancel")
        constraints = [
            models.UniqueConstraint(
                fields=["vendor", "bill_number"],
                condition=Q(status__in=["entered", "matched", "disputed", "approved", "paid"]),
                name="vendor_bill_number_unique",
            )
        ]

    def __str__(self) -> str:
        return self.number

    @property
    def total(self) -> Decimal:
        """Return what is to be paid."""
        return self.subtotal + self.freight + self.tax


class VendorBillLine(Document):
    """What is billed of an order's line, in the unit it was bought in."""

    bill = models.ForeignKey(VendorBill, models.CASCADE, related_name="lines")
    line_number = models.PositiveIntegerField()
    order_line = models.ForeignKey("inventory.PurchaseOrderLine", models.PROTECT, related_name="bill_lines")
    quantity = models.DecimalField(max_digits=12, decimal_places=4)
    unit_price = models.DecimalField(max_digits=12, decimal_places=4)

    class Meta:
        db_table = "vendor_bill_lines"
        ordering = ["bill_id", "line_number"]
        constraints = [
            models.UniqueConstraint(fields=["bill", "line_number"], name="vendor_bill_line_unique"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="vendor_bill_line_positive"),
            models.CheckConstraint(condition=Q(unit_price__gte=0), name="vendor_bill_line_price"),
        ]

    def __str__(self) -> str:
        return f"{self.bill_id}/{self.line_number}"
