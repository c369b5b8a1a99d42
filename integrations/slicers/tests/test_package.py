from __future__ import annotations

import hashlib

import pytest

from integrations.slicers.errors import UnusablePackage
from integrations.slicers.package import read_sliced_package
from quotes.modelfiles.tests.packages import cube_package, model, package, slice_info, zipped

GCODE = b"; HEADER\nG1 X1 Y1 E1\n"
DIGEST = hashlib.md5(GCODE, usedforsecurity=False).hexdigest().upper()


def sliced(**changes: str | bytes | None) -> bytes:
    """A sliced package; a member set to None is left out."""
    members: dict[str, str | bytes | None] = {
        "Metadata/slice_info.config": slice_info(),
        "Metadata/plate_1.gcode": GCODE,
        "Metadata/plate_1.gcode.md5": DIGEST,
    }
    members |= {f"Metadata/{name}": content for name, content in changes.items()}
    return package(model("", ""), others={name: item for name, item in members.items() if item is not None})


def reason_of(data: bytes, *, printer_model: str = "") -> str:
    with pytest.raises(UnusablePackage) as refusal:
        read_sliced_package(data, printer_model=printer_model)
    assert (refusal.value.code, refusal.value.http_status) == ("SLICE_002", 400)
    return refusal.value.details["reason"]


def test_a_sliced_package_is_read():
    data = sliced()
    found = read_sliced_package(data, printer_model="P1S")
    assert (str(found.minutes), [str(row.grams) for row in found.filaments]) == ("17.0", ["4.12"])
    assert found.plate(1).gcode_path == "Metadata/plate_1.gcode"
    assert found.sha256 == hashlib.sha256(data).hexdigest()
    assert (found.is_simulated, found.thumbnail_png) == (False, b"")


def test_a_package_without_a_digest_is_taken():
    assert read_sliced_package(sliced(**{"plate_1.gcode.md5": None})).plate(1).gcode_md5 == ""


def test_it_refuses_a_package_that_was_not_sliced():
    assert reason_of(cube_package()) == "It was saved without slicing."
    assert reason_of(sliced(**{"slice_info.config": "<config/>"})) == "It was saved without slicing."


def test_it_refuses_a_plate_without_gcode():
    assert reason_of(sliced(**{"plate_1.gcode": None})) == "Plate 1 has no G-code."
    assert reason_of(sliced(**{"plate_1.gcode": b" \n"})) == "Plate 1 has no G-code."


def test_it_refuses_gcode_that_was_changed_after_slicing():
    assert reason_of(sliced(**{"plate_1.gcode": GCODE + b"M104 S300\n"})).startswith(
        "The G-code of plate 1 was changed"
    )


def test_it_refuses_a_slice_for_another_printer():
    assert reason_of(sliced(), printer_model="X1C") == "Plate 1 was sliced for another printer."


def test_a_printer_whose_id_is_not_known_is_left_to_the_releasing_person():
    assert read_sliced_package(sliced(), printer_model="Homemade").plates


def test_it_refuses_a_plate_that_does_not_exist():
    with pytest.raises(UnusablePackage) as refusal:
        read_sliced_package(sliced()).plate(2)
    assert refusal.value.details == {"reason": "It has no plate 2.", "plates": [1]}


@pytest.mark.parametrize("data", [b"", b"G1 X1", zipped({"a.txt": "x"}), sliced()[:200]])
def test_it_refuses_what_is_no_package(data: bytes):
    assert reason_of(data)
