from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from decimal import Decimal

import lib3mf
import pytest
from PIL import Image

from quotes.modelfiles import ModelAnalysis, read_model
from quotes.modelfiles.errors import AskAnEngineer
from quotes.modelfiles.lib3mf_buffers import set_geometry
from quotes.modelfiles.make import BRACKET, box, bracket_volume, demo_bracket_3mf, package_of, write_3mf
from quotes.modelfiles.tests.packages import PRODUCTION, box_object, cube_package, model, package, relations, slice_info

PNG = b"\x89PNG\r\n\x1a\n"


def read(data: bytes) -> ModelAnalysis:
    return read_model(data, file_name="part.3mf", thumbnail=False)


def test_a_cube_is_measured_exactly():
    analysis = read(cube_package())
    (part,) = analysis.parts
    assert (part.name, part.count, part.triangles, part.bodies, part.watertight) == ("Cube", 1, 12, 1, True)
    assert part.volume_mm3 == Decimal(8000)
    assert part.area_mm2 == Decimal(2400)
    assert part.bbox_mm == (Decimal(20), Decimal(20), Decimal(20))
    assert (part.side_area_mm2, part.up_area_mm2, part.down_area_mm2) == (Decimal(1600), Decimal(400), Decimal(400))
    assert (part.overhang_mm2, part.support_column_mm3) == (Decimal(0), Decimal(0))
    assert (analysis.format, analysis.unit, analysis.warnings, analysis.needs_person) == ("3mf", "millimeter", (), "")
    assert analysis.sliced is None


@pytest.mark.parametrize(
    ("unit", "size"),
    [
        ("micron", 20_000),
        ("millimeter", 20),
        ("centimeter", 2),
        ("inch", 20 / 25.4),
        ("foot", 20 / 304.8),
        ("meter", 0.02),
    ],
)
def test_every_unit_ends_as_the_same_millimetres(unit: str, size: float):
    analysis = read(package(model(box_object(1, size, size, size), '<item objectid="1"/>', unit=unit)))
    assert analysis.unit == unit
    # lib3mf holds coordinates as 32-bit floats: seven digits.
    assert float(analysis.total_volume_mm3) == pytest.approx(8000, rel=1e-6)


def test_a_part_smaller_than_a_millimetre_asks_for_a_person():
    analysis = read(package(model(box_object(1, 0.8, 0.8, 0.8), '<item objectid="1"/>')))
    assert analysis.needs_person == (
        "Its largest part is smaller than 1 mm: is the file in another unit than millimeters?"
    )


def test_a_unit_also_holds_for_the_places_of_the_items():
    build = '<item objectid="1"/><item objectid="1" transform="1 0 0 0 1 0 0 0 1 3 0 0"/>'
    analysis = read(package(model(box_object(1, 2, 2, 2), build, unit="centimeter")))
    (part,) = analysis.parts
    assert (part.count, part.volume_mm3) == (2, Decimal(8000))


def test_the_committed_bracket_is_what_its_maker_makes():
    analysis = read_model(BRACKET, file_name=BRACKET.name)
    (part,) = analysis.parts
    assert part.name == "L bracket"
    assert part.watertight
    assert part.bodies == 1
    assert part.bbox_mm == (Decimal(60), Decimal(40), Decimal(60))
    assert float(part.volume_mm3) == pytest.approx(bracket_volume(), abs=0.01)
    assert analysis.parts == read(demo_bracket_3mf()).parts
    assert BRACKET.stat().st_size < 60_000


def test_equal_pieces_are_one_part_with_a_count():
    places = [[(0, 0, 0), (30, 0, 0), (60, 0, 0)], [(0, 50, 0)]]
    analysis = read(write_3mf([("Clip", *box(10, 10, 10)), ("Lid", *box(20, 10, 2))], places=places))
    assert [(part.name, part.count) for part in analysis.parts] == [("Clip", 3), ("Lid", 1)]
    assert analysis.total_volume_mm3 == Decimal(3 * 1000 + 400)
    assert analysis.piece_count == 4


def test_a_turn_on_the_plate_is_the_same_part_but_lying_down_or_mirrored_is_not():
    turned = '<item objectid="1" transform="0 1 0 -1 0 0 0 0 1 100 0 0"/>'
    lying = '<item objectid="1" transform="1 0 0 0 0 1 0 -1 0 0 100 0"/>'
    mirrored = '<item objectid="1" transform="-1 0 0 0 1 0 0 0 1 0 200 0"/>'
    build = '<item objectid="1"/>' + turned + lying + mirrored
    analysis = read(package(model(box_object(1, 30, 20, 10), build)))
    assert [(part.count, part.bbox_mm[2]) for part in analysis.parts] == [(2, 10), (1, 20), (1, 10)]
    assert {part.volume_mm3 for part in analysis.parts} == {Decimal(6000)}
    assert all(part.watertight for part in analysis.parts)
    assert not [warning for warning in analysis.warnings if "inside out" in warning]


def test_components_are_joined_into_one_object_with_all_instances_counted():
    clip = box_object(1, 10, 10, 10)
    components = "".join(f'<component objectid="1" transform="1 0 0 0 1 0 0 0 1 {20 * i} 0 0"/>' for i in range(6))
    tray = f'<object id="2" type="model" name="Tray"><components>{components}</components></object>'
    analysis = read(package(model(clip + tray, '<item objectid="2" transform="2 0 0 0 2 0 0 0 2 0 0 0"/>')))
    (part,) = analysis.parts
    assert (part.name, part.count, part.bodies, part.overlapping) == ("Tray", 1, 6, False)
    assert part.volume_mm3 == Decimal(6 * 8000)
    assert part.bbox_mm == (Decimal(220), Decimal(20), Decimal(20))


def test_parts_in_other_model_files_are_found():
    other = model(box_object(1, 20, 20, 20), "", attributes=f'xmlns:p="{PRODUCTION}"')
    holder = (
        '<object id="2" type="model" name="Housing"><components>'
        '<component p:path="/3D/Objects/housing.model" objectid="1"/></components></object>'
    )
    root = model(holder, '<item objectid="2"/>', attributes=f'xmlns:p="{PRODUCTION}" requiredextensions="p"')
    rels = relations("/3D/Objects/housing.model")
    data = package(root, others={"3D/Objects/housing.model": other, "3D/_rels/3dmodel.model.rels": rels})
    analysis = read(data)
    assert [(part.name, part.volume_mm3) for part in analysis.parts] == [("Housing", Decimal(8000))]


def test_relationships_to_members_that_are_not_there_do_not_matter():
    kind = "http://schemas.openxmlformats.org/package/2006/relationships/metadata/thumbnail"
    picture = f'<Relationship Target="/Metadata/thumbnail.png" Id="r2" Type="{kind}"/></Relationships>'
    rels = relations("/3D/3dmodel.model").replace("</Relationships>", picture)
    root = model(box_object(1, 20, 20, 20), '<item objectid="1"/>')
    assert read(package(root, others={"_rels/.rels": rels})).total_volume_mm3 == Decimal(8000)


def test_a_relationship_may_be_relative_to_its_part():
    other = model(box_object(1, 20, 20, 20), "")
    component = '<component p:path="/3D/parts.model" objectid="1"/>'
    holder = f'<object id="2" type="model"><components>{component}</components></object>'
    root = model(holder, '<item objectid="2"/>', attributes=f'xmlns:p="{PRODUCTION}" requiredextensions="p"')
    others = {"3D/parts.model": other, "3D/_rels/3dmodel.model.rels": relations("parts.model")}
    assert read(package(root, others=others | {"_rels/.rels": relations("3D/3dmodel.model")})).piece_count == 1


class Unseekable(io.RawIOBase):
    """A target that cannot go back, so that sizes are written behind each member."""

    def __init__(self) -> None:
        self.written = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        self.written += bytes(data)  # type: ignore[call-overload]
        return len(bytes(data))  # type: ignore[call-overload]


@pytest.mark.parametrize("zip64", [False, True])
def test_packages_written_as_streams_or_for_large_files_are_read(zip64: bool):
    target = Unseekable()
    with (
        zipfile.ZipFile(io.BytesIO(cube_package())) as source,
        zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy,  # type: ignore[arg-type]
    ):
        for name in source.namelist():
            with copy.open(name, "w", force_zip64=zip64) as member:
                member.write(source.read(name))
    assert read(bytes(target.written)).total_volume_mm3 == Decimal(8000)


def test_a_textured_model_is_measured():
    namespace = "http://schemas.microsoft.com/3dmanufacturing/material/2015/02"
    texture = (
        '<m:texture2d id="5" path="/3D/Textures/wood.png" contenttype="image/png"/>'
        '<m:texture2dgroup id="6" texid="5"><m:tex2coord u="0" v="0"/><m:tex2coord u="1" v="1"/></m:texture2dgroup>'
    )
    cube = box_object(2, 20, 20, 20).replace('type="model"', 'type="model" pid="6" pindex="0"')
    rels = relations("/3D/Textures/wood.png").replace('3dmodel"', '3dtexture"')
    root = model(texture + cube, '<item objectid="2"/>', attributes=f'xmlns:m="{namespace}"')
    others: dict[str, str | bytes] = {"3D/Textures/wood.png": PNG, "3D/_rels/3dmodel.model.rels": rels}
    analysis = read(package(root, others=others))
    assert (analysis.total_volume_mm3, analysis.filaments) == (Decimal(8000), ())


def test_an_object_that_is_not_for_printing_is_left_out():
    helper = box_object(2, 90, 90, 90).replace('type="model"', 'type="other"')
    components = '<component objectid="1"/><component objectid="2"/>'
    both = f'<object id="3" type="model"><components>{components}</components></object>'
    analysis = read(package(model(box_object(1, 20, 20, 20) + helper + both, '<item objectid="3"/>')))
    assert analysis.total_volume_mm3 == Decimal(8000)


def test_an_object_marked_as_not_printable_is_left_out_and_said():
    build = '<item objectid="1" printable="1"/><item objectid="2" printable="0"/>'
    analysis = read(package(model(box_object(1, 20, 20, 20) + box_object(2, 90, 90, 90), build)))
    assert analysis.total_volume_mm3 == Decimal(8000)
    assert any("not to be printed" in warning for warning in analysis.warnings)


def test_an_inside_out_mesh_counts_with_its_volume_and_is_said():
    analysis = read(package(model(box_object(1, 20, 20, 20, name="Cube", flipped=True), '<item objectid="1"/>')))
    (part,) = analysis.parts
    assert part.volume_mm3 == Decimal(8000)
    assert part.overhang_mm2 == 0
    assert analysis.warnings == ("Cube is inside out; it was turned over.",)


def test_a_cavity_is_not_an_inside_out_body():
    hole = '<component objectid="2" transform="1 0 0 0 1 0 0 0 1 5 5 5"/>'
    both = f'<object id="3" type="model"><components><component objectid="1"/>{hole}</components></object>'
    resources = box_object(1, 20, 20, 20) + box_object(2, 10, 10, 10, flipped=True) + both
    analysis = read(package(model(resources, '<item objectid="3"/>')))
    (part,) = analysis.parts
    assert (part.volume_mm3, part.bodies, part.overlapping) == (Decimal(7000), 1, False)
    assert analysis.warnings == ()


def test_bodies_that_share_room_are_said():
    shifted = '<component objectid="1" transform="1 0 0 0 1 0 0 0 1 10 0 0"/>'
    both = (
        f'<object id="2" type="model" name="Pair"><components><component objectid="1"/>{shifted}</components></object>'
    )
    analysis = read(package(model(box_object(1, 20, 20, 20) + both, '<item objectid="2"/>')))
    assert analysis.parts[0].overlapping
    assert analysis.warnings == ("Pair has bodies that may overlap; shared volume is counted more than once.",)


def test_an_open_mesh_is_said():
    vertices, faces = box(20, 20, 20)
    analysis = read(write_3mf([("Shell", vertices, faces[:-1])]))
    assert not analysis.parts[0].watertight
    assert analysis.warnings == ("Shell is not closed; its volume is a guess.",)


def test_an_overhang_is_seen_with_the_room_below_it():
    stem = box_object(1, 10, 10, 20)
    top = '<component objectid="2" transform="1 0 0 0 1 0 0 0 1 -10 -10 20"/>'
    table = f'<object id="3" type="model"><components><component objectid="1"/>{top}</components></object>'
    analysis = read(package(model(stem + box_object(2, 30, 30, 5) + table, '<item objectid="3"/>')))
    (part,) = analysis.parts
    # Two closed bodies that touch: the whole underside of the top hangs, the room beside the stem is what is free.
    assert part.overhang_mm2 == Decimal(900)
    # It is looked up on a raster.
    assert float(part.support_column_mm3) == pytest.approx(30 * 30 * 25 - 10 * 10 * 20 - 30 * 30 * 5, rel=0.02)


def test_beam_lattices_and_modifiers_ask_for_a_person():
    beams = (
        '<object id="1" type="model"><mesh><vertices><vertex x="0" y="0" z="0"/><vertex x="9" y="0" z="0"/></vertices>'
        '<triangles/><b:beamlattice radius="1" minlength="0.1"><b:beams><b:beam v1="0" v2="1"/></b:beams>'
        "</b:beamlattice></mesh></object>"
    )
    lattice = 'xmlns:b="http://schemas.microsoft.com/3dmanufacturing/beamlattice/2017/02" requiredextensions="b"'
    build = '<item objectid="1"/><item objectid="2"/>'
    analysis = read(package(model(beams + box_object(2, 20, 20, 20), build, attributes=lattice)))
    assert analysis.needs_person.startswith("The model holds a beam lattice")

    settings = '<config><object id="1"><part id="2" subtype="modifier_part"/></object></config>'
    root = model(box_object(1, 20, 20, 20), '<item objectid="1"/>')
    analysis = read(package(root, others={"Metadata/model_settings.config": settings}))
    assert analysis.needs_person == "The project holds modifier or negative volumes."


def test_volumetric_data_ask_for_a_person():
    wrapper = lib3mf.get_wrapper()
    described = wrapper.CreateModel()
    mesh = described.AddMeshObject()
    set_geometry(mesh, *box(20, 20, 20))
    mesh.SetVolumeData(described.AddVolumeData())
    described.AddBuildItem(mesh, wrapper.GetIdentityTransform())
    assert read(package_of(described)).needs_person.startswith("The model is described by volumetric data")


def test_an_unknown_required_extension_asks_for_a_person():
    root = model(
        box_object(1, 20, 20, 20),
        '<item objectid="1"/>',
        attributes='xmlns:q="http://example.com/q" requiredextensions="q"',
    )
    assert read(package(root)).needs_person == "The model requires an extension of 3MF that is not known here."


def test_a_uuid_that_comes_twice_does_not_matter():
    uuid = 'p:UUID="00000001-61cb-4c03-9d28-80fed5dfa1dc"'
    both = (box_object(1, 20, 20, 20) + box_object(2, 20, 20, 20)).replace("<object ", f"<object {uuid} ")
    build = '<item objectid="1"/><item objectid="2"/>'
    analysis = read(package(model(both, build, attributes=f'xmlns:p="{PRODUCTION}" requiredextensions="p"')))
    assert analysis.total_volume_mm3 == Decimal(16_000)


def test_prefixes_that_are_used_but_not_declared_are_understood_as_usual_or_ask_for_a_person():
    undeclared = box_object(1, 20, 20, 20).replace("<triangle ", '<triangle slic3rpe:custom_seam="4" ')
    analysis = read(package(model(undeclared, '<item objectid="1"/>')))
    assert analysis.total_volume_mm3 == Decimal(8000)
    assert analysis.warnings == (
        "The file is written carelessly (remarks of the reader: 1); please check the preview.",
    )
    beams = (
        '<b:beamlattice radius="1" minlength="0.1"><b:beams><b:beam v1="0" v2="1"/></b:beams></b:beamlattice></mesh>'
    )
    lattice = box_object(1, 20, 20, 20).replace("</mesh>", beams)
    analysis = read(package(model(lattice, '<item objectid="1"/>')))
    assert analysis.needs_person.startswith("The model holds a beam lattice")
    with pytest.raises(AskAnEngineer):
        read(package(model("<foam:cells/>" + box_object(1, 20, 20, 20), '<item objectid="1"/>')))


def test_a_corner_that_no_triangle_uses_does_not_count_for_the_size():
    stray = box_object(1, 20, 20, 20).replace("</vertices>", '<vertex x="900" y="900" z="900"/></vertices>')
    assert read(package(model(stray, '<item objectid="1"/>'))).parts[0].bbox_mm == (Decimal(20),) * 3


def test_a_place_outside_of_any_plate_does_not_change_a_plain_file():
    build = '<item objectid="1" transform="1 0 0 0 1 0 0 0 1 -5000 9000 -30"/>'
    analysis = read(package(model(box_object(1, 20, 20, 20), build)))
    assert (analysis.total_volume_mm3, analysis.needs_person) == (Decimal(8000), "")
    assert analysis.parts[0].bbox_mm == (Decimal(20), Decimal(20), Decimal(20))


def test_a_slice_for_another_printer_or_nozzle_is_visible():
    info = slice_info(model_id="N2S").replace('nozzle_diameters" value="0.4"', 'nozzle_diameters" value="0.8"')
    root = model(box_object(1, 20, 20, 20), '<item objectid="1"/>')
    sliced = read(package(root, others={"Metadata/slice_info.config": info})).sliced
    assert sliced is not None
    assert [(plate.printer_model_id, plate.nozzle_mm) for plate in sliced.plates] == [("N2S", "0.8")]


def test_slices_ask_for_a_person():
    namespace = "http://schemas.microsoft.com/3dmanufacturing/slice/2015/07"
    points = "".join(f'<s:vertex x="{x}" y="{y}"/>' for x, y in ((0, 0), (5, 0), (0, 5)))
    outline = '<s:polygon startv="0"><s:segment v2="1"/><s:segment v2="2"/><s:segment v2="0"/></s:polygon>'
    stack = (
        f'<s:slicestack id="5" zbottom="0"><s:slice ztop="1"><s:vertices>{points}</s:vertices>{outline}</s:slice>'
        "</s:slicestack>"
    )
    cube = box_object(1, 20, 20, 20).replace('type="model"', 'type="model" s:slicestackid="5"')
    attributes = f'xmlns:s="{namespace}" requiredextensions="s"'
    analysis = read(package(model(stack + cube, '<item objectid="1"/>', attributes=attributes)))
    assert analysis.needs_person.startswith("The model brings its own slices")


def test_a_sliced_package_brings_its_numbers():
    root = model(box_object(1, 20, 20, 20), '<item objectid="1"/>')
    members = {"Metadata/slice_info.config": slice_info(), "Metadata/plate_1.gcode": b"G1 X1\n"}
    sliced = read(package(root, others=members)).sliced
    assert sliced is not None
    assert sliced.sliced_by == "slicer 02.01.00.59"
    assert (sliced.prediction_seconds, sliced.weight_g) == (1020, Decimal("4.12"))
    (plate,) = sliced.plates
    assert (plate.index, plate.printer_model_id, plate.nozzle_mm) == (1, "C12", "0.4")
    assert plate.gcode_path == "Metadata/plate_1.gcode"
    (filament,) = plate.filaments
    assert (filament.material_type, filament.color_hex, filament.used_g) == ("PLA", "#00AE42", Decimal("4.12"))


def test_a_project_saved_without_slicing_is_not_sliced():
    root = model(box_object(1, 20, 20, 20), '<item objectid="1"/>')
    assert read(package(root, others={"Metadata/slice_info.config": "<config><header/></config>"})).sliced is None


def test_the_picture_in_the_file_is_decoded_and_written_again():
    picture = io.BytesIO()
    Image.new("RGB", (1000, 500), "#00AE42").save(picture, "PNG")
    root = model(box_object(1, 20, 20, 20), '<item objectid="1"/>')
    hidden = picture.getvalue() + b"<script>alert(1)</script>"
    taken = read_model(package(root, others={"Metadata/plate_1.png": hidden}), file_name="part.3mf").thumbnail_png
    assert b"script" not in taken
    with Image.open(io.BytesIO(taken)) as image:
        assert (image.size, image.getpixel((9, 9))) == ((512, 256), (0, 174, 66, 255))


def test_a_picture_that_cannot_be_decoded_is_drawn_instead():
    root = model(box_object(1, 20, 20, 20), '<item objectid="1"/>')
    broken = read_model(package(root, others={"Metadata/plate_1.png": PNG + b"x"}), file_name="part.3mf")
    assert broken.thumbnail_png == read_model(package(root), file_name="part.3mf").thumbnail_png


def test_an_analysis_survives_json():
    root = model(box_object(1, 20, 20, 20), '<item objectid="1"/>')
    analysis = read_model(package(root, others={"Metadata/slice_info.config": slice_info()}), file_name="a.3mf")
    stored = json.loads(json.dumps(analysis.as_dict()))
    assert ModelAnalysis.from_dict(stored) == replace(analysis, thumbnail_png=b"", viewer_mesh=b"")
