"""The sandbox keeps to the documented API, so that what works against it works against the shop."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest

from integrations.squarespace.sandbox import API, Sandbox, Shop
from integrations.squarespace.signature import HEADER, is_genuine
from integrations.tests.conftest import KEY, SECRET

HEADERS = {"Authorization": f"Bearer {KEY}", "User-Agent": "tests"}


@pytest.fixture
def api(sandbox: Sandbox) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=sandbox.url, headers=HEADERS) as client:
        yield client


def test_it_wants_a_key_and_a_name(api: httpx.Client, shop: Shop) -> None:
    answer = api.get(API, headers={"Authorization": "Bearer wrong"})
    assert answer.status_code == 401
    assert set(answer.json()) == {"type", "subtype", "message", "contextId"}
    assert api.get(API, headers={"User-Agent": ""}).status_code == 400


@pytest.mark.parametrize(
    ("query", "subtype"),
    [
        ("modifiedAfter=2025-01-01T00:00:00.000Z", "MISSING_ARGUMENT"),
        ("modifiedBefore=2025-01-01T00:00:00.000Z", "MISSING_ARGUMENT"),
        ("cursor=x&fulfillmentStatus=PENDING", None),
        ("cursor=unknown", None),
    ],
)
def test_it_refuses_parameters_that_do_not_go_together(api: httpx.Client, query: str, subtype: str | None) -> None:
    answer = api.get(f"{API}?{query}")
    assert (answer.status_code, answer.json()["subtype"]) == (400, subtype)


def test_it_lists_by_pages(api: httpx.Client, shop: Shop) -> None:
    shop.page_size = 2
    ids = {shop.create_order([{"sku": "A"}])["id"] for _ in range(3)}
    first = api.get(f"{API}?fulfillmentStatus=PENDING").json()
    assert first["pagination"]["hasNextPage"] is True
    second = api.get(API, params={"cursor": first["pagination"]["nextPageCursor"]}).json()
    assert second["pagination"] == {"hasNextPage": False, "nextPageCursor": None, "nextPageUrl": None}
    assert {row["id"] for row in first["result"] + second["result"]} == ids


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"shouldSendNotification": True},
        {"shouldSendNotification": True, "shipments": [{"carrierName": "USPS"}]},
        {
            "shouldSendNotification": True,
            "shipments": [
                {
                    "shipDate": "2025-01-01T00:00:00.000Z",
                    "carrierName": "USPS",
                    "service": "Ground",
                    "trackingNumber": "1",
                    "trackingUrl": "no link",
                }
            ],
        },
    ],
)
def test_it_refuses_shipments_that_miss_something(api: httpx.Client, shop: Shop, body: dict[str, Any]) -> None:
    order = shop.create_order([{"sku": "A"}])
    assert api.post(f"{API}/{order['id']}/fulfillments", json=body).status_code == 400
    assert (order["fulfillmentStatus"], order["fulfillments"], shop.emails) == ("PENDING", [], {})


def test_it_is_told_what_to_do(sandbox: Sandbox) -> None:
    with httpx.Client(base_url=sandbox.url) as control:
        made = control.post("/sandbox/orders", json={"lines": [{"sku": "A", "quantity": 2, "unitPricePaid": "3.00"}]})
        assert made.status_code == 201
        order = made.json()
        assert (order["orderNumber"], order["grandTotal"]["value"], order["delivered"]) == ("1001", "12.00", False)
        refunded = control.post(f"/sandbox/orders/{order['id']}/refund", json={"amount": "1.50"}).json()
        assert refunded["refundedTotal"]["value"] == "1.50"
        assert refunded["modifiedOn"] > order["modifiedOn"]
        changed = control.patch(f"/sandbox/orders/{order['id']}", json={"testmode": True}).json()
        assert changed["testmode"] is True
        assert control.post(f"/sandbox/orders/{order['id']}/cancel").json()["fulfillmentStatus"] == "CANCELED"
        assert control.post("/sandbox/faults", json={"kind": "500", "times": 1}).status_code == 201
        assert control.get(f"{API}/{order['id']}", headers=HEADERS).status_code == 500
        assert control.get(f"{API}/{order['id']}", headers=HEADERS).status_code == 200
        assert len(control.get("/sandbox/calls").json()["calls"]) == 2
        assert control.get("/sandbox/orders/nobody").status_code == 404


class Listener(BaseHTTPRequestHandler):
    """An ERP that is down for its first two notifications."""

    got: list[tuple[str, bytes, str]] = []
    enough = threading.Event()

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self.got.append((self.path, body, self.headers[HEADER]))
        self.send_response(503 if len(self.got) <= 2 else 200)
        self.send_header("Content-Length", "0")
        self.end_headers()
        if len(self.got) >= 3:
            self.enough.set()

    def log_message(self, *args: Any) -> None:
        pass


def test_it_signs_its_notifications_and_repeats_them_until_they_are_taken() -> None:
    Listener.got.clear()
    Listener.enough.clear()
    erp = ThreadingHTTPServer(("127.0.0.1", 0), Listener)
    threading.Thread(target=erp.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
    with Sandbox(Shop(KEY, SECRET, notify_url=f"http://127.0.0.1:{erp.server_port}")) as sandbox:
        made = httpx.post(f"{sandbox.url}/sandbox/orders", json={"lines": [{"sku": "A"}]}).json()
        assert made["delivered"] is False
        assert Listener.enough.wait(60)
    erp.shutdown()
    erp.server_close()
    paths, bodies, signatures = zip(*Listener.got, strict=True)
    assert set(paths) == {"/api/v1/webhooks/squarespace/order-created"}
    assert len(set(bodies)) == 1
    assert all(is_genuine(SECRET, bodies[0], signature) for signature in signatures)


def test_it_remembers_its_orders_over_a_restart(tmp_path: Path) -> None:
    file = tmp_path / "shop.json"
    order = Shop(KEY, SECRET, state_file=file).create_order([{"sku": "A"}])
    again = Shop(KEY, SECRET, state_file=file)
    assert again.orders == {order["id"]: order}
    assert [row.order_id for row in again.notifications] == [order["id"]]
    assert again.create_order([{"sku": "B"}])["orderNumber"] == "1002"
