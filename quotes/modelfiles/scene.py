"""A file's pieces as meshes in millimetres, before anything is measured; the viewer and the thumbnail draw from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from quotes.modelfiles.analysis import FilamentSlot, PrintWishes, SlicedInfo
from quotes.modelfiles.geometry import Faces, Vertices

Matrix = NDArray[np.float64]

#: Millimetres per unit of the 3MF core specification.
MILLIMETRES = {"micron": 0.001, "millimeter": 1.0, "centimeter": 10.0, "inch": 25.4, "foot": 304.8, "meter": 1000.0}


@dataclass(frozen=True)
class Shape:
    """A mesh of its own, as it lies on the plate but around its own origin; several pieces may share it.

    ``shares`` are (filament from 0, share of the mass), empty for filament 0 alone; ``face_filaments`` holds the
    filament that covers most of each face, where there is more than one.
    """

    name: str
    vertices: Vertices
    faces: Faces
    shares: tuple[tuple[int, float], ...] = ()
    face_filaments: NDArray[np.int64] | None = None

    def filaments_of_faces(self) -> NDArray[np.int64]:
        """The filament (from 0) that covers most of each face."""
        if self.face_filaments is not None:
            return self.face_filaments
        return np.full(len(self.faces), self.shares[0][0] if self.shares else 0, dtype=np.int64)


@dataclass(frozen=True)
class Piece:
    """One thing to print: a shape, where its origin lies (mm), and on which of the scene's plates (from 0)."""

    shape: Shape
    at: tuple[float, float, float]
    plate: int | None = None


@dataclass(frozen=True)
class Scene:
    """Everything a file would put on the plate, with what was noticed while reading."""

    format: str
    unit: str
    pieces: tuple[Piece, ...]
    warnings: tuple[str, ...] = ()
    needs_person: str = ""
    sliced: SlicedInfo | None = None
    filaments: tuple[FilamentSlot, ...] = ()
    #: (number, name) of every plate of a project.
    plates: tuple[tuple[int, str], ...] = ()
    wishes: PrintWishes | None = None
    thumbnail_png: bytes = b""
