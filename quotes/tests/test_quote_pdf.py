"""The quote on paper: what it says, to whom it is given."""

from __future__ import annotations

import io
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse
from django.utils.formats import date_format
from pypdf import PdfReader

from blb3d.accounts.tests.factories import SuperuserFactory
from production.tests.factories import PrinterFactory
from quotes.errors import NotPriced
from quotes.models import Quote
from quotes.services.documents import quote_pdf, quote_url
from quotes.tests.factories import bracket, cube, member, priced_at, quoted, stranger

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]


def read(pdf: bytes) -> str:
    """Return the text of all pages in one line."""
    return " ".join(" ".join(page.extract_text().split()) for page in PdfReader(io.BytesIO(pdf)).pages)


def test_it_says_what_is_made_what_it_costs_and_by_when(settings: Any) -> None:
    settings.QUOTE_TERMS = "Prices hold as said."
    PrinterFactory()
    quote = quoted(
        quantity=25,
        color="Black",
        rush="rush",
        product_name="Pump *housing* #1",
        customer_po_number="PO-4711",
        files=[bracket(), cube()],
    )
    words = read(quote_pdf(quote))
    for said in (
        quote.quote_number,
        "Pump *housing* #1",
        "25 sets",
        "PLA Black",
        "PO-4711",
        "Cube",
        "20 × 20 × 20 mm",
        f"{quote.unit_price:,.2f}",
        f"{quote.total_price:,.2f}",
        f"{quote.tax:,.2f}",
        f"{quote.ready_by:%b} {quote.ready_by.day}, {quote.ready_by.year}",
        "material in stock",
        "Prices hold as said.",
    ):
        assert said in words
    for line in quote.price_lines:
        assert line["label"] in words
        assert f"{Decimal(line['amount']):,.2f}" in words
    pictures = [image for page in PdfReader(io.BytesIO(quote_pdf(quote))).pages for image in page.images]
    assert len(pictures) == 2


def test_under_nda_it_names_and_shows_no_part() -> None:
    quote = quoted(files=[cube()])
    quote.is_under_nda = True
    pdf = quote_pdf(quote)
    assert "Part 1" in read(pdf)
    assert quote.product_name not in read(pdf)
    assert "Cube" not in read(pdf)
    assert not [image for page in PdfReader(io.BytesIO(pdf)).pages for image in page.images]


def test_a_discount_below_a_dollar_keeps_its_sign() -> None:
    quote = quoted()
    quote.price_breakdown["lines"].append({"key": "quantity", "label": "Quantity discount", "amount": "-0.50"})
    assert "-0.50" in read(quote_pdf(quote))


def test_without_a_price_there_is_none() -> None:
    with pytest.raises(NotPriced):
        quote_pdf(priced_at(10, unit_price=None))


def test_it_leads_back_to_the_quotes_page() -> None:
    quote = quoted()
    assert quote_url(quote).endswith(reverse("portal:quote-detail", args=[quote.pk]))


def test_the_portal_gives_it_to_who_may_see_the_quote() -> None:
    buyer = member()
    quote: Quote = quoted(buyer)
    path = reverse("portal:quote-pdf", args=[quote.pk])
    answers = []
    for user in (buyer.user, stranger()):
        client = Client()
        client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
        answers.append(client.get(path))
    assert [answer.status_code for answer in answers] == [200, 404]
    assert answers[0]["Content-Type"] == "application/pdf"
    assert f'filename="{quote.quote_number}.pdf"' in answers[0]["Content-Disposition"]
    assert answers[0].content.startswith(b"%PDF")
    assert Client().get(path).status_code == 404


def test_the_console_gives_it_and_says_by_when(client: Client) -> None:
    PrinterFactory()
    quote = quoted()
    client.force_login(SuperuserFactory(), backend="django.contrib.auth.backends.ModelBackend")
    answer = client.post(reverse("admin:quotes_quote_verb", args=[quote.pk, "pdf"]))
    assert (answer["Content-Type"], answer.content[:4]) == ("application/pdf", b"%PDF")
    page = client.get(reverse("admin:quotes_quote_change", args=[quote.pk])).content.decode()
    assert f"{date_format(quote.ready_by)}. {quote.promise_reason}".rstrip(".") in page
