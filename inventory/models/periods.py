"""Periods whose books are closed, what stock was worth at their end, and the nightly proofs of the books."""

from __future__ import annotations

import datetime
from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from blb3d.core.documents import Document, step_permissions
from inventory.models.stock import STOCK, VALUE, InventoryLocation, MaterialLot


def midnight(day: datetime.date) -> datetime.datetime:
    """Return when a day begins where we are."""
    return timezone.make_aware(datetime.datetime.combine(day, datetime.time()), timezone.get_default_timezone())


class StockBook(models.Model):
    """The stock ledger as a whole, one row: up to when it is closed. Whoever dates a movement back locks it."""

    code = models.CharField(max_length=20, unique=True)
    closed_through = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "stock_books"

    def __str__(self) -> str:
        return self.code


class StockPeriod(Document):
    """Some days of the stock ledger; once they are closed nothing is posted in them or before them."""

    class Status(models.TextChoices):
        OPEN = "open", "open"
        CLOSED = "closed", "closed"

    first_day = models.DateField()
    last_day = models.DateField()
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OPEN)
    closings = models.PositiveIntegerField(default=0, editable=False, help_text="How often it was closed")
    closed_at = models.DateTimeField(null=True, blank=True, editable=False)
    stock_value = models.DecimalField(
        **VALUE, null=True, blank=True, editable=False, help_text="Of all stock at the end of the last day"
    )

    class Meta:
        db_table = "stock_periods"
        ordering = ["-first_day", "-id"]
        permissions = step_permissions("stockperiod", "close", "reopen")
        constraints = [
            models.CheckConstraint(condition=Q(last_day__gte=F("first_day")), name="stock_period_ends_after_start")
        ]

    def __str__(self) -> str:
        return f"{self.first_day} to {self.last_day}"

    @property
    def ends_at(self) -> datetime.datetime:
        """Return the first moment after the period."""
        return midnight(self.last_day + datetime.timedelta(days=1))


class StockPeriodValue(models.Model):
    """What of a product lay where at the end of a period, and what it was worth: one row of one closing."""

    period = models.ForeignKey(StockPeriod, models.PROTECT, related_name="values")
    closing = models.PositiveIntegerField(help_text="The first closing is 1; a later one follows a reopening")
    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="+")
    location = models.ForeignKey(InventoryLocation, models.PROTECT, related_name="+")
    lot = models.ForeignKey(MaterialLot, models.PROTECT, null=True, blank=True, related_name="+")
    quantity = models.DecimalField(**STOCK)
    stock_value = models.DecimalField(**VALUE)

    class Meta:
        db_table = "stock_period_values"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["period", "closing", "product", "location", "lot"],
                condition=Q(lot__isnull=False),
                name="stock_period_value_lot_unique",
            ),
            models.UniqueConstraint(
                fields=["period", "closing", "product", "location"],
                condition=Q(lot__isnull=True),
                name="stock_period_value_no_lot_unique",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.quantity.normalize():f} worth {self.stock_value}"


class ReconciliationReport(models.Model):
    """One proof of the books: what was compared and every difference found; nothing is repaired by it."""

    made_at = models.DateTimeField(default=timezone.now)
    is_clean = models.BooleanField()
    balances = models.PositiveIntegerField(default=0)
    lots = models.PositiveIntegerField(default=0)
    transactions = models.PositiveBigIntegerField(default=0)
    difference_count = models.PositiveIntegerField(default=0)
    differences = models.JSONField(default=list, blank=True, help_text="The first of them, as they were found")
    settled_at = models.DateTimeField(null=True, blank=True, help_text="When a later proof found no difference")
    stock_value = models.DecimalField(**VALUE, default=Decimal(0), help_text="Of all stock, as the balances say")

    class Meta:
        db_table = "reconciliation_reports"
        ordering = ["-made_at", "-id"]
        indexes = [models.Index(fields=["is_clean", "settled_at"], name="reconciliation_open_idx")]

    def __str__(self) -> str:
        if not self.difference_count:
            return "all agree"
        return "1 difference" if self.difference_count == 1 else f"{self.difference_count} differences"
