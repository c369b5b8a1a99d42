"""What the demo farm buys: terms by the spool with price breaks, one order on its way, the same after loading twice."""

from decimal import Decimal

import pytest

from blb3d.demo.catalogue import COMPONENTS, FILAMENTS, ON_ORDER
from blb3d.demo.seed import add_component, add_filament, add_order, add_places, add_terms
from inventory.models import ProductUnit, PurchaseOrder, VendorItem, VendorPrice
from inventory.tests.factories import system_actor

pytestmark = pytest.mark.django_db


def test_terms_are_entered_once_and_some_filament_is_on_order():
    seeder = system_actor()
    for _ in range(2):
        add_places(seeder)
        for filament in FILAMENTS:
            add_filament(filament, seeder)
        for sku, name, category, unit, cost in COMPONENTS:
            add_component(sku, name, category, unit, cost, seeder)
        add_terms(seeder)
        add_order(seeder)
    assert VendorItem.objects.filter(is_preferred=True).count() == len(FILAMENTS) + len(COMPONENTS)
    assert ProductUnit.objects.filter(unit="spool", factor=1).count() == len(FILAMENTS)
    assert VendorPrice.objects.count() == 3 * len(FILAMENTS) + len(COMPONENTS)
    order = PurchaseOrder.objects.get()
    lines = {line.product.sku: (line.quantity, line.unit_of_measure) for line in order.lines.all()}
    assert (order.status, lines) == ("ordered", {sku: (spools, "spool") for sku, spools in ON_ORDER})
    assert order.lines.get(product__sku="M-00014").unit_price == Decimal("16.99")
    assert order.expected_on is not None
