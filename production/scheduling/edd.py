"""The plainest plan: earliest due first, each on the machine that is free first. Others are measured by it."""

from __future__ import annotations

from heapq import heapify, heappop, heappush, heapreplace

from production.scheduling.board import Placed
from production.scheduling.ground import Ground
from production.scheduling.hours import NEVER
from production.scheduling.problem import Minutes, Plan, Problem


def by_due_date(problem: Problem) -> Plan:
    """Plan the tasks of higher priority first and the earliest due among equals, each on the machine free first."""
    ground = Ground(problem)
    return ground.plan(run(ground), "earliest due date")


def run(ground: Ground) -> list[Placed]:
    """Return where each task is put."""
    places, horizon = ground.places, ground.problem.horizon
    free = [place.free_at for place in places]
    full = [place.occupied for place in places]
    loaded = [place.first for place in places]
    heaps = {machines: [(free[machine], machine) for machine in machines] for machines in {*ground.allowed} if machines}
    for heap in heaps.values():
        heapify(heap)
    placed: list[tuple[int, Minutes, Minutes, int] | None] = [None] * len(ground.tasks)
    waiting = [len(before) for before in ground.before]
    queue = [(*_urgency(ground, index), index) for index, count in enumerate(waiting) if not count]
    heapify(queue)
    while queue:
        index = heappop(queue)[-1]
        machines = ground.allowed[index]
        if not machines:
            continue
        heap = heaps[machines]
        while heap[0][0] != free[heap[0][1]]:
            machine = heap[0][1]
            heapreplace(heap, (free[machine], machine))
        machine = heap[0][1]
        place = places[machine]
        changes, after = place.load(loaded[machine], ground.wish[index])
        ready = place.ready(free[machine], full[machine], changes)
        for other in ground.before[index]:
            over = placed[other]
            if over is not None and over[2] + ground.lag[index] > ready:
                ready = over[2] + ground.lag[index]
        start, end = place.run(max(ready, ground.release[index]), ground.minutes[index])
        if start > horizon or end == NEVER:
            continue
        placed[index] = machine, start, end, changes
        free[machine] = end
        full[machine] = not place.by_hand
        loaded[machine] = after
        heapreplace(heap, (end, machine))
        for other in ground.following[index]:
            waiting[other] -= 1
            if not waiting[other]:
                heappush(queue, (*_urgency(ground, other), other))
    return placed


def _urgency(ground: Ground, index: int) -> tuple[int, Minutes]:
    return -ground.tasks[index].priority, ground.target[index]
