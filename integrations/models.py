"""What connects us to the outside: shop mappings, channels, and how each printer is reached."""

from __future__ import annotations

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator, URLValidator
from django.db import models
from django.db.models import Q
from django.utils import timezone

from blb3d.core.documents import Document
from blb3d.core.work import WorkItem, WorkStatus
from integrations.printers import access_codes

#: Of one product in one kit; more is a slip of the keyboard.
MAX_PER_KIT = 10_000


class Marketplace(models.TextChoices):
    """Shops that orders come from."""

    SQUARESPACE = "squarespace", "Squarespace"
    WOOCOMMERCE = "woocommerce", "WooCommerce"


class MarketplaceProductMapping(Document):
    """Which of our products a shop's product is; a kit has lines of its own."""

    marketplace = models.CharField(max_length=20, choices=Marketplace.choices)
    #: The variant's id where the shop has variants.
    marketplace_product_id = models.CharField(max_length=190)
    marketplace_sku = models.CharField(max_length=190, blank=True, default="", db_index=True)
    marketplace_name = models.CharField(max_length=300, blank=True, default="")
    erp_product = models.ForeignKey(
        "inventory.Product", models.PROTECT, null=True, blank=True, related_name="marketplace_mappings"
    )
    is_active = models.BooleanField(default=True)

    class Meta:
        db_table = "marketplace_product_mappings"
        ordering = ["marketplace", "marketplace_sku"]
        constraints = [
            models.UniqueConstraint(fields=["marketplace", "marketplace_product_id"], name="marketplace_mapping_unique")
        ]

    def __str__(self) -> str:
        return f"{self.marketplace} {self.marketplace_sku or self.marketplace_product_id}"


class MarketplaceMappingLine(models.Model):
    """A product of a kit and how many of it one sold kit takes."""

    mapping = models.ForeignKey(MarketplaceProductMapping, models.CASCADE, related_name="lines")
    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="+")
    quantity = models.PositiveIntegerField(default=1, validators=[MinValueValidator(1), MaxValueValidator(MAX_PER_KIT)])

    class Meta:
        db_table = "marketplace_mapping_lines"
        ordering = ["id"]
        constraints = [
            models.UniqueConstraint(fields=["mapping", "product"], name="mapping_line_unique"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="mapping_line_positive"),
        ]

    def __str__(self) -> str:
        return f"{self.quantity} x {self.product_id}"


class Channel(models.Model):
    """A shop's connection: how far we have polled, and when it last spoke, so that silence is seen."""

    marketplace = models.CharField(max_length=20, choices=Marketplace.choices, unique=True)
    is_active = models.BooleanField(default=True)
    polled_until = models.DateTimeField(null=True, blank=True)
    last_message_at = models.DateTimeField(null=True, blank=True)
    last_poll_at = models.DateTimeField(null=True, blank=True)
    last_error = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        db_table = "channels"

    def __str__(self) -> str:
        return self.marketplace


class PrinterConnection(Document):
    """How a printer is reached. The access code is encrypted at rest and never shown."""

    class Backend(models.TextChoices):
        DEFAULT = "", "as configured"
        BAMBU_LAN = "bambu_lan", "Bambu on the local network"
        PRINT_SUITE = "print_suite", "Bambu Print Suite"
        BY_HAND = "by_hand", "a person starts prints at the machine"

    printer = models.OneToOneField("production.Printer", models.CASCADE, related_name="link")
    backend = models.CharField(
        max_length=20,
        choices=Backend.choices,
        blank=True,
        default=Backend.DEFAULT,
        help_text="How jobs reach it; empty: as PRINT_BACKEND says",
    )
    suite_printer_id = models.CharField(max_length=64, blank=True, default="", help_text="Its id in the print suite")
    host = models.CharField(max_length=190, blank=True, default="")
    mqtt_port = models.PositiveIntegerField(default=8883)
    ftps_port = models.PositiveIntegerField(default=990)
    use_tls = models.BooleanField(default=True)
    pinned_certificate = models.TextField(blank=True, default="", help_text="PEM; empty: Bambu's own CA")
    access_code_encrypted = models.CharField(max_length=400, blank=True, default="")
    ftps_clear_data = models.BooleanField(default=False, help_text="This printer needs a clear data channel")
    shard = models.PositiveSmallIntegerField(default=0, help_text="Which listener process serves it")
    snapshot_url = models.CharField(
        max_length=300, blank=True, default="", help_text="Picture of its camera (http or https), taken when a job ends"
    )

    class Meta:
        db_table = "printer_connections"

    def __str__(self) -> str:
        return f"{self.printer_id} at {self.host}"

    def set_access_code(self, plain: str) -> None:
        """Encrypt the code that the printer's screen shows; the caller saves."""
        self.access_code_encrypted = access_codes.encrypt(plain) if plain else ""

    def access_code(self) -> str:
        """Return the code in the clear, "" where none was set; raises ``AccessCodeUnreadable``."""
        return access_codes.decrypt(self.access_code_encrypted) if self.access_code_encrypted else ""


class PrinterCommand(WorkItem):
    """A command for a printer, written before it is carried out, so that none is lost and none is given twice.

    A start that was published stays pending until the printer begins, refuses or forgets the job; what the printer
    showed before says afterwards which of these it was.
    """

    class Kind(models.TextChoices):
        START = "start", "start a job"
        PAUSE = "pause", "pause"
        RESUME = "resume", "resume"
        STOP = "stop", "stop"

    printer = models.ForeignKey("production.Printer", models.CASCADE, related_name="commands")
    job = models.ForeignKey("production.PrintJob", models.CASCADE, related_name="commands")
    kind = models.CharField(max_length=10, choices=Kind.choices)
    #: Of a start: which dispatch of the job it carries out; one dispatch is carried out by one row.
    dispatch = models.PositiveSmallIntegerField(default=0)
    #: What was last sent, so that a restarted listener can ask the printer whether it took it.
    submission_id = models.CharField(max_length=20, blank=True, default="")
    state_before = models.CharField(max_length=20, blank=True, default="")
    previous_id = models.CharField(max_length=40, blank=True, default="")
    uploaded_at = models.DateTimeField(null=True, blank=True)
    published_at = models.DateTimeField(null=True, blank=True)
    publications = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "printer_commands"
        ordering = ["-id"]
        indexes = [models.Index(fields=["status", "next_attempt_at"], name="printer_command_due_idx")]
        constraints = [
            models.UniqueConstraint(fields=["job", "dispatch"], condition=Q(kind="start"), name="printer_start_unique")
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.job_id} on {self.printer_id}"


class SliceTask(WorkItem):
    """A plate to be sliced for one printer model. The result is a print file that waits for its release.

    One plate and model has at most one open task. The claim, the attempts and the way back after a crash are those of
    every piece of work; a task that is dead needs a person, who slices by hand, mends the cause, or lets it be.
    """

    plate = models.ForeignKey("inventory.ProductPlate", models.PROTECT, related_name="slice_tasks")
    printer_model = models.CharField(max_length=40)
    reason = models.CharField(max_length=300, blank=True, default="", help_text="Why it is sliced again")
    asked_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    progress_percent = models.PositiveSmallIntegerField(default=0)
    progress_text = models.CharField(max_length=100, blank=True, default="")
    error_code = models.CharField(max_length=20, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)
    started_at = models.DateTimeField(null=True, blank=True, help_text="Of the attempt that runs or ran last")
    print_file = models.ForeignKey(
        "inventory.PrintFile", models.PROTECT, null=True, blank=True, related_name="slice_tasks"
    )

    class Meta:
        db_table = "slice_tasks"
        ordering = ["-id"]
        indexes = [models.Index(fields=["status", "next_attempt_at"], name="slice_task_due_idx")]
        constraints = [
            models.UniqueConstraint(
                fields=["plate", "printer_model"], condition=Q(status="pending"), name="slice_task_one_open"
            )
        ]

    def __str__(self) -> str:
        return f"{self.plate.product.sku}, {self.plate}, for {self.printer_model}"

    @property
    def is_running(self) -> bool:
        """True while a worker slices it: claimed, and not put off after a failure."""
        return self.status == WorkStatus.PENDING and self.started_at is not None

    @property
    def phase(self) -> str:
        """Where it stands: queued, running, done, ignored, or dead, which needs a person."""
        if self.status != WorkStatus.PENDING:
            return str(self.status)
        return "running" if self.is_running else "queued"


class NoticeRule(Document):
    """Who wants to be told of what happens on the floor, by mail or by a call to an address of theirs."""

    class Event(models.TextChoices):
        JOB_FAILED = "job_failed", "a print failed"
        JOB_PAUSED = "job_paused", "a print paused: runout, cover, clog ..."
        JOB_UNKNOWN = "job_unknown", "a print ended unseen"
        PLATE_WAITING = "plate_waiting", "a plate waits to be cleared"
        PRINTER_IDLE = "printer_idle", "a printer has nothing to do"
        PRINTER_SILENT = "printer_silent", "a printer is not heard"
        PROBLEM_REPORTED = "problem_reported", "somebody reported a problem"
        SERVICE_DUE = "service_due", "a service is overdue"

    class Channel(models.TextChoices):
        MAIL = "mail", "mail"
        WEBHOOK = "webhook", "webhook"

    #: These are looked for from time to time, and wait ``after_minutes``; the others are told when they happen.
    LOOKED_FOR = (Event.PLATE_WAITING, Event.PRINTER_IDLE, Event.PRINTER_SILENT, Event.SERVICE_DUE)

    name = models.CharField(max_length=80)
    event = models.CharField(max_length=20, choices=Event.choices)
    channel = models.CharField(max_length=10, choices=Channel.choices, default=Channel.MAIL)
    recipients = models.CharField(max_length=500, blank=True, default="", help_text="Mail addresses, with commas")
    url = models.CharField(
        max_length=500,
        blank=True,
        default="",
        validators=[URLValidator(["http", "https"])],
        help_text="Where a webhook is sent",
    )
    secret_encrypted = models.CharField(max_length=400, blank=True, default="")
    printer_group = models.ForeignKey(
        "production.PrinterGroup", models.PROTECT, null=True, blank=True, related_name="+", help_text="Only of these"
    )
    after_minutes = models.PositiveIntegerField(
        default=15, help_text="How long a plate waits, a printer is idle or silent, before it is told"
    )
    quiet_from = models.TimeField(null=True, blank=True, help_text="Local time; told when the quiet hours are over")
    quiet_to = models.TimeField(null=True, blank=True)
    is_active = models.BooleanField(default=True)

    class Meta:
        db_table = "notice_rules"
        ordering = ["name", "id"]
        constraints = [
            models.CheckConstraint(
                condition=Q(quiet_from__isnull=True, quiet_to__isnull=True)
                | Q(quiet_from__isnull=False, quiet_to__isnull=False),
                name="notice_rule_quiet_hours",
            )
        ]

    def __str__(self) -> str:
        return self.name


class Notice(WorkItem):
    """One thing told to one rule's people; ``key`` names what happened, so that it is told once."""

    rule = models.ForeignKey(NoticeRule, models.CASCADE, related_name="notices")
    key = models.CharField(max_length=120)
    subject = models.CharField(max_length=200)
    text = models.CharField(max_length=1000)
    path = models.CharField(max_length=200, help_text="The page where one acts on it")
    details = models.JSONField(default=dict, blank=True)
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "notices"
        ordering = ["-id"]
        indexes = [models.Index(fields=["status", "next_attempt_at"], name="notice_due_idx")]
        constraints = [models.UniqueConstraint(fields=["rule", "key"], name="notice_once")]

    def __str__(self) -> str:
        return self.subject


class OfflineCharge(models.Model):
    """A charge as the embedded payment provider remembers it, apart from our own payments, as a real one would."""

    idempotency_key = models.CharField(max_length=64, unique=True)
    status = models.CharField(max_length=10)
    reason = models.CharField(max_length=200, blank=True, default="")
    amount = models.DecimalField(max_digits=12, decimal_places=2)
    currency = models.CharField(max_length=3)
    description = models.CharField(max_length=200, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)

    class Meta:
        db_table = "offline_charges"

    def __str__(self) -> str:
        return f"{self.amount} {self.currency} {self.status}"
