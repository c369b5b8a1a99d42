"""What material planning works on and what it answers: plain rows.

Quantities are whole ten-thousandths of the stock unit (``SCALE``), days are ordinals of dates; no float comes near
either. A :data:`Key` names who needs or brings something: kind, id, and the number of a planned order of that item.

The rules, which the engine and the tests' slow reference both keep to:

1. ``today`` is T. What was due before T is due at T. A need without a date is due at T.
2. An item's level is the longest way down to it over all bills in use. Levels are planned from the top, so that every
   need of an item is known before it is netted: it is netted first and exploded then.
3. The needs of an item are the demands for it; the components of open production orders, each line rounded half up, on
   the day on which the order starts; the components of planned orders of the items above it, on the day on which
   those start; and its floor (safety stock or reorder point), on day T + lead time, because nothing can bring it
   earlier. They are met in the order of (day, key); two needs with one key and day are one.
4. Supplies of an item are its stock at T and its open orders (purchase orders in every open state, open production
   orders, firm planned orders) on their day; they are used in the order of (day, key).
5. What a supply is held for it gives to these first: reserved stock to its holder, a production order to the order
   line that it is made for. What its holder does not need, or needs no longer, is free for all.
6. What is still needed takes what is still there, first need first, earliest supply first, also when the supply comes
   later than the need: that is a message to bring it forward, not a reason to order twice.
7. What is left uncovered makes planned orders: the first uncovered need opens one on its day d; it takes in the
   uncovered needs up to day d + period of supply - 1 (period 0 and 1: day d alone); its quantity is their sum, at
   least the minimum, rounded up to the multiple, and to whole units where the item is made. What it brings too much
   serves the needs after it before a further one is opened.
8. A planned order is due on d and starts lead time days earlier, but not before T. One that is made needs the lines of
   the item's active bill, each rounded half up, on the day on which it starts; scrap and expected yield are in ``per``.
9. Messages go to open orders: ``cancel`` where nothing needs it, ``reschedule_in`` to the day of the first need it
   serves when that is before its own, ``reschedule_out`` when that is more than ``slack_days`` later and the order
   serves no floor: stock that is too low already is not put off.
10. Ready: stock at T; a purchase order on its day; what is ordered anew not before T + lead time and not before d; what
    is made moreover not before its last component is there and its lead time (an open order: its own time from start to
    day) is over. A need is late when what serves it is ready after its day. Of each late demand the plan names the
    item that is the reason: follow the latest supply down as long as a component of it is what delays it.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

#: Quantities are counted in ten-thousandths, as stock is kept.
SCALE = 10_000
#: ``per`` of a bill's line: component units for one unit of the parent, in 10 ** -8.
PER_SCALE = 100_000_000

_LAST = datetime.date.max.toordinal()

#: Who needs or brings something: kind, id, number. The number is 0 but for planned orders, whose id is their item's.
Key = tuple[str, int, int]

STOCK = "stock"
PURCHASE = "purchase_order_line"
PRODUCTION = "production_order"
FIRM = "firm_order"
PLANNED = "planned"
FLOOR = "floor"
FORECAST = "forecast"
SALES = "sales_order_line"


class Item(NamedTuple):
    """A product as planning sees it; quantities are scaled, 0 where there is none."""

    id: int
    is_made: bool
    lead_days: int = 0
    floor: int = 0
    minimum: int = 0
    multiple: int = 0
    period_days: int = 0
    #: Its active bill in ``Problem.lines``; 0: none.
    bom: int = 0


class Demand(NamedTuple):
    """Somebody outside of production who needs so much of an item on a day."""

    key: Key
    item: int
    quantity: int
    day: int


class Supply(NamedTuple):
    """Stock, or an open order that brings so much of an item on a day.

    ``held`` says who it is for: (key of the need, quantity). Of a production order or a firm order to make, ``bom`` is
    its bill, ``units`` is how much of it still needs material, and ``start`` when it needs that.
    """

    key: Key
    item: int
    quantity: int
    day: int
    held: tuple[tuple[Key, int], ...] = ()
    bom: int = 0
    units: int = 0
    start: int = 0


class Planned(NamedTuple):
    """An order that should be placed: to make or to buy."""

    item: int
    number: int
    quantity: int
    start: int
    due: int
    ready: int

    @property
    def key(self) -> Key:
        """Return what pegs call it."""
        return (PLANNED, self.item, self.number)


class Peg(NamedTuple):
    """So much of an item from this supply serves this need, which is on ``day``."""

    supply: Key
    need: Key
    item: int
    quantity: int
    day: int


class Message(NamedTuple):
    """What should become of an open order: ``cancel``, ``reschedule_in`` or ``reschedule_out`` to a day."""

    kind: str
    supply: Key
    item: int
    quantity: int
    day: int
    to_day: int


class Late(NamedTuple):
    """A demand that will be served after its day, and the item that is the reason."""

    key: Key
    item: int
    quantity: int
    day: int
    ready: int
    cause: int


@dataclass(frozen=True)
class Problem:
    """Everything that planning knows. ``lines``: bill -> (component, per) in ``PER_SCALE``."""

    today: int
    items: Mapping[int, Item]
    lines: Mapping[int, Sequence[tuple[int, int]]] = field(default_factory=dict)
    demands: Sequence[Demand] = ()
    supplies: Sequence[Supply] = ()
    slack_days: int = 5


@dataclass(frozen=True)
class Plan:
    """The answer, each list in the order of its fields."""

    planned: list[Planned]
    pegs: list[Peg]
    messages: list[Message]
    late: list[Late]


def date_of(day: int) -> datetime.date:
    """Return the date of an ordinal; what comes after the last date there is, or before the first, is that one.

    Somebody writes 9999-12-31 for a day that nobody knows, and what waits for it is ready after that.
    """
    return datetime.date.fromordinal(min(max(day, 1), _LAST))


def exploded(per: int, units: int) -> int:
    """Return how much of a component so many scaled units take: half up, scaled."""
    return (2 * per * units + PER_SCALE) // (2 * PER_SCALE)
