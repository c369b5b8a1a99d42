"""What finished prints say about estimates, and the corrections that follow from it."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from blb3d.core.documents import Document
from quotes.models.quotes import Quote


class EstimateObservation(models.Model):
    """A finished job beside its estimate. The estimate is the raw one, before any correction, so that corrections are
    learned from the method and not from earlier corrections; the factors that were applied are kept with it.
    """

    print_job = models.OneToOneField("production.PrintJob", models.PROTECT, related_name="estimate_observation")
    quote = models.ForeignKey(Quote, models.PROTECT, null=True, blank=True, related_name="observations")
    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="+")
    printer_model = models.CharField(max_length=40)
    material_type = models.CharField(max_length=20)
    method = models.CharField(max_length=40)
    estimated_minutes = models.DecimalField(max_digits=10, decimal_places=2)
    estimated_grams = models.DecimalField(max_digits=12, decimal_places=4)
    minutes_factor = models.DecimalField(max_digits=7, decimal_places=4, default=Decimal(1))
    grams_factor = models.DecimalField(max_digits=7, decimal_places=4, default=Decimal(1))
    actual_minutes = models.DecimalField(max_digits=10, decimal_places=2)
    #: As weighed, reported or sliced. None where the estimate was booked, which says nothing about itself.
    actual_grams = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    is_excluded = models.BooleanField(default=False, help_text="Not learned from")
    exclusion_reason = models.CharField(max_length=200, blank=True, default="")
    #: Who said by hand that it counts or not; from then on no later news of the job changes that.
    decided_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    recorded_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "estimate_observations"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["method", "material_type", "printer_model", "id"], name="estimate_obs_key_idx"),
        ]
        permissions = [("judge_estimateobservation", "Can say which prints estimates are learned from")]

    def __str__(self) -> str:
        return f"{self.material_type} on {self.printer_model}: {self.actual_minutes} of {self.estimated_minutes} min"


class EstimateCorrection(Document):
    """By how much estimates of one method, material and printer model are off: factors, from how many prints, and the
    error before and after. A new one is a new version; the old ones stay, so that an old quote can be computed again.
    ``printer_model`` is empty for all models together, which is what a quote without a printer uses.
    """

    printer_model = models.CharField(max_length=40, blank=True, default="")
    material_type = models.CharField(max_length=20)
    method = models.CharField(max_length=40)
    #: Not ``version``, which counts the saves of a row.
    number = models.PositiveIntegerField(help_text="Rises with every new correction of the same kind")
    minutes_factor = models.DecimalField(max_digits=7, decimal_places=4, default=Decimal(1))
    grams_factor = models.DecimalField(max_digits=7, decimal_places=4, default=Decimal(1))
    sample_size = models.PositiveIntegerField(help_text="Prints that it was learned from")
    grams_sample_size = models.PositiveIntegerField(default=0, help_text="Those of them whose grams were measured")
    #: Mean of the absolute error over those prints without outliers, percent; None while those of too few are known.
    minutes_error_before = models.DecimalField(max_digits=7, decimal_places=2)
    minutes_error_after = models.DecimalField(max_digits=7, decimal_places=2)
    grams_error_before = models.DecimalField(max_digits=7, decimal_places=2, null=True, blank=True)
    grams_error_after = models.DecimalField(max_digits=7, decimal_places=2, null=True, blank=True)
    #: Nine of ten of those prints lay within this of the corrected estimate, percent.
    minutes_interval = models.DecimalField(max_digits=7, decimal_places=2, default=Decimal(0))
    grams_interval = models.DecimalField(max_digits=7, decimal_places=2, null=True, blank=True)
    #: Ids of those observations, newest first.
    observation_ids = models.JSONField(default=list, blank=True)
    is_current = models.BooleanField(default=True)
    is_enabled = models.BooleanField(default=True, help_text="Off: estimates are left as they are")

    class Meta:
        db_table = "estimate_corrections"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["printer_model", "material_type", "method", "number"], name="estimate_correction_unique"
            ),
            models.UniqueConstraint(
                fields=["printer_model", "material_type", "method"],
                condition=Q(is_current=True),
                name="estimate_correction_one_current",
            ),
        ]
        permissions = [
            ("recompute_estimatecorrection", "Can learn from finished prints now"),
            ("switch_estimatecorrection", "Can switch corrections of estimates on and off"),
        ]

    def __str__(self) -> str:
        where = self.printer_model or "all printers"
        return f"{self.method}, {self.material_type}, {where} #{self.number}"
