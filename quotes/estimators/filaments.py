"""What a plate in several filaments takes: grams of each, and what changing between them flushes, wipes and lasts.

A layer that shows n filaments needs n - 1 changes: slicers begin it with the filament that the last one ended with. A
part that is painted is taken to show all its filaments on all its layers, which is the dear case.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from quotes.estimators.profiles import PrinterProfile
from quotes.estimators.toolpaths import PieceWork
from quotes.modelfiles.analysis import FilamentSlot, PartGeometry

#: Shares below this are specks of a painted seam, not a filament to load.
_LEAST_SHARE = 0.001


@dataclass(frozen=True)
class PlateFilaments:
    """mm3 by filament number: what the pieces extrude, and what is flushed; and how often the filament changes."""

    pieces: dict[int, float]
    flushed: dict[int, float]
    changes: int

    @property
    def numbers(self) -> list[int]:
        """The filaments on the plate."""
        return sorted(self.pieces)

    def volume(self, number: int) -> float:
        """All of one filament."""
        return self.pieces[number] + self.flushed.get(number, 0.0)


def shares(part: PartGeometry) -> dict[int, float]:
    """The share of each filament in a part; one that was painted in nothing is filament 0."""
    found = {number: float(share) for number, share in part.filament_shares if share >= _LEAST_SHARE}
    total = sum(found.values())
    return {number: share / total for number, share in found.items()} if total else {0: 1.0}


def filaments_of(
    pieces: Sequence[tuple[PartGeometry, PieceWork, int]], layer: float, printer: PrinterProfile
) -> PlateFilaments:
    """The filaments of a plate of (part, work, count)."""
    volumes: dict[int, float] = {}
    heights: dict[int, float] = {}
    for part, work, count in pieces:
        for number, share in shares(part).items():
            volumes[number] = volumes.get(number, 0.0) + share * work.total * count
            heights[number] = max(heights.get(number, 0.0), float(part.bbox_mm[2]))
    changes = {number: math.ceil(height / layer) for number, height in heights.items()}
    # The filament that reaches highest is the one that layers begin or end with: the others cost a change each.
    if changes:
        changes[max(changes, key=lambda number: changes[number])] = 0
    each = printer.flush_volume + printer.tower_volume
    total = sum(changes.values())
    # A change away from a filament and one back flush one of each; half the waste is the tallest's.
    flushed = {number: (count or total) * each / 2 for number, count in changes.items()} if total else {}
    return PlateFilaments(volumes, flushed, total)


def slot_of(number: int, slots: Sequence[FilamentSlot]) -> FilamentSlot | None:
    """What the file says of a filament."""
    return next((slot for slot in slots if slot.number == number), None)
