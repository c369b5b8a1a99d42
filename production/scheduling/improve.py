"""Making a plan better in the time there is: by searching on, and by OR-Tools where it is installed."""

from __future__ import annotations

import importlib
import random
import time
from bisect import bisect_left
from dataclasses import dataclass, replace
from typing import Any

from production.scheduling.board import LATE, TINY, Board, cost_of, sequences_of
from production.scheduling.ground import DAY, Ground
from production.scheduling.hours import NEVER
from production.scheduling.problem import Minutes, Plan, Problem
from production.scheduling.search import LEAST, improve_board, shake

#: Tasks that are arranged anew at once, and the machines they may stand on.
TASKS = 16
MACHINES = 3
#: Seconds that one part gets at most.
SECONDS = 0.5
#: Share of the time for the planner's own search, where there is OR-Tools.
SEARCHING = 0.7
#: How long before it is due, and after, is looked for what could make way for a late task.
AROUND = 1.5 * DAY


def improve(problem: Problem, plan: Plan, *, seconds: float = 10.0, seed: int = 0) -> Plan:
    """Return a plan that is no worse than ``plan``, after about so many seconds at most.

    No more tasks are late than before and no more lateness is in the plan. First the planner's own search goes on, for
    most of the time. Then, around one late task after another, the tasks of a few printers are given to OR-Tools'
    CP-SAT, which starts from how they stand; what it finds is run by the rules of the problem and taken where that is
    cheaper. Without OR-Tools the search has all the time. ``method`` says what was done; with nothing to gain, the
    plan comes back as it was. Times are wall time, so that two runs may differ.
    """
    cp_model = _or_tools()
    ground = Ground(problem)
    best = _Best(ground, plan)
    chance = random.Random(seed)  # noqa: S311  (repeatable, not secret)
    begun = time.monotonic()
    searched = _search(best, chance, begun + (seconds if cp_model is None else seconds * SEARCHING))
    said = "improved by search" if searched else "searched"
    if cp_model is None:
        said += ", OR-Tools is not installed"
    else:
        said += f", CP-SAT made {_solve_windows(cp_model, best, chance, begun + seconds)} parts better"
    return best.plan(f"{plan.method}, {said}")


def _or_tools() -> Any:
    """Return the module of CP-SAT, or None where it is not installed."""
    try:
        return importlib.import_module("ortools.sat.python.cp_model")
    except ImportError:
        return None


class _Best:
    """The best placing that was found, and what it costs."""

    def __init__(self, ground: Ground, plan: Plan) -> None:
        self.ground = ground
        self.given: Plan | None = plan
        self.placed = _placed(ground, plan)
        self.bound = cost_of(ground, self.placed)
        # What the plan leaves to waiting is gained by running it as early as it can be.
        self.total = NEVER

    def board(self) -> Board:
        """Return a board of it."""
        return Board(self.ground, sequences_of(self.ground, self.placed))

    def takes(self, board: Board) -> bool:
        """Take a board over if it is cheaper and in no way worse; tell whether it did."""
        placed = board.placed()
        cost, total = cost_of(self.ground, placed), board.total()
        if total >= self.total - TINY or not cost.no_worse_than(self.bound):
            return False
        self.placed, self.bound, self.total, self.given = placed, cost, total, None
        return True

    def plan(self, method: str) -> Plan:
        """Return it as a plan."""
        return self.ground.plan(self.placed, method) if self.given is None else replace(self.given, method=method)


def _search(best: _Best, chance: random.Random, until: float) -> bool:
    """Let the planner's search go on; tell whether it found something."""
    board, found = best.board(), False
    best.total = board.total()
    while time.monotonic() < until:
        before = board.total()
        improve_board(board, 0)
        shake(board, board.steps + LEAST, chance)
        board.tighten()
        found |= best.takes(board)
        if board.total() >= before - TINY:
            break
    return found


def _solve_windows(cp_model: Any, best: _Best, chance: random.Random, until: float, *, most: int = 1_000) -> int:
    """Give one part after another to CP-SAT, until ``most`` became better; return how many did."""
    board, found, failed = best.board(), 0, 0
    while found < most and (late := _late(board)) and time.monotonic() < until and failed < 2 * len(late) + 5:
        window = _window(board, late[int(len(late) * chance.random() ** 2)], chance)
        failed += 1
        if window is not None and _solve(cp_model, board, window, until - time.monotonic()):
            board.tighten()
            if best.takes(board):
                found, failed = found + 1, 0
            else:
                board = best.board()
    return found


def _placed(ground: Ground, plan: Plan) -> list[Any]:
    """Return where the tasks stand in a plan."""
    places = {place.key: index for index, place in enumerate(ground.places)}
    return [
        None
        if (found := plan.assignments.get(task.key)) is None or found.machine not in places
        else (places[found.machine], found.start, found.end, 0)
        for task in ground.tasks
    ]


def _late(board: Board) -> list[int]:
    """Return the tasks that are late on printers, the dearest first."""
    ground = board.ground
    late = [
        index
        for index in ground.order
        if board.machine[index] >= 0
        and board.end[index] > ground.target[index] + TINY
        and not ground.places[board.machine[index]].by_hand
    ]
    return sorted(late, key=lambda index: (-board.cost[index], index))


@dataclass(frozen=True, slots=True)
class _Window:
    """From which position to which the tasks of each machine are arranged anew."""

    spans: dict[int, tuple[int, int]]
    tasks: list[int]


def _window(board: Board, index: int, chance: random.Random) -> _Window | None:
    """Return what is around the time at which a late task should run, on its machine and some others."""
    ground = board.ground
    home = board.machine[index]
    others = [machine for machine in ground.allowed[index] if machine != home]
    machines = [home, *chance.sample(others, min(MACHINES - 1, len(others)))]
    middle = ground.target[index] - ground.minutes[index]
    spans: dict[int, tuple[int, int]] = {}
    for machine in machines:
        sequence = board.sequences[machine]
        ends, starts = board.end.__getitem__, board.start.__getitem__
        first = bisect_left(sequence, max(middle - AROUND, 0.0), key=ends)
        last = bisect_left(sequence, middle + AROUND, key=starts)
        most = TASKS // len(machines)
        if last - first > most:
            at = bisect_left(sequence, middle, key=ends)
            first = max(first, min(at - most // 2, last - most))
            last = first + most
        spans[machine] = (first, last)
    first, last = spans[home]
    at = board.sequences[home].index(index)
    if not first <= at < last:
        # It stands far behind the time at which it should run: it comes along, and what is between stays.
        return None if at >= last + TASKS else _Window({**spans, home: (first, at + 1)}, _tasks(board, spans, home, at))
    return _Window(spans, _tasks(board, spans, home, last - 1))


def _tasks(board: Board, spans: dict[int, tuple[int, int]], home: int, at: int) -> list[int]:
    return [
        task
        for machine, (first, last) in spans.items()
        for task in board.sequences[machine][first : max(last, at + 1) if machine == home else last]
    ]


def _solve(cp_model: Any, board: Board, window: _Window, seconds: float) -> bool:
    """Arrange a window anew; tell whether that made the board cheaper."""
    ground = board.ground
    model = cp_model.CpModel()
    horizon = _ticks(max(board.end[task] for task in window.tasks) + 7 * DAY)
    starts: dict[int, Any] = {}
    on: dict[tuple[int, int], Any] = {}
    lanes: dict[int, list[Any]] = {machine: [] for machine in window.spans}
    costs: list[Any] = []
    frees = {machine: _free(board, machine, first) for machine, (first, _) in window.spans.items()}
    loads = {
        machine: board.after[board.sequences[machine][first - 1]] if first else ground.places[machine].first
        for machine, (first, _) in window.spans.items()
    }
    for task in window.tasks:
        start = model.new_int_var(0, horizon, "")
        end = model.new_int_var(0, 2 * horizon, "")
        starts[task] = start
        model.add_hint(start, _ticks(board.start[task]))
        choices = []
        for machine in window.spans:
            if machine not in ground.allowed[task]:
                continue
            place = ground.places[machine]
            length = _ticks(ground.minutes[task] * place.speed) + 1
            prepare = _ticks(place.clear + place.change * place.missing(loads[machine], ground.wish[task]))
            earliest = _ticks(max(frees[machine], board.earliest[task]))
            moments = _moments(cp_model, place, earliest, prepare, horizon)
            chosen = model.new_bool_var("")
            model.add_linear_expression_in_domain(start, moments).only_enforce_if(chosen)
            model.add(end == start + length).only_enforce_if(chosen)
            lanes[machine].append(
                model.new_optional_interval_var(start - prepare, length + prepare, start + length, chosen, "")
            )
            model.add_hint(chosen, board.machine[task] == machine)
            choices.append(chosen)
            on[task, machine] = chosen
        if not choices:
            return False
        model.add_exactly_one(choices)
        if board.latest[task] < NEVER:
            model.add(end <= _ticks(board.latest[task]) + 1)
        weight = int(ground.weight[task])
        if ground.target[task] < NEVER:
            over = model.new_int_var(0, 2 * horizon, "")
            late = model.new_bool_var("")
            target = _ticks(ground.target[task])
            model.add(over >= end - target)
            model.add(end <= target).only_enforce_if(~late)
            costs += [weight * over, weight * _ticks(LATE) * late]
    for machine, lane in lanes.items():
        place = ground.places[machine]
        for since, until in zip(place.closed_starts, place.closed_ends, strict=True):
            if until > frees[machine] and _ticks(since) < horizon:
                lane.append(model.new_fixed_size_interval_var(_ticks(since), _ticks(until - since) + 1, ""))
        model.add_no_overlap(lane)
        costs += _pushing(model, board, window, machine, starts, on)
    model.minimize(sum(costs))
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = max(min(seconds, SECONDS), 0.05)
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = 1
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return False
    order = sorted(window.tasks, key=lambda task: solver.value(starts[task]))
    lines = {
        machine: [task for task in order if (task, machine) in on and solver.boolean_value(on[task, machine])]
        for machine in window.spans
    }
    delta = sum(board.trial(machine, first, lines[machine], last) for machine, (first, last) in window.spans.items())
    if delta >= -TINY:
        return False
    for machine, (first, last) in window.spans.items():
        board.make(machine, first, lines[machine], last)
    return True


def _ticks(minutes: Minutes) -> int:
    """Return minutes in the tenths that the model counts in."""
    return int(minutes * 10)


def _free(board: Board, machine: int, at: int) -> Minutes:
    return board.end[board.sequences[machine][at - 1]] if at else board.ground.places[machine].free_at


def _moments(cp_model: Any, place: Any, earliest: int, prepare: int, horizon: int) -> Any:
    """Return when a print can start: after somebody prepared it."""
    if place.clears_itself:
        return cp_model.Domain(earliest, horizon)
    moments = [
        [begin, end]
        for since, until in zip(place.hours.starts, place.hours.ends, strict=True)
        if (end := min(_ticks(min(until, horizon)), horizon)) > earliest
        and (begin := max(_ticks(since), earliest) + prepare) <= end
    ]
    return cp_model.Domain.from_intervals(moments) if moments else cp_model.Domain(horizon, horizon)


def _pushing(
    model: Any, board: Board, window: _Window, machine: int, starts: dict[int, Any], on: dict[tuple[int, int], Any]
) -> list[Any]:
    """Return what it costs to push what stands behind the window on a machine."""
    ground = board.ground
    _, last = window.spans[machine]
    behind = board.sequences[machine][last:]
    if not behind:
        return []
    weight = sum(int(ground.weight[task]) for task in behind if board.end[task] > ground.target[task] + TINY) + 1
    begin = _ticks(board.start[behind[0]])
    pushed = model.new_int_var(0, 100 * _ticks(DAY), "")
    for task in window.tasks:
        chosen = on.get((task, machine))
        if chosen is not None:
            length = _ticks(ground.minutes[task] * ground.places[machine].speed) + 1
            model.add(pushed >= starts[task] + length - begin).only_enforce_if(chosen)
    return [weight * pushed]
