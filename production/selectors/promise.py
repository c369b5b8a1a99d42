"""By when something can be shipped that nobody has planned yet, and why not sooner: capable to promise.

The work is put into what the present schedule leaves free of each printer's time, by the same planner that made the
schedule: after what runs and what is as urgent, before what is less urgent, which would be moved for it.
"""

from __future__ import annotations

import datetime
import math
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from heapq import heapify, heapreplace
from itertools import groupby

from django.conf import settings
from django.utils import timezone

from inventory.selectors.arrivals import Arrival, arrivals
from production.models import PrintJob, ProductionOrder, ScheduleEntry, ScheduleRun
from production.scheduling.greedy import schedule
from production.scheduling.ground import Ground, Place
from production.scheduling.hours import NEVER
from production.scheduling.hours import Hours as Minutes
from production.scheduling.problem import Interval, Machine, Problem
from production.selectors.farm import Volume
from production.selectors.hours import MAX_DAYS, Hours, farm_hours, minutes_after, moment_after
from production.selectors.schedule import CLEAR_MINUTES, load_printers, load_schedule_problem

#: A schedule that is older is not what the farm does any more: the farm is planned for the question then.
FRESH = datetime.timedelta(minutes=30)
#: So many runs are put in one by one; of more, several at a time.
_MAX_RUNS = 60
#: Minutes between two prints in which none can be made and taken off.
_NO_ROOM = 2 * CLEAR_MINUTES
_HORIZON = MAX_DAYS * 24 * 60.0


@dataclass(frozen=True)
class Work:
    """What is to be made: printer minutes in all, the longest run, the number of runs, how urgent (1 low .. 4 urgent),
    kg or pieces of each product it takes, days of handwork after printing, and how large its largest part is.
    """

    minutes: Decimal
    longest_run: Decimal
    runs: int = 1
    priority: int = ProductionOrder.Priority.NORMAL
    needs: Mapping[int, Decimal] = field(default_factory=dict)
    finishing_days: int = 0
    size_mm: Volume | None = None


@dataclass(frozen=True)
class Booked:
    """Time of a printer that the schedule has given away, in minutes after the plan's start, and how urgent it is."""

    start: float
    end: float
    priority: int


@dataclass(frozen=True)
class FarmPlan:
    """What the printers in service do by the present schedule from ``start`` on, and when people are there."""

    start: datetime.datetime
    machines: Sequence[Machine] = ()
    booked: Mapping[int, Sequence[Booked]] = field(default_factory=dict)
    attended: tuple[Interval, ...] = ((0.0, NEVER),)
    #: Build volume of each printer; one that is not there takes any part.
    volumes: Mapping[int, Volume] = field(default_factory=dict)
    _free: dict[int, list[Place]] = field(default_factory=dict, init=False, compare=False, repr=False)

    def free_for(self, priority: int) -> list[Place]:
        """Return the printers as they are for new work so urgent: what is as urgent keeps its time."""
        if priority not in self._free:
            hours = Minutes(self.attended)
            machines = [
                replace(machine, closed=(*machine.closed, *self._taken(machine, priority, hours)))
                for machine in self.machines
            ]
            problem = Problem(self.start, machines, (), {}, attended=self.attended, clear_minutes=CLEAR_MINUTES)
            self._free[priority] = list(Ground(problem).places)
        return self._free[priority]

    def _taken(self, machine: Machine, priority: int, hours: Minutes) -> list[Interval]:
        """Return the time that booked work takes, with that of clearing the plate before and after it."""
        taken: list[Interval] = []
        begin = end = None
        for row in self.booked.get(machine.key, ()):
            if row.priority < priority:
                continue
            # Between two prints that follow each other nothing has room, so they are one.
            if end is not None and row.start - end <= _NO_ROOM:
                end = max(end, row.end)
                continue
            if begin is not None and end is not None:
                taken.append(self._with_clearing(machine, begin, end, hours))
            begin, end = row.start, row.end
        if begin is not None and end is not None:
            taken.append(self._with_clearing(machine, begin, end, hours))
        return taken

    @staticmethod
    def _with_clearing(machine: Machine, start: float, end: float, hours: Minutes) -> Interval:
        if machine.clears_itself:
            return start, end
        cleared = hours.window(end, CLEAR_MINUTES) + CLEAR_MINUTES
        return max(hours.latest_begin(start, CLEAR_MINUTES), 0.0), cleared

    def fits(self, key: int, size: Volume | None) -> bool:
        """Return whether a printer takes a part of this size, turned on the plate if need be."""
        if size is None or key not in self.volumes:
            return True
        x, y, z = self.volumes[key]
        return z >= size[2] and min(x, y) >= min(size[:2]) and max(x, y) >= max(size[:2])


@dataclass(frozen=True)
class Promise:
    """The day on which it is shipped, None where only a person can say, and why in one sentence."""

    ship_on: datetime.date | None
    reason: str


@dataclass(frozen=True)
class Outlook:
    """The farm at a moment of local time: its schedule, its hours, the working days that counting, inspection and
    packing take, and the material that is not there yet.
    """

    now: datetime.datetime
    plan: FarmPlan
    hours: Hours
    handling_days: int = 1
    arriving: Collection[Arrival] = ()


def promise(work: Work, outlook: Outlook) -> Promise:
    """Return by when work that is ordered now is shipped; no query.

    Its runs go where they end first. Printing starts when the material is there; counting, inspection, finish and
    packing follow.
    """
    now, plan = outlook.now, outlook.plan
    if not plan.machines:
        return Promise(None, "No printer is in service: a person says when.")
    places = [place for place in plan.free_for(work.priority) if plan.fits(place.key, work.size_mm)]
    if not places:
        return Promise(None, "No printer in service is large enough: a person says when.")
    late = max(outlook.arriving, key=lambda arrival: arrival.on, default=None)
    release = max(minutes_after(plan.start, now), 0.0)
    if late is not None and late.on > now.date():
        there = datetime.datetime.combine(late.on, datetime.time(), tzinfo=now.tzinfo)
        release = max(release, minutes_after(plan.start, there))
    start, end = _put_in(places, _runs_of(work), release)
    shipped = None
    if end < _HORIZON:
        printed = moment_after(plan.start, end).astimezone(now.tzinfo)
        shipped = outlook.hours.after_days(printed.date(), outlook.handling_days + work.finishing_days)
    if shipped is None or (shipped - now.date()).days > MAX_DAYS:
        return Promise(None, "That is more than a year of printing: a person says when.")
    begins = moment_after(plan.start, start).astimezone(now.tzinfo)
    own = max(work.longest_run, work.minutes / min(len(places), max(work.runs, 1)))
    words = [_beginning(begins, now), f"{_hours(own)} to print", _material(late, work, now.date())]
    return Promise(shipped, f"{', '.join(word for word in words if word)}.")


def _runs_of(work: Work) -> list[float]:
    """Return the minutes of each run, the longest first; of very many, several together."""
    runs = max(work.runs, 1)
    longest = float(work.longest_run) if runs > 1 else float(max(work.longest_run, work.minutes))
    rest = max(float(work.minutes) - longest, 0.0) / max(runs - 1, 1)
    minutes = [longest]
    left, at_once = runs - 1, math.ceil(runs / _MAX_RUNS)
    while left > 0:
        number = min(at_once, left)
        minutes.append(number * rest + (number - 1) * CLEAR_MINUTES)
        left -= number
    return minutes


def _put_in(places: Sequence[Place], runs: Sequence[float], release: float) -> Interval:
    """Put each run where it ends first; return when the first begins and the last ends."""
    free = [place.free_at for place in places]
    full = [place.occupied for place in places]

    def on(index: int, minutes: float) -> tuple[float, int, float]:
        place = places[index]
        start, end = place.run(max(place.ready(free[index], full[index], 0), release), minutes)
        return end, index, start

    first, last = NEVER, 0.0
    for minutes, alike in groupby(runs):
        # Only the printer that took the last run may end another one later than before.
        heap = [on(index, minutes) for index in range(len(places))]
        heapify(heap)
        for _ in alike:
            end, index, start = heap[0]
            first, last = min(first, start), max(last, end)
            free[index], full[index] = end, True
            heapreplace(heap, on(index, minutes))
    return first, last


def _beginning(begins: datetime.datetime, now: datetime.datetime) -> str:
    if begins - now <= datetime.timedelta(hours=1):
        return "Nothing is ahead of it"
    if begins.date() == now.date():
        return "Printing starts today"
    return f"Printing starts on {begins:%B} {begins.day}"


def _hours(minutes: Decimal) -> str:
    return f"{max(round(minutes), 1)} min" if minutes < 60 else f"{round(minutes / 60)} h"


def _material(late: Arrival | None, work: Work, today: datetime.date) -> str:
    if late is None:
        return "material in stock" if work.needs else ""
    if late.is_ordered:
        return f"{late.name} is on order and expected on {late.on:%B} {late.on.day}"
    return f"{late.name} has to be ordered and takes {(late.on - today).days} days"


def farm_plan(*, at: datetime.datetime | None = None) -> FarmPlan:
    """Return what the farm does by its schedule, in a constant number of queries.

    Without a fresh schedule, because nothing makes one, all open work is planned here and now.
    """
    now = (at or timezone.now()).astimezone(datetime.UTC)
    hours = farm_hours()[None]
    made_at = ScheduleRun.objects.order_by("-id").values_list("made_at", flat=True).first()
    booked: dict[int, list[Booked]] = defaultdict(list)
    if made_at is not None and now - made_at < FRESH:
        machines, printers = load_printers(at=now)
        rows = ScheduleEntry.objects.filter(printer__isnull=False, starts_at__isnull=False).order_by("starts_at")
        rows = rows.exclude(print_job__status__in=PrintJob.ACTIVE)
        columns = ("printer_id", "starts_at", "ends_at", "production_order__priority")
        for printer_id, starts_at, ends_at, priority in rows.values_list(*columns):
            start = minutes_after(now, starts_at)
            booked[printer_id].append(Booked(start, minutes_after(now, ends_at or starts_at), priority))
    else:
        reading = load_schedule_problem(at=now)
        now = reading.problem.start
        printers = reading.printers
        machines = [machine for machine in reading.problem.machines if not machine.by_hand]
        priorities = {task.key: task.priority for task in reading.problem.tasks}
        for key, row in schedule(reading.problem).assignments.items():
            booked[row.machine].append(Booked(row.start, row.end, priorities[key]))
    volumes = {
        printer.pk: (Decimal(printer.build_x_mm), Decimal(printer.build_y_mm), Decimal(printer.build_z_mm))
        for printer in printers
    }
    return FarmPlan(now, machines, booked, hours.minutes_between(now, _HORIZON), volumes)


def outlook_for(needs: Mapping[int, Decimal], *, plan: FarmPlan | None = None) -> Outlook:
    """Return the outlook for work that takes these products (in stock units): farm and stock as they are now.

    ``plan`` is the farm's where it was read a moment ago.
    """
    now = timezone.localtime()
    arriving = arrivals(needs, now.date()) if needs else []
    handling_days = settings.FARM_HANDLING_DAYS  # type: ignore[misc]
    return Outlook(now, plan or farm_plan(), farm_hours()[None], handling_days, arriving)
