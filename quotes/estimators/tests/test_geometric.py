from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from blb3d.core.errors import InvalidValue
from quotes.estimators import CannotEstimate, GeometricEstimator
from quotes.estimators.tests.parts import block, sliced_without_mesh
from quotes.ports import EstimateSettings

STANDARD = EstimateSettings(infill_percent=15)


def test_the_volumes_of_a_cube_are_those_counted_by_hand():
    volumes = GeometricEstimator().piece_volumes(block(20, 20, 20).parts[0], STANDARD)
    # Two walls of 0.45: within them 18.2 x 18.2. Solid on top 1.0 mm, below 0.6 mm, 15 % of the rest.
    within = 18.2 * 18.2
    assert volumes.walls == pytest.approx(8000 - within * 20)
    assert volumes.flat == pytest.approx(within * 1.6)
    assert volumes.infill == pytest.approx(within * 18.4 * 0.15)
    assert volumes.support == 0


def test_full_infill_is_the_whole_volume_and_none_is_the_shell():
    (part,) = block(20, 20, 20).parts
    full = GeometricEstimator().piece_volumes(part, replace(STANDARD, infill_percent=100))
    assert full.total == pytest.approx(8000)
    hollow = GeometricEstimator().piece_volumes(part, replace(STANDARD, infill_percent=0))
    assert hollow.total == pytest.approx(8000 - 18.2 * 18.2 * 18.4)


@pytest.mark.parametrize("size", [(60, 0.8, 20), (60, 60, 0.8), (1.2, 1.2, 30)])
def test_a_thin_part_is_solid_whatever_the_infill(size: tuple[float, float, float]):
    (part,) = block(*size).parts
    volumes = GeometricEstimator().piece_volumes(part, STANDARD)
    assert volumes.total == pytest.approx(float(part.volume_mm3), rel=0.03)


@pytest.mark.parametrize(
    ("material", "grams"),
    # (walls 1375.2 + flat 529.984 + infill 914.2224 + primed 500) mm3 x density
    [("PLA", "4.12"), ("PETG", "4.22"), ("ABS", "3.45"), ("ASA", "3.55"), ("TPU", "4.02")],
)
def test_the_mass_of_a_cube_by_material(material: str, grams: str):
    estimate = GeometricEstimator().estimate(block(20, 20, 20), replace(STANDARD, material_type=material))
    assert estimate.grams == Decimal(grams)
    (use,) = estimate.filaments
    assert use.material_type == material
    assert estimate.interval_percent == 20
    assert estimate.warnings == ()


def test_the_chosen_materials_own_density_goes_first():
    settings = replace(STANDARD, material_type="PA-CF", density_g_cm3=Decimal("1.06"))
    estimate = GeometricEstimator().estimate(block(20, 20, 20), settings)
    assert estimate.grams == Decimal("3.52")  # 3319.4064 mm3 x 1.06
    assert estimate.warnings == ()
    guessed = GeometricEstimator().estimate(block(20, 20, 20), replace(STANDARD, material_type="PA-CF"))
    assert guessed.interval_percent == 30
    assert guessed.warnings == ("The density of PA-CF is a guess.",)


def test_the_time_of_a_cube_lies_where_slicers_put_it():
    # Slicers for the farm's machines predict 15 to 20 minutes for this cube, preparation included.
    assert Decimal(14) <= GeometricEstimator().estimate(block(20, 20, 20), STANDARD).minutes <= Decimal(21)


def test_finer_layers_take_longer_and_the_mass_stays():
    block_of = block(60, 40, 30)
    by_quality = {
        quality: GeometricEstimator().estimate(block_of, replace(STANDARD, quality=quality))
        for quality in ("draft", "standard", "fine")
    }
    assert by_quality["draft"].minutes < by_quality["standard"].minutes < by_quality["fine"].minutes
    assert by_quality["fine"].minutes > by_quality["draft"].minutes * Decimal("1.6")
    masses = [estimate.grams for estimate in by_quality.values()]
    assert max(masses) / min(masses) < Decimal("1.05")


def test_a_slow_material_takes_longer():
    flexible = GeometricEstimator().estimate(block(60, 40, 30), replace(STANDARD, material_type="TPU"))
    assert flexible.minutes > GeometricEstimator().estimate(block(60, 40, 30), STANDARD).minutes * Decimal("1.5")


def test_a_quantity_is_priced_as_plates():
    # 20 mm with 5 mm between: 10 rows of 10 on 256 mm.
    estimate = GeometricEstimator().estimate(block(20, 20, 20), replace(STANDARD, quantity=250))
    assert (estimate.fits_per_plate, estimate.parts_per_plate, estimate.plate_runs) == (100, 84, 3)
    (plate,) = estimate.plates
    assert (plate.parts, plate.sets_per_plate, plate.runs) == ((("Block", 84),), 84, 3)
    # Two more than ordered are printed, and paid for.
    assert estimate.minutes * 250 == pytest.approx(plate.minutes * 3, rel=Decimal("0.02"))
    alone = GeometricEstimator().estimate(block(20, 20, 20), STANDARD)
    assert estimate.minutes < alone.minutes / 2
    assert estimate.grams < alone.grams


def test_a_set_larger_than_a_plate_becomes_several_plates():
    estimate = GeometricEstimator().estimate(block(120, 120, 10, count=7), replace(STANDARD, quantity=2))
    # Four of 120 mm on a plate: 4 + 3 for each of two sets.
    assert [(plate.parts, plate.runs) for plate in estimate.plates] == [((("Block", 4),), 2), ((("Block", 3),), 2)]
    assert (estimate.parts_per_plate, estimate.fits_per_plate, estimate.plate_runs) == (1, 1, 4)
    total = sum((plate.grams * plate.runs for plate in estimate.plates), Decimal(0))
    assert estimate.grams == (total / 2).quantize(Decimal("0.01"))


def test_equal_plates_are_one_plate_that_runs_more_often():
    estimate = GeometricEstimator().estimate(block(120, 120, 10, count=8), STANDARD)
    assert [(plate.number, plate.parts, plate.runs) for plate in estimate.plates] == [(1, (("Block", 4),), 2)]


def test_a_part_larger_than_the_printers_asks_for_a_person():
    assert GeometricEstimator().estimate(block(200, 20, 256), STANDARD).needs_person == ""
    for size in ((257, 20, 20), (20, 257, 20), (20, 20, 257)):
        estimate = GeometricEstimator().estimate(block(*size), STANDARD)
        assert estimate.needs_person == "Block is larger than the printers' build volume."


def test_supports_take_material_and_widen_the_interval():
    analysis = block(20, 20, 20)
    hanging = replace(analysis.parts[0], overhang_mm2=Decimal(900), support_column_mm3=Decimal(16000))
    table = replace(analysis, parts=(hanging,))
    supported = GeometricEstimator().estimate(table, STANDARD)
    plain = GeometricEstimator().estimate(table, replace(STANDARD, supports=False))
    # 16000 mm3 x 15 % x 1.24 g/cm3
    assert supported.grams - plain.grams == pytest.approx(Decimal("2.98"), abs=Decimal("0.01"))
    assert supported.minutes > plain.minutes
    assert (supported.interval_percent, plain.interval_percent) == (25, 20)
    assert supported.warnings == ("Supports are needed.",)


def test_doubtful_meshes_get_an_interval_that_asks_for_approval():
    analysis = block(20, 20, 20)
    for doubt in ({"watertight": False}, {"overlapping": True}):
        doubtful = replace(analysis, parts=(replace(analysis.parts[0], **doubt),))
        assert GeometricEstimator().estimate(doubtful, STANDARD).interval_percent == 30


def test_it_refuses_a_file_without_a_mesh():
    with pytest.raises(CannotEstimate) as refusal:
        GeometricEstimator().estimate(sliced_without_mesh(), STANDARD)
    assert refusal.value.message == "The file holds no mesh."


@pytest.mark.parametrize("wrong", [{"quantity": 0}, {"infill_percent": 101}, {"quality": "best"}])
def test_it_refuses_settings_that_mean_nothing(wrong: dict[str, object]):
    with pytest.raises(InvalidValue):
        replace(STANDARD, **wrong)


def test_a_billion_pieces_are_estimated_at_once():
    estimate = GeometricEstimator().estimate(block(20, 20, 20), replace(STANDARD, quantity=10**9))
    assert estimate.plate_runs == 10**7
