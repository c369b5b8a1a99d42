"""Prices hold for a while: a reminder before the end, and the end."""

from __future__ import annotations

from datetime import timedelta

import pytest
from django.utils import timezone

from blb3d.core.errors import NotAllowed
from blb3d.core.outbox import OutboxEvent
from quotes import services as quotes
from quotes.errors import QuoteExpired
from quotes.models import Quote
from quotes.tests.factories import priced_at, quoted, system_actor
from sales.tests.factories import staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]


def test_old_quotes_expire_and_a_draft_whose_price_is_too_old_is_not_submitted():
    past = timezone.now() - timedelta(minutes=1)
    old, fresh = priced_at(10, expires_at=past), priced_at(10, expires_at=timezone.now() + timedelta(days=1))
    with pytest.raises(QuoteExpired):
        quotes.submit_quote(old, actor=system_actor())
    assert [quote.pk for quote in quotes.expire_quotes(actor=system_actor())] == [old.pk]
    old.refresh_from_db()
    fresh.refresh_from_db()
    assert (old.status, fresh.status) == ("expired", "draft")
    assert quotes.expire_quotes(actor=system_actor()) == []
    with pytest.raises(NotAllowed):
        quotes.expire_quotes(actor=staff("quotes.approve_quote"))


def test_expiring_costs_the_same_however_many_there_are(django_assert_max_num_queries):
    past = timezone.now() - timedelta(minutes=1)
    for _ in range(12):
        priced_at(10, expires_at=past)
    actor = system_actor()
    with django_assert_max_num_queries(12):
        assert len(quotes.expire_quotes(actor=actor)) == 12


def ending_in(**time: int) -> Quote:
    """Return an approved quote whose price ends soon."""
    quote = quoted()
    Quote.objects.filter(pk=quote.pk).update(expires_at=timezone.now() + timedelta(**time))
    return quote


def test_a_customer_is_reminded_once_of_a_price_that_ends_within_the_set_days():
    soon, later, over = ending_in(days=4, hours=23), ending_in(days=5, hours=1), ending_in(minutes=-1)
    priced_at(10, expires_at=timezone.now() + timedelta(days=1))  # a draft waits for nobody's word
    assert quotes.remind_quotes(actor=system_actor()) == [soon]
    assert quotes.remind_quotes(actor=system_actor()) == []
    fact = OutboxEvent.objects.get(topic="quotes.quote_expires_soon")
    assert (fact.payload["id"], fact.payload["number"]) == (soon.pk, soon.quote_number)
    for quote in (soon, later, over):
        quote.refresh_from_db()
    assert [quote.reminded_at is not None for quote in (soon, later, over)] == [True, False, False]


def test_a_price_that_is_given_anew_is_reminded_of_anew():
    quote = ending_in(days=1)
    quotes.remind_quotes(actor=system_actor())
    quote.refresh_from_db()
    quotes.offer_price(quote, unit_price=quote.unit_price + 1, reason="Dearer now", actor=system_actor())
    assert quote.reminded_at is None


def test_only_the_system_reminds_and_it_costs_the_same_however_many_there_are(django_assert_max_num_queries):
    with pytest.raises(NotAllowed):
        quotes.remind_quotes(actor=staff("quotes.approve_quote"))
    actor = system_actor()
    rows = [quotes.submit_quote(priced_at(10), actor=actor) for _ in range(12)]
    Quote.objects.filter(pk__in=[row.pk for row in rows]).update(expires_at=timezone.now() + timedelta(days=1))
    with django_assert_max_num_queries(9):
        assert quotes.remind_quotes(actor=actor) == rows
