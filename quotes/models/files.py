"""Files that customers uploaded, and the log of everything that anybody tried to upload."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.db import models
from django.utils import timezone

from blb3d.core.documents import Document
from quotes.models.quotes import Quote


def quote_file_path(instance: Any, filename: str) -> str:
    """Return where an uploaded file is kept: ``quotes/{year}/{month}/{quote_id}/{file name}``, below ``UPLOAD_DIR``.

    A file that waits for the virus scanner lies below ``quarantine`` instead.
    """
    created = instance.quote.created_at
    top = "quarantine" if instance.scan_result == QuoteFile.ScanResult.HELD else "quotes"
    return f"{top}/{created:%Y}/{created:%m}/{instance.quote_id}/{filename}"


class QuoteFile(Document):
    """A file that a customer uploaded, and what we saw in it."""

    class ScanResult(models.TextChoices):
        NOT_SCANNED = "not_scanned", "not scanned"
        CLEAN = "clean", "clean"
        INFECTED = "infected", "infected"
        HELD = "held", "waits for the scanner"

    quote = models.ForeignKey(Quote, models.CASCADE, related_name="files")
    file = models.FileField(upload_to=quote_file_path, max_length=500)
    original_filename = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64, db_index=True)
    size_bytes = models.PositiveBigIntegerField()
    mime_type = models.CharField(max_length=100)
    scan_result = models.CharField(max_length=15, choices=ScanResult.choices, default=ScanResult.NOT_SCANNED)
    scan_detail = models.CharField(max_length=200, blank=True, default="")
    scanned_at = models.DateTimeField(null=True, blank=True)
    thumbnail = models.FileField(upload_to=quote_file_path, max_length=500, blank=True)
    #: The mesh as the browser shows it.
    viewer_mesh = models.FileField(upload_to=quote_file_path, max_length=500, blank=True)
    format = models.CharField(max_length=30, blank=True, default="")
    #: The unit that the customer named where the file names none (STL): mm or inch; empty takes the guess.
    unit_choice = models.CharField(max_length=10, blank=True, default="")
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
