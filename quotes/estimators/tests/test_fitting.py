from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from quotes.estimators.calibration import CALIBRATED, Coefficients, calibrated
from quotes.estimators.corpus import FITTED, HELD_OUT, models
from quotes.estimators.fitting import Observation, errors, fit, predict
from quotes.estimators.toolpaths import Wishes
from quotes.modelfiles.geometry import measure


@pytest.fixture(scope="module")
def observed() -> list[Observation]:
    """Models "sliced" by the estimator itself with other coefficients: what a fit has to find again."""
    truth = replace(Coefficients(), walls=1.1, infill=0.9, bend_time=1.4, layer_seconds=0.5)
    seen = []
    for model in models({name: FITTED[name] for name in ("pocketed-block", "gear", "bracket")}, range(2)):
        part = measure(model.vertices, model.faces).as_part(model.name, 1)
        blank = Observation(model.name, model.family, part, "PLA", Wishes(0.2, 0.2, False), 1.0, 1.0)
        work, seconds = predict(blank, truth)
        seen.append(replace(blank, extruded_mm3=work.total, seconds=seconds))
    return seen


def test_a_fit_finds_what_made_the_numbers(observed: list[Observation]):
    before, after = errors(observed, Coefficients()), errors(observed, fit(observed))
    assert max(error.worst for error in before) > 0.04
    assert max(error.worst for error in after) < 0.02


def test_the_sign_of_an_error_says_who_claims_more(observed: list[Observation]):
    (seen, *_) = observed
    heavier = replace(seen, extruded_mm3=seen.extruded_mm3 * 2)
    (error,) = errors([heavier], Coefficients())
    assert error.mass < -0.4
    assert error.worst == max(abs(error.mass), abs(error.time))


def test_families_that_judge_are_not_fitted_on():
    assert not set(FITTED) & set(HELD_OUT)
    assert (len(FITTED), len(HELD_OUT)) == (9, 6)


@pytest.mark.parametrize("family", [*FITTED, *HELD_OUT])
def test_a_seed_makes_the_same_closed_solid_again(family: str):
    families = {**FITTED, **HELD_OUT}
    (one,), (again,) = (list(models({family: families[family]}, range(3, 4))) for _ in range(2))
    assert np.array_equal(one.vertices, again.vertices)
    found = measure(one.vertices, one.faces)
    assert found.watertight
    assert found.volume > 500
    assert max(found.extent) < 120
    assert one.vertices[:, 2].min() == pytest.approx(0)


def test_the_committed_calibration_names_where_it_comes_from_and_its_error():
    calibration = calibrated()
    assert calibration.slicer.startswith("PrusaSlicer")
    assert calibration.version.startswith(calibration.date)
    assert set(calibration.intervals) == {"plain", "thin", "supported", "uncut"}
    assert '"held_out"' in CALIBRATED.read_text("utf-8")
