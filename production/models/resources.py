"""Work centers and their hours, printers with what they can do, and what is loaded in them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db import models
from django.db.models import Q

from blb3d.core.documents import Document

WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")


class WorkCenter(Document):
    """A place where one kind of work is done."""

    class Kind(models.TextChoices):
        PRINT = "print", "printing"
        POST_PROCESS = "post_process", "post-processing"
        PAINT = "paint", "painting"
        ASSEMBLE = "assemble", "assembly"
        INSPECT = "inspect", "inspection"
        PACK = "pack", "packing"

    code = models.CharField(max_length=40, unique=True)
    name = models.CharField(max_length=120)
    kind = models.CharField(max_length=20, choices=Kind.choices, default=Kind.PRINT)
    places = models.PositiveSmallIntegerField(default=1, help_text="How many people or benches work at once")
    hourly_rate = models.DecimalField(
        max_digits=8, decimal_places=2, default=Decimal(0), help_text="What an hour of work here costs"
    )
    is_active = models.BooleanField(default=True)

    class Meta:
        db_table = "work_centers"
        ordering = ["code"]
        constraints = [models.CheckConstraint(condition=Q(places__gt=0), name="work_center_places_positive")]

    def __str__(self) -> str:
        return self.code


class Shift(Document):
    """Hours of a weekday in which people are there: plates are cleared, filament is changed, hands work.

    Without a work center it holds for the whole farm; a work center with shifts of its own works by those alone. With
    no shift at all the settings say when people are there.
    """

    name = models.CharField(max_length=60)
    work_center = models.ForeignKey(WorkCenter, models.CASCADE, null=True, blank=True, related_name="shifts")
    weekday = models.PositiveSmallIntegerField(choices=list(enumerate(WEEKDAYS)), help_text="Monday is 0")
    starts_at = models.TimeField(help_text="Local time of the farm")
    ends_at = models.TimeField(help_text="Before the start: the next day")

    class Meta:
        db_table = "shifts"
        ordering = ["weekday", "starts_at", "id"]

    def __str__(self) -> str:
        return f"{self.name}, {self.get_weekday_display()} {self.starts_at:%H:%M} to {self.ends_at:%H:%M}"


class PrinterModel(Document):
    """What every printer of a model can do; ``Printer.model`` and ``PrintFile.printer_model`` are its name."""

    name = models.CharField(max_length=40, unique=True)
    build_x_mm = models.PositiveIntegerField(default=256)
    build_y_mm = models.PositiveIntegerField(default=256)
    build_z_mm = models.PositiveIntegerField(default=256)
    nozzle_diameter_mm = models.DecimalField(max_digits=4, decimal_places=2, default=Decimal("0.40"))
    material_types = models.JSONField(default=list, blank=True, help_text="Materials it prints; empty: any")
    speed_factor = models.DecimalField(
        max_digits=5, decimal_places=3, default=Decimal(1), help_text="Time on it against the plate's estimate"
    )
    is_active = models.BooleanField(default=True)

    class Meta:
        db_table = "printer_models"
        ordering = ["name"]
        constraints = [models.CheckConstraint(condition=Q(speed_factor__gt=0), name="printer_model_speed_positive")]

    def __str__(self) -> str:
        return self.name


class PrinterGroup(Document):
    """Printers that are dispatched by one policy; a printer may be in several, and the strictest holds."""

    class Dispatch(models.TextChoices):
        AUTOMATIC = "automatic", "automatic"
        SUGGEST = "suggest", "suggested, a person confirms"

    name = models.CharField(max_length=60, unique=True)
    dispatch = models.CharField(max_length=10, choices=Dispatch.choices, default=Dispatch.AUTOMATIC)
    stagger_seconds = models.PositiveIntegerField(
        default=0, help_text="Between two starts in the group, so that beds do not all heat at once"
    )
    #: When a printer of the group was last given a job; decided and written under a lock on this row.
    last_start_at = models.DateTimeField(null=True, blank=True, editable=False)

    class Meta:
        db_table = "printer_groups"
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


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
    groups = models.ManyToManyField(PrinterGroup, related_name="printers", blank=True)
    tags = models.JSONField(default=list, blank=True, help_text="What plates may ask for: hardened nozzle, enclosed")
    auto_eject = models.BooleanField(default=False, help_text="Empties its plate itself; parts are counted later")
    #: Counters for services, raised once when a job ends; never lowered.
    printed_minutes = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(0), editable=False)
    jobs_done = models.PositiveIntegerField(default=0, editable=False)

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

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Save the printer but for its counters, which are only ever added to in the database itself."""
        if not self._state.adding and kwargs.get("update_fields") is None:
            names = {field.name for field in self._meta.concrete_fields if not field.primary_key}
            kwargs["update_fields"] = names - {"printed_minutes", "jobs_done"}
        super().save(*args, **kwargs)

    @property
    def is_ready(self) -> bool:
        """True when the machine itself says that it could take a job now."""
        return says_ready(self)


def says_ready(printer: Any) -> bool:
    """Return whether a printer, or a row with its columns, says that it could take a job now."""
    return (
        printer.is_active
        and printer.connection == Printer.Connection.ONLINE
        and printer.state in {"IDLE", "FINISH", "FAILED"}
        and not printer.foreign_job
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
    #: The tag of what is in the slot, also of a reel that nobody here knows; empty without one.
    tag_uid = models.CharField(max_length=32, blank=True, default="")
    tray_uuid = models.CharField(max_length=40, blank=True, default="")
    full_grams = models.PositiveIntegerField(default=0, help_text="A full reel, as its tag says; 0: unknown")
    updated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "printer_slots"
        ordering = ["printer_id", "tray"]
        constraints = [models.UniqueConstraint(fields=["printer", "tray"], name="printer_slot_unique")]

    def __str__(self) -> str:
        return f"tray {self.tray}: {self.material_type} {self.color_hex}"
