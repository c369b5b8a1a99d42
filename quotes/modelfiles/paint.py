"""Colours painted on single triangles, as Bambu Studio, Orca (``paint_color``) and PrusaSlicer (``mmu_segmentation``)
keep them: a string of hex digits per triangle, to be read from its end.

Each digit holds four bits of the slicers' TriangleSelector. Two lower bits of 0 are a leaf, and the upper two its
state; 3 there means that a digit with state - 3 follows, and 15 there that another one does. Otherwise the lower bits
are the number of split sides: the triangle falls into one child more, and the children follow, the last one first. One
split side halves it; two leave half of it as the last child and a quarter for each other; three quarter it. State 0 is
unpainted, n is filament n counted from 1.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_MARKS = (b"paint_color=", b"mmu_segmentation=")
_OBJECT = re.compile(rb"<(?:[\w.-]+:)?object\s[^<>]*?\bid\s*=\s*[\"'](\d{1,12})[\"']")
_TRIANGLE = re.compile(
    rb"<(?:[\w.-]+:)?triangle\s(?:[^<>]*?(?:paint_color|mmu_segmentation)\s*=\s*[\"']([^\"'<>]*)[\"'])?"
)
_PAINT = re.compile(rb"\s(?:paint_\w+|(?:[\w.-]+:)?(?:mmu_segmentation|custom_\w+))\s*=\s*(?:\"[^\"<>]*\"|'[^'<>]*')")
#: What is left of a triangle at this depth cannot be seen.
_DEEPEST = 32
#: Shares of the children in the order in which they are written, by the number of split sides.
_SHARES = {1: (0.5, 0.5), 2: (0.5, 0.25, 0.25), 3: (0.25, 0.25, 0.25, 0.25)}
#: Slicers know at most this many filaments.
MOST_FILAMENTS = 64

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Paint:
    """The paint of one mesh: for each triangle a row of ``table``, which holds the share of each state in it."""

    rows: NDArray[np.int64]
    table: Floats

    def shares(self, areas: Floats) -> Floats:
        """The share of each state in a mesh whose triangles have these areas (mm2)."""
        by_row = np.bincount(self.rows, weights=areas, minlength=len(self.table))
        return by_row @ self.table / max(float(areas.sum()), 1e-300)

    def strongest(self) -> NDArray[np.int64]:
        """The state that covers most of each triangle."""
        return self.table.argmax(axis=1)[self.rows]


def is_painted(content: bytes) -> bool:
    """Whether any triangle of a model part may be painted: one quick search before anything is parsed."""
    return any(mark in content for mark in _MARKS)


def without_paint(content: bytes) -> bytes:
    """The model part without painted attributes, which other readers would remark on one by one."""
    return _PAINT.sub(b"", content) if is_painted(content) else content


def read_paint(content: bytes) -> dict[int, Paint]:
    """The paint of every painted object of a model part, by the object's number."""
    paints: dict[int, Paint] = {}
    objects = list(_OBJECT.finditer(content))
    ends = [found.start() for found in objects[1:]] + [len(content)]
    for found, end in zip(objects, ends, strict=True):
        segment = content[found.end() : end]
        if is_painted(segment):
            paints[int(found[1])] = _paint_of(_TRIANGLE.findall(segment))
    return paints


def _paint_of(texts: list[bytes]) -> Paint:
    rows: dict[bytes, int] = {}
    per_triangle = np.fromiter((rows.setdefault(text, len(rows)) for text in texts), dtype=np.int64, count=len(texts))
    decoded = [decode(text) for text in rows]
    table = np.zeros((len(rows), 1 + max((state for shares in decoded for state, _ in shares), default=0)))
    for row, shares in enumerate(decoded):
        for state, share in shares:
            table[row, state] = share
    return Paint(per_triangle, table)


def decode(text: bytes) -> tuple[tuple[int, float], ...]:
    """(state, share of the triangle) of one painted triangle; what cannot be read counts as unpainted."""
    shares: dict[int, float] = {}
    try:
        digits = iter([int(chr(digit), 16) for digit in reversed(text)])
    except ValueError:
        return ((0, 1.0),)
    waiting = [(1.0, 0)]
    while waiting:
        size, depth = waiting.pop()
        digit = next(digits, 0)
        sides = digit & 0b11
        if sides and depth < _DEEPEST:
            waiting += [(size * share, depth + 1) for share in reversed(_SHARES[sides])]
            continue
        state = digit >> 2
        if not sides and state == 3:
            more = next(digits, 0)
            while more == 15:
                state += 15
                more = next(digits, 0)
            state += more
        if sides or state > MOST_FILAMENTS:
            state = 0
        shares[state] = shares.get(state, 0.0) + size
    return tuple(shares.items())
