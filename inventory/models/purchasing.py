"""Vendors, what is wanted of them, and purchase orders."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q

from blb3d.core.documents import Document, step_permissions

_QUANTITY = {"max_digits": 12, "decimal_places": 4}
_MONEY = {"max_digits": 12, "decimal_places": 2, "default": Decimal(0)}


class Vendor(Document):
    """Who sells to us."""

    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=200)
    email = models.EmailField(blank=True, default="")
    phone = models.CharField(max_length=40, blank=True, default="")
    contact_name = models.CharField(max_length=120, blank=True, default="")
    address = models.TextField(blank=True, default="")
    our_account = models.CharField(max_length=60, blank=True, default="", help_text="What they know us by")
    currency = models.CharField(max_length=3, default="USD")
    payment_days = models.PositiveSmallIntegerField(default=30, help_text="A bill is due so many days after its date")
    quarantine_receipts = models.BooleanField(
        default=False, help_text="What comes from here cannot be used before somebody releases it"
    )
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
    #: The sum of the lines, kept by the verbs that change them.
    subtotal = models.DecimalField(**_MONEY)
    freight = models.DecimalField(**_MONEY)
    tax = models.DecimalField(**_MONEY)
    #: Who last changed what is bought: somebody else approves it.
    written_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    approved_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    approved_at = models.DateTimeField(null=True, blank=True)
    sent_at = models.DateTimeField(null=True, blank=True, help_text="When the vendor was mailed")
    message = models.TextField(blank=True, default="", help_text="Printed on the order, for the vendor")
    notes = models.TextField(blank=True, default="", help_text="For us alone")

    class Meta:
        db_table = "purchase_orders"
        ordering = ["-id"]
        permissions = [
            *step_permissions("purchaseorder", "order", "receive", "close_short", "cancel", "approve"),
            ("approve_own_purchaseorder", "Can approve a purchaseorder they wrote"),
        ]

    def __str__(self) -> str:
        return self.po_number

    @property
    def total(self) -> Decimal:
        """Return what the order comes to with freight and tax."""
        return self.subtotal + self.freight + self.tax


class PurchaseOrderLine(Document):
    """A product, how much of it, and how much has come."""

    purchase_order = models.ForeignKey(PurchaseOrder, models.CASCADE, related_name="lines")
    line_number = models.PositiveIntegerField()
    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="+")
    vendor_sku = models.CharField(max_length=80, blank=True, default="")
    quantity = models.DecimalField(**_QUANTITY)
    unit_of_measure = models.CharField(max_length=20, help_text="kg, each, or one of the product's own")
    unit_price = models.DecimalField(max_digits=12, decimal_places=4, default=Decimal(0))
    needed_on = models.DateField(null=True, blank=True)
    expected_on = models.DateField(null=True, blank=True, help_text="Empty: the order's")
    #: What was expected when it was ordered: what the vendor is measured by, whatever is put off later.
    promised_on = models.DateField(null=True, blank=True, editable=False)
    #: All in the line's own unit.
    quantity_received = models.DecimalField(**_QUANTITY, default=Decimal(0))
    quantity_returned = models.DecimalField(**_QUANTITY, default=Decimal(0))
    quantity_cancelled = models.DecimalField(**_QUANTITY, default=Decimal(0))
    quantity_billed = models.DecimalField(**_QUANTITY, default=Decimal(0))

    class Meta:
        db_table = "purchase_order_lines"
        ordering = ["purchase_order_id", "line_number"]
        constraints = [
            models.UniqueConstraint(fields=["purchase_order", "line_number"], name="purchase_line_unique"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="purchase_line_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.purchase_order_id}/{self.line_number}"

    @property
    def owed(self) -> Decimal:
        """Return how much the vendor still has to send."""
        return max(self.quantity - self.quantity_cancelled - self.quantity_received, Decimal(0))


class PurchaseRequisition(Document):
    """Somebody wants something bought; a buyer orders or refuses it."""

    class Status(models.TextChoices):
        OPEN = "open", "open"
        ORDERED = "ordered", "ordered"
        REFUSED = "refused", "refused"

    class Source(models.TextChoices):
        BY_HAND = "by_hand", "by hand"
        PLANNING = "planning", "planning"

    number = models.CharField(max_length=30, unique=True)
    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="requisitions")
    quantity = models.DecimalField(**_QUANTITY)
    unit = models.CharField(max_length=20, help_text="kg, each, or one of the product's own")
    needed_on = models.DateField(null=True, blank=True)
    vendor = models.ForeignKey(
        Vendor, models.PROTECT, null=True, blank=True, related_name="requisitions", help_text="Empty: the usual one"
    )
    wanted_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    reason = models.CharField(max_length=500, blank=True, default="")
    source = models.CharField(max_length=10, choices=Source.choices, default=Source.BY_HAND)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.OPEN)
    purchase_order = models.ForeignKey(
        PurchaseOrder, models.PROTECT, null=True, blank=True, related_name="requisitions"
    )

    class Meta:
        db_table = "purchase_requisitions"
        ordering = ["-id"]
        permissions = step_permissions("purchaserequisition", "order", "refuse")
        constraints = [models.CheckConstraint(condition=Q(quantity__gt=0), name="requisition_positive")]

    def __str__(self) -> str:
        return self.number
