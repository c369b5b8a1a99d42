"""How many pieces lie on one bed: rows of bounding boxes with a gap between them."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from quotes.modelfiles.analysis import PartGeometry

#: Nobody plates more pieces than this at once; bounds the search.
MOST_PIECES = 400


@dataclass(frozen=True)
class Layout:
    """Plates for one order, each a list of (part index, count).

    When it is one plate, ``sets`` whole sets lie on it and ``fits`` would be the most.
    """

    plates: tuple[tuple[tuple[int, int], ...], ...]
    sets: int
    fits: int


def lay_out(
    parts: Sequence[PartGeometry], *, quantity: int, bed: tuple[Decimal, Decimal, Decimal], gap: Decimal
) -> Layout:
    """Lay sets of parts on plates: as many sets per plate as fit, evenly spread over the runs that ``quantity`` needs.

    A set too large for one plate becomes several plates, one set each.
    """
    one = [index for index, part in enumerate(parts) for _ in range(part.count)]
    plates = _plates(one, parts, bed, gap)
    if len(plates) > 1:
        return Layout(tuple(_counted(plate) for plate in plates), sets=1, fits=1)
    low, high = 1, max(1, MOST_PIECES // len(one))
    while low < high:
        middle = (low + high + 1) // 2
        if len(_plates(one * middle, parts, bed, gap)) == 1:
            low = middle
        else:
            high = middle - 1
    runs = math.ceil(quantity / low)
    sets = math.ceil(quantity / runs)
    return Layout((_counted(one * sets),), sets=sets, fits=low)


def fits_bed(part: PartGeometry, bed: tuple[Decimal, Decimal, Decimal]) -> bool:
    """Whether one piece fits the build volume, turned on the plate if need be."""
    width, depth, height = part.bbox_mm
    return height <= bed[2] and min(width, depth) <= min(bed[:2]) and max(width, depth) <= max(bed[:2])


def fits_together(
    pieces: Sequence[tuple[PartGeometry, int]], bed: tuple[Decimal, Decimal, Decimal], gap: Decimal
) -> bool:
    """Whether so many of each piece lie on one plate of this bed."""
    parts = [part for part, _ in pieces]
    indices = [index for index, (_, count) in enumerate(pieces) for _ in range(count)]
    return all(fits_bed(part, bed) for part in parts) and len(_plates(indices, parts, bed, gap)) == 1


def _counted(plate: Sequence[int]) -> tuple[tuple[int, int], ...]:
    return tuple(sorted(Counter(plate).items()))


def _plates(
    indices: Sequence[int],
    parts: Sequence[PartGeometry],
    bed: tuple[Decimal, Decimal, Decimal],
    gap: Decimal,
) -> list[list[int]]:
    """The better of lying and standing rows: fewer plates win."""
    return min((_rows(indices, parts, bed, gap, lying=lying) for lying in (True, False)), key=len)


def _rows(
    indices: Sequence[int],
    parts: Sequence[PartGeometry],
    bed: tuple[Decimal, Decimal, Decimal],
    gap: Decimal,
    *,
    lying: bool,
) -> list[list[int]]:
    boxes = []
    for index in indices:
        long, short = max(parts[index].bbox_mm[:2]), min(parts[index].bbox_mm[:2])
        width, depth = (long, short) if lying or long > bed[1] else (short, long)
        boxes.append((depth, width, index))
    boxes.sort(reverse=True)
    plates: list[list[int]] = []
    x = y = row_depth = Decimal(0)
    for depth, width, index in boxes:
        if plates and x + width > bed[0]:  # the row is full
            x, y, row_depth = Decimal(0), y + row_depth + gap, Decimal(0)
        if not plates or y + depth > bed[1]:
            plates.append([])
            x = y = row_depth = Decimal(0)
        plates[-1].append(index)
        x += width + gap
        row_depth = max(row_depth, depth)
    return plates
