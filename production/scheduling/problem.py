"""What is to be planned, and what a plan is.

Times are minutes after ``Problem.start``, as floats: a plan is advice for people and dispatchers, not bookkeeping.
"""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

Minutes = float
#: From (included) to (excluded).
Interval = tuple[Minutes, Minutes]


@dataclass(frozen=True, slots=True)
class Machine:
    """A printer, or one place of a work center.

    A printer (``by_hand`` False) is cleared and reloaded by a person and prints through the night: before a print,
    a person clears what lies on the plate and changes filament, in one go, in attended time, somewhere between the
    end of the print before and the start. A printer that ``clears_itself`` needs the person for filament alone. The
    print then begins by itself, also when nobody is there, and is not interrupted: one that would reach into
    ``closed`` (maintenance) starts after it.

    Work by hand goes on only in attended time and pauses for its end and for ``closed``; it needs no set-up.
    """

    key: int
    #: When what it does now is over; 0 for an idle one.
    free_at: Minutes = 0.0
    #: Materials in its slots now; a task whose materials are all loaded needs no change. Loading into a full machine
    #: takes out what was used longest ago.
    loaded: frozenset[int] = frozenset()
    #: A task of more materials than this does not fit.
    slots: int = 4
    #: Time of a task here against its ``minutes``.
    speed: float = 1.0
    closed: tuple[Interval, ...] = ()
    by_hand: bool = False
    clears_itself: bool = False
    #: Its own attended time; None: the problem's.
    attended: tuple[Interval, ...] | None = None
    #: A print runs on it now, or lies on its plate: it is to be cleared before the first task.
    occupied: bool = False


@dataclass(frozen=True, slots=True)
class Task:
    """One plate, or one operation of an order.

    ``kind`` names what it asks of a machine: all tasks of a kind may run on the same machines. What runs already is no
    task: it is in its machine's ``free_at``, and what waits for its end has that as its ``release``. ``after`` are
    tasks that must be over first (keys that are no tasks are over), ``lag`` how long after them it may start (drying,
    cooling).

    ``due`` belongs to the last tasks of an order: what comes before them takes its urgency from theirs. Every task
    with a due time is judged, so one on each task counts an order several times. ``priority`` is 1 low, 2 normal,
    3 high, 4 urgent: a higher one goes first where only one of two can be in time, and where neither has a due time.
    """

    key: int
    order: int
    kind: int
    minutes: Minutes
    due: Minutes | None = None
    priority: int = 2
    release: Minutes = 0.0
    materials: frozenset[int] = frozenset()
    after: tuple[int, ...] = ()
    lag: Minutes = 0.0


@dataclass(frozen=True, slots=True)
class Problem:
    """Everything that decides a plan."""

    start: datetime.datetime
    machines: Sequence[Machine]
    tasks: Sequence[Task]
    #: Kind of task -> keys of the machines that can do it; none: it cannot be planned.
    eligible: Mapping[int, tuple[int, ...]]
    #: When people are there; must reach beyond the horizon by the longest task.
    attended: tuple[Interval, ...] = ((0.0, float("inf")),)
    #: A person's time between two prints on a machine, and for each filament that is changed.
    clear_minutes: Minutes = 5.0
    change_minutes: Minutes = 6.0
    #: Nothing is planned to start later.
    horizon: Minutes = 90 * 24 * 60.0


@dataclass(frozen=True, slots=True)
class Assignment:
    """A task on a machine from ``start`` to ``end``.

    ``setup`` are the minutes of filament change; they and clearing lie between the print before and ``start``.
    """

    task: int
    machine: int
    start: Minutes
    end: Minutes
    setup: Minutes = 0.0


@dataclass(slots=True)
class Plan:
    """Assignments by task; tasks that could not be planned stand in ``unplanned``.

    Unplanned are tasks without a machine that can do them, those that would start after the horizon, and what comes
    after either. ``method`` says how the plan was made.
    """

    assignments: dict[int, Assignment] = field(default_factory=dict)
    unplanned: set[int] = field(default_factory=set)
    method: str = "greedy"


@dataclass(frozen=True, slots=True)
class Score:
    """What a plan is judged by; tasks without a due time are never late, nor are unplanned ones."""

    late: int
    #: Sum over the late tasks.
    lateness: Minutes
    #: Filaments changed.
    changes: int
    makespan: Minutes
    unplanned: int = 0
