"""A slicer for the demo and for tests: small, valid sliced packages that only simulated printers take.

Time and mass come from the built-in estimate of the real mesh; the G-code moves nothing.
"""

from __future__ import annotations

import hashlib
import io
import math
import re
import zipfile
from decimal import ROUND_HALF_UP, Decimal
from xml.sax.saxutils import quoteattr

from integrations.slicers.errors import UnusablePackage
from integrations.slicers.package import SIMULATED_MARK, printer_model_id
from production.ports import SliceRequest, SliceResult
from quotes.estimators import CannotEstimate, GeometricEstimator
from quotes.estimators.profiles import MATERIALS, UNKNOWN_MATERIAL
from quotes.modelfiles import ModelAnalysis, UnusableFile, read_model
from quotes.ports import LAYER_HEIGHTS, EstimateSettings

SLICED_BY = "Simulated slicer"
#: Filament diameter in mm.
DIAMETER = Decimal("1.75")
DEFAULT_COLOR = "#808080"
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
        try:
            analysis = read_model(request.source, file_name=request.file_name)
            grams, minutes = _from_mesh(analysis, request)
            picture, height = analysis.thumbnail_png, max(part.bbox_mm[2] for part in analysis.parts)
        except (UnusableFile, CannotEstimate) as error:
            if request.estimated_grams is None or request.estimated_minutes is None:
                raise UnusablePackage(error.message) from error
            grams, minutes = request.estimated_grams, request.estimated_minutes
            warnings.append(f"The numbers are the estimate's: {error.message}")
        color = request.color_hex or DEFAULT_COLOR
        layers = max(1, min(_MOST_LAYERS, math.ceil(height / request.layer_height_mm)))
        seconds = int((minutes * 60).to_integral_value(ROUND_HALF_UP))
        return SliceResult(
            content=_package(request, grams=grams, seconds=seconds, color=color, layers=layers, picture=picture),
            file_name=f"{_safe_stem(request.name)}.gcode.3mf",
            minutes=minutes,
            grams=((request.material_type, color, grams),),
            sliced_by=SLICED_BY,
            warnings=tuple(warnings),
        )


def _from_mesh(analysis: ModelAnalysis, request: SliceRequest) -> tuple[Decimal, Decimal]:
    """Grams and minutes of one plate with all copies on it."""
    quality = min(LAYER_HEIGHTS, key=lambda name: abs(LAYER_HEIGHTS[name] - request.layer_height_mm))
    settings = EstimateSettings(
        material_type=request.material_type,
        quality=quality,
        infill_percent=request.infill_percent,
        quantity=request.copies,
    )
    plates = GeometricEstimator().estimate(analysis, settings).plates
    return (
        sum((plate.grams * plate.runs for plate in plates), Decimal(0)),
        sum((plate.minutes * plate.runs for plate in plates), Decimal(0)),
    )


def _package(request: SliceRequest, *, grams: Decimal, seconds: int, color: str, layers: int, picture: bytes) -> bytes:
    gcode = _gcode(request, grams=grams, seconds=seconds, layers=layers)
    members = {
        "[Content_Types].xml": _CONTENT_TYPES.encode(),
        "_rels/.rels": _RELATIONS.encode(),
        "3D/3dmodel.model": _MODEL.encode(),
        "Metadata/slice_info.config": _slice_info(request, grams=grams, seconds=seconds, color=color).encode(),
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


def _slice_info(request: SliceRequest, *, grams: Decimal, seconds: int, color: str) -> str:
    model = printer_model_id(request.printer_model)
    return (
        '<?xml version="1.0" encoding="UTF-8"?>\n<config>\n  <header>\n'
        '    <header_item key="X-BBL-Client-Type" value="slicer"/>\n'
        '    <header_item key="X-BBL-Client-Version" value="simulated"/>\n  </header>\n  <plate>\n'
        '    <metadata key="index" value="1"/>\n'
        f'    <metadata key="printer_model_id" value={quoteattr(model)}/>\n'
        '    <metadata key="nozzle_diameters" value="0.4"/>\n'
        f'    <metadata key="prediction" value="{seconds}"/>\n'
        f'    <metadata key="weight" value="{grams:f}"/>\n'
        f'    <filament id="1" type={quoteattr(request.material_type)} color={quoteattr(color)}'
        f' used_m="{_metres(grams, request.material_type)}" used_g="{grams:f}"/>\n'
        "  </plate>\n</config>\n"
    )


def _gcode(request: SliceRequest, *, grams: Decimal, seconds: int, layers: int) -> bytes:
    lines = [
        "; HEADER_BLOCK_START",
        SIMULATED_MARK.decode(),
        f"; name: {_safe_stem(request.name)}",
        f"; total estimated time: {seconds}s",
        f"; total layer number: {layers}",
        f"; total filament weight [g] : {grams:f}",
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


def _safe_stem(name: str) -> str:
    """The name as a file name that any printer and file system takes."""
    return re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.")[:80] or "plate"
