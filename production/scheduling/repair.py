"""Keeping a plan when something happened: only what that touches is planned anew."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator, Sequence

from production.scheduling.board import SAME, TINY, Board
from production.scheduling.ground import Ground
from production.scheduling.hours import NEVER
from production.scheduling.problem import Minutes, Plan, Problem
from production.scheduling.search import relocate

#: Machines a task is tried on, and gaps on each of them.
LOOKED = 12
GAPS = 3
#: Tasks that are late after all that are tried elsewhere.
MOVED = 30
#: Tasks without a due time push others back if they have a higher priority than this.
NORMAL = 2


def repair(problem: Problem, plan: Plan, *, touched: Iterable[int] = ()) -> Plan:
    """Return a plan for ``problem``, as it is now, that keeps what it can of ``plan``, whose start is the same.

    Planned anew are the tasks of ``touched``, those that ``plan`` did not know or left unplanned, and those whose
    machine is gone or can no longer do them. What else there is keeps its machine and its time, except

    - what can no longer be when it was: something before it takes longer, or the machine is not free or closed (a
      machine's ``free_at`` and ``closed``, a ``release``). It and what is behind it move back, or, if that makes them
      late, to where they are not;
    - what is behind a task that is planned anew and would be late in every gap: it is pushed back where that costs
      less by priority and lateness.

    A time that differs by less than a minute is the same: ``plan`` may have been written to the second.
    A plan that could be better by now (a printer more, an order less) stays as it is: nothing moves up.
    """
    ground = Ground(problem)
    known = _Known(ground, plan)
    again = {ground.number[key] for key in touched if key in ground.number}
    board = _repaired(known, again, loose=True)
    if known.ground.is_chained and sum(machine >= 0 for machine in board.machine) < len(ground.order):
        strict = _repaired(known, again, loose=False)
        if sum(machine >= 0 for machine in strict.machine) > sum(machine >= 0 for machine in board.machine):
            board = strict
    return board.plan("repair")


class _Known:
    """Where the tasks were, as far as that still means something."""

    def __init__(self, ground: Ground, plan: Plan) -> None:
        self.ground = ground
        self.machine = [-1] * len(ground.tasks)
        self.start: list[Minutes] = [0.0] * len(ground.tasks)
        self.end: list[Minutes] = [0.0] * len(ground.tasks)
        places = {place.key: index for index, place in enumerate(ground.places)}
        for index in ground.order:
            assignment = plan.assignments.get(ground.tasks[index].key)
            machine = None if assignment is None else places.get(assignment.machine)
            if assignment is not None and machine is not None and machine in ground.allowed[index]:
                self.machine[index] = machine
                self.start[index], self.end[index] = assignment.start, assignment.end


def _repaired(known: _Known, touched: Iterable[int], *, loose: bool) -> Board:
    ground = known.ground
    again = {*touched, *(index for index in ground.order if known.machine[index] < 0)}
    # What comes after them may have to wait for them.
    behind = set()
    if known.ground.is_chained:
        for index in ground.order:
            if index not in again and any(other in again or other in behind for other in ground.before[index]):
                behind.add(index)
    asked = list(ground.release)
    kept: list[tuple[Minutes, Minutes, int]] = []
    for index in ground.order:
        if index not in again and index not in behind:
            asked[index] = max(asked[index], known.start[index])
            kept.append((known.start[index], known.end[index], index))
    sequences: list[list[int]] = [[] for _ in ground.places]
    for _, _, index in sorted(kept):
        sequences[known.machine[index]].append(index)
    board = Board(ground, sequences, asked, loose=loose)
    again.update(index for _, _, index in kept if board.machine[index] < 0)
    for index in _in_turn(ground, again | behind):
        home = known.machine[index] if index in behind and index not in again else -1
        if home < 0 or not _put_back(board, index, home, known.start[index]):
            _put(board, index)
    for index in _late_now(board, known):
        _free(board, index)
        relocate(board, index)
    if loose and known.ground.is_chained:
        board.tighten()
    return board


def _late_now(board: Board, known: _Known) -> list[int]:
    """Return tasks that are pushed back and late, the dearest first, as many as are worth the time."""
    ground = board.ground
    pushed = [
        (-board.cost[index], index)
        for index in ground.order
        if board.machine[index] >= 0
        and board.end[index] > ground.target[index] + TINY
        and board.end[index] > known.end[index] + SAME
    ]
    return [index for _, index in sorted(pushed)[:MOVED]]


def _in_turn(ground: Ground, indices: set[int]) -> list[int]:
    """Return tasks each after what it waits for, and else the most urgent first."""
    rank: dict[int, int] = {}
    for index in ground.order:
        if index in indices:
            rank[index] = max((rank[other] + 1 for other in ground.before[index] if other in rank), default=0)
    return sorted(rank, key=lambda index: (rank[index], -ground.weight[index], ground.target[index], index))


def _free(board: Board, index: int) -> None:
    """Let a task start as early as it can."""
    ground = board.ground
    board.asked[index] = ground.release[index]
    board.earliest[index] = max(
        [ground.release[index], *(board.end[other] + ground.lag[index] for other in ground.before[index])]
    )


def _put_back(board: Board, index: int, machine: int, start: Minutes) -> bool:
    """Put a task where it was, if it fits there as it was."""
    ground = board.ground
    if any(board.machine[other] < 0 for other in ground.before[index]):
        return False
    _free(board, index)
    if board.earliest[index] > start + SAME:
        return False
    at = bisect_left(board.sequences[machine], start, key=board.start.__getitem__)
    board.asked[index] = board.earliest[index] = start
    if (
        board.preview(machine, at, index)[0] > start + TINY
        or board.trial(machine, at, (index,), at, still=True) == NEVER
    ):
        return False
    board.make(machine, at, (index,), at)
    return True


def _put(board: Board, index: int) -> None:
    """Put a task where it costs least: into a gap, or, if it would be late in all of them, before others."""
    ground = board.ground
    if any(board.machine[other] < 0 for other in ground.before[index]):
        return
    _free(board, index)
    machines = _machines(board, index)
    best, where = NEVER, None
    for machine in machines:
        for at in _gaps(board, index, machine):
            cost = board.trial(machine, at, (index,), at, best, still=True)
            if cost < best:
                best, where = cost, (machine, at)
            if cost < NEVER:
                break
    if where is None or _is_late(board, index, *where):
        for machine in machines:
            for at in _urgent_spots(board, index, machine):
                cost = board.trial(machine, at, (index,), at, best)
                if cost < best:
                    best, where = cost, (machine, at)
    if where is not None:
        machine, at = where
        board.make(machine, at, (index,), at)


def _is_late(board: Board, index: int, machine: int, at: int) -> bool:
    """Tell whether a task would be late somewhere; what has no due time but is pressing is late wherever it is."""
    target = board.ground.target[index]
    if target == NEVER:
        return board.ground.tasks[index].priority > NORMAL
    return board.preview(machine, at, index)[1] > target + TINY


def _machines(board: Board, index: int) -> Sequence[int]:
    """Return machines that can do a task: all of them, or those that are through first and some others."""
    ground = board.ground
    machines = ground.allowed[index]
    if len(machines) <= LOOKED:
        return machines

    def through(machine: int) -> Minutes:
        sequence = board.sequences[machine]
        return board.end[sequence[-1]] if sequence else ground.places[machine].free_at

    soon = sorted(machines, key=through)[: LOOKED // 2]
    stride = len(machines) // (LOOKED // 2)
    others = (machines[(index + turn * stride) % len(machines)] for turn in range(LOOKED // 2))
    return list(dict.fromkeys([*soon, *others]))


def _gaps(board: Board, index: int, machine: int) -> Iterator[int]:
    """Yield positions at which a task may fit without moving another, the earliest first."""
    ground = board.ground
    place, sequence = ground.places[machine], board.sequences[machine]
    # What is printed in a gap is cleared before the next.
    needed = ground.minutes[index] * place.speed + (0.0 if place.by_hand else place.clear)
    earliest = board.earliest[index]
    starts, ends = board.start, board.end
    found = 0
    for at in range(bisect_left(sequence, earliest, key=ends.__getitem__), len(sequence)):
        free = ends[sequence[at - 1]] if at else place.free_at
        if starts[sequence[at]] - (free if free > earliest else earliest) >= needed:
            yield at
            found += 1
            if found == GAPS:
                break
    yield len(sequence)


def _urgent_spots(board: Board, index: int, machine: int) -> Iterator[int]:
    """Yield positions from which a task would be in time, or as early as can be."""
    ground = board.ground
    place, sequence = ground.places[machine], board.sequences[machine]
    earliest = bisect_left(sequence, board.earliest[index], key=board.end.__getitem__)
    begin = ground.target[index] - ground.minutes[index] * place.speed - place.clear
    at = bisect_left(sequence, begin, key=board.end.__getitem__) if begin < NEVER else 0
    if at <= earliest:
        yield earliest
        return
    yield at
    yield at - 1
