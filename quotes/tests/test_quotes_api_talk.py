"""What is said and bargained about a quote over HTTP: comments, wishes, offers, quotes asked for again."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from quotes import services as quotes
from quotes.models import Quote
from quotes.tests.factories import member, quoted, stranger, system_actor
from quotes.tests.test_quotes_api import URL, client_of, post_quote
from sales.tests.factories import staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]

DESK = ("quotes.view_quote", "quotes.comment_quote", "quotes.offer_quote", "quotes.approve_quote")


def post(user, quote, act, body=None, **headers):
    return client_of(user).post(f"{URL}/{quote.pk}/{act}", body or {}, format="json", headers=headers)


@pytest.mark.parametrize("slash", ["", "/"])
def test_comments_are_said_and_read_with_and_without_the_slash(slash):
    buyer, clerk = member(), staff(*DESK)
    quote = quoted(buyer)
    said = post(buyer.user, quote, f"comments{slash}", {"text": "Can it be grey?"})
    assert (said.status_code, said.json()["text"], said.json()["is_staff"]) == (201, "Can it be grey?", False)
    post(clerk, quote, f"comments{slash}", {"text": "Yes."})
    post(clerk, quote, f"comments{slash}", {"text": "Ask purchasing.", "is_internal": True})
    read = client_of(buyer.user).get(f"{URL}/{quote.quote_number}/comments{slash}").json()
    assert [(row["text"], row["is_staff"]) for row in read] == [("Can it be grey?", False), ("Yes.", True)]
    assert read[1]["by"] == ""
    ours = client_of(clerk).get(f"{URL}/{quote.pk}/comments{slash}").json()
    assert [(row["text"], row["by"], row["is_internal"]) for row in ours][1:] == [
        ("Yes.", clerk.email, False),
        ("Ask purchasing.", clerk.email, True),
    ]


def test_a_comment_that_is_sent_twice_under_one_key_is_said_once():
    buyer = member()
    quote = quoted(buyer)
    answers = [post(buyer.user, quote, "comments", {"text": "Hello"}, **{"Idempotency-Key": "c1"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json() == answers[1].json()
    assert quote.comments.count() == 1


def test_who_may_speak_where():
    buyer = member()
    quote = quoted(buyer)
    for user, code in ((None, 401), (stranger(), 404), (staff("quotes.view_quote"), 403)):
        assert post(user, quote, "comments", {"text": "Hello"}).status_code == code
    refused = post(buyer.user, quote, "comments", {"text": "Psst", "is_internal": True})
    assert (refused.status_code, refused.json()["error_code"]) == (403, "PERM_001")
    assert post(buyer.user, quote, "comments", {"text": " "}).status_code == 400
    assert post(buyer.user, quote, "comments", {"text": "x" * 2001}).status_code == 400
    assert client_of(stranger()).get(f"{URL}/{quote.pk}/comments").status_code == 404
    assert not quote.comments.exists()


def test_a_customer_asks_and_staff_offer():
    buyer, clerk = member(), staff(*DESK)
    quote = quoted(buyer, quantity=10)
    asked = post(buyer.user, quote, "ask-changes", {"text": "We have 1.00 elsewhere", "target_unit_price": "1.00"})
    assert asked.status_code == 200
    assert (asked.json()["status"], asked.json()["target_unit_price"]) == ("pending", "1.00")
    unit = str(quote.unit_price - Decimal("0.05"))
    offered = post(clerk, quote, "offer", {"unit_price": unit, "reason": "As near as we can"})
    body = offered.json()
    assert (offered.status_code, body["status"], body["unit_price"]) == (200, "approved", unit)
    assert (body["price_breakdown"][-1]["key"], body["offer_reason"]) == ("agreed", "As near as we can")
    assert Decimal(body["cost"]) > 0
    assert Decimal(body["margin_percent"]) > 0
    seen = client_of(buyer.user).get(f"{URL}/{quote.pk}").json()
    assert (seen["unit_price"], seen["cost"], seen["margin_percent"], seen["approvals"]) == (unit, None, None, [])


def test_a_customer_cannot_offer_and_staff_cannot_ask():
    buyer = member()
    quote = quoted(buyer)
    assert post(buyer.user, quote, "offer", {"unit_price": "1.00", "reason": "Mine"}).status_code == 403
    assert post(staff(*DESK), quote, "ask-changes", {"text": "Less"}).status_code == 403
    for body in ({}, {"text": "Less", "target_unit_price": "-1"}, {"text": "Less", "target_unit_price": "1.001"}):
        assert post(buyer.user, quote, "ask-changes", body).status_code == 400
    for body in ({"unit_price": "1.00"}, {"unit_price": "NaN", "reason": "x"}, {"unit_price": "0", "reason": "x"}):
        assert post(staff(*DESK), quote, "offer", body).status_code == 400
    quote.refresh_from_db()
    assert quote.status == "approved"


def test_a_write_against_an_older_version_is_refused():
    buyer = member()
    quote = quoted(buyer)
    answer = client_of(buyer.user).post(
        f"{URL}/{quote.pk}/ask-changes", {"text": "Less"}, format="json", headers={"If-Match": f'"{quote.version - 1}"'}
    )
    assert (answer.status_code, answer.json()["error_code"]) == (409, "CONFLICT_001")
    older = {"unit_price": "20.00", "reason": "Dearer", "version": quote.version - 1}
    assert post(staff(*DESK), quote, "offer", older).status_code == 409
    assert post(staff(*DESK), quote, "offer", {**older, "version": quote.version}).status_code == 200
    assert client_of(buyer.user).post(
        f"{URL}/{quote.pk}/accept", {"version": quote.version}, format="json"
    ).status_code == 409  # fmt: skip
    quote.refresh_from_db()
    assert (quote.status, quote.unit_price) == ("approved", Decimal("20.00"))


def test_an_ended_quote_is_asked_for_again():
    buyer = member()
    quote = quoted(buyer)
    assert post(buyer.user, quote, "requote").status_code == 409
    quotes.reject_quote(quote, reason="Too dear", actor=buyer.user)
    assert client_of(buyer.user).get(f"{URL}/{quote.pk}").json()["available_actions"] == ["requote", "comment"]
    assert post(stranger(), quote, "requote").status_code == 404
    answers = [post(buyer.user, quote, "requote", **{"Idempotency-Key": "r1"}) for _ in range(2)]
    assert [answer.status_code for answer in answers] == [201, 201]
    body = answers[0].json()
    assert (body["id"], body["requoted_from_id"], body["status"]) == (answers[1].json()["id"], quote.pk, "draft")
    assert Quote.objects.count() == 2


def test_a_price_that_has_ended_can_only_be_asked_for_again():
    buyer = member()
    quote = quoted(buyer)
    Quote.objects.filter(pk=quote.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    actions = client_of(buyer.user).get(f"{URL}/{quote.pk}").json()["available_actions"]
    assert actions == ["reject", "cancel", "comment", "requote"]


def test_po_number_and_nda_are_taken_and_shown():
    buyer = member()
    body = post_quote(client_of(buyer.user), customer_po_number="4711", is_under_nda="true", submit="false").json()
    assert (body["customer_po_number"], body["is_under_nda"]) == ("4711", True)
    patched = client_of(buyer.user).patch(f"{URL}/{body['id']}", {"is_under_nda": False}, format="json").json()
    assert patched["is_under_nda"] is False
    plain = post_quote(client_of(buyer.user), submit="false").json()
    assert (plain["is_under_nda"], plain["progress_percent"]) == (False, None)


def test_a_list_shows_what_a_single_quote_shows_and_costs_the_same_however_long(django_assert_max_num_queries):
    buyer, clerk = member(), staff(*DESK)
    rows = [quoted(buyer, special_instructions="Flat side down") for _ in range(3)]
    quotes.ask_for_changes(rows[0], text="Less", actor=system_actor())
    for user in (buyer.user, clerk):
        client = client_of(user)
        with django_assert_max_num_queries(10):
            listed = client.get(URL).json()["results"]
        assert listed == [client.get(f"{URL}/{row.pk}").json() for row in reversed(rows)]


def test_comments_are_limited_and_reading_them_is_not(settings):
    settings.RATE_LIMIT_QUOTES = "2/min"
    buyer = member()
    quote = quoted(buyer)
    codes = [post(buyer.user, quote, "comments", {"text": "Hello"}).status_code for _ in range(3)]
    assert codes == [201, 201, 429]
    assert post(buyer.user, quote, "ask-changes", {"text": "Less"}).status_code == 429
    assert len(client_of(buyer.user).get(f"{URL}/{quote.pk}/comments").json()) == 2
