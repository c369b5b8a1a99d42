from __future__ import annotations

import dataclasses
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from blb3d.core.errors import InvalidValue, NotAllowed
from blb3d.core.outbox import OutboxEvent
from blb3d.core.tests.counting import statements_of
from inventory.models import Product, Reservation
from inventory.tests.concurrency import shared_database, together  # noqa: F401
from inventory.tests.factories import ProductFactory, put_on_shelf
from production.errors import NotMakeable
from production.models import Demand, ProductionOrder
from sales import services as sales
from sales.errors import NoLines, TotalsDisagree
from sales.models import CustomerAddress, SalesOrder, SalesOrderLine
from sales.tests.factories import (
    CustomerAddressFactory,
    CustomerFactory,
    CustomerUserFactory,
    UserFactory,
    bought_product,
    draft,
    made_product,
    placed,
    system_actor,
)

pytestmark = pytest.mark.django_db


def test_it_writes_the_order_its_lines_and_a_draft_production_order_per_made_line():
    bracket, clip = made_product(), made_product()
    customer = CustomerFactory(name="3M")
    order = placed((bracket, 3), (clip, 10), customer=customer)
    assert order.order_number.startswith("SO-")
    assert order.status == SalesOrder.Status.PENDING
    assert order.payment_status == SalesOrder.PaymentStatus.PENDING
    assert (order.subtotal, order.tax_total, order.grand_total) == (
        Decimal("162.50"),
        Decimal("11.38"),
        Decimal("173.88"),
    )
    assert order.shipping_city == order.billing_city == "Portland"
    lines = list(order.lines.all())
    assert [(line.line_number, line.quantity, line.supply) for line in lines] == [(1, 3, "make"), (2, 10, "make")]
    made = list(ProductionOrder.objects.order_by("pk"))
    assert [(row.product, row.quantity, row.status, row.sales_order_line) for row in made] == [
        (bracket, 3, "draft", lines[0]),
        (clip, 10, "draft", lines[1]),
    ]
    demand = Demand.objects.order_by("pk").first()
    assert (demand.reference_type, demand.reference_id) == ("sales_order_line", lines[0].pk)
    assert demand.label == f"{order.order_number} 3M"
    fact = OutboxEvent.objects.get(topic="sales.order_placed")
    assert fact.payload == {
        "id": order.pk,
        "number": order.order_number,
        "source": "manual",
        "customer_id": customer.pk,
    }
    assert order.history.count() == 1
    assert lines[0].history.get().history_user == system_actor()


def test_a_line_from_the_shelf_reserves_what_is_there_and_plans_the_rest():
    product = made_product(replenishment=Product.Replenishment.MAKE_TO_STOCK)
    put_on_shelf(product, 4)
    order = placed((product, 10))
    line = order.lines.get()
    assert line.supply == SalesOrderLine.Supply.SHELF
    reservation = Reservation.objects.get(reference_type="sales_order_line")
    assert (reservation.reference_id, reservation.quantity) == (line.pk, 4)
    assert ProductionOrder.objects.get().quantity == 6


def test_what_is_bought_is_reserved_and_never_planned():
    order = placed((bought_product(), 10))
    assert order.lines.get().supply == SalesOrderLine.Supply.SHELF
    assert ProductionOrder.objects.count() == 0


def test_a_service_needs_nothing():
    order = placed((ProductFactory(category=Product.Category.SERVICE), 1))
    assert order.lines.get().supply == SalesOrderLine.Supply.NONE


def test_it_costs_the_same_statements_for_3_and_30_lines():
    products = [made_product() for _ in range(15)]
    products += [made_product(replenishment=Product.Replenishment.MAKE_TO_STOCK) for _ in range(15)]
    for product in products[15:]:
        put_on_shelf(product, 1)
    actor = system_actor()
    placed((products[0], 1))  # the year's number sequences exist from here on

    def statements(chosen: list[Product]) -> int:
        order = draft(*((product, 2) for product in chosen), source="squarespace", source_order_id=str(len(chosen)))
        with CaptureQueriesContext(
            connection,
        ) as queries:
            sales.place_order(order, actor=actor)
        return len(statements_of(queries))

    made = statements(products[:3]), statements(products[:15] * 2)
    assert made[0] == made[1] <= 24
    mixed = statements([products[0], products[1], products[15]]), statements(products)
    assert mixed[0] == mixed[1] <= 24


def test_the_same_source_order_again_changes_nothing():
    product = made_product()
    first = placed((product, 1), source="squarespace", source_order_id="ss-1")
    facts = OutboxEvent.objects.count()
    again = placed((product, 5), source="squarespace", source_order_id="ss-1")
    assert again.pk == first.pk
    assert SalesOrder.objects.count() == ProductionOrder.objects.count() == 1
    assert OutboxEvent.objects.count() == facts


def test_the_same_id_of_two_sources_is_two_orders():
    product = made_product()
    placed((product, 1), source="squarespace", source_order_id="1")
    placed((product, 1), source="woocommerce", source_order_id="1")
    assert SalesOrder.objects.count() == 2


def test_the_same_source_order_placed_eight_times_at_once_makes_one_order(shared_database):  # noqa: F811
    product, actor = made_product(), system_actor()
    order = draft((product, 3), source="squarespace", source_order_id="ss-8")
    results = together(*[lambda: sales.place_order(order, actor=actor)] * 8)
    assert [type(result) for result in results] == [SalesOrder] * 8
    assert len({result.pk for result in results}) == 1
    assert SalesOrder.objects.count() == SalesOrderLine.objects.count() == ProductionOrder.objects.count() == 1
    assert OutboxEvent.objects.filter(topic="sales.order_placed").count() == 1


@pytest.mark.parametrize("quantity", [0, -1, 10**9, 1.5, True])
def test_it_refuses_an_impossible_quantity(quantity):
    order = draft((made_product(), 1))
    wrong = dataclasses.replace(order, lines=[dataclasses.replace(order.lines[0], quantity=quantity)])
    with pytest.raises(InvalidValue) as refused:
        sales.place_order(wrong, actor=system_actor())
    assert refused.value.details["field"] == "quantity"
    assert SalesOrder.objects.count() == ProductionOrder.objects.count() == 0


@pytest.mark.parametrize("price", ["-1", "0.005", "NaN", "1e12"])
def test_it_refuses_an_impossible_price(price):
    order = draft((made_product(), 1))
    wrong = dataclasses.replace(order, lines=[dataclasses.replace(order.lines[0], unit_price=Decimal(price))])
    with pytest.raises(InvalidValue):
        sales.place_order(wrong, actor=system_actor())
    assert SalesOrder.objects.count() == 0


def test_it_refuses_an_order_without_lines():
    with pytest.raises(NoLines):
        sales.place_order(draft(), actor=system_actor())


def test_it_refuses_a_product_that_cannot_be_made_and_leaves_nothing_behind():
    with pytest.raises(NotMakeable):
        sales.place_order(draft((ProductFactory(list_price=Decimal(1)), 1)), actor=system_actor())
    assert SalesOrder.objects.count() == OutboxEvent.objects.filter(topic="sales.order_placed").count() == 0


def test_it_refuses_a_product_that_is_not_sold_any_more():
    with pytest.raises(InvalidValue):
        sales.place_order(draft((bought_product(is_active=False), 1)), actor=system_actor())
    assert SalesOrder.objects.count() == 0


def test_a_customer_may_order_for_itself_and_a_stranger_may_not():
    product, member = made_product(), CustomerUserFactory()
    mine = draft((product, 1), customer=member.customer)
    with pytest.raises(NotAllowed):
        sales.place_order(mine, actor=UserFactory())
    assert SalesOrder.objects.count() == 0
    assert sales.place_order(mine, actor=member.user).created_by == member.user


def test_a_tax_exempt_customer_pays_no_tax():
    order = placed((made_product(), 2), customer=CustomerFactory(tax_exempt=True))
    assert order.tax_total == 0
    assert order.grand_total == Decimal("25.00")


def test_a_shop_s_own_total_stands_and_the_difference_is_noted():
    order = placed(
        (made_product(), 1),
        source="squarespace",
        source_order_id="x",
        tax_total=Decimal("1.00"),
        shipping_total=Decimal("5.00"),
        grand_total=Decimal("18.49"),
    )
    assert order.grand_total == Decimal("18.49")
    assert "18.50" in order.internal_note


def test_another_source_s_total_must_be_the_sum():
    with pytest.raises(TotalsDisagree):
        placed((made_product(), 1), grand_total=Decimal("1.00"))
    assert SalesOrder.objects.count() == 0


def test_without_an_address_the_customer_s_defaults_are_taken():
    customer = CustomerFactory()
    CustomerAddressFactory(customer=customer, is_default=True, city="Salem")
    CustomerAddressFactory(customer=customer, is_default=True, city="Eugene", address_type=CustomerAddress.Type.BILLING)
    order = placed((made_product(), 1), customer=customer, shipping=None)
    assert (order.shipping_city, order.billing_city) == ("Salem", "Eugene")
