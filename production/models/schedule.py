"""The finite-capacity schedule as it stands: who does what when, and why what is not planned waits."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import F, Q
from django.utils import timezone


class ScheduleRun(models.Model):
    """One making of the schedule, kept as a record."""

    class Kind(models.TextChoices):
        FULL = "full", "full plan"
        REPAIR = "repair", "repair of what was touched"

    kind = models.CharField(max_length=10, choices=Kind.choices)
    cause = models.CharField(max_length=200, blank=True, default="")
    method = models.CharField(max_length=40, default="greedy")
    tasks = models.PositiveIntegerField(default=0, help_text="Planned, or moved by a repair")
    unplanned = models.PositiveIntegerField(default=0)
    late = models.PositiveIntegerField(default=0)
    lateness_minutes = models.DecimalField(max_digits=14, decimal_places=2, default=Decimal(0))
    changeovers = models.PositiveIntegerField(default=0)
    seconds = models.FloatField(default=0.0)
    made_at = models.DateTimeField(default=timezone.now)
    #: The run that it replaces, 0 for the first: of two made at once from the same one, the database keeps one.
    follows = models.PositiveBigIntegerField(unique=True, editable=False)

    class Meta:
        db_table = "schedule_runs"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.made_at:%Y-%m-%d %H:%M}"


class ScheduleTouch(models.Model):
    """Something happened that the schedule does not know of yet; the run that takes it in deletes it.

    With a printer or an order it touches their work alone, with neither all of it.
    """

    cause = models.CharField(max_length=200)
    printer = models.ForeignKey("production.Printer", models.CASCADE, null=True, blank=True, related_name="+")
    production_order = models.ForeignKey(
        "production.ProductionOrder", models.CASCADE, null=True, blank=True, related_name="+"
    )
    touched_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "schedule_touches"
        ordering = ["id"]
        verbose_name_plural = "schedule touches"

    def __str__(self) -> str:
        return self.cause


class ScheduleEntry(models.Model):
    """One piece of work in the present schedule; replaced by the next run.

    A printed piece is a job, or, of an order whose jobs are not made yet, ``parts`` parts of a plate. Work by hand is
    an operation. What runs already is there with its start and the end that is expected. An entry without a start
    could not be planned; ``waits_for`` says why in one sentence, and of a planned one what material it waits for.
    """

    run = models.ForeignKey(ScheduleRun, models.CASCADE, related_name="entries")
    production_order = models.ForeignKey("production.ProductionOrder", models.CASCADE, related_name="schedule_entries")
    print_job = models.OneToOneField(
        "production.PrintJob", models.CASCADE, null=True, blank=True, related_name="schedule_entry"
    )
    plate = models.ForeignKey("inventory.ProductPlate", models.CASCADE, null=True, blank=True, related_name="+")
    parts = models.PositiveIntegerField(default=0)
    number = models.PositiveIntegerField(default=0, help_text="Which run of the plate, or which step, of several")
    operation = models.ForeignKey(
        "production.ProductionOperation", models.CASCADE, null=True, blank=True, related_name="schedule_entries"
    )
    printer = models.ForeignKey(
        "production.Printer", models.CASCADE, null=True, blank=True, related_name="schedule_entries"
    )
    work_center = models.ForeignKey(
        "production.WorkCenter", models.CASCADE, null=True, blank=True, related_name="schedule_entries"
    )
    starts_at = models.DateTimeField(null=True, blank=True)
    ends_at = models.DateTimeField(null=True, blank=True)
    setup_minutes = models.DecimalField(max_digits=8, decimal_places=2, default=Decimal(0))
    due_at = models.DateTimeField(null=True, blank=True)
    waits_for = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        db_table = "schedule_entries"
        ordering = ["starts_at", "id"]
        indexes = [
            models.Index(fields=["printer", "starts_at"], name="schedule_printer_idx"),
            models.Index(fields=["work_center", "starts_at"], name="schedule_work_idx"),
        ]
        constraints = [
            models.CheckConstraint(
                condition=Q(starts_at__isnull=True) | Q(ends_at__gte=F("starts_at")), name="schedule_ends_after_start"
            )
        ]

    def __str__(self) -> str:
        return f"{self.production_order_id} from {self.starts_at}"
