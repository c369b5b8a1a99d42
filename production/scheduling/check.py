"""Judging a plan, by nothing but the words of ``problem``: slow, plain, and sharing no code with the planners."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator

from production.scheduling.problem import Assignment, Interval, Machine, Plan, Problem, Score

#: Minutes that rounding may cost.
SLACK = 1e-6


def violations(problem: Problem, plan: Plan) -> list[str]:
    """Return what of the plan cannot be done, one sentence each; none for a plan that holds."""
    return [
        *_strangers(problem, plan),
        *_before_and_after(problem, plan),
        *(sentence for machine in problem.machines for sentence in _of_machine(problem, plan, machine)),
    ]


def score(problem: Problem, plan: Plan) -> Score:
    """Return what the plan is judged by; it must hold."""
    late = [
        assignment.end - task.due
        for task in problem.tasks
        if task.due is not None
        and (assignment := plan.assignments.get(task.key)) is not None
        and assignment.end > task.due + SLACK
    ]
    changes = sum(
        count
        for machine in problem.machines
        if not machine.by_hand
        for _, count in _changes(problem, machine, _sequence(plan, machine))
    )
    makespan = max((assignment.end for assignment in plan.assignments.values()), default=0.0)
    return Score(len(late), sum(late), changes, makespan, len(plan.unplanned))


def _strangers(problem: Problem, plan: Plan) -> Iterator[str]:
    """Tasks, machines and kinds that do not go together."""
    tasks = {task.key: task for task in problem.tasks}
    machines = {machine.key: machine for machine in problem.machines}
    for key in tasks.keys() ^ (plan.assignments.keys() | plan.unplanned):
        yield f"task {key} is in only one of problem and plan"
    for key in plan.assignments.keys() & plan.unplanned:
        yield f"task {key} is both planned and unplanned"
    for key, assignment in plan.assignments.items():
        if key not in tasks:
            continue
        if assignment.task != key:
            yield f"task {key} stands under another's key"
        machine = machines.get(assignment.machine)
        if machine is None or assignment.machine not in problem.eligible.get(tasks[key].kind, ()):
            yield f"task {key} is on machine {assignment.machine}, which cannot do it"
        elif not machine.by_hand and len(tasks[key].materials) > machine.slots:
            yield f"task {key} has more materials than machine {machine.key} has slots"
        if assignment.start > problem.horizon + SLACK:
            yield f"task {key} starts after the horizon"


def _before_and_after(problem: Problem, plan: Plan) -> Iterator[str]:
    tasks = {task.key: task for task in problem.tasks}
    for task in problem.tasks:
        assignment = plan.assignments.get(task.key)
        if assignment is None:
            continue
        if assignment.start < task.release - SLACK:
            yield f"task {task.key} starts before its release"
        for key in task.after:
            before = plan.assignments.get(key)
            if key in tasks and before is None:
                yield f"task {task.key} is planned, but not {key} before it"
            elif before is not None and assignment.start < before.end + task.lag - SLACK:
                yield f"task {task.key} starts before {key} is over"


def _of_machine(problem: Problem, plan: Plan, machine: Machine) -> Iterator[str]:
    """Overlap, hours, maintenance and set-up on one machine."""
    tasks = {task.key: task for task in problem.tasks}
    sequence = [assignment for assignment in _sequence(plan, machine) if assignment.task in tasks]
    attended = list(problem.attended if machine.attended is None else machine.attended)
    free, lies = max(machine.free_at, 0.0), machine.occupied
    for assignment, changes in _changes(problem, machine, sequence):
        name = f"task {assignment.task} on machine {machine.key}"
        minutes = tasks[assignment.task].minutes * machine.speed
        if assignment.start < free - SLACK:
            yield f"{name} starts while it is not free"
        if machine.by_hand:
            worked = _worked(attended, machine.closed, assignment.start, assignment.end)
            if abs(worked - minutes) > SLACK:
                yield f"{name} has {worked:g} minutes of work, not {minutes:g}"
            if assignment.setup:
                yield f"{name} has a set-up by hand"
        else:
            if abs(assignment.end - assignment.start - minutes) > SLACK:
                yield f"{name} does not take {minutes:g} minutes"
            for start, end in machine.closed:
                if assignment.start < end - SLACK and assignment.end > start + SLACK:
                    yield f"{name} runs in maintenance"
            setup = changes * problem.change_minutes
            if abs(assignment.setup - setup) > SLACK:
                yield f"{name} needs {setup:g} minutes of change, not {assignment.setup:g}"
            begin, hands = free, setup
            if lies and machine.clears_itself:
                begin += problem.clear_minutes
            elif lies:
                hands += problem.clear_minutes
            if begin > assignment.start + SLACK:
                yield f"{name} starts before the plate cleared itself"
            if hands and not _goes(attended, machine.closed, begin, assignment.start, hands):
                yield f"{name} has nobody to clear and load for it"
            lies = True
        free = max(free, assignment.end)


def _sequence(plan: Plan, machine: Machine) -> list[Assignment]:
    mine = [assignment for assignment in plan.assignments.values() if assignment.machine == machine.key]
    return sorted(mine, key=lambda assignment: (assignment.start, assignment.end, assignment.task))


def _changes(problem: Problem, machine: Machine, sequence: Iterable[Assignment]) -> Iterator[tuple[Assignment, int]]:
    """Walk through a machine's tasks; yield each with the number of filaments that are changed for it."""
    materials = {task.key: task.materials for task in problem.tasks}
    used_at: dict[int, int] = defaultdict(int)
    loaded = set(machine.loaded)
    for turn, assignment in enumerate(sequence, 1):
        wanted = materials.get(assignment.task, frozenset()) if not machine.by_hand else frozenset()
        missing = wanted - loaded
        loaded |= wanted
        for material in wanted:
            used_at[material] = turn
        while missing and len(loaded) > machine.slots and loaded - wanted:
            loaded.remove(min(loaded - wanted, key=lambda material: (used_at[material], material)))
        yield assignment, len(missing)


def _worked(attended: Iterable[Interval], closed: Iterable[Interval], start: float, end: float) -> float:
    """Minutes between start and end in which people are there and the place is open."""
    return sum(max(0.0, min(end, until) - max(start, since)) for since, until in _pieces(attended, closed))


def _goes(attended: Iterable[Interval], closed: Iterable[Interval], start: float, end: float, minutes: float) -> bool:
    """Tell whether there are so many attended minutes in one piece between start and end."""
    return any(min(end, until) - max(start, since) >= minutes - SLACK for since, until in _pieces(attended, closed))


def _pieces(attended: Iterable[Interval], closed: Iterable[Interval]) -> list[Interval]:
    """Cut the closed times out of the attended ones."""
    pieces = list(attended)
    for since, until in closed:
        pieces = [
            piece
            for start, end in pieces
            for piece in ((start, min(end, since)), (max(start, until), end))
            if piece[0] < piece[1]
        ]
    return pieces
