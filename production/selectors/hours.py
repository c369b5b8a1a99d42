"""When people are at the farm: shifts, or what the settings say; local time, kept over changes of the clock."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone

from production.models import Shift
from production.scheduling.problem import Interval

#: What would take longer than this is promised by a person.
MAX_DAYS = 365

Moment = datetime.datetime
#: A weekday (Monday is 0), from, to; not after its start it ends on the next day.
Span = tuple[int, datetime.time, datetime.time]


@dataclass(frozen=True)
class Hours:
    """The hours of a week in local time, and the days on which nobody comes."""

    spans: tuple[Span, ...]
    zone: datetime.tzinfo
    closed: frozenset[datetime.date] = frozenset()

    def between(self, start: Moment, end: Moment) -> list[tuple[Moment, Moment]]:
        """Return the times from ``start`` to ``end`` in which somebody is there, ascending and apart."""
        first = start.astimezone(self.zone).date() - datetime.timedelta(days=1)
        found: list[tuple[Moment, Moment]] = []
        for number in range((end.astimezone(self.zone).date() - first).days + 1):
            day = first + datetime.timedelta(days=number)
            if day in self.closed:
                continue
            for weekday, begins, ends in self.spans:
                if weekday == day.weekday():
                    until = day if ends > begins else day + datetime.timedelta(days=1)
                    found.append((self._at(day, begins), self._at(until, ends)))
        return list(_merged(sorted(found), start, end))

    def minutes_between(self, start: Moment, minutes: float) -> tuple[Interval, ...]:
        """Return the same as minutes after ``start``, for so many minutes."""
        found = self.between(start, moment_after(start, minutes))
        return tuple((minutes_after(start, begins), minutes_after(start, ends)) for begins, ends in found)

    def _at(self, day: datetime.date, time: datetime.time) -> Moment:
        return datetime.datetime.combine(day, time, tzinfo=self.zone).astimezone(datetime.UTC)

    def works_on(self, day: datetime.date) -> bool:
        """Return whether anybody comes on this day."""
        return day not in self.closed and any(weekday == day.weekday() for weekday, _, _ in self.spans)

    def working_days(self, first: datetime.date) -> Iterator[datetime.date]:
        """Return the working days from ``first`` on, for as long as anything is promised."""
        days = (first + datetime.timedelta(days=number) for number in range(MAX_DAYS + 1))
        return (day for day in days if self.works_on(day))

    def after_days(self, day: datetime.date, days: int) -> datetime.date | None:
        """Return the working day that comes so many working days after ``day``, itself where it is one and 0."""
        for number, found in enumerate(self.working_days(day)):
            if number == days:
                return found
        return None

    def last_moment_for(self, due: datetime.date, days: int) -> Moment:
        """Return until when work must be over so that ``days`` working days are left to the end of ``due``.

        Work that is over on a working day is shipped ``days`` working days later; see :meth:`after_days`.
        """
        day = due
        for _ in range(MAX_DAYS):
            if self.works_on(day):
                if days == 0:
                    break
                days -= 1
            day -= datetime.timedelta(days=1)
        else:
            day = due
        return self._at(day + datetime.timedelta(days=1), datetime.time())


def minutes_after(start: Moment, moment: Moment) -> float:
    """Return how many minutes ``moment`` is after ``start``."""
    # Two times of one zone are subtracted by the clock on the wall, which is wrong when that is changed.
    return (moment.astimezone(datetime.UTC) - start.astimezone(datetime.UTC)).total_seconds() / 60


def moment_after(start: Moment, minutes: float) -> Moment:
    """Return the moment that comes so many minutes after ``start``, in UTC."""
    return start.astimezone(datetime.UTC) + datetime.timedelta(minutes=minutes)


def _merged(spans: Sequence[tuple[Moment, Moment]], start: Moment, end: Moment) -> Iterator[tuple[Moment, Moment]]:
    held: tuple[Moment, Moment] | None = None
    for begins, ends in spans:
        begins, ends = max(begins, start), min(ends, end)
        if ends <= begins:
            continue
        if held is not None and begins <= held[1]:
            held = (held[0], max(held[1], ends))
            continue
        if held is not None:
            yield held
        held = (begins, ends)
    if held is not None:
        yield held


def farm_hours() -> dict[int | None, Hours]:
    """Return the hours of each work center that has its own, and under None those of the farm. One query.

    Without shifts of the farm the settings hold: ``FARM_WORKING_DAYS``, ``FARM_SHIFT_STARTS`` and ``FARM_SHIFT_ENDS``.
    Nobody comes on ``FARM_CLOSED_ON``, whatever the shifts say.
    """
    spans: dict[int | None, list[Span]] = defaultdict(list)
    for work_center, *span in Shift.objects.order_by("id").values_list(
        "work_center", "weekday", "starts_at", "ends_at"
    ):
        spans[work_center].append((span[0], span[1], span[2]))
    if None not in spans:
        begins, ends = settings.FARM_SHIFT_STARTS, settings.FARM_SHIFT_ENDS  # type: ignore[misc]
        spans[None] = [(weekday, begins, ends) for weekday in settings.FARM_WORKING_DAYS]  # type: ignore[misc]
    zone = timezone.get_default_timezone()
    closed = frozenset(settings.FARM_CLOSED_ON)  # type: ignore[misc]
    return {key: Hours(tuple(rows), zone, closed) for key, rows in spans.items()}


def hours_of(hours: Mapping[int | None, Hours], work_center: int | None) -> Hours:
    """Return the hours of a work center: its own, else the farm's."""
    return hours.get(work_center) or hours[None]
