"""Problems for tests: small ones by hand, and random ones."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Mapping, Sequence

from hypothesis import strategies as st

from production.scheduling.problem import Interval, Machine, Plan, Problem, Task

HOUR, DAY = 60.0, 24 * 60.0
START = datetime.datetime(2026, 1, 5, tzinfo=datetime.UTC)
#: People are there from 8 to 18 o'clock; minute 0 is midnight.
DAYTIME: tuple[Interval, ...] = tuple((day * DAY + 8 * HOUR, day * DAY + 18 * HOUR) for day in range(60))


def problem_of(
    tasks: Iterable[Task],
    machines: Sequence[Machine] = (Machine(1),),
    *,
    eligible: Mapping[int, tuple[int, ...]] | None = None,
    **given: object,
) -> Problem:
    """Return a problem in which every machine can do every kind, and somebody is always there."""
    tasks = list(tasks)
    everything = {task.kind: tuple(machine.key for machine in machines) for task in tasks}
    return Problem(START, machines, tasks, everything if eligible is None else eligible, **given)  # type: ignore[arg-type]


def task(key: int, minutes: float = HOUR, **given: object) -> Task:
    """Return a task of an order of its own."""
    return Task(key, order=key, kind=1, minutes=minutes, **given)  # type: ignore[arg-type]


def turns(plan: Plan, machine: int = 1) -> list[int]:
    """Return the tasks of a machine in their order."""
    mine = [assignment for assignment in plan.assignments.values() if assignment.machine == machine]
    return [assignment.task for assignment in sorted(mine, key=lambda assignment: assignment.start)]


_minutes = st.integers(5, 900).map(float)
_materials = st.frozensets(st.integers(1, 6), max_size=3)


@st.composite
def _closed(draw: st.DrawFn) -> tuple[Interval, ...]:
    starts = draw(st.lists(st.integers(0, 6_000), max_size=3))
    return tuple((float(start), float(start + draw(st.integers(10, 500)))) for start in starts)


@st.composite
def problems(draw: st.DrawFn, *, most_tasks: int = 14) -> Problem:
    """Draw a problem whose tasks can all be planned if a machine can do them."""
    machines = [
        Machine(
            key,
            free_at=draw(st.sampled_from([0.0, 0.0, 100.0, 1_000.0])),
            loaded=draw(_materials),
            slots=draw(st.sampled_from([1, 3, 4])),
            speed=draw(st.sampled_from([1.0, 1.0, 0.8, 1.5])),
            closed=draw(_closed()),
            by_hand=draw(st.sampled_from([False, False, False, True])),
            clears_itself=draw(st.booleans()),
            attended=draw(st.sampled_from([None, None, DAYTIME, ((0.0, float("inf")),)])),
            occupied=draw(st.booleans()),
        )
        for key in range(1, draw(st.integers(1, 5)) + 1)
    ]
    keys = [machine.key for machine in machines]
    eligible = {
        kind: tuple(draw(st.lists(st.sampled_from([*keys, 99]), unique=True, max_size=5))) for kind in range(1, 5)
    }
    tasks = [
        Task(
            key,
            order=key // 3,
            kind=draw(st.integers(1, 4)),
            minutes=draw(_minutes),
            due=draw(st.none() | st.integers(-100, 9_000).map(float)),
            priority=draw(st.integers(1, 4)),
            release=draw(st.sampled_from([0.0, 0.0, 0.0, 700.0, 3_000.0])),
            materials=draw(_materials),
            after=tuple(draw(st.lists(st.integers(0, key), max_size=2))) if draw(st.booleans()) else (),
            lag=draw(st.sampled_from([0.0, 0.0, 30.0, 600.0])),
        )
        for key in range(1, draw(st.integers(0, most_tasks)) + 1)
    ]
    return Problem(START, machines, tasks, eligible, attended=draw(st.sampled_from([DAYTIME, ((0.0, float("inf")),)])))
