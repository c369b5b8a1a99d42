"""The real program, where it is installed: CI installs it, a developer's machine may lack it."""

from __future__ import annotations

import os
import shutil
import sys
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from integrations.errors import PartnerNotSetUp
from integrations.slicers.errors import CannotSlice, PersonMustUpload, SlicerTooSlow
from integrations.slicers.package import read_sliced_package
from integrations.slicers.prusaslicer.cache import SliceCache
from integrations.slicers.prusaslicer.estimator import PrusaSlicerEstimator
from integrations.slicers.prusaslicer.profile import PrintSettings, profile_ini
from integrations.slicers.prusaslicer.reference import Reference
from integrations.slicers.prusaslicer.runner import Mesh, PrusaSlicerCommand
from integrations.slicers.prusaslicer.slicer import GENERIC_MARK, PrusaSlicer
from production.ports import SliceFilament, SliceRequest
from quotes.estimators import CannotEstimate, GeometricEstimator, estimate
from quotes.modelfiles import read_model
from quotes.modelfiles.make import BRACKET, box
from quotes.ports import EstimateSettings, ModelSource

needs_slicer = pytest.mark.skipif(
    shutil.which("prusa-slicer") is None, reason="prusa-slicer is not installed (apt-get install prusa-slicer)"
)
CUBE = Mesh(*box(20.0, 20.0, 20.0))
REQUEST = SliceRequest(
    source=BRACKET.read_bytes(),
    file_name="bracket.3mf",
    printer_model="P1S",
    filaments=(SliceFilament(0, "PETG", "000000", Decimal(20)),),
    name="Bracket",
    copies=2,
)


def bracket() -> ModelSource:
    return ModelSource(lambda: ("bracket.3mf", BRACKET.read_bytes()))


def acting(folder: Path, script: str) -> PrusaSlicerCommand:
    """A program of ours in the slicer's place."""
    code = folder / "slicer.py"
    code.write_text(script, "utf-8")
    if os.name == "nt":
        program = folder / "slicer.cmd"
        program.write_text(f'@"{sys.executable}" "{code}" %*\n', "utf-8")
    else:
        program = folder / "slicer"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{code}" "$@"\n', "utf-8")
        program.chmod(0o755)
    return PrusaSlicerCommand(str(program), seconds=20)


@needs_slicer
def test_a_cube_weighs_what_a_slicer_says():
    made = PrusaSlicerCommand().slice([CUBE], PrintSettings(infill_percent=15, supports=False))
    # 20 mm, two walls, 15 %: about 3 cm3 of the 8; ten seconds or less for each of 100 layers.
    assert 2800 < made.extruded_mm3 < 3200
    assert made.grams == pytest.approx(made.extruded_mm3 * 1.24 / 1000, abs=0.01)
    assert 600 <= made.seconds <= 1000
    assert made.gcode == b""


@needs_slicer
def test_a_model_that_is_a_sheet_is_refused_with_the_slicers_words():
    flat = box(20.0, 20.0, 0.01)
    with pytest.raises(CannotSlice) as refusal:
        PrusaSlicerCommand().slice([Mesh(*flat)], PrintSettings())
    assert refusal.value.details["said"]


def test_where_the_program_is_missing_it_says_where_it_looked():
    with pytest.raises(PartnerNotSetUp, match="not installed"):
        PrusaSlicerCommand("no-such-slicer").slice([CUBE], PrintSettings())


def test_a_program_that_hangs_is_ended(tmp_path: Path):
    slow = acting(tmp_path, "import time\ntime.sleep(60)\n")
    hasty = PrusaSlicerCommand(slow.program, seconds=0.5)
    with pytest.raises(SlicerTooSlow):
        hasty.slice([CUBE], PrintSettings())


def test_gcode_that_does_not_say_what_it_takes_is_refused(tmp_path: Path):
    mute = acting(tmp_path, "import sys\nopen('plate.gcode', 'w').write('G28\\n')\n")
    with pytest.raises(CannotSlice, match="does not say"):
        mute.slice([CUBE], PrintSettings())


def test_the_same_slice_is_made_once(tmp_path: Path):
    numbers = "; filament used [mm] = 1000.0\\n; filament used [g] = 2.98\\n"
    time = "; estimated printing time (normal mode) = 1d 2h 3m 4s\\n"
    script = f"open('plate.gcode', 'w').write('{numbers}{time}')\nopen(r'{tmp_path / 'runs'}', 'a').write('x')\n"
    cache = SliceCache(acting(tmp_path, script), tmp_path / "kept")
    first, again = (cache.slice([CUBE], PrintSettings()) for _ in range(2))
    other = cache.slice([CUBE], PrintSettings(infill_percent=50))
    assert first == again == other
    assert (first.seconds, first.grams) == (93_784.0, 2.98)
    assert first.extruded_mm3 == pytest.approx(2405.28, abs=0.01)
    assert (tmp_path / "runs").read_text() == "xx"


def test_a_torn_note_is_sliced_again(tmp_path: Path):
    script = (
        "open('plate.gcode', 'w').write('; filament used [mm] = 1.0\\n; filament used [g] = 1\\n"
        "; estimated printing time (normal mode) = 1s\\n')\n"
    )
    cache = SliceCache(acting(tmp_path, script), tmp_path / "kept")
    cache.slice([CUBE], PrintSettings())
    (note,) = (tmp_path / "kept").iterdir()
    note.write_text('{"extruded')
    assert cache.slice([CUBE], PrintSettings()).seconds == 1.0


def test_the_profile_and_the_estimate_mean_the_same_machine():
    rows = dict(
        row.split(" = ", 1) for row in profile_ini(PrintSettings("PETG", 0.28, 15)).splitlines() if " = " in row
    )
    assert (rows["layer_height"], rows["fill_density"], rows["perimeters"]) == ("0.28", "15%", "2")
    assert (rows["top_solid_layers"], rows["bottom_solid_layers"]) == ("4", "3")
    assert (rows["filament_density"], rows["filament_max_volumetric_speed"]) == ("1.27", "12.0")
    assert (rows["external_perimeter_speed"], rows["infill_acceleration"]) == ("200.0", "10000.0")
    assert "bed_temperature" not in rows


@needs_slicer
def test_an_estimate_by_slicing_says_how_far_the_built_in_one_is_off(tmp_path: Path):
    analysis = read_model(BRACKET.read_bytes(), file_name="bracket.3mf", thumbnail=False)
    settings = EstimateSettings(quantity=3)
    slicing = PrusaSlicerEstimator(SliceCache(PrusaSlicerCommand(), tmp_path))
    sliced, built_in = (
        slicing.estimate(analysis, settings, bracket()),
        GeometricEstimator().estimate(analysis, settings),
    )
    assert sliced.method == "prusaslicer"
    assert (sliced.parts_per_plate, sliced.plate_runs) == (built_in.parts_per_plate, built_in.plate_runs)
    assert sliced.interval_percent == 6
    assert sliced.methods_differ_percent is not None
    assert sliced.methods_differ_percent < 15
    assert sliced.grams == pytest.approx(built_in.grams, rel=Decimal("0.15"))


def test_without_the_model_or_the_program_the_next_estimator_is_asked(settings):
    analysis = read_model(BRACKET.read_bytes(), file_name="bracket.3mf", thumbnail=False)
    settings.PRUSASLICER_PATH = "no-such-slicer"
    chain = (
        "integrations.slicers.prusaslicer.estimator.PrusaSlicerEstimator",
        "quotes.estimators.geometric.GeometricEstimator",
    )
    answer = estimate(analysis, EstimateSettings(), estimators=chain, source=bracket())
    assert answer.method == "geometric"
    assert answer.fallback_reason == "PrusaSlicer gave no answer: PrusaSlicer is not installed."
    answer = estimate(analysis, EstimateSettings(), estimators=chain)
    assert answer.fallback_reason == "The model itself is not at hand to slice."


def test_a_part_that_is_not_in_the_file_is_not_sliced():
    analysis = read_model(BRACKET.read_bytes(), file_name="bracket.3mf", thumbnail=False)
    other = replace(analysis.parts[0], bbox_mm=(Decimal(1), Decimal(1), Decimal(1)))
    with pytest.raises(CannotEstimate, match="was not found in the file again"):
        PrusaSlicerEstimator().estimate(replace(analysis, parts=(other,)), EstimateSettings(), bracket())


@needs_slicer
def test_a_print_file_is_for_a_generic_machine_and_says_so():
    made = PrusaSlicer().slice(REQUEST)
    package = read_sliced_package(made.content, printer_model="P1S")
    (plate,) = package.plates
    assert plate.printer_model_id == ""
    assert "generic machine" in package.sliced_by
    assert GENERIC_MARK.encode() in made.content or made.warnings[0].startswith("The G-code is for a generic machine")
    assert made.filaments[0].material_type == "PETG"
    # Two brackets of about 16 g.
    assert Decimal(25) < made.grams < Decimal(45)
    # 60 mm in layers of 0.2 mm, and those that supports have of their own.
    assert 300 <= made.layers < 330


def test_what_one_filament_cannot_print_waits_for_a_person():
    two = (*REQUEST.filaments, SliceFilament(1, "PLA", "FFFFFF", Decimal(5)))
    with pytest.raises(PersonMustUpload):
        PrusaSlicer().slice(replace(REQUEST, filaments=two))
    with pytest.raises(PersonMustUpload):
        PrusaSlicer().slice(replace(REQUEST, is_whole_file=False))


def test_pieces_that_do_not_fit_one_bed_are_refused():
    with pytest.raises(CannotSlice, match="do not fit one bed"):
        PrusaSlicer().slice(replace(REQUEST, copies=60))


@needs_slicer
def test_a_folder_of_models_is_judged_as_it_is(tmp_path: Path):
    (tmp_path / "bracket.3mf").write_bytes(BRACKET.read_bytes())
    (tmp_path / "notes.txt").write_text("no model")
    (tmp_path / "broken.3mf").write_bytes(b"PK\x03\x04 broken")
    seen = list(Reference(SliceCache(PrusaSlicerCommand(), tmp_path / "kept")).of_folder(tmp_path))
    assert [(one.name, one.wishes.supports) for one in seen] == [("bracket.3mf 1", True), ("bracket.3mf 1", False)]
