"""Purchase orders and what comes of them."""

import datetime
from decimal import Decimal
from types import SimpleNamespace

import pytest
from django.contrib.auth.models import Group

from blb3d.accounts.models import User
from blb3d.accounts.roles import sync_roles
from blb3d.core.errors import (
    InvalidTransition,
    InvalidValue,
    NotAllowed,
    ReasonRequired,
    StaleVersion,
    UnknownConversion,
)
from blb3d.core.outbox import OutboxEvent
from inventory import services as inventory
from inventory.errors import (
    ApprovalNeeded,
    ApprovesOwnOrder,
    NothingOwed,
    NoVendorAddress,
    PurchaseNotEditable,
    TooMuchReceived,
)
from inventory.models import InventoryTransaction, MaterialLot, ProductUnit, PurchaseOrder
from inventory.selectors import available, verify_ledger
from inventory.selectors.arrivals import supplies
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
    came(order, PurchaseReceipt(filament.pk, D(1500), quarantine=True), PurchaseReceipt(bolts.pk, D(110)))
    assert order.status == "received"
    assert MaterialLot.objects.latest("pk").lot_number.startswith("LOT-")
    assert available([filament.product_id, bolts.product_id]) == {
        filament.product_id: D("0.5"),
        bolts.product_id: D(110),
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


@pytest.fixture
def people():
    """A buyer and a manager with their roles, and an owner."""
    sync_roles()
    found = {}
    for role in ("purchasing", "manager", "owner"):
        user = User.objects.create_user(f"{role}@example.com", is_staff=True)
        user.groups.add(Group.objects.get(name=role))
        found[role] = user
    return SimpleNamespace(**found)


def dear(actor, price="600"):
    line = PurchaseLineSpec(ComponentFactory(), D(1), "each", D(price))
    return inventory.create_purchase_order(VendorFactory(email="v@example.com"), lines=[line], actor=actor)


def test_a_total_is_lines_freight_and_tax(people):
    lines = [PurchaseLineSpec(ComponentFactory(), D(3), "each", D("0.3333"))] * 2
    made = inventory.create_purchase_order(
        VendorFactory(currency="EUR"), lines=lines, freight=D("12.5"), tax=D("1.75"), actor=people.purchasing
    )
    assert (made.subtotal, made.total, made.currency, made.written_by) == (
        D("2.00"),
        D("16.25"),
        "EUR",
        people.purchasing,
    )
    with pytest.raises(InvalidValue):
        inventory.create_purchase_order(VendorFactory(), freight=D(-1), actor=people.purchasing)


def test_a_dear_order_needs_another_persons_word(people):
    order = dear(people.purchasing)
    with pytest.raises(ApprovalNeeded):
        inventory.order_purchase(order, actor=people.manager)
    with pytest.raises(NotAllowed):
        inventory.approve_purchase(order, actor=people.purchasing)
    assert PurchaseOrder.objects.get().status == "draft"
    inventory.approve_purchase(order, actor=people.manager)
    assert (order.approved_by, order.approved_at is None) == (people.manager, False)
    with pytest.raises(InvalidTransition):
        inventory.approve_purchase(order, actor=people.manager)
    assert inventory.order_purchase(order, actor=people.purchasing).status == "ordered"


def test_up_to_the_limit_nobody_is_asked(people):
    assert inventory.order_purchase(dear(people.purchasing, "500"), actor=people.purchasing).status == "ordered"
    with pytest.raises(ApprovalNeeded):
        inventory.order_purchase(dear(people.purchasing, "500.01"), actor=people.purchasing)


def test_who_wrote_it_does_not_approve_it_but_the_owner_may(people):
    with pytest.raises(ApprovesOwnOrder):
        inventory.approve_purchase(dear(people.manager), actor=people.manager)
    changed = dear(people.purchasing)
    inventory.settle_purchase(changed, actor=people.manager)
    with pytest.raises(ApprovesOwnOrder):
        inventory.approve_purchase(changed, actor=people.manager)
    assert inventory.approve_purchase(dear(people.owner), actor=people.owner).approved_by == people.owner


def test_changing_lines_voids_the_approval_and_counts_again(people):
    order = inventory.approve_purchase(dear(people.purchasing), actor=people.manager)
    order.lines.update(quantity=D(2))
    inventory.settle_purchase(order, actor=people.purchasing)
    assert (order.subtotal, order.approved_by, order.approved_at) == (D(1200), None, None)
    with pytest.raises(ApprovalNeeded):
        inventory.order_purchase(order, actor=people.manager)


def test_lines_are_settled_in_a_draft_only(order):
    with pytest.raises(PurchaseNotEditable):
        inventory.settle_purchase(order, actor=system_actor())


def test_putting_off_keeps_what_was_promised(order):
    filament, bolts = order.lines.all()
    first, later = datetime.date(2026, 12, 1), datetime.date(2026, 12, 9)
    assert (filament.expected_on, filament.promised_on) == (None, None)
    inventory.reschedule_purchase(order, expected_on=first, reason="confirmed", actor=system_actor())
    inventory.reschedule_purchase(order, expected_on=later, line_ids=[bolts.pk], reason="late", actor=system_actor())
    assert list(order.lines.values_list("expected_on", flat=True)) == [first, later]
    assert order.expected_on == later
    fact = OutboxEvent.objects.filter(topic="inventory.purchase_rescheduled").latest("pk")
    assert fact.payload["product_ids"] == [bolts.product_id]
    for wrong, error in (({"reason": " "}, ReasonRequired), ({"line_ids": [bolts.pk + 9]}, InvalidValue)):
        with pytest.raises(error):
            inventory.reschedule_purchase(order, **{"expected_on": first, "reason": "x", **wrong}, actor=system_actor())
    assert PurchaseOrder.objects.get().expected_on == later


def test_ordering_keeps_the_promised_day():
    day = datetime.date(2026, 12, 24)
    line = PurchaseLineSpec(ComponentFactory(), D(1), "each", expected_on=day)
    other = PurchaseLineSpec(ComponentFactory(), D(1), "each")
    made = inventory.create_purchase_order(
        VendorFactory(), lines=[line, other], expected_on=day - datetime.timedelta(days=2), actor=system_actor()
    )
    inventory.order_purchase(made, actor=system_actor())
    inventory.reschedule_purchase(made, expected_on=datetime.date(2027, 1, 5), reason="late", actor=system_actor())
    assert list(made.lines.values_list("promised_on", flat=True)) == [day, day - datetime.timedelta(days=2)]


def test_the_rest_of_a_line_is_cancelled_and_with_the_last_one_the_order_is_closed(order):
    filament, bolts = order.lines.all()
    came(order, PurchaseReceipt(bolts.pk, D(40)))
    inventory.cancel_purchase_rest(order, line_ids=[bolts.pk], reason="enough", actor=system_actor())
    assert order.status == "partially_received"
    assert order.lines.get(pk=bolts.pk).quantity_cancelled == D(60)
    with pytest.raises(NothingOwed):
        inventory.cancel_purchase_rest(order, line_ids=[bolts.pk], reason="enough", actor=system_actor())
    with pytest.raises(TooMuchReceived):
        came(order, PurchaseReceipt(bolts.pk, D(5)))
    inventory.cancel_purchase_rest(order, line_ids=[filament.pk], reason="enough", actor=system_actor())
    assert order.status == "closed_short"


def test_cancelling_all_of_an_order_of_which_nothing_came_cancels_it(order):
    ids = list(order.lines.values_list("pk", flat=True))
    inventory.cancel_purchase_rest(order, line_ids=ids, reason="never mind", actor=system_actor())
    assert order.status == "cancelled"


def test_with_the_rest_cancelled_what_still_comes_ends_the_order(order):
    filament, bolts = order.lines.all()
    inventory.cancel_purchase_rest(order, line_ids=[bolts.pk], reason="enough", actor=system_actor())
    came(order, PurchaseReceipt(filament.pk, D(2000)))
    assert order.status == "received"


def test_an_order_is_sent_again_only_on_its_way_and_to_somebody(order):
    with pytest.raises(NoVendorAddress):
        inventory.send_purchase_again(order, actor=system_actor())
    order.vendor.email = "sales@vendor.example"
    order.vendor.save()
    inventory.send_purchase_again(order, actor=system_actor())
    assert OutboxEvent.objects.get(topic="inventory.purchase_send_asked").payload["id"] == order.pk
    with pytest.raises(InvalidTransition):
        inventory.send_purchase_again(dear(system_actor()), actor=system_actor())


def test_what_is_still_owed_counts_on_each_lines_own_day_and_in_its_own_unit(order):
    today = datetime.date(2026, 11, 20)
    filament, bolts = order.lines.select_related("product")
    ProductUnit.objects.create(product=bolts.product, unit="box", factor=D(50))
    boxes = PurchaseLineSpec(bolts.product, D(2), "box", expected_on=today + datetime.timedelta(days=3))
    second = inventory.create_purchase_order(
        VendorFactory(), lines=[boxes], expected_on=today + datetime.timedelta(days=30), actor=system_actor()
    )
    inventory.order_purchase(second, actor=system_actor())
    later = today + datetime.timedelta(days=9)
    inventory.reschedule_purchase(order, expected_on=later, line_ids=[bolts.pk], reason="x", actor=system_actor())
    came(order, PurchaseReceipt(bolts.pk, D(30)))
    found = supplies([bolts.product_id, filament.product_id], today)
    assert found[bolts.product_id].free == D(30)
    assert found[bolts.product_id].coming == ((boxes.expected_on, D(100)), (later, D(70)))
    inventory.cancel_purchase_rest(order, line_ids=[bolts.pk], reason="enough", actor=system_actor())
    assert supplies([bolts.product_id], today)[bolts.product_id].coming == ((boxes.expected_on, D(100)),)


def test_what_changed_since_it_was_read_is_not_approved(people):
    order = dear(people.purchasing)
    seen = PurchaseOrder.objects.get()
    inventory.charge_purchase(order, freight=D(9000), tax=D(0), actor=people.purchasing)
    with pytest.raises(StaleVersion):
        inventory.approve_purchase(seen, actor=people.manager)
    assert PurchaseOrder.objects.get().approved_at is None
