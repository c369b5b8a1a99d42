"""Jobs are sent in the order of the schedule, to its printers, and never wait for it without need."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.utils import timezone

from inventory.models import Product
from inventory.tests.factories import MaterialFactory, system_actor
from production import services as production
from production.models import Printer, PrintJob, ProductionOrder, ScheduleEntry, ScheduleRun
from production.selectors import plan_dispatch
from production.tests.factories import PrinterFactory, black_pla, printable, printing, queued, stock

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def day_and_night(settings: Any) -> None:
    settings.FARM_WORKING_DAYS = list(range(7))
    settings.FARM_SHIFT_STARTS = settings.FARM_SHIFT_ENDS = datetime.time(0)


@pytest.fixture
def black() -> Product:
    material = black_pla()
    stock(material, "100")
    return material


def schedule(*entries: tuple[PrintJob, Printer, int], age: int = 0) -> None:
    """Write a schedule of (job, printer, minutes from now) that was made so many minutes ago."""
    now = timezone.now()
    run = ScheduleRun.objects.create(kind="full", follows=0, made_at=now - datetime.timedelta(minutes=age))
    for job, printer, start in entries:
        begins = now + datetime.timedelta(minutes=start)
        ScheduleEntry.objects.create(
            run=run, production_order=job.production_order, print_job=job, printer=printer,
            starts_at=begins, ends_at=begins + datetime.timedelta(hours=1),
        )  # fmt: skip


def pairs() -> dict[str, str]:
    return {job.code: printer.name for job, printer in plan_dispatch()}


def test_jobs_go_to_the_printers_and_in_the_order_of_the_schedule(black: Product) -> None:
    ada, blaise = (PrinterFactory(name=name, loaded=[black]) for name in ("Ada", "Blaise"))
    _, [first, second, third] = queued(printable(), 3)
    schedule((third, ada, 0), (first, blaise, 0), (second, ada, 65))
    assert list(pairs().items()) == [(third.code, "Ada"), (first.code, "Blaise")]


def test_an_old_schedule_says_nothing(black: Product) -> None:
    ada = PrinterFactory(name="Ada", loaded=[black])
    _, [first, second] = queued(printable(), 2)
    schedule((second, ada, 0), (first, ada, 65), age=20)
    assert pairs() == {first.code: "Ada"}


def test_a_job_whose_printer_is_busy_takes_another_that_is_free(black: Product) -> None:
    ada = PrinterFactory(name="Ada", loaded=[black])
    PrinterFactory(name="Blaise", loaded=[black])
    _, [running, waiting] = queued(printable(), 2)
    printing(running, ada)
    schedule((waiting, ada, 90))
    assert pairs() == {waiting.code: "Blaise"}


def test_but_not_one_whose_own_turn_has_come(black: Product) -> None:
    ada, blaise = (PrinterFactory(name=name, loaded=[black]) for name in ("Ada", "Blaise"))
    _, [running, displaced, due] = queued(printable(), 3)
    printing(running, ada)
    schedule((displaced, ada, 0), (due, blaise, 5))
    assert pairs() == {due.code: "Blaise"}


@pytest.mark.parametrize(("priority", "start", "kept"), [(4, 30, True), (4, 90, False), (3, 30, False)])
def test_a_printer_is_kept_for_an_urgent_job_that_waits_for_filament(
    black: Product, priority: int, start: int, kept: bool
) -> None:
    red = MaterialFactory(color_name="Red", color_hex="D02020")
    stock(red)
    ada = PrinterFactory(name="Ada", loaded=[black])
    _, [ordinary] = queued(printable())
    _, [urgent] = queued(printable(material=red), priority=priority)
    schedule((urgent, ada, start))
    assert pairs() == ({} if kept else {ordinary.code: "Ada"})


def test_a_job_that_the_schedule_does_not_know_goes_after_those_it_knows(black: Product) -> None:
    ada = PrinterFactory(name="Ada", loaded=[black])
    _, [known] = queued(printable())
    _, [new] = queued(printable(), priority=ProductionOrder.Priority.URGENT)
    schedule((known, ada, 0))
    assert pairs() == {known.code: "Ada"}
    production.make_schedule(cause="it is known now", actor=system_actor())
    assert pairs() == {new.code: "Ada"}


def test_the_schedule_itself_is_what_is_sent(black: Product) -> None:
    for name in ("Ada", "Blaise", "Grace"):
        PrinterFactory(name=name, loaded=[black])
    for _ in range(4):
        queued(printable(), 2)
    production.make_schedule(cause="test", actor=system_actor())
    now = timezone.now() + datetime.timedelta(minutes=1)
    first = ScheduleEntry.objects.filter(starts_at__lte=now)
    planned = {entry.print_job.code: entry.printer.name for entry in first if entry.print_job and entry.printer}
    assert pairs() == planned
    assert len(planned) == 3
