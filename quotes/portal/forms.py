"""Forms of quoting in the portal."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from decimal import Decimal
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm
from django.utils.html import format_html

from blb3d.accounts.models import normalise_email
from inventory import selectors as inventory
from inventory.models import Product
from quotes import selectors
from quotes.models import Quote, QuotePart
from quotes.ports import LAYER_HEIGHTS
from sales.pricing import MAX_QUANTITY, PricingRules
from sales.selectors import active_rules

#: Pieces of one part in a set.
MAX_PIECES = 10_000


class FilesInput(forms.ClearableFileInput):
    """Takes several files."""

    allow_multiple_selected = True


class FilesField(forms.FileField):
    """Several files; what they hold is looked at by the verb."""

    def __init__(self, **kwargs: Any) -> None:
        endings = ",".join(settings.ALLOWED_FILE_EXTENSIONS)  # type: ignore[misc]
        widget = FilesInput(attrs={"accept": endings, "aria-labelledby": "drop-title"})
        super().__init__(widget=widget, allow_empty_file=True, **kwargs)

    def clean(self, data: Any, initial: Any = None) -> list[Any]:
        """Return the files that came."""
        many = data if isinstance(data, list | tuple) else [data] if data else []
        if not many:
            super().clean(None, initial)
            return []
        return [super(FilesField, self).clean(one, initial) for one in many]


_MEANINGS = {
    "PLA": "stiff, for most things",
    "PETG": "tough, to 70 °C",
    "ABS": "tough, to 95 °C",
    "ASA": "for outdoors",
    "TPU": "flexible",
    "PA-CF": "strong and stiff",
}


class WishesForm(forms.Form):
    """How it is to be made. ``materials`` are offered; those in ``stocked`` (their ids) lie on the shelf."""

    material_type = forms.ChoiceField(label="Material")
    color_name = forms.CharField(label="Colour", max_length=60, required=False)
    quantity = forms.IntegerField(label="Quantity", min_value=1, max_value=MAX_QUANTITY, initial=1)
    quality = forms.ChoiceField(
        label="Quality", choices=Quote.Quality.choices, initial=Quote.Quality.STANDARD, widget=forms.RadioSelect
    )
    finish = forms.ChoiceField(
        label="Finish", choices=Quote.Finish.choices, initial=Quote.Finish.STANDARD, widget=forms.RadioSelect
    )
    rush = forms.ChoiceField(
        label="Speed", choices=Quote.Rush.choices, initial=Quote.Rush.STANDARD, widget=forms.RadioSelect
    )
    infill_percent = forms.IntegerField(label="Infill", min_value=0, max_value=100, initial=15)
    product_name = forms.CharField(label="Name of the part", max_length=200, required=False)
    customer_po_number = forms.CharField(label="Your PO number", max_length=60, required=False)
    special_instructions = forms.CharField(
        label="Notes",
        max_length=5000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="A person reads them before the price is given.",
    )

    is_under_nda = forms.BooleanField(
        label="Under a non-disclosure agreement",
        required=False,
        help_text="Few of us see the files, and no mail names them.",
    )

    #: Fields that few customers change: shown behind one line.
    RARE = ("infill_percent", "customer_po_number", "product_name", "special_instructions", "is_under_nda")

    def __init__(
        self,
        *args: Any,
        materials: list[Product],
        rules: PricingRules,
        stocked: Collection[int] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, **kwargs)
        hints = {
            "quality": {name: f"{height} mm" for name, height in LAYER_HEIGHTS.items()},
            "finish": {name: _surcharge(factor) for name, factor in rules.finish_factors.items()},
            "rush": {name: _surcharge(factor) for name, factor in rules.rush_factors.items()},
        }
        for name, by_value in hints.items():
            field = self.fields[name]
            field.choices = [  # type: ignore[attr-defined]
                (value, _with_hint(label, by_value.get(value, "")))
                for value, label in field.choices  # type: ignore[attr-defined]
            ]
        self.fields["quantity"].help_text = _breaks(rules.quantity_breaks)
        types = dict.fromkeys(material.material_type for material in materials)
        self.materials, self.stocked = materials, stocked
        self.fields["material_type"].initial = usual_type(materials)
        self.fields["material_type"].choices = [  # type: ignore[attr-defined]
            (name, f"{name}: {_MEANINGS[name]}" if name in _MEANINGS else name) for name in types
        ]

    def wishes(self) -> dict[str, Any]:
        """Return what the verbs take; a name that is left out stays as it is."""
        given = {name: self.cleaned_data[name] for name in self.fields if name in self.cleaned_data and name != "files"}
        given["color"] = given.pop("color_name", "")
        if not given.get("product_name"):
            given.pop("product_name", None)
        return given

    def rare_fields(self) -> list[forms.BoundField]:
        """Return the fields that are shown behind one line."""
        return [self[name] for name in self.RARE if name in self.fields]

    def rare_fields_have_errors(self) -> bool:
        """Tell whether that line must stand open."""
        return any(name in self.errors for name in self.RARE)

    def colors(self) -> list[dict[str, Any]]:
        """Return the swatches: every colour once, with the materials that it comes in and those in stock."""
        wanted = self["material_type"].value()
        rows: dict[str, dict[str, Any]] = {}
        for material in self.materials:
            if material.color_name:
                row = rows.setdefault(
                    material.color_name.lower(),
                    {
                        "value": material.color_name,
                        "name": material.color_name,
                        "hex": material.color_hex,
                        "types": [],
                        "stock": [],
                    },
                )
                row["types"].append(material.material_type)
                if material.pk in self.stocked:
                    row["stock"].append(material.material_type)
        for row in rows.values():
            only = f"only {', '.join(dict.fromkeys(row['types']))}"
            in_type = "in stock" if wanted in row["stock"] else "to order"
            row["hint"] = in_type if not wanted or wanted in row["types"] else only
        return sorted(rows.values(), key=lambda row: (wanted not in row["types"], wanted not in row["stock"]))


def usual_type(materials: Sequence[Product]) -> str:
    """Return the type that most parts are made of: PLA where it is offered."""
    types = [material.material_type for material in materials]
    return "PLA" if "PLA" in types else next(iter(types), "")


def _surcharge(factor: Decimal) -> str:
    return "" if factor == 1 else f"{(factor - 1) * 100:+.0f} %"


def _with_hint(label: str, hint: str) -> str:
    """Return a choice's name with what it means below: "Rush", "+25 %". A layer height is said once, by the hint."""
    name = label.removesuffix(f" {hint}").capitalize()
    return format_html("{}<small>{}</small>", name, hint) if hint else name


def _breaks(breaks: Iterable[tuple[int, Decimal]]) -> str:
    """Return the quantity breaks in words: "10 or more: -5 %, 50: -10 %"."""
    steps = [f"{least}: \N{MINUS SIGN}{share * 100:.0f} %" for least, share in sorted(breaks)]
    return ", ".join(steps).replace(":", " or more:", 1)


class NewQuoteForm(WishesForm):
    """Files and how they are to be made."""

    files = FilesField(label="Model")


class PartsForm(forms.Form):
    """How many of each part make one set; 0 leaves a part out."""

    def __init__(self, *args: Any, parts: Iterable[QuotePart], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.parts = list(parts)
        for part in self.parts:
            self.fields[f"part-{part.pk}"] = forms.IntegerField(
                label=f"Pieces of {part.name} in a set",
                min_value=0,
                max_value=MAX_PIECES,
                initial=part.quantity,
                required=False,
                widget=forms.NumberInput(attrs={"class": "count"}),
            )

    def rows(self) -> list[dict[str, Any]]:
        """Return the parts with their fields."""
        return [{"part": part, "field": self[f"part-{part.pk}"]} for part in self.parts]

    def changed(self) -> dict[int, int]:
        """Return the counts that differ from those of the quote, by part."""
        wanted = {part: self.cleaned_data.get(f"part-{part.pk}") for part in self.parts}
        return {part.pk: count for part, count in wanted.items() if count is not None and count != part.quantity}


def wishes_form(data: Any = None, *, quote: Quote | None = None) -> WishesForm:
    """Return the form of a draft's wishes, filled with what it has."""
    initial = None
    if quote is not None:
        initial = {name: getattr(quote, name) for name in WishesForm.base_fields}
    return WishesForm(data, initial=initial, **offer())


def offer() -> dict[str, Any]:
    """Return what a form of wishes offers: every material, which are in stock, and the rules that price them."""
    stocked = {material.pk for material in inventory.materials_in_stock()}
    return {"materials": selectors.offered_materials(), "rules": active_rules(), "stocked": stocked}


class TalkForm(forms.Form):
    """What a customer says about a quote."""

    text = forms.CharField(label="Write to us", max_length=2000, widget=forms.Textarea(attrs={"rows": 3}))
    target_unit_price = forms.DecimalField(
        label="Price you have in mind, per unit",
        required=False,
        min_value=Decimal("0.01"),
        max_digits=12,
        decimal_places=2,
        widget=forms.NumberInput(attrs={"step": "0.01", "inputmode": "decimal"}),
        help_text="Goes with asking for changes.",
    )


class LoginForm(AuthenticationForm):
    """E-mail and password."""

    username = forms.EmailField(
        label="E-mail", widget=forms.EmailInput(attrs={"autofocus": True, "autocomplete": "username"})
    )
    error_messages = {
        "invalid_login": "E-mail or password is wrong.",
        "inactive": "E-mail or password is wrong.",
    }

    def clean_username(self) -> str:
        """Return the address as it is stored."""
        return normalise_email(self.cleaned_data["username"])


class RegisterForm(forms.Form):
    """Who somebody is and how they log in."""

    first_name = forms.CharField(
        label="First name", max_length=100, widget=forms.TextInput(attrs={"autocomplete": "given-name"})
    )
    last_name = forms.CharField(
        label="Last name", max_length=100, widget=forms.TextInput(attrs={"autocomplete": "family-name"})
    )
    company_name = forms.CharField(
        label="Company", max_length=200, required=False, widget=forms.TextInput(attrs={"autocomplete": "organization"})
    )
    phone = forms.CharField(
        label="Phone", max_length=40, required=False, widget=forms.TextInput(attrs={"autocomplete": "tel"})
    )
    email = forms.EmailField(label="E-mail", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"}))
    password = forms.CharField(
        label="Password",
        strip=False,
        widget=forms.PasswordInput(attrs={"autocomplete": "new-password"}),
        help_text="At least 10 characters.",
    )


class EmailForm(forms.Form):
    """Whose password is reset."""

    email = forms.EmailField(label="E-mail", max_length=254, widget=forms.EmailInput(attrs={"autocomplete": "email"}))
