"""The drying log: which reel was how long in the dryer, how hot, and who put it there."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from blb3d.core.documents import Document
from inventory.models.stock import Spool


class DryingRecord(Document):
    """One time that a reel was dried; without an end it is in the dryer now."""

    spool = models.ForeignKey(Spool, models.PROTECT, related_name="dryings")
    started_at = models.DateTimeField(default=timezone.now)
    ended_at = models.DateTimeField(null=True, blank=True)
    celsius = models.PositiveSmallIntegerField("temperature (°C)")
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    ended_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    notes = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        db_table = "drying_records"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["spool"], condition=Q(ended_at__isnull=True), name="drying_one_open"),
            models.CheckConstraint(
                condition=Q(ended_at__isnull=True) | Q(ended_at__gte=F("started_at")), name="drying_ends_after_start"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.spool} at {self.celsius} °C"
