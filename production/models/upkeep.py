"""Keeping printers fit: windows in which they rest, services that fall due, problems that people report."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from blb3d.core.documents import Document


class MaintenanceWindow(Document):
    """A time in which a printer takes no job."""

    printer = models.ForeignKey("production.Printer", models.CASCADE, related_name="maintenance_windows")
    starts_at = models.DateTimeField()
    ends_at = models.DateTimeField()
    reason = models.CharField(max_length=200)

    class Meta:
        db_table = "maintenance_windows"
        ordering = ["starts_at"]
        constraints = [
            models.CheckConstraint(condition=Q(ends_at__gt=models.F("starts_at")), name="maintenance_ends_after_start")
        ]

    def __str__(self) -> str:
        return f"maintenance from {self.starts_at:%Y-%m-%d %H:%M}"


class ServicePlan(Document):
    """A service that a printer needs every so many hours of printing, jobs or days, whichever comes first.

    It holds for one printer, or for every printer of a model.
    """

    task = models.CharField(max_length=200)
    printer = models.ForeignKey(
        "production.Printer", models.CASCADE, null=True, blank=True, related_name="service_plans"
    )
    printer_model = models.CharField(max_length=40, blank=True, default="")
    every_hours = models.PositiveIntegerField(null=True, blank=True, help_text="Hours of printing")
    every_jobs = models.PositiveIntegerField(null=True, blank=True)
    every_days = models.PositiveIntegerField(null=True, blank=True)
    blocks_printer = models.BooleanField(default=False, help_text="Overdue: the printer takes no job")
    is_active = models.BooleanField(default=True)

    class Meta:
        db_table = "service_plans"
        ordering = ["task"]
        constraints = [
            models.CheckConstraint(
                condition=Q(every_hours__gt=0) | Q(every_jobs__gt=0) | Q(every_days__gt=0),
                name="service_plan_has_interval",
            )
        ]

    def __str__(self) -> str:
        return self.task


class ServiceRecord(models.Model):
    """A service that was done, with the printer's counters at that moment; only ever added."""

    printer = models.ForeignKey("production.Printer", models.PROTECT, related_name="services")
    plan = models.ForeignKey(ServicePlan, models.PROTECT, null=True, blank=True, related_name="records")
    task = models.CharField(max_length=200)
    note = models.CharField(max_length=500, blank=True, default="")
    printed_minutes = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(0))
    jobs_done = models.PositiveIntegerField(default=0)
    done_at = models.DateTimeField(default=timezone.now)
    done_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")

    class Meta:
        db_table = "service_records"
        ordering = ["-id"]
        indexes = [models.Index(fields=["printer", "plan", "-id"], name="service_record_last_idx")]

    def __str__(self) -> str:
        return f"{self.task} at {self.done_at:%Y-%m-%d}"


class PrinterProblem(Document):
    """Something that a person found wrong with a printer, open until somebody says what was done."""

    printer = models.ForeignKey("production.Printer", models.PROTECT, related_name="problems")
    job = models.ForeignKey("production.PrintJob", models.PROTECT, null=True, blank=True, related_name="problems")
    text = models.CharField(max_length=500)
    photo = models.FileField(upload_to="floor/%Y/%m/", max_length=500, blank=True)
    took_out_of_service = models.BooleanField(default=False)
    reported_at = models.DateTimeField(default=timezone.now)
    reported_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    resolved_at = models.DateTimeField(null=True, blank=True)
    resolution = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        db_table = "printer_problems"
        ordering = ["-id"]
        permissions = [("resolve_printerproblem", "Can resolve a problem of a printer")]

    def __str__(self) -> str:
        return self.text
