"""What lies where, in which lots, for how long, and what hardly moves; with its value, in a constant number of queries.

A lot is as old as its receipt. Of stock without a lot the books do not say which piece came when: what is there is
taken to be what came last, as first in first out leaves it.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from itertools import pairwise
from typing import Any

from django.db.models import Max, Q, Sum
from django.utils import timezone

from blb3d.core.units import round_quantity
from inventory.models import Inventory, InventoryTransaction, MaterialLot

Kind = InventoryTransaction.Kind

#: The last day of each span of age, the last span being open: 0-30, 31-90, 91-180, 181-365, older.
SPANS = (30, 90, 180, 365)
SPAN_NAMES = ("0-30", "31-90", "91-180", "181-365", "over 365")
#: What brings new stock into the house; a transfer only carries it around.
_INWARD = (Kind.RECEIPT, Kind.PRODUCTION_OUTPUT, Kind.RETURN, Kind.ADJUSTMENT)
#: What uses stock up.
_USED = (Kind.CONSUMPTION, Kind.SHIPMENT, Kind.SCRAP)
_ZERO = Decimal(0)
_DAY = datetime.timedelta(days=1)


@dataclass(frozen=True)
class LocationStock:
    """What lies at a location: how many products, lots, and what it is worth."""

    location_id: int
    code: str
    name: str
    products: int
    lots: int
    value: Decimal
    reserved_value: Decimal


@dataclass(frozen=True)
class LotStock:
    """What is left of a lot at a location; stock without a lot has no lot, and no age."""

    lot_id: int | None
    lot_number: str
    status: str
    product_id: int
    sku: str
    name: str
    unit: str
    location: str
    on_hand: Decimal
    reserved: Decimal
    unit_cost: Decimal
    value: Decimal
    received_on: datetime.date | None
    expires_on: datetime.date | None
    age_days: int | None


@dataclass(frozen=True)
class AgedStock:
    """A product's stock by age: quantity and value in each of :data:`SPAN_NAMES`."""

    product_id: int
    sku: str
    name: str
    unit: str
    quantities: tuple[Decimal, ...]
    values: tuple[Decimal, ...]

    @property
    def quantity(self) -> Decimal:
        """Return all of it."""
        return sum(self.quantities, _ZERO)

    @property
    def value(self) -> Decimal:
        """Return what all of it is worth."""
        return sum(self.values, _ZERO)


@dataclass(frozen=True)
class SlowMover:
    """A product that lies longer than it should: when it was last used, how much lately, how long it will last.

    ``days_left`` is None where nothing was used in the period.
    """

    product_id: int
    sku: str
    name: str
    unit: str
    on_hand: Decimal
    value: Decimal
    used: Decimal
    last_used_on: datetime.date | None
    idle_days: int | None
    days_left: int | None


def stock_by_location() -> list[LocationStock]:
    """Return what lies at each location, by code. One query."""
    rows = _balances("product_id", "lot_id", "location_id", "location__code", "location__name")
    found: dict[int, tuple[str, str, set[int], set[int], list[Decimal], list[Decimal]]] = {}
    for on_hand, reserved, cost, product, lot, place, code, name in rows:
        entry = found.setdefault(place, (code, name, set(), set(), [], []))
        entry[2].add(product)
        if lot is not None:
            entry[3].add(lot)
        entry[4].append(round_quantity(on_hand * cost))
        entry[5].append(round_quantity(reserved * cost))
    return [
        LocationStock(place, code, name, len(products), len(lots), sum(worth, _ZERO), sum(kept, _ZERO))
        for place, (code, name, products, lots, worth, kept) in sorted(found.items(), key=lambda item: item[1][0])
    ]


def stock_by_lot(*, search: str = "") -> list[LotStock]:
    """Return what is left of every lot, and stock without one, by SKU and age, the oldest first. One query.

    ``search`` narrows it to what has the text in SKU, name, lot number or location.
    """
    rows = _balances(
        "lot_id",
        "lot__lot_number",
        "lot__status",
        "lot__received_date",
        "lot__expiration_date",
        "product_id",
        "product__sku",
        "product__name",
        "product__unit_of_measure",
        "location__code",
        search=search,
    )
    now = timezone.now()
    found = []
    for on_hand, reserved, cost, lot, number, status, received, expires, product, sku, name, unit, place in rows:
        label = MaterialLot.Status(status).label if status else ""
        found.append(
            LotStock(
                lot,
                number or "",
                str(label),
                product,
                sku,
                name,
                unit,
                place,
                on_hand,
                reserved,
                cost,
                round_quantity(on_hand * cost),
                timezone.localdate(received) if received else None,
                timezone.localdate(expires) if expires else None,
                _days(now, received) if received else None,
            )
        )
    return sorted(found, key=lambda row: (row.sku, -(row.age_days or 0), row.lot_number, row.location))


def stock_by_age(*, search: str = "") -> list[AgedStock]:
    """Return the stock of each product by age, by SKU. Two queries.

    The worth of stock without a lot is the mean of its balances.
    """
    rows = _balances(
        "lot_id",
        "lot__received_date",
        "product_id",
        "product__sku",
        "product__name",
        "product__unit_of_measure",
        search=search,
    )
    now = timezone.now()
    known: dict[int, tuple[str, str, str]] = {}
    quantities: dict[int, list[Decimal]] = defaultdict(lambda: [_ZERO] * len(SPAN_NAMES))
    values: dict[int, list[Decimal]] = defaultdict(lambda: [_ZERO] * len(SPAN_NAMES))
    loose: dict[int, tuple[Decimal, Decimal]] = {}
    for on_hand, _, cost, lot, received, product, sku, name, unit in rows:
        known[product] = (sku, name, unit)
        worth = round_quantity(on_hand * cost)
        if lot is None:
            quantity, value = loose.get(product, (_ZERO, _ZERO))
            loose[product] = (quantity + on_hand, value + worth)
        else:
            span = _span(_days(now, received))
            quantities[product][span] += on_hand
            values[product][span] += worth
    came = _came(loose, now)
    for product, (quantity, value) in loose.items():
        for span, part in enumerate(_newest_first(quantity, came.get(product, ()))):
            share = value * part / quantity
            quantities[product][span] += part
            values[product][span] += share.quantize(Decimal("0.0001"), rounding=ROUND_HALF_UP)
    return [
        AgedStock(product, *known[product], tuple(quantities[product]), tuple(values[product]))
        for product in sorted(known, key=lambda pk: known[pk][0])
    ]


def slow_movers(*, days: int = 90, search: str = "") -> list[SlowMover]:
    """Return products in stock that were not used for so many days, or last longer than a year. Two queries.

    Used is what was consumed, shipped or scrapped in the last year; the dearest first.
    """
    rows = _balances("product_id", "product__sku", "product__name", "product__unit_of_measure", search=search)
    now = timezone.now()
    known: dict[int, tuple[str, str, str]] = {}
    there: dict[int, tuple[Decimal, Decimal]] = {}
    for on_hand, _, cost, product, sku, name, unit in rows:
        known[product] = (sku, name, unit)
        quantity, value = there.get(product, (_ZERO, _ZERO))
        there[product] = (quantity + on_hand, value + round_quantity(on_hand * cost))
    moves = InventoryTransaction.objects.filter(transaction_type__in=_USED, on_hand_change__lt=0).order_by()
    if search:
        moves = moves.filter(product_id__in=there)
    used = {
        product: (last, -round_quantity(lately or _ZERO))
        for product, last, lately in moves.values_list("product_id").annotate(
            last=Max("transaction_date"),
            lately=Sum("on_hand_change", filter=Q(transaction_date__gte=now - 365 * _DAY)),
        )
    }
    found = []
    for product, (quantity, value) in there.items():
        last, lately = used.get(product, (None, _ZERO))
        idle = _days(now, last) if last else None
        left = int(quantity * 365 / lately) if lately else None
        if (idle is None or idle >= days) or left is None or left > 365:
            day = timezone.localdate(last) if last else None
            found.append(SlowMover(product, *known[product], quantity, value, lately, day, idle, left))
    return sorted(found, key=lambda row: (-row.value, row.sku))


def _balances(*fields: str, search: str = "") -> Iterable[Any]:
    balances = Inventory.objects.filter(on_hand_quantity__gt=0).order_by("id")
    if search:
        balances = balances.filter(
            Q(product__sku__icontains=search)
            | Q(product__name__icontains=search)
            | Q(lot__lot_number__icontains=search)
            | Q(location__code__icontains=search)
        )
    return balances.values_list("on_hand_quantity", "allocated_quantity", "cost_per_unit", *fields)


def _days(now: datetime.datetime, then: datetime.datetime) -> int:
    """Return how many local days ago that was."""
    return max((timezone.localdate(now) - timezone.localdate(then)).days, 0)


def _span(days: int) -> int:
    return next((span for span, last in enumerate(SPANS) if days <= last), len(SPANS))


def _came(product_ids: Iterable[int], now: datetime.datetime) -> dict[int, tuple[Decimal, ...]]:
    """Return what of each product came without a lot in each span but the last, the newest first. One query."""
    start = timezone.localtime(now).replace(hour=0, minute=0, second=0, microsecond=0)
    edges = [start + _DAY, *(start - days * _DAY for days in SPANS)]
    sums = {
        f"span{number}": Sum("on_hand_change", filter=Q(transaction_date__lt=newer, transaction_date__gte=older))
        for number, (newer, older) in enumerate(pairwise(edges))
    }
    rows = InventoryTransaction.objects.filter(
        lot__isnull=True, transaction_type__in=_INWARD, on_hand_change__gt=0, product_id__in=list(product_ids)
    )
    found = rows.order_by().values_list("product_id").annotate(**sums)
    return {row[0]: tuple(round_quantity(part or _ZERO) for part in row[1:]) for row in found}


def _newest_first(quantity: Decimal, came: Iterable[Decimal]) -> list[Decimal]:
    """Divide what is there over the spans in which it came; what is older than all receipts is in the last."""
    parts = []
    for part in came:
        taken = min(quantity, part)
        parts.append(taken)
        quantity -= taken
    return [*parts, *[_ZERO] * (len(SPANS) - len(parts)), quantity]
