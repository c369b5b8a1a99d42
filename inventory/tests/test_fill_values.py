"""Ledger rows from before values were kept are given theirs."""

from decimal import Decimal
from importlib import import_module

import pytest
from django.apps import apps

from inventory import services as inventory
from inventory.models import Inventory, InventoryTransaction
from inventory.selectors import verify_ledger
from inventory.tests.factories import ComponentFactory, LocationFactory, MaterialFactory, receive, system_actor

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
