"""Improving a board: what is late, or needs a change of filament, moves to where it costs less."""

from __future__ import annotations

import random
from bisect import bisect_left
from collections.abc import Sequence

from production.scheduling.board import TINY, Board
from production.scheduling.hours import NEVER

#: Tasks run in trials and changes, for each task of the problem: what bounds the time.
STEPS = 24
#: Small problems get this much in all.
LEAST = 20_000
#: How far around a task others are taken out with it, on its machine and on two more.
REACH = (1, 2, 2, 4)
#: Machines tried for a task, those with the least change first.
TRIED = 6
#: Machines looked at to find those.
LOOKED = 12


def improve_board(board: Board, steps: int = STEPS) -> None:
    """Make a board cheaper by moving one task at a time, then by taking out a few and putting them back.

    The work is bounded by ``steps`` times the number of tasks, so it is the same on every computer.
    """
    limit = board.steps + max(steps * len(board.ground.tasks), LEAST)
    _move_worst(board, limit)
    shake(board, limit)
    board.tighten()


def _move_worst(board: Board, limit: int) -> None:
    for _ in range(4):
        moves = 0
        for index in _worst(board):
            if board.steps > limit:
                return
            moves += relocate(board, index)
        if not moves:
            return
        board.tighten()


def shake(board: Board, limit: int, chance: random.Random | None = None) -> None:
    """Take a few tasks out that are near each other and put them where they cost least, as long as that helps.

    It ends when the board's ``steps`` reach ``limit``, or when nothing was found for long.
    """
    chance = chance or random.Random(len(board.ground.tasks))  # noqa: S311  (repeatable, not secret)
    while board.steps < limit:
        worst = _worst(board)
        if not worst:
            return
        failed = 0
        while board.steps < limit and failed < 3 * len(worst) + 20:
            # The dearest more often than the others.
            index = worst[int(len(worst) * chance.random() ** chance.choice((1, 2)))]
            failed = 0 if _rearranged(board, index, chance) else failed + 1
        if failed:
            return


def _rearranged(board: Board, index: int, chance: random.Random) -> bool:
    """Take a task and some around it out and put them back; leave all as it was unless that is cheaper."""
    ground = board.ground
    allowed = ground.allowed[index]
    involved = [board.machine[index], *(allowed[chance.randrange(len(allowed))] for _ in range(2))]
    involved = list(dict.fromkeys(involved))
    near, reach = [index], chance.choice(REACH)
    wish = min(board.start[index], ground.target[index] - ground.minutes[index])
    for machine in involved:
        sequence = board.sequences[machine]
        at = bisect_left(sequence, wish, key=board.end.__getitem__)
        near += sequence[max(at - chance.randrange(reach), 0) : at + chance.randrange(1, reach + 1)]
    near = list(dict.fromkeys(near))
    board.begin()
    delta = 0.0
    for task in near:
        home = board.machine[task]
        at = board.sequences[home].index(task)
        change = board.trial(home, at, (), at + 1)
        if change == NEVER:
            board.undo()
            return False
        delta += change
        board.take_out(task)
    if chance.random() < 0.5:
        near.sort(key=lambda task: (-ground.weight[task], ground.target[task]))
    else:
        chance.shuffle(near)
    for task in near:
        best, where = NEVER, None
        for machine in involved:
            if machine not in ground.allowed[task]:
                continue
            sequence = board.sequences[machine]
            at = bisect_left(sequence, wish, key=board.end.__getitem__)
            for spot in range(max(at - 2, 0), min(at + 3, len(sequence)) + 1):
                cost = board.trial(machine, spot, (task,), spot, best)
                if cost < best:
                    best, where = cost, (machine, spot)
        delta += best
        if where is None:
            board.undo()
            return False
        machine, spot = where
        board.make(machine, spot, (task,), spot)
    if delta >= -TINY:
        board.undo()
        return False
    board.keep()
    return True


def _worst(board: Board) -> list[int]:
    """Tasks that cost more than their waiting, the dearest first."""
    ground = board.ground
    dear = [
        (-board.cost[index], index)
        for index in ground.order
        if board.machine[index] >= 0 and (board.changes[index] or board.end[index] > ground.target[index] + TINY)
    ]
    return [index for _, index in sorted(dear)]


def relocate(board: Board, index: int) -> bool:
    """Move a task to where it makes the plan cheapest, if there is such a place; tell whether it moved."""
    home = board.machine[index]
    sequence = board.sequences[home]
    at = sequence.index(index)
    gain = -board.trial(home, at, (), at + 1)
    if gain == -NEVER or gain <= TINY:
        return False
    best, where = -TINY, None
    for machine, spot in _spots(board, index):
        if machine == home:
            if spot == at or spot == at + 1:
                continue
            if spot < at:
                delta = board.trial(home, spot, [index, *sequence[spot:at]], at + 1)
                change = (spot, [index, *sequence[spot:at]], at + 1)
            else:
                delta = board.trial(home, at, [*sequence[at + 1 : spot], index], spot)
                change = (at, [*sequence[at + 1 : spot], index], spot)
        else:
            delta = board.trial(machine, spot, (index,), spot, gain + best) - gain
            change = (spot, [index], spot)
        if delta < best:
            best, where = delta, (machine, change)
    if where is None:
        return False
    machine, (spot, inserted, onward) = where
    if machine != home:
        board.take_out(index)
    board.make(machine, spot, inserted, onward)
    return True


def _spots(board: Board, index: int) -> list[tuple[int, int]]:
    """Machines and positions that could suit a task, the most promising first."""
    ground = board.ground
    target, minutes = ground.target[index], ground.minutes[index]
    placed = board.machine[index] >= 0
    late = not placed or board.end[index] > target + TINY
    ends = board.end.__getitem__
    machines: Sequence[int] = ground.allowed[index]
    if len(machines) > LOOKED:
        # Others each time: a stride through the machines from a place that the task decides.
        first, stride = (index * 7919 + board.steps) % len(machines), len(machines) // LOOKED
        some = [machines[(first + turn * stride) % len(machines)] for turn in range(LOOKED)]
        if placed and board.machine[index] not in some:
            some.append(board.machine[index])
        machines = some
    board.steps += len(machines)
    found: list[tuple[int, int, int]] = []
    for turn, machine in enumerate(machines):
        place, sequence = ground.places[machine], board.sequences[machine]
        wish = min(target, board.end[index]) if late else board.end[index]
        spot = bisect_left(sequence, wish - minutes * place.speed - place.clear, key=ends)
        for nearby in (spot, spot - 1):
            if nearby < 0:
                continue
            loaded = board.after[sequence[nearby - 1]] if nearby else place.first
            changes = place.missing(loaded, ground.wish[index])
            found.append((changes, turn, machine << 20 | nearby))
    found.sort()
    return [(code >> 20, code & 0xFFFFF) for _, _, code in found[:TRIED]]
