"""Planners that run at the same time, while others work on the orders, on a database server."""

from __future__ import annotations

import itertools
import os
import threading

import pytest
from django.db import connections

from inventory.tests.factories import system_actor
from production import services as production
from production.models import ProductionOrder, ScheduleEntry, ScheduleRun, ScheduleTouch
from production.services.scheduling import make_schedule, repair_schedule, touch_schedule
from production.tests.factories import PrinterFactory, black_pla, draft, printable, queued, stock

needs_a_server = pytest.mark.skipif(
    not os.environ.get("TEST_DATABASE_URL", "").startswith("postgres"),
    reason="two writers at once need PostgreSQL",
)


@needs_a_server
@pytest.mark.django_db(transaction=True)
def test_planners_at_once_leave_one_schedule_and_disturb_nobody() -> None:
    stock(black_pla(), "100")
    for _ in range(3):
        PrinterFactory(loaded=[black_pla()])
    product = printable()
    orders = [draft(product, 4) for _ in range(10)] + [queued(product, 4)[0] for _ in range(5)]
    make_schedule(cause="first", actor=system_actor())
    begin = threading.Barrier(5)
    errors: list[BaseException] = []

    def work(number: int) -> None:
        try:
            actor = system_actor()
            begin.wait(timeout=30)
            for turn in range(4):
                if number < 2:
                    make_schedule(cause=f"planner {number}", actor=actor)
                elif number == 2:
                    repair_schedule(actor=actor)
                else:
                    for order in ProductionOrder.objects.filter(pk__in=[row.pk for row in orders[number - 3 :: 2]]):
                        production.prioritise_production_order(order, priority=1 + turn, actor=actor)
                        touch_schedule("by hand", order_id=order.pk)
        except BaseException as error:
            errors.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work, args=(number,)) for number in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=90)
    assert errors == []
    runs = list(ScheduleRun.objects.order_by("id").values_list("id", "follows"))
    assert [follows for _, follows in runs] == [0, *(pk for pk, _ in runs[:-1])]
    repair_schedule(actor=system_actor())
    assert not ScheduleTouch.objects.exists()
    assert ScheduleEntry.objects.count() == 15 * 4
    times: dict[int, list[tuple[object, object]]] = {}
    for printer, starts_at, ends_at in ScheduleEntry.objects.order_by("starts_at").values_list(
        "printer_id", "starts_at", "ends_at"
    ):
        times.setdefault(printer, []).append((starts_at, ends_at))
    assert all(before[1] <= after[0] for rows in times.values() for before, after in itertools.pairwise(rows))
    for order in ProductionOrder.objects.filter(pk__in=[row.pk for row in orders]):
        own = order.schedule_entries.order_by("-ends_at").values_list("ends_at", flat=True).first()
        assert own is not None
        assert order.scheduled_end is not None
        assert abs((order.scheduled_end - own).total_seconds()) < 60
