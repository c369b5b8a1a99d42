from __future__ import annotations

import hashlib
import io
import zipfile
from dataclasses import replace
from decimal import Decimal

import pytest

from integrations.slicers.errors import UnusablePackage
from integrations.slicers.package import read_sliced_package
from integrations.slicers.simulated import SimulatedSlicer
from production.ports import SliceFilament, SliceRequest
from quotes.estimators import GeometricEstimator
from quotes.modelfiles import read_model
from quotes.modelfiles.make import BRACKET
from quotes.ports import EstimateSettings

REQUEST = SliceRequest(
    source=BRACKET.read_bytes(),
    file_name="bracket.3mf",
    printer_model="P1S",
    filaments=(SliceFilament(0, "PETG", "00AE42"),),
    name="CUSTOM-Q-2025-042 plate 1",
)


def test_the_numbers_are_those_of_the_mesh():
    result = SimulatedSlicer().slice(replace(REQUEST, copies=4))
    analysis = read_model(BRACKET, file_name="bracket.3mf", thumbnail=False)
    (plate,) = GeometricEstimator().estimate(analysis, EstimateSettings(material_type="PETG", quantity=4)).plates
    assert plate.sets_per_plate == 4
    assert result.minutes == plate.minutes
    assert result.filaments == (SliceFilament(0, "PETG", "00AE42", plate.grams),)
    assert (result.grams, result.layers) == (plate.grams, 300)
    assert (result.sliced_by, result.warnings) == ("Simulated slicer", ())
    assert result.file_name == "CUSTOM-Q-2025-042-plate-1.gcode.3mf"


def test_the_package_reads_back_with_the_same_numbers():
    result = SimulatedSlicer().slice(REQUEST)
    package = read_sliced_package(result.content, printer_model="Bambu Lab P1S")
    (plate,) = package.plates
    assert package.is_simulated
    assert package.minutes == result.minutes
    assert (package.filaments, package.layers) == (result.filaments, result.layers)
    assert (plate.index, plate.printer_model_id, plate.nozzle_mm) == (1, "C12", "0.4")
    assert plate.weight_g == result.grams
    # 1.75 mm PETG weighs 3.055 g per metre.
    assert float(plate.filaments[0].used_m) == pytest.approx(float(plate.weight_g) / 3.055, abs=0.01)
    assert package.thumbnail_png.startswith(b"\x89PNG")


def test_the_package_holds_what_a_printer_looks_for():
    with zipfile.ZipFile(io.BytesIO(SimulatedSlicer().slice(REQUEST).content)) as package:
        assert package.testzip() is None
        assert package.namelist() == [
            "[Content_Types].xml",
            "_rels/.rels",
            "3D/3dmodel.model",
            "Metadata/slice_info.config",
            "Metadata/plate_1.gcode",
            "Metadata/plate_1.gcode.md5",
            "Metadata/plate_1.png",
        ]
        gcode = package.read("Metadata/plate_1.gcode")
        digest = package.read("Metadata/plate_1.gcode.md5").decode()
    assert b"\n; simulated slice\n" in gcode
    assert gcode.count(b"; CHANGE_LAYER") == 300  # 60 mm in 0.2 mm layers
    assert digest == hashlib.md5(gcode, usedforsecurity=False).hexdigest().upper()


def test_nothing_in_the_gcode_moves_or_heats():
    with zipfile.ZipFile(io.BytesIO(SimulatedSlicer().slice(REQUEST).content)) as package:
        lines = package.read("Metadata/plate_1.gcode").decode().splitlines()
    assert {line.split(" ", 1)[0] for line in lines if not line.startswith(";")} == {"M73"}


def test_the_same_request_makes_the_same_bytes():
    assert SimulatedSlicer().slice(REQUEST).content == SimulatedSlicer().slice(REQUEST).content


def test_an_unreadable_source_falls_back_to_the_estimates_and_says_so():
    filaments = (SliceFilament(0, "PETG", "", Decimal("12.50")),)
    request = replace(REQUEST, source=b"nothing", filaments=filaments, estimated_minutes=Decimal("61.5"))
    result = SimulatedSlicer().slice(request)
    assert result.minutes == Decimal("61.5")
    assert result.filaments == (SliceFilament(0, "PETG", "808080", Decimal("12.50")),)
    assert result.warnings[0].startswith("The numbers are the estimate's")
    package = read_sliced_package(result.content)
    assert package.plates[0].prediction_seconds == 3690
    assert package.plates[0].weight_g == Decimal("12.50")


def test_each_filament_has_its_row_by_its_number_in_the_file():
    two = (SliceFilament(1, "PLA", "FF0000", Decimal(30)), SliceFilament(3, "PETG", "FFFFFF", Decimal(10)))
    result = SimulatedSlicer().slice(replace(REQUEST, filaments=two))
    package = read_sliced_package(result.content)
    assert [(row.position, row.material_type, row.color_hex) for row in result.filaments] == [
        (1, "PLA", "FF0000"),
        (3, "PETG", "FFFFFF"),
    ]
    assert result.filaments[0].grams == (result.grams * Decimal("0.75")).quantize(Decimal("0.01"))
    assert package.filaments == result.filaments
    assert [row.id for row in package.plates[0].filaments] == [2, 4]
    assert package.plates[0].weight_g == result.grams


def test_a_plate_of_some_of_the_files_parts_takes_what_was_estimated():
    filaments = (SliceFilament(0, "PETG", "00AE42", Decimal("12.50")),)
    request = replace(REQUEST, filaments=filaments, estimated_minutes=Decimal(20), is_whole_file=False)
    result = SimulatedSlicer().slice(request)
    assert (result.minutes, result.grams) == (Decimal(20), Decimal("12.50"))


def test_it_refuses_when_neither_mesh_nor_estimates_say_anything():
    with pytest.raises(UnusablePackage):
        SimulatedSlicer().slice(replace(REQUEST, source=b"nothing"))


def test_names_and_materials_cannot_break_out_of_the_package():
    request = replace(REQUEST, name='../../"><x>\n; M104 S300', filaments=(SliceFilament(0, 'PLA" evil="1'),))
    result = SimulatedSlicer().slice(request)
    assert "/" not in result.file_name
    package = read_sliced_package(result.content)
    assert package.plates[0].filaments[0].material_type == 'PLA" evil="1'
    with zipfile.ZipFile(io.BytesIO(result.content)) as content:
        assert b"\n; M104" not in content.read("Metadata/plate_1.gcode")
