"""Estimates learn from finished prints: what is compared, what is learned, and to which estimates it is applied."""

from __future__ import annotations

import random
from decimal import Decimal
from statistics import fmean

import pytest
from django.urls import reverse

from blb3d.core.errors import NotAllowed, NotFound, ReasonRequired
from inventory.tests.concurrency import together
from production.models import PrintJob
from production.tests.factories import PrinterFactory
from quotes import services as quotes
from quotes.errors import NotPriced
from quotes.modelfiles.make_project import demo_two_colour_3mf
from quotes.models import EstimateCorrection, EstimateObservation, Quote
from quotes.tests.factories import member, request, stranger, system_actor
from quotes.tests.prints import METHOD, block, observe, observed, printed, quoted_block, raw_minutes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]

D = Decimal
#: By how much prints take longer than the geometric estimate says.
TRUE = {"PLA": 1.20, "PETG": 1.05}


def large_block(rng: random.Random, material_type: str, quantity: int = 1) -> Quote:
    """Return a quote of a block that nobody printed before, large enough to lie on its plate alone."""
    x, y, z = rng.uniform(130, 200), rng.uniform(130, 200), rng.uniform(3, 25)
    return quoted_block(x, y, z, material_type=material_type, quantity=quantity)


def test_after_thirty_prints_estimates_of_new_models_are_within_five_percent():
    rng = random.Random(20261120)
    for _ in range(5):
        for material_type, true in TRUE.items():
            noisy = [true * rng.uniform(0.9, 1.1) for _ in range(3)]
            printed(large_block(rng, material_type, quantity=3), *noisy)
    observed(PrintJob.objects.latest("pk"))
    assert EstimateObservation.objects.filter(is_excluded=False, method=METHOD).count() == 30
    quotes.recompute_corrections(actor=system_actor())
    for material_type, true in TRUE.items():
        new = [large_block(rng, material_type) for _ in range(3)]
        errors = [abs(float(quote.print_time_minutes / raw_minutes(quote)) / true - 1) for quote in new]
        assert fmean(errors) < 0.05
        correction = EstimateCorrection.objects.get(material_type=material_type)
        assert correction.sample_size == 15
        assert correction.minutes_error_after < correction.minutes_error_before
        assert new[0].estimate_detail["corrections"] == [
            {
                "method": METHOD,
                "material_type": material_type,
                "printer_model": "",
                "number": 1,
                "minutes_factor": str(correction.minutes_factor),
                "grams_factor": "1.0000",
                "sample_size": 15,
                "minutes_interval": str(correction.minutes_interval),
                "grams_interval": None,
            }
        ]


def learned(**kind) -> EstimateCorrection:
    """Learn from what was observed and return the correction in use."""
    quotes.recompute_corrections(actor=system_actor())
    return EstimateCorrection.objects.get(is_current=True, **kind)


def test_too_few_prints_correct_nothing():
    observe(7, 1.2)
    assert quotes.recompute_corrections(actor=system_actor()) == []
    quote = quoted_block(30, 20, 10)
    assert quote.print_time_minutes == raw_minutes(quote)
    assert quote.estimate_detail["corrections"] == []
    observe(1, 1.2)
    assert learned().minutes_factor == pytest.approx(D("1.2"), abs=D("0.001"))


def test_prints_that_are_left_out_do_not_count_to_the_least_number():
    rows = observe(8, 1.2)
    quotes.exclude_observation(rows[0], reason="Clogged", actor=system_actor())
    assert quotes.recompute_corrections(actor=system_actor()) == []


def test_a_single_print_of_three_times_its_estimate_moves_nothing():
    observe(15, [1.15, 1.25, 1.2] * 5)
    before = learned()
    observe(1, 3.0)
    assert quotes.recompute_corrections(actor=system_actor()) == []
    assert EstimateCorrection.objects.get() == before


def test_no_correction_goes_beyond_its_bound(settings):
    settings.ESTIMATE_LEARNING_BOUND = D("0.3")
    observe(10, 4.0)
    assert learned().minutes_factor == D("1.3")


def test_grams_are_corrected_only_when_those_of_enough_prints_are_known():
    observe(7, 1.0, actual_grams=D(60))
    observe(3, 1.0)
    row = learned()
    assert (row.sample_size, row.grams_sample_size) == (10, 7)
    assert (row.grams_factor, row.grams_error_before, row.grams_interval) == (1, None, None)
    observe(1, 1.0, actual_grams=D(60))
    row = learned()
    assert row.grams_factor == pytest.approx(D("1.2"), abs=D("0.001"))
    assert (row.number, row.grams_sample_size, row.grams_error_before) == (2, 8, D("20.00"))


def test_only_the_latest_prints_count():
    observe(10, 1.0)
    observe(200, 1.3)
    correction = learned()
    assert correction.sample_size == 200
    assert correction.minutes_factor == pytest.approx(D("1.3"), abs=D("0.001"))


def test_a_new_version_is_written_only_when_a_factor_moved():
    observe(40, 1.2)
    first = learned()
    observe(1, 1.19)
    assert quotes.recompute_corrections(actor=system_actor()) == []
    observe(40, 1.3)
    second = learned()
    assert (first.number, second.number) == (1, 2)
    first.refresh_from_db()
    assert not first.is_current
    assert first.minutes_factor == pytest.approx(D("1.2"), abs=D("0.001"))


def test_a_correction_ends_with_the_prints_that_it_was_learned_from():
    rows = observe(8, 1.2)
    learned()
    quotes.exclude_observation(rows[3], reason="Clogged", actor=system_actor())
    quotes.recompute_corrections(actor=system_actor())
    assert not EstimateCorrection.objects.filter(is_current=True).exists()
    quotes.include_observation(rows[3], reason="It was the other printer", actor=system_actor())
    assert learned().number == 2


def test_it_is_known_which_prints_stand_behind_a_correction():
    rows = observe(10, [1.2] * 9 + [3.0])
    quotes.exclude_observation(rows[4], reason="Clogged", actor=system_actor())
    behind = quotes.prints_behind(learned())
    assert [row for row, _ in behind] == [rows[i] for i in (9, 8, 7, 6, 5, 3, 2, 1, 0)]
    assert [row for row, is_outlier in behind if is_outlier] == [rows[9]]


def test_prints_teach_nothing_about_other_coefficients_of_the_method():
    observe(20, 1.4, method="geometric 2020-01-01.1")
    learned()
    quote = quoted_block(30, 20, 10)
    assert (quote.print_time_minutes, quote.estimate_detail["corrections"]) == (raw_minutes(quote), [])


def test_what_a_person_or_the_catalogue_says_is_compared_but_not_corrected():
    observe(10, 1.4, method="engineer")
    observe(10, 1.4, method="catalogue")
    assert quotes.recompute_corrections(actor=system_actor()) == []


def test_an_estimate_by_hand_stays_what_the_person_said():
    observe(10, 1.4, method="engineer")
    observe(10, 1.4)
    quote = quoted_block(30, 20, 10, submit=False)
    learned()
    quotes.estimate_quote_by_hand(quote, material_grams=D(100), print_time_minutes=D(200), actor=system_actor())
    assert (quote.print_time_minutes, quote.material_grams) == (200, 100)


def test_each_printer_model_has_a_correction_of_its_own_once_several_models_printed():
    observe(12, 1.1)
    assert learned().printer_model == ""
    observe(12, 1.3, printer_model="A1")
    quotes.recompute_corrections(actor=system_actor())
    factors = {row.printer_model: row.minutes_factor for row in EstimateCorrection.objects.filter(is_current=True)}
    assert factors.keys() == {"", "A1", "P1S"}
    assert 1 < D("1.09") < factors["P1S"] < factors[""] < factors["A1"] < D("1.31")


def test_a_quote_takes_the_correction_of_the_only_model_that_the_farm_has_else_that_of_all():
    observe(12, 1.1)
    observe(12, 1.3, printer_model="A1")
    quotes.recompute_corrections(actor=system_actor())
    used = {row.printer_model: str(row.minutes_factor) for row in EstimateCorrection.objects.all()}

    def applied() -> list[tuple[str, str]]:
        rows = quoted_block(30, 20, 10).estimate_detail["corrections"]
        return [(row["printer_model"], row["minutes_factor"]) for row in rows]

    assert applied() == [("", used[""])]
    PrinterFactory(model="A1")
    assert applied() == [("A1", used["A1"])]
    PrinterFactory(model="P1S")
    assert applied() == [("", used[""])]


def test_what_is_switched_off_for_a_printer_model_is_not_corrected_by_that_of_all_printers():
    observe(12, 1.1)
    observe(12, 1.3, printer_model="A1")
    PrinterFactory(model="A1")
    quotes.recompute_corrections(actor=system_actor())
    own = EstimateCorrection.objects.get(printer_model="A1")
    quotes.switch_off_correction(own, reason="New profile", actor=system_actor())
    assert quoted_block(30, 20, 10).estimate_detail["corrections"] == []


def test_a_print_without_a_time_is_no_reason_to_stop_learning():
    observe(8, 1.2)
    observe(1, 0)
    assert learned().sample_size == 8


def test_learning_is_switched_off_as_a_whole(settings):
    observe(10, 1.2)
    learned()
    settings.ESTIMATE_LEARNING = False
    quote = quoted_block(30, 20, 10)
    assert (quote.print_time_minutes, quote.estimate_detail["corrections"]) == (raw_minutes(quote), [])


def test_a_correction_is_switched_off_and_stays_off_in_its_next_version():
    observe(10, 1.2)
    row = quotes.switch_off_correction(learned(), reason="New profile", actor=system_actor())
    quote = quoted_block(30, 20, 10)
    assert quote.print_time_minutes == raw_minutes(quote)
    observe(10, 1.4)
    new = learned()
    assert (new.number, new.is_enabled) == (2, False)
    with pytest.raises(NotFound):
        quotes.switch_on_correction(row, reason="It is right", actor=system_actor())
    quotes.switch_on_correction(new, reason="It is right", actor=system_actor())
    quote = quoted_block(30, 25, 10)
    assert quote.print_time_minutes > raw_minutes(quote)


def test_only_who_may_learns_and_switches_and_says_why():
    observe(10, 1.2)
    with pytest.raises(NotAllowed):
        quotes.recompute_corrections(actor=stranger())
    row = learned()
    with pytest.raises(NotAllowed):
        quotes.switch_off_correction(row, reason="So", actor=stranger())
    with pytest.raises(ReasonRequired):
        quotes.switch_off_correction(row, reason="", actor=system_actor())


def test_minutes_and_grams_of_plates_are_corrected_and_the_raw_ones_kept():
    observe(10, 1.2, actual_grams=D(45))
    row = learned()
    quote = quoted_block(120, 120, 5, quantity=10)
    detail = quote.estimate_detail
    (plate,), (raw,) = detail["plates"], detail["raw"]["plates"]
    assert D(plate["minutes"]) == (D(raw["minutes"]) * row.minutes_factor).quantize(D("0.1"))
    (use,), (raw_use,) = plate["filaments"], raw["filaments"]
    assert D(use["grams"]) == (D(raw_use["grams"]) * row.grams_factor).quantize(D("0.01"))
    (file,) = detail["raw"]["files"]
    assert quote.print_time_minutes == pytest.approx(D(file["minutes"]) * row.minutes_factor, rel=D("0.01"))
    assert quote.material_grams == (D(file["filaments"][0]["grams"]) * row.grams_factor).quantize(D("0.0001"))
    assert quote.plate_minutes == D(plate["minutes"])


def test_a_customer_reads_from_how_many_prints_the_estimate_was_corrected(client):
    before = quoted_block(30, 20, 10)
    observe(12, 1.2)
    learned()
    after = quoted_block(30, 20, 10)
    words = "Time and material corrected from 12 finished prints"
    for quote, is_there in ((before, False), (after, True)):
        client.force_login(quote.user)
        assert (words in client.get(reverse("portal:quote-detail", args=[quote.pk])).content.decode()) == is_there


def test_the_prints_narrow_the_interval_to_half_of_the_methods_own_and_widen_it_without_limit():
    own = quoted_block(30, 20, 10).estimate_confidence
    observe(20, 1.2)
    learned()
    assert quoted_block(30, 20, 11).estimate_confidence == own, "nothing was learned of grams"
    observe(20, 1.21, actual_grams=D(50))
    observe(20, 1.23, actual_grams=D(50))
    learned()
    assert quoted_block(30, 20, 12).estimate_confidence == own / 2
    observe(120, [0.6, 1.8] * 60, actual_grams=D(50))
    row = learned()
    assert row.minutes_interval > own
    assert quoted_block(30, 20, 13).estimate_confidence == row.minutes_interval


def test_a_print_of_a_corrected_estimate_is_compared_with_the_raw_one():
    observe(10, 1.2)
    factor = learned().minutes_factor
    quote = quoted_block(30, 20, 10)
    (job,) = printed(quote, 1.2)
    row = observed(job)
    assert (row.estimated_minutes, row.minutes_factor) == (raw_minutes(quote), factor)
    assert job.estimated_time_minutes == quote.print_time_minutes


def test_an_old_quote_is_computed_again_as_it_was_whatever_was_learned_since():
    observe(10, 1.2, actual_grams=D(45))
    learned()
    quote = quoted_block(120, 80, 15, quantity=7, finish="smooth", rush="rush")
    observe(60, 0.8, actual_grams=D(70))
    assert learned().number == 2
    again = quotes.recompute_quote(Quote.objects.get(pk=quote.pk))
    assert again.estimate.minutes == quote.print_time_minutes
    assert again.estimate.grams == quote.material_grams
    assert again.estimate.interval_percent == quote.estimate_confidence
    assert [plate.as_dict() for plate in again.estimate.plates] == quote.estimate_detail["plates"]
    assert again.estimate.corrections[0].number == 1
    assert again.price.breakdown() == quote.price_breakdown
    assert (again.price.unit_price, again.price.subtotal) == (quote.unit_price, quote.subtotal)
    assert (again.price.tax, again.price.total) == (quote.tax, quote.total_price)
    assert quoted_block(120, 80, 15, quantity=7).print_time_minutes < quote.print_time_minutes


def test_several_files_and_filaments_are_corrected_each_for_itself_and_computed_again():
    observe(10, 1.3, actual_grams=D(60))
    observe(10, 0.9, method="sliced")
    quotes.recompute_corrections(actor=system_actor())
    buyer = member()
    two_colours = quotes.Upload("badge.3mf", demo_two_colour_3mf(), "model/3mf")
    files = [two_colours, block(40, 30, 20)]
    quote = quotes.create_quote(request(buyer, files=files, quantity=3), actor=buyer.user)
    assert quote.materials.count() > 1
    detail = quote.estimate_detail
    assert [row["method"] for row in detail["corrections"]] == [METHOD]
    for plate, raw in zip(detail["plates"], detail["raw"]["plates"], strict=True):
        assert D(plate["minutes"]) / D(raw["minutes"]) == pytest.approx(D("1.3"), rel=D("0.01"))
        assert len(plate["filaments"]) == len(raw["filaments"])
    again = quotes.recompute_quote(Quote.objects.get(pk=quote.pk))
    assert (again.estimate.minutes, again.estimate.grams) == (quote.print_time_minutes, quote.material_grams)
    assert [use.grams for use in again.estimate.filaments] == [row.grams for row in quote.materials.all()]
    assert again.price.breakdown() == quote.price_breakdown


def test_a_price_that_was_agreed_upon_is_computed_again():
    quote = quoted_block(60, 60, 20, special_instructions="Flat side down")
    quotes.offer_price(quote, unit_price=D("31.50"), reason="Second part of three", actor=system_actor())
    again = quotes.recompute_quote(Quote.objects.get(pk=quote.pk))
    assert (again.price.unit_price, again.price.total) == (D("31.50"), quote.total_price)
    assert again.price.breakdown() == quote.price_breakdown


def test_an_estimate_by_hand_is_computed_again_as_it_was():
    quote = quoted_block(30, 20, 10, submit=False, quantity=5)
    quotes.estimate_quote_by_hand(
        quote, material_grams=D("12.5"), print_time_minutes=D("33.3"), sets_per_plate=2, actor=system_actor()
    )
    again = quotes.recompute_quote(quote)
    assert (again.estimate.grams, again.estimate.minutes) == (quote.material_grams, quote.print_time_minutes)
    assert again.price.breakdown() == quote.price_breakdown


def test_a_quote_without_a_price_is_not_computed_again():
    with pytest.raises(NotPriced):
        quotes.recompute_quote(Quote())


def test_two_runs_at_once_leave_one_correction_in_use(shared_database):
    observe(10, 1.2)
    runs = together(*[lambda: quotes.recompute_corrections(actor=system_actor())] * 2)
    assert sorted(len(new) for new in runs) == [0, 1]
    observe(10, 1.4)
    runs = together(*[lambda: quotes.recompute_corrections(actor=system_actor())] * 2)
    assert sorted(len(new) for new in runs) == [0, 1]
    assert [row.number for row in EstimateCorrection.objects.filter(is_current=True)] == [2]
