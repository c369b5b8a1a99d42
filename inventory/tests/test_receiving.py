"""Goods that come in: lots, costs, tolerance, quarantine, and one posting however much comes."""

from __future__ import annotations

import datetime
import io
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.core.errors import InvalidValue
from blb3d.core.outbox import OutboxEvent
from blb3d.core.tests.counting import statements_of
from inventory import services as inventory
from inventory.errors import LotNumberTaken, TooMuchReceived, WeightUnknown
from inventory.models import (
    GoodsReceipt,
    Inventory,
    InventoryTransaction,
    LandedCost,
    MaterialLot,
    Product,
    ProductUnit,
)
from inventory.selectors import available, verify_ledger
from inventory.services import PurchaseLineSpec, PurchaseReceipt
from inventory.tests.factories import ComponentFactory, LocationFactory, MaterialFactory, VendorFactory, system_actor

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture(autouse=True)
def store():
    return LocationFactory()


def ordered(*lines, vendor=None):
    specs = [PurchaseLineSpec(product, D(quantity), unit, D(price)) for product, quantity, unit, price in lines]
    made = inventory.create_purchase_order(vendor or VendorFactory(), lines=specs, actor=system_actor())
    return inventory.order_purchase(made, actor=system_actor())


def receive(order, *receipts, **more):
    return inventory.receive_goods(order, receipts, actor=system_actor(), **more)


def nothing_came(order):
    order.refresh_from_db()
    counts = (GoodsReceipt.objects.count(), MaterialLot.objects.count(), InventoryTransaction.objects.count())
    return order.status == "ordered" and counts == (0, 0, 0) and order.lines.first().quantity_received == 0


def test_a_receipt_is_a_document_with_a_line_for_each_lot():
    pla = MaterialFactory()
    ProductUnit.objects.create(product=pla, unit="spool", factor=D(1))
    order = ordered((pla, 6, "spool", "20"))
    line, rack = order.lines.get(), LocationFactory(code="RACK")
    expires = timezone.now() + datetime.timedelta(days=300)
    receipt = receive(
        order,
        PurchaseReceipt(line.pk, D(2), lot_number="L-1", vendor_lot_number="V-1", expires_at=expires),
        PurchaseReceipt(line.pk, D(3), vendor_lot_number="V-2", location=rack),
        packing_slip="PS-77",
    )
    assert (receipt.number.startswith("GR-"), receipt.packing_slip, receipt.purchase_order) == (True, "PS-77", order)
    first, second = receipt.lines.all()
    assert (first.line_number, first.quantity, first.unit_of_measure, first.stock_quantity, first.unit_cost) == (
        1,
        D(2),
        "spool",
        D(2),
        D(20),
    )
    assert (first.lot.lot_number, first.lot.vendor_lot_number, first.lot.expiration_date) == ("L-1", "V-1", expires)
    assert (second.lot.lot_number.startswith("LOT-"), second.location) == (True, rack)
    assert (order.status, order.lines.get().quantity_received) == ("partially_received", D(5))
    fact = OutboxEvent.objects.get(topic="inventory.purchase_received")
    assert (fact.payload["receipt_id"], fact.payload["product_ids"]) == (receipt.pk, [pla.pk])
    assert OutboxEvent.objects.filter(topic="inventory.lot_received").count() == 2
    assert verify_ledger().is_clean


def test_a_little_more_than_ordered_may_come_and_no_more():
    bolts = ComponentFactory(sku="C-1")
    order = ordered((bolts, 100, "each", "0.05"))
    line = order.lines.get()
    with pytest.raises(TooMuchReceived) as refused:
        receive(order, PurchaseReceipt(line.pk, D(60)), PurchaseReceipt(line.pk, D("50.0001")))
    assert refused.value.details == {
        "lines": [{"line": 1, "sku": "C-1", "came": "110.0001", "may_come": "110.0000", "unit": "each"}]
    }
    assert nothing_came(order)
    receive(order, PurchaseReceipt(line.pk, D(60)), PurchaseReceipt(line.pk, D(50)))
    assert (order.status, available([bolts.pk])[bolts.pk]) == ("received", D(110))


def test_the_tolerance_is_a_setting(settings):
    settings.OVER_RECEIPT_TOLERANCE_PERCENT = D(0)
    order = ordered((ComponentFactory(), 100, "each", "0.05"))
    with pytest.raises(TooMuchReceived):
        receive(order, PurchaseReceipt(order.lines.get().pk, D(101)))
    assert nothing_came(order)


def test_freight_and_duty_are_shared_by_value():
    dear, cheap = MaterialFactory(), ComponentFactory()
    order = ordered((dear, 2, "kg", "30"), (cheap, 100, "each", "0.20"))
    first, second = order.lines.all()
    receipt = receive(
        order, PurchaseReceipt(first.pk, D(2)), PurchaseReceipt(second.pk, D(100)), freight=D("6"), duty=D("2")
    )
    assert list(receipt.lines.values_list("unit_cost", flat=True)) == [D("33"), D("0.22")]
    assert MaterialLot.objects.get().unit_cost == D(33)
    assert set(receipt.landed_costs.values_list("kind", "amount", "on_stock_amount", "expensed_amount")) == {
        ("freight", D(6), D(6), D(0)),
        ("duty", D(2), D(2), D(0)),
    }
    worth = sum(row.on_hand_quantity * row.cost_per_unit for row in Inventory.objects.all())
    assert worth == D(88)


def test_freight_is_shared_by_weight_when_everything_has_one():
    pla, bolts = MaterialFactory(), ComponentFactory(sku="C-7")
    order = ordered((pla, 3, "kg", "10"), (bolts, 100, "each", "0.50"))
    receipts = [PurchaseReceipt(line.pk, line.quantity) for line in order.lines.all()]
    with pytest.raises(WeightUnknown) as refused:
        receive(order, *receipts, freight=D(8), basis=LandedCost.Basis.WEIGHT)
    assert refused.value.details == {"skus": ["C-7"]}
    assert nothing_came(order)
    bolts.shipping_weight_grams = D(10)
    bolts.save()
    receipt = receive(order, *receipts, freight=D(8), basis=LandedCost.Basis.WEIGHT)
    assert list(receipt.lines.values_list("unit_cost", flat=True)) == [D(12), D("0.52")]


def test_free_goods_share_freight_alike():
    order = ordered((ComponentFactory(), 10, "each", "0"), (ComponentFactory(), 5, "each", "0"))
    receipt = receive(order, *(PurchaseReceipt(line.pk, line.quantity) for line in order.lines.all()), freight=D("3"))
    assert list(receipt.lines.values_list("unit_cost", flat=True)) == [D("0.15"), D("0.3")]


@pytest.mark.parametrize("why", ["product", "vendor", "certificate", "said"])
def test_what_must_be_looked_at_first_is_received_into_quarantine(why):
    product = ComponentFactory(quarantine_receipts=why == "product", requires_certificate=why == "certificate")
    vendor = VendorFactory(quarantine_receipts=why == "vendor")
    order = ordered((product, 10, "each", "1"), vendor=vendor)
    receive(order, PurchaseReceipt(order.lines.get().pk, D(10), quarantine=why == "said"))
    assert MaterialLot.objects.get().status == "QUARANTINE"
    assert available([product.pk])[product.pk] == 0


def test_a_certificate_that_comes_along_is_the_lots():
    product = ComponentFactory(requires_certificate=True)
    order = ordered((product, 10, "each", "1"))
    paper = io.BytesIO(b"%PDF-1.7 certificate")
    came = PurchaseReceipt(order.lines.get().pk, D(10), certificate=paper, certificate_name="coa.pdf")
    receive(order, came)
    lot = MaterialLot.objects.get()
    with lot.coa_document_path.open("rb") as kept:
        assert (lot.status, kept.read()) == ("ACTIVE", b"%PDF-1.7 certificate")


def test_a_lot_number_is_used_once():
    pla = MaterialFactory()
    order = ordered((pla, 4, "kg", "20"))
    line = order.lines.get()
    with pytest.raises(LotNumberTaken) as refused:
        receive(order, *(PurchaseReceipt(line.pk, D(1), lot_number=name) for name in ("A", " A", "B")))
    assert refused.value.details == {"lot_number": "A"}
    assert nothing_came(order)
    receive(order, PurchaseReceipt(line.pk, D(1), lot_number="A"))
    with pytest.raises(LotNumberTaken):
        receive(order, *(PurchaseReceipt(line.pk, D(1), lot_number=name) for name in ("B", "A")))
    assert list(MaterialLot.objects.values_list("lot_number", flat=True)) == ["A"]
    assert order.lines.get().quantity_received == D(1)


def test_a_receipt_may_be_dated_back_a_little():
    order = ordered((MaterialFactory(), 2, "kg", "20"))
    then = timezone.now() - datetime.timedelta(days=2)
    receipt = receive(order, PurchaseReceipt(order.lines.get().pk, D(1)), received_at=then)
    assert receipt.received_at == then
    assert MaterialLot.objects.get().received_date == then
    assert InventoryTransaction.objects.get().transaction_date == then
    with pytest.raises(InvalidValue):
        receive(order, PurchaseReceipt(order.lines.get().pk, D(1)), freight=D(-1))


def test_a_receipt_costs_the_same_for_two_lots_and_for_twenty():
    costs = []
    warm = ordered((MaterialFactory(), 1, "kg", "1"))
    receive(warm, PurchaseReceipt(warm.lines.get().pk, D(1)), freight=D(1))
    for count in (2, 20):
        order = ordered(*((MaterialFactory(), 2, "kg", "1") for _ in range(count)))
        receipts = [PurchaseReceipt(line.pk, D(1)) for line in order.lines.all() for _ in range(2)]
        with CaptureQueriesContext(connection) as queries:
            receive(order, *receipts, freight=D(9))
        assert order.status == "received"
        costs.append(len(statements_of(queries)))
    assert costs[0] == costs[1]
    assert verify_ledger().is_clean


def test_a_service_is_noted_as_done_and_lies_on_no_shelf():
    LocationFactory()
    work, bolt = ComponentFactory(category=Product.Category.SERVICE), ComponentFactory()
    lines = [PurchaseLineSpec(work, D(2), "each", D(50)), PurchaseLineSpec(bolt, D(10), "each", D(3))]
    order = inventory.create_purchase_order(VendorFactory(quarantine_receipts=True), lines=lines, actor=system_actor())
    inventory.order_purchase(order, actor=system_actor())
    came = [PurchaseReceipt(line.pk, line.quantity) for line in order.lines.all()]
    receipt = inventory.receive_goods(order, came, freight=D(5), actor=system_actor())
    assert [(row.lot is None, row.unit_cost) for row in receipt.lines.order_by("pk")] == [
        (True, D(50)),
        (False, D("3.5")),
    ]
    added = inventory.add_landed_cost(receipt, amount=D(5), reason="customs", actor=system_actor())
    assert (added.on_stock_amount, added.expensed_amount) == (D(5), D(0))
    assert Inventory.objects.get().product == bolt
    order.refresh_from_db()
    assert order.status == "received"
    assert verify_ledger().is_clean
