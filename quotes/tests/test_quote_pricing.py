"""Drafts are changed and priced again; the price is what the rules say and nothing else."""

from __future__ import annotations

from decimal import Decimal

import pytest

from blb3d.core.errors import InvalidValue, NotAllowed, StaleVersion
from quotes import services as quotes
from quotes.errors import MaterialNotAvailable, NotADraft
from quotes.modelfiles import ModelAnalysis
from quotes.models import QuoteAnalytics
from quotes.tests.factories import bracket, cube, member, quoted, stranger, system_actor
from sales import pricing
from sales.tests.factories import staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]

D = Decimal


def draft(buyer=None, **wishes):
    return quoted(buyer, submit=False, **wishes)


def test_the_price_is_that_of_the_rules_for_the_estimate():
    quote = draft(quantity=12)
    runs = sum(plate["runs"] for plate in quote.estimate_detail["plates"])
    expected = pricing.price(
        pricing.PriceInput(
            material_grams=quote.material_grams,
            print_minutes=quote.print_time_minutes,
            quantity=12,
            price_per_kg=D("16.99"),
            plates=runs,
        )
    )
    assert (quote.unit_price, quote.subtotal, quote.total_price) == (
        expected.unit_price, expected.subtotal, expected.total,
    )  # fmt: skip


def test_a_change_of_a_draft_prices_it_again():
    buyer = member()
    quote = draft(buyer)
    dearer = quotes.update_quote(quote, quantity=4, infill_percent=80, rush="urgent", actor=buyer.user)
    assert (dearer.quantity, dearer.infill_percent, dearer.rush) == (4, 80, "urgent")
    assert dearer.subtotal > draft(buyer, files=[bracket()]).subtotal
    assert [line["key"] for line in dearer.price_lines][-1] == "rush"


def test_a_colour_stays_until_another_is_named(materials):
    buyer = member()
    quote = draft(buyer, color="White")
    quotes.update_quote(quote, quantity=2, actor=buyer.user)
    assert quote.color_name == "White"
    quotes.update_quote(quote, material_type="PETG", actor=buyer.user)
    assert (quote.material_type, quote.color_name, quote.material) == ("PETG", "", None)
    with pytest.raises(MaterialNotAvailable):
        quotes.update_quote(quote, color="White", actor=buyer.user)
    quotes.update_quote(quote, color="Grey", actor=buyer.user)
    assert quote.material == materials["petg"]


def test_a_stale_change_is_refused_and_changes_nothing():
    buyer = member()
    quote = draft(buyer)
    seen = quote.version
    quotes.update_quote(quote, quantity=2, version=seen, actor=buyer.user)
    with pytest.raises(StaleVersion) as caught:
        quotes.update_quote(quote, quantity=3, version=seen, actor=buyer.user)
    assert caught.value.http_status == 409
    quote.refresh_from_db()
    assert quote.quantity == 2


def test_only_a_draft_is_changed_and_only_by_its_people():
    buyer = member()
    quote = draft(buyer)
    with pytest.raises(NotAllowed):
        quotes.update_quote(quote, quantity=2, actor=stranger())
    quotes.submit_quote(quote, actor=buyer.user)
    with pytest.raises(NotADraft):
        quotes.update_quote(quote, quantity=2, actor=buyer.user)
    quote.refresh_from_db()
    assert quote.quantity == 1


def test_a_price_cannot_be_sent():
    buyer = member()
    quote = draft(buyer)
    with pytest.raises(InvalidValue):
        quotes.update_quote(quote, unit_price=D("0.01"), actor=buyer.user)


def test_a_preview_saves_nothing():
    buyer = member()
    quote = draft(buyer)
    shown = quotes.preview_price(quote, {"quantity": 10})
    quote.refresh_from_db()
    assert (shown.quantity, quote.quantity) == (10, 1)
    assert shown.subtotal > quote.subtotal
    assert quotes.update_quote(quote, quantity=10, actor=buyer.user).subtotal == shown.subtotal


def test_pricing_again_takes_todays_material_price(materials):
    quote = draft(color="Black", quantity=20)
    black = materials["black"]
    black.price_per_kg = D("169.90")
    black.save()
    before = quote.subtotal
    with pytest.raises(NotAllowed):
        quotes.price_quote(quote, actor=quote.user)
    quotes.price_quote(quote, actor=staff("quotes.reprice_quote"))
    assert quote.subtotal > before


def test_an_approved_price_stands():
    quote = quoted()
    with pytest.raises(NotADraft):
        quotes.price_quote(quote, actor=system_actor())


def test_an_estimate_by_hand_is_kept_when_the_quantity_changes():
    buyer = member()
    quote = draft(buyer)
    quotes.estimate_quote_by_hand(
        quote, material_grams=D("125.5"), print_time_minutes=D(90), sets_per_plate=4, actor=system_actor()
    )
    quotes.update_quote(quote, quantity=10, actor=buyer.user)
    assert (quote.material_grams, quote.print_time_minutes) == (D("125.5"), D(90))
    (plate,) = quote.estimate_detail["plates"]
    assert (plate["sets"], plate["runs"], D(plate["minutes"])) == (4, 3, D(360))
    assert D(plate["filaments"][0]["grams"]) == D("502.0")


def test_what_was_seen_in_a_file_is_kept_so_that_it_is_not_read_again():
    quote = draft()
    kept = ModelAnalysis.from_dict(quote.files.get().geometry)
    assert kept.piece_count == 1


def test_a_set_too_large_for_one_plate_has_one_of_each_plate():
    quote = draft(files=[cube(200), cube(201, "other.3mf")], quantity=2)
    plates = quote.estimate_detail["plates"]
    assert [(plate["file"], plate["sets"], plate["runs"]) for plate in plates] == [(0, 1, 2), (1, 1, 2)]


def test_the_time_to_the_price_is_recorded():
    quote = draft()
    row = QuoteAnalytics.objects.get(quote=quote)
    assert row.time_to_quote_seconds >= 0
    assert row.converted_to_order is False
