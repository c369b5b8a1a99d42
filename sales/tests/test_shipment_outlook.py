"""When an order can be shipped by the schedule, and whether that keeps the promise."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from blb3d.accounts.models import User
from production import services as production
from production.models import ProductionOrder
from production.tests.factories import PrinterFactory, black_pla, printable, stock
from sales.selectors import shipment_outlook
from sales.tests.factories import confirmed, system_actor

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def day_and_night(settings: Any) -> None:
    settings.FARM_WORKING_DAYS = list(range(7))
    settings.FARM_SHIFT_STARTS = settings.FARM_SHIFT_ENDS = datetime.time(0)
    settings.FARM_HANDLING_DAYS = 1


@pytest.fixture
def order() -> Any:
    """Return an order of a quick product and a slow one, promised for tomorrow, on a farm of one printer."""
    stock(black_pla(), "100")
    PrinterFactory(loaded=[black_pla()])
    quick, slow = printable(), printable()
    slow.plates.update(estimated_minutes=48 * 60)
    return confirmed((quick, 1), (slow, 1), promised_date=timezone.localdate() + datetime.timedelta(days=1))


def test_nothing_is_said_of_an_order_for_which_nothing_is_made(order: Any) -> None:
    for made in order.production_orders.all():
        production.cancel_production_order(made, reason="gone", actor=system_actor())
    assert shipment_outlook(order) is None


def test_an_unplanned_order_has_no_day(order: Any) -> None:
    found = shipment_outlook(order)
    assert found is not None
    assert (found.ships_on, found.late_days, set(found.lines.values())) == (None, 0, {None})


def test_an_order_ships_when_its_last_line_is_ready_and_says_by_how_much_that_is_late(
    order: Any, django_assert_num_queries: Any
) -> None:
    production.make_schedule(cause="test", actor=system_actor())
    with django_assert_num_queries(4):
        found = shipment_outlook(order)
    assert found is not None
    ends = {
        made.sales_order_line_id: timezone.localdate(made.scheduled_end) + datetime.timedelta(days=1)
        for made in ProductionOrder.objects.all()
    }
    assert found.lines == ends
    assert found.ships_on == max(ends.values())
    assert found.late_days == (max(ends.values()) - order.promised_date).days > 0


def test_the_order_page_shows_the_day_and_that_it_is_late(order: Any) -> None:
    production.make_schedule(cause="test", actor=system_actor())
    client = Client()
    client.force_login(User.objects.create_superuser("boss@example.com"))
    html = client.get(f"/admin/sales/salesorder/{order.pk}/change/").content.decode()
    found = shipment_outlook(order)
    assert found is not None
    assert f"{found.late_days} day" in html
    assert "late</span>" in html
