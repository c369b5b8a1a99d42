from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from quotes.estimators import CannotEstimate, GeometricEstimator, SlicedEstimator
from quotes.estimators.tests.parts import block, sliced_cube, sliced_without_mesh
from quotes.ports import EstimateSettings

# The mesh says 4.12 g and 17.0 minutes (see test_geometric).
SETTINGS = EstimateSettings(infill_percent=15)


def test_a_slice_that_agrees_with_the_mesh_is_believed():
    estimate = SlicedEstimator().estimate(sliced_cube(weight="3.90", prediction=1200), SETTINGS)
    assert (estimate.method, estimate.grams, estimate.minutes) == ("sliced", Decimal("3.90"), Decimal("20.0"))
    assert estimate.interval_percent == 8
    assert estimate.methods_differ_percent == Decimal("5.3")  # (4.12 - 3.90) / 4.12
    assert estimate.warnings == ()


@pytest.mark.parametrize(
    ("weight", "seconds", "grams", "minutes"),
    [
        ("0.40", 60, "4.12", "17.0"),  # a forged slice is not a discount
        ("9.00", 3600, "9.00", "60.0"),
        ("0.40", 3600, "4.12", "60.0"),
        ("4.00", 60, "4.12", "17.0"),  # mass agrees, time does not
    ],
)
def test_where_slice_and_mesh_differ_the_dearer_counts(weight: str, seconds: int, grams: str, minutes: str):
    estimate = SlicedEstimator().estimate(sliced_cube(weight=weight, prediction=seconds), SETTINGS)
    assert (estimate.grams, estimate.minutes) == (Decimal(grams), Decimal(minutes))
    assert estimate.interval_percent == 30
    assert estimate.warnings[-1].startswith("Slice and mesh differ")


def test_the_border_is_fifteen_percent():
    mesh = GeometricEstimator().estimate(sliced_cube(), SETTINGS).grams
    for share, interval in ((Decimal("0.86"), 8), (Decimal("0.84"), 30)):
        weight = (mesh * share).quantize(Decimal("0.001"))
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


def test_it_refuses_files_that_were_not_sliced_or_say_nothing():
    for analysis in (block(20, 20, 20), sliced_cube(weight="0"), sliced_cube(prediction=0)):
        with pytest.raises(CannotEstimate):
            SlicedEstimator().estimate(analysis, SETTINGS)
