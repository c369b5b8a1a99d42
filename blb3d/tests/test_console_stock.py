"""Reorder, stock reports and standard costs in the console."""

from __future__ import annotations

import csv
import io
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from blb3d.accounts.roles import sync_roles
from blb3d.accounts.tests.factories import StaffFactory, SuperuserFactory
from inventory.models import Product, PurchaseOrder, VendorItem
from inventory.tests.factories import (
    ComponentFactory,
    MaterialFactory,
    ProductFactory,
    VendorFactory,
    make_bom,
    put_on_shelf,
    receive,
)
from production.models import ProductionOrder

pytestmark = pytest.mark.django_db
D = Decimal
REORDER, REPORTS, COSTS = (reverse(f"console-{name}") for name in ("reorder", "stock-reports", "standard-costs"))


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(SuperuserFactory())
    return client


def role(name: str) -> Client:
    """Staff of a role."""
    sync_roles()
    user = StaffFactory()
    user.groups.add(Group.objects.get(name=name))
    client = Client()
    client.force_login(user)
    return client


def table(answer: Any) -> list[list[str]]:
    return list(csv.reader(io.StringIO(answer.content.decode("utf-8-sig"))))


def short() -> tuple[Product, Product]:
    """Filament to buy and a cup to make, both below their floor."""
    pla = MaterialFactory(sku="M-1", name="=PLA", reorder_point=D(5))
    receive(pla, 1)
    VendorItem.objects.create(vendor=VendorFactory(name="Acme"), product=pla, unit="kg")
    cup = ProductFactory(sku="FG-1", replenishment=Product.Replenishment.MAKE_TO_STOCK, reorder_point=D(10))
    make_bom(cup, (pla, "0.1"))
    return pla, cup


def test_what_is_below_its_floor_is_bought_and_made_from_the_page(boss: Client) -> None:
    pla, cup = short()
    put_on_shelf(ComponentFactory(sku="C-ENOUGH", reorder_point=D(1)), 5)
    page = boss.get(REORDER).content.decode()
    assert ("Acme" in page, "4 kg" in page, "C-ENOUGH" in page) == (True, True, False)
    assert "C-ENOUGH" in boss.get(REORDER, {"show": "all"}).content.decode()
    bought = boss.post(REORDER, {"act": "buy", "product": [pla.pk, cup.pk]}, follow=True).content.decode()
    order = PurchaseOrder.objects.get()
    assert (order.lines.get().quantity, order.po_number in bought) == (D(4), True)
    assert not ProductionOrder.objects.exists()
    boss.post(REORDER, {"act": "make", "product": [pla.pk, cup.pk]})
    made = ProductionOrder.objects.get()
    assert (made.product, made.quantity, made.source_type) == (cup, 10, "stock")
    again = boss.post(REORDER, {"act": "make", "product": [cup.pk]}, follow=True).content.decode()
    assert "below its floor any more" in again
    # What the cups take is owed now.
    assert [row["line"].suggested for row in boss.get(REORDER).context["rows"]] == [D(1)]


def test_a_refusal_is_said_and_nothing_is_written(boss: Client) -> None:
    pla = MaterialFactory(reorder_point=D(5))
    assert "PURCHASE_" in boss.post(REORDER, {"act": "buy", "product": [pla.pk]}, follow=True).content.decode()
    for wrong in ({"act": "buy"}, {"act": "steal", "product": [pla.pk]}, {"act": "buy", "product": ["x", "9" * 30]}):
        assert boss.post(REORDER, wrong).status_code == 302
    assert not PurchaseOrder.objects.exists()


def test_who_may_only_look_orders_nothing() -> None:
    pla, cup = short()
    operator = role("operator")
    page = operator.get(REORDER).content.decode()
    assert ("M-1" in page, "what is ticked" in page) == (True, False)
    for act in ("buy", "make"):
        assert operator.post(REORDER, {"act": act, "product": [pla.pk, cup.pk]}).status_code == 403
    buyer = role("purchasing")
    assert buyer.post(REORDER, {"act": "buy", "product": [pla.pk]}).status_code == 302
    assert buyer.post(REORDER, {"act": "make", "product": [cup.pk]}).status_code == 403
    assert PurchaseOrder.objects.count() == 1
    assert not ProductionOrder.objects.exists()
    stranger = Client()
    stranger.force_login(StaffFactory())
    assert [stranger.get(page).status_code for page in (REORDER, REPORTS, COSTS)] == [403] * 3


def test_the_reorder_file_says_what_the_page_does(boss: Client) -> None:
    short()
    heading, *rows = table(boss.get(REORDER, {"format": "csv"}))
    told = {row[0]: dict(zip(heading, row, strict=True)) for row in rows}
    assert told["M-1"]["name"] == "'=PLA"
    assert (D(told["M-1"]["suggested"]), told["M-1"]["how"], told["M-1"]["vendor"]) == (D(4), "buy", "Acme")
    assert (D(told["FG-1"]["projected"]), told["FG-1"]["how"]) == (D(0), "make")
    assert len(table(boss.get(REORDER, {"format": "csv", "search": "acme"}))) == 2


@pytest.mark.parametrize(
    ("by", "first", "value"),
    [("location", "MAIN", "40.0000"), ("lot", "M-1", "40.0000"), ("age", "M-1", "40.0000"), ("slow", "M-1", "40.0000")],
)
def test_every_report_is_a_page_and_a_file(boss: Client, by: str, first: str, value: str) -> None:
    receive(MaterialFactory(sku="M-1", unit_cost=D(20)), 2, lot_number="LOT-A")
    page = boss.get(REPORTS, {"by": by}).content.decode()
    assert (first in page, "$40.00" in page, "Stock value on a day" in page) == (True, True, True)
    heading, row = table(boss.get(REPORTS, {"by": by, "format": "csv"}))
    assert (row[0], D(dict(zip(heading, row, strict=True))["Value"])) == (first, D(value))
    assert "Nothing to show" in boss.get(REPORTS, {"by": by, "search": "nowhere"}).content.decode()
    assert boss.get(REPORTS, {"by": "colour"}).status_code == 200


def test_standard_costs_are_shown_first_and_written_then(boss: Client) -> None:
    bolt = ComponentFactory(unit_cost=D("0.5"))
    cup = ProductFactory(sku="FG-CUP")
    make_bom(cup, (bolt, 4), (ComponentFactory(sku="C-FREE", unit_cost=D(0)), 1))
    page = boss.get(COSTS).content.decode()
    assert ("FG-CUP" in page, "C-FREE" in page, "Write these costs" in page) == (True, True, True)
    cup.refresh_from_db()
    assert cup.unit_cost == 0
    assert table(boss.get(COSTS, {"format": "csv"}))[1][:4] == ["FG-CUP", cup.name, "0.0000", "2.0000"]
    boss.post(COSTS, {"reason": "New year"})
    cup.refresh_from_db()
    assert (cup.unit_cost, cup.history.latest().history_change_reason) == (D(2), "New year")
    assert "Every standard cost" in boss.get(COSTS).content.decode()


def test_who_may_not_change_bills_writes_no_costs() -> None:
    cup = ProductFactory()
    make_bom(cup, (ComponentFactory(), 1))
    operator = role("operator")
    assert "Write these costs" not in operator.get(COSTS).content.decode()
    assert operator.post(COSTS).status_code == 403
    cup.refresh_from_db()
    assert cup.unit_cost == 0


@pytest.mark.parametrize(
    ("page", "asked"),
    [(REORDER, {"show": "all"}), (COSTS, {}), *((REPORTS, {"by": by}) for by in ("location", "lot", "age", "slow"))],
)
def test_many_rows_cost_as_many_queries_as_one(boss: Client, page: str, asked: dict[str, str]) -> None:
    counts = []
    for many in (1, 6):
        for _ in range(many):
            pla = MaterialFactory(reorder_point=D(5))
            receive(pla, 1, vendor=VendorFactory())
            make_bom(ProductFactory(reorder_point=D(3)), (pla, 1))
        boss.get(page, asked)  # what is asked once a process
        with CaptureQueriesContext(connection) as captured:
            boss.get(page, asked)
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 45
