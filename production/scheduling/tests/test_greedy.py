"""What the planner promises, on random farms and rule by rule."""

from __future__ import annotations

import itertools
import random
from dataclasses import replace

import pytest
from hypothesis import given, settings

from production.scheduling.board import LATE, Board
from production.scheduling.check import score, violations
from production.scheduling.edd import by_due_date
from production.scheduling.greedy import schedule
from production.scheduling.ground import Ground, weight_of
from production.scheduling.problem import Machine, Plan, Problem, Task
from production.scheduling.tests.problems import DAY, DAYTIME, HOUR, problem_of, problems, task, turns


def _hopeless(problem: Problem) -> set[int]:
    """Tasks that no machine can do, that wait for themselves, or for such."""
    machines = {machine.key: machine for machine in problem.machines}
    tasks = {task.key: task for task in problem.tasks}
    able = {
        task.key
        for task in problem.tasks
        if any(
            key in machines and (machines[key].by_hand or machines[key].slots >= len(task.materials))
            for key in problem.eligible[task.kind]
        )
    }
    fine: set[int] = set()
    while True:
        more = {key for key in able - fine if all(key in fine for key in tasks[key].after if key in tasks)}
        if not more:
            return tasks.keys() - fine
        fine |= more


@settings(max_examples=80, deadline=None)
@given(problems())
def test_every_task_that_a_machine_can_do_is_planned_and_nothing_that_cannot_be_done(problem: Problem) -> None:
    plan = schedule(problem)
    assert violations(problem, plan) == []
    assert plan.unplanned == _hopeless(problem)


@settings(max_examples=80, deadline=None)
@given(problems())
def test_a_plan_is_never_worse_than_by_earliest_due_date(problem: Problem) -> None:
    plain, plan = by_due_date(problem), schedule(problem)
    assert violations(problem, plain) == []
    floor, found = score(problem, plain), score(problem, plan)
    assert found.unplanned <= floor.unplanned
    assert found.late <= floor.late
    assert found.lateness <= floor.lateness + 1e-6


def test_the_same_problem_gets_the_same_plan() -> None:
    problem = _farm(40, 4, seed=3)
    assert schedule(problem).assignments == schedule(problem).assignments


def test_nothing_to_do_is_an_empty_plan() -> None:
    assert schedule(problem_of([])).assignments == {}


def test_a_task_without_a_machine_is_unplanned_and_so_is_what_comes_after_it() -> None:
    tasks = [task(1), replace(task(2), kind=2), task(3, after=(2,)), task(4, after=(1,))]
    plan = schedule(problem_of(tasks, eligible={1: (1,), 2: ()}))
    assert plan.unplanned == {2, 3}
    assert plan.assignments.keys() == {1, 4}


def test_tasks_that_wait_for_each_other_are_unplanned() -> None:
    plan = schedule(problem_of([task(1, after=(2,)), task(2, after=(1,)), task(3)]))
    assert plan.unplanned == {1, 2}


def test_what_a_task_waits_for_is_over_when_it_is_no_task() -> None:
    assert schedule(problem_of([task(1, after=(77,))])).assignments[1].start == 0.0


def test_a_task_of_more_materials_than_slots_goes_to_a_machine_that_has_them() -> None:
    four = frozenset({1, 2, 3, 4})
    machines = [Machine(1, slots=1, loaded=frozenset({1})), Machine(2, slots=4)]
    assert schedule(problem_of([task(1, materials=four)], machines)).assignments[1].machine == 2
    assert schedule(problem_of([task(1, materials=four)], machines[:1])).unplanned == {1}


def test_what_would_start_after_the_horizon_is_unplanned() -> None:
    plan = schedule(problem_of([task(1, due=DAY), task(2, due=2 * DAY)], horizon=50.0))
    assert plan.assignments.keys() == {1}
    assert plan.unplanned == {2}


def test_a_slow_machine_takes_longer() -> None:
    plan = schedule(problem_of([task(1, 100.0)], [Machine(1, speed=1.5)]))
    assert plan.assignments[1].end == 150.0


def test_the_earlier_due_goes_first() -> None:
    tasks = [task(1, due=300.0), task(2, due=130.0), task(3, due=65.0)]
    assert turns(schedule(problem_of(tasks))) == [3, 2, 1]


def test_an_urgent_task_goes_first_where_only_one_can_be_in_time() -> None:
    tasks = [task(1, due=65.0), task(2, due=70.0, priority=4)]
    assert turns(schedule(problem_of(tasks))) == [2, 1]


def test_an_urgent_task_with_time_to_spare_makes_nothing_late() -> None:
    tasks = [task(1, due=65.0), task(2, due=500.0, priority=4)]
    plan = schedule(problem_of(tasks))
    assert turns(plan) == [1, 2]
    assert score(problem_of(tasks), plan).late == 0


def test_without_due_times_the_higher_priority_goes_first() -> None:
    tasks = [task(1, priority=1), task(2, priority=2), task(3, priority=4), task(4, priority=3)]
    assert turns(schedule(problem_of(tasks))) == [3, 4, 2, 1]


def test_what_comes_before_a_due_task_takes_its_urgency() -> None:
    """The print of an order that still has to be painted goes before one that is due earlier by itself."""
    tasks = [
        task(1, due=240.0),
        task(2),
        replace(task(3, 2 * HOUR, due=200.0, after=(2,)), kind=2),
    ]
    machines = [Machine(1), Machine(9, by_hand=True)]
    plan = schedule(problem_of(tasks, machines, eligible={1: (1,), 2: (9,)}))
    assert turns(plan) == [2, 1]
    assert score(problem_of(tasks, machines, eligible={1: (1,), 2: (9,)}), plan).late == 0


def test_a_task_waits_for_what_is_before_it_and_for_the_lag() -> None:
    plan = schedule(problem_of([task(1), task(2, after=(1,), lag=30.0)], [Machine(1), Machine(2)]))
    assert plan.assignments[2].start == 90.0


def test_a_task_waits_for_its_release() -> None:
    plan = schedule(problem_of([task(1, release=45.0), task(2, due=DAY)]))
    assert plan.assignments[1].start >= 45.0


def test_at_night_a_printer_gets_the_one_job_that_runs_into_it() -> None:
    """Cleared at 18 o'clock at the latest, it prints one job; the next starts when it was cleared in the morning."""
    tasks = [task(key, 5 * HOUR) for key in range(1, 5)]
    plan = schedule(problem_of(tasks, attended=DAYTIME))
    starts = sorted(assignment.start for assignment in plan.assignments.values())
    # From midnight on the empty printer, at 8:05 and 13:10 after clearing, and the next morning.
    assert starts == [0.0, 8 * HOUR + 5, 13 * HOUR + 10, DAY + 8 * HOUR + 5]


def test_the_long_job_goes_last_before_people_leave() -> None:
    tasks = [task(1, 14 * HOUR), *(task(key, 2 * HOUR) for key in range(2, 6))]
    machine = Machine(1, free_at=8 * HOUR)
    plan = schedule(problem_of(tasks, [machine], attended=DAYTIME))
    assert turns(plan)[-1] == 1
    assert plan.assignments[1].start < 18 * HOUR
    assert plan.assignments[1].end < DAY + 8 * HOUR


def test_the_short_job_goes_before_people_leave_when_it_would_be_late_otherwise() -> None:
    tasks = [task(1, 14 * HOUR, due=3 * DAY), task(2, 2 * HOUR, due=20 * HOUR)]
    plan = schedule(problem_of(tasks, [Machine(1, free_at=17 * HOUR)], attended=DAYTIME))
    assert turns(plan) == [2, 1]


def test_a_printer_that_clears_itself_prints_on_through_the_night() -> None:
    tasks = [task(key, 5 * HOUR) for key in range(1, 5)]
    plan = schedule(problem_of(tasks, [Machine(1, clears_itself=True)], attended=DAYTIME))
    assert sorted(assignment.start for assignment in plan.assignments.values()) == [0.0, 305.0, 610.0, 915.0]


def test_even_a_printer_that_clears_itself_waits_for_a_person_to_change_filament() -> None:
    tasks = [task(1, 5 * HOUR, materials=frozenset({7})), task(2, 5 * HOUR, materials=frozenset({8}), due=DAY)]
    machine = Machine(1, clears_itself=True, loaded=frozenset({7}), slots=1)
    plan = schedule(problem_of(tasks, [machine], attended=DAYTIME))
    assert plan.assignments[1].start == 0.0
    assert (plan.assignments[2].start, plan.assignments[2].setup) == (8 * HOUR + 6, 6.0)


def test_a_plate_that_is_full_is_cleared_before_the_first_task() -> None:
    assert schedule(problem_of([task(1)], [Machine(1, occupied=True)])).assignments[1].start == 5.0
    assert schedule(problem_of([task(1)], [Machine(1, free_at=30.0, occupied=True)])).assignments[1].start == 35.0
    assert schedule(problem_of([task(1)], [Machine(1, free_at=30.0)])).assignments[1].start == 30.0


def test_a_print_that_would_reach_into_maintenance_starts_after_it() -> None:
    machine = Machine(1, closed=((50.0, 100.0), (130.0, 140.0)))
    assert schedule(problem_of([task(1)], [machine])).assignments[1].start == 140.0
    assert schedule(problem_of([task(1, 50.0)], [machine])).assignments[1].start == 0.0


def test_a_short_job_fills_the_time_before_maintenance() -> None:
    machine = Machine(1, closed=((100.0, 200.0),))
    plan = schedule(problem_of([task(1, 300.0), task(2, 90.0)], [machine]))
    assert (plan.assignments[2].start, plan.assignments[1].start) == (0.0, 200.0)


def test_nobody_clears_a_plate_during_maintenance() -> None:
    machine = Machine(1, occupied=True, closed=((0.0, 100.0),))
    assert schedule(problem_of([task(1)], [machine])).assignments[1].start == 105.0


def test_work_by_hand_pauses_for_the_night_and_for_closed_times() -> None:
    place = Machine(1, by_hand=True, free_at=17 * HOUR, closed=((DAY + 8 * HOUR, DAY + 9 * HOUR),))
    plan = schedule(problem_of([task(1, 2 * HOUR)], [place], attended=DAYTIME))
    assert (plan.assignments[1].start, plan.assignments[1].end) == (17 * HOUR, DAY + 10 * HOUR)


def test_a_place_has_its_own_hours() -> None:
    place = Machine(1, by_hand=True, attended=((500.0, 700.0),))
    assert schedule(problem_of([task(1)], [place])).assignments[1].start == 500.0


def test_what_is_loaded_needs_no_change() -> None:
    machines = [Machine(1, loaded=frozenset({1})), Machine(2, loaded=frozenset({2}))]
    tasks = [task(1, materials=frozenset({2})), task(2, materials=frozenset({1}))]
    plan = schedule(problem_of(tasks, machines))
    assert [plan.assignments[key].machine for key in (1, 2)] == [2, 1]
    assert [plan.assignments[key].setup for key in (1, 2)] == [0.0, 0.0]


def test_jobs_of_one_colour_go_together_where_nothing_becomes_late() -> None:
    tasks = [task(key, due=10 * DAY, materials=frozenset({key % 2})) for key in range(1, 9)]
    problem = problem_of(tasks, [Machine(1, slots=1, loaded=frozenset({0}))])
    assert score(problem, schedule(problem)).changes == 1


def test_a_colour_is_changed_when_waiting_would_make_a_job_late() -> None:
    tasks = [
        task(1, due=65.0, materials=frozenset({1})),
        task(2, due=140.0, materials=frozenset({2})),
        task(3, due=215.0, materials=frozenset({1})),
    ]
    problem = problem_of(tasks, [Machine(1, slots=1, loaded=frozenset({1}))])
    plan = schedule(problem)
    assert turns(plan) == [1, 2, 3]
    assert score(problem, plan).changes == 2
    assert score(problem, plan).late == 0


def test_loading_takes_out_what_was_used_longest_ago() -> None:
    """Material 2 was not used since 1 was, so 3 takes its slot and 1 stays."""
    tasks = [
        task(1, due=70.0, materials=frozenset({1})),
        task(2, due=145.0, materials=frozenset({3})),
        task(3, due=210.0, materials=frozenset({1})),
    ]
    problem = problem_of(tasks, [Machine(1, slots=2, loaded=frozenset({1, 2}))])
    plan = schedule(problem)
    assert [plan.assignments[key].setup for key in (1, 2, 3)] == [0.0, 6.0, 0.0]


@pytest.mark.parametrize("priorities", [False, True])
def test_small_farms_are_planned_as_well_as_can_be_in_nearly_all_cases(priorities: bool) -> None:
    """Over all ways to put five tasks on two printers that are no worse than by earliest due date."""
    ratios = []
    for seed in range(20):
        problem = _farm(5, 2, seed=seed, priorities=priorities)
        floor = score(problem, by_due_date(problem))
        least = min(
            _cost(problem, plan)
            for plan in _all_plans(problem)
            if (found := score(problem, plan)).late <= floor.late and found.lateness <= floor.lateness
        )
        ratios.append((_cost(problem, schedule(problem)) + 1) / (least + 1))
    assert min(ratios) >= 1.0 - 1e-9
    assert max(ratios) <= 1.1
    assert sum(ratio <= 1.0 + 1e-9 for ratio in ratios) >= 18


def _cost(problem: Problem, plan: Plan) -> float:
    """What the planner weighs: each late task, and each minute of it, by priority."""
    return sum(
        weight_of(task.priority) * (LATE + over)
        for task in problem.tasks
        if task.due is not None and (over := plan.assignments[task.key].end - task.due) > 1e-6
    )


def _all_plans(problem: Problem) -> list[Plan]:
    ground = Ground(problem)
    count = len(problem.tasks)
    return [
        Board(ground, [order[:cut], order[cut:]]).plan("every way")
        for order in itertools.permutations(range(count))
        for cut in range(count + 1)
    ]


def _farm(count: int, machines: int, *, seed: int, priorities: bool = False) -> Problem:
    chance = random.Random(seed)
    tasks = [
        Task(
            key,
            order=key,
            kind=1,
            minutes=float(chance.randint(30, 600)),
            due=float(chance.randint(500, 900 + 400 * count // machines)),
            priority=chance.choice((2, 2, 4)) if priorities else 2,
            materials=frozenset({chance.randint(1, 3)}),
        )
        for key in range(count)
    ]
    return problem_of(tasks, [Machine(key, slots=1) for key in range(1, machines + 1)], attended=DAYTIME)
