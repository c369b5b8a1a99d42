"""A shop for the tests: a real server on this machine, and us configured to talk to it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.http import HttpResponse
from django.test import Client

from blb3d.core import inbox
from blb3d.core.inbox import InboundMessage
from integrations.squarespace.sandbox import Notification, Sandbox, Shop

KEY = "key-of-the-test-shop"
SECRET = "7465737473656372657431323334353637383930"


@pytest.fixture
def sandbox(settings: Any) -> Iterator[Sandbox]:
    settings.SQUARESPACE_API_KEY = KEY
    settings.SQUARESPACE_WEBHOOK_SECRET = SECRET
    settings.PARTNER_TIMEOUT_SECONDS = 5
    with Sandbox(Shop(KEY, SECRET)) as running:
        settings.SQUARESPACE_API_URL = running.url
        yield running


@pytest.fixture
def shop(sandbox: Sandbox) -> Shop:
    return sandbox.shop


@pytest.fixture
def post(shop: Shop) -> Callable[..., HttpResponse]:
    """Return a function that posts a notification (the shop's last one unless given) to our webhook."""

    def send(notification: Notification | None = None, **headers: str) -> HttpResponse:
        notification = notification or shop.notifications[-1]
        body, signed = shop.signed(notification)
        return Client().post(
            notification.path,
            data=body,
            content_type="application/json",
            headers={**signed, **headers},  # type: ignore[arg-type]
        )

    return send


@pytest.fixture
def follow(post: Callable[..., HttpResponse]) -> Callable[..., InboundMessage]:
    """Return a function that posts a notification, lets the worker handle it, and returns the message."""

    def run(notification: Notification | None = None) -> InboundMessage:
        assert post(notification).status_code == 200
        message = InboundMessage.objects.latest("pk")
        inbox.handle(message)
        message.refresh_from_db()
        return message

    return run
