"""Benches 1 and 13: how orders come in, and what they cost until their production orders stand."""

from __future__ import annotations

import hashlib
import hmac
import itertools
import json
import random
from decimal import Decimal
from typing import Any

from django.contrib.auth import get_user_model
from django.test import Client, override_settings
from rest_framework_simplejwt.tokens import AccessToken

from blb3d.accounts.models import User
from blb3d.bench import data, floor
from blb3d.bench.measure import Report, counting, interleaved
from blb3d.bench.rawcopy import RawCopy
from blb3d.core.inbox import InboundMessage
from inventory.models import Product
from production.models import ProductionOrder
from sales import services as sales
from sales.models import Customer, SalesOrder
from sales.services import LineDraft, OrderDraft

_WEB: dict[str, Any] = {"ALLOWED_HOSTS": ["testserver"], "RATE_LIMIT_DEFAULT": "1000000/min"}
SECRET = "00112233445566778899aabbccddeeff"  # noqa: S105  (of a bench's database)
WEBHOOK = "/api/v1/webhooks/squarespace/order-created"


def _notification(number: Any) -> tuple[bytes, str]:
    body = json.dumps(
        {
            "id": f"n-{number}",
            "websiteId": "bench",
            "subscriptionId": "bench",
            "topic": "order.create",
            "createdOn": "2025-11-20T10:00:00Z",
            "data": {"orderId": f"o-{number}"},
        }
    ).encode()
    return body, hmac.new(bytes.fromhex(SECRET), body, hashlib.sha256).hexdigest()


class Shop:
    """Products, stock and a customer to order with."""

    def __init__(self, *, lines: int = 2) -> None:
        """Make 30 products with BOMs of ``lines`` lines each."""
        chance = random.Random(1)  # noqa: S311  (repeatable, not secret)
        self.actor = User.objects.system("bench")
        components = data.materials(20, self.actor)
        self.products, _ = data.goods(30, components, lines=lines, chance=chance, actor=self.actor)
        data.stock(components, self.actor, quantity=Decimal(100_000))
        self.customer: Customer = sales.customer_for_buyer(email="bench@example.com", name="Bench", actor=self.actor)
        self.numbers = itertools.count(1)

    def draft(self, lines: int, source_order_id: str = "") -> OrderDraft:
        """Return an order of so many lines."""
        return OrderDraft(
            source=SalesOrder.Source.SQUARESPACE,
            source_order_id=source_order_id or f"bench-{next(self.numbers)}",
            customer=self.customer,
            lines=[LineDraft(product=p, quantity=2, unit_price=Decimal("19.90")) for p in self.products[:lines]],
        )

    def place(self, lines: int) -> SalesOrder:
        """Place such an order."""
        return sales.place_order(self.draft(lines), actor=self.actor)


def _client(**changed: Any) -> Client:
    """Return a test client whose handler was loaded under the given settings."""
    client = Client(raise_request_exception=True)
    with override_settings(**changed):
        client.handler.load_middleware()
    return client


def run() -> Report:
    """Measure the webhook and the order against raw SQL, count statements, and prove that a replay writes nothing."""
    report = Report("intake")
    with override_settings(SQUARESPACE_WEBHOOK_SECRET=SECRET, OUTBOX_NUDGE=False, **_WEB):
        ours, bare = _client(), _client(MIDDLEWARE=["blb3d.bench.floor.use_floor_urls"])
        _webhook(report, ours, bare)
        shop = Shop()
        _order(report, shop)
        _post(report, shop, ours, bare)
    return report


def _webhook(report: Report, ours: Client, bare: Client) -> None:
    numbers = itertools.count(1)

    def send(client: Client, address: str, times: int = 40) -> None:
        for _ in range(times):
            body, signature = _notification(next(numbers))
            answer = client.post(
                address, body, content_type="application/json", headers={"Squarespace-Signature": signature}
            )
            if answer.status_code != 200:
                raise AssertionError(answer.content)

    subject, lowest = interleaved(lambda: send(ours, WEBHOOK), lambda: send(bare, "/webhook"))
    report.timing("webhook, 40 messages", subject)
    report.timing("bare view, 40 messages", lowest)
    report.judge("webhook: rate against the bare view", lowest.median / subject.median, 0.60, at_least=True)
    report.judge("webhook: statements a message", subject.statements / 40, 4)
    body, signature = _notification("again")
    before = InboundMessage.objects.count()
    for _ in range(8):
        ours.post(WEBHOOK, body, content_type="application/json", headers={"Squarespace-Signature": signature})
    report.judge("webhook: rows written by 8 of the same", InboundMessage.objects.count() - before, 1)


def _order(report: Report, shop: Shop) -> None:
    for lines in (3, 30):
        shop.place(lines)
        with counting() as counter:
            shop.place(lines)
        report.judge(f"order: statements for {lines} lines", counter.count, 24)
        report.figures[f"statements_{lines}"] = counter.count
    report.judge(
        "order: statements grow with lines by", report.figures["statements_30"] - report.figures["statements_3"], 0
    )
    raw = RawCopy(lambda: shop.place(3))
    subject, lowest = interleaved(lambda: [shop.place(3) for _ in range(5)], lambda: [raw.write() for _ in range(5)])
    report.timing("5 orders of 3 lines", subject)
    report.timing("the same rows in raw SQL", lowest)
    report.judge("order: rate against raw SQL", lowest.median / subject.median, 0.40, at_least=True)
    draft = shop.draft(3, "the-same")
    sales.place_order(draft, actor=shop.actor)
    before = (SalesOrder.objects.count(), ProductionOrder.objects.count())
    sales.place_order(draft, actor=shop.actor)
    after = (SalesOrder.objects.count(), ProductionOrder.objects.count())
    report.judge("order: rows written by a replay", sum(after) - sum(before), 0)


def _post(report: Report, shop: Shop, ours: Client, bare: Client) -> None:
    staff = get_user_model().objects.create_superuser("bench@staff.example", "a-password-for-a-bench")
    token = {"Authorization": f"Bearer {AccessToken.for_user(staff)}"}
    body = {
        "customer_id": shop.customer.pk,
        "lines": [{"product_id": p.pk, "quantity": 2, "unit_price": "19.90"} for p in shop.products[:3]],
    }

    def post(client: Client, address: str) -> None:
        answer = client.post(address, json.dumps(body), content_type="application/json", headers=token)
        if answer.status_code != 201:
            raise AssertionError(answer.content)

    floor.raw_write[:] = [RawCopy(lambda: post(ours, "/api/v1/sales-orders")).write]
    subject, lowest = interleaved(
        lambda: [post(ours, "/api/v1/sales-orders") for _ in range(5)], lambda: [post(bare, "/order") for _ in range(5)]
    )
    report.timing("5 x POST sales-orders", subject)
    report.timing("5 x a bare view with raw SQL", lowest)
    report.judge("POST sales-orders: rate against the bare view", lowest.median / subject.median, 0.40, at_least=True)


def run_flow() -> Report:
    """Count what placing and confirming an order costs for its three production orders with 10-line BOMs."""
    report = Report("flow")
    with override_settings(OUTBOX_NUDGE=False):
        shop = Shop(lines=10)
        products: list[Product] = shop.products
        report.tell(f"{len(products)} products, BOMs of 10 lines")
        for number in range(2):
            with counting("production", "inventory") as placing:
                order = shop.place(3)
            with counting("production", "inventory") as confirming:
                sales.confirm_order(order, actor=shop.actor)
            if number:
                report.tell(f"placing: {placing.count} statements, {placing.within} of production and stock")
                report.tell(f"confirming: {confirming.count} statements, {confirming.within} of production and stock")
        made = ProductionOrder.objects.filter(sales_order=order)
        if [o.status for o in made] != ["confirmed"] * 3:
            raise AssertionError("three confirmed production orders were expected")
        within = placing.within + confirming.within
        report.figures["statements"] = {"all": placing.count + confirming.count, "production": within}
        report.judge("statements for three production orders with 10-line BOMs", within, 25)
    return report
