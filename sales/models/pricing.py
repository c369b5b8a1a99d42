"""What work costs, as staff may change it: versions of the price rules, and what customers get off."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.validators import MaxValueValidator, MinValueValidator
from django.db import models
from django.db.models import Q

from blb3d.core.documents import Document
from sales.errors import RulesAreFixed

_NOT_NEGATIVE = [MinValueValidator(Decimal(0))]
_SHARE = [MinValueValidator(Decimal(0)), MaxValueValidator(Decimal("99.99"))]


def _money(default: str, help_text: str = "") -> Any:
    return models.DecimalField(
        max_digits=10, decimal_places=2, default=Decimal(default), validators=_NOT_NEGATIVE, help_text=help_text
    )


def _factor(default: str) -> Any:
    return models.DecimalField(
        max_digits=6, decimal_places=3, default=Decimal(default), validators=[MinValueValidator(Decimal("0.001"))]
    )


def _minutes(help_text: str = "") -> Any:
    return models.DecimalField(
        max_digits=8, decimal_places=2, default=Decimal(0), validators=_NOT_NEGATIVE, help_text=help_text
    )


class PriceRules(Document):
    """One version of the price rules: a draft until it is activated, and from then on never changed.

    The newest activated one rules; without any the installation's settings do.
    """

    class MaterialBasis(models.TextChoices):
        LIST = "list", "list price per kg"
        STOCK = "stock", "cost of what is in stock"

    #: Not ``version``, which counts the saves of a row.
    number = models.PositiveIntegerField(unique=True, editable=False)
    note = models.CharField(max_length=200, help_text="What is different, for who reads it in a year")
    is_active = models.BooleanField("rules now", default=False, editable=False)
    activated_at = models.DateTimeField(null=True, blank=True, editable=False)
    activated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.PROTECT, null=True, blank=True, related_name="+", editable=False
    )
    material_basis = models.CharField(max_length=5, choices=MaterialBasis.choices, default=MaterialBasis.LIST)
    machine_hourly_rate = _money("1.50", "Of a printer whose model has no rate below")
    markup_percent = models.DecimalField(
        max_digits=7, decimal_places=2, default=Decimal(40), validators=_NOT_NEGATIVE, help_text="On cost"
    )
    setup_per_job = _money("5.00")
    setup_per_plate = _money("0.50")
    minimum = _money("15.00", "Net, of a whole quote")
    labour_hourly_rate = _money("0.00", "Of work by hand after printing")
    smooth_factor = _factor("1.3")
    smooth_minutes = _minutes("By hand, per set")
    painted_factor = _factor("1.5")
    painted_minutes = _minutes("By hand, per set")
    rush_factor = _factor("1.25")
    super_rush_factor = _factor("1.5")
    urgent_factor = _factor("1.75")
    tax_percent = models.DecimalField(
        max_digits=6,
        decimal_places=3,
        null=True,
        blank=True,
        validators=_SHARE,
        help_text="Empty: the setting TAX_RATE",
    )

    class Meta:
        db_table = "pricing_rules"
        verbose_name = "price rules"
        verbose_name_plural = "price rules"
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["is_active"], condition=Q(is_active=True), name="pricing_rules_one_active")
        ]
        permissions = [("activate_pricerules", "Can activate price rules")]

    def __str__(self) -> str:
        return f"Price rules {self.number}"

    @property
    def is_draft(self) -> bool:
        """True while it may be changed: it never ruled."""
        return self.activated_at is None

    def require_draft(self) -> None:
        """Refuse to change what quotes were made with.

        Raises:
            RulesAreFixed: it rules, or did.
        """
        if not self.is_draft:
            raise RulesAreFixed(details={"number": self.number})


class MachineRate(models.Model):
    """What an hour costs on printers of one model."""

    rules = models.ForeignKey(PriceRules, models.CASCADE, related_name="machine_rates")
    printer_model = models.CharField(max_length=40)
    hourly_rate = models.DecimalField(max_digits=10, decimal_places=2, validators=_NOT_NEGATIVE)

    class Meta:
        db_table = "pricing_machine_rates"
        ordering = ["printer_model"]
        constraints = [
            models.UniqueConstraint(fields=["rules", "printer_model"], name="pricing_machine_rate_unique"),
            models.CheckConstraint(condition=Q(hourly_rate__gte=0), name="pricing_machine_rate_not_negative"),
        ]

    def __str__(self) -> str:
        return f"{self.printer_model}: {self.hourly_rate}"


class QuantityBreak(models.Model):
    """What is taken off from a quantity on."""

    rules = models.ForeignKey(PriceRules, models.CASCADE, related_name="quantity_breaks")
    from_quantity = models.PositiveIntegerField(validators=[MinValueValidator(2)])
    discount_percent = models.DecimalField(max_digits=5, decimal_places=2, validators=_SHARE)

    class Meta:
        db_table = "pricing_quantity_breaks"
        ordering = ["from_quantity"]
        constraints = [
            models.UniqueConstraint(fields=["rules", "from_quantity"], name="pricing_quantity_break_unique"),
            models.CheckConstraint(
                condition=Q(discount_percent__gte=0, discount_percent__lt=100), name="pricing_quantity_break_share"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.discount_percent} % from {self.from_quantity}"


class PriceLevel(Document):
    """What a customer always gets off: a reseller's, a school's price."""

    name = models.CharField(max_length=60, unique=True)
    discount_percent = models.DecimalField(max_digits=5, decimal_places=2, validators=_SHARE)

    class Meta:
        db_table = "price_levels"
        ordering = ["name"]
        constraints = [
            models.CheckConstraint(
                condition=Q(discount_percent__gte=0, discount_percent__lt=100), name="price_level_share"
            )
        ]

    def __str__(self) -> str:
        return self.name
