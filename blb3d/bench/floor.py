"""The bare Django views that the web benches are measured against, and the URLs and middleware that reach them."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.db import connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.urls import path
from django.utils import timezone

#: What a bench has prepared for :func:`write_order` to write.
raw_write: list[Callable[[], None]] = []


def use_floor_urls(get_response: Callable[[HttpRequest], HttpResponse]) -> Callable[[HttpRequest], HttpResponse]:
    """Be the only middleware: send every request to the views below."""

    def middleware(request: HttpRequest) -> HttpResponse:
        request.urlconf = __name__  # type: ignore[attr-defined]
        return get_response(request)

    return middleware


def webhook(request: HttpRequest) -> HttpResponse:
    """Check the signature and store the message in raw SQL."""
    body = request.body
    key = bytes.fromhex(settings.SQUARESPACE_WEBHOOK_SECRET)
    signature = hmac.new(key, body, hashlib.sha256).digest()
    if not hmac.compare_digest(signature, bytes.fromhex(request.headers["Squarespace-Signature"])):
        return HttpResponse(status=401)
    message: dict[str, Any] = json.loads(body)
    now = timezone.now()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO inbound_messages (provider, external_id, topic, subject, headers, body, request_id, "
            "received_at, status, attempts, next_attempt_at, last_error) "
            "VALUES (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
            ["floor", message["id"], message["topic"], message["data"]["orderId"], "{}", body.decode(), "", now,
             "pending", 0, now, ""],
        )  # fmt: skip
    return JsonResponse({"status": "received"})


def write_order(request: HttpRequest) -> HttpResponse:
    """Read the body and write the rows of such an order in raw SQL."""
    json.loads(request.body)
    raw_write[0]()
    return JsonResponse({"status": "created"}, status=201)


urlpatterns = [path("webhook", webhook), path("order", write_order)]
