"""The one door for customers' files: bytes in, analysis out, or an ``UnusableFile`` that says why."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal
from pathlib import Path, PurePosixPath

import numpy as np

from quotes.modelfiles.analysis import ModelAnalysis, ModelPlate, PartGeometry
from quotes.modelfiles.errors import DamagedFile, EmptyModel, FileTooLarge, UnknownFormat
from quotes.modelfiles.gcode import is_gcode, read_gcode
from quotes.modelfiles.geometry import Measures, measure
from quotes.modelfiles.limits import DEFAULT_LIMITS, MEBIBYTE, ReadLimits
from quotes.modelfiles.package import ZIP_SIGNATURE
from quotes.modelfiles.scene import Scene, Shape
from quotes.modelfiles.step import is_step, read_step
from quotes.modelfiles.stl import is_ascii_stl, is_binary_stl, read_stl
from quotes.modelfiles.threemf import read_3mf
from quotes.modelfiles.thumbnail import clean_png, render_png
from quotes.modelfiles.viewer import viewer_mesh

#: Extensions that are known, and the format behind each.
EXTENSIONS = {".3mf": "3mf", ".stl": "stl", ".step": "step", ".stp": "step", ".gcode": "gcode"}
_READERS = {"3mf": read_3mf, "step": read_step, "gcode": read_gcode}
#: In mm and mm3: beyond these a number is damaged, or rounds to nothing.
_LARGEST, _LEAST_VOLUME = 1e5, 1e-3
#: A part smaller than this (mm) is hardly meant so.
_TINY = 1
#: Two lines of a 0.4 mm nozzle (mm): what is thinner prints as one line or not at all.
THIN_WALL = Decimal("0.8")


def read_model(
    source: bytes | Path,
    *,
    file_name: str,
    limits: ReadLimits = DEFAULT_LIMITS,
    thumbnail: bool = True,
    unit: str = "",
) -> ModelAnalysis:
    """Read, measure and picture a customer's file; raises ``UnusableFile`` (QUOTE_001) with the reason.

    The content decides the format; a name that says something else is refused. ``thumbnail=False`` makes no pictures.
    ``unit`` is what the numbers of a file without a unit (STL) mean: "mm", "inch", or "" to assume mm and say so.
    """
    return analyse(read_scene(source, file_name=file_name, limits=limits, unit=unit), thumbnail=thumbnail)


def read_scene(source: bytes | Path, *, file_name: str, limits: ReadLimits = DEFAULT_LIMITS, unit: str = "") -> Scene:
    """Read a file into meshes without measuring them; ``unit`` as in ``read_model``."""
    if isinstance(source, Path):
        if source.stat().st_size > limits.max_bytes:
            raise FileTooLarge(f"It is larger than {limits.max_bytes // MEBIBYTE} MB.")
        source = source.read_bytes()
    found = _format_of(source)
    expected = EXTENSIONS.get(PurePosixPath(file_name.lower()).suffix)
    if expected is None:
        raise UnknownFormat("Only 3MF, STL, STEP and G-code files can be quoted.")
    if found != expected:
        raise UnknownFormat(f"Its name says {expected.upper()}, but its content is not {expected.upper()}.")
    if found == "stl":
        return read_stl(source, limits, unit)
    return _READERS[found](source, limits)


def analyse(scene: Scene, *, thumbnail: bool = True) -> ModelAnalysis:
    """Measure a scene: equal pieces become one part with a count."""
    counts: dict[int, int] = {}
    shapes: dict[int, Shape] = {}
    for piece in scene.pieces:
        shapes.setdefault(id(piece.shape), piece.shape)
        counts[id(piece.shape)] = counts.get(id(piece.shape), 0) + 1
    warnings = list(scene.warnings)
    parts: list[PartGeometry] = []
    for number, (key, shape) in enumerate(shapes.items(), start=1):
        name = shape.name or f"Part {number}"
        if np.ptp(shape.vertices, axis=0).max() > _LARGEST:
            raise DamagedFile(f"{name} would be larger than 100 m.")
        measures = measure(shape.vertices, shape.faces)
        if measures.volume < _LEAST_VOLUME:
            if 0 < max(measures.extent) < 1:
                raise EmptyModel(f"{name} is too small to print; is the file in another unit than {scene.unit}s?")
            raise EmptyModel(f"{name} is a surface without volume.")
        part = replace(measures.as_part(name, counts[key]), filament_shares=_exact(shape.shares))
        warnings += _remarks(name, measures, part)
        parts.append(part)
    needs_person = scene.needs_person
    if parts and not needs_person and max(side for part in parts for side in part.bbox_mm) < _TINY:
        needs_person = f"Its largest part is smaller than {_TINY} mm: is the file in another unit than {scene.unit}s?"
    picture = b""
    if thumbnail and scene.pieces:
        picture = clean_png(scene.thumbnail_png) or render_png(scene)
    elif thumbnail:
        picture = clean_png(scene.thumbnail_png)
    return ModelAnalysis(
        format=scene.format,
        unit=scene.unit,
        parts=tuple(parts),
        warnings=tuple(warnings),
        needs_person=needs_person,
        sliced=scene.sliced,
        filaments=scene.filaments,
        plates=_plates(scene, list(shapes)),
        wishes=scene.wishes,
        thumbnail_png=picture,
        viewer_mesh=viewer_mesh(scene) if thumbnail else b"",
    )


def _exact(shares: Sequence[tuple[int, float]]) -> tuple[tuple[int, Decimal], ...]:
    """Shares to four places; the largest takes what rounding leaves, so that they add up to 1."""
    rounded = {filament: Decimal(repr(round(share, 4))) for filament, share in shares}
    if rounded:
        largest = max(rounded, key=lambda filament: rounded[filament])
        rounded[largest] += 1 - sum(rounded.values())
    return tuple(rounded.items())


def _plates(scene: Scene, shapes: list[int]) -> tuple[ModelPlate, ...]:
    """The plates that hold something, with the position of each part in ``shapes`` and how often it lies there."""
    plates = []
    for position, (index, name) in enumerate(scene.plates):
        parts: dict[int, int] = {}
        for piece in scene.pieces:
            if piece.plate == position:
                part = shapes.index(id(piece.shape))
                parts[part] = parts.get(part, 0) + 1
        if parts:
            plates.append(ModelPlate(index, name, tuple(sorted(parts.items()))))
    return tuple(plates)


def _remarks(name: str, measures: Measures, part: PartGeometry) -> list[str]:
    remarks = []
    if measures.inside_out:
        remarks.append(f"{name} is inside out; it was turned over.")
    if measures.watertight and measures.holes_closed:
        holes = "a small hole, which was" if measures.holes_closed == 1 else "small holes, which were"
        remarks.append(f"{name} had {holes} closed for measuring.")
    if not measures.watertight:
        remarks.append(f"{name} is not closed; its volume is a guess.")
    if measures.overlapping:
        remarks.append(f"{name} has bodies that may overlap; shared volume is counted more than once.")
    if part.min_wall_mm is not None and part.min_wall_mm < THIN_WALL:
        remarks.append(f"{name} gets as thin as about {part.min_wall_mm:.1f} mm, which may break or not print.")
    return remarks


def _format_of(data: bytes) -> str:
    if data.startswith(ZIP_SIGNATURE):
        return "3mf"
    if is_step(data):
        return "step"
    if is_binary_stl(data) or is_ascii_stl(data):
        return "stl"
    return "gcode" if is_gcode(data) else ""
