"""Print jobs: one plate on one printer, whose parts may belong to several production orders."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.utils import timezone

from blb3d.core.documents import Document, step_permissions
from inventory.models import SliceFilament


class PrintJob(Document):
    """One plate to be printed once. Finished is not cleared: a person says what is good and empties the plate."""

    class Status(models.TextChoices):
        QUEUED = "queued", "queued"
        SENT = "sent", "sent"  # claimed a printer; the file is on its way
        PRINTING = "printing", "printing"
        PAUSED = "paused", "paused"
        FINISHED = "finished", "finished"
        FAILED = "failed", "failed"
        CANCELLED = "cancelled", "cancelled"
        UNKNOWN = "unknown", "ended unseen"  # a person decides

    #: Holds a printer.
    ACTIVE = (Status.SENT, Status.PRINTING, Status.PAUSED, Status.UNKNOWN)

    code = models.CharField(max_length=30, unique=True)
    #: The order that the job was made for; further orders on the same plate stand in ``parts``.
    production_order = models.ForeignKey("production.ProductionOrder", models.PROTECT, related_name="print_jobs")
    plate = models.ForeignKey("inventory.ProductPlate", models.PROTECT, related_name="print_jobs")
    print_file = models.ForeignKey(
        "inventory.PrintFile", models.PROTECT, null=True, blank=True, related_name="print_jobs"
    )
    printer = models.ForeignKey("production.Printer", models.PROTECT, null=True, blank=True, related_name="print_jobs")
    bambu_job_id = models.CharField(max_length=64, blank=True, default="", help_text="The print suite's id")
    gcode_file = models.CharField(max_length=500, blank=True, default="")
    status = models.CharField(max_length=12, choices=Status.choices, default=Status.QUEUED)
    priority = models.PositiveSmallIntegerField(default=2)
    retry_of = models.ForeignKey("self", models.PROTECT, null=True, blank=True, related_name="retries")
    printer_group = models.ForeignKey(
        "production.PrinterGroup", models.PROTECT, null=True, blank=True, related_name="+", help_text="Only on these"
    )
    defect = models.ForeignKey(
        "production.DefectReason", models.PROTECT, null=True, blank=True, related_name="+", help_text="Why it failed"
    )

    estimated_time_minutes = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal(0))
    estimated_grams = models.DecimalField(max_digits=12, decimal_places=4, default=Decimal(0))
    actual_time_minutes = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True)
    material_grams_used = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)

    progress_percent = models.DecimalField(max_digits=5, decimal_places=2, default=Decimal(0))
    current_layer = models.PositiveIntegerField(default=0)
    total_layers = models.PositiveIntegerField(default=0)
    remaining_minutes = models.PositiveIntegerField(null=True, blank=True)
    error_code = models.CharField(max_length=40, blank=True, default="")
    error_text = models.CharField(max_length=500, blank=True, default="")
    end_inferred = models.BooleanField(default=False, help_text="The end was not seen but concluded")
    cancel_requested_at = models.DateTimeField(null=True, blank=True)

    #: Fresh number per submission, echoed by the printer: how its reports are matched to this job.
    submission_id = models.CharField(max_length=20, blank=True, default="")
    subtask_name = models.CharField(max_length=120, blank=True, default="")
    dispatch_attempts = models.PositiveSmallIntegerField(default=0)
    #: The printer that gave the job back last, and when: another one is tried first.
    refused_by = models.ForeignKey("production.Printer", models.PROTECT, null=True, blank=True, related_name="+")
    refused_at = models.DateTimeField(null=True, blank=True)
    #: Minutes that the printer's counter has of this job; empty until the job ended there.
    counted_minutes = models.DecimalField(max_digits=10, decimal_places=2, null=True, blank=True, editable=False)

    sent_at = models.DateTimeField(null=True, blank=True)
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)
    cleared_at = models.DateTimeField(null=True, blank=True)
    cleared_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        db_table = "print_jobs"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["status", "-priority", "id"], name="print_jobs_queue_idx"),
            models.Index(fields=["bambu_job_id"], name="print_jobs_bambu_idx"),
            models.Index(fields=["printer", "status"], name="print_jobs_printer_idx"),
            models.Index(fields=["printer", "cleared_at"], name="print_jobs_plate_idx"),
        ]
        constraints = [
            # One claim per printer, held by the database: two dispatchers cannot both send.
            models.UniqueConstraint(
                fields=["printer"],
                condition=Q(status__in=["sent", "printing", "paused", "unknown"], printer__isnull=False),
                name="print_job_one_per_printer",
            )
        ]
        permissions = step_permissions("printjob", "dispatch", "clear", "pause", "resume", "fail", "cancel", "decide")

    def __str__(self) -> str:
        return self.code

    @property
    def occupies_plate(self) -> bool:
        """True while something of this job may lie on the printer's plate.

        A printer that empties its plate itself does so after a finished print; what failed there still lies on it.
        """
        if self.status in self.ACTIVE:
            return True
        if self.started_at is None or self.cleared_at is not None:
            return False
        return self.status != self.Status.FINISHED or self.printer is None or not self.printer.auto_eject


class PrintJobPart(models.Model):
    """How many parts of one production order a job makes, and what became of them."""

    job = models.ForeignKey(PrintJob, models.CASCADE, related_name="parts")
    production_order = models.ForeignKey("production.ProductionOrder", models.PROTECT, related_name="job_parts")
    #: On a mixed plate: whose part it is, and what one takes of the print. Empty: the job's own plate, all parts alike.
    plate = models.ForeignKey("inventory.ProductPlate", models.PROTECT, null=True, blank=True, related_name="+")
    grams_each = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    minutes_each = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    planned = models.PositiveIntegerField()
    good = models.PositiveIntegerField(default=0)
    scrap = models.PositiveIntegerField(default=0)
    scrap_reason = models.CharField(max_length=200, blank=True, default="")
    defect = models.ForeignKey("production.DefectReason", models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        db_table = "print_job_parts"
        ordering = ["job_id", "id"]
        constraints = [
            models.UniqueConstraint(fields=["job", "production_order"], name="print_job_part_unique"),
            models.CheckConstraint(condition=Q(planned__gt=0), name="print_job_part_planned_positive"),
            models.CheckConstraint(
                condition=Q(planned__gte=models.F("good") + models.F("scrap")), name="print_job_part_counts"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.planned} parts"

    @property
    def source_id(self) -> int:
        """The plate whose part it is; on an ordinary plate reads the job."""
        return self.plate_id or self.job.plate_id

    @property
    def grams_weight(self) -> Decimal:
        """Its share of the job's filament, to be set against the other parts' shares."""
        return self.planned * (Decimal(1) if self.grams_each is None else self.grams_each)

    @property
    def minutes_weight(self) -> Decimal:
        """Its share of the job's time, to be set against the other parts' shares."""
        return self.planned * (Decimal(1) if self.minutes_each is None else self.minutes_each)


class PrintJobFilament(models.Model):
    """A filament of a job: what it should take, from which tray, and what it took."""

    job = models.ForeignKey(PrintJob, models.CASCADE, related_name="filaments")
    position = models.PositiveSmallIntegerField(default=0)
    material = models.ForeignKey("inventory.Product", models.PROTECT, related_name="+")
    planned_grams = models.DecimalField(max_digits=12, decimal_places=4)
    used_grams = models.DecimalField(max_digits=12, decimal_places=4, null=True, blank=True)
    tray = models.PositiveSmallIntegerField(null=True, blank=True)
    spool = models.ForeignKey("inventory.Spool", models.PROTECT, null=True, blank=True, related_name="+")

    class Meta:
        db_table = "print_job_filaments"
        ordering = ["job_id", "position"]
        constraints = [models.UniqueConstraint(fields=["job", "position"], name="print_job_filament_unique")]

    def __str__(self) -> str:
        return f"{self.planned_grams} g of {self.material_id}"

    @property
    def as_sliced(self) -> SliceFilament:
        """What the slicer would call it; reads the material."""
        return SliceFilament(self.position, self.material.material_type, self.material.color_hex, self.planned_grams)


class ProductionOrderMaterial(models.Model):
    """Which lot went into which production order, how much of it, through which job."""

    production_order = models.ForeignKey("production.ProductionOrder", models.PROTECT, related_name="materials")
    material_lot = models.ForeignKey(
        "inventory.MaterialLot", models.PROTECT, null=True, blank=True, related_name="production_uses"
    )
    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="+")
    print_job = models.ForeignKey(PrintJob, models.PROTECT, null=True, blank=True, related_name="materials")
    filament_position = models.PositiveSmallIntegerField(null=True, blank=True)
    location = models.ForeignKey("inventory.InventoryLocation", models.PROTECT, related_name="+")
    quantity_used = models.DecimalField(max_digits=12, decimal_places=4, help_text="In the product's stock unit")
    unit_cost = models.DecimalField(max_digits=12, decimal_places=4, default=Decimal(0))
    consumed_at = models.DateTimeField(default=timezone.now)
    consumed_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")

    class Meta:
        db_table = "production_order_materials"
        ordering = ["id"]
        indexes = [models.Index(fields=["print_job", "filament_position"], name="order_material_job_idx")]

    def __str__(self) -> str:
        return f"{self.quantity_used} of lot {self.material_lot_id}"
