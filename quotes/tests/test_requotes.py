"""An ended quote asked for again: the same files and wishes at today's price."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.utils import timezone

from blb3d.core.errors import InvalidTransition, NotAllowed
from inventory.tests.concurrency import together
from quotes import services as quotes
from quotes.models import Quote
from quotes.tests.factories import bracket, cube, member, quoted, stranger, system_actor
from sales.tests.factories import staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]

WISHES = ("user", "customer", "product_name", "material_type", "color_hex", "quality", "infill_percent", "finish",
          "rush", "quantity", "special_instructions", "customer_po_number", "is_under_nda")  # fmt: skip


def rejected(buyer, **wishes):
    quote = quoted(buyer, **wishes)
    return quotes.reject_quote(quote, reason="Too dear", actor=buyer.user)


def test_it_is_a_new_draft_with_the_same_files_and_wishes(materials):
    buyer = member()
    old = rejected(
        buyer,
        files=[bracket(), cube()],
        quantity=12,
        color="Black",
        quality="fine",
        rush="rush",
        customer_po_number="4711",
        is_under_nda=True,
    )
    new = quotes.requote(old, actor=buyer.user)
    assert (new.status, new.requoted_from, new.quote_number != old.quote_number) == ("draft", old, True)
    assert [getattr(new, name) for name in WISHES] == [getattr(old, name) for name in WISHES]
    assert [(f.file.name, f.sha256) for f in new.files.all()] == [(f.file.name, f.sha256) for f in old.files.all()]
    assert [(p.name, p.quantity) for p in new.parts.all()] == [(p.name, p.quantity) for p in old.parts.all()]
    assert not set(new.files.values_list("pk")) & set(old.files.values_list("pk"))
    assert (new.unit_price, new.total_price) == (old.unit_price, old.total_price)
    assert new.expires_at > timezone.now() + timedelta(days=29)
    quotes.submit_quote(new, actor=buyer.user)
    assert new.status in ("approved", "pending")


def test_the_price_is_todays(settings):
    buyer = member()
    old = rejected(buyer)
    settings.MACHINE_HOURLY_RATE = Decimal(30)
    new = quotes.requote(old, actor=buyer.user)
    assert new.total_price > old.total_price
    old.refresh_from_db()
    assert old.status == "rejected"


def test_asking_twice_gives_the_same_draft_and_a_further_one_once_that_is_sent():
    buyer = member()
    old = rejected(buyer)
    first = quotes.requote(old, actor=buyer.user)
    assert quotes.requote(old, actor=buyer.user) == first
    quotes.submit_quote(first, actor=buyer.user)
    assert quotes.requote(old, actor=buyer.user) != first


@pytest.mark.django_db(transaction=True)
def test_asking_twice_at_once_makes_one_draft(shared_database):
    buyer = member()
    old = rejected(buyer)
    rows = together(*(partial(quotes.requote, Quote.objects.get(pk=old.pk), actor=buyer.user) for _ in range(3)))
    assert {row.pk for row in rows} == {Quote.objects.get(requoted_from=old).pk}


def test_an_open_quote_is_not_quoted_again_unless_its_price_has_ended():
    buyer = member()
    quote = quoted(buyer)
    with pytest.raises(InvalidTransition):
        quotes.requote(quote, actor=buyer.user)
    assert Quote.objects.count() == 1
    Quote.objects.filter(pk=quote.pk).update(expires_at=timezone.now() - timedelta(minutes=1))
    assert quotes.requote(quote, actor=buyer.user).requoted_from == quote


def test_the_customer_and_staff_who_may_quote_again_and_nobody_else():
    buyer = member()
    old = rejected(buyer)
    for actor in (stranger(), staff("quotes.view_quote")):
        with pytest.raises(NotAllowed):
            quotes.requote(old, actor=actor)
    assert quotes.requote(old, actor=staff("quotes.requote_quote")).customer == buyer.customer


def test_a_persons_estimate_is_kept():
    step = quotes.Upload("part.step", b"ISO-10303-21;\nHEADER;")
    buyer = member()
    old = quoted(buyer, files=[step], is_for_engineer=True)
    quotes.estimate_quote_by_hand(
        old, material_grams=Decimal("125.5"), print_time_minutes=Decimal(200), sets_per_plate=2, actor=system_actor()
    )
    quotes.cancel_quote(old, actor=buyer.user)
    new = quotes.requote(old, actor=buyer.user)
    assert (new.estimate_method, new.material_grams, new.total_price) == ("engineer", Decimal("125.5"), old.total_price)
