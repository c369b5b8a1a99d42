"""Pricing a quote: from its files and wishes to grams, minutes, lines and a total that hold for some days."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core import lifecycle
from blb3d.core.documents import lock_documents
from blb3d.core.errors import InvalidValue
from blb3d.core.units import positive_quantity
from blb3d.core.verbs import verb
from inventory.errors import MaterialNotFound
from inventory.models import Product
from inventory.selectors import choose_material, price_of
from quotes.errors import NotADraft, NotPriced
from quotes.estimators import CannotEstimate
from quotes.modelfiles import ModelAnalysis
from quotes.models import Quote, QuoteAnalytics, QuoteFile, QuoteMaterial
from quotes.ports import LAYER_HEIGHTS, FilamentUse
from quotes.selectors import Choice, choose
from quotes.services import estimates
from quotes.services.authority import allow_quoting
from quotes.services.estimates import SetEstimate, estimate_set
from sales import pricing

#: A price above this is nobody's to give automatically; it would not fit an invoice either.
MAX_TOTAL = Decimal(100_000_000)
MAX_INSTRUCTIONS = 5000
#: What a customer may change while the quote is a draft.
WISHES = (
    "material_type",
    "color",
    "quantity",
    "quality",
    "infill_percent",
    "finish",
    "rush",
    "product_name",
    "special_instructions",
    "customer_po_number",
)


def check_wishes(
    *, material_type: str, color: str, quantity: int, quality: str, infill_percent: int, finish: str, rush: str
) -> Choice:
    """Return the material of a request whose wishes can all be met.

    Raises:
        InvalidValue: a number is out of range, or a word is none of the choices.
        MaterialNotFound, MaterialNotAvailable: as ``quotes.selectors.choose`` says.
    """
    if isinstance(quantity, bool) or not isinstance(quantity, int):
        raise InvalidValue("The quantity must be a whole number.", details={"field": "quantity"})
    if not 1 <= quantity <= pricing.MAX_QUANTITY:
        raise InvalidValue(
            f"The quantity must be at least 1 and at most {pricing.MAX_QUANTITY}.",
            details={"field": "quantity", "value": quantity},
        )
    if not 0 <= infill_percent <= 100:
        raise InvalidValue("The infill must lie between 0 and 100 percent.", details={"field": "infill_percent"})
    choices = {"quality": LAYER_HEIGHTS, "finish": Quote.Finish.values, "rush": Quote.Rush.values}
    for name, value in (("quality", quality), ("finish", finish), ("rush", rush)):
        if value not in choices[name]:
            raise InvalidValue(f"There is no such {name}.", details={"field": name, "allowed": list(choices[name])})
    return choose(material_type, color)


def set_choice(quote: Quote, choice: Choice) -> None:
    """Write the material onto the quote; which filament it is stays open until the customer names a colour."""
    material = choice.material
    quote.material_type = material.material_type
    quote.material = material if choice.is_chosen else None
    quote.color_name = material.color_name if choice.is_chosen else ""
    quote.color_hex = material.color_hex if choice.is_chosen else ""


def choice_of(quote: Quote) -> Choice:
    """Return what the quote is priced with: the filament that was chosen, else one of its type.

    Raises:
        MaterialNotFound: there is none any more.
    """
    if quote.material is not None:
        if not quote.material.is_active:
            raise MaterialNotFound(details={"material_type": quote.material_type, "color_hex": quote.color_hex})
        return Choice(quote.material, True)
    return Choice(choose_material(quote.material_type), False)


def estimate_quote(quote: Quote, analyses: Sequence[ModelAnalysis], choice: Choice) -> SetEstimate:
    """Estimate the quote's files as it wants them."""
    return estimate_set(
        analyses, choice, quality=quote.quality, infill_percent=quote.infill_percent, quantity=quote.quantity
    )


def material_of(use: FilamentUse, choice: Choice) -> Product | None:
    """Return the catalogue's material for a filament, or None where the catalogue has none.

    What the customer wants in one material is that; a file's own further filaments are met exactly or not at all.
    """
    if use.material_type == choice.material.material_type and use.color_hex in {"", choice.material.color_hex}:
        return choice.material
    try:
        return choose_material(use.material_type, use.color_hex)
    except MaterialNotFound:
        return None


def set_price(quote: Quote, estimate: SetEstimate, choice: Choice) -> None:
    """Write estimate and price onto the quote, which is not saved yet.

    Raises:
        InvalidValue: the total is beyond what is priced automatically.
    """
    grams = estimate.grams
    worth = Decimal(0)
    for use in estimate.filaments:
        worth += use.grams * price_of(material_of(use, choice) or choice.material)
    priced = pricing.price(
        pricing.PriceInput(
            material_grams=grams,
            print_minutes=estimate.minutes,
            quantity=quote.quantity,
            price_per_kg=worth / grams if grams else price_of(choice.material),
            finish=quote.finish,
            rush=quote.rush,
            plates=max(estimate.runs, 1),
            tax_exempt=quote.customer is not None and quote.customer.tax_exempt,
        )
    )
    if priced.total > MAX_TOTAL:
        raise InvalidValue(
            "That is more than can be priced automatically. Please ask for a smaller quantity.",
            details={"field": "quantity", "value": quote.quantity},
        )
    quote.material_grams = grams
    quote.print_time_minutes = estimate.minutes
    quote.parts_per_plate = max((plate.sets for plate in estimate.plates), default=1)
    quote.plate_minutes = sum((plate.minutes for plate in estimate.plates), Decimal(0))
    quote.estimate_method = estimate.method[:40]
    quote.estimate_confidence = estimate.interval_percent
    quote.fallback_reason = estimate.fallback_reason[:300]
    quote.estimate_detail = estimate.detail()
    quote.unit_price, quote.subtotal = priced.unit_price, priced.subtotal
    quote.tax, quote.total_price = priced.tax, priced.total
    quote.price_breakdown = priced.breakdown()
    quote.currency = settings.CURRENCY  # type: ignore[misc]
    quote.processing_note = ""
    quote.priced_at = timezone.now()
    quote.expires_at = valid_until()


def valid_until() -> datetime.datetime:
    """Return until when a price given now holds."""
    return timezone.now() + datetime.timedelta(days=settings.QUOTE_VALID_DAYS)  # type: ignore[misc]


def clear_price(quote: Quote, note: str) -> None:
    """Take the price off the quote and say why there is none."""
    for name in ("material_grams", "print_time_minutes", "unit_price", "subtotal", "tax", "total_price", "priced_at"):
        setattr(quote, name, None)
    quote.estimate_method, quote.estimate_confidence, quote.fallback_reason = "", None, ""
    quote.price_breakdown, quote.estimate_detail = {}, {"needs_person": note}
    quote.processing_note = note[:300]


def write_materials(quote: Quote, estimate: SetEstimate | None, choice: Choice) -> None:
    """Replace the quote's filament rows by those of the estimate."""
    QuoteMaterial.objects.filter(quote=quote).delete()
    rows = [
        QuoteMaterial(
            quote=quote,
            position=position,
            material_type=use.material_type[:20],
            color_hex=use.color_hex,
            grams=use.grams,
            material=_known(use, choice),
        )
        for position, use in enumerate(estimate.filaments if estimate is not None else ())
    ]
    QuoteMaterial.objects.bulk_create(rows)


def _known(use: FilamentUse, choice: Choice) -> Product | None:
    """Return the filament that is certain already: one whose colour is named. Else acceptance chooses."""
    return material_of(use, choice) if use.color_hex else None


def price_now(quote: Quote) -> None:
    """Estimate and price a locked quote from what its files hold, save it and its filaments.

    A quote whose files nobody can estimate loses its price and says why; a person goes on from there.
    """
    choice = choice_of(quote)
    files = list(quote.files.order_by("pk"))
    estimate: SetEstimate | None = None
    if quote.estimate_method == estimates.BY_HAND and quote.material_grams is not None:
        estimate = estimates.estimate_by_hand(
            quote.material_type,
            quote.color_hex,
            grams=quote.material_grams,
            minutes=quote.print_time_minutes or Decimal(0),
            sets_per_plate=quote.parts_per_plate,
            quantity=quote.quantity,
        )
    elif files and all(file.is_read for file in files):
        try:
            estimate = estimate_quote(quote, [ModelAnalysis.from_dict(file.geometry) for file in files], choice)
        except CannotEstimate as error:
            clear_price(quote, error.message)
    else:
        clear_price(quote, "An engineer has to look at this file.")
    if estimate is not None:
        set_price(quote, estimate, choice)
    quote.save()
    write_materials(quote, estimate, choice)
    if quote.priced_at is not None:
        _note_speed(quote)


def _note_speed(quote: Quote) -> None:
    seconds = int((timezone.now() - quote.created_at).total_seconds())
    visit = quote.portal_session
    duration = int((timezone.now() - visit.started_at).total_seconds()) if visit is not None else None
    QuoteAnalytics.objects.get_or_create(
        quote=quote, defaults={"time_to_quote_seconds": seconds, "customer_session_duration": duration}
    )


def locked(quote: Quote) -> Quote:
    """Lock the quote's row and read it again in place; needs a transaction."""
    lock_documents(Quote.objects.filter(pk=quote.pk))
    quote.refresh_from_db()
    return quote


@verb
def price_quote(quote: Quote, *, actor: User) -> Quote:
    """Price a draft or pending quote by today's rules and material prices.

    Raises:
        NotADraft: it was approved, or is over; its price stands.
        NotAllowed: the actor is neither the system nor staff who may.
    """
    lifecycle.allow(actor, "quotes.reprice_quote")
    locked(quote)
    if quote.status not in (Quote.Status.DRAFT, Quote.Status.PENDING):
        raise NotADraft(details={"status": quote.status})
    price_now(quote)
    return quote


@verb
def estimate_quote_by_hand(
    quote: Quote, *, material_grams: Decimal, print_time_minutes: Decimal, sets_per_plate: int = 1, actor: User
) -> Quote:
    """Say what one set takes, where no method can or a person knows better, and price the quote with it.

    Raises:
        NotADraft: it was approved, or is over.
        InvalidValue: a number is not possible.
    """
    lifecycle.allow(actor, "quotes.reprice_quote")
    locked(quote)
    if quote.status not in (Quote.Status.DRAFT, Quote.Status.PENDING):
        raise NotADraft(details={"status": quote.status})
    if not 1 <= sets_per_plate <= 400:
        raise InvalidValue("Between 1 and 400 sets lie on a plate.", details={"field": "sets_per_plate"})
    quote.estimate_method = estimates.BY_HAND
    quote.material_grams = positive_quantity(material_grams, what="material_grams")
    quote.print_time_minutes = positive_quantity(print_time_minutes, what="print_time_minutes")
    quote.parts_per_plate = sets_per_plate
    price_now(quote)
    return quote


@verb
def update_quote(quote: Quote, *, actor: User, version: int | None = None, **changes: Any) -> Quote:
    """Change what the customer wants of a draft and price it again.

    Raises:
        NotADraft: it is no draft any more.
        StaleVersion: somebody changed it since ``version``.
        InvalidValue, MaterialNotFound, MaterialNotAvailable: a wish cannot be met.
    """
    allow_quoting(quote.customer, actor=actor, permission="quotes.change_quote")
    locked(quote)
    quote.check_version(version)
    if quote.status != Quote.Status.DRAFT:
        raise NotADraft(details={"status": quote.status})
    set_wishes(quote, changes)
    price_now(quote)
    return quote


def set_wishes(quote: Quote, changes: dict[str, Any]) -> Choice:
    """Write changed wishes onto the quote, which is not saved; return the material they come to."""
    unknown = sorted(set(changes) - set(WISHES))
    if unknown:
        raise InvalidValue(f"Not to be changed here: {', '.join(unknown)}.", details={"unknown": unknown})
    changes = dict(changes)
    color = changes.pop("color", None)
    for name, value in changes.items():
        setattr(quote, name, value.strip() if isinstance(value, str) else value)
    if color is None and "material_type" not in changes:
        # A filament without a colour of its own is named by nothing else than the row.
        wanted = quote.color_hex or quote.color_name
    else:
        wanted = color if color is not None else ""
    choice = check_wishes(
        material_type=quote.material_type,
        color=wanted,
        quantity=quote.quantity,
        quality=quote.quality,
        infill_percent=quote.infill_percent,
        finish=quote.finish,
        rush=quote.rush,
    )
    set_choice(quote, choice)
    check_texts(quote)
    return choice


def check_texts(quote: Quote) -> None:
    """Refuse texts that are missing or too long.

    Raises:
        InvalidValue: naming the fields.
    """
    if len(quote.special_instructions) > MAX_INSTRUCTIONS:
        raise InvalidValue(
            f"Please keep your notes below {MAX_INSTRUCTIONS} characters.", details={"field": "special_instructions"}
        )
    try:
        quote.clean_fields(exclude=["created_by", "updated_by"])
    except ValidationError as error:
        name, texts = next(iter(error.message_dict.items()))
        raise InvalidValue(f"{name}: {texts[0]}", details={"fields": error.message_dict}) from None


def preview_price(quote: Quote, changes: dict[str, Any]) -> Quote:
    """Return the quote as it would be priced with these wishes; nothing is saved.

    Raises:
        NotPriced: its files are not read yet.
        InvalidValue, MaterialNotFound, MaterialNotAvailable, CannotEstimate: it cannot be priced so.
    """
    copy = Quote.objects.select_related("customer", "material").get(pk=quote.pk)
    choice = set_wishes(copy, changes)
    files: list[QuoteFile] = list(copy.files.order_by("pk"))
    if not files or not all(file.is_read for file in files):
        raise NotPriced(copy.processing_note or None)
    set_price(copy, estimate_quote(copy, [ModelAnalysis.from_dict(file.geometry) for file in files], choice), choice)
    return copy
