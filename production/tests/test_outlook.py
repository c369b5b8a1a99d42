"""When orders are ready by the schedule, over the API too."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.utils import timezone
from rest_framework.test import APIClient

from blb3d.accounts.models import User
from blb3d.accounts.roles import sync_roles
from inventory.models import Product
from inventory.tests.factories import system_actor
from production import services as production
from production.models import ProductionOrder, ScheduleRun
from production.selectors.outlook import order_outlook, order_outlooks
from production.tests.factories import PrinterFactory, black_pla, draft, printable, queued, stock

pytestmark = pytest.mark.django_db
SCHEDULE = "/api/v1/schedule"


@pytest.fixture(autouse=True)
def day_and_night(settings: Any) -> None:
    settings.FARM_WORKING_DAYS = list(range(7))
    settings.FARM_SHIFT_STARTS = settings.FARM_SHIFT_ENDS = datetime.time(0)
    settings.FARM_HANDLING_DAYS = 1


@pytest.fixture
def black() -> Product:
    material = black_pla()
    stock(material, "100")
    return material


@pytest.fixture
def staff() -> APIClient:
    client = APIClient()
    client.force_authenticate(User.objects.create_superuser("boss@example.com"))
    return client


def plan() -> None:
    production.make_schedule(cause="test", actor=system_actor())


def test_an_order_is_late_by_the_days_that_its_shipment_is_after_its_due_date(black: Product) -> None:
    PrinterFactory(loaded=[black])
    product = printable()
    product.plates.update(estimated_minutes=24 * 60)
    today = timezone.localdate()
    late, fine = (draft(product, 3, due_date=today + datetime.timedelta(days=days)) for days in (2, 30))
    plan()
    late.refresh_from_db()
    fine.refresh_from_db()
    found = order_outlook(late)
    assert found.planned_finish == late.scheduled_end
    assert found.ships_on == timezone.localdate(late.scheduled_end) + datetime.timedelta(days=1)
    assert (found.late_days, found.is_late) == (2, True)
    assert order_outlook(fine).late_days == 0


def test_the_mark_of_an_order_and_its_outlook_agree(black: Product) -> None:
    PrinterFactory(loaded=[black])
    product = printable()
    product.plates.update(estimated_minutes=7 * 60)
    today = timezone.localdate()
    for days in range(0, 16, 2):
        draft(product, 3, due_date=today + datetime.timedelta(days=days))
    plan()
    orders = list(ProductionOrder.objects.all())
    found = order_outlooks(orders)
    assert {order.pk for order in orders if order.is_late} == {pk for pk, row in found.items() if row.is_late}
    assert {row.is_late for row in found.values()} == {True, False}


def test_an_order_that_is_not_planned_is_late_once_it_cannot_be_in_time(black: Product) -> None:
    today = timezone.localdate()
    due, later = (draft(printable(), due_date=today + datetime.timedelta(days=days)) for days in (0, 5))
    plan()
    assert (order_outlook(due).planned_finish, order_outlook(due).ships_on) == (None, None)
    assert order_outlook(due).late_days == 1
    assert order_outlook(later).late_days == 0


def test_the_schedule_is_read_over_http_by_printer_and_order(staff: APIClient, black: Product) -> None:
    ada = PrinterFactory(name="Ada", loaded=[black])
    order, [job] = queued(printable(sku="FG-1"), due_date=timezone.localdate())
    lost = draft(printable(file=False))
    plan()
    answer = staff.get(SCHEDULE, {"printer": ada.pk}).json()
    [row] = answer["results"]
    assert {name: row[name] for name in ("production_order", "print_job", "printer", "sku", "parts", "waits_for")} == {
        "production_order": order.code, "print_job": job.code, "printer": "Ada", "sku": "FG-1", "parts": 1,
        "waits_for": "",
    }  # fmt: skip
    assert row["ends_at"] > row["starts_at"]
    [row] = staff.get(SCHEDULE, {"production_order__code": lost.code}).json()["results"]
    assert (row["starts_at"], row["waits_for"]) == (None, "No print file for plate 1")
    codes = {
        wanted: [row["production_order"] for row in staff.get(SCHEDULE, {wanted: "true"}).json()["results"]]
        for wanted in ("planned", "late")
    }
    assert codes == {"planned": [order.code], "late": [order.code]}


def test_jobs_and_orders_show_their_plan_over_http(staff: APIClient, black: Product) -> None:
    PrinterFactory(name="Ada", loaded=[black])
    order, [job] = queued(printable(), due_date=timezone.localdate())
    before = staff.get(f"/api/v1/print-jobs/{job.pk}").json()
    assert (before["planned_printer"], before["planned_start"], before["planned_end"]) == (None, None, None)
    plan()
    shown = staff.get(f"/api/v1/print-jobs/{job.pk}").json()
    assert shown["planned_printer"] == "Ada"
    assert shown == staff.get("/api/v1/print-jobs").json()["results"][0]
    answer = staff.get(f"/api/v1/production-orders/{order.pk}").json()
    assert answer["is_late"] is True
    assert answer["scheduled_end"] == shown["planned_end"]
    assert staff.get("/api/v1/production-orders", {"is_late": "false"}).json()["count"] == 0


def test_a_run_is_asked_for_over_http_by_those_who_may(staff: APIClient, black: Product) -> None:
    PrinterFactory(loaded=[black])
    draft(printable())
    made = staff.post(f"{SCHEDULE}/runs", {"cause": "a new machine"}, format="json")
    assert made.status_code == 201
    assert (made.json()["tasks"], made.json()["cause"], made.json()["kind"]) == (1, "a new machine", "full")
    assert staff.get(f"{SCHEDULE}/runs/{made.json()['id']}").json() == made.json()
    refused = staff.post(f"{SCHEDULE}/runs", {"why": "?"}, format="json")
    assert refused.status_code == 400
    sync_roles()
    operator = User.objects.create_user("operator@example.com", is_staff=True)
    operator.groups.add(Group.objects.get(name="operator"))
    client = APIClient()
    client.force_authenticate(operator)
    assert client.get(SCHEDULE).status_code == 200
    assert client.post(f"{SCHEDULE}/runs", {}, format="json").status_code == 403
    assert ScheduleRun.objects.count() == 1
