"""Cutting a mesh across: what a slicer would see at some two dozen heights, without slicing every layer.

Slabs end where the part has flat surfaces, so that what is prismatic is exact. Cuts are chained to closed outlines,
which Clipper2 (in manifold3d) joins by the positive winding rule, as slicers do, and moves inwards by the walls.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from manifold3d import CrossSection, FillRule, JoinType
from numpy.typing import NDArray

Vertices = NDArray[np.float64]
Faces = NDArray[np.int64]
Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

#: About this many slabs per part, and at most this many flat levels that end one.
SLABS, MOST_LEVELS = 24, 16
#: Two walls of 0.45 mm lines reach this deep (mm): half a line and one and a half spacings, as slicers place them.
WALLS_DEPTH = 0.86
#: An island of the inside smaller than this (mm2) is filled solid.
NOOK = 15.0
#: Solid layers reach this far (mm) beyond what they close: PrusaSlicer's EXTERNAL_INFILL_MARGIN.
SOLID_MARGIN = 3.0
#: Slicers drop bends below this (mm).
_TOLERANCE = 0.004
#: No slab but between flat levels is thinner than this (mm).
_THINNEST = 0.4
#: Less flat surface than this (mm2) at a level is counted with the slopes.
_LEAST_FLAT = 1.0
#: Surfaces closer than this (mm) lie at one level.
_SAME_LEVEL = 0.01
#: A mesh whose faces cross more cuts than this is cut at fewer heights.
_MOST_CROSSINGS = 500_000
#: A surface within two degrees of the plate counts as flat.
FLAT_COSINE = np.cos(np.radians(2.0))
#: Acceleration (mm/s2) and the jump of speed per axis at a corner (mm/s) for which bends are judged, at two speeds.
BEND_ACCELERATION, BEND_JERK, BEND_SPEEDS = 5000.0, 9.0, (60.0, 200.0)


@dataclass(frozen=True)
class Slab:
    """The part between two heights (mm), by a cut through its middle; areas mm2, lengths mm.

    ``inner_*`` is what two walls leave, ``nooks`` the share of it in islands that print solid. ``bends`` are the
    seconds that the outlines' corners and curves cost a machine at each of ``BEND_SPEEDS``. ``roof`` is what of the
    inside lies open at the slab's top, ``floor`` what hangs free (or stands on the plate) at its bottom; their margins
    are the inside within 3 mm around them, into which slicers let solid layers reach.
    """

    bottom: float
    top: float
    area: float
    outline: float
    loops: int
    islands: int
    inner_area: float
    inner_outline: float
    inner_loops: int
    nooks: float
    bends: tuple[float, float]
    roof: float
    roof_margin: float
    floor: float
    floor_margin: float


@dataclass(frozen=True)
class Cuts:
    """All cuts of a part: the slabs, and the segments (start, end, slab) for whoever looks at single places."""

    slabs: tuple[Slab, ...]
    starts: Floats
    ends: Floats
    slab_of: Indices


NO_CUTS = Cuts((), np.zeros((0, 2)), np.zeros((0, 2)), np.zeros(0, dtype=np.int64))


def cut(vertices: Vertices, faces: Faces, *, size: Floats, rise: Floats, volume: float) -> Cuts:
    """Cut a closed mesh that stands on height 0; ``size`` is each face's area, ``rise`` what is seen of it from above.

    Areas are scaled so that they add up to ``volume``, of which overlapping bodies then lose what they share.
    """
    z = vertices[:, 2]
    one, two, three = z[faces[:, 0]], z[faces[:, 1]], z[faces[:, 2]]
    flat = np.abs(rise) > FLAT_COSINE * size
    levels = ((one + two + three) / 3)[flat]
    lowest, highest = np.minimum(np.minimum(one, two), three), np.maximum(np.maximum(one, two), three)
    slabs_wanted, levels_wanted = SLABS, MOST_LEVELS
    while True:
        edges = _edges(float(z.max()), levels, size[flat], slabs_wanted, levels_wanted)
        middles = (edges[1:] + edges[:-1]) / 2
        first = np.searchsorted(middles, lowest)
        count = np.searchsorted(middles, highest) - first
        if count.sum() <= _MOST_CROSSINGS or len(middles) <= 2:
            break
        slabs_wanted, levels_wanted = slabs_wanted // 2, levels_wanted // 2
    starts, ends, slab_of, following = _segments(vertices, faces, middles, first, count)
    nearest_below = np.clip(np.searchsorted(edges, levels - _SAME_LEVEL) - 1, 0, len(middles) - 1)
    nearest_above = np.clip(np.searchsorted(edges, levels + _SAME_LEVEL, "right") - 1, 0, len(middles) - 1)
    up = np.bincount(nearest_below, np.maximum(rise[flat], 0), len(middles))
    down = np.bincount(nearest_above, np.maximum(-rise[flat], 0), len(middles))

    winding = np.bincount(slab_of, starts[:, 0] * ends[:, 1] - starts[:, 1] * ends[:, 0], len(middles)) / 2
    counted = float((np.abs(winding) * np.diff(edges)).sum())
    scale = float(np.clip(volume / counted, 0.8, 1.25)) if counted else 1.0
    loops = _loops(starts, slab_of, following, len(middles), reverse=winding.sum() < 0)
    shapes = [_Shape(polygons) for polygons in loops]
    bends = [_bends(shapes, speed) for speed in BEND_SPEEDS]
    slabs = tuple(
        Slab(
            bottom=float(edges[k]),
            top=float(edges[k + 1]),
            area=shape.area * scale,
            outline=shape.outline,
            loops=len(shape.polygons),
            islands=sum(_area(polygon) > 0 for polygon in shape.polygons),
            inner_area=shape.inner_area * scale,
            inner_outline=shape.inner_outline,
            inner_loops=shape.inner_loops,
            nooks=shape.nooks * scale,
            bends=(float(bends[0][k]), float(bends[1][k])),
            roof=(roof := _open(shape, shapes[k + 1] if k + 1 < len(shapes) else None, up[k]))[0] * scale,
            roof_margin=roof[1] * scale,
            floor=(floor := _open(shape, shapes[k - 1] if k else None, down[k]))[0] * scale,
            floor_margin=floor[1] * scale,
        )
        for k, shape in enumerate(shapes)
    )
    return Cuts(slabs, starts, ends, slab_of)


def thinnest_wall(slabs: Sequence[Slab]) -> float | None:
    """Return about how thin the part gets (mm), None without cuts: 2 x area / outline, which is the thickness of a
    wall and half the side of a post. Two slabs on each other must be as thin, so that a point is no wall.
    """
    walls = [2 * slab.area / slab.outline for slab in slabs if slab.outline]
    return min((max(pair) for pair in pairwise(walls)), default=walls[0] if walls else None)


def _edges(height: float, levels: Floats, areas: Floats, slabs: int, most_levels: int) -> Floats:
    """The heights at which slabs end: the largest flat levels, and even steps between them."""
    found, inverse = np.unique(np.round(levels / _SAME_LEVEL) * _SAME_LEVEL, return_inverse=True)
    weights = np.bincount(inverse, areas, len(found))
    inside = (found > 0.05) & (found < height - 0.05)
    found, weights = found[inside], weights[inside]
    kept = found[np.argsort(-weights, kind="stable")[:most_levels]]
    borders = np.unique(np.concatenate([[0.0, height], kept]))
    spans = np.diff(borders)
    steps = np.clip(np.round(spans / height * slabs), 1, np.ceil(spans / _THINNEST)).astype(int)
    parts = [
        np.linspace(low, high, n, endpoint=False) for low, high, n in zip(borders, borders[1:], steps, strict=False)
    ]
    return np.concatenate([*parts, [height]])


def _segments(
    vertices: Vertices, faces: Faces, heights: Floats, first: Indices, count: Indices
) -> tuple[Floats, Floats, Indices, Indices]:
    """Where faces cross the heights: starts and ends (n, 2), the height's number, and the segment that follows each.

    Each face crosses ``count`` heights from the ``first`` on.
    """
    crossing = np.flatnonzero(count)
    count = count[crossing]
    face = np.repeat(crossing, count)
    slab = np.repeat(first[crossing] - (np.cumsum(count) - count), count) + np.arange(len(face))
    above = vertices[:, 2][faces[face]] > heights[slab, None]
    rising = ~above & above[:, [1, 2, 0]]
    falling = above & ~above[:, [1, 2, 0]]
    total = np.int64(len(vertices))

    def node(edge: NDArray[np.bool_]) -> tuple[Indices, Floats]:
        corner = edge.argmax(axis=1)
        a, b = faces[face, corner], faces[face, (corner + 1) % 3]
        low, high = np.minimum(a, b), np.maximum(a, b)
        from_, to = vertices[low], vertices[high]
        share = ((heights[slab] - from_[:, 2]) / (to[:, 2] - from_[:, 2]))[:, None]
        return (slab * total + low) * total + high, from_[:, :2] + (to[:, :2] - from_[:, :2]) * share

    start_key, starts = node(rising)
    end_key, ends = node(falling)
    order = np.argsort(start_key, kind="stable")
    position = np.minimum(np.searchsorted(start_key[order], end_key), max(len(order) - 1, 0))
    following = order[position]
    following = np.where(start_key[following] == end_key, following, -1)
    return starts, ends, slab, following


def _loops(starts: Floats, slab_of: Indices, following: Indices, slabs: int, *, reverse: bool) -> list[list[Floats]]:
    """The outlines of each slab, by walking from segment to segment."""
    loops: list[list[Floats]] = [[] for _ in range(slabs)]
    after = following.tolist()
    seen = bytearray(len(after))
    for begin in range(len(after)):
        if seen[begin]:
            continue
        chain = []
        here = begin
        while here >= 0 and not seen[here]:
            seen[here] = 1
            chain.append(here)
            here = after[here]
        if len(chain) > 2:
            points = starts[chain]
            loops[slab_of[begin]].append(points[::-1] if reverse else points)
    return loops


class _Shape:
    """The outlines of one cut, joined, and what walls leave of them."""

    def __init__(self, loops: list[Floats]) -> None:
        shape = CrossSection(loops, FillRule.Positive).simplify(_TOLERANCE) if loops else CrossSection()
        self.polygons = [np.asarray(polygon) for polygon in shape.to_polygons()]
        self.shape = shape
        self.area = shape.area()
        self.outline = sum(_length(polygon) for polygon in self.polygons)
        inner = shape.offset(-WALLS_DEPTH, JoinType.Miter, 2.0)
        self.inner = inner
        rest = [np.asarray(polygon) for polygon in inner.to_polygons()]
        sizes = [_area(polygon) for polygon in rest]
        self.inner_area = inner.area()
        self.inner_outline = sum(_length(polygon) for polygon in rest)
        self.inner_loops = len(rest)
        self.nooks = sum(area for area in sizes if 0 < area < NOOK)


def _open(here: _Shape, beyond: _Shape | None, flat: float) -> tuple[float, float]:
    """What of the inside is not covered by the next slab, at most ``flat``, and what lies within 3 mm beside it."""
    if flat < _LEAST_FLAT or not here.inner_area:
        return 0.0, 0.0
    if beyond is None:
        return min(here.inner_area, flat), 0.0
    bare = here.inner - beyond.shape
    area = bare.area()
    beside = (bare.offset(SOLID_MARGIN, JoinType.Miter, 2.0) ^ here.inner).area() - area
    return min(area, flat), max(beside, 0.0)


def _length(polygon: Floats) -> float:
    step = polygon - np.roll(polygon, 1, axis=0)
    return float(np.hypot(step[:, 0], step[:, 1]).sum())


def _area(polygon: Floats) -> float:
    x, y = polygon.T
    return float(x @ np.roll(y, -1) - y @ np.roll(x, -1)) / 2


def _bends(shapes: list[_Shape], speed: float) -> Floats:
    """Seconds that following the outlines takes beyond length / speed, per slab.

    Speed at a corner is what a jump of ``BEND_JERK`` per axis allows; between corners it rises and falls with
    ``BEND_ACCELERATION`` (the trapezoids of Marlin's planner).
    """
    lost = np.zeros(len(shapes))
    loops = [(k, polygon) for k, shape in enumerate(shapes) for polygon in shape.polygons]
    if not loops:
        return lost
    points = np.concatenate([polygon for _, polygon in loops])
    lengths = np.array([len(polygon) for _, polygon in loops])
    ends = np.cumsum(lengths)
    after = np.arange(1, len(points) + 1)
    after[ends - 1] = ends - lengths
    before = np.empty_like(after)
    before[after] = np.arange(len(after))
    step = points[after] - points
    length = np.maximum(np.hypot(step[:, 0], step[:, 1]), 1e-9)
    direction = step / length[:, None]
    jump = np.abs(direction - direction[before]).max(axis=1)
    corner = np.minimum(speed, BEND_JERK / np.maximum(jump, 1e-9))
    for _ in range(4):  # a corner is not faster than its neighbours let it be reached; four rounds come close enough
        corner = np.minimum(corner, np.sqrt(corner[after] ** 2 + 2 * BEND_ACCELERATION * length))
        corner = np.minimum(corner, np.sqrt(corner[before] ** 2 + 2 * BEND_ACCELERATION * length[before]))
    enter, leave = corner, corner[after]
    peak = np.minimum(speed, np.sqrt((enter**2 + leave**2) / 2 + BEND_ACCELERATION * length))
    ramps = (2 * peak**2 - enter**2 - leave**2) / (2 * BEND_ACCELERATION)
    seconds = (2 * peak - enter - leave) / BEND_ACCELERATION + np.maximum(length - ramps, 0) / peak
    return np.bincount(np.repeat([k for k, _ in loops], lengths), seconds - length / speed, len(shapes))
