from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.core import outbox
from blb3d.core.errors import InvalidTransition, InvalidValue, NotAllowed, ReasonRequired, StaleVersion
from inventory.models import Inventory, Product, Reservation
from inventory.tests.factories import MaterialFactory, ProductFactory, make_bom, put_on_shelf, receive
from production import services as production
from production.models import Demand, PrintJob, ProductionOrder
from sales import selectors
from sales import services as sales
from sales.errors import AlreadyShipped, CannotReorder, NotSettled
from sales.models import Address, Customer, SalesOrder
from sales.tests.factories import (
    CustomerFactory,
    CustomerUserFactory,
    UserFactory,
    bought_product,
    confirmed,
    draft,
    made_product,
    placed,
    print_parts,
    ready_to_ship,
    staff,
    system_actor,
)

pytestmark = pytest.mark.django_db


def test_confirming_confirms_the_production_orders_and_reserves_their_material():
    order = confirmed((made_product(), 4))
    made = ProductionOrder.objects.get()
    assert (order.status, made.status) == ("confirmed", "confirmed")
    assert order.confirmed_at is not None
    assert Reservation.objects.get().quantity == Decimal("0.1000")


def test_placing_and_confirming_three_production_orders_of_ten_components_takes_few_statements():
    products = []
    for _ in range(3):
        product = ProductFactory(list_price=Decimal(5))
        components = [MaterialFactory() for _ in range(10)]
        for component in components:
            receive(component, 5)
        make_bom(product, *((component, "0.0100") for component in components))
        products.append(product)
    placed((products[0], 1))
    actor = system_actor()

    def work(queries):
        return sum(not query["sql"].startswith(("BEGIN", "SAVEPOINT", "RELEASE")) for query in queries)

    with CaptureQueriesContext(connection) as placing:
        order = sales.place_order(draft(*((product, 1) for product in products)), actor=actor)
    with CaptureQueriesContext(connection) as confirming:
        sales.confirm_order(order, actor=actor)
    assert work(placing) <= 20
    assert work(confirming) <= 25


def test_a_person_without_the_permission_is_refused_and_nothing_changes():
    order = placed((made_product(), 1))
    with pytest.raises(NotAllowed):
        sales.confirm_order(order, actor=UserFactory())
    order.refresh_from_db()
    assert order.status == SalesOrder.Status.PENDING
    sales.confirm_order(order, actor=staff("sales.confirm_salesorder"))
    assert order.status == SalesOrder.Status.CONFIRMED


def test_an_order_from_the_shelf_alone_is_ready_as_soon_as_it_is_confirmed():
    product = made_product(replenishment=Product.Replenishment.MAKE_TO_STOCK)
    put_on_shelf(product, 5)
    assert confirmed((product, 5)).status == SalesOrder.Status.QUALITY_CHECK


def test_an_order_waits_for_what_is_bought_and_goes_on_when_it_comes():
    product = bought_product()
    order = confirmed((product, 5))
    assert order.status == SalesOrder.Status.CONFIRMED
    receive(product, 10)
    outbox.drain()
    order.refresh_from_db()
    assert order.status == SalesOrder.Status.QUALITY_CHECK
    assert selectors.reserved_for_lines([order.lines.get().pk]) == {order.lines.get().pk: 5}


@pytest.mark.parametrize(
    ("source", "terms", "expected"),
    [
        ("squarespace", "prepaid", "confirmed"),
        ("woocommerce", "prepaid", "confirmed"),
        ("portal", "net_30", "confirmed"),
        ("api", "net_30", "confirmed"),
        ("portal", "prepaid", "pending"),
        ("manual", "net_30", "pending"),
    ],
)
def test_who_is_confirmed_at_once(source, terms, expected):
    order = placed((made_product(), 1), source=source, source_order_id="1", customer=CustomerFactory(terms=terms))
    outbox.drain()
    order.refresh_from_db()
    assert order.status == expected


def test_printing_moves_the_order_on_by_facts_alone():
    order = confirmed((made_product(), 6))
    outbox.drain()
    job = PrintJob.objects.order_by("pk").first()
    production.begin_job(job, actor=system_actor())
    outbox.drain()
    order.refresh_from_db()
    assert order.status == SalesOrder.Status.IN_PRODUCTION
    for job in PrintJob.objects.order_by("pk"):
        if job.status == PrintJob.Status.QUEUED:
            production.begin_job(job, actor=system_actor())
        production.record_finished(job, actor=system_actor())
        counts = [production.PlateCount(part.production_order_id, good=part.planned) for part in job.parts.all()]
        production.clear_plate(job, counts, actor=system_actor())
    outbox.drain()
    order.refresh_from_db()
    assert order.status == SalesOrder.Status.QUALITY_CHECK
    progress = selectors.order_progress([order.pk])[order.pk]
    assert (progress.total, progress.good, progress.percent) == (6, 6, 100)


def test_it_does_not_finish_while_a_line_is_being_made():
    order = confirmed((made_product(), 1), (made_product(), 1))
    first = order.production_orders.order_by("pk").first()
    production.queue_production_order(first, actor=system_actor())
    job = first.print_jobs.get()
    production.begin_job(job, actor=system_actor())
    production.record_finished(job, actor=system_actor())
    production.clear_plate(job, [production.PlateCount(first.pk, good=1)], actor=system_actor())
    sales.finish_production(order, actor=system_actor())
    assert order.status == SalesOrder.Status.IN_PRODUCTION


def test_a_hold_keeps_jobs_back_and_resuming_returns_to_where_it_was():
    order = confirmed((made_product(), 1))
    sales.hold_order(order, actor=system_actor(), reason="Colour unclear")
    assert (order.status, order.held_from, order.hold_reason) == ("on_hold", "confirmed", "Colour unclear")
    assert order.production_orders.get().is_held
    sales.resume_order(order, actor=system_actor())
    assert (order.status, order.held_from, order.hold_reason) == ("confirmed", "", "")
    assert not order.production_orders.get().is_held


def test_an_order_whose_parts_were_finished_while_it_was_held_goes_on_to_where_it_belongs():
    order = confirmed((made_product(), 4))
    for made in order.production_orders.all():
        production.queue_production_order(made, actor=system_actor())
    job = PrintJob.objects.get()
    production.begin_job(job, actor=system_actor())
    sales.hold_order(order, actor=system_actor(), reason="Wait")
    production.record_finished(job, actor=system_actor())
    part = job.parts.get()
    production.clear_plate(job, [production.PlateCount(part.production_order_id, good=4)], actor=system_actor())
    outbox.drain()
    order.refresh_from_db()
    assert order.status == SalesOrder.Status.ON_HOLD
    sales.resume_order(order, actor=system_actor())
    assert order.status == SalesOrder.Status.QUALITY_CHECK


def test_holding_and_cancelling_need_a_reason():
    order = placed((made_product(), 1))
    for act in (sales.hold_order, sales.cancel_order):
        with pytest.raises(ReasonRequired):
            act(order, actor=system_actor(), reason=" ")
    order.refresh_from_db()
    assert order.status == SalesOrder.Status.PENDING


def test_cancelling_ends_production_and_gives_everything_free():
    shelf = made_product(replenishment=Product.Replenishment.MAKE_TO_STOCK)
    put_on_shelf(shelf, 2)
    order = confirmed((made_product(), 4), (shelf, 2))
    assert Reservation.objects.count() > 0
    sales.cancel_order(order, actor=system_actor(), reason="Changed their mind")
    assert order.status == SalesOrder.Status.CANCELLED
    assert set(order.production_orders.values_list("status", flat=True)) == {"cancelled"}
    assert Reservation.objects.count() == Demand.objects.count() == 0
    assert not Inventory.objects.exclude(allocated_quantity=0).exists()
    assert order.history.first().history_change_reason == "Changed their mind"


def test_parts_printed_for_a_cancelled_order_go_to_the_shelf():
    product = made_product()
    order = confirmed((product, 8))
    made = order.production_orders.get()
    first, second = production.queue_production_order(made, actor=system_actor())
    production.begin_job(first, actor=system_actor())
    sales.cancel_order(order, actor=system_actor(), reason="Too late")
    first.refresh_from_db()
    second.refresh_from_db()
    assert second.status == PrintJob.Status.CANCELLED
    production.record_finished(first, actor=system_actor())
    production.clear_plate(first, [production.PlateCount(made.pk, good=4)], actor=system_actor())
    balance = Inventory.objects.get(product=product)
    assert (balance.on_hand_quantity, balance.allocated_quantity) == (4, 0)


def test_an_order_of_which_something_has_left_cannot_be_cancelled():
    one, other = made_product(), bought_product()
    order = confirmed((one, 1), (other, 1))
    print_parts(order)
    line = order.lines.first()
    sales.ship_shipment(sales.pack_shipment(order, items=[(line.pk, 1)], actor=system_actor()), actor=system_actor())
    with pytest.raises(AlreadyShipped):
        sales.cancel_order(order, actor=system_actor(), reason="Changed their mind")
    order.refresh_from_db()
    assert order.status != SalesOrder.Status.CANCELLED


def test_a_delivered_order_is_completed_when_paid_or_two_weeks_later():
    order = ready_to_ship((made_product(), 1))
    sales.ship_order(order, actor=system_actor())
    order.refresh_from_db()
    sales.deliver_order(order, actor=system_actor())
    assert order.shipments.get().status == "delivered"
    with pytest.raises(NotSettled):
        sales.complete_order(order, actor=system_actor())
    order.refresh_from_db()
    assert order.status == SalesOrder.Status.DELIVERED
    SalesOrder.objects.filter(pk=order.pk).update(delivered_at=timezone.now() - datetime.timedelta(days=14, hours=1))
    sales.complete_order(order, actor=system_actor())
    assert order.status == SalesOrder.Status.COMPLETED


def test_a_delivered_order_is_completed_by_its_payment():
    order = ready_to_ship((made_product(), 1), customer=CustomerFactory(terms=Customer.Terms.NET_30))
    sales.ship_order(order, actor=system_actor())
    order.refresh_from_db()
    sales.deliver_order(order, actor=system_actor())
    sales.record_payment(order, amount=order.grand_total, method="bank", actor=system_actor())
    outbox.drain()
    order.refresh_from_db()
    assert order.status == SalesOrder.Status.COMPLETED


def test_a_stale_version_is_refused():
    order = placed((made_product(), 1))
    old = order.version
    sales.update_shipping(
        order, shipping=Address(line1="2 New Street", city="Bend", zip="97701"), version=old, actor=system_actor()
    )
    with pytest.raises(StaleVersion) as refused:
        sales.update_shipping(
            order, shipping=Address(line1="3 Old Street", city="Bend", zip="97701"), version=old, actor=system_actor()
        )
    assert refused.value.details == {"expected": old, "version": old + 1}
    order.refresh_from_db()
    assert order.shipping_address_line1 == "2 New Street"


def test_the_address_of_a_cancelled_order_is_not_changed():
    order = placed((made_product(), 1))
    sales.cancel_order(order, actor=system_actor(), reason="No")
    with pytest.raises(InvalidValue):
        sales.update_shipping(order, shipping=Address(line1="2 New St", city="Bend", zip="9"), actor=system_actor())


def test_reordering_takes_today_s_list_price():
    member, product = CustomerUserFactory(), made_product()
    order = placed((product, 3), customer=member.customer)
    Product.objects.filter(pk=product.pk).update(list_price=Decimal("20.00"))
    again = sales.reorder(order, actor=member.user)
    assert again.pk != order.pk
    assert (again.source, again.status, again.subtotal) == ("portal", "pending", Decimal("60.00"))
    assert again.shipping_address == order.shipping_address


def test_what_is_not_sold_any_more_is_not_ordered_again():
    product = made_product()
    order = placed((product, 3))
    Product.objects.filter(pk=product.pk).update(is_active=False)
    with pytest.raises(CannotReorder):
        sales.reorder(order, actor=system_actor())
    assert SalesOrder.objects.count() == 1


def test_a_stranger_cannot_reorder():
    order = placed((made_product(), 3))
    with pytest.raises(NotAllowed):
        sales.reorder(order, actor=CustomerUserFactory().user)
    assert SalesOrder.objects.count() == 1


def test_an_illegal_move_names_the_legal_ones():
    order = placed((made_product(), 1))
    with pytest.raises(InvalidTransition) as refused:
        sales.deliver_order(order, actor=system_actor())
    assert refused.value.details["allowed"] == ["confirm", "hold", "cancel"]
