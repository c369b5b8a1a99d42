"""What was seen of printers and prints: samples of their figures, what happened to them, pictures."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.utils import timezone


class PrinterSample(models.Model):
    """A printer's figures at one moment, sampled from what it sends; the newest ones are in the cache."""

    printer = models.ForeignKey("production.Printer", models.CASCADE, related_name="samples")
    job = models.ForeignKey("production.PrintJob", models.SET_NULL, null=True, blank=True, related_name="samples")
    at = models.DateTimeField()
    state = models.CharField(max_length=20)
    percent = models.PositiveSmallIntegerField(default=0)
    layer = models.PositiveIntegerField(default=0)
    remaining_minutes = models.PositiveIntegerField(null=True, blank=True)
    nozzle_c = models.FloatField(null=True, blank=True)
    bed_c = models.FloatField(null=True, blank=True)
    chamber_c = models.FloatField(null=True, blank=True)

    class Meta:
        db_table = "printer_samples"
        ordering = ["-id"]
        indexes = [models.Index(fields=["printer", "at"], name="printer_sample_idx")]

    def __str__(self) -> str:
        return f"{self.state} {self.percent} % at {self.at:%H:%M}"


class PrinterEvent(models.Model):
    """Something that happened at a printer, kept for good and written once: a change of state, an error, an end.

    ``key`` names the event within its printer, so that the same news heard twice is one row.
    """

    printer = models.ForeignKey("production.Printer", models.CASCADE, related_name="events")
    job = models.ForeignKey("production.PrintJob", models.SET_NULL, null=True, blank=True, related_name="events")
    at = models.DateTimeField()
    kind = models.CharField(max_length=30)
    text = models.CharField(max_length=300, blank=True, default="")
    details = models.JSONField(default=dict, blank=True)
    key = models.CharField(max_length=120)

    class Meta:
        db_table = "printer_events"
        ordering = ["-id"]
        indexes = [models.Index(fields=["printer", "-at"], name="printer_event_idx")]
        constraints = [models.UniqueConstraint(fields=["printer", "key"], name="printer_event_once")]

    def __str__(self) -> str:
        return f"{self.kind} at {self.at:%Y-%m-%d %H:%M}"


class PrinterMark(models.Model):
    """What of a printer stands in its events so far, so that a listener that starts again goes on where one ended.

    Whoever adds events raises ``sequence`` from the number it read in the same transaction: of two that saw the same,
    one writes. ``seen`` holds state, job, errors, contact and tray as they were last told.
    """

    printer = models.OneToOneField("production.Printer", models.CASCADE, primary_key=True, related_name="mark")
    sequence = models.PositiveBigIntegerField(default=0)
    seen = models.JSONField(default=dict)

    class Meta:
        db_table = "printer_marks"

    def __str__(self) -> str:
        return f"{self.sequence} events"


class TrayChange(models.Model):
    """A filament of a running job that went on from another tray: what was printed after ``percent`` came from there.

    The first one of a filament stands at 0 percent and says what was loaded when the job began.
    """

    job = models.ForeignKey("production.PrintJob", models.CASCADE, related_name="tray_changes")
    position = models.PositiveSmallIntegerField()
    tray = models.PositiveSmallIntegerField()
    spool = models.ForeignKey("inventory.Spool", models.PROTECT, null=True, blank=True, related_name="+")
    percent = models.PositiveSmallIntegerField()
    at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "tray_changes"
        ordering = ["job_id", "position", "percent", "id"]
        constraints = [
            models.UniqueConstraint(fields=["job", "position", "percent", "tray"], name="tray_change_once"),
        ]

    def __str__(self) -> str:
        return f"tray {self.tray} from {self.percent} %"


class JobPhoto(models.Model):
    """A picture of a print: by a person, or by the camera."""

    class Kind(models.TextChoices):
        FIRST_LAYER = "first_layer", "first layer"
        FINISH = "finish", "finished plate"
        PROBLEM = "problem", "problem"
        CAMERA = "camera", "camera"

    job = models.ForeignKey("production.PrintJob", models.CASCADE, related_name="photos")
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.FINISH)
    image = models.FileField(upload_to="floor/%Y/%m/", max_length=500)
    note = models.CharField(max_length=200, blank=True, default="")
    taken_at = models.DateTimeField(default=timezone.now)
    taken_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")

    class Meta:
        db_table = "job_photos"
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} at {self.taken_at:%H:%M}"
