"""Cycle counts: sheets of what lies where, what was counted, and what the difference is worth."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q

from blb3d.core.documents import Document, step_permissions
from blb3d.core.units import round_quantity
from inventory.models.stock import STOCK, InventoryLocation, MaterialLot


class CycleCount(Document):
    """One sheet: what is to be counted, who counted it, and whether the difference was booked."""

    class Status(models.TextChoices):
        DRAFT = "draft", "draft"
        COUNTING = "counting", "counting"
        SUBMITTED = "submitted", "submitted"
        APPROVED = "approved", "approved"
        CANCELLED = "cancelled", "cancelled"

    count_number = models.CharField(max_length=40, unique=True)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.DRAFT)
    location = models.ForeignKey(
        InventoryLocation, models.PROTECT, null=True, blank=True, related_name="cycle_counts", help_text="Empty: all"
    )
    abc_class = models.CharField(
        "ABC class",
        max_length=1,
        blank=True,
        default="",
        choices=[("A", "A"), ("B", "B"), ("C", "C")],
        help_text="Empty: all",
    )
    products = models.ManyToManyField(
        "inventory.Product", blank=True, related_name="+", help_text="Only these; empty: all"
    )
    is_blind = models.BooleanField(default=True, help_text="Who counts does not see what the books say")
    notes = models.CharField(max_length=500, blank=True, default="")
    started_at = models.DateTimeField(null=True, blank=True)
    submitted_at = models.DateTimeField(null=True, blank=True)
    submitted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    approved_at = models.DateTimeField(null=True, blank=True)
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    variance_value = models.DecimalField(
        max_digits=16, decimal_places=4, default=Decimal(0), help_text="Counted less expected, at cost"
    )

    class Meta:
        db_table = "cycle_counts"
        ordering = ["-id"]
        permissions = step_permissions("cyclecount", "start", "count", "submit", "recount", "approve", "cancel")

    def __str__(self) -> str:
        return self.count_number


class CycleCountLine(Document):
    """What is counted of one product at one place and of one lot."""

    cycle_count = models.ForeignKey(CycleCount, models.CASCADE, related_name="lines")
    position = models.PositiveIntegerField()
    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="+")
    location = models.ForeignKey(InventoryLocation, models.PROTECT, related_name="+")
    lot = models.ForeignKey(MaterialLot, models.PROTECT, null=True, blank=True, related_name="+")
    is_found = models.BooleanField(default=False, help_text="Was not on the sheet")
    expected_quantity = models.DecimalField(**STOCK, help_text="What the books said when the counting began")
    book_quantity = models.DecimalField(
        **STOCK, null=True, blank=True, help_text="What the books said the moment it was counted"
    )
    unit_cost = models.DecimalField(max_digits=12, decimal_places=4, default=Decimal(0))
    counted_quantity = models.DecimalField(**STOCK, null=True, blank=True)
    counted_at = models.DateTimeField(null=True, blank=True)
    counted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    note = models.CharField(max_length=200, blank=True, default="")
    booked_quantity = models.DecimalField(**STOCK, null=True, blank=True, help_text="What was corrected in the books")

    class Meta:
        db_table = "cycle_count_lines"
        ordering = ["position"]
        constraints = [
            models.UniqueConstraint(
                fields=["cycle_count", "product", "location", "lot"],
                condition=Q(lot__isnull=False),
                name="count_line_lot_unique",
            ),
            models.UniqueConstraint(
                fields=["cycle_count", "product", "location"],
                condition=Q(lot__isnull=True),
                name="count_line_no_lot_unique",
            ),
            models.UniqueConstraint(fields=["cycle_count", "position"], name="count_line_position_unique"),
            models.CheckConstraint(
                condition=Q(counted_quantity__isnull=True) | Q(counted_quantity__gte=0), name="count_not_negative"
            ),
        ]
        indexes = [models.Index(fields=["product", "location"], name="count_line_product_idx")]

    @property
    def variance(self) -> Decimal:
        """Return how much more was counted than the books said at that moment; 0 before it is counted."""
        if self.counted_quantity is None or self.book_quantity is None:
            return Decimal(0)
        return self.counted_quantity - self.book_quantity

    @property
    def variance_value(self) -> Decimal:
        """Return what the variance is worth at cost."""
        return round_quantity(self.variance * self.unit_cost)

    def __str__(self) -> str:
        return f"{self.cycle_count}, line {self.position}"
