"""What prints into the air, and how much room a support under it takes up: to the plate, or to the part below."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import binary_closing

from quotes.modelfiles.sections import Cuts

Floats = NDArray[np.float64]
Indices = NDArray[np.int64]

#: The raster on which "what is below" is looked up: this many cells along the longer side, none finer than 0.8 mm.
_CELLS, _FINEST = 64, 0.8
#: Samples per cell, so that hardly any is missed.
_DENSITY = 4
#: Slicers join supports that are closer than this (mm): PrusaSlicer's ``support_material_closing_radius``.
_CLOSING = 2.0
_MOST_SAMPLES = 60_000
#: A cut this close below a surface (mm) belongs to it.
_OWN = 0.3


@dataclass(frozen=True)
class Overhang:
    """Overhanging surface seen from above (mm2), the room under it (mm3), and that room cut by each slab's middle.

    ``areas`` (mm2) and ``borders`` (mm) are per slab.
    """

    area: float
    column: float
    areas: Floats
    borders: Floats


def overhang(corners: Floats, areas: Floats, extent: Floats, cuts: Cuts) -> Overhang:
    """Look below hanging faces: their ``corners`` (m, 3, 3) and ``areas`` seen from below (m,).

    The part's box of ``extent`` stands on height 0 with its middle in x = y = 0, as the cuts do.
    """
    nothing = np.zeros(len(cuts.slabs))
    if not len(corners) or not len(nothing):
        return Overhang(0.0, 0.0, nothing, nothing)
    low, high = -extent[:2] / 2, extent[:2] / 2
    cell = max(float((high - low).max()) / _CELLS, _FINEST)
    solid = _solid(cuts, low, np.ceil((high - low) / cell).astype(int) + 1, cell)
    # For each cell and slab: the highest slab up to it that is solid.
    slabs = np.arange(len(solid))[:, None, None]
    under = np.maximum.accumulate(np.where(solid, slabs, -1), axis=0)

    points, weights = _samples(corners, areas, cell)
    tops = np.array([slab.top for slab in cuts.slabs])
    middles = np.array([(slab.bottom + slab.top) / 2 for slab in cuts.slabs])
    column, row = np.maximum((points[:, :2] - low) / cell, 0).astype(int).T
    below = np.searchsorted(middles, points[:, 2] - _OWN) - 1
    found = np.where(below >= 0, under[np.maximum(below, 0), row, column], -1)
    floor = np.where(found >= 0, tops[np.maximum(found, 0)], 0.0)
    height = np.maximum(points[:, 2] - floor, 0.0)
    # The cells under each point are filled from the slab above the floor to the one below the point.
    filled = np.zeros((len(solid) + 1, *solid.shape[1:]))
    last = np.maximum(below, found)
    np.add.at(filled, (found + 1, row, column), 1.0)
    np.add.at(filled, (last + 1, row, column), -1.0)
    room = filled.cumsum(axis=0)[:-1] > 0.5
    rounds = max(round(_CLOSING / cell), 1)
    edge = ((0, 0), (rounds + 1, rounds + 1), (rounds + 1, rounds + 1))
    room = binary_closing(np.pad(room, edge), np.ones((1, 3, 3)), iterations=rounds) & ~np.pad(solid, edge)
    steps = np.abs(np.diff(room.astype(np.int8), axis=1)).sum(axis=(1, 2))
    steps += np.abs(np.diff(room.astype(np.int8), axis=2)).sum(axis=(1, 2))
    return Overhang(
        area=float(weights.sum()),
        column=float((weights * height).sum()),
        areas=room.sum(axis=(1, 2)) * cell**2,
        # Steps of cells are 4 / pi longer than the line they follow.
        borders=steps * cell * np.pi / 4,
    )


def _solid(cuts: Cuts, low: Floats, cells: Indices, cell: float) -> NDArray[np.bool_]:
    """(slab, row, column): whether the cut is solid at the cell's middle, by the winding of its outlines."""
    columns, rows = int(cells[0]), int(cells[1])
    grid = np.zeros(len(cuts.slabs) * rows * (columns + 1))
    one, other = (cuts.starts - low) / cell, (cuts.ends - low) / cell
    # A segment counts in the rows whose middle line it crosses.
    first = np.ceil(np.minimum(one[:, 1], other[:, 1]) - 0.5).astype(int)
    count = np.maximum(np.ceil(np.maximum(one[:, 1], other[:, 1]) - 0.5).astype(int) - first, 0)
    segment = np.repeat(np.arange(len(one)), count)
    row = np.repeat(first - (np.cumsum(count) - count), count) + np.arange(len(segment))
    a, b = one[segment], other[segment]
    x = a[:, 0] + (row + 0.5 - a[:, 1]) / (b[:, 1] - a[:, 1]) * (b[:, 0] - a[:, 0])
    column = np.clip(np.ceil(x - 0.5).astype(int), 0, columns)
    place = (cuts.slab_of[segment] * rows + np.clip(row, 0, rows - 1)) * (columns + 1) + column
    grid = np.bincount(place, np.sign(b[:, 1] - a[:, 1]), len(grid)).reshape(len(cuts.slabs), rows, columns + 1)
    return np.abs(grid.cumsum(axis=2)) > 0.5


def _samples(corners: Floats, areas: Floats, cell: float) -> tuple[Floats, Floats]:
    """Points spread evenly over the faces, and the area that each stands for."""
    spacing = max(cell**2 / _DENSITY, float(areas.sum()) / _MOST_SAMPLES)
    count = np.ceil(areas / spacing).astype(int)
    face = np.repeat(np.arange(len(areas)), count)
    number = np.arange(len(face)) - np.repeat(np.cumsum(count) - count, count)
    # The plastic number's sequence fills a square evenly (Roberts, "The Unreasonable Effectiveness of Quasirandom
    # Sequences"); folded along its diagonal it fills a triangle.
    u, v = (number * 0.7548776662466927 + 0.5) % 1, (number * 0.5698402909980532 + 0.5) % 1
    outside = u + v > 1
    u, v = np.where(outside, 1 - u, u)[:, None], np.where(outside, 1 - v, v)[:, None]
    a, b, c = corners[face].transpose(1, 0, 2)
    return a + u * (b - a) + v * (c - a), areas[face] / count[face]
