"""What acts on purchase orders, receipts and bills ask for."""

from __future__ import annotations

import datetime
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django import forms
from django.utils import timezone

from blb3d.core.admin import VerbForm, key_choice
from blb3d.core.templatetags.blb3d_ui import plain_number
from inventory import services as inventory
from inventory.models import GoodsReceiptLine, Inventory, LandedCost, PurchaseOrder, PurchaseOrderLine

QUANTITY: dict[str, Any] = {"max_digits": 12, "decimal_places": 4}
MONEY: dict[str, Any] = {"max_digits": 12, "decimal_places": 2, "min_value": Decimal(0)}
#: How many lots of one line can be received at once.
LOTS_PER_LINE = 4


@dataclass
class Part:
    """One line of a sheet: what it is about, its fields, and further rows that are folded away."""

    title: str
    note: str
    row: list[Any]
    more: list[list[Any]] = field(default_factory=list)
    is_open: bool = False


class SheetForm(VerbForm):
    """A form with a row of fields for each line of a document."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        #: Title, note and the names of the fields of each row.
        self.plan: list[tuple[str, str, list[list[str]]]] = []
        super().__init__(*args, **kwargs)

    @property
    def sheet(self) -> list[Part]:
        """Return the lines with their fields."""
        parts = []
        for title, note, rows in self.plan:
            first, *more = [[self[name] for name in names] for names in rows]
            filled = any(bound.errors or bound.data for row in more for bound in row) if self.is_bound else False
            parts.append(Part(title, note, first, more, filled))
        return parts

    @property
    def others(self) -> list[Any]:
        """Return the fields that belong to no line."""
        laid = {name for _, _, rows in self.plan for names in rows for name in names}
        return [bound for bound in self if bound.name not in laid]


class Moment(forms.DateTimeField):
    """A day and time, empty for now."""

    def __init__(self, **kwargs: Any) -> None:
        widget = forms.DateTimeInput(attrs={"type": "datetime-local"}, format="%Y-%m-%dT%H:%M")
        super().__init__(required=False, widget=widget, **kwargs)


class ReceiptForm(SheetForm):
    """What came of each line that is still open, by lots, and what it cost to get here."""

    def prepare(self) -> None:
        """Ask for quantity, lot, expiry and certificate of every open line, and for the delivery's own papers."""
        order: Any = self.document
        lines = list(order.lines.select_related("product"))
        self.lines: list[PurchaseOrderLine] = [line for line in lines if line.owed]
        for line in self.lines:
            rows = LOTS_PER_LINE if line.product.is_lot_tracked else 1
            name = f"{line.product.sku} {line.product.name}"
            unit = line.unit_of_measure
            note = f"{plain_number(line.owed)} of {plain_number(line.quantity)} {unit} still to come"
            self.plan.append((name, note, [self._row(line, number) for number in range(rows)]))
        self.fields["location"] = key_choice(Inventory, "location", required=False, help_text="Empty: the default.")
        self.fields["packing_slip"] = forms.CharField(max_length=80, required=False, label="Packing slip number")
        self.fields["received_at"] = Moment(label="Received", help_text="Empty: now.")
        self.fields["freight"] = forms.DecimalField(**MONEY, required=False, help_text="Shared among what came.")
        self.fields["duty"] = forms.DecimalField(**MONEY, required=False)
        self.fields["basis"] = forms.ChoiceField(
            choices=LandedCost.Basis.choices, required=False, label="Share freight and duty"
        )

    def _row(self, line: PurchaseOrderLine, number: int) -> list[str]:
        key = f"{line.pk}" if not number else f"{line.pk}_{number}"
        names = [f"quantity_{key}"]
        self.fields[names[0]] = forms.DecimalField(
            **QUANTITY,
            label=f"Quantity ({line.unit_of_measure})",
            min_value=Decimal(0),
            required=False,
            initial=_short(line.owed) if not number else None,
        )
        if line.product.is_lot_tracked:
            more: dict[str, forms.Field] = {
                f"lot_{key}": forms.CharField(label="Our lot (empty: next)", max_length=100, required=False),
                f"vendor_lot_{key}": forms.CharField(label="Vendor's lot", max_length=100, required=False),
                f"expires_{key}": forms.DateField(label="Good until", required=False, widget=forms.DateInput()),
                f"certificate_{key}": forms.FileField(label="Certificate", required=False),
                f"quarantine_{key}": forms.BooleanField(label="Quarantine", required=False),
            }
            self.fields.update(more)
            names += more
        return names

    def arguments(self) -> dict[str, Any]:
        """Return receipts as the verb takes them."""
        given = self.cleaned_data
        receipts = []
        for line in self.lines:
            for number in range(LOTS_PER_LINE):
                key = f"{line.pk}" if not number else f"{line.pk}_{number}"
                quantity = given.get(f"quantity_{key}")
                if not quantity:
                    continue
                certificate = given.get(f"certificate_{key}")
                receipts.append(
                    inventory.PurchaseReceipt(
                        line.pk,
                        quantity,
                        lot_number=given.get(f"lot_{key}", ""),
                        vendor_lot_number=given.get(f"vendor_lot_{key}", ""),
                        expires_at=_end_of(given.get(f"expires_{key}")),
                        quarantine=given.get(f"quarantine_{key}", False),
                        certificate=certificate or None,
                        certificate_name=certificate.name if certificate else "",
                    )
                )
        return {
            "receipts": receipts,
            "location": given["location"],
            "packing_slip": given["packing_slip"],
            "received_at": given["received_at"],
            "freight": given["freight"] or Decimal(0),
            "duty": given["duty"] or Decimal(0),
            "basis": given["basis"] or LandedCost.Basis.VALUE,
        }


def _short(number: Decimal) -> Decimal:
    """Return a number without the zeros of storage."""
    return number.quantize(Decimal(1)) if number == number.to_integral_value() else number.normalize()


def _end_of(day: datetime.date | None) -> datetime.datetime | None:
    """Return the last second of a day, here, so that the day is read as it was typed."""
    if day is None:
        return None
    return timezone.make_aware(datetime.datetime.combine(day, datetime.time(23, 59, 59)))


class LinesForm(VerbForm):
    """Which of the lines that are still owed."""

    line_ids = forms.TypedMultipleChoiceField(coerce=int, widget=forms.CheckboxSelectMultiple(), label="Lines")

    def prepare(self) -> None:
        """Offer the lines that are still owed, all of them chosen."""
        order: Any = self.document
        choices = [
            (line.pk, f"{line.product.sku}: {plain_number(line.owed)} {line.unit_of_measure}")
            for line in order.lines.select_related("product")
            if line.owed
        ]
        chosen: Any = self.fields["line_ids"]
        chosen.choices = choices
        chosen.initial = [pk for pk, _ in choices]


class RescheduleForm(LinesForm):
    """When it is expected now."""

    expected_on = forms.DateField(label="Expected on", widget=forms.DateInput())


class ChargesForm(VerbForm):
    """What freight and tax the order comes with."""

    freight = forms.DecimalField(**MONEY)
    tax = forms.DecimalField(**MONEY)

    def prepare(self) -> None:
        """Start with what is there."""
        order: Any = self.document
        self.fields["freight"].initial, self.fields["tax"].initial = order.freight, order.tax


class BillForm(SheetForm):
    """A vendor's bill for this order."""

    bill_number = forms.CharField(max_length=80, label="Their number")
    billed_on = forms.DateField(label="Dated", widget=forms.DateInput())
    due_on = forms.DateField(label="Due", required=False, widget=forms.DateInput(), help_text="Empty: as agreed.")
    freight = forms.DecimalField(**MONEY, required=False)
    tax = forms.DecimalField(**MONEY, required=False)
    notes = forms.CharField(required=False, widget=forms.Textarea(attrs={"rows": 2}))

    def prepare(self) -> None:
        """Start with what came and is not billed yet, at the price ordered."""
        order: Any = self.document
        self.lines: list[PurchaseOrderLine] = list(order.lines.select_related("product"))
        for line in self.lines:
            left = line.quantity_received - line.quantity_returned - line.quantity_billed
            names = [f"quantity_{line.pk}", f"price_{line.pk}"]
            self.fields[names[0]] = forms.DecimalField(
                **QUANTITY,
                label=f"Billed ({line.unit_of_measure})",
                min_value=Decimal(0),
                required=False,
                initial=_short(left) if left > 0 else None,
            )
            self.fields[names[1]] = forms.DecimalField(
                **QUANTITY,
                label=f"Price per {line.unit_of_measure}",
                min_value=Decimal(0),
                required=False,
                initial=_short(line.unit_price),
            )
            unit = line.unit_of_measure
            note = (
                f"{plain_number(line.quantity)} {unit} ordered, {plain_number(line.quantity_received)} came, "
                f"{plain_number(line.quantity_returned)} went back, {plain_number(line.quantity_billed)} billed"
            )
            self.plan.append((f"{line.product.sku} {line.product.name}", note, [names]))

    def arguments(self) -> dict[str, Any]:
        """Return the lines as the verb takes them."""
        given = self.cleaned_data
        lines = [
            inventory.BillLineSpec(line.pk, given[f"quantity_{line.pk}"], given[f"price_{line.pk}"] or Decimal(0))
            for line in self.lines
            if given[f"quantity_{line.pk}"]
        ]
        return {
            "lines": lines,
            "bill_number": given["bill_number"],
            "billed_on": given["billed_on"],
            "due_on": given["due_on"],
            "freight": given["freight"] or Decimal(0),
            "tax": given["tax"] or Decimal(0),
            "notes": given["notes"],
        }


class ReturnForm(SheetForm):
    """What goes back of what came."""

    vendor_reference = forms.CharField(max_length=80, required=False, label="Vendor's return number")
    tracking_number = forms.CharField(max_length=80, required=False)

    def prepare(self) -> None:
        """Ask for every receipt line of the order, or of the one receipt, that has not gone back."""
        document: Any = self.document
        of_order = isinstance(document, PurchaseOrder)
        rows = GoodsReceiptLine.objects.filter(**{"receipt__purchase_order" if of_order else "receipt": document})
        self.lines = [
            line
            for line in rows.select_related("product", "lot", "receipt").order_by("pk")
            if line.stock_quantity > line.returned_quantity
        ]
        for line in self.lines:
            unit = line.product.unit_of_measure
            left = line.stock_quantity - line.returned_quantity
            names = [f"quantity_{line.pk}", f"rejected_{line.pk}"]
            self.fields[names[0]] = forms.DecimalField(
                **QUANTITY, label=f"Goes back ({unit})", min_value=Decimal(0), max_value=left, required=False
            )
            self.fields[names[1]] = forms.BooleanField(label="Refused by an inspection", required=False)
            lot = f", lot {line.lot.lot_number}" if line.lot is not None else ""
            title = f"{line.product.sku} {line.product.name}"
            self.plan.append((title, f"{line.receipt.number}{lot}: {plain_number(left)} {unit}", [names]))

    def arguments(self) -> dict[str, Any]:
        """Return the lines as the verb takes them."""
        given = self.cleaned_data
        lines = [
            inventory.ReturnSpec(line.pk, given[f"quantity_{line.pk}"], given[f"rejected_{line.pk}"])
            for line in self.lines
            if given[f"quantity_{line.pk}"]
        ]
        texts = {name: given[name] for name in ("vendor_reference", "tracking_number")}
        return {"lines": lines, **texts}


class LandedCostForm(VerbForm):
    """A cost that came after the goods."""

    kind = forms.ChoiceField(choices=LandedCost.Kind.choices)
    amount = forms.DecimalField(max_digits=12, decimal_places=2, min_value=Decimal("0.01"))
    basis = forms.ChoiceField(choices=LandedCost.Basis.choices, label="Share it")


class CreditForm(VerbForm):
    """What the vendor gave back."""

    amount = forms.DecimalField(**MONEY)
    credited_on = forms.DateField(required=False, widget=forms.DateInput(), help_text="Empty: today.")

    def prepare(self) -> None:
        """Start with what is expected."""
        returned: Any = self.document
        self.fields["amount"].initial = returned.credit_expected_amount


class BillPaymentForm(VerbForm):
    """By what and when a bill was paid."""

    payment_reference = forms.CharField(max_length=80, help_text="Check, transfer or card reference")
    paid_on = forms.DateField(required=False, widget=forms.DateInput(), help_text="Empty: today.")
