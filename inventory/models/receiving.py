"""What came from vendors, what it cost to get here, and what went back."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q
from django.utils import timezone

from blb3d.core.documents import Document, step_permissions

_QUANTITY = {"max_digits": 14, "decimal_places": 4}
_MONEY = {"max_digits": 12, "decimal_places": 2, "default": Decimal(0)}


class GoodsReceipt(Document):
    """One delivery against a purchase order; written once, with the stock it brought."""

    number = models.CharField(max_length=30, unique=True)
    purchase_order = models.ForeignKey("inventory.PurchaseOrder", models.PROTECT, related_name="receipts")
    received_at = models.DateTimeField(default=timezone.now)
    packing_slip = models.CharField(max_length=80, blank=True, default="", help_text="The vendor's number of it")
    notes = models.TextField(blank=True, default="")

    class Meta:
        db_table = "goods_receipts"
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.number


class GoodsReceiptLine(Document):
    """One lot, or one plain quantity, of an ordered product."""

    receipt = models.ForeignKey(GoodsReceipt, models.CASCADE, related_name="lines")
    line_number = models.PositiveIntegerField()
    order_line = models.ForeignKey("inventory.PurchaseOrderLine", models.PROTECT, related_name="receipt_lines")
    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="+")
    lot = models.ForeignKey(
        "inventory.MaterialLot", models.PROTECT, null=True, blank=True, related_name="receipt_lines"
    )
    location = models.ForeignKey("inventory.InventoryLocation", models.PROTECT, related_name="+")
    quantity = models.DecimalField(**_QUANTITY, help_text="In the unit it was bought in")
    unit_of_measure = models.CharField(max_length=20)
    stock_quantity = models.DecimalField(**_QUANTITY, help_text="In the stock unit")
    unit_cost = models.DecimalField(
        max_digits=12, decimal_places=4, default=Decimal(0), help_text="Per stock unit, as it was put on the shelf"
    )
    #: Of the stock quantity; what was returned after an inspection refused it counts in both.
    returned_quantity = models.DecimalField(**_QUANTITY, default=Decimal(0))
    rejected_quantity = models.DecimalField(**_QUANTITY, default=Decimal(0))

    class Meta:
        db_table = "goods_receipt_lines"
        ordering = ["receipt_id", "line_number"]
        constraints = [
            models.UniqueConstraint(fields=["receipt", "line_number"], name="receipt_line_unique"),
            models.CheckConstraint(condition=Q(stock_quantity__gt=0), name="receipt_line_positive"),
            models.CheckConstraint(
                condition=Q(returned_quantity__lte=models.F("stock_quantity")), name="receipt_line_returned_came"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.receipt_id}/{self.line_number}"


class LandedCost(Document):
    """What a delivery cost beyond its prices, and where the money went: onto stock, or past it."""

    class Kind(models.TextChoices):
        FREIGHT = "freight", "freight"
        DUTY = "duty", "duty"
        OTHER = "other", "other"

    class Basis(models.TextChoices):
        VALUE = "value", "by value"
        WEIGHT = "weight", "by weight"

    receipt = models.ForeignKey(GoodsReceipt, models.PROTECT, related_name="landed_costs")
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.FREIGHT)
    basis = models.CharField(max_length=10, choices=Basis.choices, default=Basis.VALUE)
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    on_stock_amount = models.DecimalField(max_digits=14, decimal_places=4, default=Decimal(0))
    expensed_amount = models.DecimalField(
        max_digits=14, decimal_places=4, default=Decimal(0), help_text="The stock it belongs to was used already"
    )
    notes = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        db_table = "landed_costs"
        ordering = ["id"]
        constraints = [models.CheckConstraint(condition=Q(amount__gt=0), name="landed_cost_positive")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.amount}"


class VendorReturn(Document):
    """Goods that went back to a vendor, and the credit expected for them."""

    class Status(models.TextChoices):
        SENT = "sent", "sent"
        CREDITED = "credited", "credited"

    number = models.CharField(max_length=30, unique=True)
    purchase_order = models.ForeignKey("inventory.PurchaseOrder", models.PROTECT, related_name="returns")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.SENT)
    returned_at = models.DateTimeField(default=timezone.now)
    reason = models.CharField(max_length=500)
    vendor_reference = models.CharField(max_length=80, blank=True, default="", help_text="The vendor's return number")
    tracking_number = models.CharField(max_length=80, blank=True, default="")
    credit_expected_amount = models.DecimalField(**_MONEY)
    credit_received_amount = models.DecimalField(**_MONEY)
    credited_on = models.DateField(null=True, blank=True)
    currency = models.CharField(max_length=3, default="USD")

    class Meta:
        db_table = "vendor_returns"
        ordering = ["-id"]
        permissions = step_permissions("vendorreturn", "credit")

    def __str__(self) -> str:
        return self.number


class VendorReturnLine(Document):
    """What of a receipt line went back."""

    vendor_return = models.ForeignKey(VendorReturn, models.CASCADE, related_name="lines")
    line_number = models.PositiveIntegerField()
    receipt_line = models.ForeignKey(GoodsReceiptLine, models.PROTECT, related_name="return_lines")
    quantity = models.DecimalField(**_QUANTITY, help_text="In the stock unit")
    unit_cost = models.DecimalField(max_digits=12, decimal_places=4, default=Decimal(0))
    was_rejected = models.BooleanField(default=False)

    class Meta:
        db_table = "vendor_return_lines"
        ordering = ["vendor_return_id", "line_number"]
        constraints = [
            models.UniqueConstraint(fields=["vendor_return", "line_number"], name="vendor_return_line_unique"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="vendor_return_line_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.vendor_return_id}/{self.line_number}"
