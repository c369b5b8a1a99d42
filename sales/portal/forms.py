"""Forms of the customers' pages: they read and word what is entered; the verbs decide."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings

from sales.models import ADDRESS_COLUMNS, Address, Customer, CustomerAddress, CustomerUser, SalesOrder
from sales.services.payments import BANK_TRANSFER

CARD, TERMS = "card", "terms"
#: What the payment provider of the demo takes; a real one brings its own form.
TEST_CARDS = [
    (f"{CARD}:tok_ok", "Card: we start at once (test card)"),
    (f"{CARD}:tok_declined", "Card that is declined (test card)"),
]

_AUTOCOMPLETE = {
    "name": "name",
    "company": "organization",
    "line1": "address-line1",
    "line2": "address-line2",
    "city": "address-level2",
    "state": "address-level1",
    "zip": "postal-code",
    "country": "country-name",
}
_LABELS = {
    "name": "Name",
    "company": "Company",
    "line1": "Street",
    "line2": "Suite, floor",
    "city": "City",
    "state": "State",
    "zip": "ZIP",
    "country": "Country",
}
_NEEDED = ("line1", "city", "zip", "country")


class AddressForm(forms.Form):
    """A postal address: ``shipping_name`` and so on. Not needed as a whole, it is either empty or complete."""

    def __init__(self, *args: Any, needed: bool = True, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.is_needed = needed
        for field, label in _LABELS.items():
            column = SalesOrder._meta.get_field(f"shipping_{ADDRESS_COLUMNS[field]}")
            self.fields[f"shipping_{ADDRESS_COLUMNS[field]}"] = forms.CharField(
                label=label,
                max_length=column.max_length,
                required=needed and field in _NEEDED,
                initial="USA" if field == "country" else "",
                widget=forms.TextInput(attrs={"autocomplete": _AUTOCOMPLETE[field]}),
            )

    def clean(self) -> dict[str, Any]:
        """Ask for the rest of an address that was begun: the name that stood there already begins none."""
        given: dict[str, Any] = super().clean() or {}
        begun = any(given.get(name) for name in self.changed_data if name != "shipping_country")
        for field in _NEEDED:
            name = f"shipping_{ADDRESS_COLUMNS[field]}"
            if begun and not given.get(name) and name not in self.errors:
                self.add_error(name, "This field is required.")
        return given

    def address(self) -> Address | None:
        """Return what was entered, or None when nothing was."""
        values = {field: self.cleaned_data[f"shipping_{ADDRESS_COLUMNS[field]}"] for field in _LABELS}
        return Address(**values) if values["line1"] else None


class PayForm(forms.Form):
    """How an order is paid."""

    payment_method = forms.ChoiceField(label="Payment", widget=forms.RadioSelect)

    def __init__(self, *args: Any, customer: Customer, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        choices = [(BANK_TRANSFER, "Bank transfer: we start when the money is there")]
        if settings.DEBUG or settings.DEMO:  # type: ignore[misc]
            choices = [*TEST_CARDS, *choices]
        if customer.has_terms:
            choices.insert(0, (TERMS, f"Invoice, {customer.get_terms_display()}"))
        field = self.fields["payment_method"]
        field.choices = choices  # type: ignore[attr-defined]
        field.initial = choices[0][0]

    def payment(self) -> tuple[str, str] | None:
        """Return method and token, or None for an invoice on terms."""
        method, _, token = self.cleaned_data["payment_method"].partition(":")
        return None if method == TERMS else (method, token)


class AcceptForm(PayForm):
    """What accepting a quote asks for besides a new address."""

    address = forms.ChoiceField(label="Ship to", widget=forms.RadioSelect, required=False)
    customer_po_number = forms.CharField(label="Your PO number", max_length=60, required=False)
    field_order = ("address", "customer_po_number", "payment_method")

    def __init__(self, *args: Any, customer: Customer, **kwargs: Any) -> None:
        super().__init__(*args, customer=customer, **kwargs)
        saved = customer.addresses.filter(deleted_at__isnull=True, address_type=CustomerAddress.Type.SHIPPING)
        self.saved = {str(address.pk): address for address in saved.order_by("-is_default", "pk")}
        if not self.saved:
            del self.fields["address"]
            return
        self.fields["address"].choices = [(pk, str(address)) for pk, address in self.saved.items()]  # type: ignore[attr-defined]
        self.fields["address"].initial = next(iter(self.saved))

    def saved_address(self) -> Address | None:
        """Return the saved address that was chosen."""
        row = self.saved.get(self.cleaned_data.get("address", ""))
        if row is None:
            return None
        return Address(
            name=row.name,
            company=row.company,
            line1=row.address_line1,
            line2=row.address_line2,
            city=row.city,
            state=row.state,
            zip=row.postal_code,
            country=row.country,
        )


class InviteForm(forms.Form):
    """A colleague who gets access."""

    first_name = forms.CharField(label="First name", max_length=100)
    last_name = forms.CharField(label="Last name", max_length=100)
    email = forms.EmailField(label="E-mail", max_length=254)
    role = forms.ChoiceField(label="Role", choices=CustomerUser.Role.choices)


class BookAddressForm(AddressForm):
    """An address for the company's book."""

    address_type = forms.ChoiceField(label="Used for", choices=CustomerAddress.Type.choices, initial="SHIPPING")
    is_default = forms.BooleanField(label="The usual one", required=False)

    def arguments(self) -> dict[str, Any]:
        """Return what ``save_address`` takes."""
        address = self.address()
        assert address is not None
        return {**book_fields(address), **{name: self.cleaned_data[name] for name in ("address_type", "is_default")}}


def book_fields(address: Address) -> dict[str, str]:
    """Return an address in the columns of a customer's book."""
    return {
        "name": address.name,
        "company": address.company,
        "address_line1": address.line1,
        "address_line2": address.line2,
        "city": address.city,
        "state": address.state,
        "postal_code": address.zip,
        "country": address.country,
    }
