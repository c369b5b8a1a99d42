"""The slicer's own numbers in a sliced package (``Metadata/slice_info.config``, as Bambu Studio and Orca write it).

One ``<plate>`` per sliced plate with ``<metadata key= value=>`` rows (index, printer_model_id, nozzle_diameters,
prediction in seconds, weight in grams) and ``<filament id type color used_m used_g>`` rows. A project that was saved
without slicing has the file too, but no plate with a prediction.
"""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal, InvalidOperation
from xml.etree.ElementTree import Element

from quotes.modelfiles.analysis import SlicedFilament, SlicedInfo, SlicedPlate
from quotes.modelfiles.errors import DamagedFile, FileTooLarge
from quotes.modelfiles.gcode import extruded_mm3
from quotes.modelfiles.limits import DEFAULT_LIMITS, ReadLimits
from quotes.modelfiles.package import Package, parse_xml

SLICE_INFO = "Metadata/slice_info.config"
#: A print longer than a month, or heavier than 100 kg, is a damaged number.
_MOST_SECONDS = Decimal(31 * 24 * 3600)
_MOST_GRAMS = Decimal(100_000)
_MOST_PLATES = 100


def read_slice_info(package: Package, limits: ReadLimits = DEFAULT_LIMITS) -> SlicedInfo | None:
    """The sliced plates of a package, or None when it was never sliced; raises ``DamagedFile`` on nonsense."""
    if SLICE_INFO not in package:
        return None
    root = parse_xml(package.read(SLICE_INFO), SLICE_INFO)
    plates = tuple(_plate(node, package) for node in root.iter("plate") if _values(node).get("prediction"))
    if not plates:
        return None
    if len({plate.index for plate in plates}) != len(plates):
        raise DamagedFile("Two sliced plates have the same number.")
    if len(plates) > _MOST_PLATES:
        raise FileTooLarge(f"It holds more than {_MOST_PLATES} sliced plates.")
    header = {item.get("key", ""): item.get("value", "") for item in root.iter("header_item")}
    version = header.get("X-BBL-Client-Version", "")
    return SlicedInfo(_counted(plates, package, limits), sliced_by=f"slicer {version}".strip())


def _counted(plates: tuple[SlicedPlate, ...], package: Package, limits: ReadLimits) -> tuple[SlicedPlate, ...]:
    """The plates with what their G-code extrudes, unless there is too much of it to count."""
    if sum(package.size(plate.gcode_path) for plate in plates if plate.gcode_path) > limits.max_gcode_bytes:
        return plates
    return tuple(
        replace(plate, extruded_mm3=extruded_mm3(package, plate.gcode_path)) if plate.gcode_path else plate
        for plate in plates
    )


def _plate(node: Element, package: Package) -> SlicedPlate:
    values = _values(node)
    index = int(_number(values.get("index", ""), most=Decimal(10_000)))
    gcode = f"Metadata/plate_{index}.gcode"
    digest = package.read(f"{gcode}.md5").decode("ascii", "replace").strip() if f"{gcode}.md5" in package else ""
    return SlicedPlate(
        index=index,
        prediction_seconds=int(_number(values["prediction"], most=_MOST_SECONDS)),
        weight_g=_number(values.get("weight", "0"), most=_MOST_GRAMS),
        filaments=tuple(_filament(item) for item in node.iter("filament")),
        printer_model_id=values.get("printer_model_id", ""),
        nozzle_mm=values.get("nozzle_diameters", ""),
        gcode_path=gcode if gcode in package else "",
        gcode_md5=digest.lower(),
    )


def _values(node: Element) -> dict[str, str]:
    return {item.get("key", ""): item.get("value", "") for item in node.findall("metadata")}


def _filament(node: Element) -> SlicedFilament:
    return SlicedFilament(
        id=int(_number(node.get("id", "0"), most=Decimal(1_000))),
        material_type=node.get("type", ""),
        color_hex=node.get("color", "")[:9].upper(),
        used_m=_number(node.get("used_m", "0"), most=_MOST_GRAMS),
        used_g=_number(node.get("used_g", "0"), most=_MOST_GRAMS),
    )


def _number(text: str, *, most: Decimal) -> Decimal:
    try:
        value = Decimal(text)
    except InvalidOperation as error:
        raise DamagedFile(f"{SLICE_INFO} holds {text[:40]!r} where a number belongs.") from error
    if not value.is_finite() or not 0 <= value <= most:
        raise DamagedFile(f"{SLICE_INFO} holds an absurd number: {text[:40]}.")
    return value
