"""From the analyses of a quote's files to what one set takes, and how the plates lie.

An estimate is made twice over: as the methods say it, and corrected by what finished prints taught of these methods.
Both are kept with the quote, so that prints are compared with the method and an old quote can be computed again.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.utils.module_loading import import_string

from blb3d.core.errors import InvalidValue
from inventory.selectors.materials import normalise_color
from production.selectors import Farm, farm_in_service
from quotes.estimators import DEFAULT_ESTIMATORS, estimate
from quotes.estimators.geometric import cent, per_set_grams, tenth
from quotes.estimators.packing import fits_bed, fits_together
from quotes.estimators.profiles import PrinterProfile
from quotes.estimators.sliced import METHOD as SLICED
from quotes.modelfiles import ModelAnalysis
from quotes.ports import Estimate, EstimateSettings, FilamentUse, ModelSource, PlateEstimate
from quotes.selectors import Choice
from quotes.services.cached import cached_estimate
from quotes.services.corrections import Correction, Corrections, current_corrections

BY_HAND = "engineer"


@dataclass(frozen=True)
class SetPlate:
    """A plate of the set: which file it is cut from, sets on it, runs for the whole quantity, and one run's needs.

    ``models`` are the printer models of the farm on whose beds all of the plate fits; none named means every one.
    """

    file: int
    sets: int
    runs: int
    minutes: Decimal
    grams: tuple[tuple[int, Decimal], ...]
    bbox_mm: tuple[Decimal, Decimal, Decimal] | None
    models: tuple[str, ...] = ()

    @property
    def main_filament(self) -> int:
        """The position of the filament that most of the plate is printed in."""
        return max(self.grams, key=lambda row: row[1])[0] if self.grams else 0

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "file": self.file,
            "sets": self.sets,
            "runs": self.runs,
            "minutes": str(self.minutes),
            "filaments": [{"position": position, "grams": str(grams)} for position, grams in self.grams],
            "bbox": [str(side) for side in self.bbox_mm] if self.bbox_mm else [],
            "models": list(self.models),
        }

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> SetPlate:
        """Return the inverse of ``as_dict``."""
        grams = tuple((use["position"], Decimal(use["grams"])) for use in row["filaments"])
        sides = tuple(Decimal(side) for side in row["bbox"])
        bbox = (sides[0], sides[1], sides[2]) if sides else None
        models = tuple(row.get("models", ()))
        return cls(row["file"], row["sets"], row["runs"], Decimal(row["minutes"]), grams, bbox, models)


@dataclass(frozen=True)
class FileEstimate:
    """What one file of the set takes as its method says: minutes and grams by filament position, for one set.

    ``version`` is that of the method's coefficients.
    """

    method: str
    minutes: Decimal
    grams: tuple[tuple[int, Decimal], ...]
    interval_percent: Decimal
    version: str = ""

    @property
    def learned_as(self) -> str:
        """The name under which prints teach about it: other coefficients are learned anew."""
        return f"{self.method} {self.version}".strip()[:40]

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "method": self.method,
            "minutes": str(self.minutes),
            "filaments": [{"position": position, "grams": str(grams)} for position, grams in self.grams],
            "interval_percent": str(self.interval_percent),
            "version": self.version,
        }

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> FileEstimate:
        """Return the inverse of ``as_dict``."""
        grams = tuple((use["position"], Decimal(use["grams"])) for use in row["filaments"])
        return cls(row["method"], Decimal(row["minutes"]), grams, Decimal(row["interval_percent"]), row["version"])


@dataclass(frozen=True)
class RawEstimate:
    """What the methods say, before any correction; ``filaments`` are (material type, colour) by position."""

    files: tuple[FileEstimate, ...]
    plates: tuple[SetPlate, ...]
    filaments: tuple[tuple[str, str], ...]

    @property
    def method(self) -> str:
        """The methods of the files, the same one named once."""
        return _joined(file.method for file in self.files)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "files": [file.as_dict() for file in self.files],
            "plates": [plate.as_dict() for plate in self.plates],
            "filaments": [list(filament) for filament in self.filaments],
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> RawEstimate:
        """Return the inverse of ``as_dict``."""
        return cls(
            files=tuple(FileEstimate.from_dict(row) for row in data["files"]),
            plates=tuple(SetPlate.from_dict(row) for row in data["plates"]),
            filaments=tuple((material_type, color) for material_type, color in data["filaments"]),
        )

    def material_of(self, plate: SetPlate) -> str:
        """The material type that most of a plate is printed in: its corrections are applied to the plate's minutes."""
        return self.filaments[plate.main_filament][0]


@dataclass(frozen=True)
class SetEstimate:
    """What one set of all files takes, at the quantity asked for; ``filaments`` are in the plates' positions.

    ``corrections`` are those that made it out of ``raw``.
    """

    raw: RawEstimate
    filaments: tuple[FilamentUse, ...]
    minutes: Decimal
    interval_percent: Decimal
    plates: tuple[SetPlate, ...]
    corrections: tuple[Correction, ...] = ()
    fallback_reason: str = ""
    methods_differ_percent: Decimal | None = None
    warnings: tuple[str, ...] = ()
    needs_person: str = ""

    @property
    def method(self) -> str:
        """By which methods it was estimated."""
        return self.raw.method

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
            "raw": self.raw.as_dict(),
            "corrections": [row.as_dict() for row in self.corrections],
        }


def correct(raw: RawEstimate, corrections: Corrections) -> SetEstimate:
    """Return the estimate with everything that has a correction multiplied by it.

    A plate's minutes follow its main material, grams their own. The interval becomes that of the prints behind the
    correction, but not less than half of the method's own: prints of other files say nothing against doubts about
    this one. Where only minutes were learned, the method's own interval stands for the grams.
    """
    plates = tuple(_corrected(plate, raw, corrections) for plate in raw.plates)
    grams = dict.fromkeys(range(len(raw.filaments)), Decimal(0))
    minutes = Decimal(0)
    for number, file in enumerate(raw.files):
        minutes += _minutes(number, file, raw, plates)
        for position, amount in file.grams:
            factor = corrections.grams_factor(file.learned_as, raw.filaments[position][0])
            grams[position] += amount if factor == 1 else per_set_grams(amount * factor)
    applied = {
        (file.learned_as, raw.filaments[position][0]): corrections.of(file.learned_as, raw.filaments[position][0])
        for file in raw.files
        for position, _ in file.grams
    }
    return SetEstimate(
        raw=raw,
        filaments=tuple(FilamentUse(*filament, grams[position]) for position, filament in enumerate(raw.filaments)),
        minutes=minutes,
        interval_percent=max(_interval(file, raw, corrections) for file in raw.files),
        plates=plates,
        corrections=tuple(row for row in applied.values() if row is not None),
    )


def _corrected(plate: SetPlate, raw: RawEstimate, corrections: Corrections) -> SetPlate:
    method = raw.files[plate.file].learned_as
    factor = corrections.minutes_factor(method, raw.material_of(plate))
    grams = []
    for position, amount in plate.grams:
        grams_factor = corrections.grams_factor(method, raw.filaments[position][0])
        grams.append((position, amount if grams_factor == 1 else cent(amount * grams_factor)))
    return replace(plate, minutes=plate.minutes if factor == 1 else tenth(plate.minutes * factor), grams=tuple(grams))


def _minutes(number: int, file: FileEstimate, raw: RawEstimate, plates: Sequence[SetPlate]) -> Decimal:
    """Return a file's minutes for one set, in the proportion in which its plates were corrected."""
    pairs = [(before, after) for before, after in zip(raw.plates, plates, strict=True) if before.file == number]
    before = sum((plate.minutes * plate.runs for plate, _ in pairs), Decimal(0))
    after = sum((plate.minutes * plate.runs for _, plate in pairs), Decimal(0))
    return file.minutes if before == after else cent(file.minutes * after / before)


def _interval(file: FileEstimate, raw: RawEstimate, corrections: Corrections) -> Decimal:
    own, widest = file.interval_percent, Decimal(0)
    for position, _ in file.grams:
        row = corrections.of(file.learned_as, raw.filaments[position][0])
        learned = (row.minutes_interval, row.grams_interval) if row is not None else (None,)
        widest = max(widest, *(own if value is None else max(value, cent(own / 2)) for value in learned))
    return widest if file.grams else own


def estimate_set(
    analyses: Sequence[ModelAnalysis],
    choice: Choice,
    *,
    quality: str,
    infill_percent: int,
    quantity: int,
    printer_model: str = "",
    sources: Sequence[ModelSource] = (),
) -> SetEstimate:
    """Estimate the files of a quote together: one set is one of everything in every file.

    ``sources`` are the models themselves, in the order of the analyses, for estimators that slice.

    A colour that the customer chose, or ``ENABLE_MULTI_COLOR`` off, makes one filament of what a file has in several.
    Plates are laid on the farm's own beds. Without ``printer_model`` the corrections of all models together are
    applied, or those of the only model that the farm has.

    Raises:
        CannotEstimate: no method can judge one of the files.
    """
    material, farm = choice.material, farm_in_service()
    is_single = choice.is_chosen or not settings.ENABLE_MULTI_COLOR  # type: ignore[misc]
    wanted = EstimateSettings(
        material_type=material.material_type,
        color_hex=material.color_hex if choice.is_chosen else "",
        density_g_cm3=material.density_g_cm3,
        quality=quality,
        infill_percent=infill_percent,
        quantity=quantity,
        several_filaments=not is_single,
        printer_model_ids=farm.model_ids,
    )
    nowhere: list[ModelSource | None] = [None] * len(analyses)
    answers = [
        _answer(analysis, on_bed(wanted, analysis, farm), source)
        for analysis, source in zip(analyses, sources or nowhere, strict=True)
    ]
    raw = _together(answers, analyses, wanted, farm, is_single=is_single)
    only_model = farm.models[0] if len(farm.models) == 1 else ""
    corrections = current_corrections({file.learned_as for file in raw.files}, printer_model or only_model)
    differ = [answer.methods_differ_percent for answer in answers if answer.methods_differ_percent is not None]
    return replace(
        correct(raw, corrections),
        fallback_reason=_joined((answer.fallback_reason for answer in answers), " "),
        methods_differ_percent=max(differ, default=None),
        warnings=tuple(dict.fromkeys([*_warnings(answers, analyses), *_fewer_printers(analyses, farm)])),
        needs_person=_joined((answer.needs_person for answer in answers), " "),
    )


def _fewer_printers(analyses: Sequence[ModelAnalysis], farm: Farm) -> list[str]:
    """Return a warning that names the printer models that take all parts, where not every one of the farm does."""
    fitting = [
        model
        for model, volume in farm.beds
        if all(fits_bed(part, volume) for analysis in analyses for part in analysis.parts)
    ]
    return [f"Only these printers are large enough: {', '.join(fitting)}."] if 0 < len(fitting) < len(farm.beds) else []


def on_bed(wanted: EstimateSettings, analysis: ModelAnalysis, farm: Farm) -> EstimateSettings:
    """Return the settings with the bed that the file is laid on: the most common one that takes its parts.

    A part that fits none is judged against the largest; a farm without printers is taken for one of usual printers.
    """
    if not farm.volumes:
        return wanted
    largest = max(farm.volumes, key=lambda volume: volume[0] * volume[1] * volume[2])
    fitting = (volume for volume in farm.volumes if all(fits_bed(part, volume) for part in analysis.parts))
    return replace(wanted, bed_mm=next(fitting, largest))


def is_slow() -> bool:
    """Return whether an estimator of the chain says of itself that nobody should wait for it (``is_slow``)."""
    return any(getattr(import_string(path), "is_slow", False) for path in settings.ESTIMATORS)  # type: ignore[misc]


def _answer(analysis: ModelAnalysis, wanted: EstimateSettings, source: ModelSource | None) -> Estimate:
    chain: Sequence[str] = settings.ESTIMATORS or DEFAULT_ESTIMATORS  # type: ignore[misc]
    return cached_estimate(
        (analysis, wanted, tuple(chain)), lambda: estimate(analysis, wanted, estimators=chain, source=source)
    )


def _together(
    answers: Sequence[Estimate],
    analyses: Sequence[ModelAnalysis],
    wanted: EstimateSettings,
    farm: Farm,
    *,
    is_single: bool,
) -> RawEstimate:
    """Put the files' estimates together: the same filament of several files has one position."""
    one = (wanted.material_type, wanted.color_hex)

    def filament(use: FilamentUse) -> tuple[str, str]:
        return one if is_single else (use.material_type.strip().upper() or one[0], _color(use.color_hex))

    positions: dict[tuple[str, str], int] = {}
    files = []
    for answer in answers:
        grams: dict[int, Decimal] = {}
        for use in answer.filaments:
            position = positions.setdefault(filament(use), len(positions))
            grams[position] = grams.get(position, Decimal(0)) + use.grams
        files.append(
            FileEstimate(answer.method, answer.minutes, tuple(grams.items()), answer.interval_percent, answer.version)
        )
    plates = [
        replace(
            _plate(
                number, plate, wanted.quantity, {use: positions[filament(use)] for use in plate.filaments}, analysis
            ),
            models=models_taking(plate, analysis, farm, wanted.gap_mm),
        )
        for number, (answer, analysis) in enumerate(zip(answers, analyses, strict=True))
        for plate in answer.plates
        for _ in range(_times(plate, wanted.quantity))
    ]
    return RawEstimate(tuple(files), tuple(plates), tuple(positions))


def estimate_by_hand(
    material_type: str, color_hex: str, *, grams: Decimal, minutes: Decimal, sets_per_plate: int, quantity: int
) -> SetEstimate:
    """Return a person's estimate of one set as the estimators would give it: one filament, one plate."""
    runs = math.ceil(quantity / sets_per_plate)
    plate = SetPlate(0, sets_per_plate, runs, minutes * sets_per_plate, ((0, grams * sets_per_plate),), None)
    file = FileEstimate(BY_HAND, minutes, ((0, grams),), Decimal(0))
    return correct(RawEstimate((file,), (plate,), ((material_type, color_hex),)), Corrections())


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


def models_taking(plate: PlateEstimate, analysis: ModelAnalysis, farm: Farm, gap: Decimal) -> tuple[str, ...]:
    """Return the farm's printer models on whose beds all pieces of the plate lie; none where all or no model does.

    Plates are laid out for the commonest bed: a smaller printer may take each piece and not all of them.
    """
    pieces = []
    for name, count in plate.parts:
        named = [part for part in analysis.parts if part.name == name]
        if not named:
            return ()
        # Of pieces with the same name the largest, to be on the safe side.
        pieces.append((max(named, key=lambda part: part.bbox_mm[0] * part.bbox_mm[1]), count))
    taking = {model for model, volume in farm.beds if fits_together(pieces, volume, gap)}
    return tuple(sorted(taking)) if len(taking) < len(farm.models) else ()


def _warnings(answers: Sequence[Estimate], analyses: Sequence[ModelAnalysis]) -> list[str]:
    seen = [warning for analysis in analyses for warning in analysis.warnings]
    ours = PrinterProfile().walls
    for answer, analysis in zip(answers, analyses, strict=True):
        wished = analysis.wishes.walls if analysis.wishes is not None else None
        if answer.method != SLICED and wished and wished != ours:
            seen.append(f"The project asks for {wished} walls; it is quoted with {ours}.")
    return seen + [warning for answer in answers for warning in answer.warnings]


def _joined(texts: Iterable[str], separator: str = "+") -> str:
    return separator.join(dict.fromkeys(text for text in texts if text))


def _color(color_hex: str) -> str:
    """Return a colour as stored; what a slicer wrote and is none counts as no colour."""
    try:
        return normalise_color(color_hex)
    except InvalidValue:
        return ""
