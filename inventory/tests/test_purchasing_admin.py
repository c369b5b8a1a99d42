"""Purchasing in the console: from what is wanted to what is paid, by the people whose work it is."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.accounts.roles import sync_roles
from inventory import services as inventory
from inventory.models import (
    GoodsReceipt,
    InventoryTransaction,
    LandedCost,
    MaterialLot,
    PurchaseOrder,
    PurchaseRequisition,
    VendorBill,
    VendorItem,
    VendorReturn,
)
from inventory.selectors.vendor_performance import vendor_performance
from inventory.services import PriceSpec, PurchaseLineSpec, PurchaseReceipt, ReturnSpec
from inventory.tests.factories import ComponentFactory, LocationFactory, MaterialFactory, VendorFactory, system_actor
from inventory.tests.test_admin import act, shown, url

pytestmark = pytest.mark.django_db
D = Decimal


@pytest.fixture(autouse=True)
def store():
    sync_roles()
    return LocationFactory()


def person(role: str) -> Client:
    """Return a browser of somebody with a role."""
    user = User.objects.filter(email=f"{role}@example.com").first()
    if user is None:
        user = User.objects.create_user(f"{role}@example.com", is_staff=True)
        user.groups.add(Group.objects.get(name=role))
    client = Client()
    client.force_login(user)
    return client


@pytest.fixture
def buyer() -> Client:
    return person("purchasing")


def ordered(*lines: Any, vendor: Any = None, **head: Any) -> PurchaseOrder:
    specs = [PurchaseLineSpec(product, D(quantity), unit, D(price)) for product, quantity, unit, price in lines]
    order = inventory.create_purchase_order(vendor or VendorFactory(), lines=specs, actor=system_actor(), **head)
    return inventory.order_purchase(order, actor=system_actor())


def test_several_lots_of_a_line_are_received_with_certificate_and_freight(buyer: Client) -> None:
    order = ordered((MaterialFactory(), 6, "kg", "20"), (ComponentFactory(), 10, "each", "3"))
    line, bolts = order.lines.all()
    asked = shown(buyer.post(url(order, "verb", "receive"), {"_version": order.version}))
    assert "6 of 6 kg still to come" in asked
    assert "More lots of this line" in asked
    act(
        buyer,
        order,
        "receive",
        **{
            f"quantity_{line.pk}": "4",
            f"lot_{line.pk}": "L-1",
            f"vendor_lot_{line.pk}": "V-1",
            f"expires_{line.pk}": "2030-01-31",
            f"certificate_{line.pk}": SimpleUploadedFile("coa.pdf", b"%PDF-1.7 ok"),
            f"quantity_{line.pk}_1": "2",
            f"quarantine_{line.pk}_1": "on",
            f"quantity_{bolts.pk}": "0",
            "packing_slip": "PS 9",
            "freight": "12",
            "basis": "value",
        },
    )
    receipt = GoodsReceipt.objects.get()
    first, second = MaterialLot.objects.order_by("pk")
    assert (receipt.packing_slip, receipt.lines.count()) == ("PS 9", 2)
    assert (first.lot_number, first.vendor_lot_number, first.status, first.unit_cost) == ("L-1", "V-1", "ACTIVE", D(22))
    assert timezone.localtime(first.expiration_date).date() == datetime.date(2030, 1, 31)
    assert first.coa_file_name == "coa.pdf"
    assert (second.quantity_received, second.status) == (D(2), "QUARANTINE")
    order.refresh_from_db()
    assert order.status == "partially_received"
    assert "PS 9" in shown(buyer.get(url(receipt, "change")))


def test_too_much_is_refused_and_what_was_typed_stays(buyer: Client) -> None:
    order = ordered((ComponentFactory(), 10, "each", "3"))
    line = order.lines.get()
    page = shown(act(buyer, order, "receive", **{f"quantity_{line.pk}": "12", "packing_slip": "PS 10"}))
    assert "PURCHASE_005" in page
    assert "PS 10" in page
    assert not GoodsReceipt.objects.exists()


def test_a_draft_is_counted_when_its_lines_change_and_a_dear_one_waits_for_the_manager(buyer: Client) -> None:
    order = inventory.create_purchase_order(VendorFactory(), actor=User.objects.get(email="purchasing@example.com"))
    line = {"line_number": "1", "product": ComponentFactory().pk, "quantity": "3", "unit_of_measure": "each"}
    line |= {"unit_price": "200.50"}
    data = {"vendor": order.vendor_id, "currency": "USD", "_version": order.version}
    data |= {"lines-TOTAL_FORMS": "1", "lines-INITIAL_FORMS": "0"}
    data |= {f"lines-0-{name}": str(value) for name, value in line.items()}
    assert buyer.post(url(order, "change"), data).status_code == 302
    order.refresh_from_db()
    assert (order.subtotal, order.written_by.email) == (D("601.50"), "purchasing@example.com")
    assert "PURCHASE_002" in shown(act(buyer, order, "order"))
    assert buyer.post(url(order, "verb", "approve"), {"_version": order.version}).status_code == 403
    act(person("manager"), order, "approve")
    order.refresh_from_db()
    assert order.approved_by.email == "manager@example.com"
    act(buyer, order, "order")
    order.refresh_from_db()
    assert order.status == "ordered"
    # Sent: its lines and dates stand, and a unit that cannot be received was never possible.
    data |= {"_version": order.version, "lines-INITIAL_FORMS": "1", "lines-0-id": order.lines.get().pk}
    buyer.post(url(order, "change"), data | {"lines-0-quantity": "9", "expected_on": "2030-01-01"})
    order.refresh_from_db()
    assert (order.lines.get().quantity, order.expected_on) == (D(3), None)


def test_a_line_in_a_unit_that_cannot_be_received_is_refused_with_the_page(buyer: Client) -> None:
    data = {"vendor": VendorFactory().pk, "currency": "USD", "lines-TOTAL_FORMS": "1", "lines-INITIAL_FORMS": "0"}
    line = {"line_number": "1", "product": ComponentFactory().pk, "quantity": "3", "unit_of_measure": "kg"}
    data |= {f"lines-0-{name}": value for name, value in (line | {"unit_price": "1"}).items()}
    answer = buyer.post(reverse("admin:inventory_purchaseorder_add"), data)
    assert (answer.status_code, "has no unit kg" in shown(answer)) == (200, True)
    assert not PurchaseOrder.objects.exists()


def test_freight_dates_rest_and_pdf_are_acts_of_the_order(buyer: Client) -> None:
    draft = inventory.create_purchase_order(
        VendorFactory(), lines=[PurchaseLineSpec(ComponentFactory(), D(5), "each", D(2))], actor=system_actor()
    )
    act(buyer, draft, "charges", freight="4.50", tax="0.70")
    draft.refresh_from_db()
    assert draft.total == D("15.20")
    answer = buyer.post(url(draft, "verb", "print"), {"_version": draft.version})
    assert (answer["Content-Type"], answer.content[:5]) == ("application/pdf", b"%PDF-")
    order = ordered((ComponentFactory(), 5, "each", "2"))
    line = order.lines.get()
    act(buyer, order, "reschedule", line_ids=[line.pk], expected_on="2030-02-03", reason="they wrote")
    order.refresh_from_db()
    assert order.expected_on == datetime.date(2030, 2, 3)
    act(buyer, order, "cancel_rest", line_ids=[line.pk], reason="not needed")
    order.refresh_from_db()
    assert order.status == "cancelled"


def test_a_bill_is_entered_from_the_order_matched_and_approved_by_the_manager(buyer: Client) -> None:
    order = ordered((ComponentFactory(sku="BOLT"), 10, "each", "3"))
    line = order.lines.get()
    inventory.receive_purchase(order, [PurchaseReceipt(line.pk, D(10))], actor=system_actor())
    asked = shown(buyer.post(url(order, "verb", "enter_bill"), {"_version": order.version}))
    assert "10 each ordered, 10 came, 0 went back, 0 billed" in asked
    told = {f"quantity_{line.pk}": "10", f"price_{line.pk}": "3.30", "bill_number": "r 7", "billed_on": "2026-11-02"}
    act(buyer, order, "enter_bill", **told)
    bill = VendorBill.objects.get()
    page = shown(buyer.get(url(bill, "change")))
    assert "billed at 3.3 per each, ordered at 3 (+10 %)." in page
    assert "Who may approve bills can still say yes to it" in page
    assert f'(<a href="{url(order, "change")}">{order}</a>)' in page
    assert "$3.30" in page
    of_order = f"{reverse('admin:inventory_vendorbill_changelist')}?lines__order_line__purchase_order={order.pk}"
    assert of_order in shown(buyer.get(url(order, "change")))
    assert bill.number in shown(buyer.get(of_order))
    other = of_order.replace(f"={order.pk}", f"={order.pk + 1}")
    assert bill.number not in shown(buyer.get(other))
    assert bill.status == "disputed"
    assert buyer.post(url(bill, "verb", "approve"), {"_version": bill.version}).status_code == 403
    act(person("manager"), bill, "approve", reason="new price list")
    bill.refresh_from_db()
    assert (bill.status, bill.on_stock_amount) == ("approved", D(3))
    act(buyer, bill, "pay", payment_reference="T 1")
    bill.refresh_from_db()
    assert bill.status == "paid"


def test_a_bill_of_more_than_stayed_says_that_nobody_can_approve_it(buyer: Client) -> None:
    order = ordered((MaterialFactory(), 10, "kg", "3"))
    line = order.lines.get()
    inventory.receive_purchase(order, [PurchaseReceipt(line.pk, D(10))], actor=system_actor())
    told = {f"quantity_{line.pk}": "10", f"price_{line.pk}": "3.30", "bill_number": "r 7", "billed_on": "2026-11-02"}
    act(buyer, order, "enter_bill", **told)
    came = GoodsReceipt.objects.get().lines.get()
    back = inventory.return_to_vendor(order, [ReturnSpec(came.pk, D(1))], reason="wet", actor=system_actor())
    page = shown(buyer.get(url(VendorBill.objects.get(), "change")))
    assert "Nobody can approve that more is billed than came and stayed" in page
    assert "Who may approve" not in page
    assert "1 kg" in shown(buyer.get(url(back, "change")))
    receipt = shown(buyer.get(url(GoodsReceipt.objects.get(), "change")))
    assert ("10 kg" in receipt, "1 kg" in receipt) == (True, True)


def test_goods_go_back_and_later_freight_is_shared_from_the_receipts_page(buyer: Client) -> None:
    order = ordered((MaterialFactory(), 4, "kg", "20"))
    inventory.receive_purchase(
        order, [PurchaseReceipt(order.lines.get().pk, D(4), quarantine=True)], actor=system_actor()
    )
    receipt = GoodsReceipt.objects.get()
    line = receipt.lines.get()
    act(buyer, receipt, "landed_cost", kind="freight", amount="8", basis="weight", reason="carrier")
    assert LandedCost.objects.get().on_stock_amount == D(8)
    act(buyer, receipt, "send_back", **{f"quantity_{line.pk}": "1", f"rejected_{line.pk}": "on", "reason": "wet"})
    returned = VendorReturn.objects.get()
    assert returned.credit_expected_amount == D(20)
    assert returned.lines.get().was_rejected
    act(buyer, returned, "credit", amount="19")
    returned.refresh_from_db()
    assert (returned.status, returned.credit_received_amount) == ("credited", D(19))


def test_an_operator_asks_and_a_buyer_orders_what_is_chosen(buyer: Client) -> None:
    bolt = ComponentFactory()
    inventory.set_vendor_item(VendorFactory(), bolt, unit="each", prices=[PriceSpec(D(2))], actor=system_actor())
    operator = person("operator")
    add = reverse("admin:inventory_purchaserequisition_add")
    for quantity in ("5", "7"):
        operator.post(add, {"product": bolt.pk, "quantity": quantity, "unit": "each", "reason": "boxes are low"})
    asked = PurchaseRequisition.objects.order_by("pk")
    assert [row.wanted_by.email for row in asked] == ["operator@example.com"] * 2
    chosen = {"action": "order_chosen", "_selected_action": [row.pk for row in asked]}
    listed = reverse("admin:inventory_purchaserequisition_changelist")
    operator.post(listed, chosen)
    assert not PurchaseOrder.objects.exists()
    buyer.post(listed, chosen)
    assert PurchaseOrder.objects.get().lines.get().quantity == D(12)
    assert set(PurchaseRequisition.objects.values_list("status", flat=True)) == {"ordered"}


def test_terms_are_entered_by_vendor_and_one_vendor_is_preferred(buyer: Client) -> None:
    bolt, first, second = ComponentFactory(), VendorFactory(), VendorFactory()
    old = inventory.set_vendor_item(first, bolt, unit="each", is_preferred=True, actor=system_actor())
    data = {"vendor": second.pk, "product": bolt.pk, "unit": "each", "minimum_quantity": "10", "order_multiple": "5"}
    data |= {"is_active": "on", "prices-TOTAL_FORMS": "1", "prices-INITIAL_FORMS": "0"}
    data |= {"prices-0-minimum_quantity": "0", "prices-0-unit_price": "0.25", "prices-0-currency": "USD"}
    add = reverse("admin:inventory_vendoritem_add")
    assert "has no unit kg" in shown(buyer.post(add, data | {"unit": "kg"}))
    assert "This vendor sells in USD." in shown(buyer.post(add, data | {"prices-0-currency": "EUR"}))
    assert buyer.post(add, data).status_code == 302
    item = VendorItem.objects.get(vendor=second)
    assert item.prices.get().unit_price == D("0.25")
    act(buyer, item, "prefer")
    old.refresh_from_db()
    item.refresh_from_db()
    assert (old.is_preferred, item.is_preferred) == (False, True)


def test_vendors_are_judged_by_what_they_promised(buyer: Client) -> None:
    today, day = timezone.localdate(), datetime.timedelta(days=1)
    vendor, quiet = VendorFactory(code="SLOW"), VendorFactory(code="QUIET")
    pla = MaterialFactory()
    for promised, price in ((today, "20"), (today - 4 * day, "22"), (today - 2 * day, "25")):
        order = ordered((pla, 2, "kg", price), vendor=vendor, expected_on=promised)
        if price != "25":
            inventory.reschedule_purchase(order, expected_on=today + day, reason="late", actor=system_actor())
            inventory.receive_purchase(order, [PurchaseReceipt(order.lines.get().pk, D(2))], actor=system_actor())
            if price == "20":
                spec = ReturnSpec(order.receipts.get().lines.get().pk, D(1), rejected=True)
                inventory.return_to_vendor(order, [spec], reason="wet", actor=system_actor())
    (row,) = vendor_performance(today - 30 * day, today, today=today)
    assert (row.vendor, row.deliveries, row.judged, row.on_time, row.overdue) == (vendor, 2, 3, 1, 1)
    assert (row.on_time_percent, row.days_late) == (D("33.3"), D("3.0"))
    assert (row.rejected_percent, row.prices_changed, row.price_percent) == (D("23.8"), 1, D("25.0"))
    assert vendor_performance(today - 30 * day, today, today=today, vendor_code=quiet.code) == []
    assert "33.3 % on time, 1 overdue, 23.8 % refused" in shown(buyer.get(url(vendor, "change")))
    page = shown(buyer.get(reverse("console-vendors"), {"vendor": "slow"}))
    assert "33.3 %" in page
    assert "QUIET" not in page
    assert "first day is after" in shown(
        buyer.get(reverse("console-vendors"), {"date_from": "2026-02-01", "date_to": "2026-01-01"})
    )


def test_judging_twenty_deliveries_asks_no_more_than_judging_two() -> None:
    today, counts = timezone.localdate(), []
    for count in (2, 18):
        for _ in range(count):
            order = ordered((ComponentFactory(), 2, "each", "1"), expected_on=today)
            inventory.receive_purchase(order, [PurchaseReceipt(order.lines.get().pk, D(1))], actor=system_actor())
        with CaptureQueriesContext(connection) as queries:
            vendor_performance(today, today, today=today)
        counts.append(len(queries))
    assert counts == [4, 4]


def test_what_waits_for_somebody_stands_on_that_persons_home(buyer: Client) -> None:
    def card(client: Client, name: str) -> bool:
        groups = client.get(reverse("admin:index")).context["queue_groups"]
        return name in {card.name for cards in groups.values() for card in cards}

    manager = person("manager")
    names = ("Purchases to approve", "Requisitions to answer", "Vendor bills that differ")
    assert not any(card(client, name) for client in (buyer, manager) for name in names)
    line = PurchaseLineSpec(ComponentFactory(), D(1), "each", D(500))
    inventory.create_purchase_order(VendorFactory(), lines=[line], actor=system_actor())
    assert not card(manager, "Purchases to approve")
    dear = PurchaseLineSpec(ComponentFactory(), D(1), "each", D(501))
    inventory.create_purchase_order(VendorFactory(), lines=[dear], actor=system_actor())
    inventory.request_purchase(ComponentFactory(), quantity=D(1), actor=system_actor())
    order = ordered((ComponentFactory(), 1, "each", "1"))
    spec = inventory.BillLineSpec(order.lines.get().pk, D(1), D(1))
    inventory.enter_bill(order.vendor, [spec], bill_number="1", billed_on=timezone.localdate(), actor=system_actor())
    assert [card(manager, name) for name in names] == [True, True, True]
    assert [card(buyer, name) for name in names] == [False, True, True]


def test_a_refused_lot_is_sent_back_from_its_page(buyer: Client) -> None:
    order = ordered((MaterialFactory(), 2, "kg", "20"))
    inventory.receive_purchase(
        order, [PurchaseReceipt(order.lines.get().pk, D(2), quarantine=True)], actor=system_actor()
    )
    lot = MaterialLot.objects.get()
    act(buyer, lot, "send_back", reason="brittle")
    assert VendorReturn.objects.get().credit_expected_amount == D(40)


def lines_of(order: PurchaseOrder) -> dict[str, Any]:
    """Return a draft's page as it is posted without a change."""
    rows = list(order.lines.all())
    data = {"vendor": order.vendor_id, "currency": order.currency, "_version": order.version}
    data |= {"lines-TOTAL_FORMS": len(rows), "lines-INITIAL_FORMS": len(rows)}
    for place, row in enumerate(rows):
        names = ("id", "line_number", "quantity", "unit_of_measure", "unit_price")
        data |= {f"lines-{place}-{name}": getattr(row, name) for name in names}
        data |= {f"lines-{place}-product": row.product_id, f"lines-{place}-purchase_order": order.pk}
    return data


@pytest.mark.parametrize("changed", ["vendor", "currency", "notes"])
def test_what_goes_to_another_vendor_or_in_another_money_was_not_approved(buyer: Client, changed: str) -> None:
    order = inventory.create_purchase_order(
        VendorFactory(), lines=[PurchaseLineSpec(ComponentFactory(), D(3), "each", D(2000))], actor=system_actor()
    )
    person("manager")
    inventory.approve_purchase(order, actor=User.objects.get(email="manager@example.com"))
    values = {"vendor": VendorFactory().pk, "currency": "EUR", "notes": "soon"}
    assert buyer.post(url(order, "change"), lines_of(order) | {changed: values[changed]}).status_code == 302
    order.refresh_from_db()
    assert (order.approved_at is not None) == (changed == "notes")
    assert order.subtotal == D(6000)


def test_the_number_of_a_line_that_was_taken_off_is_not_given_again(buyer: Client) -> None:
    specs = [PurchaseLineSpec(ComponentFactory(), D(3), "each", D(2)) for _ in range(2)]
    order = inventory.create_purchase_order(VendorFactory(), lines=specs, actor=system_actor())
    _, second = order.lines.all()
    inventory.cancel_purchase_rest(order, line_ids=[second.pk], reason="not needed", actor=system_actor())
    data = lines_of(order) | {"lines-TOTAL_FORMS": "2", "lines-1-product": second.product_id}
    data |= {"lines-1-quantity": "5", "lines-1-unit_of_measure": "each", "lines-1-unit_price": "2"}
    refused = buyer.post(url(order, "change"), data | {"lines-1-line_number": "2"})
    assert "Line 2 was taken off this order" in shown(refused)
    assert buyer.post(url(order, "change"), data | {"lines-1-line_number": "3"}).status_code == 302
    order.refresh_from_db()
    assert order.subtotal == D(16)


def test_a_movement_says_what_moved_and_leads_to_its_document(buyer: Client) -> None:
    order = ordered((MaterialFactory(sku="PLA"), 4, "kg", "20"))
    inventory.receive_purchase(order, [PurchaseReceipt(order.lines.get().pk, D("2.5"))], actor=system_actor())
    receipt, row = GoodsReceipt.objects.get(), InventoryTransaction.objects.get()
    page = shown(buyer.get(url(row, "change")))
    assert "Receipt of 2.5 kg PLA" in page
    target = receipt if row.reference_type == "goods_receipt" else order
    assert url(target, "change") in page
    inventory.scrap_stock(
        row.product, location=row.location, lot=row.lot, quantity=D(1), reason="wet", actor=system_actor()
    )
    assert "Scrap of 1 kg PLA" in shown(buyer.get(url(InventoryTransaction.objects.latest("pk"), "change")))


def test_an_order_that_nobody_could_mail_says_so(buyer: Client) -> None:
    order = ordered((ComponentFactory(), 5, "each", "2"))
    order.vendor.email = ""
    order.vendor.save()
    words = "the vendor has no mail address, send the PDF"
    assert words in shown(buyer.get(url(order, "change")))
    order.vendor.email = "orders@vendor.example"
    order.vendor.save()
    assert words not in shown(buyer.get(url(order, "change")))
