"""Counters of printers, services that fall due, and what was done."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.core.errors import InvalidValue, ReasonRequired
from inventory.tests.factories import system_actor
from production import services as production
from production.models import Printer, ServicePlan
from production.selectors.upkeep import service_states, services_due
from production.tests.factories import PrinterFactory, black_pla, finished, printable, printing, queued, sent

pytestmark = pytest.mark.django_db


def counters(printer: Printer) -> tuple[Decimal, int]:
    """Return minutes and jobs as the database has them."""
    return Printer.objects.values_list("printed_minutes", "jobs_done").get(pk=printer.pk)


def test_an_ended_job_counts_once_and_a_better_figure_adds_the_difference() -> None:
    _, [job] = queued(printable())
    printer = PrinterFactory(loaded=[black_pla()])
    finished(job, printer, minutes=Decimal(60))
    assert counters(printer) == (Decimal("60.00"), 1)
    for minutes in (None, Decimal(60), Decimal(75), Decimal(50), Decimal(75)):
        production.record_finished(job, actor=system_actor(), minutes=minutes)
    assert counters(printer) == (Decimal("75.00"), 1)


def test_failed_and_cancelled_jobs_count_what_they_ran_and_one_that_never_began_nothing() -> None:
    printer = PrinterFactory(loaded=[black_pla()])
    _, [first, second, third] = queued(printable(), 3)
    start = timezone.now() - datetime.timedelta(hours=5)
    printing(first, printer)
    first.started_at = start
    first.save()
    ended = start + datetime.timedelta(minutes=30)
    for _ in range(2):
        production.record_failed(first, actor=system_actor(), code="", text="Spaghetti", at=ended)
    production.clear_plate(first, [], actor=system_actor())
    printing(second, printer)
    production.record_cancelled(second, actor=system_actor(), reason="Not wanted", at=second.started_at)
    production.clear_plate(second, [], actor=system_actor())
    sent(third, printer)
    production.record_cancelled(third, actor=system_actor(), reason="Not wanted")
    assert counters(printer) == (Decimal("30.00"), 2)


def test_somebody_who_edits_a_printer_takes_nothing_off_its_counters() -> None:
    _, [job] = queued(printable())
    printer = PrinterFactory(loaded=[black_pla()])
    edited = Printer.objects.get(pk=printer.pk)
    finished(job, printer, minutes=Decimal(60))
    edited.refresh_from_db(fields=["version"])
    edited.hourly_rate = Decimal(2)
    edited.save()
    assert counters(printer) == (Decimal("60.00"), 1)
    assert Printer.objects.get(pk=printer.pk).hourly_rate == 2


def test_a_service_falls_due_by_hours_jobs_or_days_whichever_comes_first() -> None:
    printer = PrinterFactory(printed_minutes=95 * 60, jobs_done=10)
    plan = ServicePlan.objects.create(task="Grease", printer_model="P1S", every_hours=100, every_jobs=40, every_days=30)
    PrinterFactory(model="A1")
    [state] = service_states()
    assert (state.printer_id, state.used, state.hours_left, state.jobs_left) == (printer.pk, Decimal("0.95"), 5, 30)
    assert (state.is_due, state.is_overdue) == (True, False)
    Printer.objects.filter(pk=printer.pk).update(jobs_done=44)
    [state] = services_due()
    assert (state.is_overdue, state.jobs_left) == (True, -4)
    production.record_service(printer, plan=plan, note="New grease", actor=system_actor())
    assert services_due() == []
    [state] = service_states(at=timezone.now() + datetime.timedelta(days=31))
    assert (state.is_overdue, state.days_left, state.hours_left, state.jobs_left) == (True, -1, 100, 40)


def test_a_service_is_kept_with_the_counters_of_its_day() -> None:
    printer = PrinterFactory(printed_minutes=1234, jobs_done=7)
    plan = ServicePlan.objects.create(task="Grease", printer=printer, every_jobs=5)
    production.record_service(printer, plan=plan, actor=system_actor())
    production.record_service(printer, task="New nozzle", note="0.4 hardened", actor=system_actor())
    kept = printer.services.order_by("id").values_list("task", "plan", "note", "printed_minutes", "jobs_done")
    assert list(kept) == [
        ("Grease", plan.pk, "", Decimal(1234), 7),
        ("New nozzle", None, "0.4 hardened", Decimal(1234), 7),
    ]


def test_a_service_without_a_name_or_of_another_printer_is_refused() -> None:
    printer = PrinterFactory()
    others = ServicePlan.objects.create(task="Grease", printer=PrinterFactory(), every_jobs=5)
    of_model = ServicePlan.objects.create(task="Grease", printer_model="A1", every_jobs=5)
    for plan in (others, of_model):
        with pytest.raises(InvalidValue):
            production.record_service(printer, plan=plan, actor=system_actor())
    with pytest.raises(InvalidValue, match="what was done"):
        production.record_service(printer, task="  ", actor=system_actor())
    with pytest.raises(ReasonRequired):
        production.take_out_of_service(printer, reason=" ", actor=system_actor())
    assert not printer.services.exists()


def test_services_of_many_printers_cost_the_same_queries() -> None:
    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            service_states()
        return len(queries)

    def add(number: int) -> None:
        for _ in range(number):
            printer = PrinterFactory()
            plan = ServicePlan.objects.create(task="Grease", printer=printer, every_jobs=5)
            production.record_service(printer, plan=plan, actor=system_actor())

    add(2)
    few = cost()
    add(8)
    assert cost() == few == 4
