"""Filament changes at a height, as Bambu Studio and Orca keep them: signs and reliefs in several colours.

``Metadata/custom_gcode_per_layer.xml`` has a ``plate`` with its number and ``layer`` rows: the top of the layer that
begins with the change (mm), a type (0 change by hand, 1 pause, 2 filament change, 4 G-code) and a filament from 1.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from xml.etree.ElementTree import Element

import numpy as np

from quotes.modelfiles.package import Package, parse_xml
from quotes.modelfiles.paint import MOST_FILAMENTS
from quotes.modelfiles.scene import Shape

LAYER_SETTINGS = "Metadata/custom_gcode_per_layer.xml"
_BY_HAND, _FILAMENT = {"0", "1"}, "2"
#: Slicers take a row of any other kind, also of one that they do not know or that is not named, for G-code.
_NO_GCODE = {*_BY_HAND, _FILAMENT, "3"}
_MOST_CHANGES = 200


@dataclass(frozen=True)
class LayerChange:
    """From this height (mm) up the filament (from 0) is another one."""

    height: float
    filament: int


@dataclass(frozen=True)
class LayerSettings:
    """The changes by the number of the plate, from the lowest up, and what cannot be priced or is left out."""

    changes: dict[int, tuple[LayerChange, ...]] = field(default_factory=dict)
    has_work_by_hand: bool = False
    has_gcode: bool = False


def read_layer_settings(package: Package, layer_height: float) -> LayerSettings:
    """Read the changes of all plates; rows that make no sense are passed over, broken XML is a ``DamagedFile``."""
    if LAYER_SETTINGS not in package:
        return LayerSettings()
    root = parse_xml(package.read(LAYER_SETTINGS), LAYER_SETTINGS)
    kinds = {row.get("type", "") for row in root.iter("layer")}
    changes: dict[int, tuple[LayerChange, ...]] = {}
    for position, plate in enumerate(root.findall("plate"), start=1):
        info = plate.find("plate_info")
        number = (info.get("id", "") if info is not None else "") or str(position)
        found = [change for row in plate.findall("layer") if (change := _change(row, layer_height))]
        if number.isascii() and number.isdigit() and len(number) < 6 and found:
            changes[int(number)] = tuple(sorted(found, key=lambda change: change.height)[:_MOST_CHANGES])
    return LayerSettings(changes, bool(kinds & _BY_HAND), bool(kinds - _NO_GCODE))


def layered(shape: Shape, changes: tuple[LayerChange, ...]) -> Shape:
    """The shape in the filaments that these changes leave it in; the same shape when all lie above it."""
    heights = shape.vertices[:, 2] - shape.vertices[:, 2].min()
    changes = tuple(change for change in changes if change.height < heights.max())
    if not changes:
        return shape
    corners = shape.vertices[shape.faces]
    first, second = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    seen = (first[:, 0] * second[:, 1] - first[:, 1] * second[:, 0]) / 2
    at_corners = heights[shape.faces]

    def below(height: float) -> float:
        """The volume under a height: columns under all faces, cut there; exact but for faces that cross it."""
        return abs(float((seen * np.minimum(at_corners, height).mean(axis=1)).sum()))

    borders = [*(change.height for change in changes), float(heights.max())]
    levels = [below(height) for height in borders]
    amounts = {filament: share * levels[0] for filament, share in shape.shares or ((0, 1.0),)}
    for change, low, high in zip(changes, levels, levels[1:], strict=False):
        amounts[change.filament] = amounts.get(change.filament, 0.0) + max(high - low, 0.0)
    whole = sum(amounts.values())
    shares = tuple(sorted((filament, amount / whole) for filament, amount in amounts.items() if amount > 0))
    per_face = shape.filaments_of_faces().copy()
    middles = at_corners.mean(axis=1)
    for change in changes:
        per_face[middles > change.height] = change.filament
    return replace(shape, shares=shares, face_filaments=per_face) if whole else shape


def _change(row: Element, layer_height: float) -> LayerChange | None:
    extruder = row.get("extruder", "")
    try:
        top = float(row.get("top_z", "")[:20])
    except ValueError:
        return None
    if row.get("type") != _FILAMENT or not (extruder.isascii() and extruder.isdigit()) or not math.isfinite(top):
        return None
    number = int(extruder[:4])
    return LayerChange(max(top - layer_height, 0.0), number - 1) if 1 <= number <= MOST_FILAMENTS else None
