"""Pricing a quote: from its files and wishes to grams, minutes, lines and a total that hold for some days."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.core.exceptions import ValidationError
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core import lifecycle
from blb3d.core.documents import lock_documents
from blb3d.core.errors import BLB3DError, InvalidValue
from blb3d.core.units import positive_quantity
from blb3d.core.verbs import verb
from inventory.errors import MaterialNotFound
from inventory.models import Product
from inventory.selectors import choose_material, price_of, stock_costs
from production.selectors.promise import FarmPlan
from quotes.errors import NotADraft, NotPriced
from quotes.estimators import CannotEstimate
from quotes.estimators.geometric import cent
from quotes.modelfiles import ModelAnalysis
from quotes.models import Quote, QuoteFile, QuoteMaterial
from quotes.ports import LAYER_HEIGHTS, FilamentUse
from quotes.selectors import Choice, choose
from quotes.services import estimates
from quotes.services.authority import allow_quoting
from quotes.services.estimates import SetEstimate, estimate_set
from quotes.services.funnel import note_price
from quotes.services.promise import set_promise
from quotes.services.reading import analyses_of, sources_of
from sales import pricing
from sales.selectors import active_rules, farm_machine_rate

#: A price above this is nobody's to give automatically; it would not fit an invoice either.
MAX_TOTAL = Decimal(100_000_000)
#: Minutes and grams of a set: more than the columns hold.
_TOO_LARGE_A_SET = Decimal(100_000_000)
MAX_INSTRUCTIONS = 5000
#: What a set takes depends on these wishes; a person's estimate was for them.
_ESTIMATED_FOR = ("material_type", "quality", "infill_percent")
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
    "is_under_nda",
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
        analyses,
        choice,
        quality=quote.quality,
        infill_percent=quote.infill_percent,
        quantity=quote.quantity,
        sources=sources_of(quote, len(analyses)),
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


def price_per_kg(shares: Sequence[tuple[Product, Decimal]], costs: dict[int, Decimal] | None) -> Decimal:
    """Return the mean price per kg of materials by their grams: the list's, or of what is in stock where ``costs`` is
    given. A material of which nothing is there has its standard cost.
    """

    def one(material: Product) -> Decimal:
        if costs is None:
            return price_of(material)
        return costs.get(material.pk) or material.unit_cost or price_of(material)

    grams = sum((share for _, share in shares), Decimal(0))
    if not grams:
        return one(shares[0][0])
    return sum((share * one(material) for material, share in shares), Decimal(0)) / grams


def set_price(
    quote: Quote,
    estimate: SetEstimate,
    choice: Choice,
    *,
    rules: pricing.PricingRules | None = None,
    plan: FarmPlan | None = None,
) -> None:
    """Write estimate and price onto the quote, which is not saved yet; by the rules that rule now, or those given.

    ``plan`` is the farm's, for the day of shipping, where it was read a moment ago.

    A price that a person agreed to before is given up: it was for what was asked for then.

    Raises:
        InvalidValue: the total is beyond what is priced automatically.
    """
    rules = active_rules() if rules is None else rules
    grams, customer = estimate.grams, quote.customer
    shares = [(material_of(use, choice) or choice.material, use.grams) for use in estimate.filaments]
    shares = shares or [(choice.material, Decimal(0))]
    is_stock = rules.material_basis == "stock"
    costs = stock_costs([material.pk for material, _ in shares]) if is_stock else None
    level = customer.price_level if customer is not None else None
    priced = pricing.price(
        pricing.PriceInput(
            material_grams=grams,
            print_minutes=estimate.minutes,
            quantity=quote.quantity,
            price_per_kg=price_per_kg(shares, costs),
            finish=quote.finish,
            rush=quote.rush,
            plates=max(estimate.runs, 1),
            tax_exempt=customer is not None and customer.tax_exempt,
            machine_rate=farm_machine_rate(rules),
            level_discount_percent=level.discount_percent if level is not None else Decimal(0),
            rules=rules,
        )
    )
    plate_minutes = sum((plate.minutes for plate in estimate.plates), Decimal(0))
    if priced.total > MAX_TOTAL or max(grams, estimate.minutes, plate_minutes) >= _TOO_LARGE_A_SET:
        raise InvalidValue(
            "That is more than can be priced automatically. Please ask for a smaller quantity.",
            details={"field": "quantity", "value": quote.quantity},
        )
    quote.material_grams = grams
    quote.print_time_minutes = estimate.minutes
    quote.parts_per_plate = max((plate.sets for plate in estimate.plates), default=1)
    quote.plate_minutes = plate_minutes
    quote.estimate_method = estimate.method[:40]
    quote.estimate_confidence = estimate.interval_percent
    quote.fallback_reason = estimate.fallback_reason[:300]
    quote.estimate_detail = estimate.detail()
    set_promise(quote, shares, plan=plan)
    _write_price(quote, priced)
    quote.offered_unit_price, quote.offer_reason = None, ""
    quote.currency = settings.CURRENCY  # type: ignore[misc]
    quote.processing_note = ""
    quote.priced_at = timezone.now()
    quote.expires_at = valid_until()


def _write_price(quote: Quote, priced: pricing.Price) -> None:
    quote.unit_price, quote.subtotal = priced.unit_price, priced.subtotal
    quote.tax, quote.total_price = priced.tax, priced.total
    quote.price_breakdown = priced.breakdown()


def set_agreed_price(quote: Quote, unit_price: Decimal) -> None:
    """Write a person's unit price onto a priced quote, which is not saved: its lines, tax and total follow.

    Raises:
        NotPriced: nothing was computed that it could be the alternative to.
        InvalidValue: it is not an amount of whole cents, or comes to more than fits an invoice.
    """
    if not quote.price_breakdown.get("inputs"):
        raise NotPriced
    priced = pricing.price(replace(pricing.kept_input(quote.price_breakdown), agreed_unit_price=unit_price))
    if priced.total > MAX_TOTAL:
        raise InvalidValue("That is more than can be invoiced.", details={"field": "unit_price"})
    _write_price(quote, priced)


def cost_of(quote: Quote) -> Decimal | None:
    """Return what the quote costs us by the rules that priced it, or None without a price."""
    kept = quote.price_breakdown
    if "cost" in kept:
        return Decimal(kept["cost"])
    return pricing.price_again(kept).cost if kept.get("inputs") else None


def is_below_cost(quote: Quote) -> bool:
    """Return whether the net price does not even pay what the quote costs us."""
    cost = cost_of(quote)
    return cost is not None and quote.subtotal is not None and quote.subtotal < cost


def valid_until() -> datetime.datetime:
    """Return until when a price given now holds."""
    return timezone.now() + datetime.timedelta(days=settings.QUOTE_VALID_DAYS)  # type: ignore[misc]


def clear_price(quote: Quote, note: str) -> None:
    """Take the price off the quote and say why there is none."""
    for name in ("material_grams", "print_time_minutes", "unit_price", "subtotal", "tax", "total_price", "priced_at"):
        setattr(quote, name, None)
    quote.estimate_method, quote.estimate_confidence, quote.fallback_reason = "", None, ""
    quote.offered_unit_price, quote.offer_reason, quote.ready_by = None, "", None
    quote.price_breakdown, quote.estimate_detail = {}, {"needs_person": note}
    quote.processing_note = note[:300]


def write_materials(quote: Quote, estimate: SetEstimate | None, choice: Choice) -> None:
    """Replace the quote's filament rows by those of the estimate."""
    QuoteMaterial.objects.filter(quote=quote).delete()
    QuoteMaterial.objects.bulk_create(_material_rows(quote, estimate, choice))


def _material_rows(quote: Quote, estimate: SetEstimate | None, choice: Choice) -> list[QuoteMaterial]:
    return [
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


def _known(use: FilamentUse, choice: Choice) -> Product | None:
    """Return the filament that is certain already: one whose colour is named. Else acceptance chooses."""
    return material_of(use, choice) if use.color_hex else None


def price_now(quote: Quote) -> None:
    """Estimate and price a locked quote from what its files hold, save it and its filaments.

    A quote whose files nobody can estimate loses its price and says why; a person goes on from there. One whose files
    wait to be read goes on waiting.
    """
    choice = choice_of(quote)
    files = list(quote.files.order_by("pk"))
    estimate = _estimated_by_hand(quote)
    if estimate is None and files and all(file.is_read for file in files):
        try:
            estimate = estimate_quote(quote, analyses_of(quote), choice)
        except CannotEstimate as error:
            clear_price(quote, error.message)
    elif estimate is None and not _waits(quote, files):
        clear_price(quote, "An engineer has to look at this file.")
    if estimate is not None:
        set_price(quote, estimate, choice)
    quote.save()
    write_materials(quote, estimate, choice)
    if quote.priced_at is not None:
        note_price(quote)


def _estimated_by_hand(quote: Quote) -> SetEstimate | None:
    """Return what a person said that one set takes, at the quantity that is wanted now; None where none did."""
    if quote.estimate_method != estimates.BY_HAND or quote.material_grams is None:
        return None
    return estimates.estimate_by_hand(
        quote.material_type,
        quote.color_hex,
        grams=quote.material_grams,
        minutes=quote.print_time_minutes or Decimal(0),
        sets_per_plate=quote.parts_per_plate,
        quantity=quote.quantity,
    )


def _waits(quote: Quote, files: Sequence[QuoteFile]) -> bool:
    """True while a worker reads the files, or the virus scanner has not seen them all: the price follows by itself."""
    return quote.progress_percent is not None or any(file.scan_result == QuoteFile.ScanResult.HELD for file in files)


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
    # Priced as they are kept, with 2 decimals.
    quote.print_time_minutes = cent(positive_quantity(print_time_minutes, what="print_time_minutes"))
    for name in ("material_grams", "print_time_minutes"):
        # A full plate must be a possible one too.
        positive_quantity(getattr(quote, name) * sets_per_plate, what=name)
    quote.parts_per_plate = sets_per_plate
    price_now(quote)
    return quote


def update_quote(quote: Quote, *, actor: User, version: int | None = None, **changes: Any) -> Quote:
    """Change what the customer wants of a draft and price it again.

    Raises:
        NotADraft: it is no draft any more.
        StaleVersion: somebody changed it since ``version``.
        InvalidValue, MaterialNotFound, MaterialNotAvailable: a wish cannot be met.
    """
    if estimates.is_slow():
        # Asked before the transaction, which then finds the answer in the cache; what is wrong is said there.
        with suppress(BLB3DError):
            preview_price(quote, changes)
    return _update_quote(quote, version=version, actor=actor, changes=changes)


@verb
def _update_quote(quote: Quote, *, version: int | None, changes: dict[str, Any], actor: User) -> Quote:
    allow_quoting(quote.customer, actor=actor, permission="quotes.change_quote")
    locked(quote)
    quote.check_version(version)
    if quote.status != Quote.Status.DRAFT:
        raise NotADraft(details={"status": quote.status})
    set_wishes(quote, changes)
    price_now(quote)
    return quote


def forget_estimate_by_hand(quote: Quote) -> None:
    """Give up a person's estimate where something else is wanted now than what the person judged; not saved."""
    if quote.estimate_method == estimates.BY_HAND:
        quote.estimate_method = ""


def set_wishes(quote: Quote, changes: dict[str, Any]) -> Choice:
    """Write changed wishes onto the quote, which is not saved; return the material they come to."""
    unknown = sorted(set(changes) - set(WISHES))
    if unknown:
        raise InvalidValue(f"Not to be changed here: {', '.join(unknown)}.", details={"unknown": unknown})
    changes = dict(changes)
    before = [getattr(quote, name) for name in _ESTIMATED_FOR]
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
    if [getattr(quote, name) for name in _ESTIMATED_FOR] != before:
        forget_estimate_by_hand(quote)
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
    """Return the quote as it would be priced with these wishes; nothing is saved. Raises as ``preview`` does."""
    return preview(quote, changes)[0]


def preview(quote: Quote, changes: dict[str, Any]) -> tuple[Quote, list[QuoteMaterial]]:
    """Return the quote as it would be priced with these wishes, and its filaments per set; nothing is saved.

    Raises:
        NotPriced: its files are not read yet.
        InvalidValue, MaterialNotFound, MaterialNotAvailable, CannotEstimate: it cannot be priced so.
    """
    copy = Quote.objects.select_related("customer", "material").get(pk=quote.pk)
    choice = set_wishes(copy, changes)
    estimate = _estimated_by_hand(copy)
    if estimate is None:
        files: list[QuoteFile] = list(copy.files.order_by("pk"))
        if not files or not all(file.is_read for file in files):
            raise NotPriced(copy.processing_note or None)
        estimate = estimate_quote(copy, analyses_of(copy), choice)
    set_price(copy, estimate, choice)
    return copy, _material_rows(copy, estimate, choice)
