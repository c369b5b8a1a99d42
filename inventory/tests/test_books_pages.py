"""The stock books for people and machines: periods, proofs, reversals and the value of stock."""

import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from blb3d.accounts.roles import sync_roles
from blb3d.accounts.tests.factories import StaffFactory, SuperuserFactory
from inventory import services as inventory
from inventory.models import Inventory, InventoryTransaction, ReconciliationReport, StockPeriod
from inventory.models.periods import midnight
from inventory.selectors import verify_ledger
from inventory.tasks import reconcile_ledger
from inventory.tests.factories import (
    ComponentFactory,
    LocationFactory,
    MaterialFactory,
    put_on_shelf,
    receive,
    system_actor,
)
from inventory.tests.test_admin import act, shown, url

pytestmark = pytest.mark.django_db
D = Decimal
PAGE = reverse("console-stock-value")
VALUATION = "/api/v1/inventory/valuation"


@pytest.fixture
def console() -> Client:
    client = Client()
    client.force_login(SuperuserFactory())
    return client


@pytest.fixture
def api() -> APIClient:
    client = APIClient()
    client.force_authenticate(SuperuserFactory())
    return client


def day(ago: int) -> datetime.date:
    return timezone.localdate() - datetime.timedelta(days=ago)


def stock() -> None:
    """4 kg at 10 came five days ago; 1 kg of it was scrapped two days ago, and bolts were found."""
    noon = datetime.timedelta(hours=12)
    lot = receive(
        MaterialFactory(sku="PLA"), "4", lot_number="L-1", unit_cost=D(10), received_at=midnight(day(5)) + noon
    )
    place = LocationFactory()
    inventory.scrap_stock(
        lot.product, location=place, lot=lot, quantity=D(1), reason="wet", at=midnight(day(2)) + noon,
        actor=system_actor(),
    )  # fmt: skip
    put_on_shelf(ComponentFactory(sku="BOLT", unit_cost=D("0.25")), 10, LocationFactory(code="RACK"))


def test_a_period_is_laid_down_closed_and_opened_again_in_the_console(console: Client) -> None:
    stock()
    proposed = console.get(url(StockPeriod, "add")).context["adminform"].form.initial
    assert proposed["first_day"].day == 1
    console.post(url(StockPeriod, "add"), {"first_day": str(day(6)), "last_day": str(day(3))}, follow=True)
    period = StockPeriod.objects.get()
    act(console, period, "close")
    period.refresh_from_db()
    assert (period.status, period.stock_value) == ("closed", D(40))
    page = shown(console.get(url(period, "change")))
    assert "$40.00" in page
    kept = reverse("admin:inventory_stockperiodvalue_changelist")
    assert "L-1" in shown(console.get(kept, {"period__id__exact": period.pk}))
    refused = act(console, Inventory.objects.first(), "adjust", quantity_change="1", reason="x", at=f"{day(4)}T12:00")
    assert "STOCK_012" in shown(refused)
    act(console, period, "reopen", reason="a late bill")
    period.refresh_from_db()
    assert period.status == "open"


def test_who_closes_the_books_does_not_open_them_again_or_date_back_without_a_limit() -> None:
    sync_roles()
    may = {
        role: {
            name
            for name in ("close_stockperiod", "reopen_stockperiod", "backdate_stock", "reverse_inventorytransaction")
            if Group.objects.get(name=role).permissions.filter(codename=name).exists()
        }
        for role in ("operator", "purchasing", "manager", "owner")
    }
    assert may == {
        "operator": set(),
        "purchasing": set(),
        "manager": {"close_stockperiod", "reverse_inventorytransaction"},
        "owner": {"close_stockperiod", "reopen_stockperiod", "backdate_stock", "reverse_inventorytransaction"},
    }


def test_an_overlapping_period_is_refused_with_what_was_typed(console: Client) -> None:
    for _ in range(2):
        page = console.post(url(StockPeriod, "add"), {"first_day": str(day(6)), "last_day": str(day(3))}, follow=True)
    assert "STOCK_021" in shown(page)
    assert StockPeriod.objects.count() == 1


def test_a_movement_is_dated_back_and_reversed_by_its_button(console: Client) -> None:
    put_on_shelf(ComponentFactory(), 10)
    balance = Inventory.objects.get()
    act(console, balance, "adjust", quantity_change="2", reason="found", at=f"{day(2)}T12:00")
    row = InventoryTransaction.objects.latest("pk")
    assert row.transaction_date == midnight(day(2)) + datetime.timedelta(hours=12)
    assert "Reverse" in shown(console.get(url(row, "change")))
    act(console, row, "reverse", reason="")
    assert not row.reversals.exists()
    act(console, row, "reverse", reason="counted twice")
    assert row.reversals.get().on_hand_change == D(-2)
    act(console, row, "reverse", reason="again")
    assert row.reversals.count() == 1
    assert url(row, "verb", "reverse") not in shown(console.get(url(row, "change")))
    assert verify_ledger().is_clean


def test_a_balance_is_revalued_by_its_button(console: Client) -> None:
    lot = receive(MaterialFactory(), "2", unit_cost=D(10))
    act(console, Inventory.objects.get(), "revalue", unit_cost="12.5", reason="market price")
    lot.refresh_from_db()
    assert (lot.unit_cost, Inventory.objects.get().cost_per_unit) == (D("12.5"), D("12.5"))


def waiting(console: Client) -> set[str]:
    groups = console.get(reverse("admin:index")).context["queue_groups"]
    return {card.name for cards in groups.values() for card in cards if card.count}


def test_books_that_differ_are_shown_at_home_until_they_agree(console: Client) -> None:
    put_on_shelf(ComponentFactory(unit_cost=D(1)), 10)
    Inventory.objects.update(cost_per_unit=D(2))
    reconcile_ledger()
    assert "Stock books that differ" in waiting(console)
    report = ReconciliationReport.objects.get()
    page = shown(console.get(url(report, "change")))
    assert "1 difference in the stock books" in page
    assert "expected 10.0000, found 20.0000" in page
    Inventory.objects.update(cost_per_unit=D(1))
    reconcile_ledger()
    assert "Stock books that differ" not in waiting(console)


def test_staff_without_the_right_do_not_see_the_value_of_stock(client: Client) -> None:
    client.force_login(StaffFactory())
    assert client.get(PAGE).status_code == 403
    machine = APIClient()
    machine.force_authenticate(StaffFactory())
    assert machine.get(VALUATION).status_code == 403
    assert APIClient().get(VALUATION).status_code == 401


def test_the_page_values_stock_at_the_end_of_a_day(console: Client) -> None:
    stock()
    assert "$32.50" in shown(console.get(PAGE))
    then = shown(console.get(PAGE, {"on": str(day(3))}))
    assert "$40.00" in then
    assert f"at the end of {day(3)}" in then
    assert "BOLT" not in then
    assert "There was no stock" in shown(console.get(PAGE, {"on": str(day(9))}))
    assert "not come yet" in shown(console.get(PAGE, {"on": str(day(-1))}))
    by_lot = shown(console.get(PAGE, {"by": "all"}))
    assert '<td data-label="Lot">L-1</td>' in by_lot
    assert '<td data-label="Lot">without a lot</td>' in by_lot


def test_the_same_rows_are_a_file_for_spreadsheets(console: Client) -> None:
    stock()
    response = console.get(PAGE, {"by": "all", "format": "csv"})
    assert response["Content-Disposition"] == f'attachment; filename="stock-value-{timezone.localdate()}-by-all.csv"'
    assert shown(response).splitlines() == [
        "product,name,location,lot,quantity,unit,cost per unit,value",
        "PLA,Product PLA,MAIN,L-1,3.0000,kg,10.0000,30.0000",
        "BOLT,Product BOLT,RACK,,10.0000,each,0.2500,2.5000",
    ]
    assert shown(console.get(PAGE, {"by": "location", "format": "csv"})).splitlines() == [
        "location,value",
        "MAIN,30.0000",
        "RACK,2.5000",
    ]


def test_the_page_costs_the_same_with_many_rows(console: Client) -> None:
    counts = []
    for number in (1, 12):
        for _ in range(number):
            receive(MaterialFactory(), "1")
        with CaptureQueriesContext(connection) as queries:
            console.get(PAGE)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_machines_ask_for_the_value_of_stock(api: APIClient) -> None:
    stock()
    answer = api.get(VALUATION, {"by": "product,lot"}).json()
    assert (answer["on"], answer["currency"], answer["total"]) == (None, "USD", "32.5000")
    assert [
        (row["sku"], row["lot_number"], row["location"], row["quantity"], row["value"]) for row in answer["rows"]
    ] == [
        ("PLA", "L-1", None, "3.0000", "30.0000"),
        ("BOLT", None, None, "10.0000", "2.5000"),
    ]
    then = api.get(VALUATION, {"on": str(day(3)), "by": "location"}).json()
    assert [(row["location"], row["quantity"], row["value"]) for row in then["rows"]] == [("MAIN", None, "40.0000")]
    moment = midnight(day(2)).isoformat()
    assert api.get(VALUATION, {"on": moment}).json()["total"] == "40.0000"
    assert api.get(VALUATION, {"on": str(timezone.localdate())}).json()["total"] == "32.5000"


@pytest.mark.parametrize(
    "asked", [{"on": "soon"}, {"on": "2200-01-01"}, {"on": "2026-02-30"}, {"by": "colour"}, {"at": "x"}]
)
def test_what_cannot_be_valued_is_refused(api: APIClient, asked: dict[str, Any]) -> None:
    response = api.get(VALUATION, asked)
    assert response.status_code == 400
    assert response.json()["error_code"] in {"VALID_001", "VALID_002"}
