"""One rounding and one conversion."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blb3d.core.errors import InvalidValue, UnknownConversion
from blb3d.core.money import line_total, round_money, tax_on
from blb3d.core.units import convert, grams_to_kg, positive_quantity, round_quantity


@pytest.mark.parametrize(
    ("amount", "rounded"),
    [("0.005", "0.01"), ("0.015", "0.02"), ("-0.005", "-0.01"), ("2.675", "2.68"), ("1.0049", "1.00")],
)
def test_money_rounds_half_up_to_the_cent(amount: str, rounded: str) -> None:
    assert round_money(Decimal(amount)) == Decimal(rounded)


def test_a_line_is_rounded_once_and_tax_once_per_document() -> None:
    assert line_total(Decimal("3.335"), 3) == Decimal("10.01")
    assert tax_on(Decimal("99.99"), Decimal("0.07")) == Decimal("7.00")


def test_125_5_grams_are_0_1255_kilograms() -> None:
    assert grams_to_kg(Decimal("125.5")) == Decimal("0.1255")


@given(st.decimals(min_value=0, max_value=10**6, places=4))
def test_a_conversion_there_and_back_is_exact(quantity: Decimal) -> None:
    for one, other in [("kg", "g"), ("m", "mm"), ("l", "ml"), ("h", "min")]:
        assert round_quantity(convert(convert(quantity, one, other), other, one)) == quantity


@pytest.mark.parametrize(("source", "target"), [("kg", "m"), ("each", "g"), ("lb", "kg"), ("lb", "lb"), ("kg", "")])
def test_an_unknown_conversion_is_refused(source: str, target: str) -> None:
    with pytest.raises(UnknownConversion):
        convert(Decimal(1), source, target)


@pytest.mark.parametrize("quantity", ["0", "-1", "NaN", "Infinity", "1000000.0001"])
def test_a_quantity_that_cannot_be_is_refused(quantity: str) -> None:
    with pytest.raises(InvalidValue):
        positive_quantity(Decimal(quantity))
