"""A quote beside what it could be: the same prices that it would have, and the way to one of them."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from rest_framework.test import APIClient

from inventory.tests.factories import MaterialFactory
from production.tests.factories import PrinterFactory
from quotes import services as quotes
from quotes.errors import NotComparable, NotPriced
from quotes.models import Quote
from quotes.services.comparison import QUANTITIES, compare_quote
from quotes.tests.factories import cube, member, priced_at, quoted, stranger, system_actor
from sales.models import CustomerUser

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]


@pytest.fixture
def buyer() -> CustomerUser:
    PrinterFactory()
    return member()


def of(user: Any) -> Client:
    client = Client()
    client.force_login(user, backend="django.contrib.auth.backends.ModelBackend")
    return client


def test_every_variant_costs_what_the_quote_would_cost_so(buyer: CustomerUser) -> None:
    quote = quoted(buyer, quantity=7, color="Black", submit=False)
    found = compare_quote(quote)
    assert [row[0].material_type for row in found.materials] == ["PLA", "PETG"]
    assert [variant.quality for variant in found.materials[0]] == ["draft", "standard", "fine"]
    assert [variant.quantity for variant in found.quantities] == sorted({*QUANTITIES, 7})
    for variant in (*found.materials[0], found.materials[1][2], *found.quantities):
        asked = quotes.preview_price(quote, variant.wishes)
        assert (variant.unit_price, variant.total_price, variant.ready_by) == (
            asked.unit_price,
            asked.total_price,
            asked.ready_by,
        )
    assert found.is_complete
    quote.refresh_from_db()
    assert (quote.quantity, quote.material_type, quote.quality) == (7, "PLA", "standard")


def test_only_the_quote_itself_is_marked(buyer: CustomerUser) -> None:
    quote = quoted(buyer, quantity=7, submit=False)
    found = compare_quote(quote)
    marked = [v for v in (*found.quantities, *(v for row in found.materials for v in row)) if v.is_current]
    assert [(v.material_type, v.quality, v.quantity) for v in marked] == [("PLA", "standard", 7)] * 2
    assert {v.unit_price for v in marked} == {quote.unit_price}


def test_a_colour_that_a_material_has_not_is_left_open_there(buyer: CustomerUser) -> None:
    quote = quoted(buyer, color="Black", submit=False)
    pla, petg = (row[0] for row in compare_quote(quote).materials)
    assert (pla.color_name, petg.color_name) == ("Black", "")


def test_a_colour_without_a_name_stays_chosen(buyer: CustomerUser) -> None:
    MaterialFactory(color_name="", color_hex="12AB34")
    quote = quoted(buyer, color="12AB34", submit=False)
    (own,) = [variant for variant in compare_quote(quote).quantities if variant.is_current]
    assert own.wishes["color"] == "12AB34"
    quotes.update_quote(quote, actor=buyer.user, **own.wishes)
    assert quote.color_hex == "12AB34"


def test_what_time_does_not_suffice_for_is_left_open(buyer: CustomerUser) -> None:
    found = compare_quote(quoted(buyer, submit=False), seconds=-1)
    assert not found.is_complete
    assert {variant.problem for variant in found.quantities} == {"Not worked out yet."}


def test_what_has_no_price_or_was_priced_by_a_person_is_not_compared(buyer: CustomerUser) -> None:
    with pytest.raises(NotPriced):
        compare_quote(priced_at(10, unit_price=None))
    quote = quoted(buyer, submit=False)
    quotes.estimate_quote_by_hand(
        quote, material_grams=Decimal(10), print_time_minutes=Decimal(9), actor=system_actor()
    )
    with pytest.raises(NotComparable):
        compare_quote(quote)


def test_more_materials_cost_queries_by_variant_and_not_by_row_of_theirs(buyer: CustomerUser) -> None:
    quote = quoted(buyer, submit=False)
    with CaptureQueriesContext(connection) as queries:
        found = compare_quote(quote)
    variants = len(found.quantities) + sum(len(row) for row in found.materials)
    assert len(queries) <= 12 * variants


def test_the_page_takes_one_of_them(buyer: CustomerUser) -> None:
    quote = quoted(buyer, files=[cube()], quantity=7, submit=False)
    client, path = of(buyer.user), reverse("portal:quote-compare", args=[quote.pk])
    page = client.get(path).content.decode()
    assert page.count("Take this one") == len(QUANTITIES) + 5
    wanted = compare_quote(quote).materials[1][2]
    answer = client.post(path, wanted.wishes)
    assert (answer.status_code, answer["Location"]) == (302, reverse("portal:quote-detail", args=[quote.pk]))
    quote.refresh_from_db()
    assert (quote.material_type, quote.quality, quote.quantity) == ("PETG", "fine", 7)
    assert quote.unit_price == wanted.unit_price


@pytest.mark.parametrize("quantity", ["", "0", "-1", "NaN", str(10**9), "1.5"])
def test_an_impossible_quantity_is_not_taken(buyer: CustomerUser, quantity: str) -> None:
    quote = quoted(buyer, quantity=7, submit=False)
    wishes = {"material_type": "PLA", "color": "", "quality": "fine", "quantity": quantity}
    answer = of(buyer.user).post(reverse("portal:quote-compare", args=[quote.pk]), wishes)
    assert (answer.status_code, answer["Location"]) == (302, reverse("portal:quote-compare", args=[quote.pk]))
    quote.refresh_from_db()
    assert (quote.quantity, quote.quality) == (7, "standard")


def test_a_quote_that_was_sent_is_compared_but_not_changed(buyer: CustomerUser) -> None:
    quote = quoted(buyer, quantity=7)
    client, path = of(buyer.user), reverse("portal:quote-compare", args=[quote.pk])
    assert "Take this one" not in client.get(path).content.decode()
    client.post(path, {"material_type": "PETG", "color": "", "quality": "fine", "quantity": "7"})
    quote.refresh_from_db()
    assert quote.material_type == "PLA"


def test_the_api_gives_comparison_and_pdf_to_who_may_see_the_quote(buyer: CustomerUser) -> None:
    quote: Quote = quoted(buyer, quantity=7)
    api, other = APIClient(), APIClient()
    api.force_authenticate(buyer.user)
    other.force_authenticate(stranger())
    for name in (quote.pk, quote.quote_number):
        body = api.get(f"/api/v1/quotes/{name}/compare").json()
        assert body["is_complete"] is True
        (own,) = [row for row in body["quantities"] if row["is_current"]]
        assert (own["unit_price"], own["ready_by"]) == (str(quote.unit_price), quote.ready_by.isoformat())
        pdf = api.get(f"/api/v1/quotes/{name}/pdf/")
        assert (pdf["Content-Type"], pdf.content[:4]) == ("application/pdf", b"%PDF")
    for part in ("compare", "pdf"):
        assert other.get(f"/api/v1/quotes/{quote.pk}/{part}").status_code == 404
        assert APIClient().get(f"/api/v1/quotes/{quote.pk}/{part}").status_code == 401
