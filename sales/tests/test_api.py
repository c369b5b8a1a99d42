from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from blb3d.accounts.models import User
from sales import services as sales
from sales.models import CustomerAddress, CustomerUser, Invoice, Payment, SalesOrder, Shipment
from sales.tests.factories import (
    CustomerAddressFactory,
    CustomerUserFactory,
    confirmed,
    made_product,
    manager,
    placed,
    ready_to_ship,
    staff,
    system_actor,
)

pytestmark = pytest.mark.django_db


def client(user: User | None = None) -> APIClient:
    api = APIClient()
    if user is not None:
        api.force_authenticate(user)
    return api


def outcome(response):
    return response.status_code, response.json().get("error_code")


@pytest.fixture
def owner():
    return CustomerUserFactory()


@pytest.fixture
def order(owner):
    return placed((made_product(), 2), customer=owner.customer, source="portal")


ORDER = "/api/v1/sales-orders/{order}"
CHARGE = {"sales_order_id": "{order}", "method": "card", "token": "tok_ok"}
#: method, address, body, and what anonymous, a stranger, the owner, staff without and staff with permission get
MATRIX = [
    ("get", "/api/v1/sales-orders", {}, 401, 200, 200, 403, 200),
    ("post", "/api/v1/sales-orders", {"lines": []}, 401, 400, 400, 403, 400),
    ("get", ORDER, {}, 401, 404, 200, 403, 200),
    ("get", f"{ORDER}/history", {}, 401, 404, 200, 403, 200),
    ("get", f"{ORDER}/progress", {}, 401, 404, 200, 403, 200),
    ("patch", f"{ORDER}/status", {"status": "confirmed"}, 401, 404, 403, 403, 200),
    ("patch", f"{ORDER}/payment", {"amount": "1.00", "method": "bank"}, 401, 404, 403, 403, 200),
    ("patch", f"{ORDER}/shipping", {"shipping_city": "Bend"}, 401, 404, 403, 403, 200),
    ("post", f"{ORDER}/hold", {"reason": "wait"}, 401, 404, 403, 403, 200),
    ("post", f"{ORDER}/resume", {}, 401, 404, 403, 403, 409),
    ("post", f"{ORDER}/cancel", {"reason": "no"}, 401, 404, 403, 403, 200),
    ("post", f"{ORDER}/reorder", {}, 401, 404, 201, 403, 201),
    ("get", "/api/v1/shipments", {}, 401, 200, 200, 403, 200),
    ("post", "/api/v1/shipments", {"sales_order_id": "{order}"}, 401, 404, 403, 403, 409),
    ("get", "/api/v1/invoices", {}, 401, 200, 200, 403, 200),
    ("get", "/api/v1/payments", {}, 401, 200, 200, 403, 200),
    ("post", "/api/v1/payments", CHARGE, 401, 404, 201, 403, 201),
    ("get", "/api/v1/customers", {}, 401, 403, 403, 403, 200),
    ("get", "/api/v1/customers/{customer}", {}, 401, 403, 403, 403, 200),
    ("get", "/api/v1/customers/me", {}, 401, 200, 200, 404, 404),
    ("patch", "/api/v1/customers/me", {"phone": "5"}, 401, 200, 200, 404, 404),
    ("get", "/api/v1/customers/users", {}, 401, 200, 200, 404, 404),
    ("patch", "/api/v1/customers/users/{member}", {"role": "ADMIN"}, 401, 404, 200, 404, 404),
    ("get", "/api/v1/customers/addresses", {}, 401, 200, 200, 404, 404),
    ("patch", "/api/v1/customers/addresses/{address}", {"city": "Bend"}, 401, 404, 200, 404, 404),
    ("delete", "/api/v1/customers/addresses/{address}", {}, 401, 404, 204, 404, 404),
]  # fmt: skip


@pytest.mark.parametrize(
    ("method", "path", "body", "anonymous", "stranger", "owns", "clerk", "boss"),
    MATRIX,
    ids=[f"{row[0]} {row[1]}" for row in MATRIX],
)
def test_who_may_do_what(order, owner, method, path, body, anonymous, stranger, owns, clerk, boss):
    address = CustomerAddressFactory(customer=owner.customer)
    ids = {"order": order.pk, "customer": owner.customer_id, "member": owner.pk, "address": address.pk}
    body = {name: value.format(**ids) if isinstance(value, str) else value for name, value in body.items()}
    callers = [
        (None, anonymous),
        (CustomerUserFactory().user, stranger),
        (staff(), clerk),
        (owner.user, owns),
    ]
    for user, expected in callers:
        response = getattr(client(user), method)(path.format(**ids), body)
        assert response.status_code == expected, (user, response.content)
    if owns not in (201, 204):  # what the owner has just done cannot be done again
        assert getattr(client(manager()), method)(path.format(**ids), body).status_code == boss


@pytest.mark.parametrize("act", ["ship", "deliver", "void"])
def test_who_may_move_a_parcel(act):
    owner = CustomerUserFactory()
    ready = ready_to_ship((made_product(), 1), customer=owner.customer)
    parcel = sales.pack_shipment(ready, actor=system_actor())
    if act == "deliver":
        sales.ship_shipment(parcel, actor=system_actor())
    path, body = f"/api/v1/shipments/{parcel.pk}/{act}", {"reason": "x"} if act == "void" else {}
    for user, expected in (
        (None, 401),
        (CustomerUserFactory().user, 404),
        (owner.user, 403),
        (staff(), 403),
        (staff("sales.view_shipment"), 403),
        (manager(), 200),
    ):
        assert client(user).post(path, body).status_code == expected
    assert client(owner.user).get(f"/api/v1/shipments/{parcel.pk}").status_code == 200
    assert client(CustomerUserFactory().user).get(f"/api/v1/shipments/{parcel.pk}").status_code == 404


def test_who_may_read_an_invoice():
    owner = CustomerUserFactory()
    bill = sales.issue_invoice(confirmed((made_product(), 1), customer=owner.customer), actor=system_actor())
    for path in (f"/api/v1/invoices/{bill.pk}", f"/api/v1/invoices/{bill.pk}/pdf"):
        for user, expected in (
            (None, 401),
            (CustomerUserFactory().user, 404),
            (staff(), 403),
            (owner.user, 200),
            (manager(), 200),
        ):
            assert client(user).get(path).status_code == expected
    pdf = client(owner.user).get(f"/api/v1/invoices/{bill.pk}/pdf")
    assert pdf["Content-Type"] == "application/pdf"
    assert pdf.content.startswith(b"%PDF-")


def test_an_order_is_shown_with_the_agreed_fields(order, owner):
    shown = client(owner.user).get(f"/api/v1/sales-orders/{order.pk}")
    body = shown.json()
    line = order.lines.get()
    assert {
        "id", "order_number", "order_type", "source", "source_order_id", "status", "payment_status", "customer_id",
        "quote_id", "product_id", "lines", "subtotal", "discount_total", "shipping_total", "tax_total", "grand_total",
        "currency", "promised_date", "version", "available_actions",
    } <= set(body)  # fmt: skip
    assert body["lines"] == [
        {
            "id": line.pk,
            "line_number": 1,
            "product_id": line.product_id,
            "sku": line.product.sku,
            "name": line.name,
            "options": {},
            "quantity": 2,
            "unit_price": "12.50",
            "total": "25.00",
            "quantity_shipped": 0,
            "status": "open",
        }
    ]
    assert body["grand_total"] == "26.75"
    assert body["available_actions"] == ["pay", "reorder"]
    assert shown["ETag"] == f'"{order.version}"'
    by_number = client(manager()).get(f"/api/v1/sales-orders/{order.order_number}/").json()
    assert by_number["id"] == order.pk
    assert by_number["available_actions"] == ["confirm", "hold", "cancel", "pay", "reorder"]


def test_a_list_costs_the_same_queries_however_long_it_is():
    product, boss = made_product(), manager()

    def queries(path: str) -> int:
        user = User.objects.get(pk=boss.pk)  # permissions are read anew
        with CaptureQueriesContext(connection) as captured:
            assert client(user).get(path, {"page_size": 200}).status_code == 200
        return len(captured)

    def fill() -> None:
        for _ in range(3):
            ready = ready_to_ship((product, 1))
            sales.record_payment(ready, amount=Decimal(1), method="bank", actor=system_actor())
            sales.ship_order(ready, actor=system_actor())
            sales.issue_invoice(ready, actor=system_actor())

    paths = ("sales-orders", "shipments", "invoices", "payments", "customers")
    fill()
    few = [queries(f"/api/v1/{path}") for path in paths]
    fill()
    fill()
    assert [queries(f"/api/v1/{path}") for path in paths] == few
    assert max(few) <= 10


def test_staff_place_an_order_and_repeating_it_places_none(owner):
    product = made_product()
    body = {
        "customer_id": owner.customer_id,
        "lines": [
            {"sku": product.sku.lower(), "quantity": 3, "unit_price": "9.00"},
            {"product_id": product.pk, "quantity": 1},
        ],
        "shipping_address_line1": "1 Quay",
        "shipping_city": "Bend",
        "shipping_zip": "97701",
        "source_order_id": "erp-77",
    }
    api = client(manager())
    first = api.post("/api/v1/sales-orders", body, headers={"Idempotency-Key": "a"})
    assert first.status_code == 201
    assert [line["unit_price"] for line in first.json()["lines"]] == ["9.00", "12.50"]
    assert (first.json()["source"], first.json()["shipping_city"]) == ("api", "Bend")
    again = api.post("/api/v1/sales-orders", body, headers={"Idempotency-Key": "a"})
    assert (again.status_code, again["Idempotency-Replayed"], again.json()) == (201, "true", first.json())
    assert api.post("/api/v1/sales-orders", body).json()["id"] == first.json()["id"]
    assert SalesOrder.objects.count() == 1


def test_a_customer_orders_at_list_price_for_itself(owner):
    product = made_product()
    api = client(owner.user)
    placed_order = api.post(
        "/api/v1/sales-orders", {"lines": [{"sku": product.sku, "quantity": 2}], "source_order_id": "7"}
    )
    assert placed_order.status_code == 201
    assert placed_order.json()["customer_id"] == owner.customer_id
    assert placed_order.json()["subtotal"] == "25.00"
    stranger = CustomerUserFactory()
    other = client(stranger.user).post(
        "/api/v1/sales-orders", {"lines": [{"sku": product.sku, "quantity": 2}], "source_order_id": "7"}
    )
    assert other.json()["customer_id"] == stranger.customer_id


@pytest.mark.parametrize(
    "extra",
    [
        {"customer_id": 1},
        {"tax_total": "0.00"},
        {"discount_total": "5.00"},
        {"lines": [{"sku": "X", "quantity": 1, "unit_price": "0.01"}]},
    ],
)
def test_a_customer_cannot_set_what_is_ours_to_set(owner, extra):
    body = {"lines": [{"sku": made_product().sku, "quantity": 1}], **extra}
    assert outcome(client(owner.user).post("/api/v1/sales-orders", body)) == (403, "PERM_001")
    assert SalesOrder.objects.count() == 0


@pytest.mark.parametrize("quantity", [0, -1, 10**9, 1.5, "x"])
def test_an_impossible_quantity_is_refused(owner, quantity):
    body = {"lines": [{"sku": made_product().sku, "quantity": quantity}]}
    assert outcome(client(owner.user).post("/api/v1/sales-orders", body)) == (400, "VALID_001")
    assert SalesOrder.objects.count() == 0


def test_an_unknown_field_or_product_is_refused(owner):
    api, product = client(owner.user), made_product()
    line = {"sku": product.sku, "quantity": 1}
    unknown = api.post("/api/v1/sales-orders", {"lines": [line], "status": "confirmed"})
    assert outcome(unknown) == (400, "VALID_002")
    assert "customer_po_number" in unknown.json()["details"]["known"]
    assert outcome(api.post("/api/v1/sales-orders", {"lines": [{"sku": "NO", "quantity": 1}]})) == (400, "VALID_001")
    half = api.post("/api/v1/sales-orders", {"lines": [line], "shipping_city": "Bend"})
    assert outcome(half) == (400, "VALID_001")
    assert "shipping_address_line1" in half.json()["details"]["fields"]
    assert SalesOrder.objects.count() == 0


def test_a_status_that_needs_an_argument_or_is_not_next_is_refused(order):
    api = client(manager())
    for wanted in ("on_hold", "cancelled", "shipped", "delivered", "in_production"):
        answer = api.patch(f"/api/v1/sales-orders/{order.pk}/status", {"status": wanted})
        assert outcome(answer) == (409, "CONFLICT_002")
        assert answer.json()["details"]["allowed"] == ["confirm", "hold", "cancel"]
    order.refresh_from_db()
    assert order.status == "pending"


@pytest.mark.parametrize("how", ["body", "header"])
def test_a_stale_version_is_409(order, how):
    api, path, old = client(manager()), f"/api/v1/sales-orders/{order.pk}/shipping", order.version
    assert api.patch(path, {"shipping_city": "Bend"}).status_code == 200
    body = {"shipping_city": "Salem"}
    stale = (
        api.patch(path, {**body, "version": old})
        if how == "body"
        else api.patch(path, body, headers={"If-Match": f'"{old}"'})
    )
    assert outcome(stale) == (409, "CONFLICT_001")
    assert stale.json()["details"]["version"] == old + 1
    order.refresh_from_db()
    assert order.shipping_city == "Bend"


def test_staff_record_a_payment_in_full_and_the_order_is_confirmed(order):
    body = {"amount": str(order.grand_total), "method": "bank", "reference": "st-1"}
    answer = client(manager()).patch(f"/api/v1/sales-orders/{order.pk}/payment", body)
    assert (answer.json()["payment_status"], answer.json()["status"]) == ("paid", "confirmed")
    assert Payment.objects.get().reference == "st-1"


def test_a_declined_card_is_402_and_changes_nothing(order, owner):
    body = {"sales_order_id": order.pk, "method": "card", "token": "tok_declined"}
    assert outcome(client(owner.user).post("/api/v1/payments", body)) == (402, "PAYMENT_001")
    order.refresh_from_db()
    assert (order.status, order.payment_status) == ("pending", "pending")


def test_the_same_payment_key_charges_once(order, owner):
    body = {"sales_order_id": order.pk, "method": "card", "token": "tok_ok"}
    api = client(owner.user)
    first = api.post("/api/v1/payments", body, headers={"Idempotency-Key": "p"})
    assert (first.status_code, first.json()["amount"]) == (201, str(order.grand_total))
    assert api.post("/api/v1/payments", body, headers={"Idempotency-Key": "p"}).json() == first.json()
    other = {**body, "token": "tok_declined"}
    assert api.post("/api/v1/payments", other, headers={"Idempotency-Key": "p"}).status_code == 422
    assert Payment.objects.count() == 1


def test_a_tracking_number_ships_the_order():
    ready, api = ready_to_ship((made_product(), 2)), client(manager())
    answer = api.patch(
        f"/api/v1/sales-orders/{ready.pk}/shipping",
        {"carrier": "UPS", "tracking_number": "1Z", "version": ready.version},
    )
    assert answer.json()["status"] == "shipped"
    assert answer.json()["lines"][0]["status"] == "shipped"
    parcel = api.get("/api/v1/shipments", {"sales_order": ready.pk}).json()["results"][0]
    assert (parcel["tracking_number"], parcel["status"], parcel["available_actions"]) == ("1Z", "shipped", ["deliver"])


def test_staff_pack_part_of_an_order_and_ship_it():
    ready, api = ready_to_ship((made_product(is_serialized=True), 3)), client(manager())
    line = ready.lines.get()
    packed = api.post("/api/v1/shipments", {"sales_order_id": ready.pk, "items": [{"line_id": line.pk, "quantity": 2}]})
    assert packed.status_code == 201
    assert packed.json()["lines"][0]["quantity"] == len(packed.json()["lines"][0]["serials"]) == 2
    shipped = api.post(f"/api/v1/shipments/{packed.json()['id']}/ship", {"tracking_number": "T"})
    assert shipped.json()["status"] == "shipped"
    too_many = api.post(
        "/api/v1/shipments", {"sales_order_id": ready.pk, "items": [{"line_id": line.pk, "quantity": 2}]}
    )
    assert outcome(too_many) == (409, "ORDER_004")
    assert Shipment.objects.count() == 1


def test_the_history_names_people_to_staff_only(order, owner):
    boss = manager()
    client(boss).post(f"/api/v1/sales-orders/{order.pk}/hold", {"reason": "Colour?"})
    rows = client(boss).get(f"/api/v1/sales-orders/{order.pk}/history").json()
    assert [(row["old"], row["new"], row["reason"]) for row in rows] == [
        (None, "pending", ""),
        ("pending", "on_hold", "Colour?"),
    ]
    assert rows[1]["by"] == str(boss)
    assert {row["by"] for row in client(owner.user).get(f"/api/v1/sales-orders/{order.pk}/history").json()} == {None}


def test_a_cancel_without_a_reason_is_refused(order):
    assert outcome(client(manager()).post(f"/api/v1/sales-orders/{order.pk}/cancel", {})) == (400, "VALID_001")
    order.refresh_from_db()
    assert order.status == "pending"


def test_registering_answers_with_the_user_and_logs_in():
    body = {
        "email": "Kira@Example.com",
        "password": "a good long passphrase",
        "first_name": "Kira",
        "last_name": "Nerys",
        "company_name": "DS9",
    }
    registered = client().post("/api/v1/auth/register", body)
    assert registered.status_code == 201
    assert (registered.json()["email"], "password" in registered.json()) == ("kira@example.com", False)
    tokens = client().post("/api/v1/auth/login", {"email": body["email"], "password": body["password"]}).json()
    me = APIClient().get("/api/v1/customers/me", headers={"authorization": f"Bearer {tokens['access_token']}"})
    assert (me.json()["company_name"], me.json()["terms"]) == ("DS9", "prepaid")
    assert outcome(client().post("/api/v1/auth/register", body)) == (409, "AUTH_005")
    assert CustomerUser.objects.count() == 1


def test_an_administrator_manages_people_and_addresses(owner):
    api = client(owner.user)
    person = {"email": "ben@example.com", "first_name": "Ben", "last_name": "Sisko"}
    added = api.post("/api/v1/customers/users", person)
    assert (added.status_code, added.json()["role"]) == (201, "BUYER")
    buyer = client(User.objects.get(email="ben@example.com"))
    assert outcome(buyer.post("/api/v1/customers/users", {**person, "email": "x@example.com"})) == (403, "PERM_001")
    assert outcome(buyer.patch("/api/v1/customers/me", {"phone": "1"})) == (403, "PERM_001")
    last = api.patch(f"/api/v1/customers/users/{owner.pk}", {"role": "BUYER"})
    assert outcome(last) == (400, "VALID_001")
    home = {"address_line1": "1 Ring", "city": "Bend", "postal_code": "9", "is_default": True}
    first, second = (api.post("/api/v1/customers/addresses", home) for _ in range(2))
    assert first.status_code == second.status_code == 201
    assert CustomerAddress.objects.get(is_default=True).pk == second.json()["id"]
    terms = api.patch("/api/v1/customers/me", {"terms": "net_60"})
    assert outcome(terms) == (400, "VALID_002")


def test_a_user_who_was_switched_off_sees_nothing(order, owner):
    CustomerUser.objects.filter(pk=owner.pk).update(is_active=False)
    api = client(owner.user)
    assert api.get(f"/api/v1/sales-orders/{order.pk}").status_code == 404
    assert api.get("/api/v1/sales-orders").json()["count"] == 0
    assert api.get("/api/v1/customers/me").status_code == 404
    assert Invoice.objects.count() == 0
