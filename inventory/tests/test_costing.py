"""Standard costs rolled up from the bottom."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from blb3d.core.tests.counting import statements_of
from inventory import services as inventory
from inventory.models import BOM, Inventory, Product
from inventory.selectors.standard_costs import standard_costs
from inventory.services import BOMLineSpec
from inventory.services.costing import roll_standard_costs
from inventory.tests.factories import (
    ComponentFactory,
    MaterialFactory,
    ProductFactory,
    make_bom,
    receive,
    system_actor,
)

pytestmark = pytest.mark.django_db
D = Decimal


def robot() -> tuple[Product, Product, Product]:
    """A bolt, an arm of two bolts, a robot of four arms and a bolt."""
    bolt = ComponentFactory(sku="BOLT", unit_cost=D("0.5"))
    arm, whole = ProductFactory(sku="ARM"), ProductFactory(sku="ROBOT")
    make_bom(arm, (bolt, 2))
    make_bom(whole, (arm, 4), (bolt, 1))
    return bolt, arm, whole


def costs() -> dict[str, Decimal]:
    return dict(Product.objects.values_list("sku", "unit_cost"))


def test_a_dearer_bolt_goes_up_through_all_levels_once_it_is_rolled():
    bolt, arm, whole = robot()
    roll_standard_costs(actor=system_actor())
    assert costs() == {"BOLT": D("0.5"), "ARM": D(1), "ROBOT": D("4.5")}
    inventory.update_product(bolt, unit_cost=D("0.75"), actor=system_actor())
    shown = {row.sku: (row.before, row.after, row.bom_after) for row in standard_costs()}
    assert shown == {"ARM": (D(1), D("1.5"), D("1.5")), "ROBOT": (D("4.5"), D("6.75"), D("6.75"))}
    assert costs()["ROBOT"] == D("4.5")  # looking changes nothing
    changed = roll_standard_costs(actor=system_actor(), reason="Bolts are dearer")
    assert [row.sku for row in changed] == ["ARM", "ROBOT"]
    assert costs() == {"BOLT": D("0.75"), "ARM": D("1.5"), "ROBOT": D("6.75")}
    assert BOM.objects.get(product=whole).total_cost == D("6.75")
    arm.refresh_from_db()
    last = arm.history.latest()
    assert (last.unit_cost, last.history_change_reason) == (D("1.5"), "Bolts are dearer")
    assert roll_standard_costs(actor=system_actor()) == []


def test_scrap_adds_to_the_cost_and_stock_keeps_its_own():
    cup, pla = ProductFactory(sku="CUP"), MaterialFactory(unit_cost=D(20))
    inventory.set_bom(cup, [BOMLineSpec(pla, D(100), "g", D(10))], actor=system_actor())
    receive(pla, 1, unit_cost=D(18))
    roll_standard_costs(actor=system_actor())
    assert costs()["CUP"] == D("2.2")
    assert Inventory.objects.get().cost_per_unit == D(18)


def test_what_is_bought_keeps_its_cost_and_what_has_no_cost_is_named():
    bought = ProductFactory(sku="KIT", replenishment=Product.Replenishment.BUY, unit_cost=D(9))
    make_bom(bought, (ComponentFactory(sku="FREE", unit_cost=D(0)), 1), (ComponentFactory(unit_cost=D(2)), 1))
    [row] = standard_costs()
    assert (row.before, row.after, row.bom_after, row.without_cost) == (D(9), D(9), D(2), ("FREE",))
    assert roll_standard_costs(actor=system_actor()) == []
    assert costs()["KIT"] == D(9)


def test_a_product_on_two_ways_is_reckoned_after_all_that_is_in_it():
    bolt = ComponentFactory(unit_cost=D(1))
    a, b, c = (ProductFactory(sku=sku) for sku in ("A", "B", "C"))
    make_bom(c, (bolt, 1))
    make_bom(b, (c, 2))
    make_bom(a, (b, 1), (c, 1))
    Product.objects.filter(pk=bolt.pk).update(unit_cost=D(10))
    roll_standard_costs(actor=system_actor())
    assert {sku: cost for sku, cost in costs().items() if sku in "ABC"} == {"A": D(30), "B": D(20), "C": D(10)}


def test_one_and_thirty_products_take_the_same_statements():
    counts, actor = [], system_actor()
    for many in (1, 30):
        bolt = ComponentFactory(unit_cost=D(1))
        for _ in range(many):
            make_bom(ProductFactory(), (bolt, 1))
        with CaptureQueriesContext(connection) as captured:
            assert len(roll_standard_costs(actor=actor)) == many
        counts.append(len(statements_of(captured)))
    assert counts[0] == counts[1] <= 30
