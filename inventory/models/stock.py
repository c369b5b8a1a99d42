"""Locations, lots, spools, balances, reservations and the append-only ledger under them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Round
from django.utils import timezone

from blb3d.core.documents import Document, step_permissions

STOCK = {"max_digits": 14, "decimal_places": 4}
VALUE = {"max_digits": 20, "decimal_places": 4}


class Reference(models.TextChoices):
    """What a stock movement or reservation is for: the one generic reference in the schema."""

    PRODUCTION_ORDER = "production_order", "production order"
    PRINT_JOB = "print_job", "print job"
    SALES_ORDER = "sales_order", "sales order"
    SALES_ORDER_LINE = "sales_order_line", "sales order line"
    SHIPMENT = "shipment", "shipment"
    PURCHASE_ORDER = "purchase_order", "purchase order"
    GOODS_RECEIPT = "goods_receipt", "goods receipt"
    VENDOR_RETURN = "vendor_return", "vendor return"
    VENDOR_BILL = "vendor_bill", "vendor bill"
    RMA = "rma", "RMA"
    CYCLE_COUNT = "cycle_count", "cycle count"
    LOT = "lot", "lot"
    MANUAL = "manual", "by hand"


class InventoryLocation(Document):
    """A place where stock lies."""

    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    parent = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="children")
    is_active = models.BooleanField(default=True)
    is_default = models.BooleanField(default=False, help_text="Where receipts and output go unless told otherwise")

    class Meta:
        db_table = "inventory_locations"
        ordering = ["code"]

    def __str__(self) -> str:
        return self.code


class MaterialLot(Document):
    """A batch of a material as received: what an auditor asks for."""

    class Status(models.TextChoices):
        QUARANTINE = "QUARANTINE", "quarantine"
        ACTIVE = "ACTIVE", "active"
        EXPIRED = "EXPIRED", "expired"
        DEPLETED = "DEPLETED", "depleted"

    lot_number = models.CharField(max_length=100, unique=True)
    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="lots")
    vendor = models.ForeignKey("inventory.Vendor", models.PROTECT, null=True, blank=True, related_name="lots")
    purchase_order = models.ForeignKey(
        "inventory.PurchaseOrder", models.PROTECT, null=True, blank=True, related_name="lots"
    )
    vendor_lot_number = models.CharField(max_length=100, blank=True, default="")
    received_date = models.DateTimeField(default=timezone.now)
    expiration_date = models.DateTimeField(null=True, blank=True)
    quantity_received = models.DecimalField(**STOCK)
    quantity_remaining = models.DecimalField(**STOCK)
    unit_cost = models.DecimalField(max_digits=12, decimal_places=4, default=Decimal(0))
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.ACTIVE)
    coa_document_path = models.FileField(upload_to="coa/", max_length=500, blank=True)
    coa_file_name = models.CharField(max_length=200, blank=True, default="", help_text="As the vendor named it")
    coa_sha256 = models.CharField(max_length=64, blank=True, default="")
    coa_uploaded_at = models.DateTimeField(null=True, blank=True)
    coa_uploaded_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+"
    )
    labelled_at = models.DateTimeField(null=True, blank=True, help_text="When its label was last printed")

    class Meta:
        db_table = "material_lots"
        ordering = ["received_date", "id"]
        indexes = [models.Index(fields=["product", "status", "received_date"], name="lots_fifo_idx")]
        permissions = step_permissions("materiallot", "release", "quarantine", "expire")
        constraints = [
            models.CheckConstraint(condition=Q(quantity_remaining__gte=0), name="lot_remaining_not_negative")
        ]

    def __str__(self) -> str:
        return self.lot_number


class Spool(Document):
    """A reel of a lot, with what is left on it and where it hangs."""

    label = models.CharField(max_length=60, unique=True)
    lot = models.ForeignKey(MaterialLot, models.PROTECT, related_name="spools")
    tare_grams = models.DecimalField(max_digits=10, decimal_places=4, default=Decimal(0))
    remaining_grams = models.DecimalField(max_digits=10, decimal_places=4)
    #: What jobs took when the books said it was empty; a corrected report gives this back first.
    overdrawn_grams = models.DecimalField(max_digits=10, decimal_places=4, default=Decimal(0), editable=False)
    tag_uid = models.CharField(max_length=32, blank=True, default="", help_text="RFID of the reel")
    tray_uuid = models.CharField(max_length=32, blank=True, default="", help_text="The reel's id by any tag")
    location = models.ForeignKey(
        InventoryLocation, models.PROTECT, null=True, blank=True, related_name="spools", help_text="Shelf or drybox"
    )
    weighed_at = models.DateTimeField(null=True, blank=True)
    labelled_at = models.DateTimeField(null=True, blank=True, help_text="When its label was last printed")
    opened_at = models.DateTimeField(null=True, blank=True, help_text="Since when it lies open; empty: sealed")
    dried_at = models.DateTimeField(null=True, blank=True, help_text="When it was last taken out of the dryer")
    split_from = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="parts")
    merged_into = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="merged_spools")

    class Meta:
        db_table = "spools"
        ordering = ["label"]

    def __str__(self) -> str:
        return self.label


class Inventory(models.Model):
    """The balance of a product at a location and lot; moved only by the ledger."""

    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="balances")
    location = models.ForeignKey(InventoryLocation, models.PROTECT, related_name="balances")
    lot = models.ForeignKey(MaterialLot, models.PROTECT, null=True, blank=True, related_name="balances")
    on_hand_quantity = models.DecimalField(**STOCK, default=Decimal(0))
    allocated_quantity = models.DecimalField(**STOCK, default=Decimal(0))
    available_quantity = models.GeneratedField(
        expression=Round(F("on_hand_quantity") - F("allocated_quantity"), 4),
        output_field=models.DecimalField(**STOCK),
        db_persist=True,
    )
    cost_per_unit = models.DecimalField(max_digits=12, decimal_places=4, default=Decimal(0))
    updated_at = models.DateTimeField(default=timezone.now)

    #: True once the same balance was locked again: this object knows nothing of what was posted since.
    is_superseded = False

    class Meta:
        db_table = "inventory"
        verbose_name = "balance"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(
                fields=["product", "location", "lot"], condition=Q(lot__isnull=False), name="inventory_lot_unique"
            ),
            models.UniqueConstraint(
                fields=["product", "location"], condition=Q(lot__isnull=True), name="inventory_no_lot_unique"
            ),
            models.CheckConstraint(condition=Q(allocated_quantity__gte=0), name="inventory_allocated_not_negative"),
            models.CheckConstraint(
                condition=Q(on_hand_quantity__gte=F("allocated_quantity")), name="inventory_allocated_on_hand"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.on_hand_quantity.normalize():f} on hand"


class LedgerQuerySet(models.QuerySet[Any]):
    """Rows that are only ever added."""

    def update(self, **values: Any) -> int:
        """Refuse: a posted movement is corrected by a counter-movement."""
        raise TypeError("The ledger is append-only.")

    def delete(self) -> Any:
        """Refuse: a posted movement is corrected by a counter-movement."""
        raise TypeError("The ledger is append-only.")


class InventoryTransaction(models.Model):
    """One movement of stock: an append-only ledger row. Sums of the change columns are the balances.

    The sum of ``value_change`` of a balance is what it is worth: on hand times cost, at four decimals.
    """

    class Kind(models.TextChoices):
        RECEIPT = "receipt", "receipt"
        CONSUMPTION = "consumption", "consumption"
        ADJUSTMENT = "adjustment", "adjustment"
        TRANSFER = "transfer", "transfer"
        RESERVATION = "reservation", "reservation"
        RELEASE = "release", "release"
        SCRAP = "scrap", "scrap"
        RETURN = "return", "return"
        SHIPMENT = "shipment", "shipment"
        PRODUCTION_OUTPUT = "production_output", "production output"
        REVALUATION = "revaluation", "revaluation"

    transaction_type = models.CharField(max_length=20, choices=Kind.choices)
    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="+")
    location = models.ForeignKey(InventoryLocation, models.PROTECT, related_name="+")
    lot = models.ForeignKey(MaterialLot, models.PROTECT, null=True, blank=True, related_name="transactions")
    quantity = models.DecimalField(**STOCK, help_text="In the stock unit; signed for adjustments, transfers, reversals")
    on_hand_change = models.DecimalField(**STOCK)
    allocated_change = models.DecimalField(**STOCK)
    unit_cost = models.DecimalField(max_digits=12, decimal_places=4, default=Decimal(0))
    value_change = models.DecimalField(
        **VALUE, default=Decimal(0), help_text="By how much the movement changed what the balance is worth"
    )
    reference_type = models.CharField(max_length=20, choices=Reference.choices, default=Reference.MANUAL)
    reference_id = models.BigIntegerField(null=True, blank=True)
    reason = models.CharField(max_length=500, blank=True, default="")
    reverses = models.ForeignKey(
        "self", models.PROTECT, null=True, blank=True, related_name="reversals", help_text="The row that this undoes"
    )
    transaction_date = models.DateTimeField(default=timezone.now)
    created_at = models.DateTimeField(default=timezone.now)
    created_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")

    objects = LedgerQuerySet.as_manager()

    class Meta:
        db_table = "inventory_transactions"
        verbose_name = "stock movement"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["-transaction_date"], name="inventory_trans_date_idx"),
            models.Index(fields=["product", "id"], name="inventory_trans_product_idx"),
            models.Index(fields=["reference_type", "reference_id"], name="inventory_trans_ref_idx"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["reverses"], condition=Q(reverses__isnull=False), name="inventory_trans_reversed_once"
            )
        ]
        permissions = [
            ("backdate_stock", "Can date stock movements back as far as the open periods go"),
            ("reverse_inventorytransaction", "Can reverse inventorytransaction"),
            ("revalue_stock", "Can change what stock is worth"),
        ]

    def __str__(self) -> str:
        return f"{self.get_transaction_type_display()} of {self.quantity.normalize():f}"

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Insert the row; a second save is refused."""
        if not self._state.adding:
            raise TypeError("The ledger is append-only.")
        super().save(*args, **kwargs)

    def delete(self, *args: Any, **kwargs: Any) -> Any:
        """Refuse: a posted movement is corrected by a counter-movement."""
        raise TypeError("The ledger is append-only.")


class Reservation(models.Model):
    """Stock of one balance row kept for one document; ``Inventory.allocated_quantity`` is their sum."""

    balance = models.ForeignKey(Inventory, models.PROTECT, related_name="reservations")
    quantity = models.DecimalField(**STOCK)
    reference_type = models.CharField(max_length=20, choices=Reference.choices)
    reference_id = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "reservations"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["balance", "reference_type", "reference_id"], name="reservation_unique"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="reservation_positive"),
        ]
        indexes = [models.Index(fields=["reference_type", "reference_id"], name="reservation_ref_idx")]

    def __str__(self) -> str:
        return f"{self.quantity} for {self.reference_type} {self.reference_id}"
