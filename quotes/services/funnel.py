"""How quotes go: how far each customer got, how fast the price was there, what became an order of it."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import pairwise
from statistics import median
from typing import Any

from django.db.models import TextChoices
from django.utils import timezone

from quotes.models import Quote, QuoteAnalytics


class Step(TextChoices):
    """How far a customer got, the first first. Who acts for a company is past ``register`` with a price."""

    UPLOAD = "upload", "uploaded"
    CONFIGURE = "configure", "got a price"
    PRICE_SHOWN = "price_shown", "saw the quote"
    REGISTER = "register", "known to us"
    ACCEPT = "accept", "accepted"


_RANK = {step.value: rank for rank, step in enumerate(Step)}
#: Net, in the system's currency: below the first, from one to below the next, from the last on.
BANDS = (50, 250, 1000)


# Recording: called by the verbs, in their transactions -----------------------------------------------------------
def note_step(quote: Quote, step: Step) -> QuoteAnalytics:
    """Note that the customer got to a step; where it got further before, nothing changes but how long the visit was.

    ``abandoned_at_step`` is the furthest step of a quote that is no order yet.
    """
    row, _ = QuoteAnalytics.objects.get_or_create(quote=quote, defaults={"abandoned_at_step": Step.UPLOAD})
    if not row.converted_to_order and _RANK[step] > _RANK.get(row.abandoned_at_step, -1):
        row.abandoned_at_step = step
    visit = quote.portal_session
    if visit is not None:
        row.customer_session_duration = _seconds_since(visit.started_at)
    row.save()
    return row


def note_price(quote: Quote) -> None:
    """Note that there is a price, and how long the first one took."""
    row = note_step(quote, Step.CONFIGURE)
    if row.time_to_quote_seconds is None:
        row.time_to_quote_seconds = _seconds_since(quote.created_at)
        row.save(update_fields=["time_to_quote_seconds"])


def note_submission(quote: Quote) -> None:
    """Note that the quote was asked for; who acts for a company need not register any more."""
    note_step(quote, Step.PRICE_SHOWN if quote.customer_id is None else Step.REGISTER)


def note_order(quote: Quote) -> None:
    """Note that the quote became an order, and after how many hours."""
    row = note_step(quote, Step.ACCEPT)
    row.converted_to_order, row.abandoned_at_step = True, ""
    hours = Decimal(_seconds_since(quote.created_at)) / 3600
    row.conversion_time_hours = hours.quantize(Decimal("0.01"))
    row.save()


def _seconds_since(moment: datetime.datetime) -> int:
    return int((timezone.now() - moment).total_seconds())


# Reading -----------------------------------------------------------------------------------------------------------
@dataclass
class Group:
    """Quotes of one week, one material or one price band: how many, how many got to each step and were ordered."""

    name: str
    quotes: int = 0
    reached: dict[str, int] = field(default_factory=lambda: dict.fromkeys(_RANK, 0))
    ordered: int = 0
    seconds: list[int] = field(default_factory=list)

    @property
    def median_seconds(self) -> float | None:
        """The median time to a price, None where there was none."""
        return median(self.seconds) if self.seconds else None

    @property
    def percent_ordered(self) -> Decimal | None:
        """How many of a hundred became orders, with one place; None where there was no quote."""
        if not self.quotes:
            return None
        return (Decimal(self.ordered) * 100 / self.quotes).quantize(Decimal("0.1"))

    @property
    def steps(self) -> list[tuple[str, int]]:
        """The steps in words with how many got there, orders last."""
        return [*((str(step.label), self.reached[step]) for step in Step), ("ordered", self.ordered)]

    def add(self, row: dict[str, Any]) -> None:
        """Count a quote."""
        self.quotes += 1
        rank = len(_RANK) if row["converted_to_order"] else _RANK.get(row["abandoned_at_step"], 0)
        for step, at in _RANK.items():
            self.reached[step] += rank >= at
        self.ordered += row["converted_to_order"]
        if row["time_to_quote_seconds"] is not None:
            self.seconds.append(row["time_to_quote_seconds"])


@dataclass(frozen=True)
class Funnel:
    """All quotes since a day, by week (the latest first), by material and by price band (those with a price)."""

    since: datetime.date
    total: Group
    weeks: tuple[Group, ...]
    materials: tuple[Group, ...]
    bands: tuple[Group, ...]


def funnel(*, weeks: int = 12) -> Funnel:
    """Return how the quotes of the last weeks went, this one included. One query."""
    today = timezone.localdate()
    since = today - datetime.timedelta(days=today.weekday(), weeks=weeks - 1)
    start = timezone.make_aware(datetime.datetime.combine(since, datetime.time()))
    rows = QuoteAnalytics.objects.filter(quote__created_at__gte=start, quote__deleted_at__isnull=True).order_by()
    total = Group("all")
    by_week = {since + datetime.timedelta(weeks=number): Group("") for number in range(weeks)}
    by_material: dict[str, Group] = {}
    by_band = [Group(name) for name in _band_names()]
    columns = ("abandoned_at_step", "converted_to_order", "time_to_quote_seconds")
    of_quote = ("quote__created_at", "quote__material_type", "quote__subtotal")
    for row in rows.values(*columns, *of_quote).iterator(2000):
        day = timezone.localdate(row["quote__created_at"])
        monday = day - datetime.timedelta(days=day.weekday())
        material = by_material.setdefault(row["quote__material_type"], Group(row["quote__material_type"]))
        groups = [total, material, *([by_week[monday]] if monday in by_week else [])]
        if row["quote__subtotal"] is not None:
            groups.append(by_band[_band(row["quote__subtotal"])])
        for group in groups:
            group.add(row)
    for monday, group in by_week.items():
        group.name = monday.isoformat()
    return Funnel(
        since=since,
        total=total,
        weeks=tuple(reversed(by_week.values())),
        materials=tuple(sorted(by_material.values(), key=lambda group: (-group.quotes, group.name))),
        bands=tuple(by_band),
    )


def _band(net: Decimal) -> int:
    return sum(net >= edge for edge in BANDS)


def _band_names() -> Iterable[str]:
    yield f"below {BANDS[0]}"
    yield from (f"{low} to {high}" for low, high in pairwise(BANDS))
    yield f"{BANDS[-1]} and more"
