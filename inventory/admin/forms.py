"""What acts on products, lots and orders ask for."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal, InvalidOperation
from typing import Any

from django import forms

from blb3d.core.admin import VerbForm, key_choice
from blb3d.core.templatetags.blb3d_ui import plain_number
from inventory import services as inventory
from inventory.models import Inventory, Product
from inventory.selectors import active_bom

QUANTITY: dict[str, Any] = {"max_digits": 14, "decimal_places": 4}


class RequirementsForm(VerbForm):
    """What a plate asks of a printer."""

    printer_tags = forms.CharField(
        max_length=200, required=False, label="Tags a printer must have", help_text="With commas: enclosed, hardened"
    )
    nozzle_diameter_mm = forms.DecimalField(
        max_digits=4, decimal_places=2, min_value=Decimal("0.05"), required=False, label="Only on this nozzle (mm)"
    )

    def prepare(self) -> None:
        """Start with what is asked now."""
        plate: Any = self.document
        self.fields["printer_tags"].initial = ", ".join(plate.printer_tags)
        self.fields["nozzle_diameter_mm"].initial = plate.nozzle_diameter_mm

    def arguments(self) -> dict[str, Any]:
        """Return the tags as a list."""
        given = super().arguments()
        return {**given, "printer_tags": given["printer_tags"].split(",")}


def _number(text: str, line: int) -> Decimal:
    try:
        number = Decimal(text)
    except InvalidOperation:
        raise forms.ValidationError(f"Line {line}: {text} is not a number.") from None
    if not number.is_finite():
        raise forms.ValidationError(f"Line {line}: {text} is not a number.")
    return number


def _rows(text: str) -> Iterator[tuple[int, list[str]]]:
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            yield number, line.split()


def _product(sku: str, products: dict[str, Product], line: int) -> Product:
    found = products.get(sku.upper())
    if found is None:
        raise forms.ValidationError(f"Line {line}: there is no active product {sku}.")
    return found


def _products(skus: set[str]) -> dict[str, Product]:
    return {product.sku: product for product in Product.objects.filter(sku__in=skus, is_active=True)}


class BOMForm(VerbForm):
    """A new bill of materials, one component a line."""

    name = forms.CharField(max_length=200, required=False)
    lines = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 10}),
        help_text="One component a line: SKU, quantity, unit, and scrap percent where there is some: M-00044 125.5 g 5",
    )

    def prepare(self) -> None:
        """Start from the present bill."""
        assert isinstance(self.document, Product)
        bom = active_bom(self.document)
        if bom is not None:
            self.fields["name"].initial = bom.name
            self.fields["lines"].initial = "\n".join(
                f"{line.component.sku} {plain_number(line.entered_quantity)} {line.unit_of_measure}"
                + (f" {plain_number(line.scrap_percent)}" if line.scrap_percent else "")
                for line in bom.lines.all()
            )

    def clean_lines(self) -> list[inventory.BOMLineSpec]:
        """Return the lines as the verb takes them."""
        rows = list(_rows(self.cleaned_data["lines"]))
        products = _products({words[0].upper() for _, words in rows})
        specs = []
        for number, words in rows:
            if len(words) not in {3, 4}:
                raise forms.ValidationError(f"Line {number}: please give SKU, quantity and unit.")
            specs.append(
                inventory.BOMLineSpec(
                    _product(words[0], products, number),
                    _number(words[1], number),
                    words[2],
                    _number(words[3], number) if len(words) == 4 else Decimal(0),
                )
            )
        return specs


class PlatesForm(VerbForm):
    """New plates, one a line."""

    plates = forms.CharField(
        widget=forms.Textarea(attrs={"rows": 6}),
        help_text="One plate a line: parts on it, minutes, then SKU:grams of each filament in the file's order: "
        "4 210 M-00044:162.5 M-00051:8",
    )

    def prepare(self) -> None:
        """Start from the present plates."""
        assert isinstance(self.document, Product)
        plates = self.document.plates.filter(is_active=True).prefetch_related("filaments__material")
        self.fields["plates"].initial = "\n".join(
            " ".join(
                [
                    str(plate.parts_per_plate),
                    plain_number(plate.estimated_minutes),
                    *(f"{row.material.sku}:{plain_number(row.grams)}" for row in plate.filaments.all()),
                ]
            )
            for plate in plates
        )

    def clean_plates(self) -> list[inventory.PlateSpec]:
        """Return the plates as the verb takes them."""
        rows = list(_rows(self.cleaned_data["plates"]))
        products = _products({word.partition(":")[0].upper() for _, words in rows for word in words[2:]})
        specs = []
        for number, words in rows:
            if len(words) < 2 or not words[0].isdecimal():
                raise forms.ValidationError(f"Line {number}: please give parts and minutes.")
            filaments = []
            for word in words[2:]:
                sku, _, grams = word.partition(":")
                filaments.append((_product(sku, products, number), _number(grams, number)))
            specs.append(inventory.PlateSpec(int(words[0]), _number(words[1], number), filaments))
        return specs


class PrintFileForm(VerbForm):
    """A sliced file and what the slicer said of it."""

    printer_model = forms.CharField(max_length=40)
    file = forms.FileField(help_text="A sliced package, .gcode.3mf")
    minutes = forms.DecimalField(max_digits=10, decimal_places=2, min_value=Decimal("0.01"))
    grams = forms.DecimalField(max_digits=12, decimal_places=4, min_value=Decimal("0.0001"))
    sliced_by = forms.CharField(max_length=120, help_text="Slicer and version")

    def arguments(self) -> dict[str, Any]:
        """Return the file as bytes and name."""
        given = super().arguments()
        upload = given.pop("file")
        return {**given, "content": upload.read(), "file_name": upload.name}


class MovementForm(VerbForm):
    """When something happened that is told now."""

    at = forms.DateTimeField(
        required=False,
        label="When",
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        help_text="Empty: now. Some days back is possible, not into closed periods.",
    )

    def prepare(self) -> None:
        """Ask it after what happened."""
        self.fields["at"] = self.fields.pop("at")


class RevalueForm(VerbForm):
    """What a unit is worth from now on."""

    unit_cost = forms.DecimalField(max_digits=12, decimal_places=4, min_value=Decimal(0), label="Cost per stock unit")

    def prepare(self) -> None:
        """Start with what it is worth now."""
        self.fields["unit_cost"].initial = self.document.cost_per_unit  # type: ignore[attr-defined]


class AdjustForm(MovementForm):
    """How much more or less there is than the books say."""

    quantity_change = forms.DecimalField(**QUANTITY, help_text="In the stock unit; negative when there is less.")


class ScrapForm(MovementForm):
    """How much is thrown away."""

    quantity = forms.DecimalField(**QUANTITY, min_value=Decimal("0.0001"), help_text="In the stock unit.")


class TransferForm(MovementForm):
    """How much goes where."""

    quantity = forms.DecimalField(**QUANTITY, min_value=Decimal("0.0001"), help_text="In the stock unit.")
    target = key_choice(Inventory, "location", label="To")
