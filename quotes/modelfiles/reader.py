"""The one door for customers' files: bytes in, analysis out, or an ``UnusableFile`` that says why."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from quotes.modelfiles.analysis import ModelAnalysis, PartGeometry
from quotes.modelfiles.errors import AskAnEngineer, DamagedFile, EmptyModel, FileTooLarge, UnknownFormat
from quotes.modelfiles.geometry import Measures, measure
from quotes.modelfiles.limits import DEFAULT_LIMITS, MEBIBYTE, ReadLimits
from quotes.modelfiles.package import ZIP_SIGNATURE
from quotes.modelfiles.scene import Scene, Shape
from quotes.modelfiles.stl import is_ascii_stl, is_binary_stl, read_stl
from quotes.modelfiles.threemf import read_3mf
from quotes.modelfiles.thumbnail import render_png

#: Extensions that are known, and the format behind each.
EXTENSIONS = {".3mf": "3mf", ".stl": "stl", ".step": "step", ".stp": "step"}
_READERS = {"3mf": read_3mf, "stl": read_stl}
#: In mm and mm3: beyond these a number is damaged, or rounds to nothing.
_LARGEST, _LEAST_VOLUME = 1e5, 1e-3
_STEP_SIGNATURE = b"ISO-10303-21"


def read_model(
    source: bytes | Path, *, file_name: str, limits: ReadLimits = DEFAULT_LIMITS, thumbnail: bool = True
) -> ModelAnalysis:
    """Read, measure and picture a customer's file; raises ``UnusableFile`` (QUOTE_001) with the reason.

    The content decides the format; a name that says something else is refused. ``thumbnail=False`` draws no picture.
    """
    return analyse(read_scene(source, file_name=file_name, limits=limits), thumbnail=thumbnail)


def read_scene(source: bytes | Path, *, file_name: str, limits: ReadLimits = DEFAULT_LIMITS) -> Scene:
    """Read a file into meshes without measuring them."""
    if isinstance(source, Path):
        if source.stat().st_size > limits.max_bytes:
            raise FileTooLarge(f"It is larger than {limits.max_bytes // MEBIBYTE} MB.")
        source = source.read_bytes()
    found = _format_of(source)
    expected = EXTENSIONS.get(PurePosixPath(file_name.lower()).suffix)
    if expected is None:
        raise UnknownFormat("Only 3MF and STL files can be quoted.")
    if found != expected:
        raise UnknownFormat(f"Its name says {expected.upper()}, but its content is not {expected.upper()}.")
    if found not in _READERS:
        raise AskAnEngineer("STEP files cannot be priced automatically yet; please ask an engineer, or send a 3MF.")
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
        measures = measure(shape.vertices, shape.faces)
        if max(measures.extent) > _LARGEST:
            raise DamagedFile(f"{name} would be larger than 100 m.")
        if measures.volume < _LEAST_VOLUME:
            if 0 < max(measures.extent) < 1:
                raise EmptyModel(f"{name} is too small to print; is the file in another unit than {scene.unit}s?")
            raise EmptyModel(f"{name} is a surface without volume.")
        warnings += _remarks(name, measures)
        parts.append(measures.as_part(name, counts[key]))
    picture = scene.thumbnail_png
    if thumbnail and not picture and scene.pieces:
        picture = render_png(scene)
    return ModelAnalysis(
        format=scene.format,
        unit=scene.unit,
        parts=tuple(parts),
        warnings=tuple(warnings),
        needs_person=scene.needs_person,
        sliced=scene.sliced,
        thumbnail_png=picture,
    )


def _remarks(name: str, measures: Measures) -> list[str]:
    remarks = []
    if measures.inside_out:
        remarks.append(f"{name} is inside out; it was turned over.")
    if not measures.watertight:
        remarks.append(f"{name} is not closed; its volume is a guess.")
    if measures.overlapping:
        remarks.append(f"{name} has bodies that may overlap; shared volume is counted more than once.")
    return remarks


def _format_of(data: bytes) -> str:
    if data.startswith(ZIP_SIGNATURE):
        return "3mf"
    if data.lstrip(b"\xef\xbb\xbf \r\n\t")[: len(_STEP_SIGNATURE)] == _STEP_SIGNATURE:
        return "step"
    if is_binary_stl(data) or is_ascii_stl(data):
        return "stl"
    return ""
