"""Forms of quoting in the portal."""

from __future__ import annotations

from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm

from blb3d.accounts.models import normalise_email
from inventory.models import Product
from quotes import selectors
from quotes.models import Quote
from sales.pricing import MAX_QUANTITY


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
    """How it is to be made."""

    material_type = forms.ChoiceField(label="Material")
    color_name = forms.CharField(label="Colour", max_length=60, required=False)
    quantity = forms.IntegerField(label="Quantity", min_value=1, max_value=MAX_QUANTITY, initial=1)
    quality = forms.ChoiceField(label="Quality", choices=Quote.Quality.choices, initial=Quote.Quality.STANDARD)
    infill_percent = forms.IntegerField(label="Infill", min_value=0, max_value=100, initial=15)
    finish = forms.ChoiceField(label="Finish", choices=Quote.Finish.choices, initial=Quote.Finish.STANDARD)
    rush = forms.ChoiceField(label="Speed", choices=Quote.Rush.choices, initial=Quote.Rush.STANDARD)
    product_name = forms.CharField(label="Name of the part", max_length=200, required=False)
    special_instructions = forms.CharField(
        label="Notes",
        max_length=5000,
        required=False,
        widget=forms.Textarea(attrs={"rows": 3}),
        help_text="A person reads them before the price is given.",
    )

    def __init__(self, *args: Any, materials: list[Product], **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        for name in ("quality", "finish", "rush"):
            field = self.fields[name]
            field.choices = [(value, label.capitalize()) for value, label in field.choices]  # type: ignore[attr-defined]
        types = dict.fromkeys(material.material_type for material in materials)
        self.materials = materials
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

    def colors(self) -> list[dict[str, str]]:
        """Return the swatches: every colour once, with the materials that come in it."""
        rows: dict[str, dict[str, Any]] = {
            "": {"value": "", "name": "Any", "hex": "", "types": ["what is in stock"]},
        }
        for material in self.materials:
            if material.color_name:
                row = rows.setdefault(
                    material.color_name.lower(),
                    {"value": material.color_name, "name": material.color_name, "hex": material.color_hex, "types": []},
                )
                if material.material_type not in row["types"]:
                    row["types"].append(material.material_type)
        return [{**row, "hint": ", ".join(row["types"])} for row in rows.values()]


class NewQuoteForm(WishesForm):
    """Files and how they are to be made."""

    files = FilesField(label="Model")


def wishes_form(data: Any = None, *, quote: Quote | None = None) -> WishesForm:
    """Return the form of a draft's wishes, filled with what it has."""
    initial = None
    if quote is not None:
        names = ("material_type", "color_name", "quantity", "quality", "infill_percent", "finish", "rush",
                 "product_name", "special_instructions")  # fmt: skip
        initial = {name: getattr(quote, name) for name in names}
    return WishesForm(data, initial=initial, materials=selectors.offered_materials())


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
