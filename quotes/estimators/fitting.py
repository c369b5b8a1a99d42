"""Fitting the built-in estimator's coefficients to what a slicer says, and how wide its intervals must be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares

from quotes.estimators.calibration import Coefficients
from quotes.estimators.geometric import situation
from quotes.estimators.profiles import MATERIALS, PrinterProfile
from quotes.estimators.toolpaths import PieceWork, Wishes, piece_work, plate_seconds
from quotes.modelfiles.analysis import PartGeometry

#: An error of this size in mass and in time weighs the same (shares of 1): mass is known better.
MASS_SCALE, TIME_SCALE = 0.02, 0.04
#: How much a coefficient is held to what the formulas say by themselves; soft, for what the models do not tell apart.
_HELD_BACK = 1.0
_COVERAGE = 0.96


@dataclass(frozen=True)
class Observation:
    """A slice of one piece: what was asked and what the slicer says, mm3 and seconds of printing alone."""

    name: str
    family: str
    part: PartGeometry
    material_type: str
    wishes: Wishes
    extruded_mm3: float
    seconds: float


@dataclass(frozen=True)
class Error:
    """Estimate against slicer, as shares of the slicer's number: 0.01 is one percent too much."""

    observation: Observation
    situation: str
    mass: float
    time: float

    @property
    def worst(self) -> float:
        """The larger of both, without its sign."""
        return max(abs(self.mass), abs(self.time))


def predict(seen: Observation, coefficients: Coefficients) -> tuple[PieceWork, float]:
    """The built-in estimate of the same piece: its work and the seconds of printing it alone."""
    printer, material = PrinterProfile(), MATERIALS[seen.material_type]
    work = piece_work(seen.part, seen.wishes, printer, material, coefficients)
    return work, plate_seconds([(work, 1)], seen.wishes.layer, printer, material, coefficients)


def errors(observations: Sequence[Observation], coefficients: Coefficients) -> list[Error]:
    """The errors of the estimate for each observation."""
    found = []
    for seen in observations:
        work, seconds = predict(seen, coefficients)
        found.append(Error(seen, situation(work), work.total / seen.extruded_mm3 - 1, seconds / seen.seconds - 1))
    return found


def fit(observations: Sequence[Observation]) -> Coefficients:
    """Coefficients by robust least squares over logarithms, none below nought."""
    names = [field.name for field in fields(Coefficients)]
    start = np.array([getattr(Coefficients(), name) for name in names])
    held = _HELD_BACK / np.maximum(start, 0.05)

    def residuals(values: NDArray[np.float64]) -> NDArray[np.float64]:
        coefficients = Coefficients(*values)
        rows = []
        for seen in observations:
            work, seconds = predict(seen, coefficients)
            rows.append(np.log(work.total / seen.extruded_mm3) / MASS_SCALE)
            rows.append(np.log(seconds / seen.seconds) / TIME_SCALE)
        return np.concatenate([rows, (values - start) * held])

    found = least_squares(residuals, start, loss="soft_l1", bounds=(0, np.inf), max_nfev=30)
    return Coefficients(*(round(float(value), 4) for value in found.x))


def intervals(observations: Sequence[Observation]) -> dict[str, float]:
    """Half widths (percent) by situation that hold for 96 % of the models of a family that was left out of the fit.

    A situation with few models gets the width of all together; ``uncut`` is for parts that were read without cuts.
    """
    left_out: list[Error] = []
    for family in sorted({seen.family for seen in observations}):
        others = fit([seen for seen in observations if seen.family != family])
        left_out += errors([seen for seen in observations if seen.family == family], others)
    overall = _width(left_out)
    widths = {"plain": overall, "thin": overall, "supported": overall, "uncut": 25.0}
    for kind in ("plain", "thin", "supported"):
        rows = [error for error in left_out if error.situation == kind]
        if len(rows) >= 10:
            widths[kind] = _width(rows)
    return widths


def _width(rows: Sequence[Error]) -> float:
    return round(float(np.quantile([error.worst for error in rows], _COVERAGE)) * 100, 1)
