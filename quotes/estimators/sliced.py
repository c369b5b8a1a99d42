"""The slicer's numbers in the file, checked against the G-code's own extrusion and the mesh before they are believed.

A claimed mass is believed when what the G-code extrudes, or what the mesh takes, comes to the same.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from quotes.estimators.errors import CannotEstimate
from quotes.estimators.geometric import GeometricEstimator, cent, minutes_per_set, per_set, tenth
from quotes.estimators.profiles import MATERIALS, UNKNOWN_MATERIAL, MaterialProfile
from quotes.modelfiles.analysis import ModelAnalysis, SlicedInfo
from quotes.ports import Estimate, EstimateSettings, FilamentUse, ModelSource, PlateEstimate

METHOD = "sliced"
#: Grams may differ from the G-code's extrusion, or from the mesh, by this much (percent).
GRAMS_AGREE = Decimal(15)
#: Machines differ more in speed than in mass, and wishes in infill; beyond this (percent) nothing is believed.
MINUTES_AGREE = MESH_AGREES = Decimal(50)
CONFIRMED_INTERVAL, DOUBTED_INTERVAL = Decimal(8), Decimal(30)
#: What the farm's machines print with, mm.
NOZZLE = Decimal("0.4")


class SlicedEstimator:
    """Takes the slice for one set and the mesh for how sets share plates.

    Agreeing slices are believed; else the dearer of slice and mesh counts and the confidence is low.
    """

    def __init__(self, mesh: GeometricEstimator | None = None) -> None:
        self._mesh = mesh or GeometricEstimator()

    def estimate(
        self, analysis: ModelAnalysis, settings: EstimateSettings, source: ModelSource | None = None
    ) -> Estimate:
        """Estimate from the slice; raises ``CannotEstimate`` when there is none for a printer of this farm."""
        sliced = analysis.sliced
        if sliced is None:
            raise CannotEstimate("The file was not sliced.")
        _refuse_strangers(sliced, settings)
        if not sliced.weight_g or not sliced.prediction_seconds:
            raise CannotEstimate("The slice names no mass or no time.")
        uses, warnings = _uses(sliced, settings)
        grams = sum((use.grams for use in uses), Decimal(0))
        minutes = Decimal(sliced.prediction_seconds) / 60
        extruded = _extruded_grams(sliced, settings)
        if not analysis.parts:
            return _without_mesh(analysis, sliced, settings, uses, extruded, warnings)

        alone = self._mesh.estimate(analysis, replace(settings, quantity=1))
        differ = _percent(grams, alone.grams)
        slower = _percent(minutes, alone.minutes)
        own = extruded is not None and _percent(grams, extruded) <= GRAMS_AGREE and differ <= MESH_AGREES
        believed = (own or differ <= GRAMS_AGREE) and slower <= MINUTES_AGREE
        if not believed:
            warnings.append(f"Slice and mesh differ ({differ} % in mass, {slower} % in time); the dearer counts.")
        grams_factor = (grams if believed else max(grams, alone.grams)) / alone.grams
        minutes_factor = (minutes if believed else max(minutes, alone.minutes)) / alone.minutes
        laid = self._mesh.estimate(analysis, settings)
        plates = tuple(_scaled(plate, uses, grams_factor, minutes_factor) for plate in laid.plates)
        return replace(
            laid,
            method=METHOD,
            version="",
            plates=plates,
            filaments=per_set(plates, settings.quantity),
            minutes=minutes_per_set(plates, settings.quantity),
            interval_percent=CONFIRMED_INTERVAL if believed else DOUBTED_INTERVAL,
            # Who believes the G-code need not look at how far the mesh is off.
            methods_differ_percent=None if believed and differ > GRAMS_AGREE else differ,
            warnings=laid.warnings + tuple(warnings),
        )


def _refuse_strangers(sliced: SlicedInfo, settings: EstimateSettings) -> None:
    strangers = {plate.printer_model_id for plate in sliced.plates} - set(settings.printer_model_ids)
    if settings.printer_model_ids and strangers:
        raise CannotEstimate("The file was sliced for another printer.")
    for plate in sliced.plates:
        for nozzle in plate.nozzle_mm.replace(",", " ").split():
            if nozzle.replace(".", "", 1).isdigit() and Decimal(nozzle) != NOZZLE:
                raise CannotEstimate(f"The file was sliced for a nozzle of {nozzle} mm.")


def _extruded_grams(sliced: SlicedInfo, settings: EstimateSettings) -> Decimal | None:
    """What the G-code itself extrudes, in the chosen material where it is one filament; None: it was not counted."""
    volumes = [plate.extruded_mm3 for plate in sliced.plates]
    filaments = [filament for plate in sliced.plates for filament in plate.filaments if filament.used_g]
    if not filaments or any(volume is None for volume in volumes):
        return None
    total = sum((volume for volume in volumes if volume is not None), Decimal(0))
    if len({filament.material_type for filament in filaments}) == 1:
        density = _density(settings.material_type, settings.density_g_cm3) or _density(filaments[0].material_type, None)
        return None if density is None else total * density / 1000
    densities = [(_density(filament.material_type, None), filament.used_g) for filament in filaments]
    weight = sum((grams for _, grams in densities), Decimal(0))
    # Each filament's volume is its mass by its density; one of unknown density cannot be checked.
    if any(density is None for density, _ in densities):
        return None
    claimed = sum((grams / density for density, grams in densities if density is not None), Decimal(0))
    return total / 1000 * weight / claimed


def _uses(sliced: SlicedInfo, settings: EstimateSettings) -> tuple[tuple[FilamentUse, ...], list[str]]:
    """Filaments of the slice; a single one of another type is rescaled to the chosen type by density."""
    totals: dict[tuple[str, str], Decimal] = {}
    for plate in sliced.plates:
        for filament in plate.filaments:
            key = (filament.material_type, filament.color_hex)
            totals[key] = totals.get(key, Decimal(0)) + filament.used_g
    totals = {key: grams for key, grams in totals.items() if grams}
    if sum(totals.values()) < sliced.weight_g * Decimal("0.95"):
        # The rows do not add up to the plate's weight: the heavier number is the safe one.
        totals = {(settings.material_type, settings.color_hex): sliced.weight_g}
    if len(totals) > 1:
        return tuple(FilamentUse(*key, grams) for key, grams in totals.items()), []
    ((sliced_type, _), grams), warnings = next(iter(totals.items())), []
    before, after = _density(sliced_type, None), _density(settings.material_type, settings.density_g_cm3)
    if sliced_type.upper() != settings.material_type.upper() and before and after:
        grams = grams * after / before
        warnings.append(f"Sliced for {sliced_type}; the mass was converted to {settings.material_type}.")
    return (FilamentUse(settings.material_type, settings.color_hex, grams),), warnings


def _density(material_type: str, own: Decimal | None) -> Decimal | None:
    profile = MATERIALS.get(material_type.upper())
    return own or (Decimal(str(profile.density)) if profile else None)


def _without_mesh(
    analysis: ModelAnalysis,
    sliced: SlicedInfo,
    settings: EstimateSettings,
    uses: tuple[FilamentUse, ...],
    extruded: Decimal | None,
    warnings: list[str],
) -> Estimate:
    """A slice without a mesh: its plates are taken as they are, checked by what the G-code extrudes."""
    claimed = sum((use.grams for use in uses), Decimal(0))
    grams_factor, believed = Decimal(1), False
    if extruded is None:
        warnings.append("The file brings no mesh to check the slice against.")
    elif _percent(claimed, extruded) <= GRAMS_AGREE:
        believed = True
    else:
        grams_factor = max(extruded / claimed, Decimal(1))
        warnings.append(
            f"The slice claims {cent(claimed)} g, its G-code extrudes {cent(extruded)} g; the dearer counts."
        )
    plates = []
    for number, plate in enumerate(sliced.plates, start=1):
        share = plate.weight_g / sliced.weight_g
        seconds = Decimal(plate.prediction_seconds)
        least = (plate.extruded_mm3 or Decimal(0)) / Decimal(str(_material(settings).max_flow))
        if seconds < least:
            believed = False
            warnings.append("The slice is faster than its filament melts; the time it takes to melt counts.")
        plates.append(
            PlateEstimate(
                number=number,
                parts=(),
                sets_per_plate=1,
                runs=settings.quantity,
                minutes=tenth(max(seconds, least) / 60),
                filaments=tuple(replace(use, grams=cent(use.grams * share * grams_factor)) for use in uses),
            )
        )
    return Estimate(
        method=METHOD,
        filaments=per_set(tuple(plates), settings.quantity),
        minutes=minutes_per_set(tuple(plates), settings.quantity),
        interval_percent=CONFIRMED_INTERVAL if believed else DOUBTED_INTERVAL,
        parts_per_plate=1,
        fits_per_plate=1,
        plates=tuple(plates),
        warnings=tuple(dict.fromkeys(warnings)),
        needs_person=analysis.needs_person,
    )


def _material(settings: EstimateSettings) -> MaterialProfile:
    return MATERIALS.get(settings.material_type.upper(), UNKNOWN_MATERIAL)


def _scaled(
    plate: PlateEstimate, uses: tuple[FilamentUse, ...], grams_factor: Decimal, minutes_factor: Decimal
) -> PlateEstimate:
    whole = sum((use.grams for use in uses), Decimal(0))
    filaments = tuple(replace(use, grams=cent(plate.grams * grams_factor * use.grams / whole)) for use in uses)
    return replace(plate, minutes=tenth(plate.minutes * minutes_factor), filaments=filaments)


def _percent(one: Decimal, other: Decimal) -> Decimal:
    """By how much the larger exceeds the smaller, as percent of the larger."""
    return tenth(abs(one - other) * 100 / max(one, other))
