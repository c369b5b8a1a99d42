from __future__ import annotations

import pytest

from quotes.estimators import CannotEstimate, estimate
from quotes.estimators.tests.parts import block, sliced_cube, sliced_without_mesh
from quotes.ports import EstimateSettings

SETTINGS = EstimateSettings(infill_percent=15)


def test_the_best_answer_wins():
    answer = estimate(sliced_cube(), SETTINGS)
    assert (answer.method, answer.fallback_reason) == ("sliced", "")


def test_the_fallback_is_said():
    answer = estimate(block(20, 20, 20), SETTINGS)
    assert (answer.method, answer.fallback_reason) == ("geometric", "The file was not sliced.")


def test_when_nobody_can_answer_everybodys_reason_is_given():
    with pytest.raises(CannotEstimate) as refusal:
        estimate(sliced_without_mesh(), SETTINGS, estimators=("quotes.estimators.GeometricEstimator",))
    assert str(refusal.value) == "QUOTE_020: The file holds no mesh."
    with pytest.raises(CannotEstimate):
        estimate(block(20, 20, 20), SETTINGS, estimators=())
