"""Sales orders and their lines."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from django.db import models
from django.db.models import Q

from blb3d.core.documents import Document, step_permissions


@dataclass(frozen=True)
class Address:
    """A postal address as it stands on an order: a snapshot, not a link."""

    line1: str
    city: str
    zip: str
    state: str = ""
    country: str = "USA"
    line2: str = ""
    name: str = ""
    company: str = ""

    def text(self) -> str:
        """Return it as it is written on a parcel, one line each."""
        city = " ".join(filter(None, (self.city, self.state, self.zip)))
        return "\n".join(filter(None, (self.name, self.company, self.line1, self.line2, city, self.country)))


#: Field of an address -> column on an order, after ``shipping_`` or ``billing_``.
ADDRESS_COLUMNS = {
    "line1": "address_line1",
    "line2": "address_line2",
    "city": "city",
    "state": "state",
    "zip": "zip",
    "country": "country",
    "name": "name",
    "company": "company",
}


class SalesOrder(Document):
    """What a customer ordered, from whichever source."""

    class Type(models.TextChoices):
        LINE_ITEM = "line_item", "catalogue lines"
        QUOTE_BASED = "quote_based", "from a quote"

    class Source(models.TextChoices):
        SQUARESPACE = "squarespace", "Squarespace"
        WOOCOMMERCE = "woocommerce", "WooCommerce"
        PORTAL = "portal", "portal"
        MANUAL = "manual", "by hand"
        API = "api", "API"
        IMPORT = "import", "import"

    #: Sources whose orders are paid before they reach us.
    PREPAID_SOURCES = (Source.SQUARESPACE, Source.WOOCOMMERCE)

    class Status(models.TextChoices):
        PENDING = "pending", "pending"
        CONFIRMED = "confirmed", "confirmed"
        IN_PRODUCTION = "in_production", "in production"
        QUALITY_CHECK = "quality_check", "quality check"
        SHIPPED = "shipped", "shipped"
        DELIVERED = "delivered", "delivered"
        COMPLETED = "completed", "completed"
        ON_HOLD = "on_hold", "on hold"
        CANCELLED = "cancelled", "cancelled"

    class PaymentStatus(models.TextChoices):
        PENDING = "pending", "pending"
        PARTIAL = "partial", "partly paid"
        PAID = "paid", "paid"
        REFUNDED = "refunded", "refunded"

    order_number = models.CharField(max_length=30, unique=True)
    order_type = models.CharField(max_length=15, choices=Type.choices, default=Type.LINE_ITEM)
    source = models.CharField(max_length=15, choices=Source.choices, default=Source.MANUAL)
    source_order_id = models.CharField(max_length=190, blank=True, default="")
    #: The number that the buyer knows the order by at its source.
    source_order_number = models.CharField(max_length=60, blank=True, default="")
    #: When the source last changed it; older news is ignored.
    source_modified_at = models.DateTimeField(null=True, blank=True)
    customer = models.ForeignKey("sales.Customer", models.PROTECT, related_name="orders")
    product = models.ForeignKey(
        "inventory.Product", models.PROTECT, null=True, blank=True, related_name="+", help_text="Of a quote's order"
    )
    status = models.CharField(max_length=15, choices=Status.choices, default=Status.PENDING)
    held_from = models.CharField(max_length=15, blank=True, default="")
    hold_reason = models.CharField(max_length=500, blank=True, default="")
    #: Held by the system because of unmapped SKUs: mapping the last one sets the order free.
    held_for_mapping = models.BooleanField(default=False, editable=False)
    payment_status = models.CharField(
        max_length=10, choices=PaymentStatus.choices, default=PaymentStatus.PENDING, editable=False
    )

    subtotal = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(0))
    discount_total = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(0))
    shipping_total = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(0))
    tax_total = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(0))
    grand_total = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(0))
    amount_paid = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(0), editable=False)
    amount_refunded = models.DecimalField(max_digits=12, decimal_places=2, default=Decimal(0), editable=False)
    currency = models.CharField(max_length=3, default="USD")

    customer_po_number = models.CharField(max_length=60, blank=True, default="")
    customer_note = models.TextField(blank=True, default="")
    internal_note = models.TextField(blank=True, default="")
    promised_date = models.DateField(null=True, blank=True)
    priority = models.PositiveSmallIntegerField(default=2, help_text="1 low .. 4 urgent")

    shipping_name = models.CharField(max_length=200, blank=True, default="")
    shipping_company = models.CharField(max_length=200, blank=True, default="")
    shipping_address_line1 = models.CharField(max_length=255, blank=True, default="")
    shipping_address_line2 = models.CharField(max_length=255, blank=True, default="")
    shipping_city = models.CharField(max_length=100, blank=True, default="")
    shipping_state = models.CharField(max_length=50, blank=True, default="")
    shipping_zip = models.CharField(max_length=20, blank=True, default="")
    shipping_country = models.CharField(max_length=50, blank=True, default="")
    billing_name = models.CharField(max_length=200, blank=True, default="")
    billing_company = models.CharField(max_length=200, blank=True, default="")
    billing_address_line1 = models.CharField(max_length=255, blank=True, default="")
    billing_address_line2 = models.CharField(max_length=255, blank=True, default="")
    billing_city = models.CharField(max_length=100, blank=True, default="")
    billing_state = models.CharField(max_length=50, blank=True, default="")
    billing_zip = models.CharField(max_length=20, blank=True, default="")
    billing_country = models.CharField(max_length=50, blank=True, default="")

    confirmed_at = models.DateTimeField(null=True, blank=True)
    shipped_at = models.DateTimeField(null=True, blank=True)
    delivered_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "sales_orders"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["customer", "created_at"], name="idx_sales_orders_customer"),
            models.Index(fields=["status", "created_at"], name="idx_sales_orders_status"),
        ]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "source_order_id"],
                condition=Q(source_order_id__gt=""),
                name="sales_order_source_unique",
            )
        ]
        permissions = [
            *step_permissions("salesorder", "confirm", "ship", "deliver", "complete", "hold", "resume", "cancel"),
            ("record_payment_salesorder", "Can record payments"),
        ]

    def __str__(self) -> str:
        return self.order_number

    @property
    def amount_owed(self) -> Decimal:
        """What is still to be paid."""
        return max(self.grand_total - self.amount_paid, Decimal(0))

    @property
    def is_paid(self) -> bool:
        """True when nothing is owed."""
        return self.amount_paid >= self.grand_total

    @property
    def shipping_address(self) -> Address:
        """Where it goes."""
        return self._address("shipping")

    @property
    def billing_address(self) -> Address:
        """Who gets the invoice."""
        return self._address("billing")

    def _address(self, kind: str) -> Address:
        return Address(**{field: getattr(self, f"{kind}_{column}") for field, column in ADDRESS_COLUMNS.items()})

    def set_address(self, kind: str, address: Address) -> None:
        """Copy an address onto the order; ``kind`` is "shipping" or "billing"."""
        for field, column in ADDRESS_COLUMNS.items():
            setattr(self, f"{kind}_{column}", getattr(address, field).strip())


class SalesOrderLine(Document):
    """One line: a product, how many, at what price. A line whose SKU nobody has mapped yet has no product."""

    class Supply(models.TextChoices):
        MAKE = "make", "make"
        SHELF = "shelf", "from the shelf"
        NONE = "none", "nothing to make"  # services, gift cards
        UNMAPPED = "unmapped", "SKU not mapped"

    sales_order = models.ForeignKey(SalesOrder, models.CASCADE, related_name="lines")
    line_number = models.PositiveIntegerField()
    product = models.ForeignKey("inventory.Product", models.PROTECT, null=True, blank=True, related_name="+")
    external_sku = models.CharField(max_length=190, blank=True, default="")
    external_product_id = models.CharField(max_length=190, blank=True, default="")
    external_line_id = models.CharField(max_length=190, blank=True, default="")
    name = models.CharField(max_length=300)
    options = models.JSONField(default=dict, blank=True, help_text="What the buyer chose or wrote, by label")
    supply = models.CharField(max_length=10, choices=Supply.choices, default=Supply.MAKE)
    quantity = models.PositiveIntegerField()
    unit_price = models.DecimalField(max_digits=12, decimal_places=2)
    total = models.DecimalField(max_digits=12, decimal_places=2)
    quantity_shipped = models.PositiveIntegerField(default=0)

    class Meta:
        db_table = "sales_order_lines"
        ordering = ["sales_order_id", "line_number"]
        constraints = [
            models.UniqueConstraint(fields=["sales_order", "line_number"], name="sales_line_number_unique"),
            models.CheckConstraint(condition=Q(quantity__gt=0), name="sales_line_quantity_positive"),
            models.CheckConstraint(
                condition=Q(quantity__gte=models.F("quantity_shipped")), name="sales_line_not_over_shipped"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.sales_order_id}/{self.line_number}"
