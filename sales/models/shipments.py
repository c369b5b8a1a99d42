"""Shipments: what was packed, and how it travels."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q

from blb3d.core.documents import Document, step_permissions


class Shipment(Document):
    """A parcel of an order."""

    class Status(models.TextChoices):
        DRAFT = "draft", "draft"
        PACKED = "packed", "packed"
        SHIPPED = "shipped", "shipped"
        DELIVERED = "delivered", "delivered"
        VOIDED = "voided", "voided"

    shipment_number = models.CharField(max_length=30, unique=True)
    sales_order = models.ForeignKey("sales.SalesOrder", models.PROTECT, related_name="shipments")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.DRAFT)
    carrier = models.CharField(max_length=60, blank=True, default="")
    service = models.CharField(max_length=60, blank=True, default="")
    tracking_number = models.CharField(max_length=80, blank=True, default="", db_index=True)
    tracking_url = models.CharField(max_length=300, blank=True, default="")
    label_url = models.CharField(max_length=300, blank=True, default="")
    cost = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal(0))
    packed_at = models.DateTimeField(null=True, blank=True)
    shipped_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "shipments"
        ordering = ["-id"]
        permissions = step_permissions("shipment", "pack", "ship", "deliver", "void")

    def __str__(self) -> str:
        return self.shipment_number


class ShipmentLine(models.Model):
    """How many of an order line are in the parcel."""

    shipment = models.ForeignKey(Shipment, models.CASCADE, related_name="lines")
    sales_order_line = models.ForeignKey("sales.SalesOrderLine", models.PROTECT, related_name="shipment_lines")
    quantity = models.PositiveIntegerField()
    serials = models.ManyToManyField("production.SerialNumber", blank=True, related_name="shipment_lines")

    class Meta:
        db_table = "shipment_lines"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["shipment", "sales_order_line"], name="shipment_line_unique"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="shipment_line_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} of line {self.sales_order_line_id}"
