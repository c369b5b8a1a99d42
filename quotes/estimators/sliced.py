"""The slicer's numbers in the file, checked against the mesh before they are believed."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from quotes.estimators.errors import CannotEstimate
from quotes.estimators.geometric import GeometricEstimator, cent, minutes_per_set, per_set, tenth
from quotes.estimators.profiles import MATERIALS
from quotes.modelfiles.analysis import ModelAnalysis, SlicedInfo
from quotes.ports import Estimate, EstimateSettings, FilamentUse, PlateEstimate

METHOD = "sliced"
#: Grams of slice and mesh may differ by this much (percent).
GRAMS_AGREE = Decimal(15)
#: Machines differ more in speed than in mass; beyond this (percent) the predicted time is not believed either.
MINUTES_AGREE = Decimal(50)
CONFIRMED_INTERVAL, DOUBTED_INTERVAL = Decimal(8), Decimal(30)


class SlicedEstimator:
    """Takes the slice for one set and the mesh for how sets share plates.

    Agreeing slices are believed; else the dearer of slice and mesh counts and the confidence is low.
    """

    def __init__(self, mesh: GeometricEstimator | None = None) -> None:
        self._mesh = mesh or GeometricEstimator()

    def estimate(self, analysis: ModelAnalysis, settings: EstimateSettings) -> Estimate:
        """Estimate from the slice; raises ``CannotEstimate`` when there is none for a printer of this farm."""
        sliced = analysis.sliced
        if sliced is None:
            raise CannotEstimate("The file was not sliced.")
        strangers = {plate.printer_model_id for plate in sliced.plates} - set(settings.printer_model_ids)
        if settings.printer_model_ids and strangers:
            raise CannotEstimate("The file was sliced for another printer.")
        if not sliced.weight_g or not sliced.prediction_seconds:
            raise CannotEstimate("The slice names no mass or no time.")
        uses, warnings = _uses(sliced, settings)
        grams = sum((use.grams for use in uses), Decimal(0))
        minutes = Decimal(sliced.prediction_seconds) / 60
        if not analysis.parts:
            return _unchecked(analysis, settings, uses, minutes, warnings)

        alone = self._mesh.estimate(analysis, replace(settings, quantity=1))
        differ = _percent(grams, alone.grams)
        slower = _percent(minutes, alone.minutes)
        believed = differ <= GRAMS_AGREE and slower <= MINUTES_AGREE
        if not believed:
            warnings.append(f"Slice and mesh differ ({differ} % in mass, {slower} % in time); the dearer counts.")
        grams_factor = (grams if believed else max(grams, alone.grams)) / alone.grams
        minutes_factor = (minutes if believed else max(minutes, alone.minutes)) / alone.minutes
        laid = self._mesh.estimate(analysis, settings)
        plates = tuple(_scaled(plate, uses, grams_factor, minutes_factor) for plate in laid.plates)
        return replace(
            laid,
            method=METHOD,
            plates=plates,
            filaments=per_set(plates, settings.quantity),
            minutes=minutes_per_set(plates, settings.quantity),
            interval_percent=CONFIRMED_INTERVAL if believed else DOUBTED_INTERVAL,
            methods_differ_percent=differ,
            warnings=laid.warnings + tuple(warnings),
        )


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


def _unchecked(
    analysis: ModelAnalysis,
    settings: EstimateSettings,
    uses: tuple[FilamentUse, ...],
    minutes: Decimal,
    warnings: list[str],
) -> Estimate:
    """A slice without a mesh: nothing to check it against, so its plates are taken as they are, with low confidence."""
    rounded = tuple(replace(use, grams=cent(use.grams)) for use in uses)
    plates = (
        PlateEstimate(
            number=1,
            parts=(),
            sets_per_plate=1,
            runs=settings.quantity,
            minutes=tenth(minutes),
            filaments=rounded,
        ),
    )
    return Estimate(
        method=METHOD,
        filaments=rounded,
        minutes=tenth(minutes),
        interval_percent=DOUBTED_INTERVAL,
        parts_per_plate=1,
        fits_per_plate=1,
        plates=plates,
        warnings=(*warnings, "The file brings no mesh to check the slice against."),
        needs_person=analysis.needs_person,
    )


def _scaled(
    plate: PlateEstimate, uses: tuple[FilamentUse, ...], grams_factor: Decimal, minutes_factor: Decimal
) -> PlateEstimate:
    whole = sum((use.grams for use in uses), Decimal(0))
    filaments = tuple(replace(use, grams=cent(plate.grams * grams_factor * use.grams / whole)) for use in uses)
    return replace(plate, minutes=tenth(plate.minutes * minutes_factor), filaments=filaments)


def _percent(one: Decimal, other: Decimal) -> Decimal:
    """By how much the larger exceeds the smaller, as percent of the larger."""
    return tenth(abs(one - other) * 100 / max(one, other))
