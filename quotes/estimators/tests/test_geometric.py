from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from blb3d.core.errors import InvalidValue
from quotes.estimators import CannotEstimate, GeometricEstimator
from quotes.estimators.calibration import Calibration, Coefficients
from quotes.estimators.profiles import Profiles
from quotes.estimators.tests.parts import block, legged_table, sliced_without_mesh
from quotes.modelfiles.analysis import FilamentSlot, ModelAnalysis
from quotes.ports import EstimateSettings

STANDARD = EstimateSettings(infill_percent=15)
#: What the formulas say by themselves: nothing fitted, lines as wide as they are.
BY_HAND = Coefficients(walls=1.0, infill_joints=0.0, slope_solid=1.0, slope_walls=1.0, support_border=0.0)
INTERVALS = {"plain": 9.0, "thin": 7.0, "supported": 11.0, "uncut": 25.0}


def estimator() -> GeometricEstimator:
    return GeometricEstimator(Profiles(calibration=Calibration(BY_HAND, INTERVALS)))


def test_the_volumes_of_a_cube_are_those_counted_by_hand():
    work = estimator().piece_work(block(20, 20, 20).parts[0], STANDARD)
    # Two walls reach 0.86 mm deep: within them 18.28 x 18.28. Lines of 0.45 lie 0.407 apart, walls fill 0.407 / 0.43.
    within = 18.28 * 18.28
    assert work.walls == pytest.approx((400 - within) * 20 * 0.40708 / 0.43, rel=1e-4)
    # Solid on top 1.0 mm, below 0.6 mm, 15 % of the rest.
    assert work.solid == pytest.approx(within * 1.6, rel=1e-4)
    assert work.infill == pytest.approx(within * 18.4 * 0.15, rel=1e-4)
    assert work.support == 0


def test_full_infill_is_the_whole_volume_and_none_is_the_shell():
    (part,) = block(20, 20, 20).parts
    within = 18.28 * 18.28
    full = estimator().piece_work(part, replace(STANDARD, infill_percent=100))
    assert full.total == pytest.approx(8000, rel=0.02)
    hollow = estimator().piece_work(part, replace(STANDARD, infill_percent=0))
    assert full.total - hollow.total == pytest.approx(within * 18.4, rel=1e-3)


@pytest.mark.parametrize("size", [(60, 0.86, 20), (60, 60, 0.8), (1.2, 1.2, 30)])
def test_a_thin_part_is_solid_whatever_the_infill(size: tuple[float, float, float]):
    (part,) = block(*size).parts
    work = estimator().piece_work(part, STANDARD)
    assert work.total == pytest.approx(float(part.volume_mm3), rel=0.06)
    assert work.infill == 0


@pytest.mark.parametrize(
    ("height", "layers"), [(Decimal("2.32"), 12), (Decimal("2.28"), 11), (Decimal("2.4"), 12), (Decimal("0.2"), 1)]
)
def test_a_layer_is_printed_where_the_part_reaches_its_middle(height: Decimal, layers: int):
    (part,) = block(30, 30, float(height)).parts
    walls = estimator().piece_work(part, STANDARD).walls
    (whole,) = block(30, 30, layers * 0.2).parts
    assert walls == pytest.approx(estimator().piece_work(whole, STANDARD).walls, rel=1e-3)


@pytest.mark.parametrize(
    ("material", "density"), [("PLA", 1.24), ("PETG", 1.27), ("ABS", 1.04), ("ASA", 1.07), ("TPU", 1.21)]
)
def test_the_mass_of_a_cube_by_material(material: str, density: float):
    (part,) = block(20, 20, 20).parts
    estimate = estimator().estimate(block(20, 20, 20), replace(STANDARD, material_type=material))
    extruded = estimator().piece_work(part, STANDARD).total + 500  # and what is primed
    assert float(estimate.grams) == pytest.approx(extruded / 1000 * density, abs=0.005)
    (use,) = estimate.filaments
    assert use.material_type == material
    assert estimate.interval_percent == Decimal("9.0")
    assert estimate.warnings == ()


def test_the_chosen_materials_own_density_goes_first():
    settings = replace(STANDARD, material_type="PA-CF", density_g_cm3=Decimal("1.06"))
    estimate = estimator().estimate(block(20, 20, 20), settings)
    in_pla = estimator().estimate(block(20, 20, 20), STANDARD)
    assert estimate.grams == pytest.approx(in_pla.grams * Decimal("1.06") / Decimal("1.24"), abs=Decimal("0.01"))
    assert estimate.warnings == ()
    guessed = estimator().estimate(block(20, 20, 20), replace(STANDARD, material_type="PA-CF"))
    assert guessed.interval_percent == Decimal("19.0")
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
    assert by_quality["fine"].minutes > by_quality["draft"].minutes * Decimal("1.3")
    masses = [estimate.grams for estimate in by_quality.values()]
    assert max(masses) / min(masses) < Decimal("1.08")


def test_a_slow_material_takes_longer():
    flexible = GeometricEstimator().estimate(block(60, 40, 30), replace(STANDARD, material_type="TPU"))
    assert flexible.minutes > GeometricEstimator().estimate(block(60, 40, 30), STANDARD).minutes * Decimal("1.5")


def test_a_short_layer_waits_until_it_is_cool():
    # 100 layers that would each take about a second last six of them, as PLA asks for.
    slim = estimator().estimate(block(14, 14, 20), STANDARD)
    assert Decimal(10) <= slim.minutes - 7 <= Decimal(12)
    # Several on a plate take their time together.
    (plate,) = estimator().estimate(block(14, 14, 20), replace(STANDARD, quantity=2)).plates
    assert plate.minutes < slim.minutes * Decimal("1.2")


def test_a_layer_is_never_printed_slower_than_the_machine_prints_well():
    # Some 60 mm of lines per layer at 20 mm/s: three seconds, not six.
    needle = estimator().estimate(block(5, 5, 20), STANDARD)
    assert Decimal(5) <= needle.minutes - 7 <= Decimal(7)


def test_a_quantity_is_priced_as_plates():
    # 20 mm with 5 mm between: 10 rows of 10 on 256 mm.
    estimate = GeometricEstimator().estimate(block(20, 20, 20), replace(STANDARD, quantity=250))
    assert (estimate.fits_per_plate, estimate.parts_per_plate, estimate.plate_runs) == (100, 84, 3)
    (plate,) = estimate.plates
    assert (plate.parts, plate.sets_per_plate, plate.runs) == ((("Block", 84),), 84, 3)
    # Two more than ordered are printed, and paid for.
    assert estimate.minutes * 250 == pytest.approx(plate.minutes * 3, rel=Decimal("0.02"))
    alone = GeometricEstimator().estimate(block(20, 20, 20), STANDARD)
    assert estimate.minutes < alone.minutes * Decimal("0.7")
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


def test_supports_take_material_and_time_and_widen_the_interval():
    # A top of 40 x 40 x 4 on a leg of 8 x 8, 20 mm over the plate: 1536 mm2 hang, with 30720 mm3 below them.
    table = legged_table()
    supported, plain = (estimator().estimate(table, replace(STANDARD, supports=wanted)) for wanted in (True, False))
    (part,) = table.parts
    assert float(part.overhang_mm2) == pytest.approx(1536, rel=0.01)
    assert float(part.support_column_mm3) == pytest.approx(30720, rel=0.02)
    # Lines of 0.42 mm every 2.5 mm, and two upper layers of lines 0.92 mm apart.
    lines = 30720 / 2.5 + 1536 * 2 * 0.2 / 0.92
    section = 0.2 * (0.42 - 0.2 * 0.2146)
    assert float(supported.grams - plain.grams) == pytest.approx(lines * section / 0.2 * 1.24 / 1000, rel=0.1)
    assert supported.minutes > plain.minutes
    assert (supported.interval_percent, plain.interval_percent) == (Decimal("11.0"), Decimal("9.0"))
    assert plain.warnings == ()


def test_a_part_that_needs_none_on_another_side_says_so():
    assert estimator().estimate(legged_table(), STANDARD).warnings == (
        "Supports are needed.",
        "Table would need no supports upside down.",
    )
    # A cube needs none as it lies.
    assert estimator().estimate(block(20, 20, 20), STANDARD).warnings == ()


def test_doubtful_meshes_get_an_interval_that_asks_for_approval():
    analysis = block(20, 20, 20)
    for doubt in ({"watertight": False}, {"overlapping": True}):
        doubtful = replace(analysis, parts=(replace(analysis.parts[0], **doubt),))
        assert GeometricEstimator().estimate(doubtful, STANDARD).interval_percent == 30


def test_a_part_that_was_read_without_cuts_is_estimated_with_a_wide_interval():
    analysis = block(20, 20, 20)
    uncut = replace(analysis, parts=(replace(analysis.parts[0], sections=(), slopes=()),))
    before, after = estimator().estimate(uncut, STANDARD), estimator().estimate(analysis, STANDARD)
    assert before.grams == pytest.approx(after.grams, rel=Decimal("0.01"))
    assert before.interval_percent == 25


def two_colours(**changes: object) -> ModelAnalysis:
    """A cube of 20 mm, three quarters white and one quarter black."""
    analysis = block(20, 20, 20)
    shares = ((0, Decimal("0.75")), (1, Decimal("0.25")))
    slots = (FilamentSlot(0, "PLA", "#FFFFFF"), FilamentSlot(1, "PETG", "#000000"))
    part = replace(analysis.parts[0], filament_shares=shares, **changes)
    return replace(analysis, parts=(part,), filaments=slots)


def test_a_painted_part_takes_each_of_its_filaments_and_flushes_at_each_change():
    (part,) = block(20, 20, 20).parts
    volume = estimator().piece_work(part, STANDARD).total
    estimate = estimator().estimate(two_colours(), STANDARD)
    (plate,) = estimate.plates
    # 100 layers of two filaments: one change each; 280 mm3 are flushed and 45 mm3 go into the tower.
    assert plate.changes == 100
    waste = 100 * (280 + 45) / 2
    white, black = estimate.filaments
    assert (white.material_type, white.color_hex) == ("PLA", "#FFFFFF")
    assert (black.material_type, black.color_hex) == ("PETG", "#000000")
    assert float(white.grams) == pytest.approx((0.75 * volume + waste + 250) / 1000 * 1.24, abs=0.01)
    assert float(black.grams) == pytest.approx((0.25 * volume + waste + 250) / 1000 * 1.27, abs=0.01)
    assert float(plate.flushed_grams) == pytest.approx(waste / 1000 * (1.24 + 1.27), abs=0.01)
    single = estimator().estimate(block(20, 20, 20), STANDARD)
    assert estimate.minutes - single.minutes == Decimal(150)  # 100 changes of 90 s


def test_a_purge_that_outweighs_the_part_is_said():
    (warning,) = estimator().estimate(two_colours(), STANDARD).warnings
    assert warning == "Changing colours 100 times wastes 41 g, more than the parts weigh."
    # Nine on a plate share the changes, and then it does not.
    nine = estimator().estimate(two_colours(), replace(STANDARD, quantity=36))
    assert nine.plates[0].changes == 100
    assert nine.warnings == ()


def test_parts_of_different_filaments_keep_them_on_plates_of_their_own():
    white, black = block(200, 200, 4).parts[0], block(200, 200, 6).parts[0]
    analysis = two_colours()
    parts = (
        replace(white, name="White", filament_shares=((0, Decimal(1)),)),
        replace(black, name="Black", filament_shares=((1, Decimal(1)),)),
    )
    estimate = estimator().estimate(replace(analysis, parts=parts), STANDARD)
    used = {plate.parts[0][0]: (plate.filaments[0].color_hex, plate.changes) for plate in estimate.plates}
    assert used == {"White": ("#FFFFFF", 0), "Black": ("#000000", 0)}


def test_parts_of_different_filaments_on_one_plate_change_as_high_as_the_lower_one():
    analysis = two_colours()
    low, high = block(20, 20, 4).parts[0], block(20, 20, 30).parts[0]
    parts = (
        replace(low, name="Low", filament_shares=((0, Decimal(1)),)),
        replace(high, name="High", filament_shares=((1, Decimal(1)),)),
    )
    (plate,) = estimator().estimate(replace(analysis, parts=parts), STANDARD).plates
    assert plate.changes == 20


def test_one_chosen_filament_replaces_those_of_the_file():
    estimate = estimator().estimate(two_colours(), replace(STANDARD, several_filaments=False, color_hex="#FF0000"))
    assert estimate.plates[0].changes == 0
    assert [(use.material_type, use.color_hex) for use in estimate.filaments] == [("PLA", "#FF0000")]
    assert estimate.grams == estimator().estimate(block(20, 20, 20), STANDARD).grams


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
