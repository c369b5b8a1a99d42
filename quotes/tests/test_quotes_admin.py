"""Quotes in the console: the queue, the reasons, the word, and files that are nobody's public address."""

from __future__ import annotations

import re
from decimal import Decimal

import pytest
from django.test import Client
from django.urls import reverse

from blb3d.accounts.models import User
from blb3d.core import outbox
from blb3d.core.outbox import EventDelivery
from quotes import services as quotes
from quotes.models import FileUploadLog, Quote
from quotes.tests.answers import put_down
from quotes.tests.factories import bracket, cube, member, quoted, system_actor
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


def test_the_log_of_uploads_is_filtered_by_what_the_scanner_found_in_words(client):
    for name, result in (("one.stl", "not_scanned"), ("two.stl", "held")):
        FileUploadLog.objects.create(
            filename=name, file_hash=name, file_size_bytes=1, virus_scan_result=result, accepted=True
        )
    door = reverse("admin:quotes_fileuploadlog_changelist")
    html = client.get(door).content.decode()
    assert ("waits for the scanner" in html, ">not scanned<" in re.sub(r"\s*([<>])\s*", r"\1", html)) == (True, True)
    narrowed = client.get(door, {"virus_scan_result": "held"}).content.decode()
    assert ("two.stl" in narrowed, "one.stl" in narrowed) == (True, False)


def test_a_person_offers_a_price_and_sees_cost_and_margin(client):
    quote = under_review(quantity=10)
    asked = press(client, quote, "offer")
    assert "Costs us $" in asked.content.decode()
    price = quote.unit_price - Decimal("0.05")
    press(client, quote, "offer", unit_price=str(price), reason="For ten")
    assert (quote.status, quote.unit_price, quote.offer_reason) == ("approved", price, "For ten")
    html = client.get(page(quote)).content.decode()
    for text in ("Agreed adjustment", "each: For ten", " %, cost $", "; settings"):
        assert text in html


def test_what_was_said_stands_on_the_page_and_in_the_timeline(client):
    buyer = member()
    quote = quoted(buyer)
    quotes.ask_for_changes(quote, text="Can you do less?", target_unit_price=Decimal("9.00"), actor=buyer.user)
    press(client, quote, "comment", text="Ask the boss first.", is_internal="on")
    press(client, quote, "comment", text="We look into it.")
    assert list(quote.comments.values_list("is_internal", flat=True)) == [False, True, False]
    html = client.get(page(quote)).content.decode()
    for text in (
        "$9.00 each",
        "Can you do less?",
        "commented, for us alone",
        "<q>Ask the boss first.</q>",
        "<q>We look into it.</q>",
    ):
        assert text in html


def test_mails_stand_in_the_timeline_and_those_that_failed_say_why(client):
    buyer = member()
    quote = quoted(buyer, special_instructions="Flat side down")
    quotes.comment_on_quote(quote, text="For us.", is_internal=True, actor=system_actor())
    outbox.relay()
    rows = EventDelivery.objects.filter(handler__startswith="integrations.mail.")
    for handler in ("mail_quote", "mail_comment"):
        outbox.deliver(rows.get(handler__endswith=handler))
    rows.filter(handler__endswith="mail_review").update(status="dead", last_error="INTEG_002 550 no such person")
    html = client.get(page(quote)).content.decode()
    assert f"quote submitted, to {buyer.user.email}" in html
    assert "quote submitted, not sent to the sales desk" in html
    assert "<q>INTEG_002 550 no such person</q>" in html
    assert "quote commented" not in html


def test_an_ended_quote_is_quoted_again_and_both_name_each_other(client):
    quote = quoted()
    assert "Quote again" not in client.get(page(quote)).content.decode()
    quotes.cancel_quote(quote, actor=system_actor())
    press(client, quote, "requote", reason="")
    new = Quote.objects.get(requoted_from=quote)
    assert new.quote_number in client.get(page(quote)).content.decode()
    assert quote.quote_number in client.get(page(new)).content.decode()


def test_an_nda_is_seen_and_its_downloads_are_written_down(client, caplog, django_capture_on_commit_callbacks):
    quote, plain = quoted(is_under_nda=True), quoted()
    assert ">NDA<" in client.get(page(quote)).content.decode()
    assert ">NDA<" not in client.get(page(plain)).content.decode()
    with caplog.at_level("INFO", logger="audit"), django_capture_on_commit_callbacks(execute=True):
        for one in (quote, plain):
            with put_down(client.get(reverse("admin:quotes_quotefile_download", args=[one.files.get().pk]))) as answer:
                assert answer.status_code == 200
    noted = [record for record in caplog.records if record.getMessage() == "quotes.note_download"]
    assert [(row.subject, row.actor) for row in noted] == [
        (f"quotes.quotefile:{quote.files.get().pk}", "boss@example.com")
    ]


QUEUE = "admin:quotes_quote_queue"


def test_the_queue_says_who_decides_and_why(client, settings):
    settings.QUOTE_APPROVAL_LEVEL_2_FROM = Decimal(100)
    first, second = under_review(), under_review(quantity=200)
    quoted()
    html = client.get(reverse(QUEUE)).content.decode()
    assert html.index(first.quote_number) < html.index(second.quote_number)
    for text in ("All 2", "Mine to decide 2", "For the manager 1", "For the director 1", "Special instructions 2"):
        assert text in html
    narrowed = client.get(reverse(QUEUE), {"level": "2"}).content.decode()
    assert (first.quote_number in narrowed, second.quote_number in narrowed) == (False, True)
    assert "Nothing of this kind waits" in client.get(reverse(QUEUE), {"rule": "OVER_500x"}).content.decode()


def test_mine_to_decide_are_those_of_ones_level(settings):
    settings.QUOTE_APPROVAL_LEVEL_2_FROM = Decimal(100)
    low, high = under_review(), under_review(quantity=200)
    clerk = logged_in(staff("quotes.view_quote", "quotes.approve_quote"))
    mine = clerk.get(reverse(QUEUE), {"mine": "1"}).content.decode()
    assert (low.quote_number in mine, high.quote_number in mine) == (True, False)
    assert Client().get(reverse(QUEUE)).status_code == 302
    assert logged_in(staff("quotes.view_quotefile")).get(reverse(QUEUE)).status_code == 403


def test_the_queue_is_sorted_by_value_where_that_is_asked_for(client):
    cheap, dear = under_review(), under_review(quantity=200)
    html = client.get(reverse(QUEUE), {"sort": "value"}).content.decode()
    assert html.index(dear.quote_number) < html.index(cheap.quote_number)


def test_what_a_customer_said_last_waits_for_an_answer_also_on_a_quote_that_is_decided(client):
    buyer = member()
    quote = quoted(buyer)
    quotes.comment_on_quote(quote, text="When can you ship?", actor=buyer.user)
    quotes.comment_on_quote(quote, text="Ask the floor.", is_internal=True, actor=staff("quotes.comment_quote"))
    quoted(buyer)
    html = client.get(reverse(QUEUE), {"unanswered": "1"}).content.decode()
    assert "Unanswered 1" in html
    assert html.count(quote.quote_number) == 1
    assert "Mine to decide 0" in html
    quotes.comment_on_quote(quote, text="On Friday.", actor=staff("quotes.comment_quote"))
    assert "No quote waits" in client.get(reverse(QUEUE)).content.decode()


def test_the_queue_costs_the_same_however_long_it_is(client, django_assert_max_num_queries):
    for _ in range(4):
        under_review()
    with django_assert_max_num_queries(10):
        client.get(reverse(QUEUE))


def test_the_lists_cost_the_same_however_long_they_are(client, django_assert_max_num_queries):
    for _ in range(4):
        under_review()
    for name in ("quote", "quotefile", "fileuploadlog", "quoteanalytics"):
        with django_assert_max_num_queries(12):
            assert client.get(reverse(f"admin:quotes_{name}_changelist")).status_code == 200
