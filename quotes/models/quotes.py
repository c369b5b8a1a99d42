"""Quotes: what a customer wants, what it needs, what it costs, and what came of it."""

from __future__ import annotations

import datetime

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
    is_under_nda = models.BooleanField(default=False, help_text="Files are shown to few and named nowhere")
    #: The quote that this one asks for again, at today's price.
    requoted_from = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="requotes")

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
    #: "filaments": [{"position", "grams"}]}], "warnings", "needs_person", "methods_differ_percent", "raw": the same
    #: before corrections, with its files and filaments, "corrections": those that were applied}.
    estimate_detail = models.JSONField(default=dict, blank=True)

    # The price.
    unit_price = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    subtotal = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    tax = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    total_price = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    currency = models.CharField(max_length=3, default="USD")
    #: {"lines": [...], "rules_version": ..., "inputs": {...}}: the price can be computed again from it.
    price_breakdown = models.JSONField(default=dict, blank=True)
    #: A person's price instead of the computed one, and why; and what the customer would pay.
    offered_unit_price = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    offer_reason = models.CharField(max_length=500, blank=True, default="")
    target_unit_price = models.DecimalField(max_digits=12, decimal_places=2, null=True, blank=True)
    #: The day on which it is shipped when it is ordered today.
    ready_by = models.DateField(null=True, blank=True)

    status = models.CharField(max_length=12, choices=Status.choices, default=Status.DRAFT)
    #: How far pricing is, or what is wrong: shown to the customer while the quote is a draft.
    processing_note = models.CharField(max_length=300, blank=True, default="")
    progress_percent = models.PositiveSmallIntegerField(null=True, blank=True, help_text="While a worker prices it")
    submit_when_priced = models.BooleanField(default=False, help_text="As soon as its files are read")
    review_message = models.CharField(max_length=1000, blank=True, default="")
    submitted_at = models.DateTimeField(null=True, blank=True)
    priced_at = models.DateTimeField(null=True, blank=True)
    accepted_at = models.DateTimeField(null=True, blank=True)
    expires_at = models.DateTimeField(null=True, blank=True)
    reminded_at = models.DateTimeField(null=True, blank=True)
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
            *step_permissions(
                "quote", "submit", "approve", "request_changes", "offer", "reject", "cancel", "accept", "convert"
            ),
            ("comment_quote", "Can comment on a quote"),
            ("requote_quote", "Can quote an ended quote again"),
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
    def promise_reason(self) -> str:
        """Why it is shipped by ``ready_by`` and not sooner, in one sentence."""
        reason: str = self.estimate_detail.get("promise", {}).get("reason", "")
        return reason

    @property
    def learned_from(self) -> int:
        """From how many finished prints its estimate was corrected."""
        return sum(row["sample_size"] for row in self.estimate_detail.get("corrections", []))

    @property
    def sooner(self) -> list[tuple[str, datetime.date]]:
        """Which rush levels would be shipped before ``ready_by``, each before the cheaper ones, and by when."""
        days: dict[str, str] = self.estimate_detail.get("promise", {}).get("ready_by", {})
        found: list[tuple[str, datetime.date]] = []
        best = self.ready_by
        for level in self.Rush:
            day = datetime.date.fromisoformat(days[level]) if level in days else None
            if day is not None and best is not None and day < best:
                found.append((str(level.label), day))
                best = day
        return found

    @property
    def price_lines(self) -> list[dict[str, str]]:
        """The lines that a customer sees: ``[{"key", "label", "amount"}]``."""
        lines: list[dict[str, str]] = self.price_breakdown.get("lines", [])
        return lines


class QuotePart(models.Model):
    """A part found in a file, and how many of it make a set."""

    quote = models.ForeignKey(Quote, models.CASCADE, related_name="parts")
    file = models.ForeignKey("quotes.QuoteFile", models.CASCADE, related_name="parts")
    #: Which part of the file's analysis it is.
    position = models.PositiveIntegerField(default=0)
    name = models.CharField(max_length=200)
    #: Pieces in a set; 0 leaves the part out.
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
