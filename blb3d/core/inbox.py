"""The inbox: what partners tell us, stored raw before anything else happens, handled once by a worker.

A webhook view verifies the signature over the raw body, calls :func:`receive` and answers. The provider's own event id
makes a message unique, so a repeated delivery changes nothing. A poll puts what a webhook missed through the same door.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.utils import timezone

from blb3d.core import outbox
from blb3d.core.errors import BLB3DError
from blb3d.core.logging import get_request_id, request_id_scope
from blb3d.core.work import WorkItem, WorkStatus

log = logging.getLogger(__name__)


class InboundMessage(WorkItem):
    """A partner's message as it came, with what became of it."""

    provider = models.CharField(max_length=40)
    external_id = models.CharField(max_length=190)
    topic = models.CharField(max_length=80)
    #: The partner's document that the message is about, for per-document views and ordering.
    subject = models.CharField(max_length=190, blank=True, default="")
    headers = models.JSONField(default=dict)
    body = models.TextField()
    request_id = models.CharField(max_length=64, blank=True, default="")
    received_at = models.DateTimeField(default=timezone.now)

    class Meta:
        app_label = "core"
        db_table = "inbound_messages"
        constraints = [models.UniqueConstraint(fields=["provider", "external_id"], name="inbound_message_unique")]
        indexes = [
            models.Index(fields=["status", "next_attempt_at"], name="inbound_due_idx"),
            models.Index(fields=["provider", "received_at"], name="inbound_received_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.provider} {self.topic} {self.external_id}"

    def json(self) -> Any:
        """Return the body as JSON."""
        return json.loads(self.body)


class Ignored(Exception):
    """Raised by a handler for old or irrelevant news: the message is kept and marked ignored with this note."""


Handler = Callable[[InboundMessage], None]
_handlers: dict[tuple[str, str], tuple[Handler, bool]] = {}


def receives(provider: str, *topics: str, outside: bool = True) -> Callable[[Handler], Handler]:
    """Register the handler of a provider's topics.

    ``outside=True`` (the usual case: the partner's API is asked for the truth) runs it outside any transaction and
    marks it after; it must be an upsert. ``outside=False`` runs it in one transaction with the mark.
    """

    def register(function: Handler) -> Handler:
        for topic in topics:
            _handlers[(provider, topic)] = (function, outside)
        return function

    return register


def receive(
    provider: str, external_id: str, topic: str, *, body: bytes, headers: dict[str, str], subject: str = ""
) -> tuple[InboundMessage, bool]:
    """Store a verified message once; return it and whether it is new. A repeat changes nothing."""
    row = InboundMessage(
        provider=provider,
        external_id=external_id[:190],
        topic=topic[:80],
        subject=subject[:190],
        headers=headers,
        body=body.decode("utf-8", errors="replace"),
        request_id=get_request_id(),
    )
    # One statement is its own transaction. Inside another one, a refused row must not spoil what went before.
    within = transaction.get_connection().in_atomic_block
    try:
        with transaction.atomic() if within else nullcontext():
            row.save(force_insert=True)
            if settings.OUTBOX_NUDGE:
                transaction.on_commit(_nudge, robust=True)
    except IntegrityError:
        return InboundMessage.objects.get(provider=provider, external_id=row.external_id), False
    return row, True


def _nudge() -> None:
    from blb3d.core.tasks import work_inbox

    work_inbox.apply_async(expires=outbox.NUDGE_SECONDS)


def handle(message: InboundMessage) -> bool:
    """Claim one message and run its handler; True when it is settled."""
    function, outside = _handlers.get((message.provider, message.topic), (None, False))
    with request_id_scope(message.request_id):
        if not message.claim():
            return False
        try:
            if function is None:
                raise Ignored(f"No handler for {message.topic}")
            if outside:
                with message.kept():
                    function(message)
                message.finish()
            else:
                with transaction.atomic():
                    if not message.finish():
                        return False
                    function(message)
        except Ignored as note:
            message.finish(WorkStatus.IGNORED, str(note))
        except BLB3DError as error:
            log.warning("message %s failed: %s", message, error)
            message.fail(f"{error} {error.details or ''}".strip(), transient=error.transient)
            return False
        except Exception as error:
            log.exception("message %s failed", message)
            message.fail(f"{type(error).__name__}: {error}", transient=True)
            return False
    return True


def drain(limit: int = 200) -> int:
    """Handle every message whose time has come, oldest first; return how many were settled.

    Facts that the handling makes true wait for the caller to drain the outbox after.
    """
    due = InboundMessage.objects.filter(status=WorkStatus.PENDING, next_attempt_at__lte=timezone.now())
    token = outbox.draining.set(True)
    try:
        return sum(handle(message) for message in due.order_by("id")[:limit])
    finally:
        outbox.draining.reset(token)
