"""The files of a product: models, profiles, drawings, by kind, printer model and revision."""

from __future__ import annotations

from pathlib import PurePosixPath
from typing import Any, Self

from django.conf import settings
from django.db import models
from django.db.models import Q

from blb3d.core.documents import Document, step_permissions

#: What a released file is.
_FIXED = ("product_id", "kind", "printer_model", "revision", "name", "file", "sha256", "size_bytes")


def library_path(instance: Any, filename: str) -> str:
    """Return where a product's file is kept: ``library/{sku}/{kind}-{printer model}-r{revision}-{sha}.{suffix}``."""
    model = f"-{instance.printer_model.replace(' ', '_')}" if instance.printer_model else ""
    # The last two, so that .gcode.3mf stays what it is.
    suffix = "".join(PurePosixPath(filename).suffixes[-2:]).lower()[:20]
    return f"library/{instance.product.sku}/{instance.kind}{model}-r{instance.revision}-{instance.sha256[:12]}{suffix}"


class ProductFile(Document):
    """One revision of a file of a product; of each kind and printer model one is current. A released one stays."""

    class Kind(models.TextChoices):
        MODEL = "model", "model (3MF, STL, STEP)"
        PROFILE = "profile", "slicer profile"
        GCODE = "gcode", "G-code"
        DRAWING = "drawing", "drawing"
        INSTRUCTION = "instruction", "instruction"

    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="files")
    kind = models.CharField(max_length=12, choices=Kind.choices)
    printer_model = models.CharField(max_length=40, blank=True, default="", help_text="Empty: not for one alone")
    revision = models.PositiveIntegerField()
    name = models.CharField(max_length=200, help_text="As it was uploaded")
    file = models.FileField(upload_to=library_path, max_length=500)
    sha256 = models.CharField(max_length=64)
    size_bytes = models.PositiveBigIntegerField()
    note = models.CharField(max_length=500, blank=True, default="")
    is_current = models.BooleanField(default=False)
    released_at = models.DateTimeField(null=True, blank=True)
    released_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    superseded_at = models.DateTimeField(null=True, blank=True)
    withdrawn_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "product_files"
        ordering = ["product_id", "kind", "printer_model", "-revision"]
        permissions = step_permissions("productfile", "release", "withdraw", "download")
        constraints = [
            models.UniqueConstraint(fields=["product", "kind", "printer_model", "revision"], name="product_file_once"),
            models.UniqueConstraint(
                fields=["product", "kind", "printer_model"], condition=Q(is_current=True), name="product_file_current"
            ),
        ]

    def __str__(self) -> str:
        model = f" for {self.printer_model}" if self.printer_model else ""
        return f"{self.get_kind_display()}{model}, revision {self.revision}"

    @classmethod
    def from_db(cls, *args: Any, **kwargs: Any) -> Self:
        """Remember what a released file holds."""
        row = super().from_db(*args, **kwargs)
        row._held = row._content() if row.__dict__.get("released_at") else {}
        return row

    def _content(self) -> dict[str, str]:
        return {name: str(self.__dict__[name]) for name in _FIXED if name in self.__dict__}

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the row; another content in a released one is refused."""
        now = self._content()
        if any(now.get(name) != value for name, value in getattr(self, "_held", {}).items()):
            raise TypeError("A released file never changes: add a revision.")
        super().save(*args, **kwargs)

    @property
    def state(self) -> str:
        """Say where it stands: current, superseded, withdrawn, or not released yet."""
        if self.withdrawn_at:
            return "withdrawn"
        if self.is_current:
            return "current"
        return "superseded" if self.superseded_at else "not released"
