"""What vendors sell us, on which terms."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q

from blb3d.core.documents import Document


class VendorItem(Document):
    """A product as a vendor sells it: in which unit, how fast, at least how many."""

    vendor = models.ForeignKey("inventory.Vendor", models.CASCADE, related_name="items")
    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="vendor_items")
    vendor_sku = models.CharField(max_length=80, blank=True, default="")
    unit = models.CharField(max_length=20, help_text="Purchase unit: kg, each, or one of the product's own")
    lead_time_days = models.PositiveIntegerField(null=True, blank=True, help_text="Empty: the vendor's")
    minimum_quantity = models.DecimalField(
        max_digits=12, decimal_places=4, default=Decimal(0), help_text="In the purchase unit"
    )
    order_multiple = models.DecimalField(
        max_digits=12, decimal_places=4, default=Decimal(0), help_text="In the purchase unit; 0: any quantity"
    )
    is_preferred = models.BooleanField(default=False)
    is_active = models.BooleanField(default=True)

    class Meta:
        db_table = "vendor_items"
        ordering = ["vendor_id", "product_id"]
        constraints = [
            models.UniqueConstraint(fields=["vendor", "product"], name="vendor_item_unique"),
            models.UniqueConstraint(
                fields=["product"], condition=Q(is_preferred=True), name="vendor_item_one_preferred"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.vendor_id} {self.vendor_sku}".strip()


class VendorPrice(Document):
    """What a vendor item costs from a quantity on, per purchase unit, while it is valid."""

    item = models.ForeignKey(VendorItem, models.CASCADE, related_name="prices")
    minimum_quantity = models.DecimalField(
        max_digits=12, decimal_places=4, default=Decimal(0), help_text="From so many purchase units on"
    )
    unit_price = models.DecimalField(max_digits=12, decimal_places=4)
    currency = models.CharField(max_length=3, default="USD")
    valid_from = models.DateField(null=True, blank=True)
    valid_to = models.DateField(null=True, blank=True)

    class Meta:
        db_table = "vendor_prices"
        ordering = ["item_id", "minimum_quantity"]
        constraints = [models.CheckConstraint(condition=Q(unit_price__gte=0), name="vendor_price_not_negative")]

    def __str__(self) -> str:
        return f"{self.unit_price} from {self.minimum_quantity}"
