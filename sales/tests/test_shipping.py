from __future__ import annotations

from decimal import Decimal

import pytest

from blb3d.core import outbox
from blb3d.core.errors import InvalidTransition, InvalidValue, NotAllowed
from blb3d.core.outbox import OutboxEvent
from inventory import services as inventory
from inventory.errors import InsufficientStock
from inventory.models import Inventory, InventoryLocation, InventoryTransaction, Product, Reservation
from inventory.selectors import verify_ledger
from inventory.tests.factories import MaterialFactory, ProductFactory, receive
from production import services as production
from production.models import SerialNumber, TraceLink
from sales import services as sales
from sales.errors import NothingToPack, NotInspected, PartsMissing
from sales.models import SalesOrder, Shipment
from sales.tests.factories import (
    UserFactory,
    bought_product,
    confirmed,
    made_product,
    placed,
    print_parts,
    ready_to_ship,
    staff,
    system_actor,
)

pytestmark = pytest.mark.django_db


def test_packing_and_shipping_takes_the_order_out_of_the_house():
    order = ready_to_ship((made_product(), 5))
    shipment = sales.pack_shipment(order, actor=system_actor())
    assert (shipment.status, shipment.shipment_number[:4]) == ("packed", "SHP-")
    sales.ship_shipment(
        shipment,
        carrier="UPS",
        service="Ground",
        tracking_number="1Z1",
        tracking_url="https://example.com/1Z1",
        actor=system_actor(),
    )
    order.refresh_from_db()
    assert (order.status, order.lines.get().quantity_shipped) == ("shipped", 5)
    assert not Inventory.objects.filter(product=order.lines.get().product).exclude(on_hand_quantity=0).exists()
    assert Reservation.objects.filter(reference_type="sales_order_line").count() == 0
    fact = OutboxEvent.objects.get(topic="sales.order_shipped")
    assert fact.payload == {
        "id": order.pk,
        "from": "quality_check",
        "to": "shipped",
        "number": order.order_number,
        "shipment_id": shipment.pk,
        "shipment_ids": [shipment.pk],
        "carrier": "UPS",
        "service": "Ground",
        "tracking_number": "1Z1",
        "tracking_url": "https://example.com/1Z1",
    }
    assert verify_ledger().differences == ()


def test_exactly_the_reserved_lots_leave():
    product = ProductFactory(
        category=Product.Category.MATERIAL,
        replenishment=Product.Replenishment.BUY,
        is_lot_tracked=True,
        list_price=Decimal(9),
    )
    first, second, third = receive(product, 4), receive(product, 4), receive(product, 4)
    order = confirmed((product, 6))
    sales.ship_order(order, actor=system_actor())
    issued = InventoryTransaction.objects.filter(transaction_type="shipment").order_by("lot_id")
    assert [(row.lot, row.quantity) for row in issued] == [(first, 4), (second, 2)]
    shipment = order.shipments.get()
    linked = TraceLink.objects.filter(source_type="lot", target_type="shipment", target_id=shipment.pk)
    assert set(linked.values_list("source_id", flat=True)) == {first.pk, second.pk}
    third.refresh_from_db()
    assert third.quantity_remaining == 4


def test_exactly_the_serial_numbers_made_for_the_order_leave():
    product = made_product(is_serialized=True)
    other, mine = ready_to_ship((product, 2)), ready_to_ship((product, 3))
    shipment = sales.pack_shipment(mine, actor=system_actor())
    made = set(SerialNumber.objects.filter(production_order__sales_order=mine))
    assert set(shipment.lines.get().serials.all()) == made
    sales.ship_shipment(shipment, actor=system_actor())
    assert set(SerialNumber.objects.filter(status="SHIPPED")) == made
    serial = SerialNumber.objects.filter(status="SHIPPED").first()
    assert (serial.sales_order, serial.location) == (mine, None)
    assert serial.shipped_date is not None
    assert TraceLink.objects.filter(
        source_type="serial", source_id=serial.pk, target_type="shipment", target_id=shipment.pk
    ).exists()
    assert SerialNumber.objects.filter(production_order__sales_order=other, status="IN_STOCK").count() == 2


def test_a_serial_number_is_packed_once():
    order = ready_to_ship((made_product(is_serialized=True), 3))
    line = order.lines.get()
    first = sales.pack_shipment(order, items=[(line.pk, 1)], actor=system_actor())
    second = sales.pack_shipment(order, items=[(line.pk, 2)], actor=system_actor())
    picked = [set(shipment.lines.get().serials.all()) for shipment in (first, second)]
    assert [len(serials) for serials in picked] == [1, 2]
    assert not picked[0] & picked[1]


def test_a_partial_shipment_leaves_the_order_where_it_is_and_the_last_one_ships_it():
    order = ready_to_ship((made_product(), 5))
    line = order.lines.get()
    first = sales.pack_shipment(order, items=[(line.pk, 2)], actor=system_actor())
    sales.ship_shipment(first, actor=system_actor())
    order.refresh_from_db()
    line.refresh_from_db()
    assert (order.status, line.quantity_shipped) == ("quality_check", 2)
    assert OutboxEvent.objects.filter(topic="sales.order_shipped").count() == 0
    second = sales.pack_shipment(order, actor=system_actor())
    assert second.lines.get().quantity == 3
    sales.ship_shipment(second, actor=system_actor())
    order.refresh_from_db()
    assert order.status == SalesOrder.Status.SHIPPED
    assert OutboxEvent.objects.get(topic="sales.order_shipped").payload["shipment_ids"] == [first.pk, second.pk]


def test_finished_lines_go_ahead_while_others_are_still_waited_for():
    made, bought = made_product(), bought_product()
    order = confirmed((made, 2), (bought, 5))
    print_parts(order)
    first = order.lines.first()
    with pytest.raises(PartsMissing) as refused:
        sales.pack_shipment(order, actor=system_actor())
    assert [item["line"] for item in refused.value.details["items"]] == [2]
    sales.ship_shipment(sales.pack_shipment(order, items=[(first.pk, 2)], actor=system_actor()), actor=system_actor())
    order.refresh_from_db()
    assert order.status == SalesOrder.Status.IN_PRODUCTION
    receive(bought, 5)
    outbox.drain()
    order.refresh_from_db()
    assert order.status == SalesOrder.Status.QUALITY_CHECK
    sales.ship_order(order, tracking_number="T2", actor=system_actor())
    order.refresh_from_db()
    assert order.status == SalesOrder.Status.SHIPPED


def test_parts_without_a_passed_final_inspection_are_not_packed():
    order = confirmed((made_product(), 2))
    print_parts(order, inspect=False)
    with pytest.raises(NotInspected) as refused:
        sales.pack_shipment(order, actor=system_actor())
    assert refused.value.code == "ORDER_006"
    assert refused.value.details == {"production_orders": [order.production_orders.get().code]}
    assert Shipment.objects.count() == 0
    production.pass_inspection(order.production_orders.get(), actor=system_actor())
    assert sales.pack_shipment(order, actor=system_actor()).status == "packed"


def test_what_is_not_finished_is_not_packed():
    order = confirmed((made_product(), 2))
    with pytest.raises(PartsMissing):
        sales.pack_shipment(order, actor=system_actor())
    assert Shipment.objects.count() == 0


def test_more_than_is_open_is_not_packed():
    order = ready_to_ship((made_product(), 2))
    line = order.lines.get()
    with pytest.raises(NothingToPack):
        sales.pack_shipment(order, items=[(line.pk, 3)], actor=system_actor())
    sales.pack_shipment(order, actor=system_actor())
    with pytest.raises(NothingToPack):
        sales.pack_shipment(order, actor=system_actor())
    assert Shipment.objects.count() == 1


def test_items_name_each_line_of_the_order_once():
    order = ready_to_ship((made_product(), 2))
    line = order.lines.get().pk
    for items in ([(-1, 1)], [(line, 1), (line, 1)], [(line, 0)]):
        with pytest.raises(InvalidValue):
            sales.pack_shipment(order, items=items, actor=system_actor())
    assert Shipment.objects.count() == 0


def test_a_pending_order_is_not_packed():
    with pytest.raises(InvalidTransition):
        sales.pack_shipment(placed((made_product(), 1)), actor=system_actor())


def test_a_voided_parcel_can_be_packed_again_with_its_serial_numbers():
    order = ready_to_ship((made_product(is_serialized=True), 2))
    first = sales.pack_shipment(order, actor=system_actor())
    sales.void_shipment(first, actor=system_actor(), reason="Wrong box")
    second = sales.pack_shipment(order, actor=system_actor())
    assert second.lines.get().serials.count() == 2
    with pytest.raises(InvalidTransition):
        sales.ship_shipment(first, actor=system_actor())


def test_a_parcel_whose_stock_has_vanished_does_not_leave():
    order = ready_to_ship((made_product(), 2))
    shipment = sales.pack_shipment(order, actor=system_actor())
    line = order.lines.get()
    inventory.release_reservations("sales_order_line", [line.pk], actor=system_actor())
    inventory.adjust_stock(
        line.product,
        location=InventoryLocation.objects.get(code="MAIN"),
        quantity_change=Decimal(-2),
        reason="stolen",
        actor=system_actor(),
    )
    with pytest.raises(InsufficientStock):
        sales.ship_shipment(shipment, actor=system_actor())
    shipment.refresh_from_db()
    line.refresh_from_db()
    assert (shipment.status, line.quantity_shipped) == ("packed", 0)


def test_shipping_needs_its_own_permission():
    order = ready_to_ship((made_product(), 1))
    with pytest.raises(NotAllowed):
        sales.pack_shipment(order, actor=UserFactory())
    packer = staff("sales.pack_shipment")
    shipment = sales.pack_shipment(order, actor=packer)
    with pytest.raises(NotAllowed):
        sales.ship_shipment(shipment, actor=packer)
    assert Shipment.objects.get().status == "packed"


def test_the_last_parcel_that_arrives_delivers_the_order():
    order = ready_to_ship((made_product(), 2))
    line = order.lines.get()
    parcels = [sales.pack_shipment(order, items=[(line.pk, 1)], actor=system_actor()) for _ in range(2)]
    for parcel in parcels:
        sales.ship_shipment(parcel, actor=system_actor())
    sales.deliver_shipment(parcels[0], actor=system_actor())
    outbox.drain()
    order.refresh_from_db()
    assert order.status == SalesOrder.Status.SHIPPED
    sales.deliver_shipment(parcels[1], actor=system_actor())
    outbox.drain()
    order.refresh_from_db()
    assert order.status == SalesOrder.Status.DELIVERED


def test_a_material_can_be_sold_too():
    material = MaterialFactory(list_price=Decimal(20))
    receive(material, 2)
    order = confirmed((material, 1))
    sales.ship_order(order, actor=system_actor())
    order.refresh_from_db()
    assert order.status == SalesOrder.Status.SHIPPED


def test_a_part_that_fails_its_inspection_is_made_again_before_the_order_leaves():
    order = confirmed((made_product(), 2))
    print_parts(order, inspect=False)
    made = order.production_orders.get()
    production.fail_inspection(made, actor=system_actor(), quantity=1, reason="Warped")
    production.pass_inspection(made, actor=system_actor())
    with pytest.raises(PartsMissing):
        sales.pack_shipment(order, actor=system_actor())
    print_parts(order)
    sales.ship_order(order, actor=system_actor())
    order.refresh_from_db()
    assert order.status == SalesOrder.Status.SHIPPED
    assert verify_ledger().differences == ()
