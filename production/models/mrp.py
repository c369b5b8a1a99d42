"""Material planning as it was computed, and what people made firm of it."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.utils import timezone

from blb3d.core.documents import Document, step_permissions

_QUANTITY = {"max_digits": 14, "decimal_places": 4}


class Replenish(models.TextChoices):
    """How a planned order brings its product."""

    MAKE = "make", "make"
    BUY = "buy", "buy"


class Forecast(Document):
    """What somebody expects to sell of a product within a period; orders due in it count against it."""

    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="forecasts")
    starts_on = models.DateField()
    ends_on = models.DateField()
    quantity = models.DecimalField(**_QUANTITY, help_text="In the stock unit")
    notes = models.CharField(max_length=300, blank=True, default="")

    class Meta:
        db_table = "forecasts"
        ordering = ["starts_on", "product_id"]
        constraints = [
            models.CheckConstraint(condition=Q(quantity__gt=0), name="forecast_positive"),
            models.CheckConstraint(condition=Q(ends_on__gte=F("starts_on")), name="forecast_ends_after_start"),
        ]

    def __str__(self) -> str:
        return f"{self.product_id} {self.starts_on:%Y-%m-%d} to {self.ends_on:%Y-%m-%d}"


class MRPRun(models.Model):
    """One run of material planning, kept as a record; of older runs only the figures stay."""

    class Kind(models.TextChoices):
        FULL = "full", "full"
        NET_CHANGE = "net_change", "net change"
        WHAT_IF = "what_if", "what if"

    class Status(models.TextChoices):
        DONE = "done", "done"
        RUNNING = "running", "running"
        FAILED = "failed", "failed"

    number = models.CharField(max_length=30, unique=True)
    kind = models.CharField(max_length=12, choices=Kind.choices, default=Kind.FULL)
    status = models.CharField(max_length=10, choices=Status.choices)
    cause = models.CharField(max_length=200, blank=True, default="")
    planned_from = models.DateField(help_text="The plan's first day")
    started_at = models.DateTimeField(default=timezone.now)
    finished_at = models.DateTimeField(null=True, blank=True)
    started_by = models.ForeignKey(settings.AUTH_USER_MODEL, models.PROTECT, related_name="+")
    seconds = models.FloatField(default=0.0)
    items = models.PositiveIntegerField(default=0)
    demands = models.PositiveIntegerField(default=0)
    planned_to_make = models.PositiveIntegerField(default=0)
    planned_to_buy = models.PositiveIntegerField(default=0)
    messages = models.PositiveIntegerField(default=0)
    late = models.PositiveIntegerField(default=0)
    has_rows = models.BooleanField(default=True, help_text="False once its rows were put away")
    error = models.CharField(max_length=500, blank=True, default="")

    class Meta:
        db_table = "mrp_runs"
        verbose_name = "MRP run"
        ordering = ["-id"]
        permissions = [("run_mrp", "Can run material planning")]
        constraints = [
            # Two at once would propose the same twice.
            models.UniqueConstraint(fields=["status"], condition=Q(status="running"), name="mrp_one_running")
        ]

    def __str__(self) -> str:
        return self.number


class PlannedOrder(models.Model):
    """An order that a run proposes. ``pegs`` is JSON: [[kind, id, number, quantity, day], ...] of the needs it serves.

    Quantities in ``pegs`` are ten-thousandths of the stock unit, days ordinals, as in :mod:`production.mrp.ground`.
    """

    # Without checks and indexes of their own: tens of thousands of rows are written at once, by one writer, of rows
    # that it has just read; the unique constraint finds them.
    run = models.ForeignKey(MRPRun, models.CASCADE, related_name="planned_orders", db_constraint=False, db_index=False)
    product = models.ForeignKey(
        "inventory.Product", models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    number = models.PositiveIntegerField(help_text="Which of the product's planned orders, from 0")
    kind = models.CharField(max_length=4, choices=Replenish.choices)
    quantity = models.DecimalField(**_QUANTITY)
    start_on = models.DateField()
    due_on = models.DateField()
    ready_on = models.DateField()
    pegs = models.TextField(default="[]")
    is_taken = models.BooleanField(default=False, help_text="A firm order was made of it")

    class Meta:
        db_table = "planned_orders"
        ordering = ["run_id", "start_on", "id"]
        constraints = [models.UniqueConstraint(fields=["run", "product", "number"], name="planned_order_unique")]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.quantity} by {self.due_on}"


class PlanSupply(models.Model):
    """What is there or on its way in a run, and whom it serves; ``pegs`` as in :class:`PlannedOrder`."""

    run = models.ForeignKey(MRPRun, models.CASCADE, related_name="supplies", db_constraint=False, db_index=False)
    product = models.ForeignKey(
        "inventory.Product", models.PROTECT, related_name="+", db_constraint=False, db_index=False
    )
    reference_type = models.CharField(max_length=20, help_text="A kind of production.mrp.ground")
    reference_id = models.BigIntegerField()
    quantity = models.DecimalField(**_QUANTITY)
    on = models.DateField()
    pegs = models.TextField(default="[]")

    class Meta:
        db_table = "plan_supplies"
        verbose_name_plural = "plan supplies"
        ordering = ["run_id", "product_id", "on", "id"]
        indexes = [models.Index(fields=["run", "product"], name="plan_supply_product_idx")]

    def __str__(self) -> str:
        return f"{self.reference_type} {self.reference_id}"


class PlanMessage(models.Model):
    """What a run says should become of an open order."""

    class Kind(models.TextChoices):
        RESCHEDULE_IN = "reschedule_in", "bring forward"
        RESCHEDULE_OUT = "reschedule_out", "put off"
        CANCEL = "cancel", "cancel"

    run = models.ForeignKey(MRPRun, models.CASCADE, related_name="plan_messages")
    kind = models.CharField(max_length=15, choices=Kind.choices)
    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="+")
    reference_type = models.CharField(max_length=20)
    reference_id = models.BigIntegerField()
    quantity = models.DecimalField(**_QUANTITY)
    from_on = models.DateField()
    to_on = models.DateField(null=True, blank=True)
    is_done = models.BooleanField(default=False, help_text="Somebody did what it says")

    class Meta:
        db_table = "plan_messages"
        ordering = ["run_id", "kind", "id"]

    def __str__(self) -> str:
        return f"{self.get_kind_display()} {self.reference_type} {self.reference_id}"


class PlanLate(models.Model):
    """A demand that a run expects to be served late, and the product that is the reason."""

    run = models.ForeignKey(MRPRun, models.CASCADE, related_name="late_demands")
    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="+")
    reference_type = models.CharField(max_length=20)
    reference_id = models.BigIntegerField()
    quantity = models.DecimalField(**_QUANTITY)
    due_on = models.DateField()
    ready_on = models.DateField()
    cause = models.ForeignKey("inventory.Product", models.PROTECT, related_name="+")

    class Meta:
        db_table = "plan_late_demands"
        ordering = ["run_id", "due_on", "id"]

    def __str__(self) -> str:
        return f"{self.reference_type} {self.reference_id} ready {self.ready_on}"


class FirmOrder(Document):
    """A planned order that a person decided on: planning takes it as given until it is released or dropped."""

    class Status(models.TextChoices):
        FIRM = "firm", "firm"
        RELEASED = "released", "released"
        DROPPED = "dropped", "dropped"

    number = models.CharField(max_length=30, unique=True)
    product = models.ForeignKey("inventory.Product", models.PROTECT, related_name="+")
    kind = models.CharField(max_length=4, choices=Replenish.choices)
    status = models.CharField(max_length=10, choices=Status.choices, default=Status.FIRM)
    quantity = models.DecimalField(**_QUANTITY)
    start_on = models.DateField()
    due_on = models.DateField()
    vendor = models.ForeignKey("inventory.Vendor", models.PROTECT, null=True, blank=True, related_name="+")
    run = models.ForeignKey(MRPRun, models.SET_NULL, null=True, blank=True, related_name="+")
    planned_number = models.PositiveIntegerField(
        null=True, blank=True, editable=False, help_text="Which of the run's planned orders of the product it was"
    )
    production_order = models.ForeignKey(
        "production.ProductionOrder", models.PROTECT, null=True, blank=True, related_name="firm_orders"
    )
    purchase_order = models.ForeignKey(
        "inventory.PurchaseOrder", models.PROTECT, null=True, blank=True, related_name="firm_orders"
    )
    why = models.CharField(max_length=500, blank=True, default="", help_text="Whom it was planned for")

    class Meta:
        db_table = "firm_orders"
        verbose_name = "firm planned order"
        ordering = ["-id"]
        permissions = step_permissions("firmorder", "release", "drop")
        constraints = [models.CheckConstraint(condition=Q(quantity__gt=0), name="firm_order_positive")]

    def __str__(self) -> str:
        return self.number
