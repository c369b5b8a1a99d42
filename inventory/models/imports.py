"""Tables that were brought in from files, looked at before they were taken."""

from __future__ import annotations

from django.conf import settings
from django.db import models

from blb3d.core.documents import Document, step_permissions


class ImportBatch(Document):
    """A file of products, bills, stock or vendors: what it would do, and whether it was done."""

    class Kind(models.TextChoices):
        PRODUCTS = "products", "products"
        BOMS = "boms", "bills of materials"
        STOCK = "stock", "opening stock"
        VENDORS = "vendors", "vendors"
        VENDOR_ITEMS = "vendor_items", "vendors' items"

    class Status(models.TextChoices):
        PREVIEWED = "previewed", "previewed"
        APPLIED = "applied", "applied"
        DISCARDED = "discarded", "discarded"

    kind = models.CharField(max_length=15, choices=Kind.choices)
    file_name = models.CharField(max_length=200)
    sha256 = models.CharField(max_length=64)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PREVIEWED)
    row_count = models.PositiveIntegerField("rows", default=0)
    new_count = models.PositiveIntegerField("new", default=0)
    changed_count = models.PositiveIntegerField("changed", default=0)
    unchanged_count = models.PositiveIntegerField("unchanged", default=0)
    error_count = models.PositiveIntegerField("errors", default=0)
    #: Of what would be done: applying does this or nothing.
    plan_digest = models.CharField(max_length=64, blank=True, default="")
    applied_at = models.DateTimeField(null=True, blank=True)
    applied_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        db_table = "import_batches"
        ordering = ["-id"]
        verbose_name = "import"
        permissions = step_permissions("importbatch", "apply", "discard")

    def __str__(self) -> str:
        return f"Import {self.pk}: {self.file_name}"


class ImportContent(models.Model):
    """The rows of an import as they were uploaded, and what was found in them; too large for its history."""

    batch = models.OneToOneField(ImportBatch, models.CASCADE, related_name="content")
    #: Headings and rows, see ``blb3d.core.tables.to_text``.
    rows = models.TextField()
    #: What would be new or changed, errors and notes, as JSON.
    findings = models.TextField(default="{}")

    class Meta:
        db_table = "import_contents"
        verbose_name = "rows of an import"
        verbose_name_plural = "rows of imports"

    def __str__(self) -> str:
        return f"rows of import {self.batch_id}"
