"""The planner: all items of a level at once, in whole numbers over arrays, by the rules of ``ground``.

Needs and supplies of a level lie in arrays sorted by item, day and key. What serves what is the overlap of two rows of
intervals (:func:`_overlaid`), so that a level costs a handful of sorts, however many items it has. A plan's rows are
made of these arrays when somebody asks for them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from production.errors import CircularBills, TooMuchToPlan
from production.mrp.ground import (
    FIRM,
    FLOOR,
    FORECAST,
    PER_SCALE,
    PLANNED,
    PRODUCTION,
    PURCHASE,
    SALES,
    SCALE,
    STOCK,
    Demand,
    Item,
    Key,
    Late,
    Message,
    Peg,
    Plan,
    Planned,
    Problem,
    Supply,
)
from production.mrp.memory import collecting_later

Ints = NDArray[np.int64]
Flags = NDArray[np.bool_]
#: Stock and open orders as they were given, by their row among the orders.
Rows = Sequence[Supply] | Mapping[int, Supply]
_INT = np.int64
_NONE: Ints = np.empty(0, _INT)

#: A key is one number that sorts as the key does: 4 bits kind, 40 bits id (signed), 18 bits number.
_NUMBER_BITS, _ID_BITS = 18, 40
_KIND_SHIFT = _NUMBER_BITS + _ID_BITS
_ID_OFFSET = 1 << (_ID_BITS - 1)

_USUAL = (FIRM, FLOOR, FORECAST, PLANNED, PRODUCTION, PURCHASE, SALES, STOCK)

#: Owners of needs that are nobody's components; components name their order.
OF_DEMAND, OF_FLOOR = -1, -2
_LONG_AGO = -(1 << 40)
#: Above this the product of a fraction of ``per`` and units would leave 64 bits.
_MOST_UNITS = (1 << 62) // (2 * PER_SCALE)
_MOST = 1 << 62


class Keys:
    """Turns keys into numbers and back."""

    def __init__(self, kinds: Iterable[str]) -> None:
        """Know the kinds that may come."""
        self.kinds = sorted({*kinds, *_USUAL})
        if len(self.kinds) > 1 << (62 - _KIND_SHIFT):
            raise TooMuchToPlan("There are too many kinds of demand and supply.")
        self.ranks = {kind: rank << _KIND_SHIFT for rank, kind in enumerate(self.kinds)}

    def code(self, key: Key) -> int:
        """Return the number of a key."""
        kind, pk, number = key
        if not -_ID_OFFSET <= pk < _ID_OFFSET or not 0 <= number < 1 << _NUMBER_BITS:
            raise TooMuchToPlan("An id or a number is out of range.", details={"key": list(key)})
        return self.ranks[kind] + (pk + _ID_OFFSET << _NUMBER_BITS) + number

    def codes(self, keys: Sequence[Key]) -> Ints:
        """Return the numbers of keys."""
        if not keys:
            return _NONE
        kinds, ids, numbers = zip(*keys, strict=True)
        ranks = self.ranks
        pks, positions = np.array(ids, _INT), np.array(numbers, _INT)
        if pks.min() < -_ID_OFFSET or pks.max() >= _ID_OFFSET or positions.min() < 0 or positions.max() >> _NUMBER_BITS:
            raise TooMuchToPlan("An id or a number is out of range.")
        return np.array([ranks[kind] for kind in kinds], _INT) + (pks + _ID_OFFSET << _NUMBER_BITS) + positions

    def of(self, kind: str, ids: Ints) -> Ints:
        """Return the numbers of keys of one kind with number 0."""
        return self.ranks[kind] + (ids + _ID_OFFSET << _NUMBER_BITS)

    def parts(self, codes: Ints) -> tuple[list[str], list[int], list[int]]:
        """Return kinds, ids and numbers of codes."""
        names = self.kinds
        kinds = [names[rank] for rank in (codes >> _KIND_SHIFT).tolist()]
        ids = ((codes >> _NUMBER_BITS) & ((1 << _ID_BITS) - 1)) - _ID_OFFSET
        return kinds, ids.tolist(), (codes & ((1 << _NUMBER_BITS) - 1)).tolist()

    def keys(self, codes: Ints) -> list[Key]:
        """Return the keys of codes."""
        return list(zip(*self.parts(codes), strict=True))


class Bills:
    """Bills as rows: bill ``b`` has the lines ``first[b]`` to ``first[b] + count[b]``."""

    def __init__(self, lines: Mapping[int, Sequence[tuple[int, int]]], item_ids: Ints) -> None:
        """Read the lines of components that are planned."""
        self.index = {bom: row for row, bom in enumerate(lines)}
        counts = np.fromiter(map(len, lines.values()), _INT, len(lines))
        flat = np.fromiter(chain.from_iterable(chain.from_iterable(lines.values())), _INT, int(counts.sum()) * 2)
        component, per = flat[0::2], flat[1::2]
        bill = np.repeat(np.arange(len(lines)), counts)
        at, known = located(item_ids, component)
        if not known.all():
            bill, at, per = bill[known], at[known], per[known]
        self.component, self.per = at, per.copy()
        self.first = np.searchsorted(bill, np.arange(len(lines)))
        self.count = np.bincount(bill, minlength=len(lines)) if len(lines) else _NONE

    def rows_of(self, bills: Ints) -> tuple[Ints, Ints]:
        """Return which of ``bills`` and which line, for every line of them."""
        counts = self.count[bills]
        which = np.repeat(np.arange(bills.size), counts)
        ends = np.cumsum(counts)
        total = int(ends[-1]) if ends.size else 0
        return which, np.arange(total) - np.repeat(ends - counts, counts) + np.repeat(self.first[bills], counts)

    def exploded(self, rows: Ints, units: Ints) -> Ints:
        """Return how much each line takes for so many units, as :func:`production.mrp.ground.exploded`."""
        per = self.per[rows]
        whole, part = np.divmod(per, PER_SCALE)
        if units.size and (units.max() > _MOST_UNITS or float(whole.max()) * float(units.max()) > _MOST):
            exact = (2 * per.astype(object) * units + PER_SCALE) // (2 * PER_SCALE)
            if exact.max() > _MOST:
                raise TooMuchToPlan
            return exact.astype(_INT)
        return whole * units + (2 * part * units + PER_SCALE) // (2 * PER_SCALE)


def located(sorted_ids: Ints, wanted: Ints) -> tuple[Ints, Flags]:
    """Return where ids stand, and whether they do."""
    at = np.searchsorted(sorted_ids, wanted)
    if not sorted_ids.size:
        return at, np.zeros(wanted.size, np.bool_)
    at[at == sorted_ids.size] = 0
    return at, sorted_ids[at] == wanted


def _in_order(item: Ints, day: Ints, code: Ints) -> Ints:
    """Return the order by item, day and key; most rows come sorted by key, so that this is seldom looked at."""
    if not item.size:
        return _NONE
    first_day = int(day.min())
    place = item * (int(day.max()) - first_day + 1) + (day - first_day)
    order = np.argsort(place, kind="stable")
    place, code = place[order], code[order]
    same = place[1:] == place[:-1]
    wrong = same & (code[1:] < code[:-1])
    if wrong.any():
        group = np.concatenate(([0], np.cumsum(~same)))
        mixed = np.zeros(int(group[-1]) + 1, np.bool_)
        mixed[group[1:][wrong]] = True
        rows = np.flatnonzero(mixed[group])
        order[rows] = order[rows][np.lexsort((code[rows], group[rows]))]
    return order


@dataclass
class Needs:
    """Rows of needs: ``owner`` is the order whose components they are, or who else."""

    item: Ints
    day: Ints
    code: Ints
    quantity: Ints
    owner: Ints

    @classmethod
    def of(cls, parts: Sequence[Needs]) -> Needs:
        """Return them all, by item, day and key; two with the same are one."""
        if not parts:
            return cls(_NONE, _NONE, _NONE, _NONE, _NONE)
        item, day, code, quantity, owner = (
            np.concatenate([getattr(part, name) for part in parts])
            for name in ("item", "day", "code", "quantity", "owner")
        )
        order = _in_order(item, day, code)
        item, day, code, quantity, owner = item[order], day[order], code[order], quantity[order], owner[order]
        if item.size > 1:
            new = (np.diff(item) != 0) | (np.diff(day) != 0) | (np.diff(code) != 0)
            if not new.all():
                first = np.flatnonzero(np.concatenate(([True], new)))
                quantity = np.add.reduceat(quantity, first)
                item, day, code, owner = item[first], day[first], code[first], owner[first]
        return cls(item, day, code, quantity, owner)

    def where(self, chosen: Any) -> Needs:
        """Return the chosen rows."""
        return Needs(self.item[chosen], self.day[chosen], self.code[chosen], self.quantity[chosen], self.owner[chosen])


@dataclass
class Pegs:
    """Rows of a level: so much from this order (or stock) for that need of the level, by need."""

    need: Ints
    order: Ints
    quantity: Ints


@dataclass
class Orders:
    """Rows of what serves needs: stock and open orders first, then planned ones."""

    item: Ints
    quantity: Ints
    #: Effective days: when it is there by itself; ``due`` of a planned one.
    day: Ints
    start: Ints
    code: Ints
    #: When it is ready if its components are there in time, and how long it takes after they are.
    own: Ints
    time: Ints
    #: Components that are there by then do not delay it.
    patience: Ints

    @classmethod
    def of(cls, parts: Sequence[Orders]) -> Orders:
        """Return them all."""
        names = ("item", "quantity", "day", "start", "code", "own", "time", "patience")
        return cls(*(np.concatenate([getattr(part, name) for part in parts]) for name in names))


def joined(parts: Sequence[Ints]) -> Ints:
    """Return columns one after the other."""
    return np.concatenate([_NONE, *parts])


def _bounds(item: Ints, count: int) -> Ints:
    """Return where each of ``count`` items begins in a sorted column, and where the last ends."""
    return np.searchsorted(item, np.arange(count + 1))


def _overlaid(
    need_item: Ints, wanted: Ints, order_item: Ints, offered: Ints, count: int
) -> tuple[Ints, Ints, Ints, Ints, Ints]:
    """Return pegs (need, order, quantity) of first need first from first order first, and what each gave and took."""
    need_bounds, order_bounds = _bounds(need_item, count), _bounds(order_item, count)
    need_sum = np.concatenate(([0], np.cumsum(wanted)))
    order_sum = np.concatenate(([0], np.cumsum(offered)))
    served = np.minimum(
        need_sum[need_bounds[1:]] - need_sum[need_bounds[:-1]],
        order_sum[order_bounds[1:]] - order_sum[order_bounds[:-1]],
    )
    # All items lie one after the other on one line, each as long as what is served of it.
    offset = np.cumsum(served) - served
    need_base, order_base = need_sum[need_bounds[:-1]][need_item], order_sum[order_bounds[:-1]][order_item]
    need_most, order_most = served[need_item], served[order_item]
    need_end = np.minimum(need_sum[1:] - need_base, need_most)
    order_end = np.minimum(order_sum[1:] - order_base, order_most)
    taken = need_end - np.minimum(need_sum[:-1] - need_base, need_most)
    given = order_end - np.minimum(order_sum[:-1] - order_base, order_most)
    need_end += offset[need_item]
    order_end += offset[order_item]
    ends = np.concatenate((need_end, order_end))
    ends.sort(kind="stable")
    if ends.size:
        ends = ends[np.concatenate((ends[:1] > 0, np.diff(ends) > 0))]
    quantity = np.diff(ends, prepend=0)
    return np.searchsorted(need_end, ends), np.searchsorted(order_end, ends), quantity, taken, given


@dataclass
class Given:
    """Stock and open orders: as they were given, as orders, with bill, units, and which row waits for components."""

    rows: list[Supply]
    orders: Orders
    bill: Ints
    units: Ints
    owner: Ints


class Ground:
    """A problem in arrays: what does not depend on how it is planned."""

    def __init__(self, problem: Problem) -> None:
        """Read a problem; raises ``CircularBills``."""
        self.problem = problem
        self.today = problem.today
        rows: list[Item] = sorted(problem.items.values())
        columns = np.array(rows, _INT).reshape(len(rows), 8)
        self.ids = columns[:, 0].copy()
        self.is_made = columns[:, 1] != 0
        self.lead, self.floor, self.minimum, self.multiple, self.period = (columns[:, at].copy() for at in range(2, 7))
        self.count = len(rows)
        self.bills = Bills(problem.lines, self.ids)
        index = self.bills.index
        self.bom = np.array([index.get(row.bom, -1) if row.is_made and row.bom else -1 for row in rows], _INT)
        kinds = {demand.key[0] for demand in problem.demands}
        for supply in problem.supplies:
            kinds.add(supply.key[0])
            if supply.held:
                kinds.update(key[0] for key, _ in supply.held)
        self.keys = Keys(kinds)
        self.demands = self.of_demands(problem.demands)
        self.given = self.read(problem.supplies)
        self.open = self.given.orders
        self.level = self._levels()
        self.levels = int(self.level.max()) + 1 if self.count else 0

    def of_demands(self, demands: Sequence[Demand]) -> Needs:
        """Return demands as needs."""
        if not demands:
            return Needs(_NONE, _NONE, _NONE, _NONE, _NONE)
        keys, items, quantities, days = zip(*demands, strict=True)
        at, known = located(self.ids, np.array(items, _INT))
        quantity = np.array(quantities, _INT)
        wanted = known & (quantity > 0)
        day = np.maximum(np.array(days, _INT), self.today)
        rows = Needs(at, day, self.keys.codes(keys), quantity, np.full(quantity.size, OF_DEMAND))
        return rows.where(wanted)

    def read(self, supplies: Iterable[Supply]) -> Given:
        """Return stock and open orders of the items that are planned, by item, day and key."""
        index, items = self.bills.index, self.problem.items
        rows = [row for row in supplies if row.item in items and (row.quantity > 0 or (row.bom and row.units > 0))]
        codes = self.keys.codes([row.key for row in rows])
        columns = np.array(
            [
                (row.item, row.quantity, row.day, row.start, index.get(row.bom, -1) if row.bom else -1, row.units)
                for row in rows
            ],
            _INT,
        ).reshape(len(rows), 6)
        item = np.searchsorted(self.ids, columns[:, 0])
        day = np.maximum(columns[:, 2], self.today)
        order = np.lexsort((codes, day, item))
        columns, item, day, codes = columns[order], item[order], day[order], codes[order]
        bom, units = columns[:, 4], columns[:, 5]
        start = np.maximum(columns[:, 3], self.today)
        quantity = np.maximum(columns[:, 1], 0)
        patience = np.where(bom >= 0, np.minimum(start, day), day)
        # A row that brings nothing says what else an order needs: it is the order's own row that waits for that.
        owner = np.arange(item.size)
        if (quantity == 0).any():
            brings = {code: row for row, code in enumerate(codes.tolist()) if quantity[row]}
            for row in np.flatnonzero(quantity == 0).tolist():
                owner[row] = brings.get(int(codes[row]), row)
        orders = Orders(item, quantity, day, start, codes, day.copy(), np.maximum(day - start, 0), patience)
        bill = np.where(units > 0, bom, -1)
        return Given([rows[at] for at in order.tolist()], orders, bill, np.maximum(units, 0), owner)

    def _levels(self) -> Ints:
        """Return how far down each item lies over all bills in use, from the top."""
        bill = self.given.bill
        parents = np.concatenate((np.flatnonzero(self.bom >= 0), self.open.item[bill >= 0]))
        bills = np.concatenate((self.bom[self.bom >= 0], bill[bill >= 0]))
        if not bills.size:
            return np.zeros(self.count, _INT)
        pairs = np.unique(np.stack((parents, bills), axis=1), axis=0)
        which, rows = self.bills.rows_of(pairs[:, 1])
        above, below = pairs[which, 0], self.bills.component[rows]
        waiting = np.bincount(below, minlength=self.count)
        bounds = _bounds(above, self.count)
        level = np.full(self.count, -1)
        front, depth = np.flatnonzero(waiting == 0), 0
        while front.size:
            level[front] = depth
            counts = bounds[front + 1] - bounds[front]
            ends = np.cumsum(counts)
            lines = np.arange(int(ends[-1])) - np.repeat(ends - counts - bounds[front], counts)
            reached = below[lines]
            np.subtract.at(waiting, reached, 1)
            front = np.unique(reached[waiting[reached] == 0])
            depth += 1
        if (level < 0).any():
            self._refuse_circle(above, below, level < 0)
        return level

    def _refuse_circle(self, above: Ints, below: Ints, stuck: Flags) -> None:
        inside = stuck[above] & stuck[below]
        up = dict(zip(below[inside].tolist(), above[inside].tolist(), strict=True))
        at, path = next(iter(up)), []
        while at not in path:
            path.append(at)
            at = up[at]
        circle = [int(self.ids[item]) for item in reversed(path[path.index(at) :])]
        names = ", ".join(map(str, sorted(circle)))
        raise CircularBills(f"Bills of materials go round through products {names}.", details={"items": circle})

    def components(self, orders: Ints, bills: Ints, units: Ints, days: Ints, codes: Ints) -> Needs:
        """Return what orders need of components; ``orders`` are their numbers."""
        which, rows = self.bills.rows_of(bills)
        quantity = self.bills.exploded(rows, units[which])
        needs = Needs(self.bills.component[rows], days[which], codes[which], quantity, orders[which])
        return needs if quantity.all() else needs.where(quantity > 0)

    def floors(self, items: Ints | None = None) -> Needs:
        """Return the needs of floors, of some items only where they are given."""
        item = np.flatnonzero(self.floor > 0) if items is None else items[self.floor[items] > 0]
        owner = np.full(item.size, OF_FLOOR)
        return Needs(item, self.today + self.lead[item], self.keys.of(FLOOR, self.ids[item]), self.floor[item], owner)

    def of_open_orders(self, given: Given) -> Needs:
        """Return what open orders need of components; owners count from the first row of ``given``."""
        at = np.flatnonzero(given.bill >= 0)
        orders = given.orders
        return self.components(given.owner[at], given.bill[at], given.units[at], orders.start[at], orders.code[at])


@dataclass
class Netted:
    """One level, or some items of it, netted: needs, pegs to them, and the orders that are planned."""

    needs: Needs
    pegs: Pegs
    planned: Orders


def net(
    ground: Ground,
    orders: Orders,
    rows: Rows,
    items: Ints,
    needs: Needs,
    supplies: Ints,
    first_planned: int,
) -> Netted:
    """Net some items, which are sorted: ``supplies`` say which of ``orders`` are their stock and open orders, sorted.

    ``rows`` are these as they were given. Planned orders are numbered from ``first_planned`` on.
    """
    place = np.searchsorted(items, needs.item)
    of_supply = orders.item[supplies]
    offered_at = np.searchsorted(items, of_supply)
    wanted, offered = needs.quantity.copy(), orders.quantity[supplies]
    by_holding = _hold(ground.keys, needs, wanted, rows, supplies, of_supply, offered)
    need, order, quantity, taken, _ = _overlaid(place, wanted, offered_at, offered, items.size)
    wanted -= taken
    open_left = np.flatnonzero(wanted)
    planned, planned_at = _sized(ground, items, place[open_left], needs.day[open_left], wanted[open_left])
    late_need, late_order, late_quantity, _, _ = _overlaid(
        place[open_left], wanted[open_left], planned_at, planned.quantity, items.size
    )
    pegs = Pegs(
        np.concatenate((by_holding.need, need, open_left[late_need])),
        np.concatenate((by_holding.order, supplies[order], late_order + first_planned)),
        np.concatenate((by_holding.quantity, quantity, late_quantity)),
    )
    by_need = np.lexsort((pegs.order, pegs.need)) if by_holding.need.size else np.argsort(pegs.need, kind="stable")
    pegs = Pegs(pegs.need[by_need], pegs.order[by_need], pegs.quantity[by_need])
    if by_holding.need.size:
        new = (np.diff(pegs.need) != 0) | (np.diff(pegs.order) != 0)
        if not new.all():
            first = np.flatnonzero(np.concatenate(([True], new)))
            pegs = Pegs(pegs.need[first], pegs.order[first], np.add.reduceat(pegs.quantity, first))
    return Netted(needs, pegs, planned)


def _hold(keys: Keys, needs: Needs, wanted: Ints, given: Rows, supplies: Ints, of_supply: Ints, offered: Ints) -> Pegs:
    """Give what is held to its holders; takes it off ``wanted`` and ``offered``."""
    holding = [(at, row) for at, row in enumerate(supplies.tolist()) if given[row].held]
    if not holding:
        return Pegs(_NONE, _NONE, _NONE)
    code = keys.code
    entries = [(at, row, code(key), amount) for at, row in holding for key, amount in given[row].held if amount > 0]
    codes = np.unique(np.array([entry[2] for entry in entries], _INT))
    _, held = located(codes, needs.code)
    rows = np.flatnonzero(held)
    places: dict[tuple[int, int], list[int]] = {}
    for row, item, key in zip(rows.tolist(), needs.item[rows].tolist(), needs.code[rows].tolist(), strict=True):
        places.setdefault((item, key), []).append(row)
    open_needs = dict(zip(rows.tolist(), wanted[rows].tolist(), strict=True))
    left = offered.tolist()
    item_of = of_supply.tolist()
    found: list[tuple[int, int, int]] = []
    for at, row, key, amount in entries:
        most = min(amount, left[at])
        for need in places.get((item_of[at], key), ()):
            give = min(most, open_needs[need])
            if give > 0:
                open_needs[need] -= give
                left[at] -= give
                most -= give
                found.append((need, row, give))
    offered[:] = left
    wanted[rows] = list(open_needs.values())
    columns = np.array(found, _INT).reshape(len(found), 3)
    return Pegs(columns[:, 0], columns[:, 1], columns[:, 2])


def _sized(ground: Ground, items: Ints, place: Ints, day: Ints, quantity: Ints) -> tuple[Orders, Ints]:
    """Return the orders to plan for what is uncovered, and where their items stand in ``items``."""
    if not place.size:
        return Orders(*[_NONE] * 8), _NONE
    first = np.flatnonzero(np.concatenate(([True], (np.diff(place) != 0) | (np.diff(day) != 0))))
    place, day, quantity = place[first], day[first], np.add.reduceat(quantity, first)
    of_item = items[place]
    minimum, multiple, period = ground.minimum[of_item], ground.multiple[of_item], ground.period[of_item]
    is_made = ground.is_made[of_item]
    plain = (minimum <= quantity) & (multiple <= 1) & (period <= 1) & (~is_made | (quantity % SCALE == 0))
    if not plain.all():
        # An order that brings too much, or for several days, changes those after it of the same item: one by one.
        touched = np.zeros(items.size, np.bool_)
        touched[place[~plain]] = True
        rows = touched[place]
        one_by_one = _one_by_one(
            place[rows].tolist(), day[rows].tolist(), quantity[rows].tolist(),
            minimum[rows].tolist(), multiple[rows].tolist(), period[rows].tolist(), is_made[rows].tolist(),
        )  # fmt: skip
        place, day, quantity = (
            np.concatenate((column[~rows], made))
            for column, made in zip((place, day, quantity), one_by_one, strict=True)
        )
        order = np.argsort(place, kind="stable")
        place, day, quantity = place[order], day[order], quantity[order]
    of_item = items[place]
    bounds = _bounds(place, items.size)
    number = np.arange(place.size) - bounds[:-1][place]
    if number.max() >> _NUMBER_BITS:
        raise TooMuchToPlan("A product needs too many planned orders: give it a period of supply.")
    lead = ground.lead[of_item]
    start = np.maximum(day - lead, ground.today)
    code = ground.keys.of(PLANNED, ground.ids[of_item]) + number
    return Orders(of_item, quantity, day, start, code, start + lead, lead, start), place


def _one_by_one(
    place: list[int], day: list[int], quantity: list[int], minimum: list[int], multiple: list[int],
    period: list[int], is_made: list[bool],
) -> tuple[Ints, Ints, Ints]:  # fmt: skip
    """Return item, day and quantity of the orders for uncovered quantities per item and day."""
    places: list[int] = []
    days: list[int] = []
    quantities: list[int] = []
    at, count = 0, len(place)
    item, spare = -1, 0
    while at < count:
        if place[at] != item:
            item, spare = place[at], 0
        need = quantity[at]
        if spare >= need:
            spare -= need
            at += 1
            continue
        opened, total = at, need - spare
        last = day[at] + max(period[at], 1) - 1
        at += 1
        while at < count and place[at] == item and day[at] <= last:
            total += quantity[at]
            at += 1
        size = max(total, minimum[opened])
        if multiple[opened] > 1:
            size += -size % multiple[opened]
        if is_made[opened]:
            size += -size % SCALE
        spare = size - total
        places.append(item)
        days.append(day[opened])
        quantities.append(size)
    return np.array(places, _INT), np.array(days, _INT), np.array(quantities, _INT)


@dataclass
class Solution:
    """A problem planned: levels from the top, all orders, when they are ready and which item is the reason."""

    ground: Ground
    levels: list[Netted]
    orders: Orders
    ready: Ints
    cause: Ints
    need_ready: list[Ints]
    need_cause: list[Ints]
    #: Day of the first need that each row of stock or open order serves; -1: none. And whether it serves a floor.
    first_need: Ints
    for_floor: Flags


def solve(ground: Ground) -> Solution:
    """Net and explode from the top, then see from below when everything is ready."""
    waiting: list[list[Needs]] = [[] for _ in range(ground.levels)]
    for needs in (ground.demands, ground.floors(), ground.of_open_orders(ground.given)):
        _hand_out(ground, needs, waiting)
    items_of, supplies_of = _by_level(ground)
    parts = [ground.open]
    size = ground.open.item.size
    levels: list[Netted] = []
    for depth in range(ground.levels):
        needs = Needs.of(waiting[depth])
        netted = net(ground, ground.open, ground.given.rows, items_of[depth], needs, supplies_of[depth], size)
        waiting[depth] = []
        _hand_out(ground, needs_of_planned(ground, netted.planned, size), waiting)
        levels.append(netted)
        parts.append(netted.planned)
        size += netted.planned.item.size
    return _see_ready(ground, levels, Orders.of(parts))


def _by_level(ground: Ground) -> tuple[list[Ints], list[Ints]]:
    """Return the items, and the rows of stock and open orders, of each level."""
    of_supply = ground.level[ground.open.item]
    depths = range(ground.levels)
    return (
        [np.flatnonzero(ground.level == depth) for depth in depths],
        [np.flatnonzero(of_supply == depth) for depth in depths],
    )


def needs_of_planned(ground: Ground, planned: Orders, first: int) -> Needs:
    """Return what planned orders, numbered from ``first`` on, need of components."""
    bills = ground.bom[planned.item]
    made = np.flatnonzero(bills >= 0)
    return ground.components(made + first, bills[made], planned.quantity[made], planned.start[made], planned.code[made])


def _hand_out(ground: Ground, needs: Needs, waiting: list[list[Needs]]) -> None:
    if not needs.item.size:
        return
    levels = ground.level[needs.item]
    present = np.flatnonzero(np.bincount(levels))
    for depth in present.tolist():
        waiting[depth].append(needs if present.size == 1 else needs.where(levels == depth))


def _see_ready(ground: Ground, levels: list[Netted], orders: Orders) -> Solution:
    opened = ground.open.item.size
    ready, cause = orders.own.copy(), orders.item.copy()
    last = np.full(orders.item.size, _LONG_AGO)
    last_item = np.zeros(orders.item.size, _INT)
    last_cause = np.zeros(orders.item.size, _INT)
    first_need, for_floor = np.full(opened, -1), np.zeros(opened, np.bool_)
    need_ready: list[Ints] = [_NONE] * len(levels)
    need_cause: list[Ints] = [_NONE] * len(levels)
    of_level = ground.level[orders.item]
    for depth in reversed(range(len(levels))):
        needs, pegs = levels[depth].needs, levels[depth].pegs
        delayed = np.flatnonzero((of_level == depth) & (last > _LONG_AGO))
        after = last[delayed] + orders.time[delayed]
        is_late = after > orders.own[delayed]
        delayed, after = delayed[is_late], after[is_late]
        ready[delayed], cause[delayed] = after, last_cause[delayed]
        at, why = need_readiness(needs, pegs, orders, ready, cause)
        need_ready[depth], need_cause[depth] = at, why
        note_first_needs(needs, pegs, pegs.order < opened, first_need, for_floor)
        owned = np.flatnonzero(needs.owner >= 0)
        owned = owned[at[owned] > orders.patience[needs.owner[owned]]]
        if owned.size:
            _report(needs.owner[owned], at[owned], needs.item[owned], why[owned], last, last_item, last_cause)
    return Solution(ground, levels, orders, ready, cause, need_ready, need_cause, first_need, for_floor)


def note_first_needs(needs: Needs, pegs: Pegs, chosen: Flags, first_need: Ints, for_floor: Flags) -> None:
    """Note the first need that orders serve, as far as chosen pegs tell, and whether one is a floor."""
    order, need = pegs.order[chosen], pegs.need[chosen]
    for_floor[order[needs.owner[need] == OF_FLOOR]] = True
    # Pegs stand by need and needs by day: of the pegs of an order the first one is that of its first need.
    rows, first = np.unique(order, return_index=True)
    first_need[rows] = needs.day[need[first]]


def need_readiness(needs: Needs, pegs: Pegs, orders: Orders, ready: Ints, cause: Ints) -> tuple[Ints, Ints]:
    """Return when each need is served in full, and of the late ones the item that is the reason."""
    if not needs.item.size:
        return _NONE, _NONE
    first = np.searchsorted(pegs.need, np.arange(needs.item.size))
    of_peg = ready[pegs.order]
    at = np.maximum.reduceat(of_peg, first)
    why = needs.item.copy()
    # Only a late need is asked for its reason; a component may be late for its order after that order's start only.
    late = at > np.minimum(needs.day, orders.patience[np.maximum(needs.owner, 0)])
    rows = np.flatnonzero(late[pegs.need] & (of_peg == at[pegs.need]))
    need, order = pegs.need[rows], pegs.order[rows]
    by_key = np.lexsort((orders.code[order], need))
    need, order = need[by_key], order[by_key]
    if need.size:
        head = np.flatnonzero(np.concatenate(([True], np.diff(need) != 0)))
        why[need[head]] = cause[order[head]]
    return at, why


def _report(owner: Ints, ready: Ints, item: Ints, cause: Ints, last: Ints, last_item: Ints, last_cause: Ints) -> None:
    """Tell orders of their last component: the latest, of equally late ones that with the smallest id."""
    order = np.lexsort((item, -ready, owner))
    owner, ready, item, cause = owner[order], ready[order], item[order], cause[order]
    first = np.flatnonzero(np.concatenate(([True], np.diff(owner) != 0)))
    owner, ready, item, cause = owner[first], ready[first], item[first], cause[first]
    wins = (ready > last[owner]) | ((ready == last[owner]) & (item < last_item[owner]))
    owner = owner[wins]
    last[owner], last_item[owner], last_cause[owner] = ready[wins], item[wins], cause[wins]


class ArrayPlan(Plan):
    """A plan whose rows are made when they are asked for."""

    def __init__(self, solution: Solution) -> None:
        """Keep what was solved."""
        self.__dict__["solution"] = solution

    solution: Solution

    def __eq__(self, other: object) -> bool:
        """Tell whether another plan has the same rows."""
        if not isinstance(other, Plan):
            return NotImplemented
        names = ("planned", "late", "messages", "pegs")
        return all(getattr(self, name) == getattr(other, name) for name in names)

    __hash__ = None  # type: ignore[assignment]

    @cached_property
    def planned(self) -> list[Planned]:  # type: ignore[override]
        """Return the planned orders by item and number."""
        solution = self.solution
        rows = np.arange(solution.first_need.size, solution.orders.item.size)
        return planned_rows(solution.ground, solution.orders, solution.ready, rows)

    @cached_property
    def pegs(self) -> list[Peg]:  # type: ignore[override]
        """Return the pegs by supply and need."""
        solution = self.solution
        return peg_rows(solution.ground, solution.orders, [(part.needs, part.pegs) for part in solution.levels])

    @cached_property
    def messages(self) -> list[Message]:  # type: ignore[override]
        """Return the messages by kind and order."""
        solution = self.solution
        ground, rows = solution.ground, np.arange(solution.first_need.size)
        return message_rows(ground, ground.open, ground.given.rows, solution.first_need, solution.for_floor, rows)

    @cached_property
    def late(self) -> list[Late]:  # type: ignore[override]
        """Return the late demands by key."""
        solution = self.solution
        columns = zip(solution.levels, solution.need_ready, solution.need_cause, strict=True)
        return late_rows(solution.ground, [(part.needs, ready, cause) for part, ready, cause in columns])


def planned_rows(ground: Ground, orders: Orders, ready: Ints, rows: Ints) -> list[Planned]:
    """Return planned orders by item and number."""
    rows = rows[np.argsort(orders.code[rows])]
    numbers = orders.code[rows] & ((1 << _NUMBER_BITS) - 1)
    columns = (
        ground.ids[orders.item[rows]], numbers, orders.quantity[rows], orders.start[rows], orders.day[rows], ready[rows]
    )  # fmt: skip
    return list(map(Planned._make, zip(*(column.tolist() for column in columns), strict=True)))


def peg_rows(ground: Ground, orders: Orders, parts: Sequence[tuple[Needs, Pegs]]) -> list[Peg]:
    """Return pegs by supply and need."""
    supply = joined([orders.code[pegs.order] for _, pegs in parts])
    need, item, day = (
        joined([getattr(needs, name)[pegs.need] for needs, pegs in parts]) for name in ("code", "item", "day")
    )
    quantity = joined([pegs.quantity for _, pegs in parts])
    order = np.lexsort((day, quantity, item, need, supply))
    columns = (
        ground.keys.keys(supply[order]),
        ground.keys.keys(need[order]),
        ground.ids[item[order]].tolist(),
        quantity[order].tolist(),
        day[order].tolist(),
    )
    return list(map(Peg._make, zip(*columns, strict=True)))


def message_rows(
    ground: Ground, orders: Orders, given: Rows, first_need: Ints, for_floor: Flags, rows: Ints
) -> list[Message]:
    """Return what becomes of open orders, which ``rows`` of ``orders`` are, by kind and order."""
    stock = ground.keys.ranks[STOCK] >> _KIND_SHIFT
    rows = rows[(orders.code[rows] >> _KIND_SHIFT != stock) & (orders.quantity[rows] > 0)]
    day, wanted = orders.day[rows], first_need[rows]
    # Stock that is too low already is not put off.
    may_wait = ~for_floor[rows]
    kinds = {
        "cancel": wanted < 0,
        "reschedule_in": (wanted >= 0) & (wanted < day),
        "reschedule_out": (wanted > day + ground.problem.slack_days) & may_wait,
    }
    messages = []
    for kind, chosen in kinds.items():
        for row, to_day in zip(rows[chosen].tolist(), wanted[chosen].tolist(), strict=True):
            supply, on = given[row], int(orders.day[row])
            messages.append(Message(kind, supply.key, supply.item, supply.quantity, on, on if to_day < 0 else to_day))
    return sorted(messages)


def late_rows(ground: Ground, parts: Sequence[tuple[Needs, Ints, Ints]]) -> list[Late]:
    """Return late demands by key."""
    found: list[Late] = []
    for needs, ready, cause in parts:
        rows = np.flatnonzero((needs.owner == OF_DEMAND) & (ready > needs.day))
        columns = zip(
            ground.keys.keys(needs.code[rows]),
            ground.ids[needs.item[rows]].tolist(),
            needs.quantity[rows].tolist(),
            needs.day[rows].tolist(),
            ready[rows].tolist(),
            ground.ids[cause[rows]].tolist(),
            strict=True,
        )
        found += [Late(*row) for row in columns]
    return sorted(found)


def plan(problem: Problem) -> Plan:
    """Plan by the rules of :mod:`production.mrp.ground`; the plan's rows are made when they are read.

    Raises:
        CircularBills: bills in use contain one another; ``details["items"]`` names the items.
        TooMuchToPlan: a quantity or number leaves the range that planning counts in.
    """
    with collecting_later():
        return ArrayPlan(solve(Ground(problem)))
