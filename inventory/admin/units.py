"""Units in forms: what a product may be spoken of in is offered while one types, and nothing else is taken."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django import forms
from django.forms.utils import flatatt
from django.http import HttpRequest
from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString
from unfold.widgets import UnfoldAdminTextInputWidget

from blb3d.core.errors import UnknownConversion
from blb3d.core.units import Unit
from inventory.models import Product
from inventory.selectors.units import Factors, purchase_unit, to_stock, unit_choices, unit_factors


class UnitInput(UnfoldAdminTextInputWidget):
    """A text that offers units, each with what it is."""

    def __init__(self, attrs: Any = None) -> None:
        super().__init__(attrs)
        self.offered: list[tuple[str, str]] = [(unit, unit) for unit in Unit.values]

    def render(self, name: str, value: Any, attrs: Any = None, renderer: Any = None) -> SafeString:
        """Return the input and the list that it offers."""
        listed = f"{(attrs or {}).get('id') or name}-units"
        options = format_html_join("", "<option{}>{}</option>", ((flatatt({"value": u}), w) for u, w in self.offered))
        shown = super().render(name, value, {**(attrs or {}), "list": listed}, renderer)
        return format_html('{}<datalist id="{}">{}</datalist>', shown, listed, options)


class UnitForm(forms.ModelForm):  # type: ignore[type-arg]
    """A row with a product and a unit of it: left empty, the unit is what the product is bought in."""

    unit_field = "unit_of_measure"
    factors: Factors | None = None

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        field = self.fields.get(self.unit_field)
        if field is None:
            return
        field.required, field.widget = False, UnitInput()
        product = getattr(self.instance, "product", None) if self.instance.product_id else None
        if product is not None:
            field.widget.offered = unit_choices(product, self.factors)

    def clean(self) -> Any:
        """Take what the product is bought in where nothing was typed, and refuse what it cannot be counted in."""
        cleaned = super().clean() or self.cleaned_data
        product = cleaned.get("product") or getattr(self.instance, "product", None)
        if self.unit_field not in self.fields or not isinstance(product, Product):
            return cleaned
        unit = (cleaned.get(self.unit_field) or "").strip() or purchase_unit(product)
        known = self.factors if self.factors is not None and product.pk in self.factors else None
        try:
            to_stock(product, Decimal(1), unit, factors=known)
        except UnknownConversion:
            words = ", ".join(choice for choice, _ in unit_choices(product, known))
            self.add_error(self.unit_field, f"{product.sku} has no unit {unit}; it has {words}.")
        cleaned[self.unit_field] = unit
        return cleaned


class UnitsInline:
    """Mixin of an inline whose rows have a product and a unit: two queries for all of their units."""

    form = UnitForm

    def get_formset(self, request: HttpRequest, obj: Any = None, **kwargs: Any) -> Any:
        """Return the formset, its forms knowing the units of the products that are there."""
        formset = super().get_formset(request, obj, **kwargs)  # type: ignore[misc]
        rows = self.get_queryset(request).filter(**{formset.fk.name: obj}) if obj is not None else ()  # type: ignore[attr-defined]
        ids = {row.product_id for row in rows}
        known = unit_factors(ids) if ids else {}
        formset.form = type("KnownUnitForm", (formset.form,), {"factors": {pk: known.get(pk, {}) for pk in ids}})
        return formset
