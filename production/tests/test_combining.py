"""Partly filled plates of several orders printed as one, by themselves."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import Sum
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory.tests.factories import system_actor
from production import services as production
from production.errors import NotCombinable
from production.models import PrinterGroup, PrintJob, PrintJobPart, ProductionOrder
from production.tests.factories import PrinterFactory, black_pla, printable, queued
from production.tests.test_dispatch import _at_once, needs_rows_locked

pytestmark = pytest.mark.django_db


def combined() -> list[PrintJob]:
    return production.combine_waiting(actor=system_actor())


def planned(job: PrintJob) -> list[int]:
    return list(PrintJob.objects.get(pk=job.pk).parts.order_by("id").values_list("planned", flat=True))


def test_plates_are_filled_in_the_order_in_which_jobs_would_be_sent() -> None:
    product = printable(parts=4)
    today = timezone.localdate()
    _, [late] = queued(product, 1, due_date=today + datetime.timedelta(days=9))
    _, [soon] = queued(product, 2, due_date=today)
    _, [full] = queued(product, 4)
    _, [next_day] = queued(product, 1, due_date=today + datetime.timedelta(days=1))
    _, [too_many] = queued(product, 3)
    assert [job.pk for job in combined()] == [soon.pk]
    assert planned(soon) == [2, 1, 1]
    soon.refresh_from_db()
    assert (soon.estimated_grams, soon.estimated_time_minutes) == (Decimal(100), Decimal(60))
    status = dict(PrintJob.objects.values_list("pk", "status"))
    gone = {late.pk, next_day.pk}
    assert {pk for pk, word in status.items() if word == "cancelled"} == gone
    assert (planned(full), planned(too_many)) == ([4], [3])
    assert combined() == []


def test_other_priorities_groups_and_plates_stay_apart() -> None:
    product = printable(parts=4)
    group = PrinterGroup.objects.create(name="Cell")
    queued(product, 1)
    queued(product, 1, priority=4)
    queued(printable(parts=4), 1)
    kept, _ = queued(product, 1)
    production.restrict_order(kept, group=group, actor=system_actor())
    assert combined() == []
    jobs = list(PrintJob.objects.filter(plate__product=product, priority=2))
    with pytest.raises(NotCombinable):
        production.combine_jobs(jobs, actor=system_actor())


def test_held_orders_and_jobs_that_wait_for_a_person_are_left_alone() -> None:
    product = printable(parts=4)
    queued(product, 1)
    held, _ = queued(product, 1)
    production.hold_production_order(held, reason="Address unclear", actor=system_actor())
    _, [stuck] = queued(product, 1)
    PrintJob.objects.filter(pk=stuck.pk).update(dispatch_attempts=3)
    assert combined() == []


def test_a_person_combines_where_it_is_switched_off(settings: Any) -> None:
    settings.COMBINE_PLATES = False
    product = printable(parts=2)
    for _ in range(2):
        queued(product, 1)
    assert combined() == []
    settings.COMBINE_PLATES = True
    assert len(combined()) == 1


@needs_rows_locked
@pytest.mark.django_db(transaction=True)
def test_no_part_is_lost_or_doubled_when_plates_are_combined_sent_and_withdrawn_at_once() -> None:
    actor = system_actor()
    product = printable(parts=4)
    for _ in range(3):
        PrinterFactory(loaded=[black_pla()])
    for _ in range(2):
        orders = [queued(product, 1 + number % 3)[0] for number in range(6)]

        def fill() -> None:
            production.combine_waiting(actor=actor)

        def send() -> None:
            production.dispatch_next(actor=actor)

        def withdraw(order: ProductionOrder = orders[0]) -> None:
            order.refresh_from_db()
            production.fail_production_order(order, actor=actor, reason="Not now")

        answers = _at_once(fill, send, withdraw, fill)
        assert [answer for answer in answers if isinstance(answer, Exception)] == []
        alive = PrintJobPart.objects.exclude(job__status="cancelled")
        for order in orders[1:]:
            assert alive.filter(production_order=order).aggregate(n=Sum("planned"))["n"] == order.quantity
        waiting = alive.filter(production_order=orders[0], job__status="queued")
        assert not waiting.exists()
        for job in PrintJob.objects.filter(status="sent"):
            production.record_cancelled(job, actor=actor, reason="next round")
        for order in orders[1:]:
            order.refresh_from_db()
            production.fail_production_order(order, actor=actor, reason="next round")


def test_looking_costs_the_same_for_many_jobs() -> None:
    product = printable(parts=4)

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            combined()
        return len(queries)

    queued(product, 4)
    few = cost()
    for _ in range(10):
        queued(product, 4)
    assert cost() == few <= 2
