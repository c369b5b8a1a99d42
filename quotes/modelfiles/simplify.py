"""Fewer triangles for pictures: what is measured is never made coarser."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from quotes.modelfiles.geometry import Faces, Vertices
from quotes.modelfiles.scene import Shape

#: Large odd factors that spread three numbers over 64 bits.
_ODD = np.array([0x9E3779B97F4A7C15, 0xC2B2AE3D27D4EB4F, 0x165667B19E3779F9], dtype=np.uint64)


def lighter(shape: Shape, share: float) -> tuple[Vertices, Faces, NDArray[np.int64]]:
    """The shape's corners (equal ones once), faces and filaments, with about ``share`` of its faces.

    Coarser by vertex clustering (Rossignac and Borrel 1993): corners in one cell of a grid become their middle, and
    faces that collapse are dropped. It is quick, never fails on a broken mesh, and cannot be seen at this number.
    """
    filaments = shape.filaments_of_faces()
    if share < 1:
        corners = shape.vertices[shape.faces]
        area = np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum() / 2
        # A surface of equal triangles with side s has 2 / s^2 of them per area; a little more for what is uneven.
        cell = 1.2 * max(np.sqrt(2 * area / max(share * len(shape.faces), 12.0)), 1e-6)
        keys = np.floor((shape.vertices - shape.vertices.min(axis=0)) / cell).astype("<u4")
    else:
        keys = np.ascontiguousarray(shape.vertices + 0.0, dtype="<f4").view("<u4")
    # One number per row sorts ten times faster than the rows; two rows of one number are as likely as a lightning.
    _, inverse = np.unique((keys.astype(np.uint64) * _ODD).sum(axis=1, dtype=np.uint64), return_inverse=True)
    size = np.bincount(inverse)
    vertices = np.stack([np.bincount(inverse, weights=column) for column in shape.vertices.T], axis=1) / size[:, None]
    faces = inverse[shape.faces]
    a, b, c = faces.T
    kept = (a != b) & (b != c) & (a != c)
    if not kept.any():
        return shape.vertices, shape.faces, filaments
    return vertices, faces[kept], filaments[kept]
