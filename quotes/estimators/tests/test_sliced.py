from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from quotes.estimators import CannotEstimate, GeometricEstimator, SlicedEstimator
from quotes.estimators.geometric import tenth
from quotes.estimators.tests.parts import block, sliced_cube, sliced_without_mesh
from quotes.modelfiles import ModelAnalysis
from quotes.ports import Estimate, EstimateSettings

SETTINGS = EstimateSettings(infill_percent=15)


def mesh() -> Estimate:
    """What the mesh of the sliced cube says: about 4.2 g and 18 minutes."""
    return GeometricEstimator().estimate(sliced_cube(), SETTINGS)


def test_a_slice_that_agrees_with_the_mesh_is_believed():
    estimate = SlicedEstimator().estimate(sliced_cube(weight="3.90", prediction=1200), SETTINGS)
    assert (estimate.method, estimate.grams, estimate.minutes) == ("sliced", Decimal("3.90"), Decimal("20.0"))
    assert estimate.interval_percent == 8
    assert estimate.methods_differ_percent == tenth((mesh().grams - Decimal("3.90")) / mesh().grams * 100)
    assert estimate.warnings == ()


@pytest.mark.parametrize(
    ("weight", "seconds", "grams", "minutes"),
    [
        ("0.40", 60, None, None),  # a forged slice is not a discount
        ("9.00", 3600, "9.00", "60.0"),
        ("0.40", 3600, None, "60.0"),
        ("4.00", 60, None, None),  # mass agrees, time does not
    ],
)
def test_where_slice_and_mesh_differ_the_dearer_counts(
    weight: str, seconds: int, grams: str | None, minutes: str | None
):
    estimate = SlicedEstimator().estimate(sliced_cube(weight=weight, prediction=seconds), SETTINGS)
    dearer = (Decimal(grams) if grams else mesh().grams, Decimal(minutes) if minutes else mesh().minutes)
    assert (estimate.grams, estimate.minutes) == dearer
    assert estimate.interval_percent == 30
    assert estimate.warnings[-1].startswith("Slice and mesh differ")


def test_the_border_is_fifteen_percent():
    for share, interval in ((Decimal("0.86"), 8), (Decimal("0.84"), 30)):
        weight = (mesh().grams * share).quantize(Decimal("0.001"))
        estimate = SlicedEstimator().estimate(sliced_cube(weight=weight), SETTINGS)
        assert estimate.interval_percent == interval


def test_a_quantity_shares_plates_as_the_mesh_does():
    one = SlicedEstimator().estimate(sliced_cube(weight="3.90", prediction=1200), SETTINGS)
    many = SlicedEstimator().estimate(sliced_cube(weight="3.90", prediction=1200), replace(SETTINGS, quantity=100))
    assert (many.parts_per_plate, many.plate_runs) == (100, 1)
    assert many.minutes < one.minutes / 2
    assert many.plates[0].parts == (("Part 1", 100),)


def test_another_filament_is_rescaled_by_density_and_said():
    settings = replace(SETTINGS, material_type="ABS")
    estimate = SlicedEstimator().estimate(sliced_cube(weight="4.00"), settings)
    assert estimate.grams == Decimal("3.35")  # 4.00 x 1.04 / 1.24
    assert estimate.filaments[0].material_type == "ABS"
    assert estimate.warnings == ("Sliced for PLA; the mass was converted to ABS.",)


def test_a_slice_for_another_printer_is_not_used():
    settings = replace(SETTINGS, printer_model_ids=("BL-P001", "N2S"))
    with pytest.raises(CannotEstimate) as refusal:
        SlicedEstimator().estimate(sliced_cube(model_id="C12"), settings)
    assert refusal.value.message == "The file was sliced for another printer."
    assert SlicedEstimator().estimate(sliced_cube(model_id="N2S"), settings).method == "sliced"


def test_a_slice_without_a_mesh_counts_with_low_confidence():
    estimate = SlicedEstimator().estimate(sliced_without_mesh(), replace(SETTINGS, quantity=3))
    assert (estimate.grams, estimate.minutes, estimate.plate_runs) == (Decimal("4.12"), Decimal("17.0"), 3)
    assert estimate.interval_percent == 30
    assert estimate.methods_differ_percent is None


def extruding(analysis: ModelAnalysis, volume: str) -> ModelAnalysis:
    """The same file with G-code that extrudes so many mm3."""
    assert analysis.sliced is not None
    plates = tuple(replace(plate, extruded_mm3=Decimal(volume)) for plate in analysis.sliced.plates)
    return replace(analysis, sliced=replace(analysis.sliced, plates=plates))


def test_a_mass_that_the_gcode_itself_extrudes_is_believed_against_the_mesh():
    # 2.90 g is 31 % below the mesh; 2400 mm3 of PLA are 2.98 g.
    analysis = extruding(sliced_cube(weight="2.90", prediction=1000), "2400")
    estimate = SlicedEstimator().estimate(analysis, SETTINGS)
    assert (estimate.grams, estimate.interval_percent) == (Decimal("2.90"), 8)
    assert estimate.methods_differ_percent is None
    unproven = SlicedEstimator().estimate(sliced_cube(weight="2.90", prediction=1000), SETTINGS)
    assert (unproven.grams, unproven.interval_percent) == (mesh().grams, 30)


def test_gcode_of_something_else_does_not_prove_a_mass():
    # 0.5 g of G-code beside a mesh of more than 4 g.
    analysis = extruding(sliced_cube(weight="0.50", prediction=1000), "403")
    estimate = SlicedEstimator().estimate(analysis, SETTINGS)
    assert (estimate.grams, estimate.interval_percent) == (mesh().grams, 30)


@pytest.mark.parametrize(
    ("volume", "grams", "interval", "warnings"),
    [
        ("3300", "4.12", 8, ()),  # 4.09 g
        ("5000", "6.20", 30, ("The slice claims 4.12 g, its G-code extrudes 6.20 g; the dearer counts.",)),
        ("1000", "4.12", 30, ("The slice claims 4.12 g, its G-code extrudes 1.24 g; the dearer counts.",)),
    ],
)
def test_a_slice_without_a_mesh_is_checked_by_what_it_extrudes(
    volume: str, grams: str, interval: int, warnings: tuple[str, ...]
):
    estimate = SlicedEstimator().estimate(extruding(sliced_without_mesh(), volume), SETTINGS)
    assert (estimate.grams, estimate.interval_percent) == (Decimal(grams), interval)
    assert estimate.warnings == warnings


def test_a_slice_is_not_faster_than_its_filament_melts():
    # 30 cm3 at 18 mm3/s take 1667 s, not 17 minutes.
    estimate = SlicedEstimator().estimate(extruding(sliced_without_mesh(), "30000"), SETTINGS)
    assert estimate.minutes == Decimal("27.8")
    assert "The slice is faster than its filament melts; the time it takes to melt counts." in estimate.warnings


def test_a_slice_for_another_nozzle_is_not_used():
    analysis = sliced_cube()
    assert analysis.sliced is not None
    plates = tuple(replace(plate, nozzle_mm="0.6") for plate in analysis.sliced.plates)
    with pytest.raises(CannotEstimate) as refusal:
        SlicedEstimator().estimate(replace(analysis, sliced=replace(analysis.sliced, plates=plates)), SETTINGS)
    assert refusal.value.message == "The file was sliced for a nozzle of 0.6 mm."


def test_it_refuses_files_that_were_not_sliced_or_say_nothing():
    for analysis in (block(20, 20, 20), sliced_cube(weight="0"), sliced_cube(prediction=0)):
        with pytest.raises(CannotEstimate):
            SlicedEstimator().estimate(analysis, SETTINGS)
