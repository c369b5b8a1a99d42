"""What customer and staff say about a quote, and the customer's wish for another price."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from blb3d.core.errors import InvalidTransition, InvalidValue, NotAllowed, ReasonRequired
from blb3d.core.outbox import OutboxEvent
from quotes import services as quotes
from quotes.errors import QuoteExpired
from quotes.models import Quote
from quotes.tests.factories import member, priced_at, quoted, stranger, system_actor
from sales.tests.factories import staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]


def test_customer_and_staff_speak_and_each_comment_is_a_fact():
    buyer, clerk = member(), staff("quotes.comment_quote")
    quote = quoted(buyer)
    quotes.comment_on_quote(quote, text=" Can it be grey? ", actor=buyer.user)
    quotes.comment_on_quote(quote, text="Yes, in PETG.", actor=clerk)
    quotes.comment_on_quote(quote, text="Ask purchasing.", is_internal=True, actor=clerk)
    rows = list(quote.comments.values_list("author", "text", "is_internal"))
    assert rows == [
        (buyer.user.pk, "Can it be grey?", False),
        (clerk.pk, "Yes, in PETG.", False),
        (clerk.pk, "Ask purchasing.", True),
    ]
    facts = OutboxEvent.objects.filter(topic="quotes.quote_commented").order_by("pk")
    told = [(fact.payload["by_customer"], fact.payload["is_internal"]) for fact in facts]
    assert told == [(True, False), (False, False), (False, True)]


@pytest.mark.parametrize("text", ["", "  \n", "x" * 2001])
def test_a_comment_says_something_and_not_too_much(text):
    quote = quoted()
    with pytest.raises(InvalidValue):
        quotes.comment_on_quote(quote, text=text, actor=system_actor())
    assert not quote.comments.exists()


def test_strangers_and_staff_without_the_permission_say_nothing_and_customers_nothing_internal():
    buyer = member()
    quote = quoted(buyer)
    for actor, internal in ((stranger(), False), (staff("quotes.view_quote"), False), (buyer.user, True)):
        with pytest.raises(NotAllowed):
            quotes.comment_on_quote(quote, text="Hello", is_internal=internal, actor=actor)
    assert not quote.comments.exists()


def test_a_customer_asks_for_another_price_and_a_person_looks_again():
    buyer = member()
    quote = quoted(buyer, quantity=10)
    assert quote.status == "approved"
    quotes.ask_for_changes(quote, text="We have an offer at 9.", target_unit_price=Decimal("9.00"), actor=buyer.user)
    assert (quote.status, quote.target_unit_price) == ("pending", Decimal("9.00"))
    assert quote.comments.get().text == "We have an offer at 9."
    row = quote.approvals.get()
    assert (row.required_when, row.approval_level, row.status) == ("CUSTOMER_ASKED", 1, "PENDING")
    fact = OutboxEvent.objects.get(topic="quotes.changes_asked")
    assert (fact.payload["from"], fact.payload["comment_id"]) == ("approved", quote.comments.get().pk)
    quotes.ask_for_changes(quote, text="Or at 10.", target_unit_price=Decimal("10.00"), actor=buyer.user)
    assert (quote.status, quote.approvals.count(), quote.comments.count()) == ("pending", 1, 2)


def test_asking_needs_words_a_real_price_a_price_that_holds_and_a_quote_that_can_still_change():
    buyer = member()
    quote = quoted(buyer)
    with pytest.raises(ReasonRequired):
        quotes.ask_for_changes(quote, text=" ", actor=buyer.user)
    for price in ("0", "-3", "1.005", "NaN"):
        with pytest.raises(InvalidValue):
            quotes.ask_for_changes(quote, text="Less", target_unit_price=Decimal(price), actor=buyer.user)
    for actor in (stranger(), staff("quotes.approve_quote")):
        with pytest.raises(NotAllowed):
            quotes.ask_for_changes(quote, text="Less", actor=actor)
    quote.refresh_from_db()
    assert (quote.status, quote.target_unit_price, quote.comments.exists()) == ("approved", None, False)
    Quote.objects.filter(pk=quote.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    with pytest.raises(QuoteExpired):
        quotes.ask_for_changes(quote, text="Less", actor=buyer.user)
    with pytest.raises(InvalidTransition):
        quotes.ask_for_changes(priced_at(10, customer=buyer.customer), text="Less", actor=buyer.user)


def test_what_staff_ask_for_stands_among_the_comments():
    quote = quoted(special_instructions="Flat side down")
    quotes.request_changes(quote, reason="Which side is up?", actor=system_actor())
    assert list(quote.comments.values_list("text", "is_internal")) == [("Which side is up?", False)]
