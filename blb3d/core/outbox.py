"""The outbox: facts written in the transaction that made them true, delivered to whoever cares.

``emit`` writes the fact. The relay gives every subscribed handler its own :class:`EventDelivery`, unique per event and
handler. A handler that only touches the database runs in one transaction with the mark that it ran: exactly once. A
handler declared ``outside=True`` calls a partner: it runs after the claim and outside any transaction, must ask the
partner before repeating itself, and is marked afterwards: at least once.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from blb3d.core.errors import BLB3DError
from blb3d.core.logging import get_request_id, request_id_scope
from blb3d.core.work import WorkItem, WorkStatus

log = logging.getLogger(__name__)

#: A nudge that waited longer in the broker is of no use: the beat's own came in between.
NUDGE_SECONDS = 10


@dataclass(frozen=True)
class Fact:
    """Something that has become true: topic in the past tense, key of the document, ids as payload."""

    topic: str
    key: str
    payload: dict[str, Any] = field(default_factory=dict)


class OutboxEvent(models.Model):
    """A fact, written in the transaction that made it true."""

    topic = models.CharField(max_length=80)
    key = models.CharField(max_length=120)
    payload = models.JSONField(default=dict)
    request_id = models.CharField(max_length=64, blank=True, default="")
    created_at = models.DateTimeField(default=timezone.now)
    relayed_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        app_label = "core"
        db_table = "outbox_events"
        indexes = [
            models.Index(fields=["relayed_at", "id"], name="outbox_relay_idx"),
            models.Index(fields=["key", "id"], name="outbox_key_idx"),
        ]

    def __str__(self) -> str:
        return f"{self.topic} {self.key}"


class EventDelivery(WorkItem):
    """One event's way to one handler."""

    event = models.ForeignKey(OutboxEvent, models.CASCADE, related_name="deliveries")
    handler = models.CharField(max_length=160)

    class Meta:
        app_label = "core"
        db_table = "outbox_deliveries"
        constraints = [models.UniqueConstraint(fields=["event", "handler"], name="outbox_delivery_unique")]
        indexes = [models.Index(fields=["status", "next_attempt_at"], name="outbox_delivery_due_idx")]
        verbose_name_plural = "event deliveries"

    def __str__(self) -> str:
        return self.handler.rpartition(".")[2].replace("_", " ")


@dataclass(frozen=True)
class Subscription:
    """A handler of a topic."""

    topic: str
    name: str
    function: Callable[[OutboxEvent], None]
    outside: bool


#: Set while this thread is working off facts or messages: what it emits it will find itself.
draining: ContextVar[bool] = ContextVar("outbox_draining", default=False)

#: Facts of a block that writes them all at its end.
_gathered: ContextVar[list[Fact] | None] = ContextVar("outbox_gathered", default=None)

_by_topic: dict[str, list[Subscription]] = {}
_by_name: dict[str, Subscription] = {}


def subscribes(
    *topics: str, outside: bool = False
) -> Callable[[Callable[[OutboxEvent], None]], Callable[[OutboxEvent], None]]:
    """Register a function as handler of topics; ``outside=True`` when it calls a partner."""

    def register(function: Callable[[OutboxEvent], None]) -> Callable[[OutboxEvent], None]:
        name = f"{function.__module__}.{function.__name__}"
        for topic in topics:
            subscription = Subscription(topic, name, function, outside)
            _by_topic.setdefault(topic, []).append(subscription)
            _by_name[name] = subscription
        return function

    return register


def subscriptions() -> dict[str, list[Subscription]]:
    """Return the handlers by topic, for documentation and checks."""
    return _by_topic


def emit(topic: str, key: str, **payload: Any) -> None:
    """Write one fact to the outbox; needs the transaction that makes it true."""
    emit_all([Fact(topic, key, payload)])


def emit_all(facts: Iterable[Fact]) -> None:
    """Write facts in one statement and nudge the relay after commit."""
    wanted = list(facts)
    if not wanted:
        return
    if not transaction.get_connection().in_atomic_block:
        raise transaction.TransactionManagementError("A fact is only true with its transaction.")
    gathered = _gathered.get()
    if gathered is not None:
        gathered += wanted
        return
    request_id = get_request_id()
    rows = [OutboxEvent(topic=f.topic, key=f.key, payload=f.payload, request_id=request_id) for f in wanted]
    OutboxEvent.objects.bulk_create(rows)
    if settings.OUTBOX_NUDGE and not draining.get():
        transaction.on_commit(_nudge, robust=True)


@contextmanager
def gathering() -> Iterator[None]:
    """Write the facts of a block in one statement at its end, in their order; of a block that fails, none."""
    outer = _gathered.get()
    facts: list[Fact] = []
    token = _gathered.set(facts)
    try:
        yield
    finally:
        _gathered.reset(token)
    if outer is None:
        emit_all(facts)
    else:
        outer += facts


def _nudge() -> None:
    from blb3d.core.tasks import relay_outbox

    relay_outbox.apply_async(expires=NUDGE_SECONDS)


def relay(limit: int = 500) -> int:
    """Give each new event its deliveries, one per subscribed handler; return how many events were relayed."""
    events = list(OutboxEvent.objects.filter(relayed_at__isnull=True).order_by("id")[:limit])
    for event in events:
        try:
            with transaction.atomic():
                if not OutboxEvent.objects.filter(pk=event.pk, relayed_at__isnull=True).update(
                    relayed_at=timezone.now()
                ):
                    continue
                EventDelivery.objects.bulk_create(
                    EventDelivery(event=event, handler=subscription.name)
                    for subscription in _by_topic.get(event.topic, [])
                )
        except IntegrityError:
            log.info("event %s was relayed by another worker", event.pk)
    return len(events)


def due_deliveries(limit: int = 500) -> list[EventDelivery]:
    """Return pending deliveries whose time has come, oldest event first.

    A delivery waits while an earlier event of the same document and handler is still under way, so that a handler sees
    one document's facts in order; a dead one does not hold up those behind it.
    """
    earlier = EventDelivery.objects.filter(
        handler=OuterRef("handler"),
        event__key=OuterRef("event__key"),
        event_id__lt=OuterRef("event_id"),
        status=WorkStatus.PENDING,
    )
    return list(
        EventDelivery.objects.filter(status=WorkStatus.PENDING, next_attempt_at__lte=timezone.now())
        .filter(~Exists(earlier))
        .select_related("event")
        .order_by("event_id", "id")[:limit]
    )


def deliver(delivery: EventDelivery) -> bool:
    """Claim one delivery and run its handler; True when it is done.

    A transient error plans another try; a refusal lays the delivery before a person; an unexpected error is retried,
    because it may be a partner's hiccup, and ends with a person too.
    """
    subscription = _by_name.get(delivery.handler)
    event = delivery.event
    with request_id_scope(event.request_id):
        if not delivery.claim():
            return False
        try:
            if subscription is None:
                raise LookupError(f"No handler {delivery.handler}")
            if subscription.outside:
                with delivery.kept():
                    subscription.function(event)
                delivery.finish()
            else:
                with transaction.atomic():
                    # The mark first: it locks the row, so that a second worker whose lease overlapped waits here
                    # and then finds the work done.
                    if not delivery.finish():
                        return False
                    subscription.function(event)
        except BLB3DError as error:
            log.warning("delivery of %s to %s failed: %s", event.topic, delivery.handler, error)
            delivery.fail(f"{error} {error.details or ''}".strip(), transient=error.transient)
            return False
        except Exception as error:
            log.exception("delivery of %s to %s failed", event.topic, delivery.handler)
            delivery.fail(f"{type(error).__name__}: {error}", transient=True)
            return False
    return True


def drain(max_rounds: int = 50) -> int:
    """Relay and deliver until nothing is due; return how many deliveries were done.

    What commands, tests and the relay task use; safe to run in many processes at once.
    """
    done = 0
    token = draining.set(True)
    try:
        for _ in range(max_rounds):
            relayed = relay()
            due = due_deliveries()
            done += sum(deliver(delivery) for delivery in due)
            if not relayed and not due:
                break
    finally:
        draining.reset(token)
    return done
