"""Work centers, printers, what is loaded in them, and when they are being serviced."""

from __future__ import annotations

from decimal import Decimal

from django.db import models
from django.db.models import Q

from blb3d.core.documents import Document


class WorkCenter(Document):
    """A place where one kind of work is done."""

    class Kind(models.TextChoices):
        PRINT = "print", "printing"
        POST_PROCESS = "post_process", "post-processing"
        INSPECT = "inspect", "inspection"
        PACK = "pack", "packing"

    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.PRINT)
    is_active = models.BooleanField(default=True)

    class Meta:
        db_table = "work_centers"
        ordering = ["code"]

    def __str__(self) -> str:
        return self.code


class Printer(Document):
    """A printer: what it can do, what it does now, and whether we may command it.

    ``state`` is the machine's own word (IDLE, RUNNING ...), written by whoever listens to it. How to reach it (address,
    access code) is kept by the integration that talks to it.
    """

    class Connection(models.TextChoices):
        ONLINE = "online", "online"
        STALE = "stale", "silent"
        OFFLINE = "offline", "offline"
        REFUSED = "refused", "access refused"

    class WriteAccess(models.TextChoices):
        YES = "yes", "may be commanded"
        NO = "no", "read only"
        UNKNOWN = "unknown", "not known yet"

    name = models.CharField(max_length=80, unique=True)
    serial = models.CharField(max_length=40, unique=True)
    model = models.CharField(max_length=40)
    work_center = models.ForeignKey(WorkCenter, models.PROTECT, related_name="printers", null=True, blank=True)
    nozzle_diameter_mm = models.DecimalField(max_digits=4, decimal_places=2, default=Decimal("0.40"))
    build_x_mm = models.PositiveIntegerField(default=256)
    build_y_mm = models.PositiveIntegerField(default=256)
    build_z_mm = models.PositiveIntegerField(default=256)
    is_active = models.BooleanField(default=True, help_text="Switched off: out of service, no job is sent")
    out_of_service_reason = models.CharField(max_length=200, blank=True, default="")
    auto_dispatch = models.BooleanField(default=True, help_text="Off: jobs are suggested, a person starts them")
    hourly_rate = models.DecimalField(max_digits=8, decimal_places=2, null=True, blank=True)

    state = models.CharField(max_length=20, blank=True, default="")
    state_at = models.DateTimeField(null=True, blank=True)
    connection = models.CharField(max_length=10, choices=Connection.choices, default=Connection.OFFLINE)
    write_access = models.CharField(max_length=10, choices=WriteAccess.choices, default=WriteAccess.UNKNOWN)
    last_seen_at = models.DateTimeField(null=True, blank=True)
    #: A print that we did not send is on the plate: its name, for the person at the machine.
    foreign_job = models.CharField(max_length=200, blank=True, default="")

    class Meta:
        db_table = "printers"
        ordering = ["name"]

    def __str__(self) -> str:
        return f"{self.name} ({self.model})"

    @property
    def is_ready(self) -> bool:
        """True when the machine itself says that it could take a job now."""
        return (
            self.is_active
            and self.connection == self.Connection.ONLINE
            and self.state in {"IDLE", "FINISH", "FAILED"}
            and not self.foreign_job
        )


class PrinterSlot(models.Model):
    """What is loaded in one feeder slot of a printer."""

    printer = models.ForeignKey(Printer, models.CASCADE, related_name="slots")
    tray = models.PositiveSmallIntegerField(help_text="Global tray number: AMS unit * 4 + slot; 254 external spool")
    material = models.ForeignKey("inventory.Product", models.PROTECT, null=True, blank=True, related_name="+")
    spool = models.ForeignKey("inventory.Spool", models.SET_NULL, null=True, blank=True, related_name="slots")
    material_type = models.CharField(max_length=20, blank=True, default="")
    color_hex = models.CharField(max_length=6, blank=True, default="")
    remain_percent = models.SmallIntegerField(null=True, blank=True, help_text="Only meaningful with RFID")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "printer_slots"
        ordering = ["printer_id", "tray"]
        constraints = [models.UniqueConstraint(fields=["printer", "tray"], name="printer_slot_unique")]

    def __str__(self) -> str:
        return f"tray {self.tray}: {self.material_type} {self.color_hex}"


class MaintenanceWindow(Document):
    """A time in which a printer takes no job."""

    printer = models.ForeignKey(Printer, models.CASCADE, related_name="maintenance_windows")
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
