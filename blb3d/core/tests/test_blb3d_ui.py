"""The template tags say numbers, weights, times and states as people read them."""

from __future__ import annotations

import datetime as dt
from decimal import Decimal

import pytest
from django.utils import timezone

from blb3d.core.templatetags import blb3d_ui as ui


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [
        (Decimal("1234.5"), "USD", "$1,234.50"),
        (Decimal("-5"), "USD", "-$5.00"),
        (Decimal("0.005"), "EUR", "€0.01"),
        (Decimal("12"), "CHF", "CHF\xa012.00"),
        (Decimal("12"), "", "$12.00"),
        (None, "USD", "–"),
    ],
)
def test_it_writes_money_with_its_currency(amount: Decimal | None, currency: str, text: str) -> None:
    assert ui.money(amount, currency) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (Decimal("125.5"), "125.5\xa0g"),
        (Decimal("999.9"), "999.9\xa0g"),
        (Decimal("1255"), "1.26\xa0kg"),
        (0, "0\xa0g"),
    ],
)
def test_it_writes_a_weight_in_grams_or_kilograms(value: Decimal, text: str) -> None:
    assert ui.grams(value) == text


def test_it_keeps_the_precision_of_stock_in_kilograms() -> None:
    assert ui.kilograms(Decimal("0.1255")) == "0.1255\xa0kg"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0\xa0min"),
        (45, "45\xa0min"),
        (200, "3\xa0h 20\xa0min"),
        (120, "2\xa0h"),
        (3120, "2\xa0d 4\xa0h"),
        (None, "–"),
    ],
)
def test_it_writes_a_duration_as_people_say_it(value: int | None, text: str) -> None:
    assert ui.duration(value) == text


@pytest.mark.parametrize(
    ("value", "text"), [(Decimal("50.0000"), "50"), (Decimal("2.5000"), "2.5"), (1500, "1,500"), (None, "–")]
)
def test_it_writes_a_quantity_without_the_zeros_of_storage(value: Decimal | int | None, text: str) -> None:
    assert ui.plain_number(value) == text


def test_it_says_today_and_keeps_the_exact_stamp_in_the_hover_text() -> None:
    noon = timezone.localtime().replace(hour=12, minute=5, second=7, microsecond=0)
    html = ui.when(noon)
    assert ">today 12:05</time>" in html
    assert f'title="{noon:%Y-%m-%d} 12:05:07' in html


def test_it_writes_a_far_day_with_its_year_only_when_it_is_another_year() -> None:
    assert ui._day(dt.date(2025, 3, 12), dt.date(2025, 6, 1)) == "12 Mar"
    assert ui._day(dt.date(2024, 3, 12), dt.date(2025, 6, 1)) == "12 Mar 2024"


@pytest.mark.parametrize(
    ("status", "meaning"),
    [
        ("delivered", "good"),
        ("printing", "waiting"),
        ("on_hold", "attention"),
        ("CANCELLED", "stopped"),
        ("new", "waiting"),
    ],
)
def test_it_gives_each_status_one_of_four_meanings(status: str, meaning: str) -> None:
    assert ui.meaning_of(status) == meaning


def test_a_chip_has_text_and_shape_beside_its_colour() -> None:
    html = ui.chip("pending", "quote")
    assert 'class="chip chip--waiting"' in html
    assert "In review" in html
    assert "icons.svg#waiting" in html


def test_it_escapes_a_status_that_is_not_ours() -> None:
    assert "<b>" not in ui.chip("<b>")


def test_it_shortens_a_long_id_in_the_middle_and_leaves_a_number_whole() -> None:
    assert ui.short_id("8f14e45fceea167a5a36dedd4bea2543") == "8f14e45f…2543"
    assert ui.short_id("SO-2025-014") == "SO-2025-014"


def test_a_swatch_takes_only_a_colour() -> None:
    assert 'fill="#1d1d1f"' in ui.swatch("#1d1d1f", "Black")
    assert "no colour chosen" in ui.swatch(None)
    assert "onload" not in ui.swatch('" onload="x')


@pytest.mark.parametrize(
    ("size", "text"),
    [(0, "0\xa0kB"), (12, "1\xa0kB"), (640_000, "640\xa0kB"), (1_482_912, "1.5\xa0MB"), (10**8, "100\xa0MB")],
)
def test_it_writes_a_file_size_as_people_say_it(size: int, text: str) -> None:
    assert ui.file_size(size) == text


def test_it_writes_accepted_endings_as_a_list() -> None:
    assert ui.endings(".3mf,.stl,.step,.stp") == "3MF, STL, STEP"
    assert ui.endings(".stp") == "STP"
