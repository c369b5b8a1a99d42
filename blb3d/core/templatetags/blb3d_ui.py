"""The visual language in templates: status chips, step bars, money, weights, durations, times and form fields."""

from __future__ import annotations

import datetime as dt
import re
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from django import template
from django.forms import BoundField, CheckboxInput, FileInput, Form, RadioSelect
from django.forms.widgets import CheckboxSelectMultiple
from django.templatetags.static import static
from django.utils import timezone
from django.utils.html import format_html
from django.utils.safestring import SafeString

from blb3d.core.money import round_money

register = template.Library()

DEFAULT_CURRENCY = "USD"
NARROW_GAP = "\N{NO-BREAK SPACE}"
_COLOR = re.compile(r"#?[0-9A-Fa-f]{6}")
_SYMBOLS = {"USD": "$", "EUR": "€", "GBP": "£"}

#: status -> meaning. What is not listed is on its way, and so waits.
_MEANINGS: dict[str, set[str]] = {
    "good": {
        "accepted", "active", "approved", "available", "cleared", "closed", "completed", "confirmed",
        "converted", "current", "delivered", "done", "finished", "idle", "implemented", "in_stock", "issued", "online",
        "paid", "pass", "passed", "ready", "received", "released", "resolved", "shipped", "verified", "yes",
    },
    "attention": {
        "at_risk", "blocked", "closed_short", "contained", "corrected", "disputed", "expiring", "held", "late", "low",
        "on_hold", "open", "overdue", "partial", "paused", "quarantine", "rework", "root_cause", "shortage",
        "stale", "unknown", "unpaid",
    },
    "stopped": {
        "cancelled", "dead", "declined", "depleted", "error", "expired", "fail", "failed", "lost", "no",
        "offline", "out_of_service", "refused", "rejected", "scrapped", "void", "voided",
    },
}  # fmt: skip

#: What a customer reads where the status itself does not say what happens next: (kind of document, status) -> label.
_LABELS = {
    ("quote", "draft"): "Draft",
    ("quote", "pending"): "In review",
    ("quote", "approved"): "Ready to accept",
    ("quote", "converted"): "Ordered",
    ("order", "pending"): "Awaiting confirmation",
    ("order", "quality_check"): "In inspection",
    ("payment", "pending"): "Payment due",
    ("payment", "partial"): "Partly paid",
}


def meaning_of(status: object) -> str:
    """Return what a status means to a reader: ``good``, ``waiting``, ``attention`` or ``stopped``."""
    key = str(getattr(status, "value", status)).lower()
    return next((meaning for meaning, statuses in _MEANINGS.items() if key in statuses), "waiting")


@register.simple_tag
def icon(name: str, label: str = "") -> SafeString:
    """Return an icon of the sprite; hidden from screen readers unless it carries a label."""
    href = f"{static('blb3d/icons.svg')}#{name}"
    if label:
        return format_html('<svg class="icon" role="img" aria-label="{}"><use href="{}"/></svg>', label, href)
    return format_html('<svg class="icon" aria-hidden="true"><use href="{}"/></svg>', href)


@register.simple_tag
def chip(status: object, kind: str = "", label: str = "") -> SafeString:
    """Return a status as text, shape and colour; ``kind`` (quote, order, payment) picks the customer's wording."""
    if not status:
        return SafeString("")
    key = str(getattr(status, "value", status)).lower()
    meaning = meaning_of(key)
    text = label or _LABELS.get((kind, key)) or key.replace("_", " ").capitalize()
    return format_html('<span class="chip chip--{}">{}{}</span>', meaning, icon(meaning), text)


@register.inclusion_tag("portal/parts/stepbar.html")
def stepbar(steps: list[dict[str, str]]) -> dict[str, Any]:
    """Show the steps of a document: ``[{label, state: done|current|todo}]``."""
    states = [step["state"] for step in steps]
    position = states.index("current") if "current" in states else max(states.count("done") - 1, 0)
    return {"steps": steps, "number": position + 1, "here": steps[position] if steps else None}


@register.filter
def money(amount: Decimal | None, currency: str | None = DEFAULT_CURRENCY) -> str:
    """Return an amount with its currency: ``$1,234.50``, ``-$5.00``, ``CHF 12.00``; a dash where there is none yet."""
    if amount is None or amount == "":
        return "–"
    value = round_money(Decimal(amount))
    code = currency or DEFAULT_CURRENCY
    sign = "-" if value < 0 else ""
    return f"{sign}{_SYMBOLS.get(code, code + NARROW_GAP)}{abs(value):,.2f}"


@register.filter
def rows(many: Any) -> Any:
    """Return what can be looped over: a related manager's rows, a list itself, nothing for nothing."""
    return many.all() if hasattr(many, "all") else many or []


@register.filter
def plain_number(value: Decimal | int | None) -> str:
    """Return a quantity without the zeros that storage adds: ``2.5000`` -> ``2.5``, ``50.0000`` -> ``50``."""
    if value is None or value == "":
        return "–"
    text = f"{Decimal(value):,f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


@register.filter
def grams(value: Decimal | None) -> str:
    """Return a weight given in grams: ``125.5 g``, from 1000 g on ``1.26 kg``."""
    if value is None or value == "":
        return "–"
    weight = Decimal(value)
    if abs(weight) < 1000:
        return f"{plain_number(weight.quantize(Decimal('0.1'), rounding=ROUND_HALF_UP))}{NARROW_GAP}g"
    return f"{plain_number((weight / 1000).quantize(Decimal('0.01'), rounding=ROUND_HALF_UP))}{NARROW_GAP}kg"


@register.filter
def kilograms(value: Decimal | None) -> str:
    """Return a weight given in kilograms, to the tenth of a gram that stock is kept in: ``0.1255 kg``."""
    return "–" if value is None or value == "" else f"{plain_number(value)}{NARROW_GAP}kg"


@register.filter
def duration(minutes: Decimal | int | None) -> str:
    """Return minutes as people say them: ``45 min``, ``3 h 20 min``, ``2 d 4 h``."""
    if minutes is None or minutes == "":
        return "–"
    total = int(Decimal(minutes).quantize(Decimal(1), rounding=ROUND_HALF_UP))
    days, rest = divmod(total, 1440)
    hours, left = divmod(rest, 60)
    parts = [(days, "d"), (hours, "h"), (0 if days else left, "min")]
    return " ".join(f"{count}{NARROW_GAP}{unit}" for count, unit in parts if count) or f"0{NARROW_GAP}min"


@register.filter
def file_size(size: int | None) -> str:
    """Return bytes as people say them: ``640 kB``, ``1.5 MB``, ``100 MB`` (decimal multiples)."""
    if size is None:
        return "–"
    if size < 999_500:
        return f"{max(1, round(size / 1000)) if size else 0}{NARROW_GAP}kB"
    amount = round(size / 1_000_000, 1 if size < 10_000_000 else None)
    return f"{amount:,g}{NARROW_GAP}MB"


@register.filter
def endings(accepted: str) -> str:
    """Return accepted file endings as text: ``.3mf,.step,.stp`` -> ``3MF, STEP``; STP is STEP by a shorter name."""
    names = [ending.strip().lstrip(".").upper() for ending in accepted.split(",")]
    return ", ".join(name for name in names if name != "STP" or "STEP" not in names)


@register.simple_tag
def when(moment: dt.datetime | dt.date | None) -> SafeString:
    """Return a moment as a person reads it ("today 16:40", "12 Mar 2025"), the exact stamp in the hover text."""
    if not moment:
        return SafeString("–")
    today = timezone.localdate()
    if not isinstance(moment, dt.datetime):
        return format_html('<time datetime="{}">{}</time>', moment.isoformat(), _day(moment, today))
    local = timezone.localtime(moment) if timezone.is_aware(moment) else moment
    near = abs((local.date() - today).days) <= 7
    text = f"{_day(local.date(), today)} {local:%H:%M}" if near else _day(local.date(), today)
    return format_html(
        '<time datetime="{}" title="{}">{}</time>', local.isoformat(), f"{local:%Y-%m-%d %H:%M:%S %Z}".strip(), text
    )


def _day(day: dt.date, today: dt.date) -> str:
    named = {-1: "yesterday", 0: "today", 1: "tomorrow"}.get((day - today).days)
    if named:
        return named
    return f"{day.day} {day:%b}" if day.year == today.year else f"{day.day} {day:%b} {day.year}"


@register.filter
def short_id(value: object, keep: int = 4) -> str:
    """Shorten a long id in the middle, twice ``keep`` in front and ``keep`` behind: ``9f86d081…0a08``."""
    text = str(value)
    return text if len(text) <= keep * 3 + 1 else f"{text[: keep * 2]}…{text[-keep:]}"


@register.simple_tag
def copyable(value: object, what: str = "number") -> SafeString:
    """Return a number or id, shortened in the middle, with a button that copies the whole of it."""
    return format_html(
        '<span class="copyable"><span title="{}">{}</span>'
        '<button type="button" class="copy" data-copy="{}" hidden aria-label="Copy {} {}">{}</button></span>',
        value, short_id(value, 6), value, what, value, icon("copy"),
    )  # fmt: skip


@register.simple_tag
def swatch(color_hex: str | None, label: str = "") -> SafeString:
    """Return a colour sample; an SVG fill, since the content security policy allows no inline style."""
    fill = f"#{color_hex.removeprefix('#')}" if color_hex and _COLOR.fullmatch(color_hex) else "none"
    return format_html(
        '<svg class="swatch" viewBox="0 0 16 16" role="img" aria-label="{}">'
        '<circle cx="8" cy="8" r="7.5" fill="{}" stroke="currentColor" stroke-opacity=".6"/>{}</svg>',
        label or (fill if fill != "none" else "no colour chosen"), fill,
        "" if fill != "none" else SafeString('<path d="M3 13 13 3" stroke="currentColor"/>'),
    )  # fmt: skip


@register.inclusion_tag("portal/parts/field.html")
def field(bound: BoundField | str, label: str = "") -> dict[str, Any]:
    """Show a form field with label, help and its errors beside it; shows nothing where the form has no such field.

    A unit comes from the widget's ``data-unit`` attribute; names ending in ``_percent`` have one anyway.
    """
    if not isinstance(bound, BoundField):
        return {"field": None}
    widget = bound.field.widget
    grouped = isinstance(widget, RadioSelect | CheckboxSelectMultiple)
    return {
        "field": bound,
        "label": label or bound.label,
        "unit": widget.attrs.get("data-unit") or ("%" if bound.name.endswith("_percent") else ""),
        "grouped": grouped,
        "single_check": isinstance(widget, CheckboxInput) and not grouped,
        "is_file": isinstance(widget, FileInput),
    }


@register.simple_tag
def fields_of(form: Form | None, leave_out: str = "") -> list[BoundField]:
    """Return a form's visible fields but for those that ``leave_out`` names (by spaces)."""
    return [bound for bound in form.visible_fields() if bound.name not in leave_out.split()] if form else []


@register.inclusion_tag("portal/parts/fields.html")
def fields(form: Form | None, leave_out: str = "") -> dict[str, Any]:
    """Show a form's fields on a grid, its own errors first; ``leave_out`` names fields that are shown elsewhere."""
    return {"form": form, "visible": fields_of(form, leave_out)}
