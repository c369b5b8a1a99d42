"""Quotes: a customer's files, what they need, what they cost, who approves, and what came of it."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from blb3d.core.documents import Document, step_permissions


class Quote(Document):
    """A request for a price on a custom job, per set of its files' parts."""

    class Status(models.TextChoices):
        DRAFT = "draft", "draft"
        PENDING = "pending", "in review"
        APPROVED = "approved", "ready to accept"
        ACCEPTED = "accepted", "accepted"
        CONVERTED = "converted", "ordered"
        REJECTED = "rejected", "rejected"
        CANCELLED = "cancelled", "cancelled"
        EXPIRED = "expired", "expired"

    class Quality(models.TextChoices):
        DRAFT = "draft", "draft 0.28 mm"
        STANDARD = "standard", "standard 0.20 mm"
        FINE = "fine", "fine 0.12 mm"

    class Finish(models.TextChoices):
        STANDARD = "standard", "standard"
        SMOOTH = "smooth", "smooth"
        PAINTED = "painted", "painted"

    class Rush(models.TextChoices):
        STANDARD = "standard", "standard"
        RUSH = "rush", "rush"
        SUPER_RUSH = "super_rush", "super rush"
        URGENT = "urgent", "urgent"

    quote_number = models.CharField(max_length=30, unique=True)
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="quotes")
    customer = models.ForeignKey("sales.Customer", models.PROTECT, null=True, blank=True, related_name="quotes")
    portal_session = models.ForeignKey(
        "accounts.PortalSession", models.SET_NULL, null=True, blank=True, related_name="quotes"
    )
    product_name = models.CharField(max_length=200)
    material_type = models.CharField(max_length=20)
    #: The filament that was chosen, by the customer or at acceptance.
    material = models.ForeignKey("inventory.Product", models.PROTECT, null=True, blank=True, related_name="+")
    color_name = models.CharField(max_length=60, blank=True, default="")
    color_hex = models.CharField(max_length=6, blank=True, default="")
    quality = models.CharField(max_length=10, choices=Quality.choices, default=Quality.STANDARD)
    infill_percent = models.PositiveSmallIntegerField(default=15)
    finish = models.CharField(max_length=10, choices=Finish.choices, default=Finish.STANDARD)
    rush = models.CharField(max_length=12, choices=Rush.choices, default=Rush.STANDARD)
    quantity = models.PositiveIntegerField()
    special_instructions = models.TextField(blank=True, default="")
    customer_po_number = models.CharField(max_length=60, blank=True, default="")

    # The estimate, per set.
    material_grams = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    print_time_minutes = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    parts_per_plate = models.PositiveIntegerField(default=1, help_text="Sets that fit on one plate")
    plate_minutes = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    estimate_method = models.CharField(max_length=40, blank=True, default="")
    estimate_confidence = models.DecimalField(
        max_digits=6, decimal_places=2, null=True, blank=True, help_text="Half width of the interval, percent"
    )
    fallback_reason = models.CharField(max_length=300, blank=True, default="")
    #: What acceptance and review need of the estimate: {"plates": [{"file", "sets", "runs", "minutes", "bbox",
    #: "filaments": [{"position", "grams"}]}], "warnings", "needs_person", "methods_differ_percent"}.
    estimate_detail = models.JSONField(default=dict, blank=True)

    # The price.
    unit_price = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    subtotal = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    tax = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    total_price = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    currency = models.CharField(max_length=3, default="USD")
    #: {"lines": [...], "rules_version": ..., "inputs": {...}}: the price can be computed again from it.
    price_breakdown = models.JSONField(default=dict, blank=True)

    status = models.CharField(max_length=12, choices=Status.choices, default=Status.DRAFT)
    #: How far pricing is, or what is wrong: shown to the customer while the quote is a draft.
    processing_note = models.CharField(max_length=300, blank=True, default="")
    review_message = models.CharField(max_length=1000, blank=True, default="")
    submitted_at = models.DateTimeField(null=True, blank=True)
    priced_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    sales_order = models.OneToOneField("sales.SalesOrder", models.PROTECT, null=True, blank=True, related_name="quote")
    product = models.OneToOneField("inventory.Product", models.PROTECT, null=True, blank=True, related_name="quote")

    OPEN = (Status.DRAFT, Status.PENDING, Status.APPROVED)

    class Meta:
        db_table = "quotes"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["status", "created_at"], name="idx_quotes_status_created"),
            models.Index(fields=["user", "created_at"], name="idx_quotes_user"),
            models.Index(fields=["customer", "created_at"], name="idx_quotes_customer"),
        ]
        constraints = [models.CheckConstraint(condition=Q(quantity__gt=0), name="quote_quantity_positive")]
        permissions = [
            *step_permissions("quote", "submit", "approve", "request_changes", "reject", "cancel", "accept", "convert"),
            ("reprice_quote", "Can price a quote again"),
            ("approve_level2_quote", "Can approve quotes at director's level"),
            ("approve_level3_quote", "Can approve quotes at owner's level"),
        ]

    def __str__(self) -> str:
        return self.quote_number

    @property
    def is_priced(self) -> bool:
        """True when there is a price to accept."""
        return self.unit_price is not None

    @property
    def has_expired(self) -> bool:
        """True when the price no longer holds, whether or not that was written yet."""
        return self.status == self.Status.EXPIRED or (self.expires_at is not None and self.expires_at <= timezone.now())

    @property
    def price_lines(self) -> list[dict[str, str]]:
        """The lines that a customer sees: ``[{"key", "label", "amount"}]``."""
        lines: list[dict[str, str]] = self.price_breakdown.get("lines", [])
        return lines


def quote_file_path(instance: Any, filename: str) -> str:
    """Return where an uploaded file is kept: ``quotes/{year}/{month}/{quote_id}/{file name}``, below ``UPLOAD_DIR``."""
    created = instance.quote.created_at
    return f"quotes/{created:%Y}/{created:%m}/{instance.quote_id}/{filename}"


class QuoteFile(Document):
    """A file that a customer uploaded, and what we saw in it."""

    class ScanResult(models.TextChoices):
        NOT_SCANNED = "not_scanned", "not scanned"
        CLEAN = "clean", "clean"
        INFECTED = "infected", "infected"

    quote = models.ForeignKey(Quote, models.CASCADE, related_name="files")
    file = models.FileField(upload_to=quote_file_path, max_length=500)
    original_filename = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64, db_index=True)
    size_bytes = models.PositiveBigIntegerField()
    mime_type = models.CharField(max_length=100)
    scan_result = models.CharField(max_length=15, choices=ScanResult.choices, default=ScanResult.NOT_SCANNED)
    thumbnail = models.FileField(upload_to=quote_file_path, max_length=500, blank=True)
    format = models.CharField(max_length=30, blank=True, default="")
    #: Analysis: unit, parts with volume and size, warnings.
    geometry = models.JSONField(default=dict, blank=True)

    class Meta:
        db_table = "quote_files"
        ordering = ["id"]
        constraints = [models.UniqueConstraint(fields=["quote", "sha256"], name="quote_file_unique")]

    def __str__(self) -> str:
        return self.original_filename

    @property
    def is_read(self) -> bool:
        """True when the file was analysed; one for an engineer, or a large one that waits, was not."""
        return bool(self.geometry)


class QuotePart(models.Model):
    """A part found in a file, and how many of it make a set."""

    quote = models.ForeignKey(Quote, models.CASCADE, related_name="parts")
    file = models.ForeignKey(QuoteFile, models.CASCADE, related_name="parts")
    name = models.CharField(max_length=200)
    quantity = models.PositiveIntegerField(default=1)
    volume_cm3 = models.DecimalField(max_digits=14, decimal_places=4)
    size_x_mm = models.DecimalField(max_digits=10, decimal_places=2)
    size_y_mm = models.DecimalField(max_digits=10, decimal_places=2)
    size_z_mm = models.DecimalField(max_digits=10, decimal_places=2)
    is_watertight = models.BooleanField(default=True)

    class Meta:
        db_table = "quote_parts"
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.name}"


class QuoteMaterial(models.Model):
    """One filament of a quote, grams per set."""

    quote = models.ForeignKey(Quote, models.CASCADE, related_name="materials")
    position = models.PositiveSmallIntegerField(default=0)
    material_type = models.CharField(max_length=20)
    color_hex = models.CharField(max_length=6, blank=True, default="")
    grams = models.DecimalField(max_digits=12, decimal_places=4)
    material = models.ForeignKey("inventory.Product", models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        db_table = "quote_materials"
        ordering = ["quote_id", "position"]
        constraints = [models.UniqueConstraint(fields=["quote", "position"], name="quote_material_unique")]

    def __str__(self) -> str:
        return f"{self.grams} g {self.material_type}"


class QuoteApproval(models.Model):
    """A rule that a quote hit, and who decided at which level."""

    class Rule(models.TextChoices):
        OVER_500 = "OVER_500", "over the approval limit"
        NEW_CUSTOMER = "NEW_CUSTOMER", "new customer"
        CUSTOM_MATERIAL = "CUSTOM_MATERIAL", "material not in the catalogue"
        HAS_INSTRUCTIONS = "HAS_INSTRUCTIONS", "special instructions"
        LOW_CONFIDENCE = "LOW_CONFIDENCE", "uncertain estimate"

    class Status(models.TextChoices):
        PENDING = "PENDING", "pending"
        APPROVED = "APPROVED", "approved"
        REJECTED = "REJECTED", "rejected"

    quote = models.ForeignKey(Quote, models.CASCADE, related_name="approvals")
    approval_level = models.PositiveSmallIntegerField(help_text="1 manager, 2 director, 3 owner")
    required_when = models.CharField(max_length=50, choices=Rule.choices)
    approver = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    status = models.CharField(max_length=20, choices=Status.choices, default=Status.PENDING)
    approved_date = models.DateTimeField(null=True, blank=True)
    comments = models.CharField(max_length=1000, blank=True, default="")

    class Meta:
        db_table = "quote_approvals"
        ordering = ["id"]
        indexes = [models.Index(fields=["quote", "status"], name="idx_approval_status")]

    def __str__(self) -> str:
        return f"{self.required_when} level {self.approval_level}: {self.status}"


class FileUploadLog(models.Model):
    """Every file that anybody tried to upload, refused ones too."""

    session_id = models.CharField(max_length=100, blank=True, default="")
    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.SET_NULL, null=True, blank=True, related_name="+")
    ip_address = models.CharField(max_length=50, blank=True, default="")
    filename = models.CharField(max_length=500)
    file_hash = models.CharField(max_length=64)
    file_size_bytes = models.BigIntegerField()
    mime_type = models.CharField(max_length=100, blank=True, default="")
    uploaded_at = models.DateTimeField(default=timezone.now)
    quote = models.ForeignKey(Quote, models.SET_NULL, null=True, blank=True, related_name="upload_log")
    virus_scan_result = models.CharField(max_length=50, blank=True, default="")
    accepted = models.BooleanField(default=True)
    refusal = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        db_table = "file_upload_log"
        verbose_name_plural = "file upload log"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["file_hash"], name="idx_hash"),
            models.Index(fields=["uploaded_at"], name="idx_upload_date"),
        ]

    def __str__(self) -> str:
        return self.filename


class QuoteAnalytics(models.Model):
    """How a quote went: time to price, where the customer stopped, whether it became an order."""

    quote = models.OneToOneField(Quote, models.CASCADE, related_name="analytics")
    time_to_quote_seconds = models.IntegerField(null=True)
    customer_session_duration = models.IntegerField(null=True)
    abandoned_at_step = models.CharField(max_length=50, blank=True, default="")
    converted_to_order = models.BooleanField(default=False)
    conversion_time_hours = models.DecimalField(max_digits=10, decimal_places=2, null=True, default=None)
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "quote_analytics"
        verbose_name_plural = "quote analytics"

    def __str__(self) -> str:
        return f"{self.quote_id}"
