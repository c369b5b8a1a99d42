"""Serial numbers, inspections, nonconformances and the edges of the trace."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone

from blb3d.core.documents import Document, step_permissions


class SerialNumber(Document):
    """One part with a name of its own: BLB-YYYYMMDD-XXXX."""

    class Status(models.TextChoices):
        IN_STOCK = "IN_STOCK", "in stock"
        SHIPPED = "SHIPPED", "shipped"
        SCRAPPED = "SCRAPPED", "scrapped"
        RETURNED = "RETURNED", "returned"

    serial_number = models.CharField(max_length=50, unique=True)
    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="serials")
    production_order = models.ForeignKey("production.ProductionOrder", models.PROTECT, related_name="serials")
    print_job = models.ForeignKey("production.PrintJob", models.PROTECT, null=True, blank=True, related_name="serials")
    sales_order = models.ForeignKey("sales.SalesOrder", models.PROTECT, null=True, blank=True, related_name="serials")
    location = models.ForeignKey("inventory.InventoryLocation", models.PROTECT, null=True, blank=True, related_name="+")
    manufactured_date = models.DateTimeField(default=timezone.now)
    shipped_date = models.DateTimeField(null=True, blank=True)
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.IN_STOCK)

    class Meta:
        db_table = "serial_numbers"
        ordering = ["-id"]
        indexes = [models.Index(fields=["product", "status"], name="serials_product_status_idx")]
        permissions = step_permissions("serialnumber", "scrap")

    def __str__(self) -> str:
        return self.serial_number


class QualityInspection(Document):
    """What an inspector found, for one serial number or for a production order's parts."""

    class Type(models.TextChoices):
        FIRST_ARTICLE = "FIRST_ARTICLE", "first article"
        IN_PROCESS = "IN_PROCESS", "in process"
        FINAL = "FINAL", "final"

    inspection_type = models.CharField(max_length=20, choices=Type.choices)
    production_order = models.ForeignKey("production.ProductionOrder", models.PROTECT, related_name="inspections")
    serial_number = models.ForeignKey(SerialNumber, models.PROTECT, null=True, blank=True, related_name="inspections")
    quantity = models.PositiveIntegerField(default=1)
    inspector = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    passed = models.BooleanField()
    measurements = models.JSONField(default=dict, blank=True)
    notes = models.CharField(max_length=2000, blank=True, default="")
    inspected_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "quality_inspections"
        ordering = ["-id"]
        permissions = step_permissions("qualityinspection", "pass", "fail")

    def __str__(self) -> str:
        return f"{self.get_inspection_type_display()} inspection"


class Nonconformance(Document):
    """A part or lot that does not conform, with the 8D way to its end."""

    class DetectedAt(models.TextChoices):
        RECEIVING = "RECEIVING", "receiving"
        IN_PROCESS = "IN_PROCESS", "in process"
        FINAL_QC = "FINAL_QC", "final inspection"
        CUSTOMER = "CUSTOMER", "customer"

    class Severity(models.TextChoices):
        CRITICAL = "CRITICAL", "critical"
        MAJOR = "MAJOR", "major"
        MINOR = "MINOR", "minor"

    class Status(models.TextChoices):
        OPEN = "OPEN", "open"
        CONTAINED = "CONTAINED", "contained"
        ROOT_CAUSE = "ROOT_CAUSE", "root cause found"
        CORRECTED = "CORRECTED", "corrected"
        VERIFIED = "VERIFIED", "verified"
        CLOSED = "CLOSED", "closed"

    ncr_number = models.CharField(max_length=50, unique=True)
    production_order = models.ForeignKey(
        "production.ProductionOrder", models.PROTECT, null=True, blank=True, related_name="nonconformances"
    )
    sales_order = models.ForeignKey(
        "sales.SalesOrder", models.PROTECT, null=True, blank=True, related_name="nonconformances"
    )
    serial_number = models.ForeignKey(
        SerialNumber, models.PROTECT, null=True, blank=True, related_name="nonconformances"
    )
    detected_at = models.CharField(max_length=20, choices=DetectedAt.choices)
    detected_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    detected_date = models.DateTimeField(default=timezone.now)
    nonconformance_type = models.CharField(max_length=100)
    description = models.CharField(max_length=2000)
    severity = models.CharField(max_length=20, choices=Severity.choices)
    quantity = models.PositiveIntegerField(default=1)
    disposition = models.CharField(max_length=50, blank=True, default="")
    root_cause = models.CharField(max_length=2000, blank=True, default="")
    containment_action = models.CharField(max_length=2000, blank=True, default="")
    corrective_action = models.CharField(max_length=2000, blank=True, default="")
    preventive_action = models.CharField(max_length=2000, blank=True, default="")
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.OPEN)
    assigned_to = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    closed_date = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "nonconformances"
        verbose_name = "nonconformance (NCR)"
        verbose_name_plural = "nonconformances (NCR)"
        ordering = ["-id"]
        indexes = [models.Index(fields=["status", "detected_date"], name="idx_ncr_status")]

    def __str__(self) -> str:
        return self.ncr_number


class TraceLink(models.Model):
    """One edge of the trace, from what came before to what came of it; each layer writes its own edges."""

    class Node(models.TextChoices):
        VENDOR = "vendor", "vendor"
        PURCHASE_ORDER = "purchase_order", "purchase order"
        LOT = "lot", "lot"
        SPOOL = "spool", "spool"
        PRINTER = "printer", "printer"
        PRINT_JOB = "print_job", "print job"
        PRODUCTION_ORDER = "production_order", "production order"
        SERIAL = "serial", "serial number"
        INSPECTION = "inspection", "inspection"
        SALES_ORDER = "sales_order", "sales order"
        SHIPMENT = "shipment", "shipment"
        CUSTOMER = "customer", "customer"
        RMA = "rma", "RMA"

    source_type = models.CharField(max_length=20, choices=Node.choices)
    source_id = models.BigIntegerField()
    target_type = models.CharField(max_length=20, choices=Node.choices)
    target_id = models.BigIntegerField()
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "trace_links"
        constraints = [
            models.UniqueConstraint(
                fields=["source_type", "source_id", "target_type", "target_id"], name="trace_link_unique"
            )
        ]
        indexes = [models.Index(fields=["target_type", "target_id"], name="trace_link_back_idx")]

    def __str__(self) -> str:
        return f"{self.source_type} {self.source_id} -> {self.target_type} {self.target_id}"
