"""How far each customer got is recorded by the verbs, and the report counts it."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from blb3d.accounts import services as accounts
from blb3d.accounts.models import PortalSession, User
from blb3d.accounts.tests.factories import StaffFactory, SuperuserFactory
from quotes import services as quotes
from quotes.models import Quote, QuoteAnalytics
from quotes.services.funnel import BANDS, Step, funnel, note_step
from quotes.tests.factories import member, priced_at, quoted, request
from sales.tests.factories import ADDRESS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]


def reached(quote: Quote) -> str:
    return QuoteAnalytics.objects.get(quote=quote).abandoned_at_step


def visit() -> PortalSession:
    return accounts.start_visit(ip_address=None, user_agent="browser")


def guest_quote(of: PortalSession, **wishes: Any) -> Quote:
    wanted = request(visit=of, submit=False, **wishes)
    return quotes.create_quote(wanted, actor=User.objects.system("portal"))


def test_a_quote_without_a_price_stands_at_the_upload(settings: Any) -> None:
    settings.QUOTE_SYNC_MAX_MB = 0
    quote = quoted(submit=False)
    assert not quote.is_priced
    assert reached(quote) == "upload"
    assert QuoteAnalytics.objects.get().time_to_quote_seconds is None


def test_a_guest_goes_from_the_price_to_the_page_to_the_register_to_the_order() -> None:
    came = visit()
    quote = guest_quote(came)
    assert reached(quote) == "configure"
    browser = Client()
    session = browser.session
    session["visit"] = came.session_id
    session.save()
    assert browser.get(reverse("portal:quote-detail", args=[quote.pk])).status_code == 200
    assert reached(quote) == "price_shown"
    buyer = member()
    quotes.claim_quotes(came, actor=buyer.user)
    assert reached(quote) == "register"
    quote.refresh_from_db()
    quotes.accept_quote(quote, actor=buyer.user)
    assert reached(quote) == "accept"
    quotes.accept_quote(quote, shipping=ADDRESS, actor=buyer.user)
    row = QuoteAnalytics.objects.get()
    assert (row.abandoned_at_step, row.converted_to_order) == ("", True)
    assert row.customer_session_duration >= 0
    assert row.conversion_time_hours == Decimal("0.00")


def test_a_company_that_asks_is_past_the_register() -> None:
    buyer = member()
    draft = quoted(buyer, submit=False)
    assert reached(draft) == "configure"
    quotes.submit_quote(draft, actor=buyer.user)
    assert reached(draft) == "register"


def test_nobody_goes_back_and_an_order_stays_one() -> None:
    quote = quoted()
    note_step(quote, Step.UPLOAD)
    assert reached(quote) == "register"
    QuoteAnalytics.objects.update(converted_to_order=True, abandoned_at_step="")
    note_step(quote, Step.ACCEPT)
    assert reached(quote) == ""


def test_the_first_price_sets_the_time_and_a_new_one_does_not() -> None:
    buyer = member()
    quote = quoted(buyer, submit=False)
    QuoteAnalytics.objects.update(time_to_quote_seconds=3)
    quotes.update_quote(quote, quantity=9, actor=buyer.user)
    assert QuoteAnalytics.objects.get().time_to_quote_seconds == 3


def test_an_expired_quote_keeps_how_far_it_got() -> None:
    quote = quoted(submit=False)
    Quote.objects.update(expires_at=timezone.now() - datetime.timedelta(days=1))
    quotes.expire_quotes(actor=User.objects.system("quotes"))
    quote.refresh_from_db()
    assert quote.status == "expired"
    assert reached(quote) == "configure"


def past(step: str, *, weeks: int = 0, net: int = 100, material: str = "PLA", seconds: int = 4) -> None:
    quote = priced_at(net, material_type=material, created_at=timezone.now() - datetime.timedelta(weeks=weeks))
    is_order = step == "ordered"
    QuoteAnalytics.objects.create(
        quote=quote,
        abandoned_at_step="" if is_order else step,
        converted_to_order=is_order,
        time_to_quote_seconds=seconds,
    )


def test_the_report_counts_by_week_material_and_price() -> None:
    past("ordered", seconds=2)
    past("accept", net=BANDS[0])
    past("configure", net=BANDS[0] - 1, seconds=9)
    past("ordered", weeks=1, net=5000, material="PETG", seconds=5)
    past("register", weeks=40)
    found = funnel(weeks=4)
    assert (found.total.quotes, found.total.ordered, found.total.median_seconds) == (4, 2, 4.5)
    assert dict(found.total.steps) == {
        "uploaded": 4,
        "got a price": 4,
        "saw the quote": 3,
        "known to us": 3,
        "accepted": 3,
        "ordered": 2,
    }
    assert [week.quotes for week in found.weeks] == [3, 1, 0, 0]
    assert found.total.percent_ordered == Decimal("50.0")
    assert [(group.name, group.quotes, group.ordered) for group in found.materials] == [("PLA", 3, 1), ("PETG", 1, 1)]
    assert [(group.name, group.quotes) for group in found.bands] == [
        ("below 50", 1), ("50 to 250", 2), ("250 to 1000", 0), ("1000 and more", 1),
    ]  # fmt: skip


def test_the_report_takes_one_query_however_many_quotes_there_are() -> None:
    for _ in range(5):
        past("ordered")
    with CaptureQueriesContext(connection) as queries:
        funnel()
    assert len(queries) == 1


def test_the_report_is_for_who_may_see_quotes(client: Client) -> None:
    past("ordered")
    page = reverse("admin:quotes_quoteanalytics_report")
    client.force_login(SuperuserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    words = client.get(page).content.decode()
    assert "How quotes go" in words
    assert "Median time to a price" in words
    assert page in client.get(reverse("admin:quotes_quoteanalytics_changelist")).content.decode()
    client.force_login(StaffFactory(), backend="django.contrib.auth.backends.ModelBackend")
    assert client.get(page).status_code == 403


def test_an_empty_shop_has_a_report_too() -> None:
    found = funnel()
    assert (found.total.quotes, found.total.percent_ordered, found.total.median_seconds) == (0, None, None)
