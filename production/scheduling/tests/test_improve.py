"""An improved plan is no worse, with OR-Tools and without."""

from __future__ import annotations

import random
import sys
import time

import pytest
from hypothesis import given, settings
from ortools.sat.python import cp_model

from production.scheduling.check import score, violations
from production.scheduling.edd import by_due_date
from production.scheduling.greedy import schedule
from production.scheduling.ground import Ground
from production.scheduling.improve import _Best, _solve_windows, improve
from production.scheduling.problem import Machine, Problem, Task
from production.scheduling.tests.problems import DAYTIME, problem_of, problems


def _late_farm() -> Problem:
    """Thirty jobs on three printers, of which the plainest plan makes many late."""
    chance = random.Random(11)
    tasks = [
        Task(
            key,
            order=key,
            kind=1,
            minutes=float(chance.randint(60, 500)),
            due=float(chance.randint(600, 5_000)),
            materials=frozenset({chance.randint(1, 4)}),
        )
        for key in range(30)
    ]
    return problem_of(tasks, [Machine(key, slots=1) for key in (1, 2, 3)], attended=DAYTIME)


@settings(max_examples=12, deadline=None)
@given(problems())
def test_an_improved_plan_can_be_done_and_is_no_worse(problem: Problem) -> None:
    plan = schedule(problem)
    improved = improve(problem, plan, seconds=0.15)
    assert violations(problem, improved) == []
    before, after = score(problem, plan), score(problem, improved)
    assert (after.unplanned, after.late) <= (before.unplanned, before.late)
    assert after.lateness <= before.lateness + 1e-6


def test_a_poor_plan_becomes_better_without_or_tools_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ortools.sat.python.cp_model", None)
    problem = _late_farm()
    plan = by_due_date(problem)
    improved = improve(problem, plan, seconds=5.0)
    assert improved.method == "earliest due date, improved by search, OR-Tools is not installed"
    assert violations(problem, improved) == []
    assert score(problem, improved).late < score(problem, plan).late
    assert score(problem, improved).lateness < score(problem, plan).lateness


def test_a_plan_that_cannot_be_better_comes_back_as_it_was() -> None:
    problem = problem_of([])
    plan = schedule(problem)
    improved = improve(problem, plan, seconds=1.0)
    assert improved.assignments == plan.assignments
    assert improved.method == "greedy, searched, CP-SAT made 0 parts better"


def test_or_tools_makes_the_parts_around_late_tasks_better() -> None:
    problem = _late_farm()
    plan = by_due_date(problem)
    best = _Best(Ground(problem), plan)
    best.total = best.board().total()
    parts = _solve_windows(cp_model, best, random.Random(1), time.monotonic() + 60.0, most=1)
    assert parts == 1
    improved = best.plan("CP-SAT alone")
    assert violations(problem, improved) == []
    assert score(problem, improved).late <= score(problem, plan).late
    assert score(problem, improved).lateness <= score(problem, plan).lateness
    assert score(problem, improved).lateness + score(problem, improved).late < (
        score(problem, plan).lateness + score(problem, plan).late
    )
