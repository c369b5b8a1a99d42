"""Vendors and purchase orders."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q

from blb3d.core.documents import Document, step_permissions


class Vendor(Document):
    """Who sells to us."""

    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=200)
    email = models.EmailField(blank=True, default="")
    phone = models.CharField(max_length=40, blank=True, default="")
    lead_time_days = models.PositiveIntegerField(default=7)
    is_active = models.BooleanField(default=True)
    notes = models.TextField(blank=True, default="")

    class Meta:
        db_table = "vendors"
        ordering = ["code"]

    def __str__(self) -> str:
        return f"{self.code} {self.name}"


class PurchaseOrder(Document):
    """An order to a vendor; its receipts make lots and stock."""

    class Status(models.TextChoices):
        DRAFT = "draft", "draft"
        ORDERED = "ordered", "ordered"
        PARTIALLY_RECEIVED = "partially_received", "partially received"
        RECEIVED = "received", "received"
        CLOSED_SHORT = "closed_short", "closed short"
        CANCELLED = "cancelled", "cancelled"

    po_number = models.CharField(max_length=30, unique=True)
    vendor = models.ForeignKey(Vendor, models.PROTECT, related_name="purchase_orders")
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.DRAFT)
    ordered_on = models.DateField(null=True, blank=True)
    expected_on = models.DateField(null=True, blank=True)
    currency = models.CharField(max_length=3, default="USD")
    notes = models.TextField(blank=True, default="")

    class Meta:
        db_table = "purchase_orders"
        ordering = ["-id"]
        permissions = step_permissions("purchaseorder", "order", "receive", "close_short", "cancel")

    def __str__(self) -> str:
        return self.po_number


class PurchaseOrderLine(Document):
    """A product, how much of it, and how much has come."""

    purchase_order = models.ForeignKey(PurchaseOrder, models.CASCADE, related_name="lines")
    line_number = models.PositiveIntegerField()
    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="+")
    quantity = models.DecimalField(max_digits=12, decimal_places=4)
    unit_of_measure = models.CharField(max_length=6)
    unit_price = models.DecimalField(max_digits=12, decimal_places=4, default=Decimal(0))
    quantity_received = models.DecimalField(max_digits=12, decimal_places=4, default=Decimal(0))

    class Meta:
        db_table = "purchase_order_lines"
        ordering = ["purchase_order_id", "line_number"]
        constraints = [
            models.UniqueConstraint(fields=["purchase_order", "line_number"], name="purchase_line_unique"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="purchase_line_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.purchase_order_id}/{self.line_number}"
