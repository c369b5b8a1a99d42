"""Reading STL, binary and ascii. STL carries no unit: millimetres are assumed, and said."""

from __future__ import annotations

import re

import numpy as np

from quotes.modelfiles.errors import DamagedFile, EmptyModel, FileTooLarge
from quotes.modelfiles.geometry import Faces, Vertices
from quotes.modelfiles.limits import DEFAULT_LIMITS, MEBIBYTE, ReadLimits
from quotes.modelfiles.scene import Piece, Scene, Shape

_RECORD = np.dtype([("normal", "<f4", 3), ("corners", "<f4", (3, 3)), ("attribute", "<u2")])
_HEADER = 84
_VERTEX = re.compile(rb"vertex\s+(\S+)\s+(\S+)\s+(\S+)", re.IGNORECASE)
#: Outside of these sizes (mm) a part is probably in another unit.
_SMALLEST, _LARGEST = 1.0, 2000.0


def is_binary_stl(data: bytes) -> bool:
    """Whether the length is exactly what the triangle count in the header asks for."""
    if len(data) < _HEADER:
        return False
    return len(data) == _HEADER + _RECORD.itemsize * int.from_bytes(data[80:84], "little")


def is_ascii_stl(data: bytes) -> bool:
    """Whether the text starts as an ascii STL does."""
    return data[:5].lower() == b"solid" and b"facet" in data[:4096].lower()


def read_stl(data: bytes, limits: ReadLimits = DEFAULT_LIMITS) -> Scene:
    """Read an STL as one piece in millimetres; raises subclasses of ``UnusableFile``."""
    if len(data) > limits.max_bytes:
        raise FileTooLarge(f"It is larger than {limits.max_bytes // MEBIBYTE} MB.")
    corners = _binary(data) if is_binary_stl(data) else _ascii(data)
    if len(corners) > limits.max_triangles:
        raise FileTooLarge(f"It holds more than {limits.max_triangles} triangles.")
    if not len(corners):
        raise EmptyModel("It holds nothing to print.")
    if not np.isfinite(corners).all():
        raise DamagedFile("The model holds coordinates that are not numbers.")
    vertices: Vertices = corners.reshape(-1, 3)
    faces: Faces = np.arange(len(vertices), dtype=np.int64).reshape(-1, 3)
    warnings = ["STL files carry no unit: millimetres were assumed."]
    needs_person = ""
    size = float(np.ptp(vertices, axis=0).max())
    if not _SMALLEST <= size <= _LARGEST:
        needs_person = f"The part would be {size:.3g} mm long: the file is probably in another unit than millimetres."
    return Scene(
        "stl", "millimeter", (Piece(Shape("", vertices, faces), (0.0, 0.0, 0.0)),), tuple(warnings), needs_person
    )


def _binary(data: bytes) -> Vertices:
    return np.frombuffer(data, dtype=_RECORD, offset=_HEADER)["corners"].astype(np.float64)


def _ascii(data: bytes) -> Vertices:
    if b"endsolid" not in data[-1024:].lower():
        raise DamagedFile("The file was not uploaded completely.")
    try:
        numbers = np.array(_VERTEX.findall(data), dtype=np.bytes_).astype(np.float64)
    except ValueError as error:
        raise DamagedFile("The model holds coordinates that are not numbers.") from error
    if len(numbers) % 3 or len(numbers) != 3 * len(re.findall(rb"\bendfacet\b", data, re.IGNORECASE)):
        raise DamagedFile("A triangle lacks a corner.")
    return numbers.reshape(-1, 3, 3)
