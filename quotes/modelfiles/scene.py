"""A file's pieces as meshes in millimetres, before anything is measured; the viewer and the thumbnail draw from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quotes.modelfiles.analysis import SlicedInfo
from quotes.modelfiles.geometry import Faces, Vertices

Matrix = NDArray[np.float64]

#: Millimetres per unit of the 3MF core specification.
MILLIMETRES = {"micron": 0.001, "millimeter": 1.0, "centimeter": 10.0, "inch": 25.4, "foot": 304.8, "meter": 1000.0}


@dataclass(frozen=True)
class Shape:
    """A mesh of its own, as it lies on the plate but around its own origin; several pieces may share it."""

    name: str
    vertices: Vertices
    faces: Faces


@dataclass(frozen=True)
class Piece:
    """One thing to print: a shape and where its origin lies (mm)."""

    shape: Shape
    at: tuple[float, float, float]


@dataclass(frozen=True)
class Scene:
    """Everything a file would put on the plate, with what was noticed while reading."""

    format: str
    unit: str
    pieces: tuple[Piece, ...]
    warnings: tuple[str, ...] = ()
    needs_person: str = ""
    sliced: SlicedInfo | None = None
    thumbnail_png: bytes = b""
