"""A partner's message is stored once, before anything else, and handled once."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from blb3d.core import inbox
from blb3d.core.errors import InvalidValue, PartnerUnavailable
from blb3d.core.inbox import Ignored, InboundMessage, receive, receives

pytestmark = pytest.mark.django_db

handled: list[str] = []
failure: list[Exception] = []


@pytest.fixture(autouse=True)
def handler() -> Iterator[None]:
    handled.clear()
    failure.clear()

    def remember(message: InboundMessage) -> None:
        if failure:
            raise failure[0]
        handled.append(message.json()["hello"])

    receives("shop", "order.create")(remember)
    yield
    inbox._handlers.pop(("shop", "order.create"))


def tell(external_id: str = "n-1", topic: str = "order.create") -> tuple[InboundMessage, bool]:
    return receive("shop", external_id, topic, body=b'{"hello": "world"}', headers={"X": "1"}, subject="o-1")


def test_a_message_is_handled_once_however_often_it_comes() -> None:
    first, new = tell()
    again, newer = tell()
    assert (new, newer, first.pk) == (True, False, again.pk)
    assert inbox.drain() == 1
    tell()
    assert inbox.drain() == 0
    assert handled == ["world"]
    assert InboundMessage.objects.get().status == "done"


def test_old_news_is_kept_and_marked_ignored() -> None:
    tell()
    failure.append(Ignored("older than what we have"))
    inbox.drain()
    message = InboundMessage.objects.get()
    assert (message.status, message.last_error) == ("ignored", "older than what we have")


def test_a_topic_nobody_handles_is_kept_and_marked_ignored() -> None:
    tell(topic="order.dance")
    inbox.drain()
    assert InboundMessage.objects.get().status == "ignored"


def test_a_partner_that_is_away_is_asked_again() -> None:
    tell()
    failure.append(PartnerUnavailable())
    inbox.drain()
    message = InboundMessage.objects.get()
    assert (message.status, message.attempts) == ("pending", 1)
    assert message.next_attempt_at > message.received_at


def test_a_refused_message_ends_with_a_person_who_replays_it() -> None:
    tell()
    failure.append(InvalidValue("no such order"))
    inbox.drain()
    message = InboundMessage.objects.get()
    assert message.status == "dead"
    failure.clear()
    message.replay()
    assert inbox.drain() == 1
    assert handled == ["world"]
