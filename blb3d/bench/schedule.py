"""Bench 5: the planner against a plain assignment by earliest due date, on farms that are made up."""

from __future__ import annotations

import datetime
import math
import random
import statistics
from dataclasses import replace

from blb3d.bench.measure import Report, Timing, once
from production.scheduling.check import score, violations
from production.scheduling.edd import by_due_date
from production.scheduling.greedy import schedule
from production.scheduling.problem import Interval, Machine, Problem, Score, Task
from production.scheduling.repair import repair

ROUNDS = 5
#: Printers and jobs; then the same with twice the jobs.
SIZES = ((40, 1_000), (100, 2_500))
#: How much of the farm's time the work takes that is due: below 1 nearly all can be in time, above it not.
LOADS = (0.7, 1.0, 1.3)
SEEDS = (1, 2, 3)
HOUR, DAY = 60.0, 24 * 60.0
#: Share of the time of a printer in which it prints, as far as nights and weekends let it.
_PRINTING = 0.62
_COLOURS = 16
_START = datetime.datetime(2026, 1, 5, tzinfo=datetime.UTC)


def run() -> Report:
    """Measure time, growth and repair, and judge plans of all sizes, loads and seeds."""
    report = Report("schedule")
    for printers, jobs in SIZES:
        _measured(report, printers, jobs)
    _judged(report)
    return report


class _Farm:
    """A farm with its plans and timings."""

    def __init__(self, printers: int, jobs: int) -> None:
        self.label = f"{jobs:,} jobs, {printers} printers"
        self.problem = farm(jobs, printers, load=1.0, seed=1)
        self.plan, self.floor = schedule(self.problem), by_due_date(self.problem)
        assignments = self.plan.assignments
        busy = [assignment.machine for assignment in assignments.values()]
        self.failed = max(self.problem.machines, key=lambda machine: busy.count(machine.key)).key
        self.left = without(self.problem, self.failed)
        self.repaired = repair(self.left, self.plan)
        self.planned, self.plain, self.again, self.anew = Timing(), Timing(), Timing(), Timing()

    def measure(self) -> None:
        """One round."""
        once(lambda: schedule(self.problem), self.planned)
        once(lambda: by_due_date(self.problem), self.plain)
        once(lambda: repair(self.left, self.plan), self.again)
        once(lambda: schedule(self.left), self.anew)


def _measured(report: Report, printers: int, jobs: int) -> None:
    small, large = _Farm(printers, jobs), _Farm(printers, 2 * jobs)
    for _ in range(ROUNDS):
        small.measure()
        large.measure()
    for each in (small, large):
        mine, theirs = score(each.problem, each.plan), score(each.problem, each.floor)
        report.timing(each.label, each.planned)
        report.timing(f"{each.label}, by earliest due date", each.plain)
        report.tell(f"{each.label}: {_said(mine)}; floor {_said(theirs)}")
        report.judge(f"{each.label}: CPU against the floor", _ratio(each.planned, each.plain), 20)
        report.judge(f"{each.label}: what cannot be done", len(violations(each.problem, each.plan)), 0)
        report.judge(f"{each.label}: late against the floor", mine.late - theirs.late, 0)
        report.judge(f"{each.label}: hours of lateness against the floor", (mine.lateness - theirs.lateness) / HOUR, 0)
        _repaired(report, each)
    report.judge(f"twice the jobs on {printers} printers: CPU grows by", _ratio(large.planned, small.planned), 2.3)


def _repaired(report: Report, each: _Farm) -> None:
    """A printer has failed: what that cost against a full plan, and how much of the plan it moved."""
    before, found = each.plan.assignments, each.repaired.assignments
    lost = {key for key, assignment in before.items() if assignment.machine == each.failed}
    moved = sum(
        (assignment.machine, assignment.start) != (found[key].machine, found[key].start)
        for key, assignment in before.items()
        if key not in lost and key in found
    )
    label = f"{each.label}, one fails"
    report.timing(label, each.again)
    report.tell(
        f"{label}: {len(lost)} jobs lose their printer, {moved} others make way for them; "
        f"{_said(score(each.left, each.repaired))}; planned anew {_said(score(each.left, schedule(each.left)))}"
    )
    report.judge(f"{label}: what cannot be done", len(violations(each.left, each.repaired)), 0)
    report.judge(f"{label}: CPU against a full plan", _ratio(each.again, each.anew), 0.25)


def _judged(report: Report) -> None:
    """Plans of many farms against the floor's: nothing that cannot be done, no more late, no more lateness."""
    broken = worse = 0
    for load in LOADS:
        for seed in SEEDS:
            for label, problem in (
                ("prints", farm(1_000, 40, load=load, seed=seed)),
                ("with priorities", farm(1_000, 40, load=load, seed=seed, priorities=True)),
                ("with work by hand", farm(1_000, 40, load=load, seed=seed, by_hand=8)),
            ):
                plan, floor = schedule(problem), by_due_date(problem)
                mine, theirs = score(problem, plan), score(problem, floor)
                broken += len(violations(problem, plan)) + len(violations(problem, floor))
                worse += _is_worse(mine, theirs)
                report.tell(f"load {load}, seed {seed}, {label}: {_said(mine)}; floor {_said(theirs)}")
    report.judge("what cannot be done in all these plans", broken, 0)
    report.judge("plans with more late or more lateness than the floor's", worse, 0)


def _ratio(subject: Timing, floor: Timing) -> float:
    """Return the median over the rounds of the ratio of their CPU times."""
    return statistics.median(mine / theirs for mine, theirs in zip(subject.cpu, floor.cpu, strict=True))


def _is_worse(mine: Score, theirs: Score) -> bool:
    return mine.unplanned > theirs.unplanned or mine.late > theirs.late or mine.lateness > theirs.lateness + 1e-6


def _said(found: Score) -> str:
    return f"{found.late} late by {found.lateness / HOUR:,.0f} h in all, {found.changes} changes of filament"


def without(problem: Problem, key: int) -> Problem:
    """Return the problem without one of its machines."""
    return replace(
        problem,
        machines=[machine for machine in problem.machines if machine.key != key],
        eligible={kind: tuple(k for k in keys if k != key) for kind, keys in problem.eligible.items()},
    )


def farm(jobs: int, printers: int, *, load: float, seed: int, priorities: bool = False, by_hand: int = 0) -> Problem:
    """Make up a farm: six days of shifts, two sizes of slots, maintenance, kinds that few or all printers can do.

    ``by_hand`` are places for work after printing, which a third of the orders ask for.
    """
    chance = random.Random(seed)  # noqa: S311  (repeatable, not secret)
    weeks = 26
    attended = tuple(
        (day * DAY + 7 * HOUR, day * DAY + (19 if day % 7 < 5 else 13) * HOUR)
        for day in range(weeks * 7 + 60)
        if day % 7 != 6
    )
    machines = [_printer(key, chance) for key in range(printers)]
    machines += [Machine(printers + key, by_hand=True) for key in range(by_hand)]
    eligible = {
        kind: tuple(sorted(chance.sample(range(printers), max(2, int(printers * share)))))
        for kind, share in enumerate((0.2, 0.2, 0.5, 0.5, 1.0, 1.0))
    }
    eligible[len(eligible)] = tuple(range(printers, printers + by_hand))
    minutes = [min(max(chance.lognormvariate(math.log(150), 0.9), 15), 1_300) for _ in range(jobs)]
    span = sum(minutes) / printers / _PRINTING / load
    tasks: list[Task] = []
    for key in range(jobs):
        due = chance.uniform(0.08, 1.05) * span
        priority = chance.choices((1, 2, 3, 4), (1, 6, 2, 1))[0] if priorities else 2
        materials = frozenset(chance.sample(range(_COLOURS), chance.choices((1, 2, 3, 4), (80, 10, 6, 4))[0]))
        task = Task(key, key // 3, chance.randrange(6), minutes[key], due, priority, materials=materials)
        if by_hand and key % 3 == 0:
            finish = Task(
                jobs + key,
                task.order,
                6,
                chance.uniform(5, 45),
                due + HOUR,
                priority,
                after=(key,),
                lag=chance.choice((0.0, HOUR)),
            )
            tasks += [replace(task, due=None), finish]
        else:
            tasks.append(task)
    return Problem(_START, machines, tasks, eligible, attended, horizon=weeks * 7 * DAY)


def _printer(key: int, chance: random.Random) -> Machine:
    closed: list[Interval] = []
    for week in range(12):
        if chance.random() < 0.5:
            begin = (week * 7 + chance.uniform(0, 7)) * DAY
            closed.append((begin, begin + 4 * HOUR))
    return Machine(
        key,
        free_at=chance.choice((0.0, 0.0, chance.uniform(0, 10 * HOUR))),
        loaded=frozenset(chance.sample(range(_COLOURS), chance.choice((1, 2, 4)))),
        slots=chance.choice((1, 4, 4, 4)),
        speed=chance.choice((1.0, 1.0, 1.0, 1.25)),
        closed=tuple(closed),
        clears_itself=chance.random() < 0.1,
        occupied=chance.random() < 0.5,
    )
