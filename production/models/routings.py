"""Work after printing: what a product's routing says, what each order's operations come to, and why parts are lost."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.core.validators import MinValueValidator
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from blb3d.core.documents import Document, step_permissions
from production.models.resources import WorkCenter

NOT_NEGATIVE = MinValueValidator(Decimal(0))


class DefectReason(Document):
    """Why parts or prints are bad: one tap at the machine, one line in the yield report."""

    class Stage(models.TextChoices):
        PRINT = "print", "printing"
        OPERATION = "operation", "work after printing"
        ANY = "any", "both"

    code = models.CharField(max_length=30, unique=True)
    name = models.CharField(max_length=80)
    stage = models.CharField(max_length=10, choices=Stage.choices, default=Stage.ANY)
    position = models.PositiveSmallIntegerField(default=0, help_text="Order of the buttons")
    is_active = models.BooleanField(default=True)

    class Meta:
        db_table = "defect_reasons"
        ordering = ["position", "name"]

    def __str__(self) -> str:
        return self.name


class Routing(Document):
    """What is done to a product's parts after printing, in order. A product has at most one active routing."""

    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="routings")
    revision = models.PositiveIntegerField(default=1)
    name = models.CharField(max_length=80, default="standard")
    is_active = models.BooleanField(default=True)

    class Meta:
        db_table = "routings"
        ordering = ["product_id", "-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["product"], condition=Q(is_active=True, deleted_at__isnull=True), name="routing_one_active"
            ),
            models.UniqueConstraint(fields=["product", "revision"], name="routing_revision_unique"),
        ]

    def __str__(self) -> str:
        return f"{self.name}, revision {self.revision}"


class RoutingStep(Document):
    """One operation of a routing; the time of a batch is setup + units x minutes per unit."""

    routing = models.ForeignKey(Routing, models.CASCADE, related_name="steps")
    sequence = models.PositiveSmallIntegerField(help_text="10, 20, 30 leaves room between")
    name = models.CharField(max_length=80)
    work_center = models.ForeignKey(
        WorkCenter, models.PROTECT, related_name="+", limit_choices_to=~Q(kind=WorkCenter.Kind.PRINT)
    )
    setup_minutes = models.DecimalField(
        max_digits=8, decimal_places=2, default=Decimal(0), validators=[NOT_NEGATIVE], help_text="Once for a batch"
    )
    minutes_per_unit = models.DecimalField(
        max_digits=8, decimal_places=2, default=Decimal(0), validators=[NOT_NEGATIVE]
    )
    wait_minutes = models.DecimalField(
        max_digits=8,
        decimal_places=2,
        default=Decimal(0),
        validators=[NOT_NEGATIVE],
        help_text="Drying or curing before the next step",
    )
    instructions = models.TextField(blank=True, default="")

    class Meta:
        db_table = "routing_steps"
        ordering = ["routing_id", "sequence"]
        constraints = [models.UniqueConstraint(fields=["routing", "sequence"], name="routing_step_unique")]

    def __str__(self) -> str:
        return f"{self.sequence} {self.name}"


class ProductionOperation(Document):
    """An operation of one production order, copied from the routing when the order is confirmed.

    Units arrive from the step before it (from cleared plates at the first) and go on when they are reported good; the
    last operation's good units are the order's output. The database itself holds that no more leave than came.
    """

    class Status(models.TextChoices):
        PENDING = "pending", "pending"
        RUNNING = "running", "running"
        DONE = "done", "done"
        SKIPPED = "skipped", "skipped"  # units go past it
        CANCELLED = "cancelled", "cancelled"  # its order ended before anything came here

    #: In these somebody may still work.
    OPEN = (Status.PENDING, Status.RUNNING)

    #: The order's number and the sequence: PO-2025-001-20.
    code = models.CharField(max_length=40, unique=True)

    production_order = models.ForeignKey("production.ProductionOrder", models.CASCADE, related_name="operations")
    sequence = models.PositiveSmallIntegerField()
    name = models.CharField(max_length=80)
    work_center = models.ForeignKey(WorkCenter, models.PROTECT, related_name="operations")
    setup_minutes = models.DecimalField(max_digits=8, decimal_places=2, default=Decimal(0))
    minutes_per_unit = models.DecimalField(max_digits=8, decimal_places=2, default=Decimal(0))
    wait_minutes = models.DecimalField(max_digits=8, decimal_places=2, default=Decimal(0))
    instructions = models.TextField(blank=True, default="")
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.PENDING)
    quantity_in = models.PositiveIntegerField(default=0, help_text="Units that came from before")
    quantity_returned = models.PositiveIntegerField(default=0, help_text="Units sent back to here to be done again")
    quantity_good = models.PositiveIntegerField(default=0, help_text="Units that went on")
    quantity_scrapped = models.PositiveIntegerField(default=0)
    quantity_reworked = models.PositiveIntegerField(default=0, help_text="Units sent back from here")
    actual_minutes = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal(0))
    operator = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+")
    started_at = models.DateTimeField(null=True, blank=True)
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "production_operations"
        ordering = ["production_order_id", "sequence"]
        indexes = [models.Index(fields=["work_center", "status"], name="operation_work_idx")]
        constraints = [
            models.UniqueConstraint(fields=["production_order", "sequence"], name="production_operation_unique"),
            models.CheckConstraint(
                condition=Q(
                    quantity_in__gte=F("quantity_good")
                    + F("quantity_scrapped")
                    + F("quantity_reworked")
                    - F("quantity_returned")
                ),
                name="production_operation_units",
            ),
        ]
        permissions = step_permissions("productionoperation", "start", "report", "skip", "reopen")

    def __str__(self) -> str:
        return self.code

    @property
    def quantity_waiting(self) -> int:
        """Units that are here and not reported yet."""
        left = self.quantity_good + self.quantity_scrapped + self.quantity_reworked
        return self.quantity_in + self.quantity_returned - left


class OperationReport(models.Model):
    """What one person reported of an operation at one time; only ever added.

    ``request_key`` is the client's: the same report sent twice over a bad connection counts once. ``recalled`` are
    units reported good before that failed an inspection afterwards; ``scrap`` counts them too.
    """

    operation = models.ForeignKey(ProductionOperation, models.PROTECT, related_name="reports")
    good = models.PositiveIntegerField(default=0)
    scrap = models.PositiveIntegerField(default=0)
    rework = models.PositiveIntegerField(default=0, help_text="Sent back to be done again, here or at an earlier step")
    rework_to = models.ForeignKey(ProductionOperation, models.PROTECT, null=True, blank=True, related_name="+")
    defect = models.ForeignKey(DefectReason, models.PROTECT, null=True, blank=True, related_name="+")
    note = models.CharField(max_length=200, blank=True, default="")
    recalled = models.PositiveIntegerField(default=0)
    minutes = models.DecimalField(max_digits=10, decimal_places=2, default=Decimal(0))
    request_key = models.CharField(max_length=64, null=True, blank=True, unique=True)
    reported_at = models.DateTimeField(default=timezone.now)
    reported_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")

    class Meta:
        db_table = "operation_reports"
        ordering = ["id"]
        indexes = [models.Index(fields=["reported_at"], name="operation_report_at_idx")]

    def __str__(self) -> str:
        return f"{self.good} good, {self.scrap} scrap"
