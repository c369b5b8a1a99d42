"""What a quote would cost otherwise: in other materials and qualities, in other quantities."""

from __future__ import annotations

import datetime
import time
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from blb3d.core.errors import BLB3DError
from inventory.selectors.materials import active_materials
from production.selectors.promise import farm_plan
from quotes.errors import MaterialNotAvailable, NotComparable, NotPriced
from quotes.modelfiles import ModelAnalysis
from quotes.models import Quote
from quotes.selectors import Choice, choose
from quotes.services.estimates import BY_HAND
from quotes.services.pricing import estimate_quote, set_choice, set_price
from quotes.services.reading import analyses_of
from sales.pricing import PricingRules
from sales.selectors import active_rules

QUANTITIES = (1, 5, 10, 25, 50, 100)
#: Material types beside each other: the quote's own and the first others by name.
MAX_MATERIALS = 8
#: After so many seconds the rest is left open; what was estimated is remembered, so that the next look shows more.
SECONDS = 2.0


@dataclass(frozen=True)
class Variant:
    """A quote otherwise: with which material, quality and quantity, at which price and by when, or why not."""

    material_type: str
    color_name: str
    color_hex: str
    quality: str
    quantity: int
    is_current: bool
    unit_price: Decimal | None = None
    total_price: Decimal | None = None
    ready_by: datetime.date | None = None
    problem: str = ""

    @property
    def wishes(self) -> dict[str, Any]:
        """What ``update_quote`` takes to make the quote so."""
        return {
            "material_type": self.material_type,
            "color": self.color_name or self.color_hex,
            "quality": self.quality,
            "quantity": self.quantity,
        }


@dataclass(frozen=True)
class Comparison:
    """Materials (rows) in each quality (columns) at the quote's quantity, and quantities of the quote as it is.

    ``is_complete`` is False where time ran out before the last variant.
    """

    qualities: tuple[str, ...]
    materials: tuple[tuple[Variant, ...], ...]
    quantities: tuple[Variant, ...]
    is_complete: bool


def compare_quote(quote: Quote, *, seconds: float = SECONDS) -> Comparison:
    """Return what the quote would cost in other materials, qualities and quantities; nothing is saved.

    What is not worked out after ``seconds`` is left open.

    Raises:
        NotPriced: its files are not read yet.
        NotComparable: a person estimated it, as it is and no other way.
    """
    if quote.estimate_method == BY_HAND:
        raise NotComparable
    files = list(quote.files.order_by("pk"))
    if not quote.is_priced or not files or not all(file.is_read for file in files):
        raise NotPriced(quote.processing_note or None)
    pricer = _Pricer(quote, analyses_of(quote), active_rules(), time.monotonic() + seconds)
    qualities = tuple(Quote.Quality.values)
    quantities = tuple(sorted({*QUANTITIES, quote.quantity}))
    own = pricer.choice(quote.material_type)
    # The quantities first: most of all that is what a customer wants to know.
    by_quantity = tuple(pricer.variant(own, quote.quality, quantity) for quantity in quantities)
    rows = []
    for material_type in _material_types(quote):
        choice = pricer.choice(material_type)
        rows.append(tuple(pricer.variant(choice, quality, quote.quantity) for quality in qualities))
    return Comparison(qualities, tuple(rows), by_quantity, not pricer.is_late)


def _material_types(quote: Quote) -> list[str]:
    found = active_materials().exclude(material_type="").order_by("material_type")
    types = found.values_list("material_type", flat=True).distinct()
    return list(dict.fromkeys([quote.material_type, *types]))[:MAX_MATERIALS]


class _Pricer:
    """Prices one quote many times from what was read once."""

    def __init__(self, quote: Quote, analyses: Sequence[ModelAnalysis], rules: PricingRules, deadline: float) -> None:
        self.quote, self.analyses, self.rules, self.deadline = quote, analyses, rules, deadline
        self.copy = Quote.objects.select_related("customer__price_level", "material").get(pk=quote.pk)
        self.plan = farm_plan()
        self.is_late = False

    def choice(self, material_type: str) -> Choice:
        """Return the material: in the quote's colour where that is made of this type too, else open."""
        color = self.quote.color_hex or self.quote.color_name
        try:
            return choose(material_type, color)
        except MaterialNotAvailable:
            return choose(material_type)

    def variant(self, choice: Choice, quality: str, quantity: int) -> Variant:
        """Return the quote in one variant; a refusal is its words."""
        copy, quote = self.copy, self.quote
        copy.quality, copy.quantity = quality, quantity
        set_choice(copy, choice)
        about = {
            "material_type": copy.material_type,
            "color_name": copy.color_name,
            "color_hex": copy.color_hex,
            "quality": quality,
            "quantity": quantity,
            "is_current": (copy.material_type, copy.color_name, copy.color_hex, quality, quantity)
            == (quote.material_type, quote.color_name, quote.color_hex, quote.quality, quote.quantity),
        }
        if time.monotonic() > self.deadline:
            self.is_late = True
            return Variant(**about, problem="Not worked out yet.")
        try:
            set_price(copy, estimate_quote(copy, self.analyses, choice), choice, rules=self.rules, plan=self.plan)
        except BLB3DError as error:
            return Variant(**about, problem=error.message)
        return Variant(**about, unit_price=copy.unit_price, total_price=copy.total_price, ready_by=copy.ready_by)
