"""Reading a sliced package (``.gcode.3mf``): what a printer will run, checked before anybody releases or sends it.

``Metadata/slice_info.config`` holds the plates, ``Metadata/plate_N.gcode`` what runs, ``plate_N.gcode.md5`` its digest
(upper-case hex, as the slicer writes it); see ``quotes.modelfiles.sliced`` for the fields.
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from pathlib import Path

from integrations.slicers.errors import UnusablePackage
from production.ports import SliceFilament
from production.printer_models import printer_model_id
from quotes.modelfiles.analysis import SlicedPlate
from quotes.modelfiles.errors import UnusableFile
from quotes.modelfiles.limits import DEFAULT_LIMITS, ReadLimits
from quotes.modelfiles.package import Package, parse_xml
from quotes.modelfiles.sliced import SLICE_INFO, read_slice_info

#: The comment by which the built-in slicer's files are known; only simulated printers take them.
SIMULATED_MARK = b"; simulated slice"
#: How Bambu Studio and Orca write the number of layers into the head of the G-code.
LAYERS = re.compile(rb"^; total layer number: (\d{1,6})\s*$", re.MULTILINE)
_HEAD_BYTES = 65_536


@dataclass(frozen=True)
class SlicedPackage:
    """A readable sliced package; ``is_simulated`` ones must never reach a real printer."""

    plates: tuple[SlicedPlate, ...]
    sliced_by: str
    sha256: str
    is_simulated: bool
    thumbnail_png: bytes
    layers: int = 0
    warnings: tuple[str, ...] = ()

    def plate(self, index: int) -> SlicedPlate:
        """The plate with this number; raises ``UnusablePackage``."""
        for plate in self.plates:
            if plate.index == index:
                return plate
        raise UnusablePackage(f"It has no plate {index}.", details={"plates": [plate.index for plate in self.plates]})

    @property
    def names_its_printer(self) -> bool:
        """True when every plate says for which printer model it was sliced, as the slicers of its maker do."""
        return all(plate.printer_model_id for plate in self.plates)

    @property
    def minutes(self) -> Decimal:
        """Predicted minutes of all plates, to one place."""
        seconds = Decimal(sum(plate.prediction_seconds for plate in self.plates))
        return (seconds / 60).quantize(Decimal("0.1"), ROUND_HALF_UP)

    @property
    def filaments(self) -> tuple[SliceFilament, ...]:
        """Every filament of every plate by its number in the file, its grams on all plates together."""
        rows: dict[int, SliceFilament] = {}
        for plate in self.plates:
            for used in plate.filaments:
                # Slicers number filaments from 1; one that was written without a number stands alone.
                position = max(used.id - 1, 0)
                before = rows[position].grams if position in rows else Decimal(0)
                rows[position] = SliceFilament(position, used.material_type, _rgb(used.color_hex), before + used.used_g)
        return tuple(rows[position] for position in sorted(rows))


def _warnings(package: Package) -> tuple[str, ...]:
    """What the slicer noticed: ``<warning msg="bed_temperature_too_high_than_filament" .../>`` in words, each once."""
    root = parse_xml(package.read(SLICE_INFO), SLICE_INFO)
    said = (node.get("msg", "").replace("_", " ").strip() for node in root.iter("warning"))
    return tuple(dict.fromkeys(words[:1].upper() + words[1:200] for words in said if words))


def _rgb(color: str) -> str:
    """``#RRGGBB`` or ``#RRGGBBAA`` as RRGGBB; what is no colour as nothing."""
    found = re.fullmatch(r"#?([0-9A-F]{6})([0-9A-F]{2})?", color.strip().upper())
    return found[1] if found else ""


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
    simulated, layers = False, 0
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
        counted = LAYERS.search(gcode[:_HEAD_BYTES])
        layers += int(counted[1]) if counted else 0
    picture = f"Metadata/plate_{info.plates[0].index}.png"
    return SlicedPackage(
        plates=info.plates,
        sliced_by=info.sliced_by,
        sha256=hashlib.sha256(data).hexdigest(),
        is_simulated=simulated,
        thumbnail_png=package.read(picture) if picture in package else b"",
        layers=layers,
        warnings=_warnings(package),
    )
