"""The checker finds each thing that cannot be done: the planners are judged by it."""

from __future__ import annotations

from dataclasses import replace

from production.scheduling.check import score, violations
from production.scheduling.problem import Assignment, Machine, Plan, Problem
from production.scheduling.tests.problems import DAY, DAYTIME, HOUR, problem_of, task


def _plan(*assignments: Assignment, unplanned: set[int] | None = None) -> Plan:
    return Plan({assignment.task: assignment for assignment in assignments}, unplanned or set())


def _found(problem: Problem, *assignments: Assignment) -> list[str]:
    return violations(problem, _plan(*assignments))


def test_a_plan_that_holds_has_no_violations() -> None:
    problem = problem_of([task(1), task(2)])
    assert _found(problem, Assignment(1, 1, 0.0, 60.0), Assignment(2, 1, 65.0, 125.0)) == []


def test_two_tasks_at_once_on_one_machine_are_found() -> None:
    found = _found(problem_of([task(1), task(2)]), Assignment(1, 1, 0.0, 60.0), Assignment(2, 1, 30.0, 90.0))
    assert "task 2 on machine 1 starts while it is not free" in found


def test_a_print_on_an_uncleared_plate_is_found() -> None:
    found = _found(problem_of([task(1), task(2)]), Assignment(1, 1, 0.0, 60.0), Assignment(2, 1, 62.0, 122.0))
    assert found == ["task 2 on machine 1 has nobody to clear and load for it"]
    assert _found(problem_of([task(1)], [Machine(1, occupied=True)]), Assignment(1, 1, 0.0, 60.0)) == [
        "task 1 on machine 1 has nobody to clear and load for it"
    ]


def test_a_plate_cleared_at_night_is_found_and_one_cleared_before_it_is_not() -> None:
    problem = problem_of([task(1), task(2)], attended=DAYTIME)
    evening = 17 * HOUR + 50
    late = Assignment(1, 1, evening - HOUR + 8, evening + 8)
    early = Assignment(1, 1, evening - HOUR, evening)
    night = Assignment(2, 1, 20 * HOUR, 21 * HOUR)
    assert _found(problem, early, night) == []
    assert _found(problem, late, night) == ["task 2 on machine 1 has nobody to clear and load for it"]
    itself = problem_of([task(1), task(2)], [Machine(1, clears_itself=True)], attended=DAYTIME)
    assert _found(itself, late, night) == []
    assert _found(itself, late, Assignment(2, 1, evening + 10, evening + 70)) == [
        "task 2 on machine 1 starts before the plate cleared itself"
    ]


def test_a_missing_or_wrong_set_up_is_found() -> None:
    problem = problem_of([task(1, materials=frozenset({1, 2}))], [Machine(1, loaded=frozenset({1}))])
    assert _found(problem, Assignment(1, 1, 6.0, 66.0, setup=6.0)) == []
    assert _found(problem, Assignment(1, 1, 6.0, 66.0)) == ["task 1 on machine 1 needs 6 minutes of change, not 0"]
    assert _found(problem, Assignment(1, 1, 5.0, 65.0, setup=6.0)) == [
        "task 1 on machine 1 has nobody to clear and load for it"
    ]


def test_the_wrong_machine_is_found() -> None:
    problem = problem_of([task(1)], [Machine(1), Machine(2)], eligible={1: (1,)})
    assert _found(problem, Assignment(1, 2, 0.0, 60.0)) == ["task 1 is on machine 2, which cannot do it"]
    assert _found(problem, Assignment(1, 3, 0.0, 60.0)) == ["task 1 is on machine 3, which cannot do it"]
    many = problem_of([task(1, materials=frozenset({1, 2}))], [Machine(1, slots=1)])
    assert "task 1 has more materials than machine 1 has slots" in _found(many, Assignment(1, 1, 12.0, 72.0, 12.0))


def test_a_run_into_maintenance_or_of_the_wrong_length_is_found() -> None:
    problem = problem_of([task(1)], [Machine(1, closed=((50.0, 70.0),))])
    assert _found(problem, Assignment(1, 1, 0.0, 60.0)) == ["task 1 on machine 1 runs in maintenance"]
    assert _found(problem, Assignment(1, 1, 70.0, 130.0)) == []
    assert _found(problem, Assignment(1, 1, 70.0, 120.0)) == ["task 1 on machine 1 does not take 60 minutes"]


def test_work_by_hand_outside_its_hours_is_found() -> None:
    problem = problem_of([task(1)], [Machine(1, by_hand=True)], attended=DAYTIME)
    assert _found(problem, Assignment(1, 1, 17.5 * HOUR, DAY + 8.5 * HOUR)) == []
    assert _found(problem, Assignment(1, 1, 17.5 * HOUR, 18.5 * HOUR)) == [
        "task 1 on machine 1 has 30 minutes of work, not 60"
    ]


def test_what_comes_too_early_is_found() -> None:
    problem = problem_of([task(1), task(2, after=(1,), lag=10.0)], [Machine(1), Machine(2)])
    assert _found(problem, Assignment(1, 1, 0.0, 60.0), Assignment(2, 2, 65.0, 125.0)) == [
        "task 2 starts before 1 is over"
    ]
    assert violations(problem, _plan(Assignment(2, 2, 70.0, 130.0), unplanned={1})) == [
        "task 2 is planned, but not 1 before it"
    ]
    assert _found(problem_of([task(1, release=5.0)]), Assignment(1, 1, 0.0, 60.0)) == [
        "task 1 starts before its release"
    ]
    assert _found(problem_of([task(1)], horizon=10.0), Assignment(1, 1, 20.0, 80.0)) == [
        "task 1 starts after the horizon"
    ]


def test_tasks_that_are_forgotten_doubled_or_strange_are_found() -> None:
    problem = problem_of([task(1)])
    assert violations(problem, Plan()) == ["task 1 is in only one of problem and plan"]
    assert _found(problem, Assignment(1, 1, 0.0, 60.0), Assignment(2, 1, 65.0, 125.0)) == [
        "task 2 is in only one of problem and plan"
    ]
    assert violations(problem, _plan(Assignment(1, 1, 0.0, 60.0), unplanned={1})) == [
        "task 1 is both planned and unplanned"
    ]


def test_the_score_counts_late_tasks_their_lateness_and_changes() -> None:
    tasks = [task(1, due=60.0), task(2, due=100.0, materials=frozenset({1, 2})), task(3), task(4, due=0.0)]
    plan = _plan(
        Assignment(1, 1, 0.0, 60.0), Assignment(2, 1, 77.0, 137.0, 12.0), Assignment(3, 1, 142.0, 202.0), unplanned={4}
    )
    found = score(problem_of(tasks), plan)
    assert (found.late, found.lateness, found.changes, found.makespan, found.unplanned) == (1, 37.0, 2, 202.0, 1)


def test_an_empty_plan_scores_nothing() -> None:
    found = score(replace(problem_of([])), Plan())
    assert (found.late, found.lateness, found.changes, found.makespan) == (0, 0.0, 0, 0.0)
