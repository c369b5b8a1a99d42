"""Several buyers and storekeepers at once: nothing is received, returned, ordered or billed twice."""

import datetime
from decimal import Decimal
from functools import partial

import pytest

from blb3d.core.errors import InvalidTransition
from inventory import services as inventory
from inventory.errors import BillNumberTaken, TooMuchReceived, TooMuchReturned
from inventory.models import (
    GoodsReceipt,
    Inventory,
    PurchaseOrder,
    PurchaseRequisition,
    VendorBill,
    VendorReturn,
)
from inventory.selectors import verify_ledger
from inventory.services import BillLineSpec, PurchaseLineSpec, PurchaseReceipt, ReturnSpec
from inventory.tests.concurrency import shared_database, together  # noqa: F401
from inventory.tests.factories import ComponentFactory, LocationFactory, VendorFactory, system_actor

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("shared_database")]
D = Decimal
DAY = datetime.date(2026, 11, 2)


def ordered(actor):
    LocationFactory()
    line = PurchaseLineSpec(ComponentFactory(), D(100), "each", D("0.05"))
    made = inventory.create_purchase_order(VendorFactory(), lines=[line], actor=actor)
    return inventory.order_purchase(made, actor=actor)


def afresh(order):
    """Return the order as another person has read it."""
    return PurchaseOrder.objects.select_related("vendor").get(pk=order.pk)


def of(kind, results):
    return sum(isinstance(result, kind) for result in results)


def test_two_who_receive_at_once_do_not_receive_more_than_is_tolerated():
    actor = system_actor()
    order = ordered(actor)
    receipts = [PurchaseReceipt(order.lines.get().pk, D(60))]
    results = together(*(partial(inventory.receive_goods, afresh(order), receipts, actor=actor) for _ in range(3)))
    assert (of(GoodsReceipt, results), of(TooMuchReceived, results)) == (1, 2)
    assert order.lines.get().quantity_received == D(60)
    assert Inventory.objects.get().on_hand_quantity == D(60)
    assert verify_ledger().is_clean


def test_the_same_goods_go_back_once():
    actor = system_actor()
    order = ordered(actor)
    receipt = inventory.receive_goods(order, [PurchaseReceipt(order.lines.get().pk, D(100))], actor=actor)
    specs = [ReturnSpec(receipt.lines.get().pk, D(60))]
    results = together(
        *(partial(inventory.return_to_vendor, afresh(order), specs, reason="bent", actor=actor) for _ in range(3))
    )
    assert (of(VendorReturn, results), of(TooMuchReturned, results)) == (1, 2)
    assert order.lines.get().quantity_returned == D(60)
    assert Inventory.objects.get().on_hand_quantity == D(40)
    assert verify_ledger().is_clean


def test_a_requisition_is_ordered_once():
    actor = system_actor()
    row = inventory.request_purchase(ComponentFactory(), quantity=D(5), vendor=VendorFactory(), actor=actor)
    results = together(*(partial(inventory.order_requisitions, [row], actor=actor) for _ in range(3)))
    assert (of(list, results), of(InvalidTransition, results)) == (1, 2)
    assert PurchaseOrder.objects.count() == 1
    assert PurchaseRequisition.objects.get().purchase_order == PurchaseOrder.objects.get()


def test_a_bill_is_entered_once_and_different_ones_all_count():
    actor = system_actor()
    order = ordered(actor)
    line = order.lines.get().pk
    enter = partial(
        inventory.enter_bill, order.vendor, [BillLineSpec(line, D(10), D("0.05"))], billed_on=DAY, actor=actor
    )
    results = together(*(partial(enter, bill_number=number) for number in ("A", "A", "B", "C")))
    assert (of(VendorBill, results), of(BillNumberTaken, results)) == (3, 1)
    assert order.lines.get().quantity_billed == D(30)
