"""A plan that can be changed: the order of each machine's tasks, when they run by that, and what it costs."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import chain, islice

from production.scheduling.ground import Ground, Loaded
from production.scheduling.hours import NEVER
from production.scheduling.problem import Minutes, Plan

#: Machine, start, end, filaments changed; None: unplanned.
Placed = tuple[int, Minutes, Minutes, int] | None

#: What being late costs besides each minute of it, what a change of filament costs, and what each minute costs until a
#: task is over; the first and the last times the weight of the task's priority.
LATE = 600.0
CHANGE = 20.0
WAIT = 0.002
#: What less than is no gain.
TINY = 1e-6
#: Minutes by which a time may differ and still be the same: plans are written to the second.
SAME = 1.0


@dataclass(frozen=True, slots=True)
class Cost:
    """What a plan is judged by, as ``Score`` counts it."""

    unplanned: int
    late: int
    lateness: Minutes

    def no_worse_than(self, other: Cost) -> bool:
        """Tell whether this is as good in every respect."""
        return (
            self.unplanned <= other.unplanned
            and self.late <= other.late
            and self.lateness <= other.lateness * (1 + 1e-12) + 1e-9
        )


def cost_of(ground: Ground, placed: Sequence[Placed]) -> Cost:
    """Return the cost of what is placed."""
    late, lateness, unplanned = 0, 0.0, 0
    for task, found in zip(ground.tasks, placed, strict=True):
        if found is None:
            unplanned += 1
        elif task.due is not None and found[2] > task.due:
            over = found[2] - task.due
            lateness += over
            late += over > TINY
    return Cost(unplanned, late, lateness)


def sequences_of(ground: Ground, placed: Sequence[Placed]) -> list[list[int]]:
    """Return each machine's tasks in their order."""
    sequences: list[list[int]] = [[] for _ in ground.places]
    starts = [(found[1], found[2], index, found[0]) for index, found in enumerate(placed) if found is not None]
    for _, _, index, machine in sorted(starts):
        sequences[machine].append(index)
    return sequences


class Board:
    """Sequences of tasks on machines, each task as early as its sequence lets it be.

    A change is tried and made on one machine at a time: ``earliest`` and ``latest`` hold what other machines ask of a
    task. A ``loose`` board does not mind that what depends on a task would have to wait longer; ``tighten`` runs
    everything anew afterwards, and only then all times are true.
    """

    def __init__(
        self,
        ground: Ground,
        sequences: Iterable[Iterable[int]],
        earliest: list[Minutes] | None = None,
        *,
        loose: bool = False,
        late: float = LATE,
    ) -> None:
        """Run the sequences.

        ``earliest`` are starts that are kept where nothing pushes them, ``late`` what being late costs besides each
        minute of it.
        """
        self.ground = ground
        self.late = late
        self.loose = loose
        count = len(ground.tasks)
        self.asked = ground.release if earliest is None else earliest
        #: Tasks that were run in trials and changes: the measure of the work that was done.
        self.steps = 0
        self.sequences = [list(sequence) for sequence in sequences]
        self.machine = [-1] * count
        self.start: list[Minutes] = [0.0] * count
        self.end: list[Minutes] = [0.0] * count
        self.changes = [0] * count
        self.after: list[Loaded] = [()] * count
        self.cost = [0.0] * count
        self.earliest = list(self.asked)
        self.latest: list[Minutes] = [NEVER] * count
        self._saved: dict[int, tuple[list[int], list[tuple[Minutes, Minutes, int, Loaded, float]]]] | None = None
        self.tighten()

    def tighten(self) -> None:
        """Run all sequences anew, each task as early as it can be; what cannot be planned leaves its sequence."""
        ground = self.ground
        places, following, before, lag = ground.places, ground.following, ground.before, ground.lag
        horizon = ground.problem.horizon
        sequences, self.sequences = self.sequences, [[] for _ in places]
        machine_of = [-1] * len(ground.tasks)
        for machine, sequence in enumerate(sequences):
            for index in sequence:
                machine_of[index] = machine
        self.machine = [-1] * len(ground.tasks)
        self.earliest = list(self.asked)
        self.latest = [NEVER] * len(ground.tasks)
        waiting = [len(tasks) for tasks in before]
        turn = [0] * len(places)
        todo = list(range(len(places)))
        while todo:
            machine = todo.pop()
            sequence, place, mine = sequences[machine], places[machine], self.sequences[machine]
            while turn[machine] < len(sequence):
                index = sequence[turn[machine]]
                if waiting[index] > 0:
                    break
                turn[machine] += 1
                if any(self.machine[other] < 0 for other in before[index]):
                    machine_of[index] = -1
                else:
                    if mine:
                        free, full, loaded = self.end[mine[-1]], not place.by_hand, self.after[mine[-1]]
                    else:
                        free, full, loaded = place.free_at, place.occupied, place.first
                    changes, loaded = place.load(loaded, ground.wish[index])
                    ready = place.ready(free, full, changes)
                    start, end = place.run(max(ready, self.earliest[index]), ground.minutes[index])
                    if start <= horizon and end < NEVER:
                        self._set(index, machine, start, end, changes, loaded)
                        mine.append(index)
                for other in following[index]:
                    waiting[other] -= 1
                    if not waiting[other] and machine_of[other] >= 0:
                        todo.append(machine_of[other])
        if self.loose:
            return
        for index, others in enumerate(following):
            for other in others:
                if self.machine[other] >= 0:
                    self.latest[index] = min(self.latest[index], self.start[other] - lag[other])

    def _set(self, index: int, machine: int, start: Minutes, end: Minutes, changes: int, loaded: Loaded) -> None:
        ground = self.ground
        self.machine[index] = machine
        self.start[index] = start
        self.end[index] = end
        self.changes[index] = changes
        self.after[index] = loaded
        cost = changes * CHANGE + ground.weight[index] * WAIT * end
        if end > ground.target[index] + TINY:
            cost += ground.weight[index] * (self.late + end - ground.target[index])
        self.cost[index] = cost
        for other in ground.following[index]:
            self.earliest[other] = max(self.earliest[other], end + ground.lag[other])

    def preview(self, machine: int, at: int, index: int) -> tuple[Minutes, Minutes]:
        """Return start and end of a task if it stood at a position."""
        place, sequence = self.ground.places[machine], self.sequences[machine]
        if at:
            free, full, loaded = self.end[sequence[at - 1]], not place.by_hand, self.after[sequence[at - 1]]
        else:
            free, full, loaded = place.free_at, place.occupied, place.first
        ready = place.ready(free, full, place.missing(loaded, self.ground.wish[index]))
        return place.run(max(ready, self.earliest[index]), self.ground.minutes[index])

    def trial(
        self,
        machine: int,
        at: int,
        inserted: Sequence[int],
        onward: int,
        limit: float = NEVER,
        *,
        still: bool = False,
    ) -> float:
        """Return by how much the cost would grow if ``inserted`` stood from ``at`` up to what is at ``onward``.

        ``NEVER`` when something would start after the horizon or make what waits for it wait longer; when, seen on the
        way, it is more than ``limit``; with ``still``, when what is from ``onward`` on would not keep its time.
        """
        ground = self.ground
        place, sequence = ground.places[machine], self.sequences[machine]
        wish, minutes, weight, target = ground.wish, ground.minutes, ground.weight, ground.target
        earliest, latest, ends, after, costs = self.earliest, self.latest, self.end, self.after, self.cost
        late, load, ready_at, run, horizon = self.late, place.load, place.ready, place.run, ground.problem.horizon
        by_hand, speed, change, window = place.by_hand, place.speed, place.change, place.hours.window
        is_open, hand_clear = not place.closed_ends, 0.0 if place.clears_itself else place.clear
        own_clear = place.clear if place.clears_itself else 0.0
        full = not by_hand
        if at:
            free, loaded = ends[sequence[at - 1]], after[sequence[at - 1]]
        else:
            free, full, loaded = place.free_at, place.occupied, place.first
        delta = 0.0
        for position in range(at, onward):
            delta -= costs[sequence[position]]
        left = len(inserted)
        following = ground.following
        for index in chain(inserted, islice(sequence, onward, None)):
            left -= 1
            self.steps += 1
            if following[index] and self._comes_too_late(index, machine, at, inserted[: len(inserted) - left - 1]):
                return NEVER
            changes, loaded = load(loaded, wish[index])
            # As place.ready and place.run do it, without calling them where it matters.
            if by_hand or not full:
                ready = ready_at(free, full, changes)
            else:
                length = changes * change + hand_clear
                ready = free + own_clear
                if length:
                    ready = window(ready, length) + length
            if earliest[index] > ready:
                ready = earliest[index]
            if is_open and not by_hand:
                start, end = ready, ready + minutes[index] * speed
            else:
                start, end = run(ready, minutes[index])
            if start > horizon or end > latest[index] + TINY or end == NEVER:
                return NEVER
            full = not by_hand
            cost = changes * CHANGE + weight[index] * WAIT * end
            if end > target[index] + TINY:
                cost += weight[index] * (late + end - target[index])
            delta += cost
            if left < 0:
                delta -= costs[index]
                if end == ends[index] and loaded == after[index]:
                    return delta
                if end > ends[index] + SAME if still else end > ends[index] and delta > limit:
                    return NEVER
            free = end
        return delta

    def _comes_too_late(self, index: int, machine: int, at: int, before: Sequence[int]) -> bool:
        """Tell whether something that waits for a task would stand before it on the same machine."""
        return any(
            other in before or (self.machine[other] == machine and other in self.sequences[machine][:at])
            for other in self.ground.following[index]
        )

    def make(self, machine: int, at: int, inserted: Sequence[int], onward: int) -> list[int]:
        """Do what ``trial`` tried; return the tasks whose time changed."""
        ground = self.ground
        place, sequence = ground.places[machine], self.sequences[machine]
        if self._saved is not None:
            self._save(machine)
        sequence[at:onward] = inserted
        moved: list[int] = []
        fixed = at + len(inserted)
        for position in range(at, len(sequence)):
            self.steps += 1
            index = sequence[position]
            if position:
                before = sequence[position - 1]
                free, full, loaded = self.end[before], not place.by_hand, self.after[before]
            else:
                free, full, loaded = place.free_at, place.occupied, place.first
            changes, loaded = place.load(loaded, ground.wish[index])
            start, end = place.run(max(place.ready(free, full, changes), self.earliest[index]), ground.minutes[index])
            same = end == self.end[index] and loaded == self.after[index] and start == self.start[index]
            if same and changes == self.changes[index] and self.machine[index] == machine:
                if position >= fixed:
                    break
                continue
            self._set(index, machine, start, end, changes, loaded)
            moved.append(index)
        for index in moved:
            self._tell(index)
        return moved

    def begin(self) -> None:
        """Remember from now on how things were."""
        self._saved = {}

    def _save(self, machine: int) -> None:
        if self._saved is None or machine in self._saved:
            return
        sequence = list(self.sequences[machine])
        self._saved[machine] = (
            sequence,
            [(self.start[i], self.end[i], self.changes[i], self.after[i], self.cost[i]) for i in sequence],
        )

    def keep(self) -> None:
        """Forget how things were."""
        self._saved = None

    def undo(self) -> None:
        """Make everything as it was at ``begin``."""
        saved, self._saved = self._saved or {}, None
        for machine, (sequence, times) in saved.items():
            self.sequences[machine] = sequence
            for index, time in zip(sequence, times, strict=True):
                self.machine[index] = machine
                self.start[index], self.end[index], self.changes[index], self.after[index], self.cost[index] = time
        if self.ground.is_chained:
            for sequence, _ in saved.values():
                for index in sequence:
                    self._tell(index)

    def take_out(self, index: int) -> None:
        """Take a task off its machine; what comes after it there moves up."""
        machine = self.machine[index]
        at = self.sequences[machine].index(index)
        if self._saved is not None:
            self._save(machine)
        self.machine[index] = -1
        self.make(machine, at, (), at + 1)
        self._tell(index)

    def _tell(self, index: int) -> None:
        """Let what is before and after a task know its times."""
        ground = self.ground
        if not ground.following[index] and not ground.before[index]:
            return
        for other in ground.following[index]:
            self.earliest[other] = max(
                self.asked[other],
                max(
                    (self.end[task] + ground.lag[other] for task in ground.before[other] if self.machine[task] >= 0),
                    default=0.0,
                ),
            )
        if self.loose:
            return
        for other in ground.before[index]:
            self.latest[other] = min(
                (self.start[task] - ground.lag[task] for task in ground.following[other] if self.machine[task] >= 0),
                default=NEVER,
            )

    def placed(self) -> list[Placed]:
        """Return what stands where, by task."""
        return [
            (machine, start, end, changes) if machine >= 0 else None
            for machine, start, end, changes in zip(self.machine, self.start, self.end, self.changes, strict=True)
        ]

    def plan(self, method: str) -> Plan:
        """Return it as a plan."""
        return self.ground.plan(self.placed(), method)

    def total(self) -> float:
        """Return what all of it costs."""
        return sum(cost for cost, machine in zip(self.cost, self.machine, strict=True) if machine >= 0)
