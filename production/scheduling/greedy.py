"""The planner: machines in the order in which they come free, each takes what suits it best; then it is improved."""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right, insort
from heapq import heapify, heappop, heappush

from production.scheduling import edd
from production.scheduling.board import LATE, Board, cost_of, sequences_of
from production.scheduling.ground import DAY, Ground, Loaded, Materials, Place
from production.scheduling.hours import NEVER
from production.scheduling.problem import Minutes, Plan, Problem
from production.scheduling.search import improve_board

#: How many groups of tasks, the most urgent first, a machine that comes free looks at; how many of those that want a
#: material it has loaded; how many tasks of each; and in how many of them it looks for the length that suits the hour.
LOOK = 6
LOADED = 3
DEEP = 2
FIT = 3
#: After how long a task without a due time is wanted, by priority: it only decides what goes first.
WANTED = {1: 30 * DAY, 2: 14 * DAY, 3: 3 * DAY, 4: 0.0}
#: By how much a priority is looked at earlier than its due time says.
AHEAD = {1: -2 * DAY, 2: 0.0, 3: DAY, 4: 3 * DAY}


def schedule(problem: Problem) -> Plan:
    """Plan every task that a machine can do; never worse than by earliest due date.

    Not worse means: no more tasks unplanned, no more late, and no more lateness in sum than ``edd.by_due_date``, which
    takes higher priorities first. The work grows with the number of tasks and not with the size of their backlog.
    """
    ground = Ground(problem)
    plain = edd.run(ground)
    bound = cost_of(ground, plain)
    for sequences in (dispatch(ground), sequences_of(ground, plain)):
        for late in (LATE, 0.0):
            found = Board(ground, sequences, late=late)
            improve_board(found)
            if cost_of(ground, found.placed()).no_worse_than(bound):
                return found.plan("greedy")
            sequences = found.sequences
    return ground.plan(plain, "earliest due date")


class _Group:
    """Tasks that want the same machines and materials, by urgency and by length."""

    __slots__ = ("by_length", "by_urgency", "heads", "materials", "number", "pools", "wish")

    def __init__(self, number: int, wish: int, materials: Materials) -> None:
        self.number = number
        self.wish = wish
        self.materials = materials
        self.by_urgency: list[tuple[Minutes, int]] = []
        self.by_length: list[tuple[Minutes, int]] = []
        self.pools: list[_Pool] = []
        #: Those of the pools in which it stands with its most urgent task.
        self.heads: list[list[tuple[Minutes, int]]] = []

    def lead(self, before: Minutes | None, now: Minutes | None) -> None:
        """Another task is the most urgent, or there is none."""
        old, new = (before or 0.0, self.number), (now or 0.0, self.number)
        for heads in self.heads:
            if before is not None:
                del heads[bisect_left(heads, old)]
            if now is not None:
                insort(heads, new)


class _Pool:
    """What machines that can do the same may choose from."""

    __slots__ = ("by_material", "heads", "sleeping")

    def __init__(self) -> None:
        #: Urgency of each group's most urgent task, and the group's number.
        self.heads: list[tuple[Minutes, int]] = []
        #: The same by each material that is wanted.
        self.by_material: dict[int, list[tuple[Minutes, int]]] = {}
        #: Machines that found nothing to do.
        self.sleeping: list[int] = []


class _Dispatch:
    """One walk through time."""

    def __init__(self, ground: Ground, patience: float) -> None:
        self.ground = ground
        self.patience = patience
        tasks, target = ground.tasks, ground.target
        self.wanted = [
            ground.release[index] + WANTED[_band(task.priority)] if target[index] == NEVER else target[index]
            for index, task in enumerate(tasks)
        ]
        self.urgency = [self.wanted[index] - AHEAD[_band(task.priority)] for index, task in enumerate(tasks)]
        self.heaviness = [math.log(weight) for weight in ground.weight]
        self.earliest = list(ground.release)
        self.ends = [0.0] * len(tasks)
        self.waiting = [len(before) for before in ground.before]
        self.groups: list[_Group] = []
        self.group_of = self._grouped()
        self.pool_of = self._pools()
        self.free = [place.free_at for place in ground.places]
        self.full = [place.occupied for place in ground.places]
        self.loaded: list[Loaded] = [place.first for place in ground.places]
        self.sequences: list[list[int]] = [[] for _ in ground.places]

    def _grouped(self) -> list[_Group | None]:
        known: dict[tuple[tuple[int, ...], int], _Group] = {}
        group_of: list[_Group | None] = [None] * len(self.ground.tasks)
        for index in self.ground.order:
            key = self.ground.allowed[index], self.ground.wish[index]
            group = known.get(key)
            if group is None:
                group = known[key] = _Group(len(self.groups), key[1], self.ground.sets[key[1]])
                self.groups.append(group)
            group_of[index] = group
        self.routes = [route for route, _ in known]
        return group_of

    def _pools(self) -> list[_Pool | None]:
        routes_of: list[list[int]] = [[] for _ in self.ground.places]
        for number, route in enumerate(self.routes):
            for machine in route:
                routes_of[machine].append(number)
        pools: dict[tuple[int, ...], _Pool] = {}
        pool_of: list[_Pool | None] = []
        for numbers in routes_of:
            key = tuple(numbers)
            if not key:
                pool_of.append(None)
                continue
            if key not in pools:
                pool = pools[key] = _Pool()
                for number in key:
                    group = self.groups[number]
                    group.pools.append(pool)
                    group.heads.append(pool.heads)
                    group.heads += [pool.by_material.setdefault(material, []) for material in group.materials]
            pool_of.append(pools[key])
        return pool_of

    def run(self) -> list[list[int]]:
        """Return each machine's tasks in their order."""
        ground, pool_of, horizon = self.ground, self.pool_of, self.ground.problem.horizon
        arrivals = [(self.earliest[index], index) for index in ground.order if not self.waiting[index]]
        heapify(arrivals)
        machines = [
            (place.ready(place.free_at, place.occupied, 0), 0, machine)
            for machine, place in enumerate(ground.places)
            if pool_of[machine] is not None
        ]
        heapify(machines)
        while arrivals or machines:
            if arrivals and (not machines or arrivals[0][0] <= machines[0][0]):
                at, index = heappop(arrivals)
                if at <= horizon:
                    self._arrive(index, at, machines)
                continue
            at, _, machine = heappop(machines)
            pool = pool_of[machine]
            if pool is None or at > horizon:
                continue
            chosen = self._choose(machine, pool)
            if chosen < 0:
                pool.sleeping.append(machine)
                continue
            again = self._take(machine, chosen, arrivals)
            if again != NEVER:
                heappush(machines, (again, 0, machine))
        return self.sequences

    def _arrive(self, index: int, at: Minutes, machines: list[tuple[Minutes, int, int]]) -> None:
        """A task can be begun from now on; machines that slept look at it."""
        group = self.group_of[index]
        if group is None:
            return
        entry = self.urgency[index], index
        head = group.by_urgency[0] if group.by_urgency else None
        insort(group.by_urgency, entry)
        insort(group.by_length, (self.ground.minutes[index], index))
        if head is None or entry < head:
            group.lead(None if head is None else head[0], entry[0])
        for pool in group.pools:
            if pool.sleeping:
                for machine in pool.sleeping:
                    place = self.ground.places[machine]
                    changes = place.missing(self.loaded[machine], group.wish)
                    ready = place.ready(self.free[machine], self.full[machine], changes)
                    if ready != NEVER:
                        heappush(machines, (max(at, ready), changes, machine))
                pool.sleeping.clear()

    def _remove(self, index: int) -> None:
        group = self.group_of[index]
        if group is None:
            return
        by_urgency = group.by_urgency
        entry = self.urgency[index], index
        found = bisect_left(by_urgency, entry)
        del by_urgency[found]
        del group.by_length[bisect_left(group.by_length, (self.ground.minutes[index], index))]
        if not found:
            group.lead(entry[0], by_urgency[0][0] if by_urgency else None)

    def _choose(self, machine: int, pool: _Pool) -> int:
        """Return the task that suits the machine best now; -1 for none.

        It is the one of the most weight for the machine's time until it can be used again, the less the more time it
        has left, and the less the more of that time goes by with nothing printing: so what is long goes last before
        people leave, and what is loaded goes before what is not.
        """
        place, loaded, groups = self.ground.places[machine], self.loaded[machine], self.groups
        near = [number for _, number in pool.heads[:LOOK]]
        if len(pool.heads) > LOOK:
            for material in loaded:
                near += [number for _, number in pool.by_material.get(material, ())[:LOADED] if number not in near]
        free, full, speed, by_hand = self.free[machine], self.full[machine], place.speed, place.by_hand
        wanted, minutes, heaviness, earliest = self.wanted, self.ground.minutes, self.heaviness, self.earliest
        hours, clear, patience, horizon = place.hours, place.clear, self.patience, self.ground.problem.horizon
        needs_person = not by_hand and not place.clears_itself
        since = place.ready(free, full, 0)
        count = len(minutes)
        ready_by_changes: dict[int, tuple[Minutes, Minutes, Minutes, Minutes]] = {}
        best, chosen = -math.inf, -1
        for turn, number in enumerate(near):
            group = groups[number]
            changes = place.missing(loaded, group.wish)
            if changes and turn >= LOOK:
                continue
            times = ready_by_changes.get(changes)
            if times is None:
                times = ready_by_changes[changes] = self._around(place, place.ready(free, full, changes))
            ready, leave, back, shut = times
            if ready > horizon:
                continue
            candidates = group.by_urgency[:DEEP]
            if (turn < FIT or not changes) and back < NEVER and len(group.by_length) > DEEP:
                # The longest that is over when people leave, and the longest that is over when they come back.
                lengths = group.by_length
                for until in (leave - clear - ready, back - ready):
                    found = bisect_right(lengths, (until / speed, count)) - 1
                    if found >= 0:
                        candidates.append(lengths[found])
            for _, index in candidates:
                length = minutes[index] * speed
                start = ready if ready > earliest[index] else earliest[index]
                end = start + length
                if end > shut:
                    start, end = place.run(start, minutes[index])
                    if start > horizon or end == NEVER:
                        continue
                again = end
                if needs_person:
                    if end + clear <= leave:
                        again = end + clear
                    elif leave <= end <= back:
                        again = back + clear
                    else:
                        again = hours.window(end, clear) + clear
                        if again == NEVER:
                            again = end + DAY
                slack = wanted[index] - end
                value = (
                    heaviness[index]
                    - (slack / patience if slack > 0 else 0.0)
                    - 2.0 * math.log(again - since + 1.0)
                    + math.log(length + 1.0)
                    - 0.35 * changes
                )
                if value > best:
                    best, chosen = value, index
        return chosen

    @staticmethod
    def _around(place: Place, ready: Minutes) -> tuple[Minutes, Minutes, Minutes, Minutes]:
        """Return ``ready``, when people then leave and come back, and until when whatever starts is not stopped."""
        if ready == NEVER:
            return NEVER, NEVER, NEVER, NEVER
        if place.by_hand:
            return ready, NEVER, NEVER, -1.0
        hours = place.hours
        found = bisect_right(hours.ends, ready)
        leave = hours.ends[found] if found < len(hours.ends) else NEVER
        back = hours.starts[found + 1] if found + 1 < len(hours.ends) else NEVER
        found = bisect_right(place.closed_ends, ready)
        return ready, leave, back, place.closed_starts[found] if found < len(place.closed_ends) else NEVER

    def _take(self, machine: int, index: int, arrivals: list[tuple[Minutes, int]]) -> Minutes:
        """Put a task on a machine; return when the machine can be looked at again."""
        ground = self.ground
        place = ground.places[machine]
        self._remove(index)
        changes, self.loaded[machine] = place.load(self.loaded[machine], ground.wish[index])
        ready = place.ready(self.free[machine], self.full[machine], changes)
        _, end = place.run(max(ready, self.earliest[index]), ground.minutes[index])
        self.free[machine] = end
        self.full[machine] = not place.by_hand
        self.sequences[machine].append(index)
        self.ends[index] = end
        for other in ground.following[index]:
            self.earliest[other] = max(self.earliest[other], end + ground.lag[other])
            self.waiting[other] -= 1
            if not self.waiting[other] and self.group_of[other] is not None:
                heappush(arrivals, (self.earliest[other], other))
        return place.ready(end, self.full[machine], 0)


def _band(priority: int) -> int:
    return min(max(priority, 1), 4)


def dispatch(ground: Ground) -> list[list[int]]:
    """Return each machine's tasks in their order."""
    mean = sum(ground.minutes) / len(ground.minutes) if ground.minutes else 1.0
    return _Dispatch(ground, 2.0 * mean + 1.0).run()
