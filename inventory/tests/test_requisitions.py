"""Requisitions: asked for by anybody, ordered or refused by a buyer."""

import datetime
from decimal import Decimal

import pytest

from blb3d.core.errors import InvalidTransition, InvalidValue, ReasonRequired, UnknownConversion
from inventory import services as inventory
from inventory.errors import NoVendor
from inventory.models import Product, ProductUnit, PurchaseOrder, PurchaseRequisition, VendorItem
from inventory.tests.factories import ComponentFactory, MaterialFactory, VendorFactory, system_actor

pytestmark = pytest.mark.django_db
D = Decimal


def asked(product, quantity, **more):
    return inventory.request_purchase(product, quantity=D(quantity), actor=system_actor(), **more)


@pytest.fixture
def pla():
    """A filament sold by the spool."""
    product = MaterialFactory()
    ProductUnit.objects.create(product=product, unit="spool", factor=D("0.75"))
    VendorItem.objects.create(vendor=VendorFactory(code="USUAL"), product=product, unit="spool")
    return product


def test_chosen_requisitions_become_one_draft_for_each_vendor(pla):
    other, day = VendorFactory(code="OTHER"), datetime.date(2026, 12, 1)
    rows = [
        asked(pla, "2", unit="spool", reason="Lamps", needed_on=day),
        asked(pla, "500", unit="g"),
        asked(pla, "1", vendor=other),
        asked(ComponentFactory(), "10", vendor=other),
    ]
    assert (rows[0].number.startswith("PR-"), rows[0].status, rows[0].wanted_by) == (True, "open", system_actor())
    orders = inventory.order_requisitions(rows, actor=system_actor())
    usual = PurchaseOrder.objects.get(vendor__code="USUAL")
    assert {order.pk for order in orders} == set(PurchaseOrder.objects.values_list("pk", flat=True))
    line = usual.lines.get()
    assert (line.quantity, line.unit_of_measure, line.needed_on) == (D(3), "spool", day)
    assert f"{rows[0].number} Lamps" in usual.notes
    found = PurchaseRequisition.objects.order_by("pk").values_list("status", "purchase_order__vendor__code")
    assert list(found) == [("ordered", "USUAL")] * 2 + [("ordered", "OTHER")] * 2


def test_one_requisition_joins_the_draft_its_vendor_has(pla):
    first = inventory.order_requisition(asked(pla, "1"), actor=system_actor())
    assert inventory.order_requisition(asked(pla, "2"), actor=system_actor()) == first
    assert first.lines.count() == 2


def test_what_is_ordered_already_is_not_ordered_again(pla):
    row, fresh = asked(pla, "1"), asked(pla, "1")
    inventory.order_requisitions([row], actor=system_actor())
    with pytest.raises(InvalidTransition):
        inventory.order_requisitions([row, fresh], actor=system_actor())
    with pytest.raises(InvalidValue):
        inventory.order_requisitions([], actor=system_actor())
    assert (PurchaseOrder.objects.count(), PurchaseRequisition.objects.get(pk=fresh.pk).status) == (1, "open")


def test_without_a_vendor_it_stays_open():
    row = asked(ComponentFactory(), "1")
    with pytest.raises(NoVendor):
        inventory.order_requisitions([row], actor=system_actor())
    row.refresh_from_db()
    assert row.status == "open"


def test_a_refusal_has_a_reason(pla):
    row = asked(pla, "1")
    with pytest.raises(ReasonRequired):
        inventory.refuse_requisition(row, reason="", actor=system_actor())
    assert inventory.refuse_requisition(row, reason="plenty", actor=system_actor()).status == "refused"


def test_what_cannot_be_bought_is_not_asked_for(pla):
    service = ComponentFactory(category=Product.Category.SERVICE)
    for product, quantity, unit, error in (
        (pla, "0", "kg", InvalidValue),
        (pla, "1", "box", UnknownConversion),
        (pla, "1", "each", UnknownConversion),
        (service, "1", "each", InvalidValue),
    ):
        with pytest.raises(error):
            asked(product, quantity, unit=unit)
    assert not PurchaseRequisition.objects.exists()


def test_when_its_order_is_cancelled_a_requisition_is_open_again(pla):
    rows = [asked(pla, "1"), asked(pla, "2")]
    other = asked(pla, "3", vendor=VendorFactory())
    inventory.order_requisitions([*rows, other], actor=system_actor())
    order = PurchaseOrder.objects.get(vendor__code="USUAL")
    inventory.cancel_purchase(order, reason="too dear", actor=system_actor())
    found = PurchaseRequisition.objects.order_by("pk").values_list("status", "purchase_order__vendor__code")
    assert list(found) == [("open", None), ("open", None), ("ordered", other.vendor.code)]
    (again,) = inventory.order_requisitions(rows, actor=system_actor())
    assert again.lines.get().quantity == D(4)


def test_when_its_line_is_taken_off_a_draft_a_requisition_is_open_again(pla):
    rows = [asked(pla, "1"), asked(ComponentFactory(), "2", vendor=VendorFactory(code="OTHER"))]
    rows.append(asked(ComponentFactory(), "3", vendor=rows[1].vendor))
    inventory.order_requisitions(rows, actor=system_actor())
    order = PurchaseOrder.objects.get(vendor__code="OTHER")
    line = order.lines.get(product=rows[1].product)
    inventory.cancel_purchase_rest(order, line_ids=[line.pk], reason="not now", actor=system_actor())
    found = PurchaseRequisition.objects.order_by("pk").values_list("status", "purchase_order__vendor__code")
    assert list(found) == [("ordered", "USUAL"), ("open", None), ("ordered", "OTHER")]
