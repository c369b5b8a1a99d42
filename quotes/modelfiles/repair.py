"""Closing meshes that are not closed: gaps by rounding are welded, holes are filled, so that a volume can be measured.

Only what is measured is repaired; the customer's file stays as it is, and slicers mend such meshes on their own.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Vertices = NDArray[np.float64]
Faces = NDArray[np.int64]

#: Corners closer than about this (mm) are one: STL and careless exporters round.
WELD = 1e-3
#: A hole with more than this share of the surface may be meant open: it is filled, but what comes of it is a guess.
SMALL_SHARE = 0.05
#: A mesh with more open edges than this is no solid with holes.
_MOST_OPEN_EDGES = 20_000


@dataclass(frozen=True)
class Repaired:
    """A closed mesh, how many holes were filled, and whether all of them together are small."""

    vertices: Vertices
    faces: Faces
    holes: int
    is_small: bool


def repaired(vertices: Vertices, faces: Faces) -> Repaired | None:
    """Return the mesh welded and its holes filled, each by a fan around its middle; None where edges branch."""
    vertices, faces = _welded(vertices, faces)
    if not len(faces):
        return None
    opened = _open_edges(faces, len(vertices))
    if opened is None:
        return None
    loops = _loops(*opened)
    if loops is None:
        return None
    middles = np.array([vertices[loop].mean(axis=0) for loop in loops]).reshape(-1, 3)
    fans = [
        np.column_stack([loop, np.roll(loop, -1), np.full(len(loop), len(vertices) + number)])
        for number, loop in enumerate(loops)
    ]
    whole = np.concatenate([vertices, middles])
    filling = np.concatenate([*fans, np.zeros((0, 3), dtype=np.int64)])
    share = _area(whole, filling) / max(_area(whole, faces), 1e-12)
    return Repaired(whole, np.concatenate([faces, filling]), len(loops), share <= SMALL_SHARE)


def _welded(vertices: Vertices, faces: Faces) -> tuple[Vertices, Faces]:
    grid = np.round(vertices / WELD).astype(np.int64)
    _, first, inverse = np.unique(grid, axis=0, return_index=True, return_inverse=True)
    faces = inverse.ravel()[faces]
    a, b, c = faces.T
    return vertices[first], faces[(a != b) & (b != c) & (a != c)]


def _open_edges(faces: Faces, count: int) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
    """The edges that a filling needs, as starts and ends: each goes against the one face that has it."""
    starts, ends = faces.ravel(), faces[:, [1, 2, 0]].ravel()
    low, high = np.minimum(starts, ends), np.maximum(starts, ends)
    _, inverse, uses = np.unique(low * np.int64(count) + high, return_inverse=True, return_counts=True)
    balance = np.bincount(inverse, np.where(starts < ends, 1, -1))
    if (np.abs(balance) > 1).any():
        return None
    lone = balance[inverse] != 0
    if (uses[inverse][lone] > 1).any() or lone.sum() > _MOST_OPEN_EDGES:
        return None
    return ends[lone], starts[lone]


def _loops(starts: NDArray[np.int64], ends: NDArray[np.int64]) -> list[NDArray[np.int64]] | None:
    """The open edges chained to loops, which end where they meet themselves; None where one does not close."""
    after: dict[int, list[int]] = {}
    for start, end in zip(starts.tolist(), ends.tolist(), strict=True):
        after.setdefault(start, []).append(end)
    loops = []
    while after:
        here, path, place = next(iter(after)), [], {}
        while True:
            if here in place:
                loop, path = path[place[here] :], path[: place[here]]
                if len(loop) < 3:
                    return None
                loops.append(np.array(loop, dtype=np.int64))
                for corner in loop:
                    del place[corner]
                if not path and here not in after:
                    break
            if here not in after:
                return None
            place[here] = len(path)
            path.append(here)
            follower = after[here].pop()
            if not after[here]:
                del after[here]
            here = follower
    return loops


def _area(vertices: Vertices, faces: Faces) -> float:
    one, two, three = (vertices[faces[:, corner]] for corner in range(3))
    return float(np.linalg.norm(np.cross(two - one, three - one), axis=1).sum() / 2)
