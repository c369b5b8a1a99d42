"""Bambu Studio or Orca on the command line: a model in, a sliced package out.

    bambu-studio --slice 0 --load-settings "machine.json;process.json" --load-filaments "0.json;1.json"
        --outputdir . --export-3mf out.gcode.3mf in.3mf

The presets are the program's own, flattened, with what the plate asks for written into them. The result is the package
and ``result.json`` beside it, with ``return_code`` and ``error_string``; the codes are those of the program's
``Utils.hpp`` (``CLI_SUCCESS`` 0 and below). What the package says is what counts: it is read and checked.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path, PurePosixPath
from typing import Any

from django.conf import settings

from integrations.errors import PartnerNotSetUp
from integrations.slicers.errors import CannotSlice, PersonMustUpload, PresetMissing, SlicerCrashed
from integrations.slicers.package import read_sliced_package
from integrations.slicers.presets import PresetLibrary
from integrations.slicers.program import Ended, run_program
from integrations.slicers.simulated import safe_stem
from production.ports import SliceFilament, SliceRequest, SliceResult
from quotes.modelfiles.errors import UnusableFile
from quotes.modelfiles.layers import LAYER_SETTINGS, read_layer_settings
from quotes.modelfiles.package import Package

OUTPUT = "out.gcode.3mf"
#: What only a slicer's project has: its parts lie where somebody put them.
_PROJECT = "Metadata/model_settings.config"
#: Where the program keeps its presets, seen from the folder that it lies in: Windows, Linux, macOS.
_PROFILE_FOLDERS = ("resources/profiles", "../resources/profiles", "../Resources/profiles", "resources", "../resources")
_MAKER = "BBL"
#: What a person can do about a code of the program; the others are told in its own words.
_REASONS = {
    -5: "a preset cannot be read",
    -6: "the model cannot be read",
    -16: "the project is not made for this printer",
    -17: "the process preset is not made for this printer",
    -18: "the project holds values that are not allowed",
    -20: "the project's bed is larger than the printer's",
    -21: "the parts do not fit on the plate",
    -23: "the project changes the printer's own limits",
    -24: "the project was written by a newer version",
    -25: "the project uses what this version does not know",
    -50: "nothing lies fully on the plate",
    -51: "the settings contradict each other",
    -52: "a part reaches beyond the plate",
    -58: "slicing takes too long",
    -59: "the model has too many triangles",
    -61: "the filament does not go with the plate",
    -62: "the filaments need different temperatures",
    -100: "slicing failed",
    -101: "paths of the G-code collide",
}
_OUT_OF_MEMORY = -14
#: A project may name programs to run on its G-code. What we load goes before it, so that a stranger's are not run where
#: the slicer would; a preset of the farm's own may name some.
_NO_SCRIPTS: dict[str, Any] = {"post_process": []}


class BambuStudio:
    """Slices with the program at ``BAMBU_CLI_PATH``, in a folder that is gone afterwards."""

    def slice(self, request: SliceRequest) -> SliceResult:
        """Slice one plate.

        Raises:
            PartnerNotSetUp: the program or its presets are not where the settings say.
            PresetMissing: there is none for the printer model, the layer height or a material.
            CannotSlice: the program refuses the model or the settings; ``details`` holds what it said.
            SlicerTooSlow, SlicerTooLarge, SlicerCrashed: it did not end by itself.
            UnusablePackage: its result is for another printer or holds no G-code.
            PersonMustUpload: only some of the file's parts are wanted, or in other numbers, or it brings G-code along.
        """
        if not request.is_whole_file:
            raise PersonMustUpload("Not every part of the file is wanted on this plate: a person must lay it out.")
        with tempfile.TemporaryDirectory(prefix="slice-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            command = self._command(request, folder)
            ended = run_program(command, folder=folder, seconds=settings.SLICER_TIMEOUT_SECONDS)
            _check(ended, _answer(folder))
            if not (folder / OUTPUT).is_file():
                raise CannotSlice("The slicer wrote no package.", details={"said": ended.said[-500:]})
            content = (folder / OUTPUT).read_bytes()
        package = read_sliced_package(content, printer_model=request.printer_model)
        return SliceResult(
            content=content,
            file_name=f"{safe_stem(request.name)}.gcode.3mf",
            minutes=package.minutes,
            filaments=package.filaments,
            sliced_by=f"Bambu Studio, {package.sliced_by}",
            layers=package.layers,
            warnings=package.warnings,
        )

    def _command(self, request: SliceRequest, folder: Path) -> list[str]:
        """Write the model and the presets into ``folder`` and return what is run there."""
        program = Path(settings.BAMBU_CLI_PATH)
        own = settings.BAMBU_PRESETS_DIR
        library = PresetLibrary(_profiles(program), Path(own) if own else None)
        machine = library.machine(request.printer_model)
        process = library.process(machine, layer_height_mm=request.layer_height_mm)
        _write(folder / "machine.json", machine.values)
        _write(folder / "process.json", _NO_SCRIPTS | process.values | _wishes(request))
        filaments = []
        for filament in _every_slot(request):
            preset = library.filament(machine, material_type=filament.material_type)
            file = folder / f"filament_{filament.position}.json"
            _write(file, preset.values | _color(filament))
            filaments.append(file.name)
        model = folder / f"in{''.join(PurePosixPath(request.file_name.lower()).suffixes[-1:])}"
        model.write_bytes(request.source)
        return [
            str(program),
            *_placing(request, model),
            "--load-settings",
            "machine.json;process.json",
            "--load-filaments",
            ";".join(filaments),
            "--outputdir",
            str(folder),
            "--export-3mf",
            OUTPUT,
            model.name,
        ]


def _profiles(program: Path) -> Path:
    """Return the folder of the program's presets for Bambu Lab's printers; raises ``PartnerNotSetUp``."""
    given = settings.BAMBU_PROFILES_DIR
    folders = [Path(given)] if given else [program.parent / folder for folder in _PROFILE_FOLDERS]
    for folder in folders:
        for found in (folder / _MAKER, folder):
            if (found / "machine").is_dir():
                return found
    raise PartnerNotSetUp(
        "The slicer's own presets were not found: set BAMBU_CLI_PATH or BAMBU_PROFILES_DIR.",
        details={"looked_in": [str(folder) for folder in folders]},
    )


def _wishes(request: SliceRequest) -> dict[str, Any]:
    """What the plate asks of the process, in the program's own keys."""
    return {
        "layer_height": f"{request.layer_height_mm:f}",
        "sparse_infill_density": f"{request.infill_percent}%",
        "enable_support": "1" if request.supports else "0",
    }


def _every_slot(request: SliceRequest) -> list[SliceFilament]:
    """Return a filament for every number up to the highest: the program fills its slots without gaps."""
    by_number = {filament.position: filament for filament in request.filaments}
    if not by_number:
        raise PresetMissing("The plate names no filament.", details={"name": request.name})
    return [
        by_number.get(number) or SliceFilament(number, request.main.material_type, request.main.color_hex)
        for number in range(max(by_number) + 1)
    ]


def _color(filament: SliceFilament) -> dict[str, Any]:
    """The colour by which the result's filaments are told apart."""
    return {"filament_colour": [f"#{filament.color_hex}"]} if filament.color_hex else {}


def _placing(request: SliceRequest, model: Path) -> list[str]:
    """Return how the plate is filled: a project lies as it is, everything else is arranged."""
    # Asked first: whatever follows, a project with G-code of its own goes no further.
    is_project = model.suffix == ".3mf" and _is_project(request.source)
    if request.copies == 1:
        return ["--slice", "0", "--arrange", "0" if is_project else "1"]
    # Loose meshes are cloned by object, a 3MF is repeated as a whole, which the program does for one plate only.
    if model.suffix == ".3mf":
        return ["--slice", "1", "--arrange", "1", "--repetitions", str(request.copies)]
    return ["--slice", "0", "--arrange", "1", "--clone-objects", str(request.copies)]


def _is_project(source: bytes) -> bool:
    """Tell whether a package is a slicer's project; raises ``PersonMustUpload`` for one with G-code of its own."""
    try:
        package = Package(source)
        names = [name for name in package.names if name.lower() == LAYER_SETTINGS.lower()]
        if names not in ([], [LAYER_SETTINGS]) or read_layer_settings(package, 0).has_gcode:
            raise PersonMustUpload("The project holds G-code of its own, which is never printed: slice it without.")
        return _PROJECT in package
    except UnusableFile as error:
        raise CannotSlice(f"The model cannot be read: {error.message}") from error


def _answer(folder: Path) -> dict[str, Any]:
    """Return what the program wrote down of its run, nothing where it did not come so far."""
    try:
        answer = json.loads((folder / "result.json").read_text("utf-8"))
    except (OSError, ValueError):
        return {}
    return answer if isinstance(answer, dict) else {}


def _check(ended: Ended, answer: dict[str, Any]) -> None:
    """Raise what the program's end means, if it is not success."""
    code = answer.get("return_code", ended.code)
    code = code if isinstance(code, int) else ended.code
    words = str(answer.get("error_string") or "")[:300]
    details = {"code": code, "said": words or ended.said[-500:]}
    if ended.killed_by:
        raise SlicerCrashed(f"The slicer was ended by signal {ended.killed_by}.", details=details)
    if code == _OUT_OF_MEMORY:
        raise SlicerCrashed("The slicer ran out of memory.", details=details)
    if code:
        reason = _REASONS.get(code) or words or f"code {code}"
        raise CannotSlice(f"The slicer refuses this plate: {reason}.", details=details)


def _write(file: Path, values: dict[str, Any]) -> None:
    file.write_text(json.dumps(values, ensure_ascii=False), "utf-8")
