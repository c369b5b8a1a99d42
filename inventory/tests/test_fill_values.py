"""Ledger rows from before values were kept are given theirs, and purchase orders their sums and promised days."""

import datetime
from decimal import Decimal
from importlib import import_module

import pytest
from django.apps import apps

from inventory import services as inventory
from inventory.models import Inventory, InventoryTransaction, PurchaseOrder, PurchaseOrderLine
from inventory.selectors import verify_ledger
from inventory.services import PurchaseLineSpec
from inventory.tests.factories import (
    ComponentFactory,
    LocationFactory,
    MaterialFactory,
    VendorFactory,
    receive,
    system_actor,
)

pytestmark = pytest.mark.django_db


def test_old_rows_add_up_to_what_their_balances_are_worth():
    bolt, shelf = ComponentFactory(), LocationFactory()
    for quantity, cost in (("3", "0.1000"), ("7", "0.3333"), ("11", "0.7777")):
        inventory.receive_stock(
            bolt, quantity=Decimal(quantity), unit_cost=Decimal(cost), location=shelf, actor=system_actor()
        )
        inventory.scrap_stock(bolt, location=shelf, quantity=Decimal(2), reason="bent", actor=system_actor())
    filament = MaterialFactory()
    receive(filament, "1.2345", unit_cost=Decimal("16.99"))
    assert verify_ledger().is_clean
    rows = InventoryTransaction._base_manager.order_by("id")
    known = list(rows.values_list("value_change", flat=True))
    rows.update(value_change=0)
    assert not verify_ledger().is_clean

    import_module("inventory.migrations.0005_fill_values").fill_values(apps, None)

    assert verify_ledger().is_clean
    assert sum(rows.values_list("value_change", flat=True)) == sum(known)
    assert Inventory.objects.get(product=bolt).on_hand_quantity == 15


def test_old_purchase_orders_get_their_sums_and_what_is_on_its_way_the_promised_day():
    day = datetime.date(2026, 12, 24)
    made = []
    for expected_on in (day, None, day):
        lines = [PurchaseLineSpec(ComponentFactory(), Decimal(quantity), "each") for quantity in ("3", "1.5")]
        made.append(
            inventory.create_purchase_order(VendorFactory(), lines=lines, expected_on=expected_on, actor=system_actor())
        )
    for order in made[:2]:
        inventory.order_purchase(order, actor=system_actor())
    PurchaseOrderLine._base_manager.update(promised_on=None, unit_price=Decimal("0.3333"))
    PurchaseOrder._base_manager.update(subtotal=0)

    import_module("inventory.migrations.0005_fill_values").fill_purchases(apps, None)

    assert set(PurchaseOrder._base_manager.values_list("subtotal", flat=True)) == {Decimal("1.50")}
    lines = PurchaseOrderLine._base_manager.order_by("pk")
    assert list(lines.values_list("promised_on", flat=True)) == [day, day, None, None, None, None]
