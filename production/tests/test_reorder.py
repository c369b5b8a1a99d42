"""What has fallen below its floor, what is suggested, and that nothing is ordered twice."""

import datetime
from decimal import Decimal
from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.core.tests.counting import statements_of
from inventory import services as inventory
from inventory.errors import NoVendor
from inventory.models import Product, PurchaseOrder, VendorItem
from inventory.services import Need, PurchaseLineSpec, UnitSpec
from inventory.tests.concurrency import shared_database, together  # noqa: F401
from inventory.tests.factories import (
    ComponentFactory,
    MaterialFactory,
    ProductFactory,
    VendorFactory,
    make_bom,
    put_on_shelf,
    receive,
    system_actor,
)
from production import services as production
from production import tasks
from production.models import ProductionOrder
from production.mrp.engine import plan
from production.selectors.mrp_ground import load_problem
from production.selectors.reorder import ReorderLine, reorder_report

pytestmark = pytest.mark.django_db
D = Decimal


def line_of(product: Product) -> ReorderLine:
    [line] = [line for line in reorder_report() if line.product_id == product.pk]
    return line


def for_the_shelf(**fields) -> Product:
    """A product made to stock of one bolt each, whose floor is 10."""
    given = {"replenishment": Product.Replenishment.MAKE_TO_STOCK, "reorder_point": D(10), **fields}
    product = ProductFactory(**given)
    make_bom(product, (ComponentFactory(), 1))
    return product


def bought(product: Product, quantity: str, unit: str = "kg", *, order: bool = True) -> PurchaseOrder:
    actor = system_actor()
    lines = [PurchaseLineSpec(product, D(quantity), unit, D(20))]
    purchase = inventory.create_purchase_order(VendorFactory(), lines=lines, actor=actor)
    return inventory.order_purchase(purchase, actor=actor) if order else purchase


def planned_by_mrp(product: Product) -> Decimal:
    found = plan(load_problem(timezone.localdate())).planned
    return D(sum(order.quantity for order in found if order.item == product.pk)) / 10_000


def test_everything_that_is_there_comes_and_goes_is_counted_once():
    pla = MaterialFactory(reorder_point=D(2), safety_stock=D(5))
    receive(pla, 3)
    receive(pla, 1, quarantine=True)
    inventory.reserve([Need(pla.pk, D(1), "production_order", 999)], actor=system_actor())
    inventory.set_product_units(pla, [UnitSpec("spool", D("0.75"))], actor=system_actor())
    bought(pla, "2", "spool")
    bought(pla, "500", "g", order=False)
    cup = ProductFactory()
    make_bom(cup, (pla, "0.25"))
    production.make_stock_order(cup, quantity=8, actor=system_actor())
    line = line_of(pla)
    assert (line.floor, line.on_hand, line.reserved) == (D(5), D(4), D(1))
    assert (line.on_order, line.in_production, line.owed) == (D(2), D(0), D(2))
    assert (line.projected, line.missing, line.suggested) == (D(4), D(1), D(1))
    assert planned_by_mrp(pla) == line.suggested


def test_what_waits_for_its_first_release_is_not_ordered_again_but_what_was_taken_out_of_use_is():
    pla = MaterialFactory(safety_stock=D(5))
    waiting = receive(pla, 5, quarantine=True)
    assert planned_by_mrp(pla) == 0
    inventory.release_lot(waiting, actor=system_actor())
    assert planned_by_mrp(pla) == 0
    inventory.quarantine_lot(waiting, reason="Damp", actor=system_actor())
    assert planned_by_mrp(pla) == 5


def test_nothing_is_suggested_at_the_floor_and_products_without_one_are_left_out():
    exact, over = ComponentFactory(safety_stock=D(4)), ComponentFactory(reorder_point=D(4))
    put_on_shelf(exact, 4)
    put_on_shelf(over, 9)
    ComponentFactory()
    ComponentFactory(reorder_point=D(4), is_active=False)
    assert {line.sku: line.suggested for line in reorder_report()} == {exact.sku: D(0), over.sku: D(0)}
    assert reorder_report(only_below=True) == []


def test_the_furthest_below_comes_first():
    little, much = ComponentFactory(reorder_point=D(10)), ComponentFactory(reorder_point=D(1000))
    put_on_shelf(little, 1)
    put_on_shelf(much, 900)
    assert [line.sku for line in reorder_report()] == [little.sku, much.sku]


def test_minimum_and_multiple_are_the_greater_of_the_products_and_the_vendors():
    pla = MaterialFactory(reorder_point=D("1.1"), minimum_quantity=D(2), order_multiple=D("0.5"))
    assert line_of(pla).suggested == D(2)
    inventory.set_product_units(pla, [UnitSpec("box", D(3))], actor=system_actor())
    vendor = VendorFactory(name="Acme", lead_time_days=9)
    VendorItem.objects.create(
        vendor=vendor, product=pla, unit="box", minimum_quantity=D(1), order_multiple=D(1), is_preferred=True
    )
    line = line_of(pla)
    assert (line.suggested, line.vendor, line.vendor_id, line.lead_days) == (D(3), "Acme", vendor.pk, 9)
    assert planned_by_mrp(pla) == line.suggested


def test_what_is_made_comes_in_whole_units():
    product = for_the_shelf(reorder_point=D("2.5"))
    line = line_of(product)
    assert (line.is_made, line.suggested) == (True, D(3))
    assert planned_by_mrp(product) == D(3)


def test_planning_buys_as_much_in_all_whenever_it_is_needed():
    pla = MaterialFactory(reorder_point=D(2))
    receive(pla, "1.5")
    cup = ProductFactory()
    make_bom(cup, (pla, "0.2505"))
    for quantity, days in ((3, 2), (11, 20), (7, 90)):
        due = timezone.localdate() + datetime.timedelta(days=days)
        production.make_stock_order(cup, quantity=quantity, due_date=due, actor=system_actor())
    line = line_of(pla)
    # 21 cups take 5.2605 kg, each order's share rounded by itself.
    assert (line.owed, line.suggested) == (D("5.2605"), D("5.7605"))
    assert planned_by_mrp(pla) == line.suggested


def test_buying_what_is_missing_brings_it_to_its_floor_and_a_second_time_buys_nothing():
    actor, pla, bolt = system_actor(), MaterialFactory(reorder_point=D(5)), ComponentFactory(reorder_point=D(100))
    receive(pla, 1, vendor=VendorFactory(code="A"))
    VendorItem.objects.create(vendor=VendorFactory(code="B"), product=bolt, unit="each")
    orders = production.buy_missing(products=[pla, bolt], actor=actor)
    assert [(order.vendor.code, order.status) for order in orders] == [("A", "draft"), ("B", "draft")]
    assert [order.lines.get().quantity for order in orders] == [D(4), D(100)]
    assert production.buy_missing(products=[pla, bolt], actor=actor) == []
    assert reorder_report(only_below=True) == []
    assert planned_by_mrp(pla) == planned_by_mrp(bolt) == 0


def test_without_a_vendor_nothing_is_bought():
    actor, pla, bolt = system_actor(), MaterialFactory(reorder_point=D(5)), ComponentFactory(reorder_point=D(1))
    receive(pla, 1, vendor=VendorFactory())
    with pytest.raises(NoVendor):
        production.buy_missing(products=[pla, bolt], actor=actor)
    assert not PurchaseOrder.objects.exists()


def test_what_is_made_to_stock_is_planned_for_the_shelf_once():
    cup, other = for_the_shelf(lead_time_days=4, minimum_quantity=D(12)), for_the_shelf(reorder_point=D(0))
    to_order = for_the_shelf(replenishment=Product.Replenishment.MAKE_TO_ORDER)
    put_on_shelf(cup, 3)
    [order] = production.replenish_stock(actor=system_actor())
    assert (order.product, order.quantity, order.source_type, order.status) == (cup, 12, "stock", "draft")
    assert order.due_date == timezone.localdate() + datetime.timedelta(days=4)
    assert production.replenish_stock(actor=system_actor()) == []
    assert (planned_by_mrp(cup), planned_by_mrp(other)) == (0, 0)
    # What is made to order is planned when somebody says so.
    [wanted] = production.replenish_stock(products=[to_order, cup], actor=system_actor())
    assert (wanted.product, wanted.quantity) == (to_order, 10)


def test_an_order_that_is_cancelled_brings_nothing_any_more():
    cup = for_the_shelf()
    [order] = production.replenish_stock(actor=system_actor())
    production.cancel_production_order(order, actor=system_actor(), reason="not now")
    assert line_of(cup).suggested == D(10)
    assert len(production.replenish_stock(actor=system_actor())) == 1


def test_by_itself_it_happens_only_where_it_is_switched_on(settings):
    for_the_shelf()
    assert tasks.replenish_stock() == 0
    assert not ProductionOrder.objects.exists()
    settings.AUTO_REPLENISH = True
    assert (tasks.replenish_stock(), tasks.replenish_stock()) == (1, 0)
    assert ProductionOrder.objects.get().quantity == 10


def test_many_products_cost_as_many_queries_as_one():
    counts = []
    for many in (1, 8):
        for _ in range(many):
            for_the_shelf()
            receive(MaterialFactory(reorder_point=D(5)), 1, vendor=VendorFactory())
        with CaptureQueriesContext(connection) as captured:
            reorder_report()
        counts.append(len(captured))
    assert counts[0] == counts[1] <= 30


def test_one_and_eight_orders_for_the_shelf_take_the_same_statements():
    counts, actor = [], system_actor()
    for_the_shelf()
    production.replenish_stock(actor=actor)  # with open orders there is more to read
    for many in (1, 8):
        for _ in range(many):
            for_the_shelf()
        with CaptureQueriesContext(connection) as captured:
            assert len(production.replenish_stock(actor=actor)) == many
        counts.append(len(statements_of(captured)))
    assert counts[0] == counts[1] <= 60


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("shared_database")
def test_four_at_once_plan_and_buy_once():
    cup, pla, actor = for_the_shelf(), MaterialFactory(reorder_point=D(5)), system_actor()
    receive(pla, 1, vendor=VendorFactory())
    made = together(*[partial(production.replenish_stock, actor=actor)] * 4)
    assert sorted(len(orders) for orders in made) == [0, 0, 0, 1]
    assert ProductionOrder.objects.get(product=cup).quantity == 10
    ordered = together(*[partial(production.buy_missing, products=[pla], actor=actor)] * 4)
    assert sorted(len(orders) for orders in ordered) == [0, 0, 0, 1]
    assert PurchaseOrder.objects.count() == 1
