"""The built-in estimate: from surfaces and volume to shells, infill, grams and minutes. Always there.

Outlines need no slicing: the sum of all outlines over all layers, times the layer height, is the surface weighted by
the sine of its angle to the plate (``PartGeometry.side_area_mm2``). A wall of thickness t takes ``side_area * t`` less
what it shares at corners, ``4 t^2`` per layer and body (exact for rectangles). Seen from above and below, the surface
gets solid top and bottom layers within the walls; what remains is infill.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from quotes.estimators.errors import CannotEstimate
from quotes.estimators.packing import fits_bed, lay_out
from quotes.estimators.profiles import UNKNOWN_MATERIAL, MaterialProfile, Profiles
from quotes.modelfiles.analysis import ModelAnalysis, PartGeometry
from quotes.ports import Estimate, EstimateSettings, FilamentUse, PlateEstimate

METHOD = "geometric"


@dataclass(frozen=True)
class PieceVolumes:
    """What one piece extrudes, in mm3."""

    walls: float
    flat: float
    infill: float
    support: float

    @property
    def total(self) -> float:
        """Everything extruded for the piece."""
        return self.walls + self.flat + self.infill + self.support


class GeometricEstimator:
    """Estimates from the mesh alone; coefficients come in as ``Profiles``."""

    def __init__(self, profiles: Profiles | None = None) -> None:
        self.profiles = profiles or Profiles()

    def estimate(self, analysis: ModelAnalysis, settings: EstimateSettings) -> Estimate:
        """Estimate the file printed with these settings; raises ``CannotEstimate`` when it has no mesh."""
        if not analysis.parts:
            raise CannotEstimate("The file holds no mesh.")
        parts = analysis.parts
        material = self._material(settings)
        volumes = [self.piece_volumes(part, settings) for part in parts]
        layout = lay_out(parts, quantity=settings.quantity, bed=settings.bed_mm, gap=settings.gap_mm)
        runs = math.ceil(settings.quantity / layout.sets)
        plates = []
        for number, (content, times) in enumerate(Counter(layout.plates).items(), start=1):
            seconds = self._plate_seconds([(parts[i], volumes[i], count) for i, count in content], material, settings)
            extruded = sum(volumes[i].total * count for i, count in content) + self.profiles.printer.prime_volume
            plates.append(
                PlateEstimate(
                    number=number,
                    parts=tuple((parts[i].name, count) for i, count in content),
                    sets_per_plate=layout.sets,
                    runs=runs * times,
                    minutes=tenth(seconds / 60),
                    filaments=(
                        FilamentUse(
                            settings.material_type, settings.color_hex, cent(extruded / 1000 * material.density)
                        ),
                    ),
                )
            )
        too_large = [part.name for part in parts if not fits_bed(part, settings.bed_mm)]
        return Estimate(
            method=METHOD,
            filaments=per_set(tuple(plates), settings.quantity),
            minutes=minutes_per_set(tuple(plates), settings.quantity),
            interval_percent=self._interval(parts, volumes, settings),
            parts_per_plate=layout.sets,
            fits_per_plate=layout.fits,
            plates=tuple(plates),
            warnings=self._warnings(volumes, settings),
            needs_person=analysis.needs_person
            or (f"{too_large[0]} is larger than the printers' build volume." if too_large else ""),
        )

    def piece_volumes(self, part: PartGeometry, settings: EstimateSettings) -> PieceVolumes:
        """What one piece extrudes by kind (mm3)."""
        printer = self.profiles.printer
        volume, side, height = float(part.volume_mm3), float(part.side_area_mm2), float(part.bbox_mm[2])
        thickness = printer.walls * printer.line_width
        within = _within_walls(volume, side * thickness, 4 * thickness**2 * height * part.bodies)
        layer = float(settings.layer_height_mm)
        top = math.ceil(printer.top_thickness / layer - 1e-9) * layer
        bottom = math.ceil(printer.bottom_thickness / layer - 1e-9) * layer
        covered = float(part.up_area_mm2) * top + float(part.down_area_mm2) * bottom
        flat = min(covered * within / volume, within)
        return PieceVolumes(
            walls=volume - within,
            flat=flat,
            infill=(within - flat) * settings.infill_percent / 100,
            support=self._support(part, settings),
        )

    def _support(self, part: PartGeometry, settings: EstimateSettings) -> float:
        if not settings.supports or float(part.overhang_mm2) <= self.profiles.printer.bridged_overhang:
            return 0.0
        return float(part.support_column_mm3) * self.profiles.printer.support_density

    def _plate_seconds(
        self,
        pieces: list[tuple[PartGeometry, PieceVolumes, int]],
        material: MaterialProfile,
        settings: EstimateSettings,
    ) -> float:
        printer, layer = self.profiles.printer, float(settings.layer_height_mm)
        section = printer.line_width * layer

        def flow(speed: float) -> float:
            return min(speed * section, material.max_flow)

        layers = max(math.ceil(float(part.bbox_mm[2]) / layer) for part, _, _ in pieces)
        printing = layers * printer.layer_seconds
        for part, volumes, count in pieces:
            outer = volumes.walls / printer.walls
            seconds = (
                outer / flow(printer.outer_wall_speed)
                + (volumes.walls - outer) / flow(printer.inner_wall_speed)
                + volumes.flat / flow(printer.flat_speed)
                + volumes.infill / flow(printer.infill_speed)
                + volumes.support / flow(printer.support_speed)
                + math.ceil(float(part.bbox_mm[2]) / layer) * printer.piece_layer_seconds
            )
            printing += seconds * count
        return printer.start_seconds + max(printing, layers * material.min_layer_seconds)

    def _material(self, settings: EstimateSettings) -> MaterialProfile:
        known = self.profiles.materials.get(settings.material_type.upper(), UNKNOWN_MATERIAL)
        if settings.density_g_cm3 is None:
            return known
        return MaterialProfile(float(settings.density_g_cm3), known.max_flow, known.min_layer_seconds)

    def _interval(
        self, parts: tuple[PartGeometry, ...], volumes: list[PieceVolumes], settings: EstimateSettings
    ) -> Decimal:
        interval = self.profiles.interval_percent
        interval += 10 if not all(part.watertight for part in parts) else 0
        interval += 10 if any(part.overlapping for part in parts) else 0
        interval += 5 if any(piece.support for piece in volumes) else 0
        interval += 10 if self._unknown_density(settings) else 0
        return Decimal(interval)

    def _warnings(self, volumes: list[PieceVolumes], settings: EstimateSettings) -> tuple[str, ...]:
        warnings = []
        if any(piece.support for piece in volumes):
            warnings.append("Supports are needed.")
        if self._unknown_density(settings):
            warnings.append(f"The density of {settings.material_type} is a guess.")
        return tuple(warnings)

    def _unknown_density(self, settings: EstimateSettings) -> bool:
        return settings.density_g_cm3 is None and settings.material_type.upper() not in self.profiles.materials


def _within_walls(volume: float, walls: float, corners: float) -> float:
    """The volume inside the walls: what ``walls`` cover, less what they share at ``corners``.

    No outline shares more than a square does, whose inside is (1 - walls / 2 volume)^2 of it and ends at 2.
    """
    if walls >= 2 * volume:
        return 0.0
    return max(volume - walls + min(corners, walls**2 / (4 * volume)), 0.0)


def per_set(plates: tuple[PlateEstimate, ...], quantity: int) -> tuple[FilamentUse, ...]:
    """Grams of each filament for one set: all runs of all plates, divided by the quantity."""
    totals: dict[tuple[str, str], Decimal] = {}
    for plate in plates:
        for use in plate.filaments:
            key = (use.material_type, use.color_hex)
            totals[key] = totals.get(key, Decimal(0)) + use.grams * plate.runs
    return tuple(FilamentUse(*key, cent(grams / quantity)) for key, grams in totals.items())


def minutes_per_set(plates: tuple[PlateEstimate, ...], quantity: int) -> Decimal:
    """Minutes of one set: all runs of all plates, divided by the quantity."""
    return tenth(sum((plate.minutes * plate.runs for plate in plates), Decimal(0)) / quantity)


def cent(value: float | Decimal) -> Decimal:
    """Grams, to two places."""
    return Decimal(str(value)).quantize(Decimal("0.01"), ROUND_HALF_UP)


def tenth(value: float | Decimal) -> Decimal:
    """Minutes, to one place."""
    return Decimal(str(value)).quantize(Decimal("0.1"), ROUND_HALF_UP)
