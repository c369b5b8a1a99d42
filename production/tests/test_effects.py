"""What an act on a production order will do, told before it is done: and the telling changes nothing."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.accounts.tests.factories import SuperuserFactory
from blb3d.core.errors import InvalidValue
from inventory.tests.factories import ComponentFactory, ProductFactory, make_bom, put_on_shelf, system_actor
from production import services as production
from production.errors import UnitsInWork
from production.models import ProductionOrder, ScheduleEntry, ScheduleRun
from production.selectors.effects import ACTIONS, order_effects, planned_finish
from production.tests.factories import (
    PrinterFactory,
    black_pla,
    cleared,
    confirmed,
    draft,
    printable,
    printing,
    queued,
    routed,
    stock,
)

pytestmark = pytest.mark.django_db

DUE = datetime.date(2030, 3, 12)


def told(order: ProductionOrder, action: str, about: str = "") -> list[str]:
    """Return the sentences of an act, those that warn with a mark."""
    order.refresh_from_db()
    rows = [row for row in order_effects(order, action) if about in ("", row.about)]
    return [f"! {row.text}" if row.is_warning else row.text for row in rows]


def for_customer(**more: Any) -> dict[str, Any]:
    return {"demand_reference": ("sales_order_line", 1), "demand_label": "SO-1 Acme", "due_date": DUE, **more}


def test_confirming_says_what_is_reserved_and_what_is_short() -> None:
    pla, screw, product = black_pla(), ComponentFactory(sku="C-SCREW"), ProductFactory()
    stock(pla)
    put_on_shelf(screw, 5)
    make_bom(product, (pla, "0.1"), (screw, 4))
    order = draft(product, 3, **for_customer())
    assert told(order, "confirm") == [
        "SO-1 Acme waits for 3 parts by 12 Mar 2030.",
        "Nothing of it is printed: no print job is made.",
        "Reserves 0.3\N{NO-BREAK SPACE}kg M-BLACK.",
        "! 7 C-SCREW of 12 is not there: the order waits for it.",
        "Reserves 5 C-SCREW.",
    ]
    production.confirm_production_orders([order], actor=system_actor())
    assert told(order, "retry", "stock") == [
        "0.3\N{NO-BREAK SPACE}kg M-BLACK is reserved already.",
        "! 7 C-SCREW of 12 is not there: the order waits for it.",
    ]


def test_queueing_says_how_many_jobs_are_made_or_what_is_missing_for_them() -> None:
    assert told(confirmed(printable(parts=4), 10), "queue", "jobs") == [
        "3 print jobs are made, 2\N{NO-BREAK SPACE}h 30\N{NO-BREAK SPACE}min of printing."
    ]
    assert told(confirmed(printable(file=False), 1), "queue", "jobs") == [
        "! No print file is released for plate 1: it waits for that."
    ]


def test_cancelling_names_jobs_printers_stock_and_whoever_gets_nothing() -> None:
    stock(black_pla())
    product = printable(parts=1, grams="100")
    order, [first, *_] = queued(product, 3, **for_customer())
    printing(first, PrinterFactory(name="Left", loaded=[black_pla()]))
    production.fail_production_order(order, actor=system_actor(), reason="x")
    order.refresh_from_db()
    assert told(order, "cancel") == [
        "! SO-1 Acme needs 3 parts by 12 Mar 2030 that are not made.",
        f"! Left is asked to stop {first.code}.",
        "Frees 0.3\N{NO-BREAK SPACE}kg M-BLACK.",
    ]
    production.cancel_production_order(order, actor=system_actor(), reason="x")
    first.refresh_from_db()
    assert first.cancel_requested_at is not None


def test_a_plate_shared_with_another_order_stays() -> None:
    stock(black_pla())
    product = printable(parts=4)
    order, [job] = queued(product, 2)
    other, [second] = queued(product, 2)
    production.combine_jobs([job, second], actor=system_actor())
    assert told(order, "cancel", "jobs") == [f"{job.code} stays for {other.code}, without the parts of this order."]
    assert told(order, "hold", "jobs") == [
        f"{job.code} is not sent.",
        f"! {job.code} also holds parts of {other.code}, which wait too.",
    ]


def test_closing_short_counts_what_is_missing_and_for_whom() -> None:
    stock(black_pla())
    order, jobs = queued(printable(), 3, **for_customer())
    cleared(jobs[0], good=1)
    assert told(order, "complete") == [
        "! It is closed with 1 of 3 parts; the rest is not made.",
        "! SO-1 Acme needs 2 parts by 12 Mar 2030 that are not made.",
        f"{jobs[1].code}, {jobs[2].code} are cancelled before being sent.",
        "Frees 0.2\N{NO-BREAK SPACE}kg M-BLACK.",
        "What is good stays in stock: 1 part.",
    ]


def test_the_planned_finish_is_told_and_whether_it_is_late() -> None:
    stock(black_pla())
    order, [job] = queued(printable(), 1, **for_customer(due_date=datetime.date(2030, 1, 1)))
    run = ScheduleRun.objects.create(kind="full", follows=0)
    ends = timezone.make_aware(datetime.datetime(2030, 1, 2, 9, 30))
    ScheduleEntry.objects.create(run=run, production_order=order, print_job=job, starts_at=ends, ends_at=ends)
    assert told(order, "queue", "promise") == [
        "! SO-1 Acme waits for 1 part by 1 Jan 2030. Planned to be finished 2 Jan 2030 09:30, which is late."
    ]
    assert told(order, "hold", "promise") == [
        (
            "! SO-1 Acme waits for 1 part by 1 Jan 2030: no finish can be planned while it is held. "
            "It was planned for 2 Jan 2030 09:30."
        )
    ]
    ScheduleEntry.objects.create(run=run, production_order=order, waits_for="material")
    assert planned_finish([order.pk]) == {}


def test_parts_for_the_shelf_are_nobodys_promise() -> None:
    order = confirmed(printable(), 1)
    assert told(order, "cancel", "promise") == ["Nobody else waits for the parts that are not made."]
    assert told(order, "hold", "promise") == ["The parts are for the shelf; no finish can be planned while it is held."]


def test_units_in_work_stand_in_the_way_of_an_end() -> None:
    stock(black_pla())
    product = printable(parts=2)
    routed(product, "paint")
    order, [job, _] = queued(product, 4)
    cleared(job, good=2)
    name = order.operations.get().name
    sentence = f"! It is refused while 2 parts wait at {name}: report them first."
    assert sentence in told(order, "cancel", "parts")
    assert sentence in told(order, "complete", "parts")
    with pytest.raises(UnitsInWork):
        production.complete_production_order(order, actor=system_actor(), reason="Enough")


def test_a_split_says_how_many_can_go() -> None:
    stock(black_pla())
    order, jobs = queued(printable(), 4, **for_customer())
    cleared(jobs[0], good=1)
    assert told(order, "split", "parts") == ["Up to 3 parts of 4 can go into a new order; 1 have begun."]
    assert told(confirmed(printable(), 1), "split", "parts") == ["! Up to 0 parts of 1 can go into a new order."]


def test_telling_changes_nothing_and_costs_the_same_however_many_jobs() -> None:
    stock(black_pla(), "100")
    small, _ = queued(printable(), 2, **for_customer())
    large, _ = queued(printable(), 12, **for_customer())

    def cost(order: ProductionOrder, action: str) -> int:
        with CaptureQueriesContext(connection) as queries:
            order_effects(order, action)
        assert all(row["sql"].startswith(("SELECT", "WITH")) for row in queries)
        return len(queries)

    for action in ACTIONS:
        assert cost(small, action) == cost(large, action) <= 15, action


def test_an_unknown_act_is_refused() -> None:
    with pytest.raises(InvalidValue) as refusal:
        order_effects(draft(printable()), "explode")
    assert refusal.value.details["field"] == "action"


def test_the_page_that_asks_shows_the_effects_and_does_nothing_yet(client: Client) -> None:
    client.force_login(SuperuserFactory())
    stock(black_pla())
    order, [job] = queued(printable(), 1, **for_customer())
    answer = client.post(f"/admin/production/productionorder/{order.pk}/verb/cancel/")
    page = answer.content.decode()
    assert answer.status_code == 200
    assert "SO-1 Acme needs 1 part by 12 Mar 2030 that are not made." in page
    assert f"{job.code} is cancelled before being sent." in page
    order.refresh_from_db()
    assert order.status == "queued"
    assert Decimal(order.quantity) == 1
