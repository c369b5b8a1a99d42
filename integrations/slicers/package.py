"""Reading a sliced package (``.gcode.3mf``): what a printer will run, checked before anybody releases or sends it.

``Metadata/slice_info.config`` holds the plates, ``Metadata/plate_N.gcode`` what runs, ``plate_N.gcode.md5`` its digest
(upper-case hex, as the slicer writes it); see ``quotes.modelfiles.sliced`` for the fields.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from integrations.slicers.errors import UnusablePackage
from quotes.modelfiles.analysis import SlicedPlate
from quotes.modelfiles.errors import UnusableFile
from quotes.modelfiles.limits import DEFAULT_LIMITS, ReadLimits
from quotes.modelfiles.package import Package
from quotes.modelfiles.sliced import read_slice_info

#: The comment by which the built-in slicer's files are known; only simulated printers take them.
SIMULATED_MARK = b"; simulated slice"
#: What slicers write as ``printer_model_id``, by the name of the model.
PRINTER_MODEL_IDS = {
    "X1C": "BL-P001",
    "X1": "BL-P002",
    "X1E": "C13",
    "P1P": "C11",
    "P1S": "C12",
    "P2S": "N7",
    "A1": "N2S",
    "A1 MINI": "N1",
    "H2D": "O1D",
}


@dataclass(frozen=True)
class SlicedPackage:
    """A readable sliced package; ``is_simulated`` ones must never reach a real printer."""

    plates: tuple[SlicedPlate, ...]
    sliced_by: str
    sha256: str
    is_simulated: bool
    thumbnail_png: bytes

    def plate(self, index: int) -> SlicedPlate:
        """The plate with this number; raises ``UnusablePackage``."""
        for plate in self.plates:
            if plate.index == index:
                return plate
        raise UnusablePackage(f"It has no plate {index}.", details={"plates": [plate.index for plate in self.plates]})

    @property
    def minutes(self) -> Decimal:
        """Predicted minutes of all plates, to one place."""
        seconds = Decimal(sum(plate.prediction_seconds for plate in self.plates))
        return (seconds / 60).quantize(Decimal("0.1"), ROUND_HALF_UP)

    @property
    def grams(self) -> tuple[tuple[str, str, Decimal], ...]:
        """(material type, colour hex, grams) of every filament of every plate."""
        return tuple(
            (filament.material_type, filament.color_hex, filament.used_g)
            for plate in self.plates
            for filament in plate.filaments
        )


def printer_model_id(model: str) -> str:
    """The id that slicers write for a printer model's name ("Bambu Lab P1S", "P1S"), or "" when it is not known."""
    return PRINTER_MODEL_IDS.get(model.upper().removeprefix("BAMBU LAB").strip().replace("X1 CARBON", "X1C"), "")


def read_sliced_package(
    source: bytes | Path, *, printer_model: str = "", limits: ReadLimits = DEFAULT_LIMITS
) -> SlicedPackage:
    """Read and check a sliced package; raises ``UnusablePackage`` (SLICE_002) with the reason.

    Every plate must have G-code that matches its digest. With ``printer_model`` (a model's name) every plate that names
    a printer must have been sliced for that one.
    """
    data = source.read_bytes() if isinstance(source, Path) else source
    try:
        return _read(data, printer_model, limits)
    except UnusableFile as error:
        raise UnusablePackage(error.details["reason"], details={"kind": error.kind}) from error


def _read(data: bytes, printer_model: str, limits: ReadLimits) -> SlicedPackage:
    package = Package(data, limits)
    info = read_slice_info(package)
    if info is None:
        raise UnusablePackage("It was saved without slicing.")
    wanted = printer_model_id(printer_model)
    simulated = False
    for plate in info.plates:
        if not plate.gcode_path:
            raise UnusablePackage(f"Plate {plate.index} has no G-code.")
        gcode = package.read(plate.gcode_path)
        if not gcode.strip():
            raise UnusablePackage(f"Plate {plate.index} has no G-code.")
        # The digest guards the transfer to the printer, not against forgery.
        if plate.gcode_md5 and hashlib.md5(gcode, usedforsecurity=False).hexdigest() != plate.gcode_md5:
            raise UnusablePackage(f"The G-code of plate {plate.index} was changed after slicing.")
        if wanted and plate.printer_model_id and plate.printer_model_id != wanted:
            raise UnusablePackage(
                f"Plate {plate.index} was sliced for another printer.",
                details={"wanted": wanted, "found": plate.printer_model_id},
            )
        simulated = simulated or SIMULATED_MARK in gcode[:4096]
    picture = f"Metadata/plate_{info.plates[0].index}.png"
    return SlicedPackage(
        plates=info.plates,
        sliced_by=info.sliced_by,
        sha256=hashlib.sha256(data).hexdigest(),
        is_simulated=simulated,
        thumbnail_png=package.read(picture) if picture in package else b"",
    )
