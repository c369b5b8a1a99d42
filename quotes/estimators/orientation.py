"""Would a part be easier to print on another side? Only said, never done: how a part lies is its maker's choice."""

from __future__ import annotations

from decimal import Decimal

from quotes.modelfiles.analysis import PartGeometry

#: Overhang up to this (mm2) prints without supports: screw holes, chamfers, small bridges.
BRIDGED = Decimal(60)
#: How each of ``geometry.SIDES`` but the first is called, and the axis that then points up.
_SIDES = (
    (1, "upside down", 2),
    (2, "on its side", 0),
    (3, "on its side", 0),
    (4, "on its side", 1),
    (5, "on its side", 1),
)


def better_side(part: PartGeometry, bed: tuple[Decimal, Decimal, Decimal]) -> str:
    """How the part could lie to need no supports and still fit the bed ("on its side"), or "" when it cannot."""
    if len(part.side_overhangs_mm2) != 6 or part.side_overhangs_mm2[0] <= BRIDGED:
        return ""
    for side, words, up in _SIDES:
        flat = [part.bbox_mm[axis] for axis in range(3) if axis != up]
        fits = part.bbox_mm[up] <= bed[2] and min(flat) <= min(bed[:2]) and max(flat) <= max(bed[:2])
        if fits and part.side_overhangs_mm2[side] <= BRIDGED:
            return words
    return ""
