"""What connects us to the outside: shop mappings, channels, and how each printer is reached."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.utils import timezone

from blb3d.core.documents import Document
from blb3d.core.work import WorkItem
from integrations.printers import access_codes


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
    quantity = models.PositiveIntegerField(default=1)

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
    """How a printer is reached on the local network. The access code is encrypted at rest and never shown."""

    printer = models.OneToOneField("production.Printer", models.CASCADE, related_name="link")
    host = models.CharField(max_length=190)
    mqtt_port = models.PositiveIntegerField(default=8883)
    ftps_port = models.PositiveIntegerField(default=990)
    use_tls = models.BooleanField(default=True)
    pinned_certificate = models.TextField(blank=True, default="", help_text="PEM; empty: Bambu's own CA")
    access_code_encrypted = models.CharField(max_length=400, blank=True, default="")
    ftps_clear_data = models.BooleanField(default=False, help_text="This printer needs a clear data channel")
    shard = models.PositiveSmallIntegerField(default=0, help_text="Which listener process serves it")

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
