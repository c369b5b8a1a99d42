"""By when a quote is shipped: what it takes of the farm, asked of production."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import replace
from decimal import Decimal

from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core import lifecycle
from blb3d.core.units import grams_to_kg
from blb3d.core.verbs import verb
from inventory.errors import MaterialNotFound
from inventory.models import Product
from inventory.selectors import choose_material
from production.selectors.farm import Volume
from production.selectors.promise import FarmPlan, Promise, Work, farm_plan, outlook_for, promise
from quotes.models import Quote
from quotes.services.estimates import SetPlate

#: How urgent an order is (1 low .. 4 urgent), by what the customer paid for.
PRIORITIES = {
    Quote.Rush.STANDARD: 2,
    Quote.Rush.RUSH: 3,
    Quote.Rush.SUPER_RUSH: 4,
    Quote.Rush.URGENT: 4,
}
#: Working days of handwork after printing.
FINISHING_DAYS = {Quote.Finish.STANDARD: 0, Quote.Finish.SMOOTH: 1, Quote.Finish.PAINTED: 2}

Shares = Iterable[tuple[Product, Decimal]]


def set_promise(quote: Quote, shares: Shares, *, plan: FarmPlan | None = None) -> None:
    """Write onto a priced quote, which is not saved, by when it is shipped, why, and by when at every rush level.

    ``shares`` are the materials with their grams per set, ``plan`` is the farm's where it was read a moment ago.
    """
    _write(quote, work_of(quote, shares), plan=plan)


def _write(quote: Quote, work: Work, *, plan: FarmPlan | None) -> None:
    outlook = outlook_for(work.needs, plan=plan)
    promises = {rush: promise(replace(work, priority=PRIORITIES[rush]), outlook) for rush in PRIORITIES}
    own = promises[Quote.Rush(quote.rush)]
    quote.ready_by = own.ship_on
    quote.estimate_detail["promise"] = {
        "reason": own.reason,
        "ready_by": {rush: found.ship_on.isoformat() for rush, found in promises.items() if found.ship_on},
    }


def promise_again(quote: Quote) -> Promise:
    """Return by when a priced quote is shipped if it is ordered now, by its filaments as they are written."""
    work = work_of(quote, _written_shares(quote))
    return promise(work, outlook_for(work.needs))


@verb
def renew_promises(*, actor: User, limit: int = 1000) -> int:
    """Work out again by when open quotes are shipped, oldest price first; return how many days changed.

    Prices stand. A quote that somebody changes at this moment is left alone: that prices it, with a day.
    """
    lifecycle.allow(actor, "quotes.reprice_quote")
    rows = Quote.objects.filter(status__in=Quote.OPEN, unit_price__isnull=False, expires_at__gt=timezone.now())
    plan, changed = farm_plan(), 0
    for quote in rows.select_related("material").prefetch_related("materials__material").order_by("priced_at")[:limit]:
        before = quote.ready_by
        _write(quote, work_of(quote, _written_shares(quote)), plan=plan)
        if quote.ready_by != before:
            same = Quote.objects.filter(pk=quote.pk, version=quote.version)
            changed += same.update(ready_by=quote.ready_by, estimate_detail=quote.estimate_detail)
    return changed


def _written_shares(quote: Quote) -> list[tuple[Product, Decimal]]:
    """Return a quote's materials with their grams per set; one that nobody chose is what acceptance would take now."""
    shares = []
    for row in quote.materials.all():
        try:
            material = row.material or quote.material or choose_material(row.material_type, row.color_hex)
        except MaterialNotFound:
            continue
        shares.append((material, row.grams))
    return shares


def work_of(quote: Quote, shares: Shares) -> Work:
    """Return what the whole quantity of a quote takes of the farm."""
    plates = [SetPlate.from_dict(row) for row in quote.estimate_detail.get("plates", ())]
    needs: dict[int, Decimal] = defaultdict(Decimal)
    for material, grams in shares:
        needs[material.pk] += grams_to_kg(grams * quote.quantity)
    if plates:
        minutes = sum((plate.minutes * plate.runs for plate in plates), Decimal(0))
        longest, runs = max(plate.minutes for plate in plates), sum(plate.runs for plate in plates)
    else:
        runs = math.ceil(quote.quantity / max(quote.parts_per_plate, 1))
        minutes = (quote.print_time_minutes or Decimal(0)) * quote.quantity
        longest = minutes / max(runs, 1)
    return Work(
        minutes=minutes,
        longest_run=longest,
        runs=runs,
        priority=PRIORITIES[Quote.Rush(quote.rush)],
        needs={pk: kg for pk, kg in needs.items() if kg},
        finishing_days=FINISHING_DAYS[Quote.Finish(quote.finish)],
        size_mm=_size(plates),
    )


def _size(plates: Sequence[SetPlate]) -> Volume | None:
    """Return the box that takes the largest part in every direction, None where no mesh was read."""
    boxes = [plate.bbox_mm for plate in plates if plate.bbox_mm]
    return (max(b[0] for b in boxes), max(b[1] for b in boxes), max(b[2] for b in boxes)) if boxes else None
