"""A print that is over is kept beside its estimate, and what teaches nothing says why."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest
from django.utils import timezone

from blb3d.core import outbox
from blb3d.core.errors import InvalidValue, NotAllowed, ReasonRequired
from inventory import services as inventory
from inventory.models import PrintFile, ProductPlate
from inventory.tests.concurrency import together
from inventory.tests.factories import release_file
from production import services as production
from production.models import PrintJob
from production.tests.factories import finished, printable, queued, sent
from quotes import services as quotes
from quotes.models import EstimateObservation
from quotes.tests.factories import stranger, system_actor
from quotes.tests.prints import METHOD, observed, ordered, printed, printer_for, quoted_block, raw_grams, raw_minutes

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]

D = Decimal


def one_print(slower: float = 1.2, **fields) -> PrintJob:
    (job,) = printed(quoted_block(30, 20, 10), slower, **fields)
    return job


def begun() -> PrintJob:
    """Return a job that prints, and has for two hours."""
    (job,) = ordered(quoted_block(60, 60, 20))
    sent(job, printer_for(job))
    return production.begin_job(job, actor=system_actor(), at=timezone.now() - timedelta(hours=2))


def pause(job: PrintJob, minutes: int) -> None:
    """Let a job stand still for so long, an hour ago."""
    start = timezone.now() - timedelta(minutes=60)
    production.record_paused(job, actor=system_actor())
    production.record_resumed(job, actor=system_actor())
    paused, resumed = job.history.order_by("-history_id")[:2][::-1]
    for row, at in ((paused, start), (resumed, start + timedelta(minutes=minutes))):
        row.history_date = at
        row.save()


def test_a_finished_print_is_kept_beside_what_its_method_said():
    quote = quoted_block(30, 20, 10)
    (job,) = printed(quote, 1.25, heavier=1.1)
    row = observed(job)
    assert (row.quote, row.product, row.printer_model) == (quote, quote.product, "P1S")
    assert (row.method, row.material_type) == (METHOD, "PLA")
    assert (row.estimated_minutes, row.estimated_grams) == (raw_minutes(quote), raw_grams(quote))
    assert row.actual_minutes == (raw_minutes(quote) * D("1.25")).quantize(D("0.01"))
    assert row.actual_grams == (raw_grams(quote) * D("1.1")).quantize(D("0.0001"))
    assert (row.minutes_factor, row.grams_factor) == (1, 1)
    assert (row.is_excluded, row.exclusion_reason) == (False, "")


def test_a_job_of_a_catalogue_product_is_compared_with_its_plate():
    _, (job,) = queued(printable(grams="80", file=True))
    row = observed(finished(job, printer_for(job), minutes=D(75)))
    assert (row.quote, row.method) == (None, "catalogue")
    assert (row.estimated_minutes, row.actual_minutes) == (60, 75)


def test_plates_that_staff_planned_anew_are_no_longer_the_quotes_estimate():
    quote = quoted_block(30, 20, 10)
    quotes.accept_quote(quote, actor=quote.user)
    plate = ProductPlate.objects.get(product=quote.product)
    material = plate.filaments.get().material
    spec = inventory.PlateSpec(parts_per_plate=1, minutes=D(500), filaments=[(material, D(99))])
    (new,) = inventory.set_plates(quote.product, [spec], actor=system_actor())
    release_file(new)
    _, (job,) = queued(quote.product)
    row = observed(finished(job, printer_for(job), minutes=D(510)))
    assert (row.quote, row.method, row.estimated_minutes) == (quote, "catalogue", 500)


def test_grams_that_were_booked_by_the_estimate_say_nothing_about_it():
    assert observed(one_print()).actual_grams is None


def test_grams_of_the_slice_are_compared_with_the_estimate():
    quote = quoted_block(30, 20, 10)
    (job,) = ordered(quote)
    filament = job.filaments.get()
    file = PrintFile.objects.get(plate=job.plate, printer_model="P1S")
    row = {"position": 0, "material_type": "PLA", "color_hex": filament.material.color_hex, "grams": "21.5"}
    file.filaments = [row]
    file.save()
    finished(job, printer_for(job), minutes=raw_minutes(quote))
    assert observed(job).actual_grams == D("21.5")


def test_what_is_weighed_later_is_taken_over():
    job = one_print()
    assert observed(job).actual_grams is None
    material = job.filaments.get().material
    production.record_material_used(job, material=material, quantity=D("0.0432"), actor=system_actor())
    assert observed(job).actual_grams == D("43.2")
    assert EstimateObservation.objects.count() == 1


def test_a_restated_end_is_taken_over():
    job = one_print()
    observed(job)
    production.record_finished(job, actor=system_actor(), minutes=D(90))
    assert observed(job).actual_minutes == 90


def test_news_that_comes_twice_makes_one_row():
    job = one_print()
    observed(job)
    quotes.observe_job(job, actor=system_actor())
    assert EstimateObservation.objects.count() == 1


def test_a_short_pause_is_taken_out_of_the_time():
    job = begun()
    pause(job, 30)
    production.record_finished(job, actor=system_actor())
    row = observed(job)
    assert row.actual_minutes == pytest.approx(90, abs=1)
    assert not row.is_excluded


def test_minutes_that_hold_no_pause_are_left_as_they_were_told():
    job = begun()
    pause(job, 30)
    production.record_finished(job, actor=system_actor(), minutes=D(88))
    assert observed(job).actual_minutes == 88


def test_a_print_that_stood_still_for_long_teaches_nothing():
    job = begun()
    pause(job, 70)
    production.record_finished(job, actor=system_actor())
    row = observed(job)
    assert (row.is_excluded, row.exclusion_reason) == (True, "It was paused for 70 minutes.")


def test_a_failed_and_a_cancelled_print_teach_nothing():
    failed, cancelled = begun(), begun()
    production.record_failed(failed, actor=system_actor(), code="1", text="No filament", progress_percent=40)
    production.record_cancelled(cancelled, actor=system_actor(), reason="Wrong colour", progress_percent=10)
    assert observed(failed).exclusion_reason == "The print failed."
    assert observed(cancelled).exclusion_reason == "The print was cancelled."


def test_a_job_that_never_began_is_not_compared():
    (job,) = ordered(quoted_block(30, 20, 10))
    production.record_cancelled(job, actor=system_actor(), reason="Not needed")
    outbox.drain()
    assert not EstimateObservation.objects.exists()


def test_an_end_that_nobody_saw_teaches_nothing():
    job = begun()
    production.lose_job(job, actor=system_actor(), reason="Silence")
    production.decide_job(job, outcome="finished", actor=system_actor(), reason="It lies there")
    assert observed(job).exclusion_reason == "Its end was concluded, not seen."


def test_a_plate_that_was_not_full_teaches_nothing():
    quote = quoted_block(120, 120, 5, quantity=4)
    (first, *_) = jobs = ordered(quote)
    assert [sum(part.planned for part in job.parts.all()) for job in jobs] == [4]
    part = first.parts.get()
    part.planned = 3
    part.save()
    finished(first, printer_for(first), minutes=D(100))
    row = observed(first)
    assert row.exclusion_reason == "The plate was not full."
    # Kept with two places.
    assert row.estimated_minutes == pytest.approx(raw_minutes(quote) * 3 / 4, abs=D("0.005"))


def test_another_material_than_estimated_teaches_nothing():
    quote = quoted_block(30, 20, 10)
    (job,) = ordered(quote)
    filament = job.filaments.get()
    filament.material = type(filament.material).objects.get(material_type="PETG")
    filament.save()
    finished(job, printer_for(job), minutes=raw_minutes(quote))
    assert observed(job).exclusion_reason == "It was printed in another material than estimated, or in several."


def test_a_time_that_cannot_be_of_this_print_teaches_nothing():
    assert observed(one_print(0.05)).exclusion_reason == "Its time differs from the estimate more than 10 times."


def test_a_person_leaves_a_print_out_and_no_news_changes_that():
    job = one_print()
    row = observed(job)
    quotes.exclude_observation(row, reason="Nozzle was clogged", actor=system_actor())
    production.record_finished(job, actor=system_actor(), minutes=D(90))
    row = observed(job)
    assert (row.actual_minutes, row.is_excluded, row.exclusion_reason) == (90, True, "Nozzle was clogged")
    quotes.include_observation(row, reason="It was another printer", actor=system_actor())
    assert not observed(job).is_excluded


def test_a_print_that_did_not_finish_cannot_be_learned_from():
    job = begun()
    production.record_failed(job, actor=system_actor(), code="1", text="No filament", progress_percent=40)
    row = observed(job)
    with pytest.raises(InvalidValue):
        quotes.include_observation(row, reason="It was nearly done", actor=system_actor())
    row.refresh_from_db()
    assert row.is_excluded


def test_news_told_twice_at_once_make_one_row(shared_database):
    job = one_print()
    rows = together(*[lambda: quotes.observe_job(job, actor=system_actor())] * 3)
    assert {row.pk for row in rows} == {EstimateObservation.objects.get().pk}


def test_only_who_may_says_which_prints_count_and_says_why():
    row = observed(one_print())
    with pytest.raises(NotAllowed):
        quotes.exclude_observation(row, reason="So", actor=stranger())
    with pytest.raises(ReasonRequired):
        quotes.exclude_observation(row, reason=" ", actor=system_actor())
    row.refresh_from_db()
    assert not row.is_excluded
