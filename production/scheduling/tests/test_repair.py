"""What a repair keeps, and what it moves."""

from __future__ import annotations

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from production.scheduling.check import score, violations
from production.scheduling.greedy import schedule
from production.scheduling.problem import Assignment, Machine, Plan, Problem, Task
from production.scheduling.repair import repair
from production.scheduling.tests.problems import DAY, DAYTIME, HOUR, problem_of, problems, task, turns


def _places(plan: Plan, *, without: frozenset[int] = frozenset()) -> dict[int, tuple[int, float, float]]:
    return {
        key: (found.machine, round(found.start, 6), round(found.end, 6))
        for key, found in plan.assignments.items()
        if key not in without
    }


def _without(problem: Problem, machine: int) -> Problem:
    return replace(problem, machines=[each for each in problem.machines if each.key != machine])


@settings(max_examples=60, deadline=None)
@given(problems())
def test_a_plan_that_nothing_touched_stays_as_it_is(problem: Problem) -> None:
    plan = schedule(problem)
    repaired = repair(problem, plan)
    assert _places(repaired) == _places(plan)
    assert repaired.unplanned == plan.unplanned


@settings(max_examples=30, deadline=None)
@given(problems(), st.sets(st.integers(1, 14), max_size=3))
def test_a_plan_that_was_written_to_the_second_stays_as_it_is(problem: Problem, touched: set[int]) -> None:
    """All keeps its machine and, but for seconds, its time; and what is planned anew beside it makes no trouble."""
    problem = replace(problem, tasks=[replace(each, minutes=each.minutes / 7) for each in problem.tasks])
    plan = schedule(problem)
    written = replace(
        plan,
        assignments={
            key: replace(found, start=round(found.start * 60) / 60, end=round(found.end * 60) / 60)
            for key, found in plan.assignments.items()
        },
    )
    repaired = repair(problem, written)
    assert violations(problem, repaired) == []
    for key, found in repaired.assignments.items():
        assert found.machine == plan.assignments[key].machine
        assert abs(found.start - plan.assignments[key].start) < 0.5
    assert violations(problem, repair(problem, written, touched=touched)) == []


@st.composite
def _happened(draw: st.DrawFn) -> tuple[Problem, Problem, list[int]]:
    """Draw a problem, what became of it, and tasks that are to be planned anew."""
    before = draw(problems())
    after = before
    keys = [each.key for each in before.tasks]
    if draw(st.booleans()):
        after = _without(after, draw(st.sampled_from([each.key for each in before.machines])))
    if draw(st.booleans()):
        more = draw(problems(most_tasks=4)).tasks
        after = replace(after, tasks=[*after.tasks, *(replace(each, key=each.key + 100) for each in more)])
    if keys and draw(st.booleans()):
        gone = draw(st.sampled_from(keys))
        after = replace(after, tasks=[each for each in after.tasks if each.key != gone])
    if draw(st.booleans()):
        longer = draw(st.floats(0.0, 900.0))
        machines = [replace(each, free_at=each.free_at + longer, occupied=True) for each in after.machines[:2]]
        after = replace(after, machines=[*machines, *after.machines[2:]])
    if draw(st.booleans()):
        closed = ((200.0, 900.0),)
        machines = [replace(each, closed=each.closed + closed) for each in after.machines[:1]]
        after = replace(after, machines=[*machines, *after.machines[1:]])
    if draw(st.booleans()):
        after = replace(after, tasks=[replace(each, release=each.release + 300.0) for each in after.tasks])
    touched = draw(st.lists(st.sampled_from(keys), max_size=3)) if keys else []
    return before, after, touched


@settings(max_examples=100, deadline=None)
@given(_happened())
def test_whatever_happens_a_repaired_plan_can_be_done_and_leaves_nothing_out(
    happened: tuple[Problem, Problem, list[int]],
) -> None:
    before, after, touched = happened
    repaired = repair(after, schedule(before), touched=touched)
    assert violations(after, repaired) == []
    assert repaired.unplanned == schedule(after).unplanned
    assert repaired.method == "repair"


def test_when_a_printer_fails_its_tasks_go_elsewhere_and_the_others_stay() -> None:
    tasks = [task(key, 2 * HOUR, due=5 * DAY) for key in range(1, 13)]
    problem = problem_of(tasks, [Machine(key) for key in (1, 2, 3)], attended=DAYTIME)
    plan = schedule(problem)
    lost = frozenset(turns(plan, 2))
    left = _without(problem, 2)
    repaired = repair(left, plan)
    assert lost
    assert _places(repaired, without=lost) == _places(plan, without=lost)
    assert violations(left, repaired) == []
    assert score(left, repaired).late == 0


def test_what_came_after_a_lost_task_waits_for_it_and_else_stays_where_it_was() -> None:
    tasks = [
        task(1, 2 * HOUR),
        task(2, 2 * HOUR),
        replace(task(3, 30.0, after=(1,), lag=HOUR), kind=2),
        replace(task(4, 30.0, after=(2,), lag=6 * HOUR), kind=2),
    ]
    machines = [Machine(1), Machine(2), Machine(9, by_hand=True)]
    problem = problem_of(tasks, machines, eligible={1: (1, 2), 2: (9,)})
    plan = schedule(problem)
    failed = plan.assignments[1].machine
    left = _without(problem, failed)
    repaired = repair(left, plan)
    assert violations(left, repaired) == []
    assert repaired.assignments[1].start == 2 * HOUR + 5
    assert repaired.assignments[3].start == repaired.assignments[1].end + HOUR
    assert _places(repaired)[4] == _places(plan)[4]


def test_a_new_order_takes_a_gap_and_moves_nothing() -> None:
    problem = problem_of([task(1), task(2, release=300.0, due=DAY)])
    plan = schedule(problem)
    more = replace(problem, tasks=[*problem.tasks, task(3, 100.0, due=DAY)])
    repaired = repair(more, plan)
    assert _places(repaired, without=frozenset({3})) == _places(plan)
    assert repaired.assignments[3].start == 65.0


def test_a_gap_that_leaves_nobody_to_clear_the_plate_is_none() -> None:
    """The next print starts at night, by itself, on the plate that was cleared in the evening."""
    problem = problem_of([task(1, release=20 * HOUR, due=2 * DAY)], attended=DAYTIME)
    plan = schedule(problem)
    more = replace(problem, tasks=[*problem.tasks, task(2, 3 * HOUR, due=2 * DAY, release=16 * HOUR)])
    repaired = repair(more, plan)
    assert _places(repaired)[1] == _places(plan)[1]
    assert repaired.assignments[2].start == DAY + 8 * HOUR + 5


def test_a_pressing_order_pushes_back_what_has_time_and_nothing_else() -> None:
    tasks = [task(key, 3 * HOUR, due=DAY) for key in range(1, 5)]
    problem = problem_of(tasks, [Machine(1), Machine(2)])
    plan = schedule(problem)
    more = replace(problem, tasks=[*tasks, task(9, HOUR, due=5 * HOUR, priority=4)])
    repaired = repair(more, plan)
    assert score(more, repaired).late == 0
    pushed = repaired.assignments[9].machine
    stayed = frozenset({9, *turns(repaired, pushed)})
    assert _places(repaired, without=stayed) == _places(plan, without=stayed)
    assert [key for key in turns(repaired, pushed) if key != 9] == turns(plan, pushed)


def test_an_urgent_order_without_a_due_time_does_not_wait_for_all_others() -> None:
    tasks = [task(key, 3 * HOUR, due=5 * DAY) for key in range(1, 9)]
    problem = problem_of(tasks)
    more = replace(problem, tasks=[*tasks, task(9, HOUR, priority=4)])
    assert turns(repair(more, schedule(problem)))[0] == 9
    calm = replace(problem, tasks=[*tasks, task(9, HOUR)])
    assert turns(repair(calm, schedule(problem)))[-1] == 9


def test_a_job_that_takes_longer_moves_what_is_behind_it_back_and_nothing_else() -> None:
    tasks = [task(key, 2 * HOUR, due=5 * DAY) for key in range(1, 9)]
    machines = [Machine(1, free_at=10.0, occupied=True), Machine(2)]
    problem = problem_of(tasks, machines)
    plan = schedule(problem)
    longer = replace(problem, machines=[replace(machines[0], free_at=100.0), machines[1]])
    repaired = repair(longer, plan)
    assert turns(repaired, 1) == turns(plan, 1)
    behind = frozenset(turns(plan, 1))
    assert [repaired.assignments[key].start - plan.assignments[key].start for key in sorted(behind)] == [90.0] * 4
    assert _places(repaired, without=behind) == _places(plan, without=behind)


def test_what_would_be_late_behind_a_longer_job_goes_to_another_machine() -> None:
    machines = [Machine(1), Machine(2, free_at=30.0, occupied=True)]
    problem = problem_of([task(1, due=120.0)], machines)
    plan = schedule(problem)
    assert plan.assignments[1].machine == 1
    longer = replace(problem, machines=[replace(machines[0], free_at=500.0), machines[1]])
    repaired = repair(longer, plan)
    assert repaired.assignments[1] == Assignment(1, 2, 35.0, 95.0)


def test_a_task_that_is_touched_is_planned_anew() -> None:
    problem = problem_of([task(1, due=DAY), task(2, due=2 * DAY)])
    plan = schedule(problem)
    slower = replace(problem, tasks=[task(1, 3 * HOUR, due=DAY), problem.tasks[1]])
    repaired = repair(slower, plan, touched=[1])
    assert violations(slower, repaired) == []
    assert _places(repaired)[2] == _places(plan)[2]
    assert repaired.assignments[1].start > plan.assignments[2].start


def test_what_was_unplanned_is_planned_when_a_machine_can_do_it() -> None:
    problem = problem_of([task(1), replace(task(2), kind=2)], eligible={1: (1,), 2: ()})
    plan = schedule(problem)
    able = replace(problem, eligible={1: (1,), 2: (1,)})
    assert plan.unplanned == {2}
    assert repair(able, plan).assignments[2].start == 65.0


def test_what_is_done_leaves_its_place_empty() -> None:
    problem = problem_of([task(key, due=key * DAY) for key in (1, 2, 3)])
    plan = schedule(problem)
    fewer = replace(problem, tasks=problem.tasks[1:])
    assert _places(repair(fewer, plan)) == _places(plan, without=frozenset({1}))


def test_a_task_longer_than_its_place_moves_what_is_behind_it_back() -> None:
    """A task that is not touched keeps its start; that it takes longer now is seen all the same."""
    tasks: list[Task] = [task(1, due=DAY), task(2, due=2 * DAY)]
    problem = problem_of(tasks)
    plan = schedule(problem)
    slower = replace(problem, tasks=[task(1, 100.0, due=DAY), tasks[1]])
    repaired = repair(slower, plan)
    assert [repaired.assignments[key].start for key in (1, 2)] == [0.0, 105.0]


def test_a_late_task_does_not_push_back_what_it_waits_for() -> None:
    """It could start right after it, before people come, if that did not need the same plate to be cleared."""
    tasks = [task(1, 5.0), task(2, 5.0, due=0.0, after=(1,))]
    problem = problem_of(tasks, [Machine(1), Machine(2)], attended=DAYTIME)
    plan = schedule(problem)
    left = _without(problem, plan.assignments[1].machine)
    repaired = repair(left, plan)
    assert violations(left, repaired) == []
    assert turns(repaired, left.machines[0].key) == [1, 2]
