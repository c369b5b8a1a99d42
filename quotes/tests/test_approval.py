"""Who has to look at which quote, at each rule's boundary, and who may decide."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from blb3d.core.errors import InvalidTransition, NotAllowed, ReasonRequired
from blb3d.core.outbox import OutboxEvent
from quotes import services as quotes
from quotes.errors import NotPriced
from quotes.models import Quote, QuoteApproval, QuoteMaterial
from quotes.tests.factories import member, priced_at, quoted, stranger, system_actor
from sales.models import SalesOrder
from sales.tests.factories import staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]

D = Decimal


def known_customer():
    """Return a customer that has paid an order."""
    buyer = member()
    SalesOrder.objects.create(order_number="SO-T-1", customer=buyer.customer, payment_status="paid")
    return buyer.customer


def submitted(quote: Quote) -> tuple[str, list[str]]:
    quotes.submit_quote(quote, actor=system_actor())
    return quote.status, sorted(quote.approvals.values_list("required_when", flat=True))


@pytest.mark.parametrize(("net", "rules"), [("500.00", []), ("500.01", ["OVER_500"])])
def test_a_net_price_over_the_limit_is_reviewed(net, rules):
    assert submitted(priced_at(net, customer=known_customer())) == ("pending" if rules else "approved", rules)


@pytest.mark.parametrize(("net", "rules"), [("250.00", []), ("250.01", ["NEW_CUSTOMER"])])
def test_a_new_customer_is_reviewed_over_its_own_limit(net, rules):
    assert submitted(priced_at(net)) == ("pending" if rules else "approved", rules)


def test_a_customer_with_a_paid_order_is_not_new():
    assert submitted(priced_at("250.01", customer=known_customer())) == ("approved", [])


def test_the_limits_look_at_the_net_price():
    quote = priced_at("250.00", tax=D("17.50"), total_price=D("267.50"))
    assert submitted(quote) == ("approved", [])


@pytest.mark.parametrize(("text", "rules"), [("", []), ("  \n", []), ("no supports", ["HAS_INSTRUCTIONS"])])
def test_instructions_are_read_by_a_person(text, rules):
    assert submitted(priced_at(10, special_instructions=text))[1] == rules


@pytest.mark.parametrize(("interval", "rules"), [("25.00", []), ("25.01", ["LOW_CONFIDENCE"])])
def test_an_uncertain_estimate_is_reviewed(interval, rules):
    assert submitted(priced_at(10, estimate_confidence=D(interval)))[1] == rules


@pytest.mark.parametrize(("differ", "rules"), [("15.0", []), ("15.1", ["LOW_CONFIDENCE"]), (None, [])])
def test_two_methods_that_disagree_are_reviewed(differ, rules):
    assert submitted(priced_at(10, estimate_detail={"methods_differ_percent": differ}))[1] == rules


def test_a_filament_outside_the_catalogue_is_reviewed():
    known, unknown = priced_at(10), priced_at(10)
    QuoteMaterial.objects.create(quote=known, material_type="PLA", grams=D(5))
    QuoteMaterial.objects.create(quote=unknown, material_type="PVA", grams=D(5))
    assert submitted(known) == ("approved", [])
    assert submitted(unknown) == ("pending", ["CUSTOM_MATERIAL"])


def test_every_rule_that_is_hit_has_a_row():
    quote = priced_at(600, special_instructions="Flat side down", estimate_confidence=D(30))
    assert submitted(quote)[1] == ["HAS_INSTRUCTIONS", "LOW_CONFIDENCE", "NEW_CUSTOMER", "OVER_500"]
    fact = OutboxEvent.objects.get(topic="quotes.quote_submitted")
    assert fact.payload["to"] == "pending"


@pytest.mark.parametrize(("net", "level"), [("2499.99", 1), ("2500.00", 2), ("9999.99", 2), ("10000.00", 3)])
def test_the_level_follows_the_net_price(net, level):
    quote = priced_at(net)
    submitted(quote)
    assert set(quote.approvals.values_list("approval_level", flat=True)) == {level}


APPROVERS = {
    "desk": ("quotes.approve_quote",),
    "director": ("quotes.approve_quote", "quotes.approve_level2_quote"),
    "owner": ("quotes.approve_quote", "quotes.approve_level2_quote", "quotes.approve_level3_quote"),
}


@pytest.mark.parametrize(
    ("net", "who", "may"),
    [
        (600, "desk", True),
        (2500, "desk", False),
        (2500, "director", True),
        (10000, "director", False),
        (10000, "owner", True),
    ],
)
def test_the_highest_pending_level_decides_who_approves(net, who, may):
    quote, approver = priced_at(net), staff(*APPROVERS[who])
    submitted(quote)
    if may:
        quotes.approve_quote(quote, actor=approver, comments="fine")
        row = quote.approvals.first()
        assert (quote.status, row.status, row.approver, row.comments) == ("approved", "APPROVED", approver, "fine")
        return
    with pytest.raises(NotAllowed):
        quotes.approve_quote(quote, actor=approver)
    quote.refresh_from_db()
    assert quote.status == "pending"
    assert set(quote.approvals.values_list("status", flat=True)) == {"PENDING"}


def test_approval_starts_the_price_anew():
    quote = priced_at(600, expires_at=timezone.now() + timedelta(days=1))
    submitted(quote)
    quotes.approve_quote(quote, actor=staff("quotes.approve_quote"))
    assert quote.expires_at > timezone.now() + timedelta(days=29)


def test_a_quote_without_a_price_is_not_approved():
    quote = priced_at(10, unit_price=None, subtotal=None, total_price=None, estimate_detail={"needs_person": "STEP"})
    assert submitted(quote) == ("pending", ["LOW_CONFIDENCE"])
    with pytest.raises(NotPriced):
        quotes.approve_quote(quote, actor=system_actor())
    quotes.estimate_quote_by_hand(quote, material_grams=D("125.5"), print_time_minutes=D(200), actor=system_actor())
    quotes.approve_quote(quote, actor=system_actor())
    assert (quote.status, quote.material_grams, quote.estimate_method) == ("approved", D("125.5"), "engineer")


def test_changes_are_asked_for_with_a_reason_and_the_quote_is_a_draft_again():
    quote = priced_at(600)
    submitted(quote)
    clerk = staff("quotes.request_changes_quote")
    with pytest.raises(ReasonRequired):
        quotes.request_changes(quote, reason=" ", actor=clerk)
    quotes.request_changes(quote, reason="Which side is up?", actor=clerk)
    assert (quote.status, quote.review_message) == ("draft", "Which side is up?")
    assert set(quote.approvals.values_list("status", flat=True)) == {"REJECTED"}
    submitted(quote)
    assert quote.approvals.filter(status=QuoteApproval.Status.PENDING).count() == 2


def test_staff_and_the_customer_may_reject_and_nobody_else():
    for actor in (staff("quotes.reject_quote"), None):
        buyer = member()
        quote = quoted(buyer)
        with pytest.raises(NotAllowed):
            quotes.reject_quote(quote, actor=stranger())
        quotes.reject_quote(quote, actor=actor or buyer.user, reason="too dear")
        assert (quote.status, quote.review_message) == ("rejected", "too dear")


def test_a_customer_cancels_and_cannot_approve():
    buyer = member()
    quote = priced_at(600, customer=buyer.customer)
    submitted(quote)
    with pytest.raises(NotAllowed):
        quotes.approve_quote(quote, actor=buyer.user)
    quotes.cancel_quote(quote, actor=buyer.user)
    assert quote.status == "cancelled"


def test_a_decided_quote_is_not_decided_again():
    quote = priced_at(600)
    submitted(quote)
    quotes.reject_quote(quote, actor=system_actor(), reason="no")
    with pytest.raises(InvalidTransition):
        quotes.approve_quote(quote, actor=system_actor())
