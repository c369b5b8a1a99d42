"""A quote is shown by a link for reading, as long as the price holds and nobody takes the link back."""

from __future__ import annotations

import datetime
import hashlib
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from rest_framework.test import APIClient

from blb3d.core.errors import InvalidTransition, InvalidValue, NotAllowed, NotFound
from blb3d.core.outbox import OutboxEvent
from quotes import services as quotes
from quotes.errors import NotPriced, QuoteExpired, TooManyLinks
from quotes.models import Quote, QuoteShare
from quotes.services.sharing import MAX_LINKS, shared_quote
from quotes.tests.answers import put_down
from quotes.tests.factories import cube, member, priced_at, quoted, stranger, system_actor
from sales.models import CustomerUser

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]


def address(token: str) -> str:
    return reverse("portal:shared-quote", args=[token])


def of(user: Any) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


@pytest.fixture
def buyer() -> CustomerUser:
    return member()


@pytest.fixture
def quote(buyer: CustomerUser) -> Quote:
    return quoted(buyer, files=[cube()], product_name="Pump housing")


def test_a_link_keeps_no_token_and_ends_with_the_price(quote: Quote, buyer: CustomerUser) -> None:
    share, token = quotes.share_quote(quote, actor=buyer.user)
    assert len(token) >= 43
    share.refresh_from_db()
    assert (share.token_sha256, share.expires_at) == (hashlib.sha256(token.encode()).hexdigest(), quote.expires_at)
    assert share.created_by == buyer.user
    assert shared_quote(token).quote == quote


def test_anybody_with_the_link_reads_the_price_and_is_counted(quote: Quote, buyer: CustomerUser) -> None:
    share, token = quotes.share_quote(quote, actor=buyer.user)
    answer = Client().get(address(token))
    page = answer.content.decode()
    assert answer.status_code == 200
    for words in (quote.quote_number, "Pump housing", "Cube", f"{quote.total_price:,.2f}", "Machine time"):
        assert words in page
    assert "Accept this quote" not in page
    assert '<meta name="robots" content="noindex, nofollow">' in page
    assert (answer["X-Robots-Tag"], answer["Referrer-Policy"]) == ("noindex, nofollow", "no-referrer")
    assert "no-store" in answer["Cache-Control"]
    Client().get(address(token))
    share.refresh_from_db()
    assert share.times_opened == 2
    assert share.last_opened_at is not None


def test_the_picture_is_shown_and_the_file_never_given(quote: Quote, buyer: CustomerUser) -> None:
    _, token = quotes.share_quote(quote, actor=buyer.user)
    file = quote.files.get()
    picture = reverse("portal:shared-picture", args=[token, file.pk])
    assert picture in Client().get(address(token)).content.decode()
    with put_down(Client().get(picture)) as answer:
        assert answer["Content-Type"] == "image/png"
        assert answer["Referrer-Policy"] == "no-referrer"
    assert Client().get(reverse("portal:quote-file", args=[quote.pk, file.pk])).status_code == 404
    other = quoted(member(), files=[cube(30)]).files.get()
    assert Client().get(reverse("portal:shared-picture", args=[token, other.pk])).status_code == 404


def test_under_nda_neither_parts_nor_pictures_are_shown(quote: Quote, buyer: CustomerUser) -> None:
    quote.is_under_nda = True
    quote.save()
    _, token = quotes.share_quote(quote, actor=buyer.user)
    page = Client().get(address(token)).content.decode()
    assert "Under NDA" in page
    assert "Pump housing" not in page
    assert "Cube" not in page
    assert "cube.3mf" not in page
    assert Client().get(reverse("portal:shared-picture", args=[token, quote.files.get().pk])).status_code == 404


def test_an_approver_who_is_logged_in_is_led_to_the_quote(quote: Quote, buyer: CustomerUser) -> None:
    share, token = quotes.share_quote(quote, actor=buyer.user)
    approver = member(CustomerUser.Role.APPROVER, customer=buyer.customer)
    answer = of(approver.user).get(address(token))
    assert (answer.status_code, answer["Location"]) == (302, reverse("portal:quote-detail", args=[quote.pk]))
    assert of(stranger()).get(address(token)).status_code == 200
    share.refresh_from_db()
    assert share.times_opened == 1


def test_a_link_that_is_wrong_over_or_taken_back_says_no_more_than_that(quote: Quote, buyer: CustomerUser) -> None:
    share, token = quotes.share_quote(quote, actor=buyer.user)
    over, late = quotes.share_quote(quote, actor=buyer.user)
    QuoteShare.objects.filter(pk=over.pk).update(expires_at=timezone.now())
    quotes.revoke_share(share, actor=buyer.user)
    first = quotes.revoke_share(share, actor=buyer.user).revoked_at
    share.refresh_from_db()
    assert share.revoked_at == first
    answers = [Client().get(address(wrong)) for wrong in (token, late, "x" * 43)]
    assert [answer.status_code for answer in answers] == [404] * 3
    with pytest.raises(NotFound):
        shared_quote(token)


def test_only_who_may_see_the_quote_shares_it_or_takes_a_link_back(quote: Quote, buyer: CustomerUser) -> None:
    share, _ = quotes.share_quote(quote, actor=buyer.user)
    with pytest.raises(NotAllowed):
        quotes.share_quote(quote, actor=stranger())
    with pytest.raises(NotAllowed):
        quotes.revoke_share(share, actor=stranger())
    assert of(stranger()).get(reverse("portal:quote-share", args=[quote.pk])).status_code == 404
    path = reverse("portal:quote-unshare", args=[quote.pk, share.pk])
    assert of(stranger()).post(path).status_code == 404
    share.refresh_from_db()
    assert share.revoked_at is None


def test_what_has_no_price_or_is_over_is_not_shared(quote: Quote, buyer: CustomerUser) -> None:
    bare = priced_at(10, customer=buyer.customer, unit_price=None)
    with pytest.raises(NotPriced):
        quotes.share_quote(bare, actor=buyer.user)
    quote.expires_at = timezone.now() - datetime.timedelta(days=1)
    quote.save()
    with pytest.raises(QuoteExpired):
        quotes.share_quote(quote, actor=buyer.user)


def test_a_quote_has_so_many_links_at_a_time(quote: Quote) -> None:
    links = [quotes.share_quote(quote, actor=system_actor())[0] for _ in range(MAX_LINKS)]
    with pytest.raises(TooManyLinks):
        quotes.share_quote(quote, actor=system_actor())
    quotes.revoke_share(links[0], actor=system_actor())
    assert quotes.share_quote(quote, actor=system_actor())[0].pk


def test_the_page_makes_a_link_shows_it_once_and_takes_it_back(quote: Quote, buyer: CustomerUser) -> None:
    client, path = of(buyer.user), reverse("portal:quote-share", args=[quote.pk])
    assert "Nobody has a link" in client.get(path).content.decode()
    made = client.post(path).content.decode()
    token = made.partition("/shared/")[2].partition("/")[0]
    assert shared_quote(token).quote == quote
    again = client.get(path).content.decode()
    assert token not in again
    share = QuoteShare.objects.get()
    assert client.post(reverse("portal:quote-unshare", args=[quote.pk, share.pk])).status_code == 302
    assert Client().get(address(token)).status_code == 404


def test_links_are_opened_no_more_often_than_the_limit_lets(quote: Quote, buyer: CustomerUser, settings: Any) -> None:
    settings.RATE_LIMIT_DEFAULT = "3/min"
    _, token = quotes.share_quote(quote, actor=buyer.user)
    answers = [Client().get(address(token)) for _ in range(4)]
    assert [answer.status_code for answer in answers] == [200, 200, 200, 429]
    assert int(answers[-1]["Retry-After"]) >= 1


def test_the_api_makes_lists_and_takes_back_links(quote: Quote, buyer: CustomerUser) -> None:
    api, other = APIClient(), APIClient()
    api.force_authenticate(buyer.user)
    other.force_authenticate(stranger())
    path = f"/api/v1/quotes/{quote.quote_number}/shares"
    made = api.post(path)
    assert made.status_code == 201
    token = made.json()["url"].rstrip("/").rpartition("/")[2]
    assert shared_quote(token).quote == quote
    (row,) = api.get(path).json()
    assert row.keys() == {"id", "created_at", "expires_at", "times_opened", "last_opened_at"}
    assert (row["id"], row["times_opened"]) == (made.json()["id"], 0)
    one = f"{path}/{row['id']}"
    assert [other.get(path).status_code, other.post(path).status_code, other.delete(one).status_code] == [404] * 3
    assert shared_quote(token).quote == quote
    assert api.delete(f"{path}/999").status_code == 404
    assert api.delete(one).status_code == 204
    assert api.get(path).json() == []
    assert Client().get(address(token)).status_code == 404


# Asking who decides ---------------------------------------------------------------------------------------------------
def test_a_buyer_asks_an_approver_of_the_company(quote: Quote) -> None:
    buyer = member(CustomerUser.Role.BUYER, customer=quote.customer)
    approver = member(CustomerUser.Role.APPROVER, customer=quote.customer)
    client, path = of(buyer.user), reverse("portal:quote-share", args=[quote.pk])
    page = client.get(path).content.decode()
    assert approver.user.email in page
    assert f"Ask {buyer.user.email}" not in page
    answer = client.post(reverse("portal:quote-ask-approver", args=[quote.pk, approver.pk]))
    assert (answer.status_code, answer["Location"]) == (302, path)
    fact = OutboxEvent.objects.get(topic="quotes.approver_asked")
    assert (fact.payload["approver_id"], fact.payload["asked_by_id"]) == (approver.pk, buyer.user.pk)


def test_nobody_else_is_asked(quote: Quote, buyer: CustomerUser) -> None:
    colleague = member(CustomerUser.Role.BUYER, customer=quote.customer)
    gone = member(CustomerUser.Role.APPROVER, customer=quote.customer, is_active=False)
    foreign = member(CustomerUser.Role.APPROVER)
    for wrong in (colleague, gone, foreign):
        with pytest.raises(InvalidValue):
            quotes.ask_approver(quote, wrong, actor=buyer.user)
        path = reverse("portal:quote-ask-approver", args=[quote.pk, wrong.pk])
        assert of(buyer.user).post(path).status_code == 404
    with pytest.raises(NotAllowed):
        quotes.ask_approver(quote, buyer, actor=stranger())
    assert not OutboxEvent.objects.filter(topic="quotes.approver_asked").exists()


def test_only_for_a_quote_that_can_be_accepted_is_somebody_asked(quote: Quote, buyer: CustomerUser) -> None:
    draft = quoted(buyer, submit=False)
    with pytest.raises(InvalidTransition):
        quotes.ask_approver(draft, buyer, actor=buyer.user)
    Quote.objects.filter(pk=quote.pk).update(expires_at=timezone.now())
    with pytest.raises(QuoteExpired):
        quotes.ask_approver(quote, buyer, actor=buyer.user)
    assert not OutboxEvent.objects.filter(topic="quotes.approver_asked").exists()
