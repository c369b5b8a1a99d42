"""Measuring triangle meshes with numpy: volume, surfaces, closedness, bodies, overhangs.

Floats live only in here; ``Measures.as_part`` makes Decimals of them at the boundary. Volume is the sum of signed
tetrahedra over the faces (divergence theorem); a body that is inside out counts with its absolute volume, unless it
lies within another body, where it is a cavity.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from quotes.modelfiles.analysis import PartGeometry

Vertices = NDArray[np.float64]
Faces = NDArray[np.int64]

#: A face flatter than 30 degrees to the plate prints into the air: the usual threshold for supports.
OVERHANG_COSINE = np.cos(np.radians(30.0))
#: A face this close to the plate (mm) lies on it.
ON_PLATE = 0.3
#: More bodies than this are not compared with each other.
_COMPARED_BODIES = 300


@dataclass(frozen=True)
class Measures:
    """One piece, measured; mm, mm2, mm3. ``faces`` are turned so that normals point out."""

    faces: Faces
    volume: float
    area: float
    extent: tuple[float, float, float]
    watertight: bool
    bodies: int
    inside_out: bool
    overlapping: bool
    side_area: float
    up_area: float
    down_area: float
    overhang: float
    support_column: float

    def as_part(self, name: str, count: int) -> PartGeometry:
        """The same as exact numbers: lengths and areas to 1e-3, volumes to 1e-3 mm3."""
        width, depth, height = (exact(side) for side in self.extent)
        return PartGeometry(
            name=name,
            count=count,
            volume_mm3=exact(self.volume),
            area_mm2=exact(self.area),
            bbox_mm=(width, depth, height),
            triangles=len(self.faces),
            watertight=self.watertight,
            bodies=self.bodies,
            overlapping=self.overlapping,
            side_area_mm2=exact(self.side_area),
            up_area_mm2=exact(self.up_area),
            down_area_mm2=exact(self.down_area),
            overhang_mm2=exact(self.overhang),
            support_column_mm3=exact(self.support_column),
        )


def exact(value: float) -> Decimal:
    """A float as Decimal with three places."""
    return Decimal(repr(round(float(value), 3) + 0.0)).quantize(Decimal("0.001"))  # + 0.0: no minus zero


def measure(vertices: Vertices, faces: Faces) -> Measures:
    """Measure one piece as it lies on the plate; ``vertices`` (n, 3) in mm, ``faces`` (m, 3) indices."""
    vertices, faces = without_twins(vertices, faces)
    lowest, highest = vertices.min(axis=0), vertices.max(axis=0)
    # Around its own middle, so that a piece far from the origin loses no digits.
    corners = (vertices - (lowest + highest) / 2)[faces]
    cross = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    signed = np.einsum("ij,ij->i", corners[:, 0], cross) / 6

    labels, watertight = _bodies(faces, len(vertices))
    turned, bodies, overlapping = _inside_out(labels, signed, corners)
    if turned.any():
        faces = np.where(turned[:, None], faces[:, ::-1], faces)
        cross = np.where(turned[:, None], -cross, cross)
        signed = np.where(turned, -signed, signed)

    size = np.linalg.norm(cross, axis=1) / 2
    rise = cross[:, 2] / 2
    height = corners[:, :, 2].mean(axis=1) + (highest[2] - lowest[2]) / 2
    hanging = (rise < -OVERHANG_COSINE * size) & (height > ON_PLATE)
    extent = highest - lowest
    volume = abs(float(signed.sum()))
    column = float(-(rise * height)[hanging].sum())
    return Measures(
        faces=faces,
        volume=volume,
        area=float(size.sum()),
        extent=(float(extent[0]), float(extent[1]), float(extent[2])),
        watertight=watertight,
        bodies=bodies,
        inside_out=bool(turned.any()),
        overlapping=overlapping,
        side_area=float(np.hypot(cross[:, 0], cross[:, 1]).sum() / 2),
        up_area=float(rise[rise > 0].sum()),
        down_area=float(-rise[rise < 0].sum()),
        overhang=float(-rise[hanging].sum()),
        # Supports stand beside the part: never more than the free room of its box.
        support_column=min(column, max(float(np.prod(extent)) - volume, 0.0)),
    )


def without_twins(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces]:
    """The mesh with equal corners merged and collapsed faces dropped: STL and careless exporters repeat corners."""
    rows = np.ascontiguousarray(vertices + 0.0)  # -0.0 becomes 0.0
    _, first, inverse = np.unique(rows.view("V24").ravel(), return_index=True, return_inverse=True)
    merged = inverse[faces]
    a, b, c = merged.T
    return rows[first], merged[(a != b) & (b != c) & (a != c)]


def _bodies(faces: Faces, count: int) -> tuple[NDArray[np.int64], bool]:
    """The body each face belongs to, and whether every edge has as many faces on its one side as on the other."""
    starts = faces.ravel()
    ends = faces[:, [1, 2, 0]].ravel()
    graph = coo_array((np.ones(len(starts), dtype=np.int32), (starts, ends)), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    forward = np.where(starts < ends, 1, -1)
    codes = np.minimum(starts, ends) * np.int64(count) + np.maximum(starts, ends)
    _, inverse = np.unique(codes, return_inverse=True)
    return labels[faces[:, 0]], bool((np.bincount(inverse, weights=forward) == 0).all())


def _inside_out(labels: NDArray[np.int64], signed: Vertices, corners: Vertices) -> tuple[NDArray[np.bool_], int, bool]:
    """Which faces to turn over, how many bodies are solid, and whether solid bodies may overlap."""
    names, labels = np.unique(labels, return_inverse=True)
    volumes = np.bincount(labels, weights=signed)
    if len(names) == 1 or len(names) > _COMPARED_BODIES:
        total = signed.sum()
        return np.full(len(labels), total < 0), int((volumes * np.sign(total) > 0).sum()) or 1, len(names) > 1
    low = np.full((len(names), 3), np.inf)
    high = np.full((len(names), 3), -np.inf)
    np.minimum.at(low, labels, corners.min(axis=1))
    np.maximum.at(high, labels, corners.max(axis=1))
    within = np.all(low[:, None] > low[None], axis=2) & np.all(high[:, None] < high[None], axis=2)
    nested = within.any(axis=1)
    cavity = nested & (volumes < 0)
    if (volumes[~nested] < 0).all():  # the whole file is inside out: its cavities are positive
        cavity = nested & (volumes > 0)
        wrong = np.ones(len(names), dtype=bool)
    else:
        wrong = (volumes < 0) & ~cavity
    solid = ~cavity
    meet = np.all(low[:, None] < high[None], axis=2) & np.all(high[:, None] > low[None], axis=2)
    meet &= solid[:, None] & solid[None] & ~np.eye(len(names), dtype=bool)
    return wrong[labels], int(solid.sum()), bool(meet.any())
