"""What open quotes would become by other price rules; nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from django.utils import timezone

from blb3d.core.money import ZERO
from inventory.models import Product
from inventory.selectors import stock_costs
from quotes.models import Quote
from quotes.services.pricing import price_per_kg
from sales import pricing
from sales.models import Customer
from sales.pricing import PricingRules
from sales.selectors import farm_machine_rate

#: More than this many open quotes are not looked at in one page.
MOST = 2000


@dataclass(frozen=True)
class WhatIf:
    """A quote's net price now and by the other rules, with what it would cost then."""

    quote_id: int
    number: str
    status: str
    customer: Customer | None
    rules: str
    now: Decimal
    then: Decimal
    cost: Decimal
    currency: str

    @property
    def difference(self) -> Decimal:
        """How much more it would be."""
        return self.then - self.now

    @property
    def margin_percent(self) -> Decimal:
        """What would be left of the price after cost, in percent of it."""
        return pricing.margin_percent(self.then, self.cost)


@dataclass(frozen=True)
class WhatIfTotal:
    """The sums over the quotes of one currency."""

    currency: str
    quotes: int
    now: Decimal
    then: Decimal
    cost: Decimal

    @property
    def difference(self) -> Decimal:
        """How much more it would be."""
        return self.then - self.now

    @property
    def margin_percent(self) -> Decimal:
        """What would be left after cost, in percent of the price."""
        return pricing.margin_percent(self.then, self.cost)


def what_if(rules: PricingRules) -> list[WhatIf]:
    """Return what open, priced quotes would become if they were priced by these rules, the largest change first.

    The estimate is taken as it stands, the customer's level as it was. Material is priced anew where the rules take it
    from somewhere else than the quote did and every filament is known. An agreed price would be given up, so it is not
    kept here either. At most seven queries, whatever the number of quotes.
    """
    rows = list(
        Quote.objects.filter(status__in=Quote.OPEN, unit_price__isnull=False, expires_at__gt=timezone.now())
        .select_related("customer")
        .prefetch_related("materials__material")
        .order_by("-pk")[:MOST]
    )
    rows = [quote for quote in rows if quote.price_breakdown.get("inputs")]
    costs = stock_costs(_material_ids(rows)) if rules.material_basis == "stock" else None
    rate = farm_machine_rate(rules)
    found = [_priced(quote, rules, rate, costs) for quote in rows]
    return sorted(found, key=lambda row: (-abs(row.difference), row.number))


def totals(rows: Sequence[WhatIf]) -> list[WhatIfTotal]:
    """Return the sums by currency: amounts of two currencies are not added."""
    found = []
    for currency in sorted({row.currency for row in rows}):
        own = [row for row in rows if row.currency == currency]
        sums = (sum((getattr(row, name) for row in own), ZERO) for name in ("now", "then", "cost"))
        found.append(WhatIfTotal(currency, len(own), *sums))
    return found


def _priced(quote: Quote, rules: PricingRules, rate: Decimal, costs: dict[int, Decimal] | None) -> WhatIf:
    kept = pricing.kept_input(quote.price_breakdown)
    shares = _shares(quote)
    per_kg = kept.price_per_kg
    if shares and kept.rules.material_basis != rules.material_basis:
        per_kg = price_per_kg(shares, costs)
    then = pricing.price(
        replace(kept, rules=rules, machine_rate=rate, price_per_kg=per_kg, tax_rate=None, agreed_unit_price=None)
    )
    return WhatIf(
        quote_id=quote.pk,
        number=quote.quote_number,
        status=quote.status,
        customer=quote.customer,
        rules=kept.rules.name,
        now=quote.subtotal or ZERO,
        then=then.subtotal,
        cost=then.cost,
        currency=quote.currency,
    )


def _shares(quote: Quote) -> list[tuple[Product, Decimal]]:
    """Return the quote's materials with their grams; none where one is not decided yet."""
    rows = list(quote.materials.all())
    known = [(row.material, row.grams) for row in rows if row.material is not None]
    return known if len(known) == len(rows) else []


def _material_ids(quotes: Sequence[Quote]) -> list[int]:
    return [row.material_id for quote in quotes for row in quote.materials.all() if row.material_id is not None]
