"""By when the farm can ship what is not planned yet."""

from __future__ import annotations

import datetime
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory import services as inventory
from inventory.selectors.arrivals import Arrival, arrivals
from inventory.tests.factories import MaterialFactory, VendorFactory, receive, system_actor
from production.models import Printer, PrintJob
from production.scheduling.problem import Machine
from production.selectors.hours import Hours
from production.selectors.promise import Booked, FarmPlan, Outlook, Work, farm_plan, outlook_for, promise
from production.services.scheduling import make_schedule
from production.tests.factories import (
    PrinterFactory,
    black_pla,
    confirmed,
    draft,
    finished,
    printable,
    printing,
    queued,
    stock,
)

D = Decimal
UTC = datetime.UTC
MONDAY = datetime.datetime(2026, 3, 2, 0, 0, tzinfo=UTC)
FOREVER = ((0.0, float("inf")),)
WEEK = Hours(tuple((weekday, datetime.time(8), datetime.time(18)) for weekday in range(5)), UTC)
DAY = 24 * 60.0


def farm(printers: int = 2, **values: Any) -> FarmPlan:
    return FarmPlan(MONDAY, tuple(Machine(key) for key in range(printers)), **values)


IDLE = Outlook(MONDAY, farm(), WEEK)


def day(number: int) -> datetime.date:
    return datetime.date(2026, 3, number)


def work(hours: str, **more: Any) -> Work:
    return Work(minutes=D(hours) * 60, longest_run=D(hours) * 60, **more)


def busy(*booked: tuple[int, float, float, int], printers: int = 2) -> Outlook:
    """Return a farm with (printer, from hour, to hour, priority) given away."""
    rows: dict[int, list[Booked]] = {}
    for key, start, end, priority in booked:
        rows.setdefault(key, []).append(Booked(start * 60, end * 60, priority))
    return replace(IDLE, plan=farm(printers, booked=rows))


def test_an_idle_farm_prints_today_and_ships_after_a_day_of_handling() -> None:
    found = promise(work("12"), IDLE)
    assert found.ship_on == day(3)
    assert found.reason == "Nothing is ahead of it, 12 h to print."


def test_it_is_put_after_what_is_as_urgent_on_the_printer_that_is_free_first() -> None:
    found = promise(work("12"), busy((0, 0, 100, 2), (1, 0, 30, 2)))
    assert found.reason == "Printing starts on March 3, 12 h to print."
    assert found.ship_on == day(4)


def test_a_rush_goes_before_what_is_less_urgent_but_not_before_what_runs() -> None:
    running = replace(IDLE, plan=FarmPlan(MONDAY, (Machine(0, free_at=240, occupied=True),), {0: [
        Booked(250, 250 + 8 * 60, 3), Booked(740, 740 + 100 * 60, 2)]}))  # fmt: skip
    reasons = {level: promise(work("1", priority=level), running).reason for level in (2, 3, 4)}
    assert reasons[4] == reasons[3] == "Printing starts today, 1 h to print."
    assert reasons[2] == "Printing starts on March 6, 1 h to print."
    assert [promise(work("1", priority=level), running).ship_on for level in (2, 3, 4)] == [day(9), day(3), day(3)]


def test_it_goes_into_a_gap_only_if_it_fits_with_the_clearing_of_the_plates() -> None:
    gap = busy((0, 0, 10, 2), (0, 20, 100, 2), printers=1)
    assert promise(work("9.8"), gap).ship_on == day(3)
    assert promise(work("9.9"), gap).ship_on == day(9)


def test_a_plate_that_is_over_at_night_is_cleared_in_the_morning() -> None:
    hours = WEEK.minutes_between(MONDAY, 30 * DAY)
    plan = replace(farm(1, attended=hours), booked={0: [Booked(0, 19 * 60, 2)]})
    found = promise(work("1"), replace(IDLE, plan=plan))
    assert (found.ship_on, found.reason) == (day(4), "Printing starts on March 3, 1 h to print.")
    ejecting = replace(plan, machines=(Machine(0, clears_itself=True),))
    assert promise(work("1"), replace(IDLE, plan=ejecting)).reason == "Printing starts today, 1 h to print."


def test_many_runs_are_shared_by_the_printers_but_one_run_is_not() -> None:
    many = Work(minutes=D(60 * 60), longest_run=D(60 * 3), runs=20)
    assert promise(many, IDLE).reason.endswith("30 h to print.")
    assert promise(many, IDLE).ship_on == day(4)
    one = promise(replace(many, runs=1, longest_run=D(60 * 60)), IDLE)
    assert (one.ship_on, one.reason) == (day(5), "Nothing is ahead of it, 60 h to print.")


def test_thousands_of_runs_take_as_long_as_they_take() -> None:
    huge = Work(minutes=D(60 * 4000), longest_run=D(60), runs=4000)
    # 2,000 runs of an hour on each printer, with five minutes between: 90 days.
    assert promise(huge, IDLE).ship_on == datetime.date(2026, 6, 2)


def test_only_printers_that_take_the_largest_part_share_its_runs() -> None:
    small, large = (D(180),) * 3, (D(256), D(256), D(240))
    outlook = replace(IDLE, plan=farm(4, volumes={0: small, 1: small, 2: small, 3: large}))
    many = Work(minutes=D(60 * 60), longest_run=D(60 * 3), runs=20, size_mm=(D(170), D(100), D(20)))
    assert promise(many, outlook).reason.endswith("15 h to print.")
    turned = replace(many, size_mm=(D(100), D(250), D(240)))
    assert promise(turned, outlook).reason.endswith("60 h to print.")
    nobody = promise(replace(many, size_mm=(D(100), D(100), D(241))), outlook)
    assert (nobody.ship_on, nobody.reason) == (None, "No printer in service is large enough: a person says when.")


def test_weekends_and_closed_days_are_no_working_days() -> None:
    friday = MONDAY.replace(day=6)
    outlook = replace(IDLE, now=friday, plan=replace(farm(), start=friday))
    assert promise(work("12"), outlook).ship_on == day(9)
    closed = replace(WEEK, closed=frozenset({day(9), day(10)}))
    assert promise(work("12"), replace(outlook, hours=closed)).ship_on == day(11)


def test_handwork_adds_its_days() -> None:
    assert promise(work("12", finishing_days=2), IDLE).ship_on == day(5)


def test_material_that_is_to_be_ordered_is_waited_for_while_the_queue_is_printed() -> None:
    pla = Arrival(1, "PLA Black", day(9), is_ordered=False)
    waiting = replace(busy((0, 0, 40, 2), (1, 0, 40, 2)), arriving=[pla])
    found = promise(work("12", needs={1: D(1)}), waiting)
    assert found.ship_on == day(10)
    assert found.reason.endswith("PLA Black has to be ordered and takes 7 days.")
    ordered = replace(pla, is_ordered=True, on=day(4))
    found = promise(work("12", needs={1: D(1)}), replace(IDLE, arriving=[ordered]))
    assert found.ship_on == day(5)
    assert found.reason.endswith("PLA Black is on order and expected on March 4.")


def test_a_longer_queue_than_the_material_takes_decides() -> None:
    pla = Arrival(1, "PLA Black", day(3), is_ordered=True)
    queue = busy((0, 0, 200, 2), (1, 0, 200, 2))
    assert promise(work("1"), replace(queue, arriving=[pla])).ship_on == promise(work("1"), queue).ship_on


def test_nothing_is_promised_without_a_printer_or_beyond_a_year() -> None:
    found = promise(work("1"), replace(IDLE, plan=farm(0)))
    assert (found.ship_on, found.reason) == (None, "No printer is in service: a person says when.")
    assert promise(work("100000000"), IDLE).ship_on is None
    nobody = replace(IDLE, hours=replace(WEEK, spans=()), plan=farm(attended=()))
    assert promise(work("1"), nobody).ship_on is None


@pytest.fixture
def day_and_night(settings: Any) -> None:
    settings.FARM_WORKING_DAYS = list(range(7))
    settings.FARM_SHIFT_STARTS = settings.FARM_SHIFT_ENDS = datetime.time(0)


@pytest.mark.django_db
@pytest.mark.usefixtures("day_and_night")
@pytest.mark.parametrize("written", [True, False], ids=["from the schedule", "with no schedule"])
def test_what_is_open_and_not_printed_has_its_time(written: bool) -> None:
    product = printable(parts=2)
    stock(black_pla(), "100")
    printer = PrinterFactory(loaded=[black_pla()])
    draft(product, 3)  # a plate of an hour and one of half an hour
    confirmed(product, 2, priority=4)
    queued(product, 4, priority=3)  # two jobs
    _, [done] = queued(product, 2)
    finished(done, printer)
    PrinterFactory(is_active=False)
    if written:
        make_schedule(cause="test", actor=system_actor())
    plan = farm_plan()
    assert [machine.key for machine in plan.machines] == [printer.pk]
    lengths = sorted((row.priority, round(row.end - row.start)) for row in plan.booked[printer.pk])
    assert lengths == [(2, 30), (2, 60), (3, 60), (3, 60), (4, 60)]
    assert plan.machines[0].occupied


@pytest.mark.django_db
@pytest.mark.usefixtures("day_and_night")
def test_a_running_job_counts_with_what_is_left_of_it() -> None:
    stock(black_pla())
    _, [job] = queued(printable())
    printing(job)
    PrintJob.objects.filter(pk=job.pk).update(progress_percent=D(75))
    make_schedule(cause="test", actor=system_actor())
    assert [machine.free_at for machine in farm_plan().machines] == [15]
    PrintJob.objects.filter(pk=job.pk).update(remaining_minutes=9)
    plan = farm_plan()
    assert ([machine.free_at for machine in plan.machines], plan.booked) == ([9], {})


@pytest.mark.django_db
@pytest.mark.usefixtures("day_and_night")
@pytest.mark.parametrize("written", [True, False], ids=["from the schedule", "with no schedule"])
def test_a_promise_takes_the_same_few_queries_whatever_waits(written: bool) -> None:
    product = printable()
    stock(black_pla(), "100")
    PrinterFactory(loaded=[black_pla()])

    def cost() -> int:
        if written:
            make_schedule(cause="test", actor=system_actor())
        with CaptureQueriesContext(connection) as queries:
            promise(work("1"), outlook_for({black_pla().pk: D(1)}))
        return len(queries)

    def more() -> None:
        draft(product)
        queued(product)

    more()
    few = cost()
    for _ in range(8):
        more()
    assert cost() == few <= (16 if written else 36)


@pytest.mark.django_db
@pytest.mark.usefixtures("day_and_night")
def test_what_is_promised_is_what_the_schedule_says_when_it_is_ordered(settings: Any) -> None:
    settings.FARM_HANDLING_DAYS = 0
    stock(black_pla(), "100")
    PrinterFactory(loaded=[black_pla()])
    product = printable()
    for _ in range(3):
        draft(product, 10)
    make_schedule(cause="test", actor=system_actor())
    said = promise(Work(D(60 * 30), D(60), runs=30), outlook_for({}))
    order = draft(product, 30)
    make_schedule(cause="test", actor=system_actor())
    order.refresh_from_db()
    assert order.scheduled_end is not None
    assert said.ship_on == timezone.localdate(order.scheduled_end)


@pytest.mark.django_db
def test_a_printer_that_fails_takes_its_share_of_what_can_be_promised() -> None:
    first, second = PrinterFactory(), PrinterFactory()
    assert len(farm_plan().machines) == 2
    Printer.objects.filter(pk=first.pk).update(is_active=False)
    assert [machine.key for machine in farm_plan().machines] == [second.pk]


@pytest.mark.django_db
def test_material_is_there_on_order_or_takes_its_vendors_time():
    today = timezone.localdate()
    there, own_time, of_vendor, coming, unheard = (MaterialFactory(color_name=name) for name in "ABCDE")
    stock(there, "2")
    own_time.lead_time_days = 3
    own_time.save()
    receive(of_vendor, "0.1", vendor=VendorFactory(lead_time_days=5))
    line = inventory.PurchaseLineSpec(coming, D(2000), "g", D("0.02"))
    order = inventory.create_purchase_order(
        VendorFactory(), lines=[line], expected_on=today + datetime.timedelta(days=2), actor=system_actor()
    )
    inventory.order_purchase(order, actor=system_actor())
    found = arrivals({material.pk: D("1.5") for material in (there, own_time, of_vendor, coming, unheard)}, today)
    days = {row.name: ((row.on - today).days, row.is_ordered) for row in found}
    assert days == {"PLA B": (3, False), "PLA C": (5, False), "PLA D": (2, True), "PLA E": (7, False)}
    assert arrivals({coming.pk: D(3)}, today)[0].on == today + datetime.timedelta(days=7)
