"""The built-in estimate: from the cuts of a mesh to shells, infill, supports, grams and minutes. Always there."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from quotes.estimators.errors import CannotEstimate
from quotes.estimators.filaments import PlateFilaments, filaments_of, slot_of
from quotes.estimators.orientation import better_side
from quotes.estimators.packing import fits_bed, lay_out
from quotes.estimators.profiles import UNKNOWN_MATERIAL, MaterialProfile, Profiles
from quotes.estimators.toolpaths import PieceWork, Wishes, piece_work, plate_seconds
from quotes.modelfiles.analysis import FilamentSlot, ModelAnalysis, PartGeometry
from quotes.ports import Estimate, EstimateSettings, FilamentUse, ModelSource, PlateEstimate

METHOD = "geometric"
#: Less support than this share of a piece is not worth a word.
_SPOKEN_SUPPORT = 0.02
#: A mesh whose volume is a guess, or a material whose density is: half width of the interval, percent.
_DOUBTFUL, _UNKNOWN_DENSITY = 30, 10


@dataclass(frozen=True)
class _Laid:
    """Pieces that lie on one plate: (part, its work, how many)."""

    pieces: tuple[tuple[PartGeometry, PieceWork, int], ...]
    filaments: PlateFilaments


class GeometricEstimator:
    """Estimates from the mesh alone; machine, materials and coefficients come in as ``Profiles``."""

    def __init__(self, profiles: Profiles | None = None) -> None:
        self.profiles = profiles or Profiles()

    def estimate(
        self, analysis: ModelAnalysis, settings: EstimateSettings, source: ModelSource | None = None
    ) -> Estimate:
        """Estimate the file printed with these settings; raises ``CannotEstimate`` when it has no mesh."""
        if not analysis.parts:
            raise CannotEstimate("The file holds no mesh.")
        parts = analysis.parts
        works = [self.piece_work(part, settings) for part in parts]
        layout = lay_out(parts, quantity=settings.quantity, bed=settings.bed_mm, gap=settings.gap_mm)
        runs = math.ceil(settings.quantity / layout.sets)
        plates = []
        warnings: list[str] = []
        for number, (content, times) in enumerate(Counter(layout.plates).items(), start=1):
            laid = self._laid([(parts[i], works[i], count) for i, count in content], settings)
            uses, waste = self._uses(laid, analysis.filaments, settings)
            plates.append(
                PlateEstimate(
                    number=number,
                    parts=tuple((parts[i].name, count) for i, count in content),
                    sets_per_plate=layout.sets,
                    runs=runs * times,
                    minutes=tenth(self._seconds(laid, settings) / 60),
                    filaments=uses,
                    changes=laid.filaments.changes,
                    flushed_grams=cent(waste),
                )
            )
            if waste > float(plates[-1].grams) / 2:
                warnings.append(
                    f"Changing colours {laid.filaments.changes} times wastes {waste:.0f} g, more than the parts weigh."
                )
        too_large = [part.name for part in parts if not fits_bed(part, settings.bed_mm)]
        return Estimate(
            method=METHOD,
            filaments=per_set(tuple(plates), settings.quantity),
            minutes=minutes_per_set(tuple(plates), settings.quantity),
            interval_percent=self._interval(parts, works, settings),
            parts_per_plate=layout.sets,
            fits_per_plate=layout.fits,
            plates=tuple(plates),
            warnings=(*self._warnings(parts, works, settings), *dict.fromkeys(warnings)),
            needs_person=analysis.needs_person
            or (f"{too_large[0]} is larger than the printers' build volume." if too_large else ""),
            version=self.profiles.calibration.version,
        )

    def piece_work(self, part: PartGeometry, settings: EstimateSettings) -> PieceWork:
        """What one piece extrudes (mm3), and how long its layers take."""
        wishes = Wishes(
            layer=float(settings.layer_height_mm), infill=settings.infill_percent / 100, supports=settings.supports
        )
        profiles = self.profiles
        return piece_work(part, wishes, profiles.printer, self._material(settings), profiles.calibration.coefficients)

    def alone(self, part: PartGeometry, settings: EstimateSettings) -> tuple[float, float]:
        """mm3 and seconds of printing one piece by itself, nothing primed or heated."""
        work = self.piece_work(part, settings)
        layer, profiles = float(settings.layer_height_mm), self.profiles
        seconds = plate_seconds(
            [(work, 1)], layer, profiles.printer, self._material(settings), profiles.calibration.coefficients
        )
        return work.total, seconds

    def _laid(self, pieces: Sequence[tuple[PartGeometry, PieceWork, int]], settings: EstimateSettings) -> _Laid:
        layer, printer = float(settings.layer_height_mm), self.profiles.printer
        if settings.several_filaments:
            return _Laid(tuple(pieces), filaments_of(pieces, layer, printer))
        total = sum(work.total * count for _, work, count in pieces)
        return _Laid(tuple(pieces), PlateFilaments({0: total}, {}, 0))

    def _uses(
        self, laid: _Laid, slots: Sequence[FilamentSlot], settings: EstimateSettings
    ) -> tuple[tuple[FilamentUse, ...], float]:
        """Grams of each filament of one run, and how much of them is flushed between colours."""
        found, primed = laid.filaments, self.profiles.printer.prime_volume / len(laid.filaments.numbers)
        named = settings.several_filaments and len(slots) > 1
        grams: dict[tuple[str, str], float] = {}
        waste = 0.0
        for number in found.numbers:
            slot = slot_of(number, slots) if named else None
            key = (
                (slot.material_type or settings.material_type, slot.color_hex or settings.color_hex)
                if slot
                else (settings.material_type, settings.color_hex)
            )
            density = self._density(key[0], settings)
            grams[key] = grams.get(key, 0.0) + (found.volume(number) + primed) / 1000 * density
            waste += found.flushed.get(number, 0.0) / 1000 * density
        return tuple(FilamentUse(*key, cent(mass)) for key, mass in grams.items()), waste

    def _seconds(self, laid: _Laid, settings: EstimateSettings) -> float:
        printer, fitted = self.profiles.printer, self.profiles.calibration.coefficients
        printing = plate_seconds(
            [(work, count) for _, work, count in laid.pieces],
            float(settings.layer_height_mm),
            printer,
            self._material(settings),
            fitted,
        )
        return printer.start_seconds + printing + laid.filaments.changes * printer.change_seconds

    def _material(self, settings: EstimateSettings) -> MaterialProfile:
        return self.profiles.materials.get(settings.material_type.upper(), UNKNOWN_MATERIAL)

    def _density(self, material_type: str, settings: EstimateSettings) -> float:
        if settings.density_g_cm3 is not None and material_type.upper() == settings.material_type.upper():
            return float(settings.density_g_cm3)
        return self.profiles.materials.get(material_type.upper(), UNKNOWN_MATERIAL).density

    def _interval(
        self, parts: Sequence[PartGeometry], works: Sequence[PieceWork], settings: EstimateSettings
    ) -> Decimal:
        """The half width that held for nine in ten models of the calibration, wider where the file gives doubt."""
        intervals = self.profiles.calibration.intervals
        interval = max(intervals[situation(work)] for work in works)
        if not all(part.watertight for part in parts) or any(part.overlapping for part in parts):
            interval = max(interval, _DOUBTFUL)
        if not all(part.sections for part in parts):
            interval = max(interval, intervals["uncut"])
        interval += _UNKNOWN_DENSITY if self._unknown_density(settings) else 0
        return tenth(interval)

    def _warnings(
        self, parts: Sequence[PartGeometry], works: Sequence[PieceWork], settings: EstimateSettings
    ) -> tuple[str, ...]:
        warnings = []
        if any(work.support > _SPOKEN_SUPPORT * work.total for work in works):
            warnings.append("Supports are needed.")
            for part, work in zip(parts, works, strict=True):
                side = better_side(part, settings.bed_mm) if work.support > _SPOKEN_SUPPORT * work.total else ""
                if side:
                    warnings.append(f"{part.name} would need no supports {side}.")
        if self._unknown_density(settings):
            warnings.append(f"The density of {settings.material_type} is a guess.")
        return tuple(warnings)

    def _unknown_density(self, settings: EstimateSettings) -> bool:
        return settings.density_g_cm3 is None and settings.material_type.upper() not in self.profiles.materials


def situation(work: PieceWork) -> str:
    """The kind of piece as far as its error is concerned: ``supported``, ``thin`` (mostly walls) or ``plain``."""
    if work.support > 0.05 * work.total:
        return "supported"
    return "thin" if work.walls > 0.6 * work.total else "plain"


def per_set(plates: tuple[PlateEstimate, ...], quantity: int) -> tuple[FilamentUse, ...]:
    """Grams of each filament for one set: all runs of all plates, divided by the quantity."""
    totals: dict[tuple[str, str], Decimal] = {}
    for plate in plates:
        for use in plate.filaments:
            key = (use.material_type, use.color_hex)
            totals[key] = totals.get(key, Decimal(0)) + use.grams * plate.runs
    return tuple(FilamentUse(*key, per_set_grams(grams / quantity)) for key, grams in totals.items())


def minutes_per_set(plates: tuple[PlateEstimate, ...], quantity: int) -> Decimal:
    """Minutes of one set: all runs of all plates, divided by the quantity."""
    return cent(sum((plate.minutes * plate.runs for plate in plates), Decimal(0)) / quantity)


def per_set_grams(value: Decimal) -> Decimal:
    """Grams of one set, as exact as they are kept: rounding is multiplied by the quantity."""
    return value.quantize(Decimal("0.0001"), ROUND_HALF_UP)


def cent(value: float | Decimal) -> Decimal:
    """Grams of a plate, or minutes of one set, to two places."""
    return Decimal(str(value)).quantize(Decimal("0.01"), ROUND_HALF_UP)


def tenth(value: float | Decimal) -> Decimal:
    """Minutes of a plate, to one place."""
    return Decimal(str(value)).quantize(Decimal("0.1"), ROUND_HALF_UP)
