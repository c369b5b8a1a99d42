"""A small shop that keeps to Squarespace's documented Orders API, for the demo and for tests: a real server.

It serves the API below ``/1.0/commerce/orders`` (Bearer key, custom User-Agent, paging rules, fulfilments, errors in
the documented shape) and sends signed notifications, again and again until they are taken. Below ``/sandbox/`` it can
be told what to do, as JSON:

    POST  /sandbox/orders               {"lines": [{"sku", "quantity", ...}], ...}: a buyer orders; the ERP is notified
    GET   /sandbox/orders/{id}          the order, with "emails": how many fulfilment mails its buyer got
    PATCH /sandbox/orders/{id}          change fields of the order as the API shows it
    POST  /sandbox/orders/{id}/notify   the last notification again; {"fresh": true}: a new one
    POST  /sandbox/orders/{id}/cancel | refund {"amount"} | fulfil
    POST  /sandbox/faults               {"kind", "times", "method", "path"}: see :class:`Fault`
    GET   /sandbox/calls                the API calls so far
"""

from __future__ import annotations

import base64
import binascii
import datetime
import json
import logging
import re
import socket
import threading
import time
import uuid
from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import parse_qsl, urlsplit

import httpx

from integrations.squarespace.signature import HEADER, sign

log = logging.getLogger(__name__)

API = "/1.0/commerce/orders"
#: Where the ERP takes each topic.
PATHS = {
    "order.create": "/api/v1/webhooks/squarespace/order-created",
    "order.update": "/api/v1/webhooks/squarespace/order-updated",
    "extension.uninstall": "/api/v1/webhooks/squarespace/extension-uninstall",
}
#: A notification is tried this often, at 1, 2, 4 ... and at most 60 s distance: most of a day.
MOST_TRIES = 1440
_NAMESPACE = uuid.UUID("6d1a7c52-7d0e-4f5e-9f6c-0f4f5b6f3a11")
_REQUIRED = ("shipDate", "carrierName", "service", "trackingNumber")


class ApiError(Exception):
    """An answer of the API that is an error."""

    def __init__(self, status: int, kind: str, message: str, subtype: str | None = None) -> None:
        super().__init__(message)
        self.status, self.kind, self.message, self.subtype = status, kind, message, subtype

    def body(self) -> dict[str, Any]:
        """Return the documented shape of an error."""
        return {
            "type": self.kind,
            "subtype": self.subtype,
            "message": self.message,
            "contextId": uuid.uuid4().hex,
        }


@dataclass
class Fault:
    """Trouble for the next ``times`` API calls that fit the method and have ``path`` in their address.

    ``kind``: an HTTP status such as 500 or 429; ``drop`` breaks the connection without doing anything; ``lose`` does it
    and breaks the connection before the answer; ``hang`` does it and answers after ``seconds``.
    """

    kind: str
    times: int = 1
    method: str = ""
    path: str = ""
    seconds: float = 2.0


@dataclass
class Notification:
    """A notification on its way to the ERP."""

    topic: str
    body: str
    order_id: str = ""
    tries: int = 0
    delivered: bool = False
    due: float = 0.0

    @property
    def path(self) -> str:
        """Return where the ERP takes it."""
        return PATHS[self.topic]


@dataclass
class Shop:
    """The shop's memory and its rules; ``state_file`` keeps it over a restart."""

    key: str
    secret: str
    notify_url: str = ""
    state_file: Path | None = None
    page_size: int = 50
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    emails: dict[str, int] = field(default_factory=dict)
    notifications: list[Notification] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    lock: threading.RLock = field(default_factory=threading.RLock)
    stopping: threading.Event = field(default_factory=threading.Event)

    def __post_init__(self) -> None:
        """Take up what the state file remembers."""
        if self.state_file and self.state_file.exists():
            kept = json.loads(self.state_file.read_text(encoding="utf-8"))
            self.orders, self.emails = kept["orders"], kept["emails"]
            self.notifications = [Notification(**{**row, "due": 0.0}) for row in kept["notifications"]]

    def save(self) -> None:
        """Write the state file, whole or not at all."""
        if self.state_file is None:
            return
        waiting = [asdict(row) for row in self.notifications if not row.delivered]
        kept = {"orders": self.orders, "emails": self.emails, "notifications": waiting}
        fresh = self.state_file.with_suffix(".new")
        fresh.write_text(json.dumps(kept, indent=1), encoding="utf-8")
        fresh.replace(self.state_file)

    # What people do in the shop --------------------------------------------------------------------------------------
    def create_order(self, lines: list[dict[str, Any]], **given: Any) -> dict[str, Any]:
        """Let a buyer order. A line takes sku and quantity and may give price, name, ids, options and type."""
        with self.lock:
            items = [_item(line) for line in lines]
            subtotal = sum((Decimal(row["unitPricePaid"]["value"]) * row["quantity"] for row in items), Decimal(0))
            amounts = {
                name: Decimal(str(given.pop(name, default)))
                for name, default in (("shippingTotal", "6.00"), ("discountTotal", "0.00"), ("taxTotal", "0.00"))
            }
            total = subtotal + amounts["shippingTotal"] + amounts["taxTotal"] - amounts["discountTotal"]
            number = max((int(order["orderNumber"]) for order in self.orders.values()), default=1000) + 1
            now = _now()
            order: dict[str, Any] = {
                "id": uuid.uuid4().hex[:24],
                "orderNumber": str(number),
                "createdOn": now,
                "modifiedOn": now,
                "channel": "web",
                "testmode": False,
                "customerEmail": f"buyer{number}@shop.example",
                "billingAddress": _address("Shop", "Buyer"),
                "shippingAddress": _address("Shop", "Buyer"),
                "fulfillmentStatus": "PENDING",
                "lineItems": items,
                "internalNotes": [],
                "shippingLines": [{"method": "Flat rate", "amount": _amount(amounts["shippingTotal"])}],
                "discountLines": [],
                "formSubmission": None,
                "fulfillments": [],
                "subtotal": _amount(subtotal),
                **{name: _amount(value) for name, value in amounts.items()},
                "refundedTotal": _amount(Decimal(0)),
                "grandTotal": _amount(total),
                "channelName": "Shop",
                "externalOrderReference": None,
                "fulfilledOn": None,
                "priceTaxInterpretation": "EXCLUSIVE",
                "paymentState": "PAID",
            }
            order |= given
            self.orders[order["id"]] = order
            self._tell("order.create", order["id"])
            return order

    def change(self, order_id: str, update: str = "", **fields: Any) -> dict[str, Any]:
        """Change an order and its time of modification; with ``update`` the ERP is notified of it."""
        with self.lock:
            order = self.order(order_id)
            order |= {"modifiedOn": _now(after=order["modifiedOn"]), **fields}
            if update:
                self._tell("order.update", order_id, update=update)
            self.save()
            return order

    def cancel(self, order_id: str) -> dict[str, Any]:
        """Cancel an order."""
        return self.change(order_id, "CANCELED", fulfillmentStatus="CANCELED")

    def refund(self, order_id: str, amount: str) -> dict[str, Any]:
        """Give money back; the order shows the running total."""
        with self.lock:
            total = Decimal(self.order(order_id)["refundedTotal"]["value"]) + Decimal(amount)
            return self.change(order_id, "REFUNDED", refundedTotal=_amount(total))

    def uninstall(self) -> None:
        """Remove the ERP's extension from the shop."""
        self._tell("extension.uninstall")

    def order(self, order_id: str) -> dict[str, Any]:
        """Return an order. Raises ApiError 404."""
        if order_id not in self.orders:
            raise ApiError(HTTPStatus.NOT_FOUND, "NOT_FOUND_ERROR", "There is no such order.")
        return self.orders[order_id]

    def summary(self, order_id: str) -> dict[str, Any]:
        """Return an order with what only the sandbox knows of it."""
        with self.lock:
            news = [row for row in self.notifications if row.order_id == order_id]
            delivered = bool(news) and all(row.delivered for row in news)
            return {**self.order(order_id), "emails": self.emails.get(order_id, 0), "delivered": delivered}

    # Notifications ---------------------------------------------------------------------------------------------------
    def _tell(self, topic: str, order_id: str = "", update: str = "") -> None:
        data = {name: value for name, value in (("orderId", order_id), ("update", update)) if value}
        told = {
            "id": uuid.uuid4().hex[:24],
            "websiteId": "sandbox-website",
            "subscriptionId": "sandbox-subscription",
            "topic": topic,
            "createdOn": _now()[:16] + "+00:00",  # without seconds, as the vendor's example
            "data": data,
        }
        with self.lock:
            # A moment later, so that whoever made the news may send it first and see the answer.
            self.notifications.append(Notification(topic, json.dumps(told), order_id, due=time.monotonic() + 1))
            self.save()

    def signed(self, notification: Notification) -> tuple[bytes, dict[str, str]]:
        """Return body and headers of a notification."""
        body = notification.body.encode()
        return body, {
            "User-Agent": "Squarespace/1.0",
            "Content-Type": "application/json",
            HEADER: sign(self.secret, body),
        }

    def deliver(self, notification: Notification) -> bool:
        """Send a notification once; True when the ERP took it."""
        body, headers = self.signed(notification)
        notification.tries += 1
        notification.due = time.monotonic() + min(2.0 ** (notification.tries - 1), 60.0)
        try:
            answer = httpx.post(self.notify_url + notification.path, content=body, headers=headers, timeout=10)
        except httpx.TransportError as error:
            log.info("nobody took %s: %s", notification.topic, error)
            return False
        log.info("%s %s -> %s", notification.topic, notification.order_id, answer.status_code)
        if answer.is_success:
            notification.delivered = True
            with self.lock:
                self.save()
        return answer.is_success

    def notify(self, order_id: str, *, fresh: bool = False) -> bool:
        """Send an order's last notification again, with the same id; ``fresh`` makes a new one."""
        if fresh:
            self._tell("order.update", order_id, update="MARKED_PENDING")
        return self.deliver([row for row in self.notifications if row.order_id == order_id][-1])

    def keep_sending(self) -> None:
        """Repeat what was not taken until it is, or until the shop closes; the body of a thread."""
        while not self.stopping.wait(0.2):
            with self.lock:
                waiting = [row for row in self.notifications if not row.delivered and row.tries < MOST_TRIES]
            for row in waiting:
                if row.due <= time.monotonic() and not self.stopping.is_set():
                    self.deliver(row)

    # The API ---------------------------------------------------------------------------------------------------------
    def list_orders(self, params: dict[str, str]) -> dict[str, Any]:
        """Return a page of orders, last modified first, by the documented rules for parameters."""
        others = sorted(set(params) - {"cursor"})
        if "cursor" in params:
            if others:
                raise ApiError(
                    HTTPStatus.BAD_REQUEST, "INVALID_REQUEST_ERROR", "Cursor cannot be set while other parameters are"
                )
            params = _open_cursor(params["cursor"])
        if ("modifiedAfter" in params) != ("modifiedBefore" in params):
            raise ApiError(
                HTTPStatus.BAD_REQUEST,
                "INVALID_REQUEST_ERROR",
                "modifiedAfter and modifiedBefore go together.",
                subtype="MISSING_ARGUMENT",
            )
        rows = sorted(self.orders.values(), key=lambda order: str(order["modifiedOn"]), reverse=True)
        if "modifiedAfter" in params:
            after, before = params["modifiedAfter"], params["modifiedBefore"]
            rows = [row for row in rows if after <= row["modifiedOn"] < before]
        if "fulfillmentStatus" in params:
            rows = [row for row in rows if row["fulfillmentStatus"] == params["fulfillmentStatus"]]
        start = int(params.pop("start", 0))
        end = start + self.page_size
        more = end < len(rows)
        cursor = base64.urlsafe_b64encode(json.dumps({**params, "start": str(end)}).encode()).decode() if more else None
        return {
            "result": rows[start:end],
            "pagination": {
                "hasNextPage": more,
                "nextPageCursor": cursor,
                # The vendor's own sample names another address here: only the cursor counts.
                "nextPageUrl": f"https://api.squarespace.com/1.0/commerce/inventory?cursor={cursor}" if more else None,
            },
        }

    def fulfil(self, order_id: str, told: Any) -> None:
        """Take shipments: the order becomes FULFILLED, whatever is still missing of it, and its buyer gets a mail."""
        with self.lock:
            order = self.order(order_id)
            shipments = told.get("shipments") if isinstance(told, dict) else None
            if not isinstance(shipments, list) or not isinstance(told.get("shouldSendNotification"), bool):
                raise ApiError(HTTPStatus.BAD_REQUEST, "INVALID_REQUEST_ERROR", "shipments are needed.")
            for row in shipments:
                missing = [name for name in _REQUIRED if not (isinstance(row, dict) and row.get(name))]
                if missing:
                    raise ApiError(HTTPStatus.BAD_REQUEST, "INVALID_REQUEST_ERROR", f"{missing[0]} is needed.")
                link = row.get("trackingUrl")
                if link and urlsplit(link).scheme not in {"http", "https"}:
                    raise ApiError(HTTPStatus.BAD_REQUEST, "INVALID_REQUEST_ERROR", "trackingUrl is no address.")
            if order["fulfillmentStatus"] == "CANCELED":
                raise ApiError(HTTPStatus.CONFLICT, "INVALID_REQUEST_ERROR", "The order is canceled.")
            if told["shouldSendNotification"]:
                self.emails[order_id] = self.emails.get(order_id, 0) + 1
            self.change(
                order_id,
                "FULFILLED",
                fulfillmentStatus="FULFILLED",
                fulfilledOn=_now(),
                fulfillments=[*order["fulfillments"], *({"trackingUrl": None, **row} for row in shipments)],
            )

    def fault_for(self, method: str, path: str) -> Fault | None:
        """Return the trouble that is due for a call, and use it up."""
        with self.lock:
            for fault in self.faults:
                if fault.times > 0 and fault.method in ("", method) and fault.path in path:
                    fault.times -= 1
                    return fault
        return None


class Sandbox:
    """A running shop; a context manager. ``shop`` is its memory, ``url`` its address."""

    def __init__(self, shop: Shop, port: int = 0) -> None:
        """Open the shop on a port of this machine; 0 takes a free one."""
        self.shop = shop
        self.server = ThreadingHTTPServer(("127.0.0.1", port), _handler(shop))
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self._threads = [threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)]
        if shop.notify_url:
            self._threads.append(threading.Thread(target=shop.keep_sending, daemon=True))

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shop.stopping.set()
        self.server.shutdown()
        self.server.server_close()
        for thread in self._threads:
            thread.join(timeout=15)


def _handler(shop: Shop) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002  (the base class names it)
            log.debug(format, *args)

        def do_GET(self) -> None:
            self._serve()

        def do_POST(self) -> None:
            self._serve()

        def do_PATCH(self) -> None:
            self._serve()

        def _serve(self) -> None:
            target = urlsplit(self.path)
            raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
            fault = None
            try:
                body = json.loads(raw) if raw else {}
                if target.path.startswith("/sandbox/"):
                    self._answer(*_control(shop, self.command, target.path, body))
                    return
                shop.calls.append(f"{self.command} {self.path}")
                fault = shop.fault_for(self.command, self.path)
                if fault and fault.kind == "drop":
                    self._hang_up()
                    return
                if fault and fault.kind.isdigit():
                    raise ApiError(int(fault.kind), "SERVER_ERROR", "Trouble, as asked for.")
                status, answer = _api(shop, self, target.path, dict(parse_qsl(target.query)), body)
            except ApiError as error:
                status, answer = error.status, error.body()
            except (ValueError, KeyError, TypeError) as error:
                status, answer = HTTPStatus.BAD_REQUEST, {"type": "INVALID_REQUEST_ERROR", "message": str(error)}
            if fault and fault.kind == "lose":
                self._hang_up()
                return
            if fault and fault.kind == "hang":
                shop.stopping.wait(fault.seconds)
            self._answer(status, answer)

        def _answer(self, status: int, body: Any) -> None:
            content = b"" if body is None else json.dumps(body).encode()
            try:
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)
            except ConnectionError:
                self.close_connection = True

        def _hang_up(self) -> None:
            self.close_connection = True
            self.connection.shutdown(socket.SHUT_RDWR)

    return Handler


def _api(
    shop: Shop, request: BaseHTTPRequestHandler, path: str, params: dict[str, str], body: Any
) -> tuple[int, dict[str, Any] | None]:
    if request.headers.get("Authorization") != f"Bearer {shop.key}":
        raise ApiError(HTTPStatus.UNAUTHORIZED, "AUTHORIZATION_ERROR", "You are not authorized to do that.")
    if not request.headers.get("User-Agent"):
        raise ApiError(HTTPStatus.BAD_REQUEST, "INVALID_REQUEST_ERROR", "A User-Agent is needed.")
    if request.command == "GET" and path == API:
        with shop.lock:
            return HTTPStatus.OK, shop.list_orders(params)
    one = re.fullmatch(rf"{API}/([^/]+)(/fulfillments)?", path)
    if one and request.command == "GET" and not one[2]:
        with shop.lock:
            return HTTPStatus.OK, dict(shop.order(one[1]))
    if one and request.command == "POST" and one[2]:
        shop.fulfil(one[1], body)
        return HTTPStatus.NO_CONTENT, None
    raise ApiError(HTTPStatus.NOT_FOUND, "NOT_FOUND_ERROR", "There is nothing here.")


def _control(shop: Shop, method: str, path: str, body: dict[str, Any]) -> tuple[int, Any]:
    if (method, path) == ("POST", "/sandbox/orders"):
        order = shop.create_order(body.pop("lines"), **body)
        if shop.notify_url:
            shop.notify(order["id"])
        return HTTPStatus.CREATED, shop.summary(order["id"])
    if (method, path) == ("POST", "/sandbox/faults"):
        shop.faults.append(Fault(**body))
        return HTTPStatus.CREATED, {"faults": [asdict(fault) for fault in shop.faults]}
    if (method, path) == ("GET", "/sandbox/calls"):
        return HTTPStatus.OK, {"calls": list(shop.calls)}
    one = re.fullmatch(r"/sandbox/orders/([^/]+)(?:/(\w+))?", path)
    if one is None:
        raise ApiError(HTTPStatus.NOT_FOUND, "NOT_FOUND_ERROR", "There is nothing here.")
    order_id, act = one[1], one[2] or ""
    shop.order(order_id)
    acts: dict[tuple[str, str], Callable[[], Any]] = {
        ("GET", ""): lambda: None,
        ("PATCH", ""): lambda: shop.change(order_id, **body),
        ("POST", "cancel"): lambda: shop.cancel(order_id),
        ("POST", "refund"): lambda: shop.refund(order_id, str(body["amount"])),
        ("POST", "fulfil"): lambda: shop.change(order_id, "FULFILLED", fulfillmentStatus="FULFILLED"),
    }
    if (method, act) == ("POST", "notify"):
        taken = shop.notify(order_id, fresh=bool(body.get("fresh")))
        return HTTPStatus.OK, {"delivered": taken}
    if (method, act) not in acts:
        raise ApiError(HTTPStatus.NOT_FOUND, "NOT_FOUND_ERROR", "There is nothing here.")
    acts[method, act]()
    return HTTPStatus.OK, shop.summary(order_id)


def _item(line: dict[str, Any]) -> dict[str, Any]:
    sku = line.get("sku")
    name = str(line.get("productName") or sku)
    return {
        "id": uuid.uuid4().hex[:24],
        "variantId": str(uuid.uuid5(_NAMESPACE, f"variant {sku}")),
        "productId": uuid.uuid5(_NAMESPACE, f"product {sku}").hex[:24],
        "weight": 0.0,
        "width": 0.0,
        "length": 0.0,
        "height": 0.0,
        "productName": name,
        "variantOptions": [],
        "customizations": None,
        "imageUrl": None,
        "lineItemType": "PHYSICAL_PRODUCT",
        **line,
        "quantity": int(line.get("quantity", 1)),
        "unitPricePaid": _amount(Decimal(str(line.get("unitPricePaid", "19.00")))),
    }


def _address(first: str, last: str) -> dict[str, str | None]:
    return {
        "firstName": first,
        "lastName": last,
        "address1": "7 Canal Street",
        "address2": None,
        "city": "Fort Wayne",
        "state": "IN",
        "countryCode": "US",
        "postalCode": "46802",
        "phone": "2605550100",
    }


def _amount(value: Decimal) -> dict[str, str]:
    return {"value": f"{value:.2f}", "currency": "USD"}


def _now(after: str = "") -> str:
    """Return the time as the API writes it, later than ``after`` by at least a millisecond."""
    now = datetime.datetime.now(datetime.UTC)
    if after:
        now = max(now, datetime.datetime.fromisoformat(after) + datetime.timedelta(milliseconds=1))
    return now.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _open_cursor(cursor: str) -> dict[str, str]:
    try:
        opened: dict[str, str] = json.loads(base64.urlsafe_b64decode(cursor))
    except (ValueError, binascii.Error) as error:
        raise ApiError(HTTPStatus.BAD_REQUEST, "INVALID_REQUEST_ERROR", "This cursor is not known.") from error
    return opened
