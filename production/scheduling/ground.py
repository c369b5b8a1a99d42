"""A problem laid out for counting: numbers in lists instead of objects, the rules of machines as functions."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence

from production.scheduling.hours import NEVER, Hours, merged, without
from production.scheduling.problem import Assignment, Machine, Minutes, Plan, Problem, Task

#: What an hour of lateness weighs, by priority.
WEIGHTS = {1: 1.0, 2: 4.0, 3: 16.0, 4: 64.0}
DAY = 24 * 60.0
Materials = tuple[int, ...]
#: What is in a machine's slots, longest unused first.
Loaded = tuple[int, ...]


def weight_of(priority: int) -> float:
    """Return what a priority weighs; those out of range count as the nearest."""
    return WEIGHTS[min(max(priority, 1), 4)]


class Place:
    """A machine: what a task needs on it, and when it can start."""

    __slots__ = (
        "_sets",
        "by_hand",
        "change",
        "clear",
        "clears_itself",
        "closed_ends",
        "closed_starts",
        "first",
        "free_at",
        "hours",
        "key",
        "occupied",
        "slots",
        "speed",
    )

    def __init__(self, machine: Machine, problem: Problem, hours: Hours, sets: Sequence[Materials]) -> None:
        """Lay out a machine; ``hours`` are those of its people, ``sets`` the sets of materials by number."""
        self.key = machine.key
        self.free_at = max(machine.free_at, 0.0)
        self.by_hand = machine.by_hand
        self.clears_itself = machine.clears_itself
        self.occupied = machine.occupied and not machine.by_hand
        self.slots = machine.slots
        self.speed = machine.speed
        self.clear = problem.clear_minutes
        self.change = problem.change_minutes
        self.hours = hours
        closed = merged(machine.closed)
        self.closed_starts = [start for start, _ in closed]
        self.closed_ends = [end for _, end in closed]
        self._sets = sets
        self.first: Loaded = tuple(sorted(machine.loaded))

    def load(self, loaded: Loaded, wish: int) -> tuple[int, Loaded]:
        """Return how many materials must be changed for a set of them, and what is loaded after it."""
        materials = self._sets[wish]
        if self.by_hand or not materials:
            return 0, loaded
        if len(materials) == 1:
            material = materials[0]
            if material in loaded:
                if loaded[-1] == material:
                    return 0, loaded
                at = loaded.index(material)
                return 0, loaded[:at] + loaded[at + 1 :] + materials
            if len(loaded) >= self.slots:
                loaded = loaded[len(loaded) - self.slots + 1 :]
            return 1, loaded + materials
        kept = tuple([material for material in loaded if material not in materials])
        changes = len(materials) - (len(loaded) - len(kept))
        room = max(self.slots - len(materials), 0)
        if changes and len(kept) > room:
            kept = kept[len(kept) - room :]
        return changes, kept + materials

    def missing(self, loaded: Loaded, wish: int) -> int:
        """Return how many materials must be changed for a set of them."""
        if self.by_hand:
            return 0
        materials = self._sets[wish]
        if len(materials) == 1:
            return 0 if materials[0] in loaded else 1
        return sum([material not in loaded for material in materials])

    def ready(self, free: Minutes, full: bool, changes: int) -> Minutes:
        """Return when the plate is cleared and ``changes`` filaments are changed, if nothing runs from ``free`` on."""
        if self.by_hand:
            return free
        length = changes * self.change
        if full:
            if self.clears_itself:
                free += self.clear
            else:
                length += self.clear
        return self.hours.window(free, length) + length if length else free

    def run(self, ready: Minutes, minutes: Minutes) -> tuple[Minutes, Minutes]:
        """Return start and end of a task from ``ready`` on."""
        length = minutes * self.speed
        if self.by_hand:
            return self.hours.work(ready, length)
        if self.closed_ends:
            ends, starts = self.closed_ends, self.closed_starts
            for index in range(bisect_right(ends, ready), len(ends)):
                if starts[index] >= ready + length:
                    break
                ready = ends[index]
        return ready, ready + length


class Ground:
    """A problem by numbers: task ``i`` of ``tasks`` and machine ``m`` of ``places``."""

    def __init__(self, problem: Problem) -> None:
        """Lay it out."""
        self.problem = problem
        self.tasks: Sequence[Task] = problem.tasks
        tasks = self.tasks
        self.number = {task.key: index for index, task in enumerate(tasks)}
        self.minutes = [task.minutes for task in tasks]
        self.release = [max(task.release, 0.0) for task in tasks]
        self.lag = [task.lag for task in tasks]
        self.weight = [weight_of(task.priority) for task in tasks]
        numbers: dict[frozenset[int], int] = {}
        #: By number, the sets of materials that tasks want; and the number of each task's.
        self.wish = [numbers.setdefault(task.materials, len(numbers)) for task in tasks]
        self.sets: list[Materials] = [tuple(sorted(materials)) for materials in numbers]
        self.places = _places(problem, self.sets)
        self.allowed = self._allowed()
        number = self.number
        self.before = [
            [number[key] for key in dict.fromkeys(task.after) if key in number] if task.after else _NONE
            for task in tasks
        ]
        self.is_chained = any(self.before)
        self.following: list[list[int]] = [_NONE] * len(tasks)
        for index, before in enumerate(self.before):
            for other in before:
                if self.following[other] is _NONE:
                    self.following[other] = []
                self.following[other].append(index)
        #: Tasks that can be planned, each after what it waits for.
        self.order = self._in_order()
        #: By when each must be over that nothing due is late; NEVER when nothing depends on it.
        self.target = [NEVER if task.due is None else task.due for task in tasks]
        self._pull_targets()

    def _allowed(self) -> list[tuple[int, ...]]:
        places = {place.key: index for index, place in enumerate(self.places)}
        found: dict[tuple[int, int], tuple[int, ...]] = {}
        same: dict[tuple[int, ...], tuple[int, ...]] = {}
        allowed: list[tuple[int, ...]] = []
        for task in self.tasks:
            many = len(task.materials)
            key = task.kind, many
            machines = found.get(key)
            if machines is None:
                machines = tuple(
                    index
                    for index in sorted({places[k] for k in self.problem.eligible.get(task.kind, ()) if k in places})
                    if self.places[index].by_hand or self.places[index].slots >= many
                )
                machines = found[key] = same.setdefault(machines, machines)
            allowed.append(machines)
        return allowed

    def _in_order(self) -> list[int]:
        waiting = [len(before) for before in self.before]
        order = [index for index, count in enumerate(waiting) if not count and self.allowed[index]]
        for index in order:
            for other in self.following[index]:
                waiting[other] -= 1
                if not waiting[other] and self.allowed[other]:
                    order.append(other)
        return order

    def _pull_targets(self) -> None:
        target, following = self.target, self.following
        for index in reversed(self.order):
            if not following[index] and target[index] == NEVER:
                continue
            for other in following[index]:
                if target[other] == NEVER:
                    continue
                place = self.places[self.allowed[other][0]] if self.allowed[other] else None
                if place is None:
                    continue
                length = self.minutes[other] * place.speed
                begin = (
                    place.hours.latest_begin(target[other], length) if place.by_hand else target[other] - length
                ) - self.lag[other]
                if begin < target[index]:
                    target[index] = begin

    def plan(self, placed: Sequence[tuple[int, Minutes, Minutes, int] | None], method: str) -> Plan:
        """Return the plan of (machine, start, end, changes) by task; None is unplanned."""
        plan = Plan(method=method)
        assignments, places, change = plan.assignments, self.places, self.problem.change_minutes
        for task, found in zip(self.tasks, placed, strict=True):
            if found is None:
                plan.unplanned.add(task.key)
                continue
            machine, start, end, changes = found
            assignments[task.key] = Assignment(task.key, places[machine].key, start, end, changes * change)
        return plan


_NONE: list[int] = []


def _places(problem: Problem, sets: Sequence[Materials]) -> list[Place]:
    """Lay out the machines; those of the same hours share them."""
    hours: dict[tuple, Hours] = {}
    places = []
    for machine in problem.machines:
        attended = problem.attended if machine.attended is None else machine.attended
        key = tuple(attended), tuple(machine.closed)
        if key not in hours:
            hours[key] = Hours(without(attended, machine.closed) if machine.closed else attended)
        places.append(Place(machine, problem, hours[key], sets))
    return places
