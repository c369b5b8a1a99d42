"""When people are at the farm, in local time and over changes of the clock."""

from __future__ import annotations

import datetime
from zoneinfo import ZoneInfo

import pytest

from production.models import Shift, WorkCenter
from production.selectors.hours import Hours, farm_hours, hours_of

BERLIN = ZoneInfo("Europe/Berlin")
DAY = ((0, datetime.time(8), datetime.time(18)),)
NIGHT = tuple((weekday, datetime.time(22), datetime.time(6)) for weekday in range(7))


def local(month: int, day: int, hour: int = 0, minute: int = 0) -> datetime.datetime:
    return datetime.datetime(2026, month, day, hour, minute, tzinfo=BERLIN)


def spans(hours: Hours, start: datetime.datetime, end: datetime.datetime) -> list[tuple[str, str]]:
    found = hours.between(start, end)
    return [tuple(f"{moment.astimezone(BERLIN):%a %H:%M}" for moment in span) for span in found]  # type: ignore[misc]


def test_a_shift_is_cut_to_what_is_asked_for() -> None:
    hours = Hours(DAY, BERLIN)
    assert spans(hours, local(3, 2, 12), local(3, 9, 9)) == [("Mon 12:00", "Mon 18:00"), ("Mon 08:00", "Mon 09:00")]
    assert hours.minutes_between(local(3, 2, 7), 24 * 60) == ((60.0, 660.0),)


def test_a_night_shift_ends_on_the_next_day_and_is_seen_from_the_middle() -> None:
    hours = Hours(NIGHT, BERLIN)
    assert spans(hours, local(3, 3, 1), local(3, 4, 0)) == [("Tue 01:00", "Tue 06:00"), ("Tue 22:00", "Wed 00:00")]


def test_shifts_that_touch_or_overlap_are_one() -> None:
    hours = Hours((*DAY, (0, datetime.time(18), datetime.time(22)), (0, datetime.time(7), datetime.time(9))), BERLIN)
    assert spans(hours, local(3, 2), local(3, 3)) == [("Mon 07:00", "Mon 22:00")]


def test_the_same_start_and_end_is_day_and_night() -> None:
    always = Hours(tuple((weekday, datetime.time(0), datetime.time(0)) for weekday in range(7)), BERLIN)
    assert always.minutes_between(local(3, 2), 3 * 24 * 60) == ((0.0, 4320.0),)


def test_a_shift_keeps_its_local_time_when_the_clock_is_changed() -> None:
    hours = Hours(tuple((weekday, datetime.time(8), datetime.time(18)) for weekday in range(7)), BERLIN)
    # The clock goes forward on March 29 and back on October 25.
    assert spans(hours, local(3, 28, 18), local(3, 30)) == [("Sun 08:00", "Sun 18:00")]
    assert hours.minutes_between(local(3, 28, 18), 24 * 60) == ((13 * 60.0, 23 * 60.0),)
    assert hours.minutes_between(local(10, 24, 18), 24 * 60) == ((15 * 60.0, 24 * 60.0),)


def test_a_night_shift_is_an_hour_shorter_in_spring_and_longer_in_autumn() -> None:
    hours = Hours(NIGHT, BERLIN)
    [spring] = hours.minutes_between(local(3, 28, 20), 12 * 60)
    [autumn] = hours.minutes_between(local(10, 24, 20), 12 * 60)
    assert (spring[1] - spring[0], autumn[1] - autumn[0]) == (7 * 60, 9 * 60)


def test_nobody_comes_on_a_closed_day() -> None:
    hours = Hours(tuple((weekday, datetime.time(8), datetime.time(18)) for weekday in range(5)), BERLIN,
                  frozenset({datetime.date(2026, 3, 3)}))  # fmt: skip
    assert spans(hours, local(3, 2, 17), local(3, 4, 9)) == [("Mon 17:00", "Mon 18:00"), ("Wed 08:00", "Wed 09:00")]
    assert hours.after_days(datetime.date(2026, 3, 2), 1) == datetime.date(2026, 3, 4)
    assert hours.after_days(datetime.date(2026, 3, 7), 0) == datetime.date(2026, 3, 9)


def test_what_is_over_by_the_last_moment_ships_by_its_day() -> None:
    hours = Hours(tuple((weekday, datetime.time(8), datetime.time(18)) for weekday in range(5)), BERLIN)
    friday = datetime.date(2026, 3, 6)
    assert hours.last_moment_for(friday, 0) == local(3, 7)
    assert hours.last_moment_for(friday, 1) == local(3, 6)
    assert hours.last_moment_for(datetime.date(2026, 3, 8), 1) == local(3, 6)
    for days in range(5):
        over_on = (hours.last_moment_for(friday, days) - datetime.timedelta(seconds=1)).astimezone(BERLIN).date()
        assert hours.after_days(over_on, days) == friday


@pytest.mark.django_db
def test_without_shifts_the_settings_say_when_people_are_there(settings) -> None:
    settings.FARM_WORKING_DAYS = [0, 5]
    settings.FARM_SHIFT_STARTS, settings.FARM_SHIFT_ENDS = datetime.time(6), datetime.time(14)
    assert farm_hours()[None].spans == (
        (0, datetime.time(6), datetime.time(14)),
        (5, datetime.time(6), datetime.time(14)),
    )


@pytest.mark.django_db
def test_a_work_center_with_shifts_of_its_own_works_by_those_alone(django_assert_num_queries) -> None:
    painting, packing = (WorkCenter.objects.create(code=code, name=code) for code in ("PAINT", "PACK"))
    Shift.objects.create(name="late", weekday=1, starts_at=datetime.time(14), ends_at=datetime.time(22))
    Shift.objects.create(
        name="paint", weekday=2, starts_at=datetime.time(9), ends_at=datetime.time(12), work_center=painting
    )
    with django_assert_num_queries(1):
        hours = farm_hours()
    assert hours_of(hours, painting.pk).spans == ((2, datetime.time(9), datetime.time(12)),)
    assert hours_of(hours, packing.pk).spans == hours[None].spans == ((1, datetime.time(14), datetime.time(22)),)
