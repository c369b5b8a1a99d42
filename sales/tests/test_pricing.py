from __future__ import annotations

import json
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from blb3d.core.errors import InvalidValue
from sales.pricing import PriceInput, PricingRules, margin_percent, price, price_again

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


def test_what_only_a_rounded_unit_price_brings_below_the_minimum_has_no_line_that_takes_away():
    # 15.40 for 1100 pieces: a cent each would be 11.00, two are 22.00.
    rules = PricingRules(machine_hourly_rate=Decimal(11), markup_percent=Decimal(40), quantity_breaks=())
    small = {"material_grams": Decimal(0), "print_minutes": Decimal("0.0275"), "quantity": 1100, "rules": rules}
    result = price(job(**small))
    assert (result.unit_price, result.subtotal) == (Decimal("0.02"), Decimal("22.00"))
    assert [line.key for line in result.lines] == ["machine", "setup"]
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
    assert (kept["rules_version"], kept["rules"], kept["cost"]) == ("1", "settings", str(result.cost))
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


_AMOUNTS = st.decimals(min_value=0, max_value=500, places=2)
_RULES = st.builds(
    PricingRules,
    name=st.sampled_from(["settings", "7"]),
    machine_hourly_rate=_AMOUNTS,
    markup_percent=_AMOUNTS,
    machine_rates=st.dictionaries(st.sampled_from(["X1C", "P1S"]), _AMOUNTS),
    setup_per_job=_AMOUNTS,
    setup_per_plate=_AMOUNTS,
    minimum=_AMOUNTS,
    quantity_breaks=st.lists(
        st.tuples(st.integers(2, 500), st.decimals(min_value=0, max_value="0.9", places=4)), max_size=4
    ).map(tuple),
    labour_hourly_rate=_AMOUNTS,
    finish_minutes=st.dictionaries(st.sampled_from(["smooth", "painted"]), _AMOUNTS),
    tax_rate=st.none() | st.decimals(min_value=0, max_value="0.3", places=5),
)


@given(
    rules=_RULES,
    grams=st.decimals(min_value=0, max_value=5000, places=4),
    minutes=st.decimals(min_value=0, max_value=10_000, places=2),
    quantity=st.integers(1, 100_000),
    kg=st.fractions(min_value=0, max_value=200).map(lambda share: Decimal(share.numerator) / share.denominator),
    finish=st.sampled_from(["standard", "smooth", "painted"]),
    rush=st.sampled_from(["standard", "urgent"]),
    level=st.decimals(min_value=0, max_value="99.99", places=2),
    agreed=st.none() | st.decimals(min_value="0.01", max_value=1000, places=2),
    machine=st.none() | st.decimals(min_value=0, max_value=100, places=4),
    exempt=st.booleans(),
)
def test_what_is_kept_makes_the_same_price_again(
    rules, grams, minutes, quantity, kg, finish, rush, level, agreed, machine, exempt
):
    result = price(
        PriceInput(
            material_grams=grams,
            print_minutes=minutes,
            quantity=quantity,
            price_per_kg=kg,
            finish=finish,
            rush=rush,
            plates=3,
            tax_exempt=exempt,
            machine_rate=machine,
            level_discount_percent=level,
            agreed_unit_price=agreed,
            rules=rules,
        )
    )
    again = price_again(json.loads(json.dumps(result.breakdown())))
    assert (again.lines, again.unit_price, again.subtotal, again.tax, again.total, again.cost, again.rules_name) == (
        result.lines, result.unit_price, result.subtotal, result.tax, result.total, result.cost, result.rules_name
    )  # fmt: skip
    assert sum(line.amount for line in result.lines) == result.subtotal


def test_a_breakdown_from_before_there_were_levels_and_labour_still_makes_its_price():
    result = price(job(quantity=10))
    kept = json.loads(json.dumps(result.breakdown()))
    for name in ("machine_rate", "level_discount_percent", "agreed_unit_price"):
        del kept["inputs"][name]
    for name in ("name", "material_basis", "machine_rates", "labour_hourly_rate", "finish_minutes", "tax_rate"):
        del kept["inputs"]["rules"][name]
    assert price_again(kept).total == result.total


def test_a_price_level_takes_off_what_stands_after_the_quantity_discount():
    base, less = price(job(quantity=10)), price(job(quantity=10, level_discount_percent=Decimal("12.5")))
    line = next(line for line in less.lines if line.key == "level")
    assert line.label == "Your price level 12.5%"
    assert less.subtotal == pytest.approx(base.subtotal * Decimal("0.875"), abs=Decimal("0.10"))
    assert [line.key for line in less.lines][-2:] == ["quantity", "level"]


def test_work_by_hand_is_paid_by_the_minute_and_marked_up():
    rules = PricingRules(
        machine_hourly_rate=Decimal("1.50"),
        markup_percent=Decimal(40),
        labour_hourly_rate=Decimal(30),
        finish_minutes={"painted": Decimal(20)},
    )
    plain, painted = price(job(rules=rules)), price(job(rules=rules, finish="painted"))
    assert "labour" not in {line.key for line in plain.lines}
    # 20 minutes at 30 an hour are 10.00, with 40 % 14.00
    assert next(line for line in painted.lines if line.key == "labour").amount == Decimal("14.00")
    assert painted.cost - plain.cost == Decimal("10.00")


def test_a_printer_model_has_its_own_rate_and_a_farm_the_mean_of_its_printers():
    rules = PricingRules(
        machine_hourly_rate=Decimal("1.50"), markup_percent=Decimal(0), machine_rates={"X1C": Decimal("3.00")}
    )
    assert rules.machine_rate([]) == Decimal("1.50")
    assert rules.machine_rate(["X1C"]) == Decimal("3.00")
    assert rules.machine_rate(["X1C", "A1", "A1"]) == Decimal("2.0000")
    assert price(job(rules=rules, machine_rate=Decimal("3.00"))).cost - price(job(rules=rules)).cost == Decimal("9.00")


def test_an_agreed_price_is_a_line_of_its_own_and_may_lie_below_the_minimum():
    result = price(job(agreed_unit_price=Decimal("10.00")))
    assert (result.lines[-1].label, result.lines[-1].amount) == ("Agreed adjustment", Decimal("-13.81"))
    assert (result.unit_price, result.subtotal, result.tax) == (Decimal("10.00"), Decimal("10.00"), Decimal("0.70"))
    assert result.margin_percent == Decimal("-70.1")


def test_a_margin_is_of_the_net_price():
    assert margin_percent(Decimal(200), Decimal(150)) == Decimal("25.0")
    assert margin_percent(Decimal(0), Decimal(5)) == Decimal("0.0")


def test_the_rules_tax_goes_before_the_installations(settings):
    settings.TAX_RATE = Decimal("0.07")
    rules = PricingRules(machine_hourly_rate=Decimal(1), markup_percent=Decimal(0), tax_rate=Decimal("0.10"))
    assert price(job(tax_rate=None, rules=RULES)).tax == Decimal("1.67")
    taxed = price(job(tax_rate=None, rules=rules))
    assert taxed.tax == (taxed.subtotal / 10).quantize(Decimal("0.01"))


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
        {"agreed_unit_price": Decimal(0)},
        {"agreed_unit_price": Decimal("1.005")},
        {"level_discount_percent": Decimal(100)},
        {"level_discount_percent": Decimal(-1)},
    ],
)
def test_it_refuses_what_cannot_be_made(changes):
    with pytest.raises(InvalidValue) as refused:
        price(job(**changes))
    assert refused.value.details["field"] in changes
