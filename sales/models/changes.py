"""Change orders and returns."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from blb3d.core.documents import Document


class ChangeOrder(Document):
    """A change that a customer asks for after ordering, with its cost and schedule impact."""

    class Status(models.TextChoices):
        PENDING = "PENDING", "pending"
        APPROVED = "APPROVED", "approved"
        REJECTED = "REJECTED", "rejected"
        IMPLEMENTED = "IMPLEMENTED", "implemented"

    change_order_number = models.CharField(max_length=50, unique=True)
    sales_order = models.ForeignKey("sales.SalesOrder", models.PROTECT, related_name="change_orders")
    requested_by = models.CharField(max_length=255)
    requested_date = models.DateTimeField(default=timezone.now)
    reason = models.CharField(max_length=2000)
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.PENDING)
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    approved_date = models.DateTimeField(null=True, blank=True)
    cost_impact = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    schedule_impact_days = models.IntegerField(null=True, blank=True)

    class Meta:
        db_table = "change_orders"
        ordering = ["-id"]
        indexes = [models.Index(fields=["status", "requested_date"], name="idx_co_status")]

    def __str__(self) -> str:
        return self.change_order_number


class ChangeOrderLine(Document):
    """One field that changes."""

    change_order = models.ForeignKey(ChangeOrder, models.CASCADE, related_name="lines")
    sales_order_line = models.ForeignKey(
        "sales.SalesOrderLine", models.PROTECT, null=True, blank=True, related_name="+"
    )
    field_name = models.CharField(max_length=100)
    old_value = models.CharField(max_length=500, blank=True, default="")
    new_value = models.CharField(max_length=500)
    line_cost_impact = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal(0))

    class Meta:
        db_table = "change_order_lines"
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.field_name}: {self.old_value} -> {self.new_value}"


class RMA(Document):
    """A return: why, what becomes of the parts, and what the customer gets."""

    class Reason(models.TextChoices):
        DEFECT = "DEFECT", "defect"
        WRONG_ITEM = "WRONG_ITEM", "wrong item"
        CUSTOMER_ERROR = "CUSTOMER_ERROR", "customer error"
        OTHER = "OTHER", "other"

    class Status(models.TextChoices):
        PENDING = "PENDING", "pending"
        APPROVED = "APPROVED", "approved"
        REJECTED = "REJECTED", "rejected"
        RECEIVED = "RECEIVED", "received"
        CLOSED = "CLOSED", "closed"

    class Resolution(models.TextChoices):
        REFUND = "REFUND", "refund"
        REPLACEMENT = "REPLACEMENT", "replacement"
        CREDIT = "CREDIT", "credit"
        REJECT = "REJECT", "reject"

    rma_number = models.CharField(max_length=50, unique=True)
    sales_order = models.ForeignKey("sales.SalesOrder", models.PROTECT, related_name="rmas")
    customer = models.ForeignKey("sales.Customer", models.PROTECT, related_name="rmas")
    reason = models.CharField(max_length=50, choices=Reason.choices)
    description = models.CharField(max_length=2000, blank=True, default="")
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.PENDING)
    return_tracking_number = models.CharField(max_length=80, blank=True, default="")
    received_date = models.DateTimeField(null=True, blank=True)
    resolution = models.CharField(max_length=50, choices=Resolution.choices, blank=True, default="")
    resolution_notes = models.CharField(max_length=2000, blank=True, default="")

    class Meta:
        db_table = "rmas"
        verbose_name = "return (RMA)"
        verbose_name_plural = "returns (RMA)"
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.rma_number


class RMAItem(Document):
    """How many of an order line come back, and what is done with them."""

    class Disposition(models.TextChoices):
        SCRAP = "SCRAP", "scrap"
        REWORK = "REWORK", "rework"
        RETURN_TO_STOCK = "RETURN_TO_STOCK", "return to stock"

    rma = models.ForeignKey(RMA, models.CASCADE, related_name="items")
    sales_order_line = models.ForeignKey("sales.SalesOrderLine", models.PROTECT, related_name="+")
    quantity = models.PositiveIntegerField()
    disposition = models.CharField(max_length=50, choices=Disposition.choices, blank=True, default="")
    root_cause = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        db_table = "rma_items"
        ordering = ["id"]
        constraints = [models.CheckConstraint(condition=Q(quantity__gt=0), name="rma_item_positive")]

    def __str__(self) -> str:
        return f"{self.quantity} of line {self.sales_order_line_id}"
