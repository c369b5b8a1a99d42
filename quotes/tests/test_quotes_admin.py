"""Quotes in the console: the queue, the reasons, the word, and files that are nobody's public address."""

from __future__ import annotations

import pytest
from django.test import Client
from django.urls import reverse

from blb3d.accounts.models import User
from quotes import services as quotes
from quotes.models import Quote
from quotes.tests.answers import put_down
from quotes.tests.factories import bracket, cube, member, quoted
from sales.models import SalesOrder
from sales.tests.factories import staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]

LIST = "admin:quotes_quote_changelist"


@pytest.fixture
def client() -> Client:
    return logged_in(User.objects.create_superuser("boss@example.com", first_name="Boss"))


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(quote: Quote) -> str:
    return reverse("admin:quotes_quote_change", args=[quote.pk])


def press(client: Client, quote: Quote, name: str, **answers: object):
    quote.refresh_from_db()
    door = reverse("admin:quotes_quote_verb", args=[quote.pk, name])
    body = {"_version": quote.version, **({"_answered": "1", **answers} if answers else {})}
    response = client.post(door, body, follow=True)
    quote.refresh_from_db()
    return response


def under_review(**wishes: object) -> Quote:
    return quoted(special_instructions="Flat side down", **wishes)


def test_the_queue_names_what_waits_and_why(client):
    quoted(product_name="Clip")
    waiting = under_review(product_name="Hinge")
    html = client.get(reverse(LIST) + "?status__exact=pending").content.decode()
    assert (waiting.product_name in html, "Clip" in html) == (True, False)
    assert "special instructions" in html


def test_the_page_shows_price_lines_files_parts_and_reasons(client):
    quote = under_review(files=[bracket(), cube()])
    html = client.get(page(quote)).content.decode()
    for text in ("Machine time", "bracket.3mf", "L bracket", "Flat side down", "manager: special instructions"):
        assert text in html
    assert "/uploads/" not in html


def test_the_word_is_given_by_buttons(client):
    quote = under_review()
    press(client, quote, "approve")
    assert (quote.status, quote.approvals.get().approver.email) == ("approved", "boss@example.com")
    back = under_review()
    press(client, back, "request_changes", reason="Which side?")
    assert (back.status, back.review_message) == ("draft", "Which side?")
    down = under_review()
    press(client, down, "reject", reason="")
    assert down.status == "pending"
    press(client, down, "reject", reason="Cannot be printed")
    assert down.status == "rejected"


def test_a_level_that_is_too_high_is_refused_in_words(settings):
    settings.QUOTE_APPROVAL_LEVEL_2_FROM = 1
    quote = under_review()
    clerk = staff("quotes.view_quote", "quotes.change_quote", "quotes.approve_quote")
    response = press(logged_in(clerk), quote, "approve")
    assert quote.status == "pending"
    assert "PERM_001" in response.content.decode()


def test_a_person_enters_an_estimate_where_no_method_can(client):
    step = quotes.Upload("part.step", b"ISO-10303-21;\nHEADER;")
    quote = quoted(files=[step], is_for_engineer=True)
    press(client, quote, "estimate", material_grams="125.5", print_time_minutes="200", sets_per_plate="2")
    assert (str(quote.material_grams), quote.parts_per_plate) == ("125.5000", 2)
    press(client, quote, "approve")
    assert quote.status == "approved"


def test_staff_order_for_a_customer_on_the_phone(client):
    quote = quoted()
    press(client, quote, "accept", line1="1 Harbour Street", city="Portland", zip="97201", country="USA")
    assert quote.status == "converted"
    assert SalesOrder.objects.get().shipping_address_line1 == "1 Harbour Street"


def test_files_are_saved_by_who_may_and_nobody_else(client):
    row = quoted().files.get()
    doors = [reverse(f"admin:quotes_quotefile_{name}", args=[row.pk]) for name in ("download", "preview")]
    answer = client.get(doors[0])
    assert b"".join(answer.streaming_content) == bracket().content
    assert answer["Content-Disposition"].startswith("attachment")
    with put_down(client.get(doors[1])) as picture:
        assert picture["Content-Type"] == "image/png"
    for other, status in (
        (Client(), 302),
        (logged_in(member().user), 302),
        (logged_in(staff("quotes.view_quote")), 403),
    ):
        assert [other.get(door).status_code for door in doors] == [status, status]
    with put_down(logged_in(staff("quotes.view_quotefile")).get(doors[0])) as answer:
        assert answer.status_code == 200


def test_the_lists_cost_the_same_however_long_they_are(client, django_assert_max_num_queries):
    for _ in range(4):
        under_review()
    for name in ("quote", "quotefile", "fileuploadlog", "quoteanalytics"):
        with django_assert_max_num_queries(12):
            assert client.get(reverse(f"admin:quotes_{name}_changelist")).status_code == 200
