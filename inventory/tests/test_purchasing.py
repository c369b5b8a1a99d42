"""Purchase orders and what comes of them."""

from decimal import Decimal

import pytest

from blb3d.core.errors import InvalidTransition, InvalidValue, ReasonRequired, UnknownConversion
from inventory import services as inventory
from inventory.models import InventoryTransaction, MaterialLot, PurchaseOrder
from inventory.selectors import available, verify_ledger
from inventory.services import PurchaseLineSpec, PurchaseReceipt
from inventory.tests.factories import ComponentFactory, LocationFactory, MaterialFactory, VendorFactory, system_actor

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture
def order():
    """Two kilograms of filament bought by the gram and a hundred bolts, ordered."""
    LocationFactory()
    lines = [
        PurchaseLineSpec(MaterialFactory(), D(2000), "g", D("0.0145")),
        PurchaseLineSpec(ComponentFactory(), D(100), "each", D("0.05")),
    ]
    made = inventory.create_purchase_order(VendorFactory(), lines=lines, actor=system_actor())
    return inventory.order_purchase(made, actor=system_actor())


def came(order, *receipts):
    return inventory.receive_purchase(order, receipts, actor=system_actor())


def test_an_order_is_numbered_and_ordered(order):
    assert order.po_number.startswith("PUR-")
    assert (order.status, order.ordered_on is None) == ("ordered", False)
    assert list(order.lines.values_list("line_number", "quantity")) == [(1, D(2000)), (2, D(100))]


def test_receipts_make_lots_and_stock_at_cost_until_everything_is_here(order):
    filament, bolts = order.lines.all()
    came(order, PurchaseReceipt(filament.pk, D(500), lot_number="F-1", vendor_lot_number="V9"))
    assert order.status == "partially_received"
    lot = MaterialLot.objects.get()
    assert (lot.lot_number, lot.quantity_remaining, lot.unit_cost) == ("F-1", D("0.5"), D("14.5"))
    assert (lot.purchase_order, lot.vendor, lot.vendor_lot_number) == (order, order.vendor, "V9")
    came(order, PurchaseReceipt(filament.pk, D(1500), quarantine=True), PurchaseReceipt(bolts.pk, D(120)))
    assert order.status == "received"
    assert MaterialLot.objects.latest("pk").lot_number.startswith("LOT-")
    assert available([filament.product_id, bolts.product_id]) == {
        filament.product_id: D("0.5"),
        bolts.product_id: D(120),
    }
    assert set(InventoryTransaction.objects.values_list("reference_type", "reference_id")) == {
        ("purchase_order", order.pk)
    }
    assert verify_ledger().is_clean


def test_what_does_not_belong_to_the_order_is_refused(order):
    bolts = order.lines.last()
    for wrong in ([], [PurchaseReceipt(bolts.pk + 99, D(1))], [PurchaseReceipt(bolts.pk, D(0))]):
        with pytest.raises(InvalidValue):
            came(order, *wrong)
    assert not InventoryTransaction.objects.exists()
    assert PurchaseOrder.objects.get().status == "ordered"


def test_a_line_that_cannot_be_stocked_is_refused():
    with pytest.raises(UnknownConversion):
        inventory.create_purchase_order(
            VendorFactory(), lines=[PurchaseLineSpec(ComponentFactory(), D(1), "kg")], actor=system_actor()
        )
    assert not PurchaseOrder.objects.exists()


def test_an_order_is_not_sent_without_lines_or_with_one_that_could_not_be_received():
    order = inventory.create_purchase_order(VendorFactory(), actor=system_actor())
    with pytest.raises(InvalidValue):
        inventory.order_purchase(order, actor=system_actor())
    order.lines.create(line_number=1, product=ComponentFactory(), quantity=1, unit_of_measure="kg")
    with pytest.raises(UnknownConversion):
        inventory.order_purchase(order, actor=system_actor())
    assert PurchaseOrder.objects.get().status == "draft"


def test_an_order_that_came_in_part_is_closed_short_not_cancelled(order):
    came(order, PurchaseReceipt(order.lines.last().pk, D(1)))
    with pytest.raises(InvalidTransition):
        inventory.cancel_purchase(order, reason="late", actor=system_actor())
    with pytest.raises(ReasonRequired):
        inventory.close_purchase_short(order, reason="", actor=system_actor())
    inventory.close_purchase_short(order, reason="discontinued", actor=system_actor())
    with pytest.raises(InvalidTransition):
        came(order, PurchaseReceipt(order.lines.last().pk, D(1)))
    assert PurchaseOrder.objects.get().status == "closed_short"


def test_an_order_of_which_nothing_came_can_be_cancelled(order):
    assert inventory.cancel_purchase(order, reason="too dear", actor=system_actor()).status == "cancelled"
