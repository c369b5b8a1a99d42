"""Production orders, who needs what they make, and how well it was estimated."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q

from blb3d.core.documents import Document, step_permissions


class ProductionOrder(Document):
    """An order to the shop floor: make so many of a product with this BOM."""

    class Status(models.TextChoices):
        DRAFT = "draft", "draft"  # planned, seen by MRP, nothing reserved
        CONFIRMED = "confirmed", "confirmed"  # material reserved
        QUEUED = "queued", "queued"  # print jobs made
        PRINTING = "printing", "printing"  # a first job has begun
        COMPLETED = "completed", "completed"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"

    #: Still to be made.
    OPEN = (Status.DRAFT, Status.CONFIRMED, Status.QUEUED, Status.PRINTING, Status.FAILED)
    #: The owner's material requirements count these.
    REQUIRING = (Status.DRAFT, Status.CONFIRMED, Status.QUEUED)

    class Priority(models.IntegerChoices):
        LOW = 1, "low"
        NORMAL = 2, "normal"
        HIGH = 3, "high"
        URGENT = 4, "urgent"

    class Source(models.TextChoices):
        SQUARESPACE = "squarespace", "Squarespace"
        WOOCOMMERCE = "woocommerce", "WooCommerce"
        PORTAL = "portal", "portal"
        MANUAL = "manual", "by hand"
        API = "api", "API"
        IMPORT = "import", "import"
        STOCK = "stock", "stock"

    code = models.CharField(max_length=30, unique=True)
    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="production_orders")
    bom = models.ForeignKey("inventory.BOM", models.PROTECT, related_name="production_orders")
    quantity = models.PositiveIntegerField()
    quantity_completed = models.PositiveIntegerField(default=0, help_text="Good parts")
    quantity_scrapped = models.PositiveIntegerField(default=0)
    quantity_lost = models.PositiveIntegerField(default=0, help_text="Units scrapped after printing")
    sales_order = models.ForeignKey(
        "sales.SalesOrder", models.PROTECT, null=True, blank=True, related_name="production_orders"
    )
    sales_order_line = models.ForeignKey(
        "sales.SalesOrderLine", models.PROTECT, null=True, blank=True, related_name="production_orders"
    )
    quote = models.ForeignKey("quotes.Quote", models.PROTECT, null=True, blank=True, related_name="production_orders")
    source_type = models.CharField(max_length=15, choices=Source.choices, default=Source.MANUAL)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.DRAFT)
    priority = models.PositiveSmallIntegerField(choices=Priority.choices, default=Priority.NORMAL)
    is_held = models.BooleanField(default=False, help_text="No new job is sent while held")
    hold_reason = models.CharField(max_length=500, blank=True, default="")
    scheduled_start = models.DateTimeField(null=True, blank=True)
    scheduled_end = models.DateTimeField(null=True, blank=True)
    is_late = models.BooleanField(
        "going late", default=False, editable=False, help_text="By the schedule it is ready after its due date"
    )
    due_date = models.DateField(null=True, blank=True)
    confirmed_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    completed_at = models.DateTimeField(null=True, blank=True)
    closed_short = models.BooleanField(default=False)
    printer_group = models.ForeignKey(
        "production.PrinterGroup", models.PROTECT, null=True, blank=True, related_name="+", help_text="Only on these"
    )
    split_from = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="splits")
    merged_into = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="merged")
    notes = models.TextField(blank=True, default="")

    class Meta:
        db_table = "production_orders"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["status", "scheduled_start"], name="idx_production_orders_status"),
            models.Index(fields=["status", "-priority", "scheduled_start"], name="idx_prod_order_fulfillment"),
            models.Index(fields=["product", "status"], name="idx_prod_order_product"),
        ]
        constraints = [models.CheckConstraint(condition=Q(quantity__gt=0), name="production_quantity_positive")]
        permissions = step_permissions(
            "productionorder", "confirm", "queue", "start", "complete", "fail", "retry", "cancel", "hold"
        )

    def __str__(self) -> str:
        return self.code

    @property
    def quantity_missing(self) -> int:
        """How many good parts are still owed."""
        return max(self.quantity - self.quantity_completed, 0)


class Demand(models.Model):
    """Who needs how many of a production order's parts by when, as told by the layer that knows."""

    production_order = models.ForeignKey(ProductionOrder, models.CASCADE, related_name="demands")
    quantity = models.PositiveIntegerField()
    due_date = models.DateField(null=True, blank=True)
    reference_type = models.CharField(max_length=20)
    reference_id = models.BigIntegerField()
    label = models.CharField(max_length=200, help_text="The document's number and customer, for people")

    class Meta:
        db_table = "production_demands"
        ordering = ["id"]
        indexes = [models.Index(fields=["reference_type", "reference_id"], name="demand_reference_idx")]
        constraints = [models.CheckConstraint(condition=Q(quantity__gt=0), name="demand_quantity_positive")]

    def __str__(self) -> str:
        return f"{self.quantity} for {self.label}"


class ProductionAnalytics(models.Model):
    """How a finished production order compared with its estimate; training data."""

    production_order = models.OneToOneField(ProductionOrder, models.CASCADE, related_name="analytics")
    estimated_time_minutes = models.DecimalField(max_digits=12, decimal_places=2)
    actual_time_minutes = models.DecimalField(max_digits=12, decimal_places=2)
    accuracy_percent = models.DecimalField(max_digits=7, decimal_places=2, null=True)
    material_waste_grams = models.DecimalField(max_digits=12, decimal_places=4, default=Decimal(0))
    rework_count = models.PositiveIntegerField(default=0)
    recorded_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        db_table = "production_analytics"
        verbose_name_plural = "production analytics"

    def __str__(self) -> str:
        return f"{self.production_order_id}: {self.accuracy_percent} %"


# The demand still owed, as an expression: the owner's SQL counts ordered quantities, we count what is not yet good.
OWED = F("quantity") - F("quantity_completed")
