"""One run of ``prusa-slicer``: meshes in, G-code out, within a time limit.

The slicer gets a binary STL that we wrote ourselves, never the customer's file, in a folder of its own that is gone
afterwards. Its numbers come from the comments at the end of the G-code: ``; filament used [mm] = 512.30`` and
``; estimated printing time (normal mode) = 1h 2m 3s``.
"""

from __future__ import annotations

import math
import re
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from django.conf import settings as django_settings

from integrations.errors import PartnerNotSetUp
from integrations.slicers.errors import CannotSlice, SlicerCrashed
from integrations.slicers.program import Ended, run_program
from integrations.slicers.prusaslicer.profile import FILAMENT_DIAMETER, PrintSettings, profile_ini
from quotes.estimators.profiles import PrinterProfile
from quotes.modelfiles.geometry import Faces, Vertices

SECONDS = 180
#: More triangles than this (some 500 bytes of memory each) are not worth a slice.
MOST_TRIANGLES = 1_000_000
FILAMENT_SECTION = math.pi * (FILAMENT_DIAMETER / 2) ** 2
_TRIANGLE = np.dtype([("normal", "<3f4"), ("corners", "<9f4"), ("attribute", "<u2")])
_COMMENT = re.compile(r"^; ([a-z][^=]*?) = (.*)$", re.MULTILINE)
_TIME = re.compile(r"(\d+)([dhms])")
_UNITS = {"d": 86_400, "h": 3_600, "m": 60, "s": 1}
#: The summary stands in front of the copied settings, which are some 20 kB.
_TAIL_BYTES = 64 * 1024


@dataclass(frozen=True)
class Slice:
    """What a slice takes: mm3 of filament, of it the grams, and seconds of printing alone."""

    extruded_mm3: float
    grams: float
    seconds: float
    gcode: bytes = b""


@dataclass(frozen=True)
class Mesh:
    """A closed mesh to slice (mm) and where its middle stands on the bed; None: in the bed's middle."""

    vertices: Vertices
    faces: Faces
    at: tuple[float, float] | None = None


class PrusaSlicerCommand:
    """The program at ``path`` (default: ``PRUSASLICER_PATH``)."""

    def __init__(self, path: str = "", *, seconds: float = SECONDS) -> None:
        self._path = path or django_settings.PRUSASLICER_PATH
        self._seconds = seconds

    @property
    def program(self) -> str:
        """The program's full path; raises ``PartnerNotSetUp``."""
        found = shutil.which(self._path)
        if found is None:
            raise PartnerNotSetUp("PrusaSlicer is not installed.", details={"program": self._path})
        return found

    def version(self) -> str:
        """The slicer's name and version as it writes them; raises ``PartnerNotSetUp``."""
        with tempfile.TemporaryDirectory(prefix="slice-", ignore_cleanup_errors=True) as folder:
            said = run_program([self.program, "--save", "defaults.ini"], folder=Path(folder), seconds=self._seconds)
            saved = Path(folder) / "defaults.ini"
            text = saved.read_text("utf-8") if saved.exists() else said.said
        found = re.search(r"PrusaSlicer[- ][\d.]+", text)
        return found.group().replace(" ", "-") if found else "PrusaSlicer"

    def slice(self, meshes: Sequence[Mesh], settings: PrintSettings, *, keep_gcode: bool = False) -> Slice:
        """Slice one plate.

        Raises:
            PartnerNotSetUp: the program is missing.
            CannotSlice: it refuses the model; ``details`` holds what it said.
            SlicerTooSlow, SlicerCrashed: it did not end by itself.
        """
        triangles = sum(len(mesh.faces) for mesh in meshes)
        if triangles > MOST_TRIANGLES:
            raise CannotSlice(f"The model has {triangles:,} triangles, too many to slice.")
        with tempfile.TemporaryDirectory(prefix="slice-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            target = folder / "plate.gcode"
            (folder / "plate.stl").write_bytes(_stl(meshes, PrinterProfile()))
            (folder / "profile.ini").write_text(profile_ini(settings), "utf-8")
            command = [self.program, "--load", "profile.ini", "--dont-arrange", "--loglevel", "1", "--datadir", name]
            ended = run_program(
                [*command, "--export-gcode", "--output", target.name, "plate.stl"],
                folder=folder,
                seconds=self._seconds,
            )
            _check(ended, target)
            gcode = target.read_bytes()
        return _numbers(gcode, keep_gcode=keep_gcode)


def _check(ended: Ended, target: Path) -> None:
    details = {"said": ended.said[-500:]}
    if ended.killed_by:
        raise SlicerCrashed(details=details)
    if ended.code or not target.exists():
        raise CannotSlice(details=details)


def _stl(meshes: Sequence[Mesh], printer: PrinterProfile) -> bytes:
    """All meshes of the plate as one binary STL, each on the bed at its place."""
    blocks = []
    for mesh in meshes:
        low, high = mesh.vertices.min(axis=0), mesh.vertices.max(axis=0)
        x, y = mesh.at or (printer.bed[0] / 2, printer.bed[1] / 2)
        place = np.array([x - (low[0] + high[0]) / 2, y - (low[1] + high[1]) / 2, -low[2]])
        rows = np.zeros(len(mesh.faces), dtype=_TRIANGLE)
        rows["corners"] = (mesh.vertices + place)[mesh.faces].reshape(-1, 9)
        blocks.append(rows)
    plate = np.concatenate(blocks)
    return bytes(80) + len(plate).to_bytes(4, "little") + plate.tobytes()


def _numbers(gcode: bytes, *, keep_gcode: bool) -> Slice:
    comments = dict(_COMMENT.findall(gcode[-_TAIL_BYTES:].decode("utf-8", "replace")))
    try:
        extruded = float(comments["filament used [mm]"]) * FILAMENT_SECTION
        grams = float(comments["filament used [g]"])
        time = comments["estimated printing time (normal mode)"]
    except (KeyError, ValueError) as error:
        raise CannotSlice("The slicer's G-code does not say what it takes.") from error
    seconds = float(sum(int(number) * _UNITS[unit] for number, unit in _TIME.findall(time)))
    return Slice(extruded, grams, seconds, gcode if keep_gcode else b"")
