"""Measuring triangle meshes with numpy: volume, surfaces, closedness, bodies, cuts, overhangs.

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

from quotes.modelfiles.analysis import PartGeometry, Section, SlopeBand
from quotes.modelfiles.overhangs import Overhang, overhang
from quotes.modelfiles.repair import repaired
from quotes.modelfiles.sections import FLAT_COSINE, NO_CUTS, Faces, Slab, Vertices, cut, thinnest_wall

#: A face flatter than 30 degrees to the plate prints into the air: the usual threshold for supports.
OVERHANG_COSINE = np.cos(np.radians(30.0))
#: A face this close to the plate (mm) lies on it.
ON_PLATE = 0.3
#: More bodies than this are not compared with each other.
_COMPARED_BODIES = 300
#: Borders (degrees from the plate) between the bands in which sloping surface is summed.
SLOPE_BORDERS = (10, 20, 30, 40, 50, 60, 70, 80)
#: Less than this (mm3) is a surface, not a solid.
LEAST_VOLUME = 1e-3
#: The sides that could lie on the plate, as axis and direction, in the order of ``PartGeometry.side_overhangs_mm2``.
SIDES = ((2, -1), (2, 1), (0, -1), (0, 1), (1, -1), (1, 1))
#: A random-looking odd number for each bit pattern (the finaliser of splitmix64).
_MIX_1, _MIX_2 = np.uint64(0xBF58476D1CE4E5B9), np.uint64(0x94D049BB133111EB)


@dataclass(frozen=True)
class Measures:
    """One piece, measured; mm, mm2, mm3. ``faces`` are turned so that normals point out."""

    faces: Faces
    volume: float
    area: float
    extent: tuple[float, float, float]
    watertight: bool
    holes_closed: int
    bodies: int
    inside_out: bool
    overlapping: bool
    side_area: float
    up_area: float
    down_area: float
    overhang: float
    support_column: float
    room: Overhang
    slabs: tuple[Slab, ...]
    slopes: tuple[tuple[float, float, float, float], ...]
    side_overhangs: tuple[float, ...]

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
            sections=tuple(
                _section(slab, area, border)
                for slab, area, border in zip(self.slabs, self.room.areas, self.room.borders, strict=True)
            ),
            slopes=tuple(SlopeBand(*(exact(area) for area in band)) for band in self.slopes),
            side_overhangs_mm2=tuple(exact(area) for area in self.side_overhangs),
            min_wall_mm=None if (wall := thinnest_wall(self.slabs)) is None else exact(wall),
        )


def exact(value: float) -> Decimal:
    """A float as Decimal with three places."""
    return Decimal(repr(round(float(value), 3) + 0.0)).quantize(Decimal("0.001"))  # + 0.0: no minus zero


def measure(vertices: Vertices, faces: Faces) -> Measures:
    """Measure one piece as it lies on the plate; ``vertices`` (n, 3) in mm, ``faces`` (m, 3) indices."""
    vertices, faces = without_twins(vertices, faces)
    labels, watertight = _bodies(faces, len(vertices))
    holes = 0
    if not watertight and (mended := repaired(vertices, faces)) is not None:
        vertices, faces, holes = mended.vertices, mended.faces, mended.holes
        labels, _ = _bodies(faces, len(vertices))
        watertight = mended.is_small
    lowest, highest = vertices.min(axis=0), vertices.max(axis=0)
    # Around its own middle, so that a piece far from the origin loses no digits.
    corners = (vertices - (lowest + highest) / 2)[faces]
    first, second, third = corners[:, 0], corners[:, 1], corners[:, 2]
    cross = np.cross(second - first, third - first)
    signed = (first[:, 0] * cross[:, 0] + first[:, 1] * cross[:, 1] + first[:, 2] * cross[:, 2]) / 6

    turned, bodies, overlapping = _inside_out(labels, signed, corners)
    if turned.any():
        faces = np.where(turned[:, None], faces[:, ::-1], faces)
        cross = np.where(turned[:, None], -cross, cross)
        signed = np.where(turned, -signed, signed)

    rise = cross[:, 2] / 2
    side = np.sqrt(cross[:, 0] ** 2 + cross[:, 1] ** 2) / 2
    size = np.sqrt(side**2 + rise**2)
    corners[:, :, 2] += (highest[2] - lowest[2]) / 2
    # Written out: numpy reduces rows of three ten times slower.
    middles = (first + second + third) / 3
    height = middles[:, 2]
    hanging = (rise < -OVERHANG_COSINE * size) & (height > ON_PLATE)
    extent = highest - lowest
    volume = abs(float(signed.sum()))
    standing = vertices - (*(lowest + highest)[:2] / 2, lowest[2])
    # What has no volume is refused by whoever asked; there is nothing to cut.
    cuts = cut(standing, faces, size=size, rise=rise, volume=volume) if volume > LEAST_VOLUME else NO_CUTS
    below = overhang(corners[hanging], -rise[hanging], extent, cuts)
    return Measures(
        faces=faces,
        volume=volume,
        area=float(size.sum()),
        extent=(float(extent[0]), float(extent[1]), float(extent[2])),
        watertight=watertight,
        holes_closed=holes,
        bodies=bodies,
        inside_out=bool(turned.any()),
        overlapping=overlapping,
        side_area=float(side.sum()),
        up_area=float(rise[rise > 0].sum()),
        down_area=float(-rise[rise < 0].sum()),
        overhang=below.area,
        # Supports stand beside the part: never more than the free room of its box.
        support_column=min(below.column, max(float(np.prod(extent)) - volume, 0.0)),
        room=below,
        slabs=cuts.slabs,
        slopes=_slopes(rise, side, size),
        side_overhangs=_side_overhangs(cross, size, middles, extent),
    )


def _section(slab: Slab, room: float, border: float) -> Section:
    return Section(
        bottom_mm=exact(slab.bottom),
        top_mm=exact(slab.top),
        area_mm2=exact(slab.area),
        outline_mm=exact(slab.outline),
        loops=slab.loops,
        islands=slab.islands,
        inner_area_mm2=exact(slab.inner_area),
        inner_outline_mm=exact(slab.inner_outline),
        inner_loops=slab.inner_loops,
        nooks_mm2=exact(slab.nooks),
        bends_s=(exact(slab.bends[0]), exact(slab.bends[1])),
        roof_mm2=exact(slab.roof),
        roof_margin_mm2=exact(slab.roof_margin),
        floor_mm2=exact(slab.floor),
        floor_margin_mm2=exact(slab.floor_margin),
        support_mm2=exact(room),
        support_border_mm=exact(border),
    )


def _slopes(rise: Vertices, side: Vertices, size: Vertices) -> tuple[tuple[float, float, float, float], ...]:
    """For each band of slope: seen from above, and its sine-weighted side; then the same of what faces down.

    What is flat or upright belongs to no band's shells: flat surface is counted with its level.
    """
    slanted = (np.abs(rise) <= FLAT_COSINE * size) & (size > 0)
    cosines = np.abs(rise[slanted]) / size[slanted]
    borders = np.cos(np.radians(SLOPE_BORDERS))[::-1]
    band = len(SLOPE_BORDERS) - np.searchsorted(borders, cosines, "right")
    count = len(SLOPE_BORDERS) + 1
    up = rise[slanted] > 0
    seen, across = np.abs(rise[slanted]), side[slanted]
    columns = [np.bincount(band, values * way, count) for way in (up, ~up) for values in (seen, across)]
    return tuple((float(a), float(b), float(c), float(d)) for a, b, c, d in zip(*columns, strict=True))


def _side_overhangs(cross: Vertices, size: Vertices, middles: Vertices, extent: Vertices) -> tuple[float, ...]:
    """The overhanging surface (seen from above) if each of the ``SIDES`` lay on the plate."""
    found = []
    for axis, way in SIDES:
        rise = cross[:, axis] * (-way / 2)
        floor = 0.0 if axis == 2 else -extent[axis] / 2
        height = middles[:, axis] - floor if way < 0 else floor + extent[axis] - middles[:, axis]
        hanging = (rise < -OVERHANG_COSINE * size) & (height > ON_PLATE)
        found.append(float(-rise[hanging].sum()))
    return tuple(found)


def without_twins(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces]:
    """The mesh with equal corners merged and collapsed faces dropped: STL and careless exporters repeat corners."""
    rows = np.ascontiguousarray(vertices + 0.0)  # -0.0 becomes 0.0
    a, b, c = rows.view(np.uint64).T
    # Equal corners have equal codes: where all codes differ, nothing has to be merged.
    codes = np.sort(_mixed(_mixed(_mixed(a) ^ b) ^ c))
    if (codes[1:] != codes[:-1]).all():
        return rows, _without_collapsed(faces)
    _, first, inverse = np.unique(rows.view("V24").ravel(), return_index=True, return_inverse=True)
    return rows[first], _without_collapsed(inverse[faces])


def _without_collapsed(faces: Faces) -> Faces:
    a, b, c = faces.T
    kept = (a != b) & (b != c) & (a != c)
    return faces if kept.all() else faces[kept]


def _bodies(faces: Faces, count: int) -> tuple[NDArray[np.int64], bool]:
    """The body each face belongs to, and whether every edge has as many faces on its one side as on the other."""
    starts = faces.ravel()
    ends = faces[:, [1, 2, 0]].ravel()
    # Two edges hold a face together.
    links = (np.repeat(faces[:, 0], 2), faces[:, 1:].ravel())
    graph = coo_array((np.ones(len(links[0]), dtype=np.int8), links), shape=(count, count))
    _, labels = connected_components(graph, directed=False)
    low, high = np.minimum(starts, ends), np.maximum(starts, ends)
    # Each edge adds a large number that only it has, its two directions with opposite signs: the sum (modulo 2^64) is
    # nought when they balance, and by chance once in 2^64 when they do not. Sorting the edges took three times as long.
    codes = _mixed((low * np.int64(count) + high).astype(np.uint64))
    total = np.where(starts < ends, codes, np.uint64(0) - codes).sum(dtype=np.uint64)
    return labels[faces[:, 0]], int(total) == 0


def _mixed(codes: NDArray[np.uint64]) -> NDArray[np.uint64]:
    codes = (codes ^ (codes >> np.uint64(30))) * _MIX_1
    codes = (codes ^ (codes >> np.uint64(27))) * _MIX_2
    return codes ^ (codes >> np.uint64(31))


def _inside_out(labels: NDArray[np.int64], signed: Vertices, corners: Vertices) -> tuple[NDArray[np.bool_], int, bool]:
    """Which faces to turn over, how many bodies are solid, and whether solid bodies may overlap."""
    if (labels == labels[:1]).all():
        return np.full(len(labels), signed.sum() < 0), 1, False
    names, labels = np.unique(labels, return_inverse=True)
    volumes = np.bincount(labels, weights=signed)
    if len(names) > _COMPARED_BODIES:
        total = signed.sum()
        return np.full(len(labels), total < 0), int((volumes * np.sign(total) > 0).sum()) or 1, True
    low = np.full((len(names), 3), np.inf)
    high = np.full((len(names), 3), -np.inf)
    for corner in range(3):
        np.minimum.at(low, labels, corners[:, corner])
        np.maximum.at(high, labels, corners[:, corner])
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
