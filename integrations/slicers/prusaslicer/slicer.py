"""PrusaSlicer as ``SLICER_BACKEND``: G-code in the Marlin dialect for a generic machine, never for a printer by name.

The package names no printer model and says in its first line what it is, so that staff who review it before release see
that its start and end are not those of their machine.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np

from integrations.slicers.errors import CannotSlice, PersonMustUpload
from integrations.slicers.package import read_sliced_package
from integrations.slicers.prusaslicer.profile import PrintSettings
from integrations.slicers.prusaslicer.runner import Mesh, PrusaSlicerCommand
from integrations.slicers.simulated import safe_stem, sliced_package
from production.ports import SliceRequest, SliceResult
from quotes.estimators.profiles import PrinterProfile
from quotes.modelfiles import UnusableFile
from quotes.modelfiles.reader import read_scene
from quotes.modelfiles.scene import Scene

GENERIC_MARK = "; generic machine, Marlin G-code: check its start and end before a printer runs it"
_GAP = 5.0


class PrusaSlicer:
    """Slices with the program at ``PRUSASLICER_PATH``."""

    def __init__(self, command: PrusaSlicerCommand | None = None) -> None:
        self._command = command or PrusaSlicerCommand()

    def slice(self, request: SliceRequest) -> SliceResult:
        """Slice one plate.

        Raises:
            PartnerNotSetUp: the program is not where the setting says.
            CannotSlice: it refuses the model, or the pieces do not fit its bed.
            PersonMustUpload: only some of the file's parts are wanted, or several filaments.
            SlicerTooSlow, SlicerCrashed: it did not end by itself.
        """
        if not request.is_whole_file:
            raise PersonMustUpload("Not every part of the file is wanted on this plate: a person must lay it out.")
        if len({(filament.material_type, filament.color_hex) for filament in request.filaments}) > 1:
            raise PersonMustUpload("PrusaSlicer is set up for one filament: a person must slice this plate.")
        try:
            scene = read_scene(request.source, file_name=request.file_name)
        except UnusableFile as error:
            raise CannotSlice(f"The model cannot be read: {error.message}") from error
        settings = PrintSettings(
            material_type=request.main.material_type or "PLA",
            layer_height=float(request.layer_height_mm),
            infill_percent=request.infill_percent,
            supports=request.supports,
            for_printing=True,
        )
        made = self._command.slice(_placed(scene, request.copies), settings, keep_gcode=True)
        version = self._command.version()
        filament = replace(request.main, position=0, grams=Decimal(str(round(made.grams, 2))))
        gcode = f"{GENERIC_MARK}\n".encode() + made.gcode
        content = sliced_package(
            gcode, filaments=[filament], seconds=round(made.seconds), model_id="", version=f"{version}, generic machine"
        )
        package = read_sliced_package(content)
        return SliceResult(
            content=content,
            file_name=f"{safe_stem(request.name)}.gcode.3mf",
            minutes=package.minutes,
            filaments=(filament,),
            sliced_by=f"{version}, generic machine",
            layers=gcode.count(b";LAYER_CHANGE"),
            warnings=(
                "The G-code is for a generic machine: check its start and end before the release.",
                *package.warnings,
            ),
        )


def _placed(scene: Scene, copies: int) -> list[Mesh]:
    """Every piece of every copy at its place on the bed: rows, as the estimate packs them."""
    bed = PrinterProfile().bed
    shapes = [piece.shape for piece in scene.pieces] * copies
    sizes = [np.ptp(shape.vertices, axis=0) for shape in shapes]
    meshes: list[Mesh] = []
    x = y = deep = 0.0
    for index in sorted(range(len(shapes)), key=lambda index: -sizes[index][1]):
        width, depth, height = sizes[index]
        if x and x + width > bed[0]:
            x, y, deep = 0.0, y + deep + _GAP, 0.0
        if x + width > bed[0] or y + depth > bed[1] or height > bed[2]:
            raise CannotSlice("The pieces do not fit one bed.")
        meshes.append(Mesh(shapes[index].vertices, shapes[index].faces, (x + width / 2, y + depth / 2)))
        x += width + _GAP
        deep = max(deep, depth)
    return meshes
