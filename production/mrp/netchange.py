"""Planning anew only what a change touches: the same plan, row for row, as planning everything would give.

A :class:`Planner` keeps what came out for every item. After a change it nets the items whose needs or supplies changed,
level by level, follows the orders that come out differently down to their components, and then what is ready at
another time up to the demands. What changes bills, or which products are made, is planned from scratch.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import chain

import numpy as np

from production.mrp.engine import (
    Flags,
    Ground,
    Ints,
    Needs,
    Orders,
    Pegs,
    joined,
    late_rows,
    message_rows,
    need_readiness,
    net,
    note_first_needs,
    peg_rows,
    planned_rows,
    solve,
)
from production.mrp.ground import Demand, Item, Key, Plan, Problem, Supply

_INT = np.int64
_NONE: Ints = np.empty(0, _INT)
_COLUMNS = ("item", "quantity", "day", "start", "code", "own", "time", "patience")
#: An order, or a need of one of its components: when that is ready, and which item is the reason.
_Late = tuple[int, int]


@dataclass(frozen=True)
class Change:
    """What is different for some products: all their demands and supplies as they are now, and they themselves."""

    products: Collection[int]
    demands: Sequence[Demand] = ()
    supplies: Sequence[Supply] = ()
    items: Mapping[int, Item] = field(default_factory=dict)


@dataclass
class _State:
    """What came out for one item: its needs, pegs to them (``need`` counts from 0), its supplies and planned orders."""

    needs: Needs
    pegs: Pegs
    ready: Ints
    cause: Ints
    supplies: Ints
    planned: Ints
    #: Of its needs as a component those that are late for their order, by order.
    late: dict[int, _Late]


class Planner:
    """A problem and its plan, kept so that changes cost what they touch."""

    def __init__(self, problem: Problem) -> None:
        """Plan everything."""
        self._start(problem)

    def _start(self, problem: Problem) -> None:
        self._problem: Problem | None = problem
        ground = self.ground = Ground(problem)
        solution = solve(ground)
        opened = ground.open.item.size
        #: Orders, those that are void among them; when too many are, all is planned once more.
        self.size = self.size_at_first = solution.orders.item.size
        self.orders, self.ready, self.cause = solution.orders, solution.ready, solution.cause
        rest = self.size - opened
        self.first_need = np.concatenate((solution.first_need, np.full(rest, -1)))
        self.for_floor = np.concatenate((solution.for_floor, np.zeros(rest, np.bool_)))
        self.given: dict[int, Supply] = dict(enumerate(ground.given.rows))
        #: Of an open order that needs components: row of its bill. Which row of it waits for them.
        self.bill_of = dict(enumerate(ground.given.bill.tolist()))
        self.owner_of = dict(enumerate(ground.given.owner.tolist()))
        self.late_parts: dict[int, dict[int, _Late]] = defaultdict(dict)
        self.states: dict[int, _State] = {}
        supplies = _by_item(np.arange(opened), ground.open.item)
        planned = _by_item(np.arange(opened, self.size), self.orders.item[opened:])
        for depth, netted in enumerate(solution.levels):
            items = np.flatnonzero(ground.level == depth)
            ready, cause = solution.need_ready[depth], solution.need_cause[depth]
            for item, needs, pegs, at, why in _taken_apart(items, netted.needs, netted.pegs, ready, cause):
                self.states[item] = _State(
                    needs, pegs, at, why, supplies.get(item, _NONE), planned.get(item, _NONE), {}
                )
            self._note_late(netted.needs, ready, cause)
        self.demands: dict[int, list[Demand]] = defaultdict(list)
        for demand in problem.demands:
            self.demands[demand.item].append(demand)
        self.items = dict(problem.items)
        #: Products whose rows of the plan may differ from those before the last change.
        self.touched: set[int] = set(self.items)

    def _note_late(self, needs: Needs, ready: Ints, cause: Ints) -> None:
        for row in self.late_rows(needs, ready):
            owner, item = int(needs.owner[row]), int(needs.item[row])
            found = (int(ready[row]), int(cause[row]))
            self.states[item].late[owner] = self.late_parts[owner][item] = found

    def late_rows(self, needs: Needs, ready: Ints) -> list[int]:
        """Return which needs of components are served too late for their order to start."""
        rows = np.flatnonzero(needs.owner >= 0)
        return rows[ready[rows] > self.orders.patience[needs.owner[rows]]].tolist()  # type: ignore[no-any-return]

    # --- What it knows ------------------------------------------------------------------------------------------------
    @property
    def problem(self) -> Problem:
        """Return the problem as it is after all changes."""
        if self._problem is None:
            supplies = [self.given[row] for state in self.states.values() for row in state.supplies.tolist()]
            self._problem = replace(
                self.ground.problem,
                items=dict(self.items),
                demands=list(chain.from_iterable(self.demands.values())),
                supplies=supplies,
            )
        return self._problem

    @property
    def network(self) -> Problem:
        """Return the items and bills as they are after all changes, without what is wanted and there."""
        return replace(self.ground.problem, items=self.items, demands=(), supplies=())

    def plan(self, products: Iterable[int] | None = None) -> Plan:
        """Return the plan, or the rows of some products only."""
        ground = self.ground
        chosen = self.states.values() if products is None else map(self.states.__getitem__, self._at(products))
        states = list(chosen)
        planned, opened = joined([state.planned for state in states]), joined([state.supplies for state in states])
        return Plan(
            planned_rows(ground, self.orders, self.ready, planned),
            peg_rows(ground, self.orders, [(state.needs, state.pegs) for state in states]),
            message_rows(ground, self.orders, self.given, self.first_need, self.for_floor, opened),
            late_rows(ground, [(state.needs, state.ready, state.cause) for state in states]),
        )

    def _at(self, products: Iterable[int]) -> list[int]:
        ids = np.array(sorted(products), _INT)
        return np.searchsorted(self.ground.ids, ids).tolist()  # type: ignore[no-any-return]

    # --- What changes -------------------------------------------------------------------------------------------------
    def change(self, change: Change) -> set[int]:
        """Plan what a change touches; return the products whose rows of the plan may be different now."""
        if self._needs_all(change):
            self._start(self._changed(change))
            return self.touched
        self._problem = None
        work = _Work(self)
        for product in change.products:
            self.demands[product] = []
        for demand in change.demands:
            self.demands[demand.item].append(demand)
        for product, at in zip(sorted(change.products), self._at(change.products), strict=True):
            if product in change.items:
                self._set_item(at, change.items[product])
            work.dirty[int(self.ground.level[at])].add(at)
        supplies: dict[int, list[Supply]] = {at: [] for at in self._at(change.products)}
        for supply in change.supplies:
            supplies[self._at([supply.item])[0]].append(supply)
        for at, rows in supplies.items():
            work.replace_supplies(at, rows)
        work.net_down()
        work.see_ready()
        self.touched = {int(self.ground.ids[at]) for at in work.touched}
        return self.touched

    def _needs_all(self, change: Change) -> bool:
        """Tell whether a change goes beyond what can be followed: new products or kinds, other bills."""
        ground, ranks = self.ground, self.ground.keys.ranks
        if not set(change.products) <= self.items.keys() or self.size > 2 * self.size_at_first + 1_000:
            return True
        for item in change.items.values():
            before = self.items[item.id]
            if (item.is_made, item.bom) != (before.is_made, before.bom):
                return True
        kinds = {demand.key[0] for demand in change.demands}
        for supply in change.supplies:
            kinds.add(supply.key[0])
            kinds.update(key[0] for key, _ in supply.held)
            if supply.bom and supply.units > 0:
                bill = ground.bills.index.get(supply.bom)
                if bill is None:
                    return True
                _, lines = ground.bills.rows_of(np.array([bill]))
                above = ground.level[self._at([supply.item])[0]]
                if (ground.level[ground.bills.component[lines]] <= above).any():
                    return True
        return not kinds <= ranks.keys()

    def _changed(self, change: Change) -> Problem:
        """Return the problem after a change."""
        before, products = self.problem, set(change.products)
        return replace(
            before,
            items={**before.items, **change.items},
            demands=[*(row for row in before.demands if row.item not in products), *change.demands],
            supplies=[*(row for row in before.supplies if row.item not in products), *change.supplies],
        )

    def _set_item(self, at: int, item: Item) -> None:
        ground = self.ground
        self.items[item.id] = item
        ground.lead[at], ground.floor[at], ground.minimum[at] = item.lead_days, item.floor, item.minimum
        ground.multiple[at], ground.period[at] = item.multiple, item.period_days

    def add_orders(self, rows: Orders) -> Ints:
        """Keep new orders; return their numbers."""
        first, self.size = self.size, self.size + rows.item.size
        if self.size > self.orders.item.size:
            more = self.size
            self.orders = Orders(*(_longer(getattr(self.orders, name), more) for name in _COLUMNS))
            self.ready, self.cause = _longer(self.ready, more), _longer(self.cause, more)
            self.first_need = _longer(self.first_need, more)
            self.for_floor = np.concatenate((self.for_floor, np.zeros(more, np.bool_)))
        numbers = np.arange(first, self.size)
        self.set_orders(numbers, rows)
        return numbers

    def set_orders(self, numbers: Ints, rows: Orders) -> None:
        """Set the columns of orders."""
        for name in _COLUMNS:
            getattr(self.orders, name)[numbers] = getattr(rows, name)
        self.ready[numbers], self.cause[numbers] = rows.own, rows.item


class _Work:
    """One change being worked in."""

    def __init__(self, planner: Planner) -> None:
        self.planner = planner
        self.ground = planner.ground
        #: By level: items to net anew, needs that are new there, orders to look at again.
        self.dirty: dict[int, set[int]] = defaultdict(set)
        self.added: dict[int, list[Needs]] = defaultdict(list)
        self.again: dict[int, set[int]] = defaultdict(set)
        #: Orders whose needs of components are void.
        self.void: list[int] = []
        self.touched: set[int] = set()

    def replace_supplies(self, at: int, rows: Sequence[Supply]) -> None:
        """Take what an item's stock and open orders are now; what stayed keeps its number."""
        planner, state = self.planner, self.planner.states[at]
        old: dict[Key, list[int]] = defaultdict(list)
        for number in state.supplies.tolist():
            old[planner.given[number].key].append(number)
        new: dict[Key, list[Supply]] = defaultdict(list)
        for row in rows:
            if row.quantity > 0 or (row.bom and row.units > 0):
                new[row.key].append(row)
        kept, fresh = [], []
        for key, group in new.items():
            if sorted(planner.given[number] for number in old.get(key, [])) == sorted(group):
                kept += old.pop(key)
            else:
                fresh += group
        for number in chain.from_iterable(old.values()):
            bill = planner.bill_of[number]
            if bill >= 0:
                self._void([planner.owner_of[number]], np.array([bill]))
        given = self.ground.read(fresh)
        numbers = planner.add_orders(given.orders)
        first = int(numbers[0]) if numbers.size else 0
        for place, number in enumerate(numbers.tolist()):
            planner.given[number] = given.rows[place]
            planner.bill_of[number] = int(given.bill[place])
            planner.owner_of[number] = first + int(given.owner[place])
        needs = self.ground.of_open_orders(given)
        needs.owner = needs.owner + first
        self._hand_out(needs)
        every = np.array([*kept, *numbers.tolist()], _INT)
        orders = planner.orders
        planner.states[at] = replace(state, supplies=every[np.lexsort((orders.code[every], orders.day[every]))])

    def _void(self, owners: Sequence[int], bills: Ints) -> None:
        """Drop what orders need of their components, which are netted anew."""
        self.void += owners
        _, lines = self.ground.bills.rows_of(bills)
        for at in np.unique(self.ground.bills.component[lines]).tolist():
            self.dirty[int(self.ground.level[at])].add(at)

    def _hand_out(self, needs: Needs) -> None:
        levels = self.ground.level[needs.item]
        for depth in np.unique(levels).tolist():
            part = needs.where(levels == depth)
            self.added[depth].append(part)
            self.dirty[depth].update(np.unique(part.item).tolist())

    def net_down(self) -> None:
        """Net the items that changed from the top, and the components of what comes out differently."""
        for depth in range(self.ground.levels):
            if self.dirty[depth]:
                self._net(np.array(sorted(self.dirty[depth]), _INT), self.added[depth])

    def _net(self, items: Ints, added: list[Needs]) -> None:
        planner, ground = self.planner, self.ground
        states = [planner.states[at] for at in items.tolist()]
        kept = Needs(
            *(joined([getattr(s.needs, name) for s in states]) for name in ("item", "day", "code", "quantity", "owner"))
        )
        kept = kept.where((kept.owner >= 0) & ~np.isin(kept.owner, np.array(self.void, _INT)))
        wanted = [row for at in items.tolist() for row in planner.demands.get(int(ground.ids[at]), ())]
        needs = Needs.of([kept, *added, ground.of_demands(wanted), ground.floors(items)])
        supplies = joined([state.supplies for state in states])
        first = planner.orders.item.size
        netted = net(ground, planner.orders, planner.given, items, needs, supplies, first)
        pegs, planned = netted.pegs, netted.planned
        numbers = self._numbered(joined([state.planned for state in states]), planned)
        of_plan = pegs.order >= first
        pegs.order[of_plan] = numbers[pegs.order[of_plan] - first]
        planner.first_need[supplies], planner.for_floor[supplies] = -1, False
        note_first_needs(needs, pegs, ~of_plan, planner.first_need, planner.for_floor)
        mine = _by_item(numbers, planned.item)
        blank = np.zeros(needs.item.size, _INT)
        for at, part, its_pegs, ready, cause in _taken_apart(items, needs, pegs, blank, blank):
            before, its_planned = planner.states[at], mine.get(at, _NONE)
            planner.states[at] = _State(part, its_pegs, ready, cause, before.supplies, its_planned, before.late)
            self.again[int(ground.level[at])].update(before.supplies.tolist(), its_planned.tolist())

    def _numbered(self, old: Ints, planned: Orders) -> Ints:
        """Give planned orders the numbers that they had; what came out differently is exploded anew."""
        planner, ground, orders = self.planner, self.ground, self.planner.orders
        old = old[np.argsort(orders.code[old])]
        codes = orders.code[old]
        place = np.minimum(np.searchsorted(codes, planned.code), max(old.size - 1, 0))
        known = codes[place] == planned.code if old.size else np.zeros(planned.item.size, np.bool_)
        numbers = np.full(planned.item.size, -1)
        numbers[known] = old[place[known]]
        differs = ~known
        same = numbers[known]
        differs[known] = (orders.quantity[same] != planned.quantity[known]) | (
            orders.start[same] != planned.start[known]
        )
        gone = old[~np.isin(codes, planned.code)]
        changed = np.concatenate((gone, numbers[differs & known]))
        bills = ground.bom[orders.item[changed]]
        self._void(changed[bills >= 0].tolist(), np.unique(bills[bills >= 0]))
        planner.set_orders(same, _of(planned, known))
        numbers[~known] = planner.add_orders(_of(planned, ~known))
        rows = np.flatnonzero(differs & (ground.bom[planned.item] >= 0))
        self._hand_out(
            ground.components(
                numbers[rows], ground.bom[planned.item[rows]], planned.quantity[rows], planned.start[rows],
                planned.code[rows],
            )
        )  # fmt: skip
        return numbers

    def see_ready(self) -> None:
        """See from below what is ready at another time, up to the demands."""
        planner = self.planner
        for depth in reversed(range(self.ground.levels)):
            moved = set(self.dirty[depth])
            for number in self.again[depth]:
                before = (int(planner.ready[number]), int(planner.cause[number]))
                if self._order_ready(number) != before:
                    moved.add(int(planner.orders.item[number]))
            if not moved:
                continue
            self.touched |= moved
            self._see_needs(np.array(sorted(moved), _INT))

    def _see_needs(self, items: Ints) -> None:
        """See when the needs of items are served, and tell the orders whose components these are."""
        planner, level = self.planner, self.ground.level
        states = [planner.states[at] for at in items.tolist()]
        needs, pegs = _together(states)
        ready, cause = need_readiness(needs, pegs, planner.orders, planner.ready, planner.cause)
        late: dict[int, dict[int, _Late]] = defaultdict(dict)
        for row in planner.late_rows(needs, ready):
            late[int(needs.item[row])][int(needs.owner[row])] = (int(ready[row]), int(cause[row]))
        bounds = np.cumsum([0, *(state.needs.item.size for state in states)]).tolist()
        for at, state, begin, end in zip(items.tolist(), states, bounds[:-1], bounds[1:], strict=True):
            state.ready, state.cause = ready[begin:end], cause[begin:end]
            before, state.late = state.late, late.get(at, {})
            for owner in before.keys() | state.late.keys():
                found = state.late.get(owner)
                if found == before.get(owner):
                    continue
                if found is None:
                    del planner.late_parts[owner][at]
                else:
                    planner.late_parts[owner][at] = found
                self.again[int(level[planner.orders.item[owner]])].add(owner)

    def _order_ready(self, number: int) -> _Late:
        planner, orders = self.planner, self.planner.orders
        at, why = int(orders.own[number]), int(orders.item[number])
        parts = planner.late_parts.get(number)
        if parts:
            _, (ready, cause) = min(parts.items(), key=lambda part: (-part[1][0], part[0]))
            if ready + int(orders.time[number]) > at:
                at, why = ready + int(orders.time[number]), cause
        planner.ready[number], planner.cause[number] = at, why
        return at, why


def _together(states: Sequence[_State]) -> tuple[Needs, Pegs]:
    """Return the needs and pegs of several items as one row each."""
    needs = Needs(
        *(joined([getattr(s.needs, name) for s in states]) for name in ("item", "day", "code", "quantity", "owner"))
    )
    begins = np.cumsum([0, *(state.needs.item.size for state in states[:-1])])
    pegs = Pegs(
        joined([state.pegs.need + begin for state, begin in zip(states, begins, strict=True)]),
        joined([state.pegs.order for state in states]),
        joined([state.pegs.quantity for state in states]),
    )
    return needs, pegs


def _taken_apart(
    items: Ints, needs: Needs, pegs: Pegs, ready: Ints, cause: Ints
) -> Iterator[tuple[int, Needs, Pegs, Ints, Ints]]:
    """Yield the rows of each of some items, which are sorted; what is needed of none of them is not there."""
    begins = np.searchsorted(needs.item, items)
    ends = np.searchsorted(needs.item, items, side="right")
    peg_begins, peg_ends = np.searchsorted(pegs.need, begins), np.searchsorted(pegs.need, ends)
    local = pegs.need - np.repeat(begins, peg_ends - peg_begins)
    bounds = zip(items.tolist(), begins.tolist(), ends.tolist(), peg_begins.tolist(), peg_ends.tolist(), strict=True)
    for item, begin, end, first, last in bounds:
        yield (
            item,
            needs.where(slice(begin, end)),
            Pegs(local[first:last], pegs.order[first:last], pegs.quantity[first:last]),
            ready[begin:end],
            cause[begin:end],
        )


def _by_item(numbers: Ints, item: Ints) -> dict[int, Ints]:
    """Return numbers of orders by their item."""
    if not numbers.size:
        return {}
    order = np.argsort(item, kind="stable")
    numbers, item = numbers[order], item[order]
    present, first = np.unique(item, return_index=True)
    return dict(zip(present.tolist(), np.split(numbers, first[1:]), strict=True))


def _of(orders: Orders, chosen: Flags) -> Orders:
    return Orders(*(getattr(orders, name)[chosen] for name in _COLUMNS))


def _longer(column: Ints, by: int) -> Ints:
    return np.concatenate((column, np.zeros(by, _INT)))
