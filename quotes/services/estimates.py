"""From the analyses of a quote's files to what one set takes, and how the plates lie."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings

from blb3d.core.errors import InvalidValue
from inventory.selectors.materials import normalise_color
from quotes.estimators import DEFAULT_ESTIMATORS, estimate
from quotes.modelfiles import ModelAnalysis
from quotes.ports import Estimate, EstimateSettings, FilamentUse, PlateEstimate
from quotes.selectors import Choice

BY_HAND = "engineer"


@dataclass(frozen=True)
class SetPlate:
    """A plate of the set: which file it is cut from, sets on it, runs for the whole quantity, and one run's needs."""

    file: int
    sets: int
    runs: int
    minutes: Decimal
    grams: tuple[tuple[int, Decimal], ...]
    bbox_mm: tuple[Decimal, Decimal, Decimal] | None

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "file": self.file,
            "sets": self.sets,
            "runs": self.runs,
            "minutes": str(self.minutes),
            "filaments": [{"position": position, "grams": str(grams)} for position, grams in self.grams],
            "bbox": [str(side) for side in self.bbox_mm] if self.bbox_mm else [],
        }


@dataclass(frozen=True)
class SetEstimate:
    """What one set of all files takes, at the quantity asked for; ``filaments`` are in the plates' positions."""

    method: str
    filaments: tuple[FilamentUse, ...]
    minutes: Decimal
    interval_percent: Decimal
    plates: tuple[SetPlate, ...]
    fallback_reason: str = ""
    methods_differ_percent: Decimal | None = None
    warnings: tuple[str, ...] = ()
    needs_person: str = ""

    @property
    def grams(self) -> Decimal:
        """Grams of one set."""
        return sum((use.grams for use in self.filaments), Decimal(0))

    @property
    def runs(self) -> int:
        """Print jobs for the whole quantity."""
        return sum(plate.runs for plate in self.plates)

    def detail(self) -> dict[str, Any]:
        """Return what is kept with the quote besides its columns, as JSON."""
        differ = self.methods_differ_percent
        return {
            "plates": [plate.as_dict() for plate in self.plates],
            "warnings": list(self.warnings),
            "needs_person": self.needs_person,
            "methods_differ_percent": None if differ is None else str(differ),
        }


def estimate_set(
    analyses: Sequence[ModelAnalysis], choice: Choice, *, quality: str, infill_percent: int, quantity: int
) -> SetEstimate:
    """Estimate the files of a quote together: one set is one of everything in every file.

    A colour that the customer chose, or ``ENABLE_MULTI_COLOR`` off, makes one filament of what a file has in several.

    Raises:
        CannotEstimate: no method can judge one of the files.
    """
    material = choice.material
    wanted = EstimateSettings(
        material_type=material.material_type,
        color_hex=material.color_hex if choice.is_chosen else "",
        density_g_cm3=material.density_g_cm3,
        quality=quality,
        infill_percent=infill_percent,
        quantity=quantity,
    )
    chain: Sequence[str] = settings.ESTIMATORS or DEFAULT_ESTIMATORS  # type: ignore[misc]
    answers = [estimate(analysis, wanted, estimators=chain) for analysis in analyses]
    one = (wanted.material_type, wanted.color_hex)
    is_single = choice.is_chosen or not settings.ENABLE_MULTI_COLOR  # type: ignore[misc]

    def filament(use: FilamentUse) -> tuple[str, str]:
        return one if is_single else (use.material_type.strip().upper() or one[0], _color(use.color_hex))

    positions: dict[tuple[str, str], int] = {}
    totals: dict[tuple[str, str], Decimal] = {}
    for answer in answers:
        for use in answer.filaments:
            key = filament(use)
            positions.setdefault(key, len(positions))
            totals[key] = totals.get(key, Decimal(0)) + use.grams
    plates = [
        _plate(number, plate, quantity, {use: positions[filament(use)] for use in plate.filaments}, analysis)
        for number, (answer, analysis) in enumerate(zip(answers, analyses, strict=True))
        for plate in answer.plates
        for _ in range(_times(plate, quantity))
    ]
    differ = [answer.methods_differ_percent for answer in answers if answer.methods_differ_percent is not None]
    return SetEstimate(
        method=_joined(answer.method for answer in answers),
        filaments=tuple(FilamentUse(*key, grams) for key, grams in totals.items()),
        minutes=sum((answer.minutes for answer in answers), Decimal(0)),
        interval_percent=max(answer.interval_percent for answer in answers),
        plates=tuple(plates),
        fallback_reason=_joined((answer.fallback_reason for answer in answers), " "),
        methods_differ_percent=max(differ, default=None),
        warnings=tuple(dict.fromkeys(_warnings(answers, analyses))),
        needs_person=_joined((answer.needs_person for answer in answers), " "),
    )


def estimate_by_hand(
    material_type: str, color_hex: str, *, grams: Decimal, minutes: Decimal, sets_per_plate: int, quantity: int
) -> SetEstimate:
    """Return a person's estimate of one set as the estimators would give it: one filament, one plate."""
    runs = math.ceil(quantity / sets_per_plate)
    plate = SetPlate(0, sets_per_plate, runs, minutes * sets_per_plate, ((0, grams * sets_per_plate),), None)
    return SetEstimate(
        method=BY_HAND,
        filaments=(FilamentUse(material_type, color_hex, grams),),
        minutes=minutes,
        interval_percent=Decimal(0),
        plates=(plate,),
    )


def _times(plate: PlateEstimate, quantity: int) -> int:
    """Return how often this plate is needed for one set: more than once only where a set takes several plates."""
    return max(plate.runs // math.ceil(quantity / plate.sets_per_plate), 1)


def _plate(
    file: int, plate: PlateEstimate, quantity: int, positions: dict[FilamentUse, int], analysis: ModelAnalysis
) -> SetPlate:
    grams: dict[int, Decimal] = {}
    for use in plate.filaments:
        grams[positions[use]] = grams.get(positions[use], Decimal(0)) + use.grams
    sizes = [part.bbox_mm for part in analysis.parts]
    bbox = (max(s[0] for s in sizes), max(s[1] for s in sizes), max(s[2] for s in sizes)) if sizes else None
    runs = plate.runs // _times(plate, quantity)
    return SetPlate(file, plate.sets_per_plate, runs, plate.minutes, tuple(sorted(grams.items())), bbox)


def _warnings(answers: Sequence[Estimate], analyses: Sequence[ModelAnalysis]) -> list[str]:
    seen = [warning for analysis in analyses for warning in analysis.warnings]
    return seen + [warning for answer in answers for warning in answer.warnings]


def _joined(texts: Any, separator: str = "+") -> str:
    return separator.join(dict.fromkeys(text for text in texts if text))


def _color(color_hex: str) -> str:
    """Return a colour as stored; what a slicer wrote and is none counts as no colour."""
    try:
        return normalise_color(color_hex)
    except InvalidValue:
        return ""
