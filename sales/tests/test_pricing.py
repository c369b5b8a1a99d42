from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blb3d.core.errors import InvalidValue
from sales.pricing import PriceInput, PricingRules, price

RULES = PricingRules(machine_hourly_rate=Decimal("1.50"), markup_percent=Decimal(40))


def job(**changes):
    fields = {
        "material_grams": Decimal("125.5"),
        "print_minutes": Decimal(360),
        "quantity": 1,
        "price_per_kg": Decimal(20),
        "tax_rate": Decimal("0.07"),
        "rules": RULES,
    }
    return PriceInput(**{**fields, **changes})


def test_it_adds_material_machine_time_and_setup_each_with_the_markup():
    result = price(job())
    # 125.5 g at 20/kg = 2.51; 6 h at 1.50 = 9.00; set-up 5.00 + 0.50; each x 1.40
    assert [(line.key, line.amount) for line in result.lines] == [
        ("material", Decimal("3.51")),
        ("machine", Decimal("12.60")),
        ("setup", Decimal("7.70")),
    ]
    assert result.unit_price == Decimal("23.81")
    assert result.subtotal == Decimal("23.81")
    assert result.tax == Decimal("1.67")
    assert result.total == Decimal("25.48")
    assert result.cost == Decimal("17.01")


def test_it_takes_finish_quantity_discount_and_rush_on_what_stands_above_them():
    result = price(job(quantity=10, finish="smooth", rush="rush"))
    base = (Decimal("25.1") + Decimal(90) + Decimal("5.5")) * Decimal("1.4")
    expected = base * Decimal("1.3") * Decimal("0.95") * Decimal("1.25")
    assert result.unit_price == (expected / 10).quantize(Decimal("0.01"))
    assert [line.key for line in result.lines] == ["material", "machine", "setup", "finish", "quantity", "rush"]
    assert result.lines[4].amount < 0
    assert result.lines[4].label == "Quantity discount 5%"


def test_a_small_job_costs_the_minimum():
    result = price(job(material_grams=Decimal(1), print_minutes=Decimal(1), quantity=7))
    assert result.subtotal == Decimal("15.05")  # 2.15 each: the least cent that reaches 15.00
    assert result.lines[-1].key == "minimum"
    assert sum(line.amount for line in result.lines) == result.subtotal


def test_a_tax_exempt_customer_pays_no_tax():
    result = price(job(tax_exempt=True))
    assert result.tax == 0
    assert result.total == result.subtotal


def test_the_customer_sees_no_line_for_the_margin():
    assert not {"markup", "margin"} & {line.key for line in price(job(quantity=100, rush="urgent")).lines}


def test_the_breakdown_is_plain_json_from_which_the_price_can_be_made_again():
    result = price(job(quantity=3))
    kept = json.loads(json.dumps(result.breakdown()))
    assert kept["rules_version"] == "1"
    assert kept["inputs"]["material_grams"] == "125.5"
    assert kept["inputs"]["rules"]["markup_percent"] == "40"
    assert sum(Decimal(line["amount"]) for line in kept["lines"]) == result.subtotal


@given(
    grams=st.decimals(min_value=0, max_value=5000, places=4),
    minutes=st.decimals(min_value=0, max_value=10_000, places=2),
    quantity=st.integers(1, 100_000),
    finish=st.sampled_from(["standard", "smooth", "painted"]),
    rush=st.sampled_from(["standard", "rush", "super_rush", "urgent"]),
    plates=st.integers(1, 5000),
)
def test_the_lines_always_add_up_and_the_total_is_always_net_plus_tax(grams, minutes, quantity, finish, rush, plates):
    result = price(
        job(
            material_grams=grams,
            print_minutes=minutes,
            quantity=quantity,
            finish=finish,
            rush=rush,
            plates=plates,
        )
    )
    assert sum(line.amount for line in result.lines) == result.subtotal == result.unit_price * quantity
    assert result.total == result.subtotal + result.tax
    assert result.subtotal >= RULES.minimum
    assert result.unit_price.as_tuple().exponent == -2


@pytest.mark.parametrize(
    "changes",
    [
        {"quantity": 0},
        {"quantity": 10**9},
        {"material_grams": Decimal(-1)},
        {"print_minutes": Decimal("NaN")},
        {"finish": "gold"},
        {"rush": "yesterday"},
        {"plates": 0},
    ],
)
def test_it_refuses_what_cannot_be_made(changes):
    with pytest.raises(InvalidValue) as refused:
        price(job(**changes))
    assert refused.value.details["field"] in changes
