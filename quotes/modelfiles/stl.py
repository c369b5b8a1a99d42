"""Reading STL, binary and ascii. STL carries no unit: millimetres are assumed, and said, unless somebody chose one."""

from __future__ import annotations

import re

import numpy as np

from quotes.modelfiles.errors import DamagedFile, EmptyModel, FileTooLarge
from quotes.modelfiles.geometry import Faces, Vertices
from quotes.modelfiles.limits import DEFAULT_LIMITS, MEBIBYTE, ReadLimits
from quotes.modelfiles.scene import MILLIMETRES, Piece, Scene, Shape

_RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_HEADER = 84
_VERTEX = re.compile(rb"vertex[ \t]+([^\s]{1,40})[ \t]+([^\s]{1,40})[ \t]+([^\s]{1,40})", re.IGNORECASE)
#: The shortest facet with its three corners: bounds the count by the length, before anything is parsed.
_SHORTEST_FACET = 60
#: Outside of these sizes (mm) a part is probably in another unit; a usual part lies between the usual sizes.
_SMALLEST, _LARGEST = 1.0, 2000.0
_USUAL = (5.0, 500.0)


def is_binary_stl(data: bytes) -> bool:
    """Whether the length is exactly what the triangle count in the header asks for."""
    if len(data) < _HEADER:
        return False
    return len(data) == _HEADER + _RECORD.itemsize * int.from_bytes(data[80:84], "little")


def is_ascii_stl(data: bytes) -> bool:
    """Whether the text starts as an ascii STL does."""
    return data[:5].lower() == b"solid" and b"facet" in data[:4096].lower()


def read_stl(data: bytes, limits: ReadLimits = DEFAULT_LIMITS, unit: str = "") -> Scene:
    """Read an STL as one piece; ``unit`` ("mm", "inch", "") is what somebody said its numbers mean.

    Raises subclasses of ``UnusableFile``.
    """
    if len(data) > limits.max_bytes:
        raise FileTooLarge(f"It is larger than {limits.max_bytes // MEBIBYTE} MB.")
    corners = _binary(data, limits) if is_binary_stl(data) else _ascii(data, limits)
    if not len(corners):
        raise EmptyModel("It holds nothing to print.")
    if not np.isfinite(corners).all():
        raise DamagedFile("The model holds coordinates that are not numbers.")
    chosen = {"": "millimeter", "mm": "millimeter", "inch": "inch"}[unit]
    vertices: Vertices = corners.reshape(-1, 3) * MILLIMETRES[chosen]
    faces: Faces = np.arange(len(vertices), dtype=np.int64).reshape(-1, 3)
    size = float(np.ptp(vertices, axis=0).max())
    warnings = () if unit else ("STL files carry no unit: millimetres were assumed.",)
    guess = "" if unit else _guess(size)
    needs_person = ""
    if guess or not _SMALLEST <= size <= _LARGEST:
        needs_person = (
            f"The part would be {size:.3g} mm long: the file is probably in another unit than {chosen}s.{guess}"
        )
    return Scene("stl", chosen, (Piece(Shape("", vertices, faces), (0.0, 0.0, 0.0)),), warnings, needs_person)


def _guess(size: float) -> str:
    """Which other unit makes a part of a usual size out of one that is far too small in millimetres, as a hint."""
    if size >= _USUAL[0]:
        return ""
    likely = [
        f"{name} it would be {size * factor:.3g} mm"
        for name, factor in (("inches", 25.4), ("metres", 1000.0))
        if _USUAL[0] <= size * factor <= _USUAL[1]
    ]
    return f" In {', in '.join(likely)}; please choose the unit." if likely else ""


def _refuse_crowd(triangles: int, limits: ReadLimits) -> None:
    if triangles > limits.max_triangles:
        raise FileTooLarge(f"It holds more than {limits.max_triangles} triangles.")


def _binary(data: bytes, limits: ReadLimits) -> Vertices:
    _refuse_crowd(int.from_bytes(data[80:84], "little"), limits)
    return np.frombuffer(data, dtype=_RECORD, offset=_HEADER)["corners"].astype(np.float64)


def _ascii(data: bytes, limits: ReadLimits) -> Vertices:
    if b"endsolid" not in data[-1024:].lower():
        raise DamagedFile("The file was not uploaded completely.")
    facets = data.lower().count(b"endfacet")
    _refuse_crowd(facets, limits)
    if facets * _SHORTEST_FACET > len(data):
        raise DamagedFile("A triangle lacks a corner.")
    try:
        numbers = np.fromiter(
            (float(number) for corner in _VERTEX.finditer(data) for number in corner.groups()), dtype=np.float64
        )
    except ValueError as error:
        raise DamagedFile("The model holds coordinates that are not numbers.") from error
    if len(numbers) != 9 * facets:
        raise DamagedFile("A triangle lacks a corner.")
    return numbers.reshape(-1, 3, 3)
