"""A slicer for the demo and for tests: small, valid sliced packages that only simulated printers take.

Time and mass come from the built-in estimate of the real mesh; the G-code moves nothing.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import zipfile
from collections.abc import Sequence
from dataclasses import replace
from decimal import ROUND_HALF_UP, Decimal
from xml.sax.saxutils import quoteattr

from integrations.slicers.errors import UnusablePackage
from integrations.slicers.package import SIMULATED_MARK
from production.ports import SliceFilament, SliceRequest, SliceResult
from production.printer_models import printer_model_id
from quotes.estimators import CannotEstimate, GeometricEstimator
from quotes.estimators.profiles import MATERIALS, UNKNOWN_MATERIAL
from quotes.modelfiles import ModelAnalysis, UnusableFile, read_model
from quotes.ports import LAYER_HEIGHTS, EstimateSettings

SLICED_BY = "Simulated slicer"
#: Filament diameter in mm.
DIAMETER = Decimal("1.75")
DEFAULT_COLOR = "808080"
_MOST_LAYERS = 5_000

_CONTENT_TYPES = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types">'
    '<Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/>'
    '<Default Extension="model" ContentType="application/vnd.ms-package.3dmanufacturing-3dmodel+xml"/>'
    '<Default Extension="png" ContentType="image/png"/>'
    '<Default Extension="gcode" ContentType="text/x.gcode"/>'
    "</Types>"
)
_RELATIONS = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">'
    '<Relationship Target="/3D/3dmodel.model" Id="rel-1" '
    'Type="http://schemas.microsoft.com/3dmanufacturing/2013/01/3dmodel"/>'
    "</Relationships>"
)
#: A sliced package carries no mesh: printers read the G-code only.
_MODEL = (
    '<?xml version="1.0" encoding="UTF-8"?>\n'
    '<model unit="millimeter" xml:lang="en-US" xmlns="http://schemas.microsoft.com/3dmanufacturing/core/2015/02">'
    "<resources/><build/></model>"
)


class SimulatedSlicer:
    """Writes a sliced package whose numbers come from the mesh, or from the request when the mesh cannot be read."""

    def slice(self, request: SliceRequest) -> SliceResult:
        """Slice one plate; raises ``UnusablePackage`` when neither mesh nor estimates say what it takes."""
        warnings: list[str] = []
        picture, height = b"", Decimal(0)
        grams: Decimal | None
        minutes: Decimal | None
        try:
            analysis = read_model(request.source, file_name=request.file_name)
            grams, minutes = _from_mesh(analysis, request)
            picture, height = analysis.thumbnail_png, max(part.bbox_mm[2] for part in analysis.parts)
        except (UnusableFile, CannotEstimate) as error:
            grams, minutes = request.estimated_grams, request.estimated_minutes
            if grams is None or minutes is None:
                raise UnusablePackage(error.message) from error
            warnings.append(f"The numbers are the estimate's: {error.message}")
        filaments = _shared_out(request, grams)
        layers = max(1, min(_MOST_LAYERS, math.ceil(height / request.layer_height_mm)))
        seconds = int((minutes * 60).to_integral_value(ROUND_HALF_UP))
        return SliceResult(
            content=sliced_package(
                _gcode(request, filaments=filaments, seconds=seconds, layers=layers),
                filaments=filaments,
                seconds=seconds,
                model_id=printer_model_id(request.printer_model),
                version="simulated",
                picture=picture,
            ),
            file_name=f"{safe_stem(request.name)}.gcode.3mf",
            minutes=minutes,
            filaments=filaments,
            sliced_by=SLICED_BY,
            layers=layers,
            warnings=tuple(warnings),
        )


def _shared_out(request: SliceRequest, grams: Decimal) -> tuple[SliceFilament, ...]:
    """Spread the plate's grams over its filaments as the estimate does, to 0.01 g; what is left over is the last one's.

    Filaments that nobody estimated take equal parts.
    """
    asked = request.filaments or (SliceFilament(0, ""),)
    estimated = request.estimated_grams
    left, spread = grams, []
    for number, filament in enumerate(asked, start=1):
        share = filament.grams / estimated if estimated else Decimal(1) / len(asked)
        part = left if number == len(asked) else min(left, (grams * share).quantize(Decimal("0.01"), ROUND_HALF_UP))
        left -= part
        spread.append(replace(filament, color_hex=filament.color_hex or DEFAULT_COLOR, grams=part))
    return tuple(spread)


def _from_mesh(analysis: ModelAnalysis, request: SliceRequest) -> tuple[Decimal, Decimal]:
    """Grams and minutes of one plate with all copies on it; raises ``CannotEstimate``."""
    if not request.is_whole_file:
        raise CannotEstimate("Not every part of the file lies on this plate.")
    quality = min(LAYER_HEIGHTS, key=lambda name: abs(LAYER_HEIGHTS[name] - request.layer_height_mm))
    settings = EstimateSettings(
        material_type=request.main.material_type,
        quality=quality,
        infill_percent=request.infill_percent,
        supports=request.supports,
        several_filaments=len({(row.material_type, row.color_hex) for row in request.filaments}) > 1,
        quantity=request.copies,
    )
    plates = GeometricEstimator().estimate(analysis, settings).plates
    return (
        sum((plate.grams * plate.runs for plate in plates), Decimal(0)),
        sum((plate.minutes * plate.runs for plate in plates), Decimal(0)),
    )


def sliced_package(
    gcode: bytes, *, filaments: Sequence[SliceFilament], seconds: int, model_id: str, version: str, picture: bytes = b""
) -> bytes:
    """A sliced package of one plate without a mesh; ``version`` says who made the G-code."""
    info = _slice_info(filaments=filaments, seconds=seconds, model_id=model_id, version=version)
    members = {
        "[Content_Types].xml": _CONTENT_TYPES.encode(),
        "_rels/.rels": _RELATIONS.encode(),
        "3D/3dmodel.model": _MODEL.encode(),
        "Metadata/slice_info.config": info.encode(),
        "Metadata/plate_1.gcode": gcode,
        "Metadata/plate_1.gcode.md5": hashlib.md5(gcode, usedforsecurity=False).hexdigest().upper().encode(),
    }
    if picture:
        members["Metadata/plate_1.png"] = picture
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as target:
        for name, content in members.items():
            # A fixed time: the same request makes the same bytes, and so the same sha256.
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, content)
    return buffer.getvalue()


def _slice_info(*, filaments: Sequence[SliceFilament], seconds: int, model_id: str, version: str) -> str:
    weight = sum((filament.grams for filament in filaments), Decimal(0))
    # Slicers number filaments from 1.
    rows = "".join(
        f'    <filament id="{filament.position + 1}" type={quoteattr(filament.material_type)}'
        f" color={quoteattr('#' + filament.color_hex)}"
        f' used_m="{_metres(filament.grams, filament.material_type)}" used_g="{filament.grams:f}"/>\n'
        for filament in filaments
    )
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<config>\n  <header>\n'
        '    <header_item key="X-BBL-Client-Type" value="slicer"/>\n'
        f'    <header_item key="X-BBL-Client-Version" value={quoteattr(version)}/>\n  </header>\n  <plate>\n'
        '    <metadata key="index" value="1"/>\n'
        f'    <metadata key="printer_model_id" value={quoteattr(model_id)}/>\n'
        '    <metadata key="nozzle_diameters" value="0.4"/>\n'
        f'    <metadata key="prediction" value="{seconds}"/>\n'
        f'    <metadata key="weight" value="{weight:f}"/>\n'
        f"{rows}  </plate>\n</config>\n"
    )


def _gcode(request: SliceRequest, *, filaments: Sequence[SliceFilament], seconds: int, layers: int) -> bytes:
    weights = ",".join(f"{filament.grams:f}" for filament in filaments)
    lines = [
        "; HEADER_BLOCK_START",
        SIMULATED_MARK.decode(),
        f"; name: {safe_stem(request.name)}",
        f"; total estimated time: {seconds}s",
        f"; total layer number: {layers}",
        f"; total filament weight [g] : {weights}",
        f"; layer_height = {request.layer_height_mm}",
        "; HEADER_BLOCK_END",
    ]
    for layer in range(1, layers + 1):
        lines += ["; CHANGE_LAYER", f"; Z_HEIGHT: {layer * request.layer_height_mm}", f"M73 L{layer}"]
    lines += ["; EXECUTABLE_BLOCK_END", ""]
    return "\n".join(lines).encode("ascii")


def _metres(grams: Decimal, material_type: str) -> Decimal:
    density = Decimal(str(MATERIALS.get(material_type.upper(), UNKNOWN_MATERIAL).density))
    section = Decimal(str(math.pi)) * (DIAMETER / 2) ** 2
    return (grams / density * 1000 / section / 1000).quantize(Decimal("0.01"), ROUND_HALF_UP)


def safe_stem(name: str) -> str:
    """The name as a file name that any printer and file system takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:80] or "plate"
