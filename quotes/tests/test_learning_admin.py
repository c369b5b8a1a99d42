"""Learning in the console: which prints, what they teach, why, and the switches."""

from __future__ import annotations

import re

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from blb3d.accounts.models import User
from blb3d.core.templatetags.blb3d_ui import NARROW_GAP
from quotes import services as quotes
from quotes.models import EstimateCorrection, EstimateObservation
from quotes.tests.factories import system_actor
from quotes.tests.prints import METHOD, observe, observed, printed, quoted_block
from sales.tests.factories import staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]

CORRECTIONS = "admin:quotes_estimatecorrection_changelist"
LEARN = "admin:quotes_estimatecorrection_learn"


@pytest.fixture
def client() -> Client:
    return logged_in(User.objects.create_superuser("boss@example.com", first_name="Boss"))


def logged_in(user: User) -> Client:
    client = Client()
    client.force_login(user)
    return client


def page(row: EstimateCorrection | EstimateObservation) -> str:
    return reverse(f"admin:quotes_{row._meta.model_name}_change", args=[row.pk])


def text(response) -> str:
    """Return a page with plain spaces before its units."""
    return response.content.decode().replace(NARROW_GAP, " ")


def press(client: Client, row: EstimateCorrection | EstimateObservation, name: str, **answers: str) -> str:
    door = reverse(f"admin:quotes_{row._meta.model_name}_verb", args=[row.pk, name])
    response = client.post(door, {"_answered": "1", **answers}, follow=True)
    row.refresh_from_db()
    return text(response)


def learned() -> EstimateCorrection:
    quotes.recompute_corrections(actor=system_actor())
    return EstimateCorrection.objects.get(is_current=True)


def test_the_button_learns_and_the_list_shows_what_was_learned(client):
    observe(12, 1.2)
    html = text(client.post(reverse(LEARN), follow=True))
    assert f"Learned from the latest prints: {METHOD}, PLA, all printers #1." in html
    assert f"PLA, {METHOD}, all printers" in html
    assert "+20 %" in html
    assert "20 % → 0 %" in html
    assert "In use" in html
    assert "the corrections in use stand" in text(client.post(reverse(LEARN), follow=True))


def test_learning_is_no_link_and_not_for_everybody(client):
    observe(12, 1.2)
    assert client.get(reverse(LEARN)).status_code == 405
    reader = logged_in(staff("quotes.view_estimatecorrection"))
    assert reader.post(reverse(LEARN)).status_code == 403
    assert "Learn now" not in text(reader.get(reverse(CORRECTIONS)))
    assert not EstimateCorrection.objects.exists()


def test_the_page_of_a_correction_draws_and_lists_the_prints_behind_it(client):
    rows = observe(12, [1.1, 1.15, 1.2, 1.25, 1.3, 1.2, 1.2, 1.18, 1.22, 1.24, 1.16, 3.0], actual_grams=55)
    html = text(client.get(page(learned())))
    assert html.count("<circle") == 12
    assert html.count("plot__point--out") == 1
    assert "Outlier" in html
    for row in rows:
        assert page(row) in html
    assert "12, grams known of 12" in html
    assert not re.search(r'\sstyle="', html[html.index("<figure") : html.index("</figure>")])


def test_the_page_costs_the_same_however_many_prints_there_are(client):
    observe(10, 1.2)
    few = learned()
    client.get(page(few))
    with CaptureQueriesContext(
        connection,
    ) as small:
        client.get(page(few))
    observe(60, 1.4)
    many = learned()
    with CaptureQueriesContext(connection) as large:
        client.get(page(many))
    assert len(large) <= len(small)


def test_a_correction_is_switched_off_with_a_reason_and_on_again(client):
    observe(12, 1.2)
    row = learned()
    assert "This field is required" in press(client, row, "switch_off")
    assert row.is_enabled
    assert "Switched off" in press(client, row, "switch_off", reason="New profile")
    assert not row.is_enabled
    press(client, row, "switch_on", reason="It was right")
    assert row.is_enabled
    html = text(client.get(page(row)))
    assert "New profile" in html, "the history says why"


def test_a_correction_at_its_bound_asks_for_a_look(client):
    observe(12, 2.5)
    learned()
    assert "In use, at its bound" in text(client.get(reverse(CORRECTIONS)))


def test_a_replaced_version_stays_and_has_no_switch(client):
    observe(12, 1.2)
    first = learned()
    observe(30, 1.4)
    learned()
    html = text(client.get(page(first)))
    assert "Replaced" in html
    assert "Switch off" not in html


def test_a_person_leaves_a_print_out_and_says_why(client):
    (row, *_) = observe(1, 1.2)
    html = press(client, row, "exclude", reason="Nozzle was clogged")
    assert "Left out" in html
    assert "Nozzle was clogged" in html
    assert (row.is_excluded, row.decided_by.email) == (True, "boss@example.com")
    press(client, row, "include", reason="It was the other printer")
    assert not row.is_excluded


def test_the_list_of_prints_shows_estimate_print_and_why_one_does_not_count(client):
    (job,) = printed(quoted_block(30, 20, 10), 1.25, heavier=1.1)
    observed(job)
    (other,) = printed(quoted_block(30, 20, 11), 0.01)
    observed(other)
    html = text(client.get(reverse("admin:quotes_estimateobservation_changelist")))
    assert job.code in html
    assert "+25 %" in html
    assert "+10 %" in html
    assert "Its time differs from the estimate more than 10 times." in html


def test_the_page_of_a_quote_says_by_what_it_was_corrected(client):
    plain = quoted_block(30, 20, 10)
    observe(12, 1.2)
    correction = learned()
    quote = quoted_block(30, 20, 10)
    html = text(client.get(reverse("admin:quotes_quote_change", args=[quote.pk])))
    assert f"PLA, {METHOD}: time +20 %, grams 0 %, from 12 finished prints" in html
    assert page(correction) in html
    html = text(client.get(reverse("admin:quotes_quote_change", args=[plain.pk])))
    assert "finished prints" not in html
