"""`/vendors` and `/purchase-orders`: what is bought, by those whose work it is."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test.utils import CaptureQueriesContext
from rest_framework.test import APIClient

from blb3d.accounts.models import User
from blb3d.accounts.roles import sync_roles
from inventory import services as inventory
from inventory.models import GoodsReceipt, MaterialLot, Product, ProductUnit, PurchaseOrder, Vendor
from inventory.services import PriceSpec, PurchaseLineSpec
from inventory.tests.factories import ComponentFactory, LocationFactory, MaterialFactory, VendorFactory, system_actor

pytestmark = pytest.mark.django_db
D = Decimal
ORDERS = "/api/v1/purchase-orders"


def person(role: str) -> APIClient:
    user = User.objects.filter(email=f"{role}@example.com").first()
    if user is None:
        sync_roles()
        user = User.objects.create_user(f"{role}@example.com", is_staff=True)
        user.groups.add(Group.objects.get(name=role))
    client = APIClient()
    client.force_authenticate(user)
    return client


@pytest.fixture
def buyer() -> APIClient:
    return person("purchasing")


@pytest.fixture
def pla() -> Product:
    """A filament that one vendor sells by the spool of 1 kg, cheaper from five on."""
    LocationFactory()
    product = MaterialFactory(sku="PLA")
    ProductUnit.objects.create(product=product, unit="spool", factor=D(1))
    prices = [PriceSpec(D(21)), PriceSpec(D("19.50"), D(5))]
    vendor = VendorFactory(code="FIL", name="Filament Supply")
    inventory.set_vendor_item(vendor, product, unit="spool", vendor_sku="F-1", prices=prices, actor=system_actor())
    return product


def written(client: APIClient, *lines: dict[str, Any], **more: Any) -> Any:
    return client.post(ORDERS, {"vendor": "FIL", "lines": list(lines), **more}, format="json")


def test_an_order_is_written_at_the_vendors_terms(buyer: APIClient, pla: Product) -> None:
    answer = written(buyer, {"sku": "pla", "quantity": "6"}, freight="5.00", message="Ship together")
    body = answer.json()
    assert answer.status_code == 201
    assert (body["status"], body["vendor"], body["subtotal"], body["total"]) == ("draft", "FIL", "117.00", "122.00")
    line = body["lines"][0]
    assert (line["sku"], line["vendor_sku"], line["quantity"], line["unit"], line["unit_price"]) == (
        "PLA",
        "F-1",
        "6.0000",
        "spool",
        "19.5000",
    )
    assert body["available_actions"] == ["order", "cancel"]
    assert buyer.get(f"{ORDERS}/{body['po_number']}").json() == body
    assert buyer.get(f"{ORDERS}?vendor=fil&product={pla.pk}").json()["count"] == 1
    assert buyer.get(f"{ORDERS}?vendor=nobody").json()["count"] == 0


def test_unit_and_price_may_be_said(buyer: APIClient, pla: Product) -> None:
    lines = ({"sku": "PLA", "quantity": "500", "unit": "g"}, {"sku": "PLA", "quantity": "1", "unit_price": "18"})
    body = written(buyer, *lines).json()
    assert [(line["unit"], line["unit_price"]) for line in body["lines"]] == [("g", "0.0120"), ("spool", "18.0000")]


def test_what_is_not_known_or_cannot_be_bought_is_refused(buyer: APIClient, pla: Product) -> None:
    ComponentFactory(sku="BOLT")
    for body, code in (
        ({"vendor": "NOBODY"}, "VALID_001"),
        ({"lines": [{"sku": "NOTHING", "quantity": "1"}]}, "VALID_001"),
        ({"lines": [{"sku": "PLA", "quantity": "0"}]}, "VALID_001"),
        ({"lines": [{"sku": "BOLT", "quantity": "1", "unit": "kg"}]}, "VALID_003"),
        ({"lines": []}, "VALID_001"),
        ({"colour": "red"}, "VALID_002"),
    ):
        asked = {"vendor": "FIL", "lines": [{"sku": "PLA", "quantity": "1"}], **body}
        answer = buyer.post(ORDERS, asked, format="json")
        assert (answer.status_code, answer.json()["error_code"]) == (400, code)
    assert not PurchaseOrder.objects.exists()


def test_the_same_key_writes_one_order(buyer: APIClient, pla: Product) -> None:
    body = {"vendor": "FIL", "lines": [{"sku": "PLA", "quantity": "1"}]}
    answers = [buyer.post(ORDERS, body, format="json", HTTP_IDEMPOTENCY_KEY="k-1") for _ in range(2)]
    assert answers[0].json() == answers[1].json()
    assert PurchaseOrder.objects.count() == 1


def test_a_dear_order_is_approved_by_somebody_else_ordered_and_received(buyer: APIClient, pla: Product) -> None:
    number = written(buyer, {"sku": "PLA", "quantity": "30"}).json()["po_number"]
    refused = buyer.post(f"{ORDERS}/{number}/order")
    assert (refused.status_code, refused.json()["error_code"]) == (409, "PURCHASE_002")
    assert buyer.post(f"{ORDERS}/{number}/approve").status_code == 403
    approved = person("manager").post(f"{ORDERS}/{number}/approve")
    assert approved.json()["approved_at"] is not None
    assert buyer.post(f"{ORDERS}/{number}/order").json()["status"] == "ordered"
    line = PurchaseOrder.objects.get().lines.get()
    came = {"line_id": line.pk, "quantity": "10", "vendor_lot_number": "V-9", "quarantine": True}
    answer = buyer.post(
        f"{ORDERS}/{number}/receive",
        {"lines": [came, {"line_id": line.pk, "quantity": "20"}], "packing_slip": "PS 1", "freight": "30.00"},
        format="json",
    )
    assert answer.status_code == 201
    body = answer.json()
    assert (body["order_status"], body["packing_slip"]) == ("received", "PS 1")
    assert [(row["stock_quantity"], row["unit_cost"], row["lot_status"]) for row in body["lines"]] == [
        ("10.0000", "20.5000", "QUARANTINE"),
        ("20.0000", "20.5000", "ACTIVE"),
    ]
    assert MaterialLot.objects.count() == 2


def test_a_receipt_that_is_refused_leaves_nothing(buyer: APIClient, pla: Product) -> None:
    number = written(buyer, {"sku": "PLA", "quantity": "2"}).json()["po_number"]
    buyer.post(f"{ORDERS}/{number}/order")
    line = PurchaseOrder.objects.get().lines.get()
    for row, code in (
        ({"line_id": line.pk, "quantity": "3"}, "PURCHASE_005"),
        ({"line_id": line.pk + 9, "quantity": "1"}, "VALID_001"),
        ({"line_id": line.pk, "quantity": "1", "location": "MOON"}, "VALID_001"),
    ):
        answer = buyer.post(f"{ORDERS}/{number}/receive", {"lines": [row]}, format="json")
        assert answer.json()["error_code"] == code
    assert not GoodsReceipt.objects.exists()
    assert buyer.get(f"{ORDERS}/{number}").json()["status"] == "ordered"


def test_an_order_is_cancelled_for_a_reason_and_not_by_who_saw_an_older_one(buyer: APIClient, pla: Product) -> None:
    body = written(buyer, {"sku": "PLA", "quantity": "2"}).json()
    path = f"{ORDERS}/{body['id']}"
    assert buyer.post(f"{path}/cancel", {}, format="json").status_code == 400
    stale = buyer.post(f"{path}/cancel", {"reason": "x", "version": body["version"] + 1}, format="json")
    assert stale.status_code == 409
    assert buyer.post(f"{path}/cancel", {"reason": "x"}, format="json").json()["status"] == "cancelled"


def test_who_may_only_look_changes_nothing(pla: Product, buyer: APIClient) -> None:
    path = f"{ORDERS}/{written(buyer, {'sku': 'PLA', 'quantity': '2'}).json()['id']}"
    operator = person("operator")
    assert operator.get(path).status_code == 200
    assert written(operator, {"sku": "PLA", "quantity": "2"}).status_code == 403
    for act in ("order", "approve", "receive", "cancel"):
        assert operator.post(f"{path}/{act}", {}, format="json").status_code == 403
    assert PurchaseOrder.objects.get().status == "draft"


def test_a_vendor_shows_what_it_sells(buyer: APIClient, pla: Product) -> None:
    vendor = Vendor.objects.get()
    assert buyer.get(f"/api/v1/vendors/{vendor.pk}").json()["currency"] == "USD"
    (item,) = buyer.get(f"/api/v1/vendors/{vendor.pk}/items").json()
    assert (item["sku"], item["unit"], [price["unit_price"] for price in item["prices"]]) == (
        "PLA",
        "spool",
        ["21.0000", "19.5000"],
    )


def test_lists_and_writes_cost_the_same_for_two_and_for_twenty(buyer: APIClient, pla: Product) -> None:
    lists, writes = [], []
    written(buyer, {"sku": "PLA", "quantity": "2"})
    for count in (2, 20):
        products = [ComponentFactory() for _ in range(count)]
        rows = [{"sku": product.sku, "quantity": "2"} for product in products]
        with CaptureQueriesContext(connection) as queries:
            assert written(buyer, *rows).status_code == 201
        writes.append(len(queries))
        for product in products:
            line = PurchaseLineSpec(product, D(1), "each")
            inventory.create_purchase_order(Vendor.objects.get(), lines=[line], actor=system_actor())
        with CaptureQueriesContext(connection) as queries:
            buyer.get(ORDERS)
        lists.append(len(queries))
    assert lists[0] == lists[1]
    assert writes[0] == writes[1]
