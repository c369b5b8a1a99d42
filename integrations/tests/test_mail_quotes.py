"""A mail at each turn of a quote: to who asked for it, and to the sales desk; never a file's name under an NDA."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.core import mail
from django.core.mail import EmailMultiAlternatives
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core import outbox
from blb3d.core.outbox import EventDelivery
from quotes import services as quotes
from quotes.models import Quote
from quotes.tests.conftest import materials, uploads  # noqa: F401
from quotes.tests.factories import bracket, member, priced_at, quoted, system_actor
from sales.models import CustomerUser
from sales.tests.factories import ADDRESS, CustomerFactory, UserFactory, staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]

BUYER, DESK = "buyer@example.com", "desk@example.com"


@pytest.fixture(autouse=True)
def _addresses(settings: Any) -> None:
    settings.BASE_URL = "https://erp.example.com/"
    settings.COMPANY_NAME = "Farm & Sons"
    settings.SALES_EMAIL = DESK


@pytest.fixture
def buyer() -> CustomerUser:
    return member(user=UserFactory(email=BUYER), customer=CustomerFactory(company_name="Example & Sons"))


def mails() -> dict[str, EmailMultiAlternatives]:
    """Let the worker send what is due; return the new mails by their receivers."""
    before = len(mail.outbox)
    outbox.relay()
    due = EventDelivery.objects.filter(handler__startswith="integrations.mail.quotes.", status="pending")
    for delivery in due.order_by("pk"):
        outbox.deliver(delivery)
        delivery.refresh_from_db()
        assert delivery.status == "done", delivery.last_error
    sent = mail.outbox[before:]
    for one in sent:
        assert isinstance(one, EmailMultiAlternatives)
        assert one.body.count("https://") == 1
    found = {" ".join(sorted(one.to)): one for one in sent}
    assert len(found) == len(sent)
    return found  # type: ignore[return-value]


def link(quote: Quote) -> str:
    return f"https://erp.example.com/quotes/{quote.pk}/"


def desk_link(quote: Quote) -> str:
    return f"https://erp.example.com/admin/quotes/quote/{quote.pk}/change/"


def test_a_quote_that_needs_nobody_is_ready_at_once(buyer: CustomerUser) -> None:
    quote = quoted(buyer, product_name="Bracket <1>")
    sent = mails()
    assert list(sent) == [BUYER]
    assert sent[BUYER].subject == f"Quote {quote.quote_number} is ready: ${quote.total_price}"
    assert "1 x Bracket <1> in PLA" in sent[BUYER].body
    assert link(quote) in sent[BUYER].body
    assert "Farm & Sons" in sent[BUYER].body
    assert "Bracket &lt;1&gt;" in str(sent[BUYER].alternatives[0][0])


def test_a_quote_under_review_is_received_and_the_desk_is_told_why(buyer: CustomerUser) -> None:
    quote = quoted(buyer, special_instructions="Flat side down")
    sent = mails()
    assert sent[BUYER].subject == f"We are looking at quote {quote.quote_number}"
    assert sent[DESK].subject == f"Quote {quote.quote_number} waits for review: ${quote.total_price}"
    assert "The manager decides, because of: special instructions." in sent[DESK].body
    assert "Example & Sons" in sent[DESK].body
    assert desk_link(quote) in sent[DESK].body


def test_each_word_of_staff_reaches_the_buyer(buyer: CustomerUser) -> None:
    quote = quoted(buyer, special_instructions="Flat side down")
    mails()
    quotes.request_changes(quote, reason="Which side <is> seen?", actor=system_actor())
    sent = mails()
    assert sent[BUYER].subject == f"Quote {quote.quote_number} needs a word from you"
    assert "Which side <is> seen?" in sent[BUYER].body
    assert "<is>" not in str(sent[BUYER].alternatives[0][0])
    quotes.submit_quote(quote, actor=buyer.user)
    mails()
    quotes.comment_on_quote(quote, text="We print it in grey.", actor=system_actor())
    sent = mails()
    assert sent[BUYER].subject == f"A word about your quote {quote.quote_number}"
    assert "We print it in grey." in sent[BUYER].body
    quotes.approve_quote(quote, actor=system_actor())
    assert mails()[BUYER].subject.startswith(f"Quote {quote.quote_number} is ready")


def test_what_is_internal_is_mailed_to_nobody(buyer: CustomerUser) -> None:
    quote = quoted(buyer)
    mails()
    quotes.comment_on_quote(quote, text="Hm.", is_internal=True, actor=system_actor())
    assert mails() == {}


def test_a_customers_words_and_wishes_reach_the_desk(buyer: CustomerUser) -> None:
    quote = quoted(buyer)
    mails()
    quotes.comment_on_quote(quote, text="Can it be grey?", actor=buyer.user)
    sent = mails()
    assert list(sent) == [DESK]
    assert sent[DESK].subject == f"About quote {quote.quote_number}: a customer writes"
    assert "Can it be grey?" in sent[DESK].body
    assert "would pay" not in sent[DESK].body
    quotes.ask_for_changes(quote, text="Less, please.", target_unit_price=Decimal("9.00"), actor=buyer.user)
    sent = mails()
    assert list(sent) == [DESK]
    assert sent[DESK].subject == f"About quote {quote.quote_number}: $9.00 each is asked for"
    assert f"They would pay $9.00 each instead of ${quote.unit_price}." in sent[DESK].body


def test_an_offer_is_mailed_when_it_is_given_and_reviewed_when_it_is_not(buyer: CustomerUser) -> None:
    quote = quoted(buyer)
    mails()
    quotes.offer_price(quote, unit_price=Decimal("14.00"), reason="For a good customer", actor=system_actor())
    sent = mails()
    assert list(sent) == [BUYER]
    assert sent[BUYER].subject == f"Our offer for quote {quote.quote_number}: $14.98"
    assert "For a good customer" in sent[BUYER].body
    assert "at $14.00 each: $14.98 with tax" in sent[BUYER].body
    quotes.offer_price(quote, unit_price=Decimal("0.01"), reason="A slip", actor=staff("quotes.offer_quote"))
    sent = mails()
    assert list(sent) == [DESK]
    assert "The owner decides, because of: below cost." in sent[DESK].body
    quotes.approve_quote(quote, actor=system_actor())
    assert mails()[BUYER].subject == f"Our offer for quote {quote.quote_number}: $0.01"


def test_a_price_is_reminded_of_and_its_end_is_told(buyer: CustomerUser) -> None:
    quote = quoted(buyer)
    draft = priced_at(10, customer=buyer.customer)
    mails()
    ends = timezone.now() + timedelta(days=2)
    Quote.objects.filter(pk=quote.pk).update(expires_at=ends)
    quotes.remind_quotes(actor=system_actor())
    sent = mails()
    day = f"{timezone.localtime(ends).day} {timezone.localtime(ends):%B}"
    assert sent[BUYER].subject == f"The price of quote {quote.quote_number} ends on {day}"
    Quote.objects.filter(pk__in=[quote.pk, draft.pk]).update(expires_at=timezone.now() - timedelta(minutes=1))
    assert len(quotes.expire_quotes(actor=system_actor())) == 2
    sent = mails()
    assert list(sent) == [BUYER]
    assert sent[BUYER].subject == f"The price of quote {quote.quote_number} has ended"


def test_an_acceptance_is_confirmed_with_its_order(buyer: CustomerUser) -> None:
    quote = quoted(buyer)
    mails()
    quotes.take_acceptance(quote, shipping=ADDRESS, customer_po_number="4711", actor=buyer.user)
    sent = mails()
    assert sent[BUYER].subject == f"You accepted quote {quote.quote_number}: ${quote.total_price}"
    assert f"It is order {quote.sales_order.order_number} now." in sent[BUYER].body
    assert "your PO 4711" in sent[BUYER].body


def test_a_refusal_of_ours_is_told_and_one_of_the_customers_is_not(buyer: CustomerUser) -> None:
    ours = quoted(buyer)
    mails()
    theirs = quoted(buyer)
    mails()
    quotes.reject_quote(ours, reason="A wall is only 0.1 mm.", actor=system_actor())
    sent = mails()
    assert "A wall is only 0.1 mm." in sent[BUYER].body
    quotes.reject_quote(theirs, reason="Too dear", actor=buyer.user)
    assert mails() == {}


def test_colleagues_who_spoke_are_told_too(buyer: CustomerUser) -> None:
    colleague = member(user=UserFactory(email="approver@example.com"), customer=buyer.customer)
    quote = quoted(buyer)
    mails()
    quotes.comment_on_quote(quote, text="I approve these.", actor=colleague.user)
    mails()
    quotes.comment_on_quote(quote, text="Thank you.", actor=system_actor())
    assert list(mails()) == [f"approver@example.com {BUYER}"]


def test_without_a_user_the_company_is_told_and_a_guest_is_not() -> None:
    company = priced_at(10, customer=CustomerFactory(email="office@example.com"))
    quotes.submit_quote(company, actor=system_actor())
    assert list(mails()) == ["office@example.com"]
    guest = priced_at(10)
    Quote.objects.filter(pk=guest.pk).update(customer=None)
    guest.refresh_from_db()
    quotes.submit_quote(guest, actor=system_actor())
    assert mails() == {}


def test_a_user_who_left_is_not_told(buyer: CustomerUser) -> None:
    quote = quoted(buyer)
    mails()
    User.objects.filter(pk=buyer.user.pk).update(is_active=False)
    quotes.comment_on_quote(quote, text="Hello", actor=system_actor())
    assert list(mails()) == [buyer.customer.email]


def test_under_an_nda_no_file_is_named(buyer: CustomerUser) -> None:
    files = [bracket("secret-rotor.3mf")]
    quote = quoted(buyer, files=files, is_under_nda=True, special_instructions="Careful")
    quotes.offer_price(quote, unit_price=Decimal("14.00"), reason="For you", actor=system_actor())
    Quote.objects.filter(pk=quote.pk).update(expires_at=timezone.now() + timedelta(days=1))
    quotes.remind_quotes(actor=system_actor())
    quote.refresh_from_db()
    quotes.take_acceptance(quote, shipping=ADDRESS, actor=buyer.user)
    outbox.relay()
    for delivery in EventDelivery.objects.filter(handler__startswith="integrations.mail.").order_by("pk"):
        outbox.deliver(delivery)
    assert len(mail.outbox) >= 5
    for one in mail.outbox:
        text = one.subject + one.body + str(one.alternatives[0][0])  # type: ignore[attr-defined]
        assert "rotor" not in text


def test_an_approver_is_asked_by_mail_until_it_is_decided(buyer: CustomerUser) -> None:
    quote = quoted(buyer)
    approver = member(
        CustomerUser.Role.APPROVER, customer=buyer.customer, user=UserFactory(email="approver@example.com")
    )
    mails()
    quotes.ask_approver(quote, approver, actor=buyer.user)
    sent = mails()
    assert list(sent) == ["approver@example.com"]
    assert sent["approver@example.com"].subject == f"Quote {quote.quote_number} waits for you: ${quote.total_price}"
    assert f"{buyer.user} asks you to accept" in sent["approver@example.com"].body
    assert link(quote) in sent["approver@example.com"].body
    quotes.ask_approver(quote, approver, actor=buyer.user)
    quotes.take_acceptance(quote, shipping=ADDRESS, actor=approver.user)
    assert "approver@example.com" not in mails()
