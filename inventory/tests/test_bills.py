"""Bills: matched three ways, approved, paid, and what a dearer price does to stock."""

import datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext

from blb3d.accounts.models import User
from blb3d.accounts.roles import sync_roles
from blb3d.core.errors import InvalidTransition, InvalidValue, NotAllowed, ReasonRequired
from blb3d.core.tests.counting import statements_of
from inventory import services as inventory
from inventory.errors import BillNotApprovable, BillNumberTaken
from inventory.models import Inventory, InventoryTransaction, MaterialLot, VendorBill
from inventory.selectors import verify_ledger
from inventory.services import BillLineSpec, PurchaseLineSpec, PurchaseReceipt, ReturnSpec
from inventory.tests.factories import ComponentFactory, LocationFactory, MaterialFactory, VendorFactory, system_actor

pytestmark = pytest.mark.django_db
D = Decimal
DAY = datetime.date(2026, 11, 2)


@pytest.fixture
def people():
    sync_roles()
    found = {}
    for role in ("purchasing", "manager"):
        user = User.objects.create_user(f"{role}@example.com", is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        found[role] = user
    return SimpleNamespace(**found)


@pytest.fixture
def order():
    """Ten kilograms at 20 and a hundred bolts at 0.05; of the filament eight came, of the bolts all."""
    LocationFactory()
    lines = [
        PurchaseLineSpec(MaterialFactory(sku="PLA"), D(10), "kg", D(20)),
        PurchaseLineSpec(ComponentFactory(sku="BOLT"), D(100), "each", D("0.05")),
    ]
    made = inventory.create_purchase_order(
        VendorFactory(payment_days=14), lines=lines, freight=D(9), actor=system_actor()
    )
    inventory.order_purchase(made, actor=system_actor())
    filament, bolts = made.lines.all()
    receipts = [PurchaseReceipt(filament.pk, D(8), lot_number="L-1"), PurchaseReceipt(bolts.pk, D(100))]
    return inventory.receive_purchase(made, receipts, actor=system_actor())


def billed(order, *lines, number="R-1", **more):
    rows = list(order.lines.all())
    specs = [BillLineSpec(rows[index].pk, D(quantity), D(price)) for index, quantity, price in lines]
    return inventory.enter_bill(
        order.vendor, specs, bill_number=number, billed_on=DAY, **{"actor": system_actor(), **more}
    )


def test_a_bill_of_what_came_at_the_price_ordered_matches(order):
    bill = billed(order, (0, "8", "20"), (1, "100", "0.05"), freight=D(9), tax=D("11.55"))
    assert (bill.status, bill.differences, bill.number.startswith("VB-")) == ("matched", [], True)
    assert (bill.subtotal, bill.total, bill.due_on) == (D(165), D("185.55"), datetime.date(2026, 11, 16))
    assert list(order.lines.values_list("quantity_billed", flat=True)) == [D(8), D(100)]


def test_more_than_came_is_disputed_in_words_and_cannot_be_waved_through(order, people):
    bill = billed(order, (0, "10", "20"))
    assert bill.status == "disputed"
    assert bill.differences == ["Line 1 (PLA): 10 kg are billed, 8 kg came."]
    with pytest.raises(BillNotApprovable):
        inventory.approve_bill(bill, reason="trust them", actor=people.manager)
    bill.refresh_from_db()
    assert bill.status == "disputed"
    line = order.lines.first()
    inventory.receive_purchase(order, [PurchaseReceipt(line.pk, D(2))], actor=system_actor())
    assert inventory.match_bill(bill, actor=system_actor()).status == "matched"
    assert bill.differences == []


def test_what_another_bill_has_billed_is_not_billed_twice(order):
    assert billed(order, (0, "5", "20")).status == "matched"
    second = billed(order, (0, "5", "20"), number="R-2")
    assert second.differences == ["Line 1 (PLA): 10 kg are billed, 5 of them elsewhere, 8 kg came."]
    inventory.cancel_bill(second, reason="twice", actor=system_actor())
    assert order.lines.first().quantity_billed == D(5)
    assert billed(order, (0, "3", "20"), number="R-2").status == "matched"


def test_what_went_back_is_not_paid(order, people):
    bill = billed(order, (0, "8", "20"))
    came = order.receipts.get().lines.first()
    inventory.return_to_vendor(order, [ReturnSpec(came.pk, D(3))], reason="wet", actor=system_actor())
    with pytest.raises(BillNotApprovable) as refused:
        inventory.approve_bill(bill, actor=people.manager)
    assert refused.value.details["differences"] == [
        "Line 1 (PLA): 8 kg are billed, 5 kg came and stayed (3 went back)."
    ]


def test_a_price_within_tolerance_matches_and_one_beyond_says_by_how_much(order):
    assert billed(order, (0, "8", "20.40")).status == "matched"
    dear = billed(order, (1, "100", "0.06"), number="R-2")
    assert dear.differences == ["Line 1 (BOLT): billed at 0.06 per each, ordered at 0.05 (+20 %)."]


def test_freight_beyond_what_was_agreed_and_another_currency_are_said(order, people):
    bill = billed(order, (0, "8", "20"), freight=D("9.01"), currency="EUR")
    assert bill.differences == [
        "It is billed in EUR, ordered in USD.",
        "Freight is billed at 9.01, 9.00 was agreed.",
    ]
    with pytest.raises(BillNotApprovable):
        inventory.approve_bill(bill, reason="fine", actor=people.manager)


def test_approving_another_price_puts_it_on_what_is_left_and_expenses_the_rest(order, people):
    bill = billed(order, (0, "8", "22"))
    use = inventory.Use(order.lines.first().product_id, D(2), "manual", None)
    inventory.issue([use], kind=InventoryTransaction.Kind.CONSUMPTION, actor=system_actor())
    with pytest.raises(NotAllowed):
        inventory.approve_bill(bill, reason="agreed by phone", actor=people.purchasing)
    with pytest.raises(ReasonRequired):
        inventory.approve_bill(bill, actor=people.manager)
    inventory.approve_bill(bill, reason="agreed by phone", actor=people.manager)
    assert (bill.status, bill.on_stock_amount, bill.expensed_amount) == ("approved", D(12), D(4))
    assert Inventory.objects.get(lot__lot_number="L-1").cost_per_unit == D(22)
    assert MaterialLot.objects.get().unit_cost == D(22)
    row = InventoryTransaction.objects.get(transaction_type="revaluation")
    assert (row.reference_type, row.reference_id) == ("vendor_bill", bill.pk)
    assert verify_ledger().is_clean


def test_a_cheaper_price_lowers_the_cost(order, people):
    bill = billed(order, (0, "8", "19.80"))
    inventory.approve_bill(bill, actor=people.manager)
    assert (bill.on_stock_amount, bill.expensed_amount) == (D("-1.6"), D(0))
    assert MaterialLot.objects.get().unit_cost == D("19.8")


def test_a_bill_is_entered_once_and_a_cancelled_one_again(order):
    first = billed(order, (0, "1", "20"), number=" r-1 ")
    assert first.bill_number == "R-1"
    with pytest.raises(BillNumberTaken) as refused:
        billed(order, (0, "1", "20"))
    assert refused.value.details == {"bill_number": "R-1", "number": first.number}
    assert (VendorBill.objects.count(), order.lines.first().quantity_billed) == (1, D(1))
    inventory.cancel_bill(first, reason="typed wrong", actor=system_actor())
    assert billed(order, (0, "1", "20")).status == "matched"


def test_only_lines_of_the_vendors_orders_are_billed(order):
    line = order.lines.first()
    for specs in ([], [BillLineSpec(line.pk + 99, D(1), D(1))], [BillLineSpec(line.pk, D(0), D(1))]):
        with pytest.raises(InvalidValue):
            inventory.enter_bill(order.vendor, specs, bill_number="R-9", billed_on=DAY, actor=system_actor())
    with pytest.raises(InvalidValue):
        inventory.enter_bill(
            VendorFactory(), [BillLineSpec(line.pk, D(1), D(1))], bill_number="R-9", billed_on=DAY, actor=system_actor()
        )
    assert not VendorBill.objects.exists()


def test_an_approved_bill_is_paid_once(order, people):
    bill = billed(order, (0, "8", "20"))
    with pytest.raises(InvalidTransition):
        inventory.pay_bill(bill, payment_reference="T-1", actor=people.purchasing)
    inventory.approve_bill(bill, actor=people.manager)
    with pytest.raises(InvalidValue):
        inventory.pay_bill(bill, payment_reference=" ", actor=people.purchasing)
    inventory.pay_bill(bill, payment_reference="T-1", paid_on=DAY, actor=people.purchasing)
    assert (bill.status, bill.paid_on, bill.payment_reference) == ("paid", DAY, "T-1")
    with pytest.raises(InvalidTransition):
        inventory.cancel_bill(bill, reason="no", actor=people.purchasing)


def test_a_bill_costs_the_same_for_two_lines_and_for_twenty():
    LocationFactory()
    vendor, actor, costs = VendorFactory(), system_actor(), []
    for number, count in enumerate((1, 2, 20)):
        specs = [PurchaseLineSpec(MaterialFactory(), D(1), "kg", D(2)) for _ in range(count)]
        made = inventory.create_purchase_order(vendor, lines=specs, actor=actor)
        inventory.order_purchase(made, actor=actor)
        lines = list(made.lines.all())
        inventory.receive_purchase(made, [PurchaseReceipt(line.pk, D(1)) for line in lines], actor=actor)
        rows = [BillLineSpec(line.pk, D(1), D("2.5")) for line in lines]
        with CaptureQueriesContext(connection) as queries:
            bill = inventory.enter_bill(vendor, rows, bill_number=f"R-{number}", billed_on=DAY, actor=actor)
            inventory.approve_bill(bill, reason="agreed", actor=actor)
        assert bill.on_stock_amount == D("0.5") * count
        costs.append(len(statements_of(queries)))
    assert costs[1] == costs[2]


def test_freight_that_another_bill_has_asked_for_is_not_paid_twice(order):
    assert billed(order, (0, "4", "20"), freight=D(9)).status == "matched"
    second = billed(order, (0, "4", "20"), number="R-2", freight=D(9))
    assert second.differences == ["Freight is billed at 9.00 and at 9.00 on other bills, 9.00 was agreed."]
    inventory.cancel_bill(second, reason="twice", actor=system_actor())
    assert billed(order, (0, "4", "20"), number="R-2").status == "matched"
