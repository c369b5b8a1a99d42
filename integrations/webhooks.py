"""Where partners speak: verify the signature over the raw body, keep the message, answer. A worker does the rest.

Plain Django views: no session, no user, no parser before the signature; a message that is already there changes
nothing and gets the same answer.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Callable
from functools import wraps

from csp.decorators import csp_exempt
from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.csrf import csrf_exempt

from blb3d.core import inbox
from blb3d.core.api.errors import MethodNotPossible, error_response
from blb3d.core.api.routers import both_slashes
from blb3d.core.errors import BLB3DError
from integrations.errors import BadSignature, UnreadableNotification, WebhookNotSetUp
from integrations.squarespace import signature as squarespace

log = logging.getLogger(__name__)

#: What ids of shops look like; anything else in a signed body is not from a shop.
_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


def webhook(view: Callable[[HttpRequest], None]) -> Callable[..., HttpResponse]:
    """Make a view of a function that takes a message in: POST only, JSON answers, refusals in the envelope."""

    @csrf_exempt
    @csp_exempt()
    @wraps(view)
    def answer(request: HttpRequest, **_: object) -> HttpResponse:
        if request.method != "POST":
            response = error_response(MethodNotPossible())
            response["Allow"] = "POST"
            return response
        try:
            view(request)
        except BLB3DError as error:
            log.warning("%s: %s", request.path, error)
            return error_response(error)
        return JsonResponse({"status": "received"})

    return answer


@webhook
def squarespace_notification(request: HttpRequest) -> None:
    """Take a notification in, whichever topic it is of. Its own id makes it unique: it is delivered at least once."""
    body = request.body
    secret: str = settings.SQUARESPACE_WEBHOOK_SECRET  # type: ignore[misc]
    if not secret:
        raise WebhookNotSetUp(details={"setting": "SQUARESPACE_WEBHOOK_SECRET"})
    given = request.headers.get(squarespace.HEADER, "")
    if not squarespace.is_genuine(secret, body, given):
        raise BadSignature
    key, topic, order_id = _read_notification(body)
    headers = {name: request.headers[name] for name in ("User-Agent", squarespace.HEADER) if name in request.headers}
    inbox.receive("squarespace", key, topic, body=body, headers=headers, subject=order_id)


def _read_notification(body: bytes) -> tuple[str, str, str]:
    """Return id, topic and order id ("" for topics that are not about an order) of a notification."""
    try:
        told = json.loads(body)
        key, topic = told["id"], told["topic"]
        order_id = told["data"]["orderId"] if topic.startswith("order.") else ""
        fits = bool(_ID.fullmatch(key) and (order_id == "" or _ID.fullmatch(order_id)))
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise UnreadableNotification(details={"problem": type(error).__name__}) from error
    if not fits:
        raise UnreadableNotification(details={"problem": "id"})
    return key, topic, order_id


urlpatterns = [
    both_slashes(f"webhooks/squarespace/{name}", squarespace_notification, f"webhook-squarespace-{name}")
    for name in ("order-created", "order-updated", "extension-uninstall")
]
