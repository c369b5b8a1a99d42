"""Slicing with a program that keeps to Bambu Studio's command line, run as a real process."""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import psutil
import pytest

from blb3d.core.errors import BLB3DError
from integrations.errors import PartnerNotSetUp
from integrations.slicers.bambu_cli import BambuStudio
from integrations.slicers.errors import (
    CannotSlice,
    PersonMustUpload,
    PresetMissing,
    SlicerCrashed,
    SlicerTooLarge,
    SlicerTooSlow,
    UnusablePackage,
)
from integrations.slicers.tests.studio import install, write_preset
from production.ports import SliceFilament, SliceRequest
from quotes.modelfiles.make import BRACKET
from quotes.modelfiles.tests.packages import model, package

RED, WHITE = SliceFilament(0, "PLA", "FF0000", Decimal(10)), SliceFilament(2, "PETG", "FFFFFF", Decimal(4))
REQUEST = SliceRequest(
    source=BRACKET.read_bytes(),
    file_name="L bracket; rm -rf.3mf",
    printer_model="P1S",
    filaments=(RED,),
    name="CUSTOM-Q-2025-042",
    layer_height_mm=Decimal("0.12"),
    infill_percent=35,
)


@pytest.fixture
def program(tmp_path: Path, settings: Any) -> Path:
    path = install(tmp_path / "studio")
    settings.BAMBU_CLI_PATH = str(path)
    settings.BAMBU_PROFILES_DIR = settings.BAMBU_PRESETS_DIR = ""
    settings.SLICER_TIMEOUT_SECONDS = 60
    return path


def seen(program: Path) -> dict[str, Any]:
    """Return what the program was given."""
    return json.loads((program.parent / "seen.json").read_text("utf-8"))  # type: ignore[no-any-return]


def let(program: Path, mode: str) -> None:
    (program.parent / "mode").write_text(mode, "utf-8")


def test_it_slices_a_plate_and_reads_the_result(program: Path) -> None:
    result = BambuStudio().slice(REQUEST)
    assert (result.minutes, result.layers, result.grams) == (Decimal(60), 150, Decimal("12.5"))
    assert result.filaments == (SliceFilament(0, "PLA", "FF0000", Decimal("12.5")),)
    assert (result.file_name, result.sliced_by) == ("CUSTOM-Q-2025-042.gcode.3mf", "Bambu Studio, slicer 02.00.01.50")
    assert result.warnings == ("Bed temperature too high than filament",)
    assert result.content.startswith(b"PK")


def test_the_command_line_is_the_documented_one(program: Path) -> None:
    BambuStudio().slice(REQUEST)
    arguments = seen(program)["arguments"]
    folder = arguments[arguments.index("--outputdir") + 1]
    assert arguments == [
        *("--slice", "0", "--arrange", "1"),
        *("--load-settings", "machine.json;process.json"),
        *("--load-filaments", "filament_0.json"),
        *("--outputdir", folder),
        *("--export-3mf", "out.gcode.3mf", "in.3mf"),
    ]
    assert not Path(folder).exists()


def test_presets_are_whole_and_hold_what_the_plate_asks_for(program: Path) -> None:
    BambuStudio().slice(REQUEST)
    given = seen(program)
    assert given["machine"]["name"] == "Bambu Lab P1S 0.4 nozzle"
    assert given["machine"]["machine_start_gcode"] == "G28"
    process = given["process"]
    assert (process["name"], process["wall_loops"]) == ("0.12mm Fine @BBL P1S", "2")
    assert (process["layer_height"], process["sparse_infill_density"], process["enable_support"]) == (
        "0.12",
        "35%",
        "1",
    )
    [filament] = given["filaments"]
    assert (filament["name"], filament["filament_colour"]) == ("Generic PLA", ["#FF0000"])


def test_a_material_has_its_preset_for_the_printer_model(program: Path) -> None:
    BambuStudio().slice(replace(REQUEST, printer_model="A1", layer_height_mm=Decimal("0.20"), supports=False))
    given = seen(program)
    assert given["filaments"][0]["nozzle_temperature"] == ["215"]
    assert (given["process"]["name"], given["process"]["enable_support"]) == ("0.20mm Standard @BBL A1", "0")


def test_several_filaments_fill_the_slots_without_gaps(program: Path) -> None:
    result = BambuStudio().slice(replace(REQUEST, filaments=(RED, WHITE)))
    given = seen(program)["filaments"]
    assert [row["filament_type"] + row["filament_colour"] for row in given] == [
        ["PLA", "#FF0000"],
        ["PLA", "#FF0000"],
        ["PETG", "#FFFFFF"],
    ]
    assert [(row.position, row.material_type, row.color_hex) for row in result.filaments] == [
        (0, "PLA", "FF0000"),
        (1, "PLA", "FF0000"),
        (2, "PETG", "FFFFFF"),
    ]


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("bracket.3mf", ["--slice", "1", "--arrange", "1", "--repetitions", "4"]),
        ("bracket.stl", ["--slice", "0", "--arrange", "1", "--clone-objects", "4"]),
    ],
)
def test_copies_are_laid_out_by_the_program(program: Path, name: str, expected: list[str]) -> None:
    BambuStudio().slice(replace(REQUEST, file_name=name, copies=4))
    assert seen(program)["arguments"][:6] == expected


def test_a_project_lies_as_somebody_laid_it(program: Path) -> None:
    project = package(model("", ""), others={"Metadata/model_settings.config": "<config/>"})
    BambuStudio().slice(replace(REQUEST, source=project))
    assert seen(program)["arguments"][:4] == ["--slice", "0", "--arrange", "0"]


def test_a_preset_of_the_farms_own_goes_before_the_programs(program: Path, tmp_path: Path, settings: Any) -> None:
    own = tmp_path / "own"
    settings.BAMBU_PRESETS_DIR = str(own)
    write_preset(own, "process", "Our strong one", **{"from": "User"}, inherits="0.20mm Standard @BBL P1S",
                 wall_loops="5", layer_height="0.24")  # fmt: skip
    write_preset(own, "filament", "Our PLA", **{"from": "User"}, inherits="Generic PLA", nozzle_temperature=["231"])
    BambuStudio().slice(REQUEST)
    given = seen(program)
    assert (given["process"]["name"], given["process"]["wall_loops"]) == ("Our strong one", "5")
    assert given["process"]["layer_height"] == "0.12"
    assert given["filaments"][0]["nozzle_temperature"] == ["231"]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"printer_model": "H2D"}, "no machine preset for H2D"),
        ({"printer_model": "Homemade"}, "no machine preset for Homemade"),
        ({"filaments": (SliceFilament(0, "ASA"),)}, "no filament preset of ASA for Bambu Lab P1S 0.4 nozzle"),
        ({"filaments": ()}, "names no filament"),
    ],
)
def test_a_preset_that_is_missing_is_named(program: Path, change: dict[str, Any], words: str) -> None:
    with pytest.raises(PresetMissing, match=words) as refusal:
        BambuStudio().slice(replace(REQUEST, **change))
    assert (refusal.value.code, refusal.value.transient) == ("SLICE_005", False)
    assert not (program.parent / "seen.json").exists()


def test_a_preset_whose_parent_is_gone_is_passed_over_and_named(program: Path) -> None:
    with pytest.raises(PresetMissing, match="no machine preset for X1C") as refusal:
        BambuStudio().slice(replace(REQUEST, printer_model="X1C"))
    assert refusal.value.details["passed_over"] == [
        "The machine preset a parent that is gone, which Bambu Lab X1 Carbon 0.4 nozzle builds upon, was not found."
    ]


@pytest.mark.parametrize(
    ("mode", "error", "words"),
    [
        ("refuse:-50:No suitable objects.", CannotSlice, "nothing lies fully on the plate"),
        ("refuse:-999:A new trouble.", CannotSlice, "A new trouble."),
        ("refuse:-14:No memory.", SlicerCrashed, "ran out of memory"),
        ("nothing", CannotSlice, "wrote no package"),
        ("other printer", UnusablePackage, "sliced for another printer"),
    ],
)
def test_what_the_program_refuses_is_told_in_words(
    program: Path, mode: str, error: type[BLB3DError], words: str
) -> None:
    let(program, mode)
    with pytest.raises(error, match=words):
        BambuStudio().slice(REQUEST)


def test_the_program_knows_its_home_and_none_of_our_secrets(program: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SECRET_KEY", "DATABASE_URL", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "a secret")
    monkeypatch.setenv("XDG_CONFIG_HOME", "/somewhere")
    BambuStudio().slice(REQUEST)
    environment = seen(program)["environment"]
    assert "a secret" not in environment.values()
    assert (environment["PATH"], environment["XDG_CONFIG_HOME"]) == (os.environ["PATH"], "/somewhere")


def test_scripts_that_a_project_names_are_not_run_and_those_of_our_preset_are(
    program: Path, tmp_path: Path, settings: Any
) -> None:
    BambuStudio().slice(REQUEST)
    assert seen(program)["process"]["post_process"] == []
    settings.BAMBU_PRESETS_DIR = str(tmp_path / "own")
    ours = {"inherits": "0.12mm Fine @BBL P1S", "layer_height": "0.12", "post_process": ["our.sh"]}
    write_preset(tmp_path / "own", "process", "Ours", compatible_printers=["Bambu Lab P1S 0.4 nozzle"], **ours)
    BambuStudio().slice(REQUEST)
    assert seen(program)["process"]["post_process"] == ["our.sh"]


@pytest.mark.parametrize("name", ["Metadata/custom_gcode_per_layer.xml", "metadata/Custom_GCode_per_layer.xml"])
@pytest.mark.parametrize("kind", ['type="4"', 'type="9"', 'type=" 4"', ""])
def test_a_strangers_gcode_inside_of_a_project_is_not_sliced_along(program: Path, name: str, kind: str) -> None:
    row = f'<layer top_z="1" {kind} extra="M104 S400" gcode="M104 S400"/>'
    layers = f'<custom_gcodes_per_layer><plate><plate_info id="1"/>{row}</plate></custom_gcodes_per_layer>'
    source = package(model("", ""), others={name: layers.encode()})
    with pytest.raises(PersonMustUpload, match="G-code of its own"):
        BambuStudio().slice(replace(REQUEST, source=source))
    assert not (program.parent / "seen.json").exists()


def test_filaments_that_change_at_a_height_are_sliced(program: Path) -> None:
    row = '<layer top_z="1" type="2" extruder="2" color="#FF0000" extra="" gcode="tool_change"/>'
    layers = f'<custom_gcodes_per_layer><plate><plate_info id="1"/>{row}</plate></custom_gcodes_per_layer>'
    source = package(model("", ""), others={"Metadata/custom_gcode_per_layer.xml": layers.encode()})
    assert BambuStudio().slice(replace(REQUEST, source=source)).minutes == Decimal(60)


def test_a_refusal_keeps_the_programs_code_and_words(program: Path) -> None:
    let(program, "refuse:-101:Conflicts of gcode paths.")
    with pytest.raises(CannotSlice) as refusal:
        BambuStudio().slice(REQUEST)
    assert refusal.value.details == {"code": -101, "said": "Conflicts of gcode paths."}
    assert (refusal.value.code, refusal.value.transient) == ("SLICE_004", False)


@pytest.mark.skipif(os.name != "posix", reason="Windows tells an abort as an exit code")
def test_a_program_that_dies_may_be_tried_again(program: Path) -> None:
    let(program, "crash")
    with pytest.raises(SlicerCrashed, match="signal 6") as refusal:
        BambuStudio().slice(REQUEST)
    assert refusal.value.transient
    assert "about to fall" in refusal.value.details["said"]


def test_a_program_that_does_not_end_is_ended(program: Path, settings: Any) -> None:
    settings.SLICER_TIMEOUT_SECONDS = 2
    let(program, "hang")
    with pytest.raises(SlicerTooSlow) as refusal:
        BambuStudio().slice(REQUEST)
    assert (refusal.value.code, refusal.value.transient) == ("SLICE_006", False)


@pytest.mark.skipif(os.name != "posix", reason="Windows has no signal that stops a task")
def test_a_task_that_is_stopped_ends_the_program_with_it(program: Path) -> None:
    let(program, "hang")

    def stop(*_: object) -> None:
        raise TimeoutError("the task is stopped")

    before = signal.signal(signal.SIGUSR1, stop)
    threading.Timer(1.5, os.kill, (os.getpid(), signal.SIGUSR1)).start()
    try:
        with pytest.raises(TimeoutError):
            BambuStudio().slice(REQUEST)
    finally:
        signal.signal(signal.SIGUSR1, before)
    left = [" ".join(process.cmdline()) for process in psutil.Process().children(recursive=True)]
    assert not [command for command in left if str(program.parent) in command]


def test_a_program_that_takes_too_much_memory_is_ended(program: Path, settings: Any) -> None:
    settings.SLICER_MEMORY_MB = 300
    let(program, "grow")
    with pytest.raises(SlicerTooLarge, match="more than 300 MB") as refusal:
        BambuStudio().slice(REQUEST)
    assert (refusal.value.code, refusal.value.transient) == ("SLICE_008", False)


def test_a_plate_of_some_of_the_files_parts_is_left_to_a_person(program: Path) -> None:
    with pytest.raises(PersonMustUpload, match="lay it out"):
        BambuStudio().slice(replace(REQUEST, is_whole_file=False))
    assert not (program.parent / "seen.json").exists()


def test_a_program_that_is_not_there_is_said(program: Path, settings: Any, tmp_path: Path) -> None:
    settings.BAMBU_PROFILES_DIR = str(program.parent.parent / "resources" / "profiles")
    settings.BAMBU_CLI_PATH = str(tmp_path / "nowhere" / "bambu-studio")
    with pytest.raises(PartnerNotSetUp, match="cannot be run"):
        BambuStudio().slice(REQUEST)
    settings.BAMBU_PROFILES_DIR = ""
    with pytest.raises(PartnerNotSetUp, match="presets were not found"):
        BambuStudio().slice(REQUEST)
