"""What a customer says about a quote in the portal, and what comes of it."""

from __future__ import annotations

from decimal import Decimal

import pytest

from quotes import services as quotes
from quotes.models import Quote, QuoteComment
from quotes.tests.factories import quoted, stranger
from quotes.tests.test_portal import buyer_with_client, logged_in, page
from sales.tests.factories import system_actor

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]


def test_a_comment_is_read_on_the_page_and_an_internal_one_is_not():
    buyer, client = buyer_with_client()
    quote = quoted(buyer)
    answer = client.post(page("quote-comment", quote.pk), {"text": "Is the foot flat?"})
    assert answer["Location"] == f"{page('quote-detail', quote.pk)}#talk"
    system = system_actor()
    quotes.comment_on_quote(quote, text="It is, to 0.2 mm.", actor=system)
    quotes.comment_on_quote(quote, text="Ask the night shift.", is_internal=True, actor=system)
    html = client.get(page("quote-detail", quote.pk)).content.decode()
    assert "Is the foot flat?" in html
    assert "It is, to 0.2 mm." in html
    assert "Ask the night shift." not in html


def test_asking_for_changes_takes_the_quote_back_to_review_with_the_price_in_mind():
    buyer, client = buyer_with_client()
    quote = quoted(buyer, quantity=20)
    client.post(page("quote-ask", quote.pk), {"text": "We order monthly.", "target_unit_price": "1.10"})
    quote.refresh_from_db()
    assert (quote.status, quote.target_unit_price) == ("pending", Decimal("1.10"))
    assert QuoteComment.objects.get().text == "We order monthly."
    html = client.get(page("quote-detail", quote.pk)).content.decode()
    assert "You asked for $1.10 each." in html
    assert "Accept this quote" not in html


def test_saying_nothing_is_refused_and_the_price_that_was_typed_is_kept():
    buyer, client = buyer_with_client()
    quote = quoted(buyer)
    answer = client.post(page("quote-ask", quote.pk), {"text": "", "target_unit_price": "1.10"})
    assert answer.status_code == 422
    assert 'value="1.10"' in answer.content.decode()
    quote.refresh_from_db()
    assert (quote.status, QuoteComment.objects.count()) == ("approved", 0)


def test_an_ended_quote_is_quoted_again_and_can_be_changed():
    buyer, client = buyer_with_client()
    quote = quoted(buyer, quantity=3)
    quotes.reject_quote(quote, reason="too dear", actor=buyer.user)
    assert "Quote it again" in client.get(page("quote-detail", quote.pk)).content.decode()
    answer = client.post(page("quote-requote", quote.pk))
    new = Quote.objects.exclude(pk=quote.pk).get()
    assert answer["Location"] == page("quote-configure", new.pk)
    assert (new.requoted_from, new.quantity, new.status) == (quote, 3, "draft")


def test_an_open_quote_is_not_quoted_again():
    buyer, client = buyer_with_client()
    quote = quoted(buyer)
    assert "Quote it again" not in client.get(page("quote-detail", quote.pk)).content.decode()
    assert client.post(page("quote-requote", quote.pk)).status_code == 409
    assert Quote.objects.count() == 1


def test_an_offer_is_shown_with_its_reason():
    buyer, client = buyer_with_client()
    quote = quoted(buyer, quantity=20)
    quotes.offer_price(quote, unit_price=Decimal("12.34"), reason="With brass inserts.", actor=system_actor())
    html = client.get(page("quote-detail", quote.pk)).content.decode()
    assert "Our offer: $12.34 each." in html
    assert "With brass inserts." in html


@pytest.mark.parametrize("name", ["quote-comment", "quote-ask", "quote-requote"])
def test_strangers_and_guests_say_nothing(name, client):
    buyer, _ = buyer_with_client()
    quote = quoted(buyer)
    assert logged_in(stranger()).post(page(name, quote.pk), {"text": "x"}).status_code == 404
    assert client.post(page(name, quote.pk), {"text": "x"})["Location"].startswith(page("login"))
    assert QuoteComment.objects.count() == 0


def test_asking_for_ended_quotes_again_is_limited_as_quotes_are(settings):
    settings.RATE_LIMIT_QUOTES = "2/min"
    buyer, client = buyer_with_client()
    quote = quotes.cancel_quote(quoted(buyer), actor=buyer.user)
    answers = [client.post(page("quote-requote", quote.pk)).status_code for _ in range(3)]
    assert answers == [302, 302, 429]


def test_choosing_over_and_over_is_limited_and_looking_is_not(settings):
    settings.RATE_LIMIT_DEFAULT = "2/min"
    buyer, client = buyer_with_client()
    quote = quoted(buyer, submit=False)
    assert [client.get(page("quote-configure", quote.pk)).status_code for _ in range(3)] == [200, 200, 200]
    answers = [client.post(page("quote-configure", quote.pk), {"stay": "1"}).status_code for _ in range(3)]
    assert answers == [422, 422, 429]
