"""One factor from many ratios: what a few bad prints, few prints and many prints of one model do to it."""

from __future__ import annotations

import random
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from quotes.services.fitting import fit

D = Decimal


def factor(ratios, models=None, **fields):
    fields = {"prior_spread": 0.25, "bound": 0.5, **fields}
    return fit(ratios, models or range(len(ratios)), **fields)


def test_prints_that_agree_give_their_ratio_and_leave_no_error():
    found = factor([1.2] * 100)
    assert found.factor == D("1.2000")
    assert (found.error_before, found.error_after, found.interval) == (D("20.00"), D("0.00"), D("0.00"))
    assert found.outliers == frozenset()


def test_twice_as_long_and_half_as_long_cancel_out():
    assert factor([2.0, 0.5] * 10).factor == D("1.0000")


def test_the_interval_holds_nine_of_ten_prints():
    ratios = [1.0] * 86 + [0.92, 1 / 0.92, 1.0, 1.05] + [2.0, 0.5] * 5
    found = factor(ratios)
    assert (found.factor, found.interval) == (D("1.0005"), D("8.64"))


@pytest.mark.parametrize("outlier", [3.0, 0.3])
def test_an_outlier_does_not_move_the_factor(outlier):
    rng = random.Random(7)
    ratios = [1.2 * rng.uniform(0.9, 1.1) for _ in range(15)]
    clean, disturbed = factor(ratios), factor([*ratios, outlier])
    assert disturbed.outliers == {15}
    assert abs(disturbed.factor - clean.factor) < D("0.002")
    assert disturbed.error_after == pytest.approx(clean.error_after, abs=D("0.1"))


@pytest.mark.parametrize(("ratio", "bounded"), [(4.0, D("1.5")), (0.2, D("0.5"))])
def test_a_factor_stays_within_its_bound(ratio, bounded):
    assert factor([ratio] * 20).factor == bounded


def test_a_bound_of_nothing_corrects_nothing():
    assert factor([1.3] * 20, bound=0.0).factor == 1


def test_few_and_scattered_prints_are_drawn_towards_what_was_expected():
    scattered = [0.8, 1.1, 1.5, 1.9]
    trusting, careful = factor(scattered, prior_spread=10.0), factor(scattered, prior_spread=0.1)
    assert 1 < careful.factor < trusting.factor
    assert factor(scattered, prior_spread=0.1, prior=1.4).factor > careful.factor


def test_a_model_that_is_printed_often_does_not_speak_for_all_others():
    ratios, models = [1.30] * 16 + [1.10, 1.11, 1.09, 1.10], ["often"] * 16 + ["a", "b", "c", "d"]
    assert factor(ratios, models, prior_spread=10.0).factor < factor(ratios, prior_spread=10.0).factor
    # 16 prints of one model weigh as 4 of 4 models do.
    assert factor(ratios, models, prior_spread=10.0).factor == pytest.approx(D("1.1958"), abs=D("0.001"))


@given(st.lists(st.floats(0.2, 5), min_size=1, max_size=60))
def test_a_factor_is_within_its_bound_and_within_the_prints(ratios):
    found = factor(ratios)
    assert D("0.5") <= found.factor <= D("1.5")
    assert min([1.0, *ratios]) - 0.001 <= float(found.factor) <= max([1.0, *ratios]) + 0.001
    assert len(found.outliers) < len(ratios)
