"""What lies where, in which lots, for how long, and what hardly moves."""

import datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory import services as inventory
from inventory.models import InventoryTransaction, MaterialLot
from inventory.selectors.stock_reports import slow_movers, stock_by_age, stock_by_location, stock_by_lot
from inventory.services import Use
from inventory.tests.factories import (
    ComponentFactory,
    LocationFactory,
    MaterialFactory,
    put_on_shelf,
    receive,
    system_actor,
)

pytestmark = pytest.mark.django_db
D = Decimal


def days_ago(days: int) -> datetime.datetime:
    return timezone.now() - datetime.timedelta(days=days)


def aged(lot: MaterialLot, days: int) -> MaterialLot:
    """Let a lot have come so many days ago."""
    MaterialLot.objects.filter(pk=lot.pk).update(received_date=days_ago(days))
    return lot


def posted(product, days: int) -> None:
    """Let the newest movement of a product have been so many days ago."""
    row = InventoryTransaction.objects.filter(product=product).latest("pk")
    QuerySet.update(InventoryTransaction.objects.filter(pk=row.pk), transaction_date=days_ago(days))


def test_each_location_tells_its_products_lots_and_worth():
    main, shelf = LocationFactory(), LocationFactory(code="SHELF", is_default=False)
    pla, bolt = MaterialFactory(unit_cost=D(20)), ComponentFactory(unit_cost=D("0.25"))
    receive(pla, "1.5")
    receive(pla, 2, unit_cost=D(30))
    put_on_shelf(bolt, 100, shelf)
    inventory.reserve([inventory.Need(bolt.pk, D(40), "production_order", 1)], actor=system_actor())
    first, second = stock_by_location()
    assert (first.location_id, first.products, first.lots, first.value) == (main.pk, 1, 2, D(90))
    assert (second.code, second.products, second.lots, second.value) == ("SHELF", 1, 0, D(25))
    assert (first.reserved_value, second.reserved_value) == (D(0), D(10))


def test_lots_are_told_with_age_and_worth_the_oldest_first():
    pla, bolt = MaterialFactory(sku="M-1", unit_cost=D(20)), ComponentFactory(sku="C-1")
    aged(receive(pla, 1, lot_number="NEW"), 3)
    aged(receive(pla, 2, lot_number="OLD", quarantine=True), 40)
    put_on_shelf(bolt, 4)
    rows = stock_by_lot()
    assert [(row.sku, row.lot_number, row.status, row.on_hand, row.value, row.age_days) for row in rows] == [
        ("C-1", "", "", D(4), D(1), None),
        ("M-1", "OLD", "quarantine", D(2), D(40), 40),
        ("M-1", "NEW", "active", D(1), D(20), 3),
    ]
    assert [row.lot_number for row in stock_by_lot(search="old")] == ["OLD"]


def test_lots_are_as_old_as_their_receipt():
    pla = MaterialFactory(unit_cost=D(10))
    for days, quantity in ((0, 1), (30, 2), (31, 3), (90, 4), (91, 5), (180, 6), (181, 7), (365, 8), (366, 9)):
        aged(receive(pla, quantity), days)
    [row] = stock_by_age()
    assert row.quantities == (D(3), D(7), D(11), D(15), D(9))
    assert row.values == (D(30), D(70), D(110), D(150), D(90))
    assert (row.quantity, row.value) == (D(45), D(450))


def test_stock_without_a_lot_is_what_came_last():
    bolt = ComponentFactory(unit_cost=D(2))
    for days, quantity in ((400, 10), (100, 10), (5, 10)):
        put_on_shelf(bolt, quantity)
        posted(bolt, days)
    inventory.issue([Use(bolt.pk, D(17), "shipment", 1)], actor=system_actor())
    [row] = stock_by_age()
    assert row.quantities == (D(10), D(0), D(3), D(0), D(0))
    assert row.values == (D(20), D(0), D(6), D(0), D(0))


def test_what_was_only_carried_around_does_not_grow_young():
    main, shelf = LocationFactory(), LocationFactory(code="SHELF", is_default=False)
    bolt = ComponentFactory()
    put_on_shelf(bolt, 10, main)
    posted(bolt, 200)
    inventory.transfer_stock(bolt, source=main, target=shelf, quantity=D(10), actor=system_actor())
    [row] = stock_by_age()
    assert row.quantities == (D(0), D(0), D(0), D(10), D(0))


def test_slow_movers_are_idle_or_last_longer_than_a_year():
    fast, idle, much, never = (ComponentFactory(sku=sku, unit_cost=D(1)) for sku in ("FAST", "IDLE", "MUCH", "NEVER"))
    for product, quantity in ((fast, 110), (idle, 60), (much, 1000), (never, 5)):
        put_on_shelf(product, quantity)
    for product, quantity, days in ((fast, 100, 2), (idle, 50, 120), (much, 10, 1)):
        inventory.issue([Use(product.pk, D(quantity), "shipment", product.pk)], actor=system_actor())
        posted(product, days)
    rows = {row.sku: (row.on_hand, row.used, row.idle_days, row.days_left) for row in slow_movers()}
    assert rows == {
        "MUCH": (D(990), D(10), 1, 36135),
        "IDLE": (D(10), D(50), 120, 73),
        "NEVER": (D(5), D(0), None, None),
    }
    assert [row.sku for row in slow_movers(search="nev")] == ["NEVER"]


@pytest.mark.parametrize(
    ("report", "most"), [(stock_by_location, 1), (stock_by_lot, 1), (stock_by_age, 2), (slow_movers, 2)]
)
def test_many_products_cost_as_many_queries_as_one(report, most):
    counts = []
    for many in (1, 5):
        for _ in range(many):
            receive(MaterialFactory(), 1)
            put_on_shelf(ComponentFactory(), 3)
        with CaptureQueriesContext(connection) as captured:
            report()
        counts.append(len(captured))
    assert counts[0] == counts[1] <= most
