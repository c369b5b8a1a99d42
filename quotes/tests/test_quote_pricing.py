"""Drafts are changed and priced again; the price is what the rules say and nothing else."""

from __future__ import annotations

from decimal import Decimal

import pytest

from blb3d.core.errors import InvalidValue, NotAllowed, StaleVersion
from quotes import services as quotes
from quotes.errors import MaterialNotAvailable, NotADraft
from quotes.modelfiles import ModelAnalysis
from quotes.models import Quote, QuoteAnalytics
from quotes.services.estimates import estimate_by_hand
from quotes.services.pricing import choice_of, set_price
from quotes.tests.factories import bracket, cube, member, quoted, stranger, system_actor
from sales import pricing
from sales import services as sales
from sales.models import PriceRules
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


@pytest.mark.parametrize("wish", [{"infill_percent": 100}, {"quality": "fine"}, {"material_type": "PETG"}])
def test_an_estimate_by_hand_holds_for_no_other_print(wish):
    buyer = member()
    quote = draft(buyer, infill_percent=15)
    quotes.estimate_quote_by_hand(quote, material_grams=D(1), print_time_minutes=D(1), actor=system_actor())
    quotes.update_quote(quote, infill_percent=15, color="Black", rush="rush", actor=buyer.user)
    assert (quote.estimate_method, quote.material_grams) == ("engineer", D(1))
    quotes.update_quote(quote, actor=buyer.user, **wish)
    assert (quote.estimate_method, quote.material_grams > 1) == ("geometric", True)


def test_a_customer_puts_no_further_parts_into_an_estimate_by_hand():
    buyer = member()
    quote = draft(buyer)
    quotes.estimate_quote_by_hand(quote, material_grams=D(1), print_time_minutes=D(1), actor=system_actor())
    part = quote.parts.get()
    quotes.set_part_quantities(quote, {part.pk: 1}, actor=buyer.user)
    assert quote.estimate_method == "engineer"
    quotes.set_part_quantities(quote, {part.pk: 500}, actor=buyer.user)
    assert (quote.estimate_method, quote.material_grams > 500) == ("geometric", True)


def test_the_price_that_is_shown_before_a_change_is_that_of_a_persons_estimate_too():
    buyer = member()
    quote = draft(buyer)
    quotes.estimate_quote_by_hand(quote, material_grams=D(10), print_time_minutes=D(20), actor=system_actor())
    for wish in ({"quantity": 49}, {"rush": "urgent"}, {"infill_percent": 80}):
        shown = quotes.preview_price(quote, wish)
        quotes.update_quote(quote, actor=buyer.user, **wish)
        assert (shown.total_price, shown.estimate_method) == (quote.total_price, quote.estimate_method)


def test_an_estimate_by_hand_is_priced_as_it_is_kept():
    quote = draft(quantity=333)
    quotes.estimate_quote_by_hand(
        quote, material_grams=D("10.12345"), print_time_minutes=D("20.005"), actor=system_actor()
    )
    kept = Quote.objects.get(pk=quote.pk)
    inputs = kept.price_breakdown["inputs"]
    assert (D(inputs["material_grams"]), D(inputs["print_minutes"])) == (kept.material_grams, kept.print_time_minutes)


@pytest.mark.parametrize(("grams", "minutes"), [(1, 2501), (2501, 1), (1, "0.004")])
def test_an_estimate_by_hand_of_an_impossible_plate_is_refused(grams, minutes):
    quote = draft()
    with pytest.raises(InvalidValue):
        quotes.estimate_quote_by_hand(
            quote, material_grams=D(grams), print_time_minutes=D(minutes), sets_per_plate=400, actor=system_actor()
        )
    assert Quote.objects.get(pk=quote.pk).estimate_method == "geometric"


def test_a_file_that_only_a_person_estimates_goes_back_to_one_when_something_else_is_wanted():
    buyer = member()
    quote = quoted(
        buyer, files=[quotes.Upload("part.step", b"ISO-10303-21;\nHEADER;")], is_for_engineer=True, submit=False
    )
    quotes.estimate_quote_by_hand(quote, material_grams=D(1), print_time_minutes=D(1), actor=system_actor())
    quotes.update_quote(quote, infill_percent=100, actor=buyer.user)
    assert (quote.total_price, quote.estimate_method) == (None, "")
    quotes.submit_quote(quote, actor=buyer.user)
    assert quote.status == "pending"


@pytest.mark.parametrize(("grams", "minutes"), [(10**8, 1), (1, 10**8)])
def test_a_set_of_more_than_can_be_kept_is_not_priced(grams, minutes):
    quote = draft()
    estimate = estimate_by_hand("PLA", "", grams=D(grams), minutes=D(minutes), sets_per_plate=1, quantity=1)
    with pytest.raises(InvalidValue):
        set_price(quote, estimate, choice_of(quote))


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


def test_a_quote_keeps_the_rules_that_made_its_price():
    quote = quoted(quantity=10)
    assert quote.price_breakdown["rules"] == "settings"
    for markup in (D(60), D(90)):
        rules = sales.copy_present_rules(actor=system_actor())
        PriceRules.objects.filter(pk=rules.pk).update(markup_percent=markup)
        sales.activate_rules(PriceRules.objects.get(pk=rules.pk), reason="Dearer", actor=system_actor())
    later = quoted(quantity=10)
    assert later.price_breakdown["rules"] == "2"
    assert later.unit_price > quote.unit_price
    for one in (quote, later):
        again = pricing.price_again(Quote.objects.get(pk=one.pk).price_breakdown)
        assert (again.unit_price, again.total, again.rules_name) == (
            one.unit_price, one.total_price, one.price_breakdown["rules"]
        )  # fmt: skip
