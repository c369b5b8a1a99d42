"""Projects of Bambu Studio, Orca and PrusaSlicer: filaments, paint, plates and wishes."""

from __future__ import annotations

import io
import json
import zipfile
from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from quotes.modelfiles import ModelAnalysis, read_model
from quotes.modelfiles.analysis import FilamentSlot, ModelPlate, PrintWishes
from quotes.modelfiles.make import box
from quotes.modelfiles.make_project import ProjectBody, ProjectThing, demo_two_colour_3mf, write_project
from quotes.modelfiles.tests.packages import box_object, model, package, slice_info

WHITE, GREEN, BLACK = ("PLA", "#FFFFFF"), ("PLA", "#00AE42"), ("PETG", "#000000")
CUBE = box(20, 20, 20)


def read(data: bytes) -> ModelAnalysis:
    return read_model(data, file_name="part.3mf", thumbnail=False)


def cube(**options: object) -> ProjectBody:
    return ProjectBody("Cube", *CUBE, **options)  # type: ignore[arg-type]


def lid(**options: object) -> ProjectBody:
    vertices, faces = box(20, 20, 5)
    return ProjectBody("Lid", vertices + np.array([0.0, 0.0, 20.0]), faces, **options)  # type: ignore[arg-type]


def changed(data: bytes, member: str, old: bytes, new: bytes) -> bytes:
    """The package with one piece of a member replaced."""
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as source, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as copy:
        for name in source.namelist():
            content = source.read(name)
            copy.writestr(name, content.replace(old, new) if name == member else content)
    return target.getvalue()


def test_a_two_colour_project_tells_its_filaments_and_their_shares():
    analysis = read(demo_two_colour_3mf())
    assert analysis.filaments == (FilamentSlot(0, "PLA", "#FFFFFF"), FilamentSlot(1, "PLA", "#00AE42"))
    (part,) = analysis.parts
    assert part.name == "Badge"
    assert part.filament_shares == ((0, Decimal("0.937")), (1, Decimal("0.063")))
    assert analysis.plates == (ModelPlate(1, "Badges", ((0, 1),)),)
    assert (analysis.warnings, analysis.needs_person) == ((), "")


def test_parts_in_two_filaments_share_by_volume():
    thing = ProjectThing("Box", [cube(filament=1), lid(filament=3)])
    analysis = read(write_project([thing], filaments=[WHITE, GREEN, BLACK]))
    assert analysis.parts[0].filament_shares == ((0, Decimal("0.8")), (2, Decimal("0.2")))
    assert analysis.filaments == (FilamentSlot(0, "PLA", "#FFFFFF"), FilamentSlot(2, "PETG", "#000000"))


def test_a_part_without_a_filament_takes_its_objects():
    thing = ProjectThing("Box", [cube(filament=0), lid(filament=1)], filament=2)
    analysis = read(write_project([thing], filaments=[WHITE, GREEN]))
    assert analysis.parts[0].filament_shares == ((0, Decimal("0.2")), (1, Decimal("0.8")))


def test_a_project_in_its_second_filament_alone_names_no_other():
    analysis = read(write_project([ProjectThing("Box", [cube(filament=2)])], filaments=[WHITE, GREEN]))
    assert analysis.parts[0].filament_shares == ((1, Decimal("1.0")),)
    assert analysis.filaments == (FilamentSlot(1, "PLA", "#00AE42"),)


def test_the_wishes_are_what_the_presets_say():
    settings = {"layer_height": "0.12", "sparse_infill_density": "40%", "wall_loops": "4", "enable_support": "1"}
    analysis = read(write_project([ProjectThing("Box", [cube()])], settings=settings))
    assert analysis.wishes == PrintWishes(Decimal("0.12"), 40, 4, True, "C12")
    stranger = read(write_project([ProjectThing("Box", [cube()])], settings={"printer_model": "Voron 2.4"}))
    assert stranger.wishes is not None
    assert stranger.wishes.printer_model_id == "Voron 2.4"


def test_wishes_that_make_no_sense_are_passed_over():
    settings = {"layer_height": "-1", "sparse_infill_density": "900%", "wall_loops": "NaN", "enable_support": "maybe"}
    analysis = read(write_project([ProjectThing("Box", [cube()])], settings=settings))
    assert analysis.wishes == PrintWishes(None, None, None, None, "C12")


def test_settings_of_a_single_object_are_said():
    data = write_project([ProjectThing("Hook", [cube()])])
    own = b'<metadata key="extruder" value="1"/><metadata key="sparse_infill_density" value="80%"/><part'
    analysis = read(changed(data, "Metadata/model_settings.config", b'<metadata key="extruder" value="1"/><part', own))
    assert analysis.warnings == ("Hook asks for settings of its own in the project (infill 80%).",)


def test_a_project_of_which_only_one_plate_is_sliced_says_so():
    places = [(50.0, 50.0, 0.0), (350.0, 50.0, 0.0)]
    data = write_project(
        [ProjectThing("Cube", [cube()], places=places, plates=[1, 2])],
        plates=["", ""],
        others={"Metadata/slice_info.config": slice_info().encode()},
    )
    assert read(data).warnings == ("Only 1 of 2 plates of the project are sliced.",)


def test_a_sliced_export_without_any_mesh_is_read():
    members = {"Metadata/slice_info.config": slice_info().encode(), "Metadata/plate_1.gcode": b"M83\nG1 X1 E1379\n"}
    analysis = read(write_project([], others=members))
    assert (analysis.parts, analysis.plates, analysis.needs_person) == ((), (), "")
    assert analysis.sliced is not None
    assert analysis.sliced.plates[0].extruded_mm3 == Decimal("3316.884")


def by_layers(*rows: str, plate: int = 1) -> dict[str, bytes]:
    """The member that holds what happens at a height."""
    text = (
        f'<custom_gcodes_per_layer><plate><plate_info id="{plate}"/>{"".join(rows)}</plate></custom_gcodes_per_layer>'
    )
    return {"Metadata/custom_gcode_per_layer.xml": text.encode()}


def test_a_filament_change_at_a_height_shares_the_part_by_its_volume_below_and_above():
    rows = [
        '<layer top_z="15.2" type="2" extruder="3" color="#000000" extra="" gcode="tool_change"/>',
        '<layer top_z="5.2" type="2" extruder="2" color="#00AE42" extra="" gcode="tool_change"/>',
        '<layer top_z="90" type="2" extruder="1" color="#FFFFFF" extra="" gcode="tool_change"/>',
    ]
    sign = ProjectThing("Sign", [cube()])
    analysis = read(write_project([sign], filaments=[WHITE, GREEN, BLACK], others=by_layers(*rows)))
    (part,) = analysis.parts
    assert part.filament_shares == ((0, Decimal("0.25")), (1, Decimal("0.5")), (2, Decimal("0.25")))
    assert [slot.number for slot in analysis.filaments] == [0, 1, 2]
    assert (analysis.warnings, analysis.needs_person) == ((), "")


def test_a_filament_change_holds_for_its_plate_only():
    row = '<layer top_z="10.2" type="2" extruder="2" color="" extra="" gcode="tool_change"/>'
    places = [(50.0, 50.0, 0.0), (350.0, 50.0, 0.0)]
    thing = ProjectThing("Cube", [cube()], places=places, plates=[1, 2])
    analysis = read(write_project([thing], filaments=[WHITE, GREEN], plates=["", ""], others=by_layers(row, plate=2)))
    assert [part.filament_shares for part in analysis.parts] == [(), ((0, Decimal("0.5")), (1, Decimal("0.5")))]
    assert [plate.parts for plate in analysis.plates] == [((0, 1),), ((1, 1),)]


def test_a_pause_asks_for_a_person_and_own_gcode_is_said():
    pause = '<layer top_z="9" type="1" extruder="1" color="" extra="Insert the nut"/>'
    gcode = '<layer top_z="9" type="4" extruder="1" color="" extra="M900 K0.02"/>'
    analysis = read(write_project([ProjectThing("Cube", [cube()])], others=by_layers(pause, gcode)))
    assert analysis.needs_person == "The project asks for a pause or a change by hand during the print."
    assert analysis.warnings == ("The project holds G-code of its own, which is left out.",)


def test_parts_are_kept_plate_by_plate():
    places = [(50.0, 50.0, 0.0), (100.0, 50.0, 0.0), (350.0, 50.0, 0.0)]
    things = [
        ProjectThing("Cube", [cube()], places=places, plates=[1, 1, 2]),
        ProjectThing("Lid", [lid()], places=[(400.0, 50.0, 0.0)], plates=[2]),
    ]
    analysis = read(write_project(things, plates=["Left", "Right", "Empty"]))
    assert [(part.name, part.count) for part in analysis.parts] == [("Cube", 3), ("Lid", 1)]
    assert analysis.plates == (ModelPlate(1, "Left", ((0, 2),)), ModelPlate(2, "Right", ((0, 1), (1, 1))))
    assert analysis.needs_person == ""
    stored = json.loads(json.dumps(analysis.as_dict()))
    assert ModelAnalysis.from_dict(stored) == replace(analysis, thumbnail_png=b"")


def test_an_object_outside_of_all_plates_asks_for_a_person():
    places = [(50.0, 50.0, 0.0), (-300.0, 50.0, 0.0)]
    analysis = read(write_project([ProjectThing("Cube", [cube()], places=places, plates=[1, 0])]))
    assert analysis.piece_count == 2
    assert analysis.needs_person == "1 objects of the project lie outside of its plates."


@pytest.mark.parametrize("kind", ["support_blocker", "support_enforcer"])
def test_supports_drawn_by_hand_are_not_part_of_the_model(kind: str):
    analysis = read(write_project([ProjectThing("Box", [cube(), lid(kind=kind)])]))
    assert analysis.total_volume_mm3 == Decimal(8000)
    assert analysis.needs_person == ""


@pytest.mark.parametrize("kind", ["modifier_part", "negative_part"])
def test_volumes_that_change_the_model_are_left_out_and_ask_for_a_person(kind: str):
    analysis = read(write_project([ProjectThing("Box", [cube(), lid(kind=kind)])]))
    assert analysis.total_volume_mm3 == Decimal(8000)
    assert analysis.needs_person == "The project holds modifier or negative volumes."


def test_painted_triangles_share_by_area():
    paint = ["8", "8"] + [""] * 10  # one of six sides in filament 2
    analysis = read(write_project([ProjectThing("Cube", [cube(paint=paint)])], filaments=[WHITE, GREEN]))
    assert analysis.parts[0].filament_shares == ((0, Decimal("0.8333")), (1, Decimal("0.1667")))
    assert (analysis.warnings, analysis.needs_person) == ((), "")


def test_paint_in_a_filament_that_the_project_does_not_have_is_no_paint():
    paint = ["0C"] * 12  # filament 3
    analysis = read(write_project([ProjectThing("Cube", [cube(paint=paint)])], filaments=[WHITE, GREEN]))
    assert analysis.parts[0].filament_shares == ()
    assert analysis.filaments == (FilamentSlot(0, "PLA", "#FFFFFF"),)


def test_paint_without_a_project_still_counts_its_filaments():
    painted = box_object(1, 20, 20, 20).replace("<triangle ", '<triangle paint_color="8" ', 6)
    analysis = read(package(model(painted, '<item objectid="1"/>')))
    assert analysis.parts[0].filament_shares == ((0, Decimal("0.5")), (1, Decimal("0.5")))
    assert analysis.filaments == (FilamentSlot(0, "", ""), FilamentSlot(1, "", ""))


def test_a_project_of_prusaslicer_tells_filaments_paint_and_wishes():
    painted = box_object(1, 20, 20, 20).replace("<triangle ", '<triangle slic3rpe:mmu_segmentation="8" ', 6)
    namespace = 'xmlns:slic3rpe="http://schemas.slic3r.org/3mf/2017/06"'
    settings = (
        "; generated by PrusaSlicer 2.5.0\n\n; extruder_colour = #FF8000;#0000FF\n; filament_type = PLA;PETG\n"
        "; fill_density = 25%\n; layer_height = 0.15\n; perimeters = 3\n"
        "; printer_model = MK3S\n; support_material = 0\n"
    )
    root = model(painted, '<item objectid="1"/>', attributes=namespace)
    analysis = read(package(root, others={"Metadata/Slic3r_PE.config": settings}))
    assert analysis.filaments == (FilamentSlot(0, "PLA", "#FF8000"), FilamentSlot(1, "PETG", "#0000FF"))
    assert analysis.parts[0].filament_shares == ((0, Decimal("0.5")), (1, Decimal("0.5")))
    assert analysis.wishes == PrintWishes(Decimal("0.15"), 25, 3, False, "MK3S")
    assert analysis.warnings == ()


def prusa_model(*volumes: tuple[int, int, str, int]) -> bytes:
    """A mesh of two boxes and the ranges of its triangles that PrusaSlicer calls volumes."""
    vertices, faces = lid().vertices, lid().faces
    both = (np.concatenate([CUBE[0], vertices]), np.concatenate([CUBE[1], faces + len(CUBE[0])]))
    rows = "".join(
        f'<volume firstid="{first}" lastid="{last}"><metadata type="volume" key="volume_type" value="{kind}"/>'
        f'<metadata type="volume" key="extruder" value="{extruder}"/></volume>'
        for first, last, kind, extruder in volumes
    )
    settings = (
        '<?xml version="1.0" encoding="UTF-8"?><config><object id="1" instances_count="1">'
        f'<metadata type="object" key="name" value="Hook"/>{rows}</object></config>'
    )
    points = "".join(f'<vertex x="{x}" y="{y}" z="{z}"/>' for x, y, z in both[0])
    triangles = "".join(f'<triangle v1="{a}" v2="{b}" v3="{c}"/>' for a, b, c in both[1])
    mesh = f"<mesh><vertices>{points}</vertices><triangles>{triangles}</triangles></mesh>"
    root = model(f'<object id="1" type="model">{mesh}</object>', '<item objectid="1"/>')
    return package(root, others={"Metadata/Slic3r_PE_model.config": settings})


def test_volumes_of_prusaslicer_are_ranges_of_triangles_with_filaments_of_their_own():
    analysis = read(prusa_model((0, 11, "ModelPart", 1), (12, 23, "ModelPart", 2)))
    (part,) = analysis.parts
    assert (part.name, part.volume_mm3) == ("Hook", Decimal(10_000))
    assert part.filament_shares == ((0, Decimal("0.8")), (1, Decimal("0.2")))


@pytest.mark.parametrize(
    ("kind", "needs_person"),
    [
        ("SupportBlocker", ""),
        ("ParameterModifier", "The project holds modifier or negative volumes."),
        ("NegativeVolume", "The project holds modifier or negative volumes."),
    ],
)
def test_helpers_of_prusaslicer_are_not_part_of_the_model(kind: str, needs_person: str):
    analysis = read(prusa_model((0, 11, "ModelPart", 1), (12, 23, kind, 0)))
    assert (analysis.total_volume_mm3, analysis.needs_person) == (Decimal(8000), needs_person)


@pytest.mark.parametrize("ranges", [((0, 11),), ((0, 11), (12, 99)), ((0, 23), (0, 23)), ((500, 600),)])
def test_volumes_that_do_not_fit_the_mesh_ask_for_a_person(ranges: tuple[tuple[int, int], ...]):
    analysis = read(prusa_model(*((first, last, "ModelPart", 1) for first, last in ranges)))
    assert analysis.total_volume_mm3 == Decimal(10_000)
    assert analysis.needs_person == "The project's volumes do not fit its mesh."


MATERIALS = (
    '<basematerials id="5"><base name="PLA white" displaycolor="#FFFFFF"/><base name="Petg" displaycolor="#112233FF"/>'
    "</basematerials>"
)


def test_materials_of_the_core_specification_become_filaments():
    both = box_object(1, 20, 20, 20).replace('type="model"', 'type="model" pid="5" pindex="0"')
    both = both.replace("<triangle ", '<triangle pid="5" p1="1" ', 3)
    analysis = read(package(model(MATERIALS + both, '<item objectid="1"/>')))
    assert set(analysis.filaments) == {FilamentSlot(0, "PLA", "#FFFFFF"), FilamentSlot(1, "PETG", "#112233")}
    assert analysis.parts[0].filament_shares == ((0, Decimal("0.75")), (1, Decimal("0.25")))


def test_colours_of_the_materials_extension_become_filaments():
    group = '<m:colorgroup id="5"><m:color color="#FF0000"/><m:color color="#00FF00"/></m:colorgroup>'
    both = box_object(1, 20, 20, 20).replace('type="model"', 'type="model" pid="5" pindex="1"')
    namespace = 'xmlns:m="http://schemas.microsoft.com/3dmanufacturing/material/2015/02"'
    analysis = read(package(model(group + both, '<item objectid="1"/>', attributes=namespace)))
    assert analysis.filaments == (FilamentSlot(0, "", "#00FF00"),)
    assert analysis.parts[0].filament_shares == ()


def test_a_project_overrules_the_colours_of_its_meshes():
    root = model(
        MATERIALS + box_object(1, 20, 20, 20).replace('type="model"', 'type="model" pid="5" pindex="1"'),
        '<item objectid="1"/>',
    )
    settings = json.dumps({"filament_type": ["ASA"], "filament_colour": ["#222222"]})
    analysis = read(package(root, others={"Metadata/project_settings.config": settings}))
    assert analysis.filaments == (FilamentSlot(0, "ASA", "#222222"),)
