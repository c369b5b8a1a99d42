"""What goes back to vendors, and cost that comes after the goods."""

import datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from blb3d.core.errors import InvalidTransition, InvalidValue, ReasonRequired
from blb3d.core.tests.counting import statements_of
from inventory import services as inventory
from inventory.errors import InsufficientStock, TooMuchReturned, WeightUnknown
from inventory.models import (
    Inventory,
    InventoryTransaction,
    LandedCost,
    MaterialLot,
    Product,
    ProductUnit,
    VendorReturn,
)
from inventory.selectors import verify_ledger
from inventory.services import Need, PurchaseLineSpec, PurchaseReceipt, ReturnSpec
from inventory.tests.factories import ComponentFactory, LocationFactory, MaterialFactory, VendorFactory, system_actor

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def order():
    """Six spools of 0.75 kg in two lots, the second refused at the door, and a hundred bolts without a lot."""
    LocationFactory()
    pla = MaterialFactory(sku="PLA")
    ProductUnit.objects.create(product=pla, unit="spool", factor=D("0.75"))
    lines = [
        PurchaseLineSpec(pla, D(6), "spool", D(15)),
        PurchaseLineSpec(ComponentFactory(sku="BOLT"), D(100), "each", D("0.05")),
    ]
    made = inventory.create_purchase_order(VendorFactory(), lines=lines, actor=system_actor())
    inventory.order_purchase(made, actor=system_actor())
    spools, bolts = made.lines.all()
    receipts = [
        PurchaseReceipt(spools.pk, D(4), lot_number="GOOD"),
        PurchaseReceipt(spools.pk, D(2), lot_number="BAD", quarantine=True),
        PurchaseReceipt(bolts.pk, D(100)),
    ]
    return inventory.receive_purchase(made, receipts, actor=system_actor())


def back(order, *lines, **more):
    specs = [ReturnSpec(line.pk, D(quantity), rejected) for line, quantity, rejected in lines]
    return inventory.return_to_vendor(order, specs, **{"reason": "brittle", **more}, actor=system_actor())


def lines_of(order):
    return order.receipts.get().lines.all()


def test_what_goes_back_leaves_the_lot_it_came_in_and_a_credit_is_expected(order):
    good, bad, bolts = lines_of(order)
    returned = back(order, (bad, "1.5", True), (good, "0.75", False), (bolts, "40", False), vendor_reference="RMA 7")
    assert (returned.number.startswith("VR-"), returned.status, returned.vendor_reference) == (True, "sent", "RMA 7")
    assert returned.credit_expected_amount == D("47.00")
    assert list(returned.lines.values_list("quantity", "unit_cost", "was_rejected")) == [
        (D("1.5"), D(20), True),
        (D("0.75"), D(20), False),
        (D(40), D("0.05"), False),
    ]
    assert list(order.lines.values_list("quantity_returned", flat=True)) == [D(3), D(40)]
    assert list(lines_of(order).values_list("returned_quantity", "rejected_quantity")) == [
        (D("0.75"), D(0)),
        (D("1.5"), D("1.5")),
        (D(40), D(0)),
    ]
    rows = InventoryTransaction.objects.filter(reference_type="vendor_return", reference_id=returned.pk)
    assert set(rows.values_list("transaction_type", "lot__lot_number", "on_hand_change")) == {
        ("shipment", "BAD", D("-1.5")),
        ("shipment", "GOOD", D("-0.75")),
        ("shipment", None, D(-40)),
    }
    assert verify_ledger().is_clean


def test_no_more_goes_back_than_came(order):
    good, _, _ = lines_of(order)
    back(order, (good, "2", False))
    with pytest.raises(TooMuchReturned) as refused:
        back(order, (good, "1.0001", False))
    assert refused.value.details["can_go_back"] == "1.0000"
    assert VendorReturn.objects.count() == 1


def test_what_is_used_or_reserved_stays_and_nothing_is_booked(order):
    good, _, bolts = lines_of(order)
    product = Product.objects.get(sku="PLA")
    inventory.reserve([Need(product.pk, D("2.5"), "production_order", 1)], actor=system_actor())
    use = inventory.Use(bolts.product_id, D(70), "manual", None)
    inventory.issue([use], kind=InventoryTransaction.Kind.CONSUMPTION, actor=system_actor())
    before = InventoryTransaction.objects.count()
    with pytest.raises(InsufficientStock) as refused:
        back(order, (good, "1", False), (bolts, "31", False))
    assert [(item["requested"], item["available"]) for item in refused.value.details["items"]] == [
        ("1.0000", "0.5000"),
        ("31.0000", "30.0000"),
    ]
    assert (InventoryTransaction.objects.count(), VendorReturn.objects.count()) == (before, 0)
    assert lines_of(order)[0].returned_quantity == 0


def test_a_lot_that_was_moved_goes_back_from_where_it_lies(order):
    good, _, _ = lines_of(order)
    main, rack = LocationFactory(), LocationFactory(code="RACK")
    inventory.transfer_stock(good.product, quantity=D(2), source=main, target=rack, lot=good.lot, actor=system_actor())
    back(order, (good, "2.5", False))
    left = Inventory.objects.filter(lot=good.lot).values_list("location__code", "on_hand_quantity")
    assert dict(left) == {"MAIN": D(0), "RACK": D("0.5")}


def test_a_refused_lot_goes_back_whole(order):
    lot = MaterialLot.objects.get(lot_number="BAD")
    returned = inventory.return_lot(lot, reason="wet", actor=system_actor())
    assert returned.lines.values_list("quantity", "was_rejected").get() == (D("1.5"), True)
    with pytest.raises(InvalidValue):
        inventory.return_lot(lot, reason="wet", actor=system_actor())


def test_a_return_says_what_and_why_and_of_which_order(order):
    good, _, _ = lines_of(order)
    with pytest.raises(ReasonRequired):
        back(order, (good, "1", False), reason=" ")
    other = inventory.create_purchase_order(VendorFactory(), actor=system_actor())
    for wrong_order, lines in ((order, []), (other, [(good, "1", False)]), (order, [(good, "0", False)])):
        with pytest.raises(InvalidValue):
            back(wrong_order, *lines)
    assert not VendorReturn.objects.exists()


def test_a_credit_is_kept_once(order):
    returned = back(order, (lines_of(order)[0], "0.75", False))
    day = datetime.date(2026, 11, 30)
    inventory.credit_return(returned, amount=D("14.50"), credited_on=day, actor=system_actor())
    assert (returned.status, returned.credit_received_amount, returned.credited_on) == ("credited", D("14.5"), day)
    with pytest.raises(InvalidTransition):
        inventory.credit_return(returned, amount=D(1), actor=system_actor())


def test_cost_that_comes_later_goes_on_what_is_left_and_the_rest_is_expensed(order):
    receipt = order.receipts.get()
    pla = Product.objects.get(sku="PLA")
    use = inventory.Use(pla.pk, D("1.5"), "manual", None)
    inventory.issue([use], kind=InventoryTransaction.Kind.CONSUMPTION, actor=system_actor())
    row = inventory.add_landed_cost(receipt, amount=D("19"), reason="Carrier 55", actor=system_actor())
    # 60 + 30 + 5 of value: 12, 6 and 1; half of the first lot is used.
    assert (row.on_stock_amount, row.expensed_amount) == (D(13), D(6))
    assert dict(MaterialLot.objects.values_list("lot_number", "unit_cost")) == {"GOOD": D(24), "BAD": D(24)}
    assert Inventory.objects.get(product__sku="BOLT").cost_per_unit == D("0.06")
    rows = InventoryTransaction.objects.filter(transaction_type="revaluation")
    assert set(rows.values_list("reference_type", "reference_id")) == {("goods_receipt", receipt.pk)}
    assert verify_ledger().is_clean


def test_later_cost_is_refused_without_amount_reason_or_weight(order):
    receipt = order.receipts.get()
    for wrong in ({"amount": D(0)}, {"amount": D(-1)}, {"reason": " "}):
        with pytest.raises(InvalidValue):
            inventory.add_landed_cost(receipt, **{"amount": D(1), "reason": "x", **wrong}, actor=system_actor())
    with pytest.raises(WeightUnknown):
        inventory.add_landed_cost(receipt, amount=D(1), basis=LandedCost.Basis.WEIGHT, reason="x", actor=system_actor())
    assert not LandedCost.objects.exists()


def test_what_went_back_bears_no_later_cost(order):
    good, bad, bolts = lines_of(order)
    back(order, (good, "3", False), (bad, "1.5", False), (bolts, "50", False))
    row = inventory.add_landed_cost(order.receipts.get(), amount=D("2.5"), reason="x", actor=system_actor())
    assert (row.on_stock_amount, row.expensed_amount) == (D("2.5"), D(0))
    assert Inventory.objects.get(product__sku="BOLT").cost_per_unit == D("0.1")


def test_a_return_costs_the_same_for_two_lines_and_for_twenty():
    LocationFactory()
    costs = []
    for count in (1, 2, 20):
        specs = [PurchaseLineSpec(MaterialFactory(), D(1), "kg", D(2)) for _ in range(count)]
        made = inventory.create_purchase_order(VendorFactory(), lines=specs, actor=system_actor())
        inventory.order_purchase(made, actor=system_actor())
        receipts = [PurchaseReceipt(line.pk, D(1)) for line in made.lines.all()]
        inventory.receive_purchase(made, receipts, actor=system_actor())
        lines = [(line, "0.5", False) for line in lines_of(made)]
        with CaptureQueriesContext(connection) as queries:
            back(made, *lines)
            inventory.add_landed_cost(made.receipts.get(), amount=D(5), reason="x", actor=system_actor())
        costs.append(len(statements_of(queries)))
    assert costs[1] == costs[2]
