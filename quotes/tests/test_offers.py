"""A person's price instead of the computed one: its lines, its tax, its level."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.utils import timezone

from blb3d.core.errors import InvalidTransition, InvalidValue, NotAllowed, ReasonRequired, StaleVersion
from blb3d.core.outbox import OutboxEvent
from inventory.tests.concurrency import together
from quotes import services as quotes
from quotes.errors import NotPriced, QuoteExpired
from quotes.models import Quote, QuoteApproval
from quotes.services.pricing import cost_of
from quotes.tests.factories import member, priced_at, quoted, system_actor
from sales.models import SalesOrder
from sales.pricing import price_again
from sales.tests.factories import ADDRESS, staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]

D = Decimal
DESK = ("quotes.approve_quote", "quotes.offer_quote")
OWNER = (*DESK, "quotes.approve_level2_quote", "quotes.approve_level3_quote")


def waiting(**wishes: object) -> Quote:
    """Return a quote of ten sets under review."""
    quote = quoted(quantity=10, special_instructions="Flat side down", **wishes)
    assert quote.status == "pending"
    return quote


def test_an_offer_is_a_line_and_the_tax_follows_it():
    quote = waiting()
    lines, before = quote.price_lines, quote.subtotal
    unit = quote.unit_price - D("0.50")
    clerk = staff(*DESK)
    quotes.offer_price(quote, unit_price=unit, reason="A good customer", actor=clerk)
    assert quote.price_lines == [*lines, {"key": "agreed", "label": "Agreed adjustment", "amount": "-5.00"}]
    assert (quote.unit_price, quote.subtotal) == (unit, before - 5)
    assert quote.tax == (quote.subtotal * D("0.07")).quantize(D("0.01"))
    assert quote.total_price == quote.subtotal + quote.tax
    assert (quote.offered_unit_price, quote.offer_reason) == (unit, "A good customer")
    again = price_again(quote.price_breakdown)
    assert (again.unit_price, again.tax, again.total) == (unit, quote.tax, quote.total_price)


def test_who_may_approve_the_price_gives_it_by_offering_it():
    quote = waiting()
    clerk = staff(*DESK)
    quotes.offer_price(quote, unit_price=quote.unit_price - D("0.10"), reason="For ten", actor=clerk)
    assert quote.status == "approved"
    assert set(quote.approvals.values_list("status", "approver")) == {("APPROVED", clerk.pk)}
    assert sorted(quote.approvals.values_list("required_when", flat=True)) == ["AGREED_PRICE", "HAS_INSTRUCTIONS"]
    fact = OutboxEvent.objects.get(topic="quotes.price_offered")
    assert (fact.payload["from"], fact.payload["to"]) == ("pending", "approved")


def test_a_price_below_cost_waits_for_the_owner():
    quote = waiting()
    unit = (cost_of(quote) / 10).quantize(D("0.01")) - D("0.10")
    quotes.offer_price(quote, unit_price=unit, reason="Too cheap", actor=staff(*DESK))
    assert quote.status == "pending"
    row = quote.approvals.get(required_when="BELOW_COST")
    assert (row.approval_level, row.status) == (3, "PENDING")
    with pytest.raises(NotAllowed):
        quotes.approve_quote(quote, actor=staff(*DESK))
    owner = staff(*OWNER)
    quotes.approve_quote(quote, actor=owner)
    assert (quote.status, quote.unit_price) == ("approved", unit)


def test_an_approved_quote_offered_below_cost_is_not_accepted_before_the_owner_has_looked():
    quote = quoted()
    assert quote.status == "approved"
    quotes.offer_price(quote, unit_price=D("0.01"), reason="A slip", actor=staff(*DESK))
    assert quote.status == "pending"
    with pytest.raises(InvalidTransition):
        quotes.take_acceptance(quote, actor=system_actor())


def test_a_second_offer_takes_the_place_of_the_first():
    quote = waiting()
    computed = quote.unit_price
    for less in (D("0.10"), D("0.20")):
        quotes.offer_price(quote, unit_price=computed - less, reason="Step by step", actor=staff(*DESK))
    assert quote.unit_price == computed - D("0.20")
    assert [line["amount"] for line in quote.price_lines if line["key"] == "agreed"] == ["-2.00"]


def test_the_computed_price_may_be_offered_again():
    quote = waiting()
    computed, lines = quote.unit_price, quote.price_lines
    for price in (computed - D("0.10"), computed):
        quotes.offer_price(quote, unit_price=price, reason="Thought again", actor=staff(*DESK))
    assert (quote.unit_price, quote.price_lines) == (computed, lines)


def test_pricing_again_gives_the_offer_up():
    quote = waiting()
    computed = quote.unit_price
    unit = (cost_of(quote) / 10).quantize(D("0.01")) - D("0.10")
    quotes.offer_price(quote, unit_price=unit, reason="Too cheap", actor=staff(*DESK))
    quotes.price_quote(quote, actor=system_actor())
    assert (quote.unit_price, quote.offered_unit_price, quote.offer_reason) == (computed, None, "")


@pytest.mark.parametrize("price", ["0", "-1", "0.001", "NaN", "Infinity", "99999999"])
def test_an_impossible_price_changes_nothing(price):
    quote = waiting()
    kept = (quote.unit_price, quote.price_breakdown)
    with pytest.raises(InvalidValue):
        quotes.offer_price(quote, unit_price=D(price), reason="Hm", actor=system_actor())
    quote.refresh_from_db()
    assert (quote.unit_price, quote.price_breakdown) == kept
    assert (quote.status, quote.offered_unit_price) == ("pending", None)
    assert not quote.approvals.filter(required_when=QuoteApproval.Rule.AGREED_PRICE).exists()


def test_an_offer_needs_a_reason_a_price_to_start_from_and_time():
    quote = waiting()
    with pytest.raises(ReasonRequired):
        quotes.offer_price(quote, unit_price=D(5), reason=" ", actor=system_actor())
    bare = priced_at(600)
    quotes.submit_quote(bare, actor=system_actor())
    with pytest.raises(NotPriced):
        quotes.offer_price(bare, unit_price=D(5), reason="Hm", actor=system_actor())
    Quote.objects.filter(pk=quote.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    with pytest.raises(QuoteExpired):
        quotes.offer_price(quote, unit_price=D(5), reason="Hm", actor=system_actor())


def test_only_staff_who_may_offer():
    buyer = member()
    quote = quoted(buyer)
    for actor in (buyer.user, staff("quotes.approve_quote")):
        with pytest.raises(NotAllowed):
            quotes.offer_price(quote, unit_price=D(5), reason="Hm", actor=actor)
    for status in ("draft", "rejected"):
        other = priced_at(600, status="draft")
        if status == "rejected":
            quotes.submit_quote(other, actor=system_actor())
            quotes.reject_quote(other, reason="No", actor=system_actor())
        with pytest.raises(InvalidTransition):
            quotes.offer_price(other, unit_price=D(5), reason="Hm", actor=system_actor())


def test_an_accepted_offer_is_ordered_at_its_price():
    buyer = member()
    quote = quoted(buyer, quantity=10)
    unit = quote.unit_price - D("0.50")
    quotes.offer_price(quote, unit_price=unit, reason="For ten", actor=staff(*OWNER))
    quotes.take_acceptance(quote, actor=buyer.user)
    assert (quote.status, quote.unit_price) == ("accepted", unit)


@pytest.mark.django_db(transaction=True)
def test_what_is_accepted_while_another_price_is_offered_is_what_the_buyer_saw(shared_database):
    buyer = member()
    quote = quoted(buyer)
    seen, one, other = quote.unit_price, Quote.objects.get(pk=quote.pk), Quote.objects.get(pk=quote.pk)
    offer = partial(quotes.offer_price, other, unit_price=seen + 1, reason="Dearer", actor=system_actor())
    results = together(
        partial(quotes.take_acceptance, one, shipping=ADDRESS, version=quote.version, actor=buyer.user), offer
    )
    fresh = Quote.objects.get()
    if isinstance(results[0], StaleVersion):
        assert (fresh.status, fresh.unit_price, SalesOrder.objects.count()) == ("approved", seen + 1, 0)
    else:
        assert isinstance(results[1], InvalidTransition)
        assert (fresh.status, SalesOrder.objects.get().subtotal) == ("converted", seen)
