from __future__ import annotations

import struct
from decimal import Decimal

import numpy as np
import pytest

from quotes.modelfiles import UnusableFile, read_model
from quotes.modelfiles.make import box


def corners(size: float = 20.0) -> np.ndarray:
    vertices, faces = box(size, size, size)
    return vertices[faces]


def binary(triangles: np.ndarray) -> bytes:
    body = b"".join(struct.pack("<12fH", 0, 0, 0, *triangle.ravel(), 0) for triangle in triangles)
    return b"solid by its first word only".ljust(80) + struct.pack("<I", len(triangles)) + body


def ascii_text(triangles: np.ndarray) -> bytes:
    facets = "".join(
        "facet normal 0 0 0\nouter loop\n"
        + "".join(f"vertex {x:e} {y} {z}\n" for x, y, z in triangle)
        + "endloop\nendfacet\n"
        for triangle in triangles
    )
    return f"solid cube\n{facets}endsolid cube\n".encode()


@pytest.mark.parametrize("write", [binary, ascii_text])
def test_both_kinds_are_measured_and_the_unit_is_said(write):
    analysis = read_model(write(corners()), file_name="Cube.STL", thumbnail=False)
    (part,) = analysis.parts
    assert (analysis.format, part.name, part.triangles, part.watertight) == ("stl", "Part 1", 12, True)
    assert (part.volume_mm3, part.area_mm2) == (Decimal(8000), Decimal(2400))
    assert analysis.warnings == ("STL files carry no unit: millimetres were assumed.",)
    assert analysis.needs_person == ""


@pytest.mark.parametrize("size", [0.5, 2500.0])
def test_a_size_that_hints_at_another_unit_asks_for_a_person(size: float):
    analysis = read_model(binary(corners(size)), file_name="cube.stl", thumbnail=False)
    assert "another unit" in analysis.needs_person


def test_a_part_that_is_usual_in_inches_is_not_priced_before_somebody_chose_the_unit():
    data = binary(corners(2.0))
    unsaid = read_model(data, file_name="cube.stl", thumbnail=False)
    assert unsaid.needs_person == (
        "The part would be 2 mm long: the file is probably in another unit than millimeters."
        " In inches it would be 50.8 mm; please choose the unit."
    )
    inches = read_model(data, file_name="cube.stl", thumbnail=False, unit="inch")
    assert (inches.unit, inches.needs_person, inches.warnings) == ("inch", "", ())
    assert inches.total_volume_mm3 == Decimal("131096.512")
    millimetres = read_model(data, file_name="cube.stl", thumbnail=False, unit="mm")
    assert (millimetres.total_volume_mm3, millimetres.needs_person) == (Decimal(8), "")


def test_a_part_drawn_in_metres_is_refused_with_the_unit_as_the_likely_cause():
    with pytest.raises(UnusableFile) as refusal:
        read_model(binary(corners(0.02)), file_name="cube.stl")
    expected = "Part 1 is too small to print; is the file in another unit than millimeters?"
    assert refusal.value.details == {"reason": expected, "kind": "FILE_EMPTY"}


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (binary(corners())[:-1], "FILE_FORMAT"),
        (binary(corners()[:0]), "FILE_EMPTY"),
        (ascii_text(corners())[:-60], "FILE_DAMAGED"),
        (ascii_text(corners()).replace(b"vertex", b"vortex", 1), "FILE_DAMAGED"),
        (ascii_text(corners()).replace(b"2.000000e+01", b"twenty", 1), "FILE_DAMAGED"),
        (ascii_text(corners()).replace(b"2.000000e+01", b"nan", 1), "FILE_DAMAGED"),
        (binary(np.full((4, 3, 3), np.inf)), "FILE_DAMAGED"),
        (binary(np.zeros((4, 3, 3))), "FILE_EMPTY"),
    ],
)
def test_it_refuses_what_is_broken(data: bytes, kind: str):
    with pytest.raises(UnusableFile) as refusal:
        read_model(data, file_name="cube.stl")
    assert refusal.value.details["kind"] == kind
