"""Customers, their people and their addresses."""

from __future__ import annotations

from decimal import Decimal

from django.conf import settings
from django.db import models
from django.db.models import Q

from blb3d.core.documents import Document


class Customer(Document):
    """A company or person that buys from us."""

    class Terms(models.TextChoices):
        PREPAID = "prepaid", "prepaid"
        NET_15 = "net_15", "net 15 days"
        NET_30 = "net_30", "net 30 days"
        NET_60 = "net_60", "net 60 days"

    customer_number = models.CharField(max_length=30, unique=True)
    name = models.CharField(max_length=200)
    company_name = models.CharField(max_length=200, blank=True, default="")
    email = models.EmailField(max_length=254, db_index=True)
    phone = models.CharField(max_length=40, blank=True, default="")
    terms = models.CharField(max_length=10, choices=Terms.choices, default=Terms.PREPAID)
    tax_exempt = models.BooleanField(default=False)
    tax_exemption_number = models.CharField(max_length=60, blank=True, default="")
    price_level = models.ForeignKey("sales.PriceLevel", models.PROTECT, null=True, blank=True, related_name="customers")
    credit_limit = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(0))
    is_active = models.BooleanField(default=True)
    notes = models.TextField(blank=True, default="")

    class Meta:
        db_table = "customers"
        ordering = ["-id"]
        indexes = [models.Index(fields=["name"], name="customers_name_idx")]

    def __str__(self) -> str:
        return f"{self.customer_number} {self.company_name or self.name}"

    @property
    def has_terms(self) -> bool:
        """True when the customer pays after delivery."""
        return self.terms != self.Terms.PREPAID


class CustomerUser(Document):
    """A user who acts for a customer, and how far he may go."""

    class Role(models.TextChoices):
        BUYER = "BUYER", "buyer"
        APPROVER = "APPROVER", "approver"
        ADMIN = "ADMIN", "administrator"

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="users")
    user = models.OneToOneField(settings.AUTH_USER_MODEL, models.CASCADE, related_name="customer_user")
    role = models.CharField(max_length=20, choices=Role.choices, default=Role.BUYER)
    approval_limit = models.DecimalField(
        max_digits=12, decimal_places=2, null=True, blank=True, help_text="A buyer accepts up to this; empty: any"
    )
    is_active = models.BooleanField(default=True)

    class Meta:
        db_table = "customer_users"
        ordering = ["id"]

    def __str__(self) -> str:
        return f"{self.user_id} for {self.customer_id}"


class CustomerAddress(Document):
    """A billing or shipping address; one of each kind is the default."""

    class Type(models.TextChoices):
        BILLING = "BILLING", "billing"
        SHIPPING = "SHIPPING", "shipping"

    customer = models.ForeignKey(Customer, models.CASCADE, related_name="addresses")
    address_type = models.CharField(max_length=20, choices=Type.choices, default=Type.SHIPPING)
    is_default = models.BooleanField(default=False)
    name = models.CharField(max_length=200, blank=True, default="")
    company = models.CharField(max_length=200, blank=True, default="")
    address_line1 = models.CharField(max_length=255)
    address_line2 = models.CharField(max_length=255, blank=True, default="")
    city = models.CharField(max_length=100)
    state = models.CharField(max_length=50, blank=True, default="")
    postal_code = models.CharField(max_length=20)
    country = models.CharField(max_length=50, default="USA")

    class Meta:
        db_table = "customer_addresses"
        verbose_name_plural = "customer addresses"
        ordering = ["id"]
        indexes = [models.Index(fields=["customer", "address_type"], name="idx_customer_address")]
        constraints = [
            models.UniqueConstraint(
                fields=["customer", "address_type"], condition=Q(is_default=True), name="customer_default_address"
            )
        ]

    def __str__(self) -> str:
        return f"{self.address_line1}, {self.city}"
