"""What the components page shows: one sample of everything that the visual language has."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal
from typing import Any

from django import forms
from django.core.paginator import Paginator
from django.utils import timezone


class SampleForm(forms.Form):
    """A field of each kind."""

    email = forms.EmailField(label="E-mail", help_text="Quotes and order news go here.")
    quantity = forms.IntegerField(label="Quantity", min_value=1)
    infill_percent = forms.IntegerField(label="Infill", required=False)
    material_type = forms.ChoiceField(label="Material", choices=[("PLA", "PLA"), ("PETG", "PETG"), ("ASA", "ASA")])
    payment_method = forms.ChoiceField(
        label="Payment", choices=[("card", "Card now"), ("terms", "Invoice, net 30")], widget=forms.RadioSelect
    )
    special_instructions = forms.CharField(label="Notes", widget=forms.Textarea, required=False)
    accept_terms = forms.BooleanField(label="I agree to the terms")


def component_samples() -> dict[str, Any]:
    """Return the context of ``portal/components.html``."""
    now = timezone.now()
    return {
        "now": now,
        "stock": Decimal("0.1255"),
        "statuses": ["completed", "in_production", "on_hold", "cancelled"],
        "steps": order_steps("printing"),
        "actions": [
            {"name": "reorder", "label": "Order again", "url": "#content", "style": "primary"},
            {
                "name": "cancel",
                "label": "Cancel the order",
                "url": "#content",
                "style": "danger",
                "needs_reason": True,
                "consequences": ["34 printed parts go to stock", "$412.00 is refunded to the card"],
            },
        ],
        "lines": [
            {
                "sku": "BRKT-40-BLK",
                "name": "Bracket 40 mm, black",
                "quantity": Decimal("50.0000"),
                "unit_price": Decimal("8.24"),
                "total": Decimal("412.00"),
            },
            {
                "sku": "CLIP-12-WHT",
                "name": "Cable clip 12 mm, white",
                "quantity": Decimal("200.0000"),
                "unit_price": Decimal("0.65"),
                "total": Decimal("130.00"),
            },
        ],
        "quote": {
            "price_lines": [
                {"label": "Material, 6.28 kg PETG", "amount": Decimal("188.40")},
                {"label": "Machine time, 62 h", "amount": Decimal("248.00")},
                {"label": "Quantity break, 50 and more", "amount": Decimal("-24.40")},
            ],
            "unit_price": Decimal("8.24"),
            "quantity": 50,
            "subtotal": Decimal("412.00"),
            "tax": Decimal("28.84"),
            "total_price": Decimal("440.84"),
            "material_grams": Decimal("125.5"),
            "print_time_minutes": 200,
        },
        "colors": [
            {"value": "black", "name": "Black", "hex": "#1d1d1f", "hint": "in stock"},
            {"value": "white", "name": "White", "hex": "#f7f7f5", "hint": "in stock"},
            {"value": "red", "name": "Signal red", "hex": "#c6261d", "hint": "5 days"},
        ],
        "form": SampleForm({"email": "anna@", "quantity": "0", "infill_percent": "20", "material_type": "PETG"}),
        "timeline": [
            {"at": now, "text": "34 of 50 printed", "who": "printer P1S-02"},
            {"at": now - dt.timedelta(hours=5), "text": "Printing started", "who": "system"},
            {"at": now - dt.timedelta(days=2), "text": "Order confirmed", "who": "sales desk"},
        ],
        "page_obj": Paginator(range(120), 25).page(2),
    }


def order_steps(current: str) -> list[dict[str, str]]:
    """Return the six steps of an order as the step bar takes them, ``current`` being one of their names."""
    names = ["confirmed", "printing", "inspection", "packed", "shipped", "delivered"]
    here = names.index(current)
    states = ["done"] * here + ["current"] + ["todo"] * (len(names) - here - 1)
    return [{"label": name.capitalize(), "state": state} for name, state in zip(names, states, strict=True)]
