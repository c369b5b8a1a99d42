"""What the acts on sales documents ask for."""

from __future__ import annotations

from typing import Any

from django import forms

from blb3d.core.admin import VerbForm, key_choice
from inventory.models import Product
from sales import selectors
from sales.models import ADDRESS_COLUMNS, Address, SalesOrder, SalesOrderLine

_METHODS = [("bank", "Bank transfer"), ("card", "Card"), ("check", "Check"), ("cash", "Cash")]


class NewOrderForm(forms.ModelForm):  # type: ignore[type-arg]
    """An order taken by hand: on the phone, the customer and the lines are enough."""

    confirm_now = forms.BooleanField(
        label="Confirm at once", required=False, help_text="Promise it now: material is reserved, jobs are made."
    )

    class Meta:
        model = SalesOrder
        fields = (
            "customer",
            "customer_po_number",
            "promised_date",
            "priority",
            "customer_note",
            "discount_total",
            "shipping_total",
            *(f"shipping_{column}" for column in ADDRESS_COLUMNS.values()),
        )

    def shipping(self) -> Address | None:
        """Return the address typed, or None for the customer's own."""
        given = {name: self.cleaned_data[f"shipping_{column}"] for name, column in ADDRESS_COLUMNS.items()}
        return Address(**given) if given["line1"] else None


class NewLineForm(forms.ModelForm):  # type: ignore[type-arg]
    """A line of such an order; without a price the list price is taken."""

    class Meta:
        model = SalesOrderLine
        fields = ("product", "quantity", "unit_price")

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["product"].required = True
        self.fields["unit_price"].required = False
        self.fields["unit_price"].widget.attrs["placeholder"] = "list price"

    def clean(self) -> dict[str, Any]:
        """Take the list price where none is given."""
        cleaned: dict[str, Any] = super().clean() or self.cleaned_data
        product: Product | None = cleaned.get("product")
        if product is not None and cleaned.get("unit_price") is None and "unit_price" not in self.errors:
            if product.list_price is None:
                self.add_error("unit_price", f"{product.sku} has no list price.")
            cleaned["unit_price"] = product.list_price
        return cleaned


class PaymentForm(VerbForm):
    """Money that came in."""

    amount = forms.DecimalField(max_digits=12, decimal_places=2, min_value=0)
    method = forms.ChoiceField(choices=_METHODS)
    reference = forms.CharField(max_length=190, required=False, help_text="The bank's or provider's id")

    def prepare(self) -> None:
        """Offer what is owed."""
        self.initial["amount"] = self.document.amount_owed  # type: ignore[attr-defined]


class RefundForm(VerbForm):
    """Money that goes back."""

    amount = forms.DecimalField(max_digits=12, decimal_places=2, min_value=0)
    reference = forms.CharField(max_length=190, required=False)

    def prepare(self) -> None:
        """Offer what was paid and not returned."""
        order: Any = self.document
        self.initial["amount"] = order.amount_paid - order.amount_refunded


class ReferenceForm(VerbForm):
    """How the money is found on the statement."""

    reference = forms.CharField(max_length=190, required=False)


class AddressForm(VerbForm):
    """Where an order goes."""

    line1 = forms.CharField(label="Street", max_length=255)
    line2 = forms.CharField(label="Suite", max_length=255, required=False)
    city = forms.CharField(max_length=100)
    state = forms.CharField(max_length=50, required=False)
    zip = forms.CharField(label="ZIP", max_length=20)
    country = forms.CharField(max_length=50, initial="USA")
    name = forms.CharField(max_length=200, required=False)
    company = forms.CharField(max_length=200, required=False)

    def prepare(self) -> None:
        """Start from the present address."""
        address = self.document.shipping_address  # type: ignore[attr-defined]
        self.initial.update({name: getattr(address, name) for name in ADDRESS_COLUMNS if getattr(address, name)})

    def arguments(self) -> dict[str, Any]:
        """Return it as an address."""
        return {"shipping": Address(**{name: self.cleaned_data[name] for name in ADDRESS_COLUMNS})}


class PackForm(VerbForm):
    """How many of each open line go into the parcel."""

    carrier = forms.CharField(max_length=60, required=False)
    service = forms.CharField(max_length=60, required=False)

    def prepare(self) -> None:
        """Offer what is open and there."""
        order: Any = self.document
        lines = list(order.lines.order_by("line_number"))
        packed = selectors.packed_of_lines(line.pk for line in lines)
        reserved = selectors.reserved_for_lines(line.pk for line in lines)
        for line in lines:
            inside = packed.get(line.pk, 0)
            left = line.quantity - line.quantity_shipped - inside
            if left < 1:
                continue
            there = left
            if line.supply != SalesOrderLine.Supply.NONE:
                there = min(left, max(int(reserved.get(line.pk, 0)) - inside, 0))
            self.fields[f"line_{line.pk}"] = forms.IntegerField(
                label=line.name, min_value=0, max_value=left, initial=there, help_text=f"{there} of {left} are there"
            )

    def arguments(self) -> dict[str, Any]:
        """Return what is packed."""
        items = [
            (int(name.removeprefix("line_")), quantity)
            for name, quantity in self.cleaned_data.items()
            if name.startswith("line_") and quantity
        ]
        return {"items": items, "carrier": self.cleaned_data["carrier"], "service": self.cleaned_data["service"]}


class ShipForm(VerbForm):
    """With whom a parcel travels."""

    carrier = forms.CharField(max_length=60, required=False)
    service = forms.CharField(max_length=60, required=False)
    tracking_number = forms.CharField(max_length=80, required=False)
    tracking_url = forms.URLField(max_length=300, required=False, assume_scheme="https")

    def prepare(self) -> None:
        """Start from what was said when packing."""
        parcel: Any = self.document
        self.initial.update(carrier=parcel.carrier, service=parcel.service)


class MapForm(VerbForm):
    """Which product an unmapped line is; a kit is mapped once for all at the shop's mapping."""

    line = forms.ModelChoiceField(SalesOrderLine.objects.none(), empty_label=None)
    product = key_choice(SalesOrderLine, "product", queryset=Product.objects.filter(is_active=True))
    quantity = forms.IntegerField(min_value=1, initial=1, help_text="How many of it one sold piece takes")

    def prepare(self) -> None:
        """Offer the unmapped lines by what the shop calls them."""
        field: Any = self.fields["line"]
        field.queryset = unmapped_lines(self.document)
        field.label_from_instance = lambda line: f"{line.quantity} x {line.external_sku or line.name}"


def unmapped_lines(order: Any) -> Any:
    """Return an order's lines without a product."""
    return order.lines.filter(supply=SalesOrderLine.Supply.UNMAPPED).order_by("line_number")
