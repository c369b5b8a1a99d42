"""Facts are written with what made them true and reach every handler; failures end with a person."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction
from django.utils import timezone

from blb3d.core import outbox
from blb3d.core.errors import InvalidValue, PartnerUnavailable
from blb3d.core.numbering import NumberSequence
from blb3d.core.outbox import EventDelivery, OutboxEvent, drain, emit, subscribes
from blb3d.core.work import MAX_ATTEMPTS

pytestmark = pytest.mark.django_db

calls: list[tuple[str, int]] = []
failure: list[Exception] = []


def _count(event: OutboxEvent) -> None:
    NumberSequence.objects.create(name="handled", period=str(event.payload["n"]))
    calls.append(("inside", event.payload["n"]))
    if failure:
        raise failure[0]


def _call_partner(event: OutboxEvent) -> None:
    calls.append(("outside", event.payload["n"]))
    assert len(transaction.get_connection().savepoint_ids) == OUTER_SAVEPOINTS[0]
    if failure:
        raise failure[0]


OUTER_SAVEPOINTS = [0]


@pytest.fixture(autouse=True)
def handlers() -> Iterator[None]:
    calls.clear()
    failure.clear()
    OUTER_SAVEPOINTS[0] = len(transaction.get_connection().savepoint_ids)
    subscribes("test.inside")(_count)
    subscribes("test.outside", outside=True)(_call_partner)
    yield
    for topic in ("test.inside", "test.outside"):
        outbox._by_topic.pop(topic)


def say(topic: str, n: int, key: str = "test:1") -> None:
    with transaction.atomic():
        emit(topic, key, n=n)


def make_due() -> None:
    EventDelivery.objects.update(next_attempt_at=timezone.now() - datetime.timedelta(seconds=1))


def test_a_fact_reaches_its_handler_once_however_often_the_relay_runs() -> None:
    say("test.inside", 1)
    assert drain() == 1
    assert drain() == 0
    assert calls == [("inside", 1)]
    delivery = EventDelivery.objects.get()
    assert (delivery.status, delivery.attempts) == ("done", 1)
    assert delivery.finished_at is not None


def test_a_fact_nobody_cares_for_is_relayed_and_rests() -> None:
    say("test.nobody", 1)
    assert drain() == 0
    assert OutboxEvent.objects.get().relayed_at is not None


def test_a_rolled_back_fact_was_never_true() -> None:
    def say_and_fail() -> None:
        with transaction.atomic():
            emit("test.inside", "test:1", n=1)
            raise RuntimeError

    with pytest.raises(RuntimeError):
        say_and_fail()
    assert drain() == 0
    assert not OutboxEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_a_fact_outside_a_transaction_is_refused() -> None:
    with pytest.raises(transaction.TransactionManagementError):
        emit("test.inside", "test:1", n=1)
    assert not OutboxEvent.objects.exists()


def test_a_failed_handler_leaves_no_effect_and_is_tried_again() -> None:
    say("test.inside", 1)
    failure.append(PartnerUnavailable())
    assert drain() == 0
    assert not NumberSequence.objects.exists()
    delivery = EventDelivery.objects.get()
    assert delivery.status == "pending"
    assert delivery.next_attempt_at > timezone.now()
    assert "INTEG_001" in delivery.last_error
    failure.clear()
    make_due()
    assert drain() == 1
    assert NumberSequence.objects.count() == 1


def test_a_refusal_is_not_retried_but_laid_before_a_person_who_replays_it() -> None:
    say("test.outside", 1)
    failure.append(InvalidValue("wrong"))
    drain()
    make_due()
    drain()
    assert calls == [("outside", 1)]
    delivery = EventDelivery.objects.get()
    assert (delivery.status, delivery.last_error) == ("dead", "VALID_001: wrong")
    failure.clear()
    delivery.replay()
    assert drain() == 1
    assert calls == [("outside", 1)] * 2


def test_an_unexpected_error_is_retried_until_a_person_must_look() -> None:
    say("test.outside", 1)
    failure.append(KeyError("oops"))
    for _ in range(MAX_ATTEMPTS + 3):
        make_due()
        drain(max_rounds=2)
    assert len(calls) == MAX_ATTEMPTS
    assert EventDelivery.objects.get().status == "dead"


def test_a_claimed_delivery_is_not_run_by_another_worker_until_its_lease_ends() -> None:
    say("test.inside", 1)
    outbox.relay()
    delivery = EventDelivery.objects.get()
    assert delivery.claim()
    assert drain() == 0
    assert calls == []
    make_due()
    assert drain() == 1


def test_a_claim_is_renewed_by_a_thread_unless_a_transaction_hides_it(transactional_db: None) -> None:
    say("test.inside", 1)
    outbox.relay()
    delivery = EventDelivery.objects.get()
    with delivery.kept():
        assert f"lease-{delivery.pk}" in {thread.name for thread in threading.enumerate()}
    with transaction.atomic(), delivery.kept():
        assert f"lease-{delivery.pk}" not in {thread.name for thread in threading.enumerate()}


def test_facts_of_one_document_arrive_in_order_and_others_are_not_held_up() -> None:
    say("test.inside", 1, key="a")
    failure.append(PartnerUnavailable())
    drain()
    failure.clear()
    say("test.inside", 2, key="a")
    say("test.inside", 3, key="b")
    drain()
    assert calls == [("inside", 1), ("inside", 3)]
    make_due()
    drain()
    assert calls == [("inside", 1), ("inside", 3), ("inside", 1), ("inside", 2)]


def test_each_delivery_knows_the_request_that_caused_it() -> None:
    from blb3d.core.logging import get_request_id, request_id_scope

    seen: list[str] = []

    def remember(event: OutboxEvent) -> None:
        seen.append(get_request_id())

    subscribes("test.inside")(remember)
    with request_id_scope("req-7"):
        say("test.inside", 1)
    drain()
    assert seen == ["req-7"]


def test_a_handler_that_is_gone_ends_with_a_person(settings: Any) -> None:
    say("test.inside", 1)
    outbox.relay()
    EventDelivery.objects.update(handler="gone.away", attempts=MAX_ATTEMPTS)
    drain()
    assert EventDelivery.objects.get().status == "dead"


def test_gathered_facts_are_written_at_the_end_in_one_statement_and_in_their_order(django_assert_num_queries) -> None:  # type: ignore[no-untyped-def]
    with transaction.atomic(), django_assert_num_queries(1), outbox.gathering():
        emit("test.a", "test:1")
        with outbox.gathering():
            emit("test.b", "test:1")
        emit("test.c", "test:1")
    assert list(OutboxEvent.objects.order_by("id").values_list("topic", flat=True)) == ["test.a", "test.b", "test.c"]


def test_of_a_block_that_fails_no_gathered_fact_is_written() -> None:
    def refuse() -> None:
        with outbox.gathering():
            emit("test.b", "test:1")
            raise InvalidValue("no")

    with transaction.atomic(), outbox.gathering():
        emit("test.a", "test:1")
        with pytest.raises(InvalidValue):
            refuse()
    assert list(OutboxEvent.objects.values_list("topic", flat=True)) == ["test.a"]


def test_a_gathered_fact_too_needs_the_transaction_that_makes_it_true(transactional_db: None) -> None:
    with pytest.raises(transaction.TransactionManagementError), outbox.gathering():
        emit("test.a", "test:1")
    assert not OutboxEvent.objects.exists()
