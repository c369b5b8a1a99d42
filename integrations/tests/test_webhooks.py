"""A notification is believed when its signature fits, kept once, and answered at once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections
from django.http import HttpResponse
from django.test import Client
from django.test.utils import CaptureQueriesContext

from blb3d.core.inbox import InboundMessage
from integrations.models import Channel
from integrations.squarespace.sandbox import Notification, Shop
from integrations.squarespace.signature import HEADER

pytestmark = pytest.mark.django_db

Post = Callable[..., HttpResponse]


def news(body: str) -> Notification:
    return Notification("order.create", body)


def code(response: HttpResponse) -> str:
    return str(json.loads(response.content)["error_code"])


def test_it_keeps_a_signed_notification_and_answers(shop: Shop, post: Post) -> None:
    order = shop.create_order([{"sku": "FG-1"}])
    response = post()
    assert (response.status_code, json.loads(response.content)) == (200, {"status": "received"})
    message = InboundMessage.objects.get()
    told = json.loads(shop.notifications[0].body)
    assert (message.provider, message.external_id, message.topic) == ("squarespace", told["id"], "order.create")
    assert (message.subject, message.status) == (order["id"], "pending")
    assert message.json() == told
    assert set(message.headers) == {"User-Agent", HEADER}


def test_the_same_notification_again_changes_nothing(shop: Shop, post: Post) -> None:
    shop.create_order([{"sku": "FG-1"}])
    first, again = post(), post()
    assert first.content == again.content
    assert again.status_code == 200
    assert InboundMessage.objects.count() == 1


def test_it_costs_one_statement_and_a_repeat_two(shop: Shop, post: Post) -> None:
    shop.create_order([{"sku": "FG-1"}])
    counts = []
    for _ in range(2):
        with CaptureQueriesContext(connection) as made:
            assert post().status_code == 200
        counts.append(sum("SAVEPOINT" not in query["sql"] for query in made))
    assert counts == [1, 2]


@pytest.mark.parametrize("given", ["", "00", "no hex at all", "ab" * 32])
def test_it_refuses_a_wrong_signature(shop: Shop, post: Post, given: str) -> None:
    shop.create_order([{"sku": "FG-1"}])
    response = post(**{HEADER: given})
    assert (response.status_code, code(response)) == (401, "HOOK_001")
    assert InboundMessage.objects.count() == 0


def test_it_refuses_a_body_that_was_changed_on_its_way(shop: Shop) -> None:
    shop.create_order([{"sku": "FG-1"}])
    body, headers = shop.signed(shop.notifications[0])
    response = Client().post(
        shop.notifications[0].path, data=body + b" ", content_type="application/json", headers=headers
    )
    assert (response.status_code, code(response)) == (401, "HOOK_001")
    assert InboundMessage.objects.count() == 0


@pytest.mark.parametrize(
    "body",
    [
        "",
        "not json",
        "[]",
        "{}",
        '{"id": "n1", "topic": "order.create"}',
        '{"id": "n1", "topic": "order.create", "data": {}}',
        '{"id": 7, "topic": "order.create", "data": {"orderId": "o1"}}',
        '{"id": "n1", "topic": "order.create", "data": {"orderId": "../../secret"}}',
        '{"id": "n1", "topic": "order.create", "data": {"orderId": "o\\u0000"}}',
        '{"id": "' + "n" * 65 + '", "topic": "order.create", "data": {"orderId": "o1"}}',
        "[" * 100_000,
    ],
)
def test_it_refuses_a_signed_body_that_it_cannot_read(post: Post, body: str) -> None:
    response = post(news(body))
    assert (response.status_code, code(response)) == (400, "HOOK_002")
    assert InboundMessage.objects.count() == 0


def test_a_body_beyond_the_limit_is_refused_before_its_signature_is_computed(post: Post, settings: Any) -> None:
    huge = '{"id": "n1", "topic": "order.create", "data": {"orderId": "o1"}, "fill": "%s"}'
    limit: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    for headers in ({}, {HEADER: "00"}):
        response = post(news(huge % ("x" * limit)), **headers)
        assert (response.status_code, code(response)) == (413, "VALID_014")
    assert InboundMessage.objects.count() == 0
    assert post(news(huge % ("x" * (limit - 200)))).status_code == 200


def test_a_body_with_more_bytes_than_it_announces_is_cut_and_not_believed(shop: Shop) -> None:
    shop.create_order([{"sku": "FG-1"}])
    body, headers = shop.signed(shop.notifications[0])
    response = Client().post(
        shop.notifications[0].path,
        data=body,
        content_type="application/json",
        headers=headers,
        CONTENT_LENGTH=len(body) - 1,
    )
    assert (response.status_code, code(response)) == (401, "HOOK_001")
    assert InboundMessage.objects.count() == 0


def test_without_a_secret_nobody_is_believed(shop: Shop, post: Post, settings: Any) -> None:
    shop.create_order([{"sku": "FG-1"}])
    settings.SQUARESPACE_WEBHOOK_SECRET = ""
    response = post()
    assert (response.status_code, code(response)) == (503, "HOOK_003")
    assert InboundMessage.objects.count() == 0


@pytest.mark.parametrize("name", ["order-created", "order-updated", "extension-uninstall"])
@pytest.mark.parametrize("slash", ["", "/"])
def test_every_address_answers_with_and_without_the_slash(shop: Shop, name: str, slash: str) -> None:
    shop.create_order([{"sku": "FG-1"}])
    body, headers = shop.signed(shop.notifications[0])
    response = Client(enforce_csrf_checks=True).post(
        f"/api/v1/webhooks/squarespace/{name}{slash}", data=body, content_type="application/json", headers=headers
    )
    assert response.status_code == 200


def test_it_takes_posts_only() -> None:
    response = Client().get("/api/v1/webhooks/squarespace/order-created")
    assert (response.status_code, response["Allow"], code(response)) == (405, "POST", "VALID_010")


def test_an_uninstall_stops_the_poll_and_says_why(shop: Shop, follow: Callable[..., InboundMessage]) -> None:
    Channel.objects.create(marketplace="squarespace")
    shop.uninstall()
    message = follow()
    assert (message.topic, message.status) == ("extension.uninstall", "done")
    channel = Channel.objects.get()
    assert channel.is_active is False
    assert "uninstalled at Squarespace" in channel.last_error


def test_a_topic_that_nobody_handles_is_kept_and_left(post: Post, follow: Callable[..., InboundMessage]) -> None:
    body = '{"id": "n1", "topic": "order.archived", "data": {"orderId": "o1"}}'
    message = follow(news(body))
    assert (message.status, message.last_error) == ("ignored", "No handler for order.archived")


@pytest.mark.django_db(transaction=True)
def test_eight_deliveries_at_once_keep_one_message(shop: Shop, post: Post) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite in memory has one connection; the same test runs on PostgreSQL")
    shop.create_order([{"sku": "FG-1"}])
    answers: list[int] = []
    gate = threading.Barrier(8)

    def deliver() -> None:
        gate.wait()
        answers.append(post().status_code)
        connections.close_all()

    threads = [threading.Thread(target=deliver) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert answers == [200] * 8
    assert InboundMessage.objects.count() == 1
