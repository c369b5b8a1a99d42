from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from blb3d.accounts.models import User
from production.models import ProductionOrder
from sales import services as sales
from sales.models import Customer, Invoice, Payment, SalesOrder, Shipment
from sales.tests.factories import (
    CustomerAddressFactory,
    CustomerFactory,
    confirmed,
    made_product,
    manager,
    placed,
    ready_to_ship,
    staff,
    system_actor,
)

pytestmark = pytest.mark.django_db


@pytest.fixture
def boss() -> User:
    return User.objects.create_superuser("boss@example.com", first_name="Boss")


@pytest.fixture
def client(boss: User) -> Client:
    client = Client()
    client.force_login(boss)
    return client


def page(document: Any) -> str:
    return reverse(f"admin:sales_{document._meta.model_name}_change", args=[document.pk])


def press(client: Client, document: Any, name: str, **answers: Any) -> Any:
    document.refresh_from_db()
    door = reverse(f"admin:sales_{document._meta.model_name}_verb", args=[document.pk, name])
    answers = {"_answered": "1", **answers} if answers else {}
    return client.post(door, {"_version": getattr(document, "version", ""), **answers}, follow=True)


def said(response: Any) -> list[str]:
    return [str(message) for message in response.context["messages"]]


def taken(*lines: tuple[Any, Any, Any], **values: Any) -> dict[str, Any]:
    """Return what the browser posts for an order by hand."""
    form: dict[str, Any] = {
        "priority": 2,
        "discount_total": "0",
        "shipping_total": "0",
        "lines-TOTAL_FORMS": len(lines) + 1,  # an empty row is left over
        "lines-INITIAL_FORMS": 0,
        **values,
    }
    for row, (product, quantity, price) in enumerate(lines):
        form |= {f"lines-{row}-product": product, f"lines-{row}-quantity": quantity, f"lines-{row}-unit_price": price}
    return form


def test_a_phone_order_needs_a_customer_a_product_and_a_quantity(client: Client, boss: User) -> None:
    customer, product = CustomerFactory(), made_product()
    CustomerAddressFactory(customer=customer, is_default=True)
    add = reverse("admin:sales_salesorder_add")
    assert client.get(add).status_code == 200
    response = client.post(add, taken((product.pk, 3, ""), (product.pk, 1, "9.99"), customer=customer.pk))
    order = SalesOrder.objects.get()
    assert response.status_code == 302
    assert (order.source, order.status, order.shipping_city, order.created_by) == ("manual", "pending", "Salem", boss)
    assert [line.unit_price for line in order.lines.all()] == [Decimal("12.50"), Decimal("9.99")]
    assert ProductionOrder.objects.filter(sales_order=order, status="draft").count() == 2


def test_a_phone_order_can_be_confirmed_at_once(client: Client) -> None:
    form = taken((made_product().pk, 3, ""), customer=CustomerFactory().pk, confirm_now="on")
    client.post(reverse("admin:sales_salesorder_add"), form)
    assert SalesOrder.objects.get().status == "confirmed"


@pytest.mark.parametrize("lines", [[], [("product", 0, "")], [("product", 10**9, "")], [("product", 1, "-1")]])
def test_what_cannot_be_placed_is_told_and_what_was_typed_stays(client: Client, lines: list[Any]) -> None:
    product = made_product()
    rows = [(product.pk, quantity, price) for _, quantity, price in lines]
    form = taken(*rows, customer=CustomerFactory().pk, customer_po_number="4500-1187")
    response = client.post(reverse("admin:sales_salesorder_add"), form)
    assert response.status_code == 200
    assert "4500-1187" in response.content.decode()
    assert response.context["errors"]
    assert SalesOrder.objects.count() == 0


def test_a_product_without_a_price_asks_for_one(client: Client) -> None:
    product = made_product()
    product.list_price = None
    product.save()
    form = taken((product.pk, 1, ""), customer=CustomerFactory().pk)
    response = client.post(reverse("admin:sales_salesorder_add"), form)
    assert "has no list price" in response.content.decode()
    assert SalesOrder.objects.count() == 0


def test_an_order_goes_from_confirmed_to_invoiced_by_its_buttons(client: Client) -> None:
    order = ready_to_ship((made_product(is_serialized=True), 2))
    html = client.get(page(order)).content.decode()
    assert "2 of 2 parts are there" in html
    line = order.lines.get()
    press(client, order, "pack", **{f"line_{line.pk}": 2, "carrier": "UPS"})
    parcel = Shipment.objects.get()
    assert parcel.lines.get().serials.count() == 2
    assert client.get(page(parcel)).status_code == 200
    press(client, parcel, "ship", tracking_number="1Z")
    order.refresh_from_db()
    assert order.status == "shipped"
    press(client, order, "invoice")
    invoice = Invoice.objects.get()
    pdf = client.post(reverse("admin:sales_invoice_verb", args=[invoice.pk, "pdf"]))
    assert pdf.content.startswith(b"%PDF-")
    press(client, order, "record_payment", amount=order.grand_total, method="bank")
    assert Payment.objects.get().amount == order.grand_total
    press(client, order, "deliver")
    press(client, order, "complete")
    order.refresh_from_db()
    assert order.status == "completed"
    for document in (order, invoice, Payment.objects.get(), order.customer):
        assert client.get(page(document)).status_code == 200


def test_a_refusal_is_shown_with_its_code(client: Client) -> None:
    order = confirmed((made_product(), 2))
    response = press(client, order, "record_payment", amount="1000", method="bank")
    assert "PAYMENT_003" in response.content.decode()
    assert Payment.objects.count() == 0


def test_an_unmapped_line_is_mapped_from_its_order(client: Client) -> None:
    order = placed((None, 2), source="squarespace", source_order_id="1")
    assert "SKU not mapped: DESK-1" in client.get(page(order)).content.decode()
    product = made_product()
    press(client, order, "map_line", line=order.lines.get().pk, product=product.pk, quantity=1)
    order.refresh_from_db()
    assert (order.status, order.lines.get().product) == ("confirmed", product)


def test_amounts_lines_and_status_are_not_typed(client: Client) -> None:
    order = placed((made_product(), 2))
    form = {
        "customer_po_number": "PO-9",
        "priority": 4,
        "promised_date": "",
        "customer_note": "",
        "internal_note": "by phone",
        "grand_total": "1.00",
        "status": "completed",
        "shipping_city": "Elsewhere",
        "_version": order.version,
        "lines-TOTAL_FORMS": 1,
        "lines-INITIAL_FORMS": 1,
        "lines-0-id": order.lines.get().pk,
        "lines-0-quantity": 99,
    }
    client.post(page(order), form)
    total = order.grand_total
    order.refresh_from_db()
    assert (order.customer_po_number, order.priority, order.internal_note) == ("PO-9", 4, "by phone")
    assert (order.grand_total, order.status, order.shipping_city) == (total, "pending", "Portland")
    assert order.lines.get().quantity == 2


def test_a_customer_by_hand_gets_a_number(client: Client) -> None:
    form = {"name": "O'Brien", "email": "Miles@Example.com", "terms": "net_30", "credit_limit": "0", "is_active": "on"}
    for prefix in ("users", "addresses"):
        form |= {f"{prefix}-TOTAL_FORMS": "0", f"{prefix}-INITIAL_FORMS": "0"}
    client.post(reverse("admin:sales_customer_add"), form)
    customer = Customer.objects.get()
    assert (customer.email, customer.customer_number[:2]) == ("miles@example.com", "C-")


def test_every_list_costs_the_same_however_long_it_is(client: Client) -> None:
    product = made_product()

    def fill() -> None:
        for _ in range(3):
            order = ready_to_ship((product, 1))
            sales.record_payment(order, amount=Decimal(1), method="bank", actor=system_actor())
            sales.record_refund(order, amount=Decimal(1), actor=system_actor())
            sales.ship_order(order, actor=system_actor())
            sales.issue_invoice(order, actor=system_actor())

    def queries(name: str) -> int:
        with CaptureQueriesContext(connection) as captured:
            assert client.get(reverse(f"admin:sales_{name}_changelist")).status_code == 200
        return len(captured)

    names = ("salesorder", "customer", "shipment", "payment", "refund", "invoice")
    fill()
    for name in names:
        queries(name)
    few = [queries(name) for name in names]
    fill()
    assert [queries(name) for name in names] == few
    assert max(few) <= 10


def test_staff_see_the_buttons_of_what_they_may_do() -> None:
    order = placed((made_product(), 1))
    door = reverse("admin:sales_salesorder_verb", args=[order.pk, "confirm"])
    for user, sees in ((staff("sales.view_salesorder"), False), (manager(), True)):
        client = Client()
        client.force_login(user)
        assert (door in client.get(page(order)).content.decode()) is sees


def test_an_orders_page_tells_its_sums_and_what_happened_around_it(client: Client) -> None:
    order = ready_to_ship((made_product(), 2))
    sales.record_payment(order, amount=Decimal(5), method="bank", actor=system_actor())
    sales.ship_order(order, actor=system_actor())
    shown = client.get(page(order)).context["document"]
    order.refresh_from_db()
    assert dict(shown["totals"])["Total"] == f"${order.grand_total:,.2f}"
    assert dict(shown["totals"])["Paid"] == "$5.00"
    told = [entry.what for entry in shown["timeline"]]
    number = Shipment.objects.get().shipment_number
    assert "took $5.00 by bank" in told
    assert any(words.startswith(f"shipped {number}") for words in told)


def test_nothing_is_offered_to_pack_or_resume_before_it_can_be(client: Client) -> None:
    making = confirmed((made_product(), 2))
    unknown = placed((None, 2), source="squarespace", source_order_id="1")
    assert (
        reverse("admin:sales_salesorder_verb", args=[making.pk, "pack"])
        not in client.get(page(making)).content.decode()
    )
    html = client.get(page(unknown)).content.decode()
    assert reverse("admin:sales_salesorder_verb", args=[unknown.pk, "map_line"]) in html
    assert reverse("admin:sales_salesorder_verb", args=[unknown.pk, "resume"]) not in html
