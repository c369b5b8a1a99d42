"""STEP files, meshed by Open CASCADE."""

from __future__ import annotations

import math
import re
from decimal import Decimal

import pytest

from quotes.modelfiles import ModelAnalysis, UnusableFile, read_model
from quotes.modelfiles.isolated import ProcessLimits, ReaderPool
from quotes.modelfiles.limits import ReadLimits
from quotes.modelfiles.tests.packages import (
    CENTIMETRE,
    METRE,
    MILLIMETRE,
    step_assembly,
    step_box,
    step_cylinder,
)


def read(data: bytes) -> ModelAnalysis:
    return read_model(data, file_name="part.step", thumbnail=False)


def kind_of(data: bytes, *, limits: ReadLimits | None = None) -> str:
    with pytest.raises(UnusableFile) as refusal:
        read_model(data, file_name="part.stp", limits=limits or ReadLimits())
    return refusal.value.details["kind"]


@pytest.mark.parametrize(("unit", "factor"), [(MILLIMETRE, 1), (CENTIMETRE, 10), (METRE, 1000)])
def test_a_box_is_measured_in_millimetres_whatever_the_file_counts_in(unit: str, factor: int):
    analysis = read(step_box(20 / factor, 30 / factor, 10 / factor, unit=unit, name="Block"))
    (part,) = analysis.parts
    assert (analysis.format, part.name, part.count, part.watertight, part.triangles) == ("step", "Block", 1, True, 12)
    assert part.bbox_mm == (Decimal(20), Decimal(30), Decimal(10))
    assert float(part.volume_mm3) == pytest.approx(6000, rel=1e-5)
    assert (analysis.warnings, analysis.needs_person) == ((), "")


def test_a_round_part_is_closed_and_close_to_its_true_volume():
    (part,) = read(step_cylinder(10, 30)).parts
    assert (part.name, part.watertight, part.bodies) == ("Rod", True, 1)
    assert float(part.volume_mm3) == pytest.approx(math.pi * 100 * 30, rel=0.01)


def test_the_parts_of_an_assembly_are_counted():
    analysis = read(step_assembly([(0, 0, 0), (50, 0, 0), (100, 0, 0)]))
    parts = {part.bbox_mm: (part.name, part.count, part.volume_mm3) for part in analysis.parts}
    assert parts == {
        (Decimal(20), Decimal(10), Decimal(30)): ("Box", 2, Decimal(6000)),
        (Decimal(30), Decimal(10), Decimal(20)): ("Box", 1, Decimal(6000)),
    }


def test_a_step_file_brings_a_mesh_for_the_viewer_and_a_picture():
    analysis = read_model(step_box(20, 30, 10), file_name="part.step")
    assert analysis.viewer_mesh.startswith(b"glTF")
    assert analysis.thumbnail_png.startswith(b"\x89PNG")


def test_what_cannot_be_meshed_goes_to_an_engineer():
    assert kind_of(step_box(20, 30, 10).replace(b"CLOSED_SHELL", b"CLOSED_SHALL")) == "FILE_NEEDS_PERSON"
    assert kind_of(step_box(20, 30, 10)[:-300]) == "FILE_NEEDS_PERSON"


LOST = "Not all faces and solids of the STEP file could be read."


def test_a_solid_that_got_lost_asks_for_a_person():
    sound = step_box(20, 30, 10)
    lost = sound.replace(b"ENDSEC;\nEND-ISO", b"#999=MANIFOLD_SOLID_BREP('',#998);\nENDSEC;\nEND-ISO")
    assert read(sound).needs_person == ""
    assert read(lost).needs_person == LOST


def test_a_face_that_got_lost_asks_for_a_person():
    faces = re.search(rb"CLOSED_SHELL\('',\((#\d+),", step_box(20, 30, 10))
    assert faces is not None
    open_box = step_box(20, 30, 10).replace(faces[0], b"CLOSED_SHELL('',(")
    assert read(open_box).needs_person == LOST


def test_a_file_that_crashes_the_mesher_fails_alone():
    crashing = re.sub(rb"VECTOR\('',#\d+", b"VECTOR('',#1", step_box(20, 30, 10), count=1)
    with ReaderPool(ProcessLimits(seconds=60, megabytes=1024, processes=1)) as pool:
        with pytest.raises(UnusableFile) as refusal:
            pool.read(crashing, file_name="part.step")
        assert refusal.value.details["kind"] == "FILE_TOO_HARD"
        assert pool.read(step_box(20, 30, 10), file_name="part.step").piece_count == 1


def test_a_file_that_would_take_too_long_is_not_meshed():
    data = step_box(20, 30, 10)
    assert kind_of(data, limits=ReadLimits(max_step_bytes=1000)) == "FILE_TOO_LARGE"
    assert kind_of(data, limits=ReadLimits(max_step_entities=50)) == "FILE_NEEDS_PERSON"
