"""A program that keeps to Bambu Studio's command line, and a small tree of presets as it comes with.

Run as a script it is the program: it takes the options that we use and no others, insists on whole presets, and writes
a sliced package and ``result.json``. What it does instead is said by the file ``mode`` beside it.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
import time
import zipfile
from pathlib import Path
from typing import Any
from xml.sax.saxutils import quoteattr

MACHINE_IDS = {"Bambu Lab P1S": "C12", "Bambu Lab A1": "N2S"}
PROGRAM = Path(__file__)


def install(folder: Path) -> Path:
    """Put the program and its presets below ``folder``; return the path that is run."""
    binaries, profiles = folder / "bin", folder / "resources" / "profiles" / "BBL"
    binaries.mkdir(parents=True)
    script = binaries / "studio.py"
    script.write_bytes(PROGRAM.read_bytes())
    if os.name == "nt":
        program = binaries / "bambu-studio.cmd"
        program.write_text(f'@"{sys.executable}" "{script}" %*\n', "utf-8")
    else:
        program = binaries / "bambu-studio"
        program.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{script}" "$@"\n', "utf-8")
        program.chmod(0o755)
    for kind, presets in PRESETS.items():
        for name, values in presets.items():
            write_preset(profiles, kind, name, **values)
    return program


def write_preset(folder: Path, kind: str, name: str, **values: Any) -> None:
    """Write one preset file of a kind below ``folder``."""
    file = folder / kind / f"{name}.json"
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(json.dumps({"type": kind, "name": name, "from": "system", **values}), "utf-8")


def _machine(model: str) -> dict[str, Any]:
    return {"inherits": "fdm_machine", "printer_model": model, "nozzle_diameter": ["0.4"], "instantiation": "true"}


def _made_for(parent: str, *models: str, **values: Any) -> dict[str, Any]:
    return {"inherits": parent, "compatible_printers": [f"{model} 0.4 nozzle" for model in models], **values}


PRESETS: dict[str, dict[str, dict[str, Any]]] = {
    "machine": {
        "fdm_machine": {"printable_area": ["0x0", "256x0", "256x256", "0x256"], "machine_start_gcode": "G28"},
        "Bambu Lab P1S 0.4 nozzle": _machine("Bambu Lab P1S"),
        "Bambu Lab P1S 0.6 nozzle": {**_machine("Bambu Lab P1S"), "nozzle_diameter": ["0.6"]},
        "Bambu Lab A1 0.4 nozzle": _machine("Bambu Lab A1"),
        "Bambu Lab X1 Carbon 0.4 nozzle": {**_machine("Bambu Lab X1 Carbon"), "inherits": "a parent that is gone"},
    },
    "process": {
        "fdm_process": {"wall_loops": "2", "sparse_infill_density": "15%"},
        "0.12mm Fine @BBL P1S": _made_for("fdm_process", "Bambu Lab P1S", layer_height="0.12"),
        "0.20mm Standard @BBL P1S": _made_for("fdm_process", "Bambu Lab P1S", layer_height="0.2"),
        "0.20mm Strength @BBL P1S": _made_for("fdm_process", "Bambu Lab P1S", layer_height="0.2", wall_loops="6"),
        "0.20mm Standard @BBL A1": _made_for("fdm_process", "Bambu Lab A1", layer_height="0.2"),
    },
    "filament": {
        "fdm_filament_pla": {"filament_type": ["PLA"], "nozzle_temperature": ["220"]},
        "Generic PLA": _made_for("fdm_filament_pla", "Bambu Lab P1S"),
        "Generic PLA @BBL A1": _made_for("fdm_filament_pla", "Bambu Lab A1", nozzle_temperature=["215"]),
        "Generic PLA-CF": _made_for("fdm_filament_pla", "Bambu Lab P1S", filament_type=["PLA-CF"]),
        "Generic PETG": _made_for("fdm_filament_pla", "Bambu Lab P1S", filament_type=["PETG"]),
    },
}


def main() -> int:
    here = Path(__file__).parent
    mode = (here / "mode").read_text("utf-8") if (here / "mode").exists() else ""
    parser = argparse.ArgumentParser(allow_abbrev=False)
    parser.add_argument("--slice", type=int, required=True)
    parser.add_argument("--arrange", type=int, choices=[0, 1])
    parser.add_argument("--repetitions", type=int, default=1)
    parser.add_argument("--clone-objects", default="1")
    parser.add_argument("--load-settings", required=True)
    parser.add_argument("--load-filaments", required=True)
    parser.add_argument("--outputdir", type=Path, required=True)
    parser.add_argument("--export-3mf", required=True)
    parser.add_argument("model", type=Path)
    given = parser.parse_args()
    machine, process = (_whole(name) for name in given.load_settings.split(";"))
    filaments = [_whole(name) for name in given.load_filaments.split(";")]
    seen = {"arguments": sys.argv[1:], "machine": machine, "process": process, "filaments": filaments}
    seen["environment"] = dict(os.environ)
    (here / "seen.json").write_text(json.dumps(seen), "utf-8")
    if mode == "hang":
        time.sleep(600)
    if mode == "grow":
        held = bytearray(600 * 1024 * 1024)
        held[::4096] = b"x" * len(held[::4096])
        time.sleep(600)
    if mode == "crash":
        os.write(1, b"about to fall\n")
        os.abort()
    code, words = 0, "Success."
    if mode.startswith("refuse"):
        code, words = int(mode.split(":")[1]), mode.split(":")[2]
    elif machine["name"] not in process["compatible_printers"]:
        code, words = -17, "The process is not compatible with the printer."
    elif not given.model.stat().st_size:
        code, words = -6, "The input file is empty."
    result = {"error_string": words, "export_time": 3, "plate_index": 0, "prepare_time": 2, "return_code": code}
    (given.outputdir / "result.json").write_text(json.dumps(result), "utf-8")
    if not code and mode != "nothing":
        model = "Bambu Lab A1" if mode == "other printer" else machine["printer_model"]
        _package(given.outputdir / given.export_3mf, model, filaments, copies=given.repetitions)
    return code & 0xFF if os.name == "posix" else code


def _whole(name: str) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(Path(name).read_text("utf-8"))
    needed = {
        "machine": "machine_start_gcode",
        "process": "wall_loops",
        "filament": "nozzle_temperature",
    }[values["type"]]
    if needed not in values:
        raise SystemExit(251)  # -5
    return values


def _package(file: Path, model: str, filaments: list[dict[str, Any]], *, copies: int) -> None:
    rows = "".join(
        f'<filament id="{number}" type={quoteattr(values["filament_type"][0])}'
        f" color={quoteattr(values.get('filament_colour', ['#F2754E'])[0])}"
        f' used_m="4.00" used_g="{12.5 * copies / number}"/>'
        for number, values in enumerate(filaments, start=1)
    )
    gcode = b"; HEADER_BLOCK_START\n; total layer number: 150\n; HEADER_BLOCK_END\nG28\nG1 X1 Y1 E1\n"
    info = (
        '<?xml version="1.0" encoding="UTF-8"?><config><header>'
        '<header_item key="X-BBL-Client-Type" value="slicer"/>'
        '<header_item key="X-BBL-Client-Version" value="02.00.01.50"/></header><plate>'
        f'<metadata key="index" value="1"/><metadata key="printer_model_id" value="{MACHINE_IDS[model]}"/>'
        f'<metadata key="nozzle_diameters" value="0.4"/><metadata key="prediction" value="{3600 * copies}"/>'
        f'<metadata key="weight" value="{12.5 * copies}"/>{rows}'
        '<warning msg="bed_temperature_too_high_than_filament" level="1" error_code="1000C001"/>'
        "</plate></config>"
    )
    with zipfile.ZipFile(file, "w") as package:
        package.writestr("[Content_Types].xml", '<?xml version="1.0"?><Types/>')
        package.writestr("Metadata/slice_info.config", info)
        package.writestr("Metadata/plate_1.gcode", gcode)
        digest = hashlib.md5(gcode, usedforsecurity=False).hexdigest().upper()
        package.writestr("Metadata/plate_1.gcode.md5", digest)


if __name__ == "__main__":
    sys.exit(main())
