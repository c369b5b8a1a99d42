"""What production asks of the world above it: somebody who turns a model into something a printer can run."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol


@dataclass(frozen=True)
class SliceRequest:
    """One plate to slice: the model's bytes, for which printer and material, and what was estimated for the plate.

    ``copies`` is how often the whole file lies on the plate; the estimates are for the full plate.
    """

    source: bytes
    file_name: str
    printer_model: str
    material_type: str
    name: str
    color_hex: str = ""
    layer_height_mm: Decimal = Decimal("0.20")
    infill_percent: int = 20
    copies: int = 1
    estimated_grams: Decimal | None = None
    estimated_minutes: Decimal | None = None


@dataclass(frozen=True)
class SliceResult:
    """A printable package and the slicer's own numbers; ``grams`` rows are (material type, colour hex, grams)."""

    content: bytes
    file_name: str
    minutes: Decimal
    grams: tuple[tuple[str, str, Decimal], ...]
    sliced_by: str
    warnings: tuple[str, ...] = ()


class Slicer(Protocol):
    """Makes a print file of a plate, or refuses with an error of ``blb3d.core.errors``."""

    def slice(self, request: SliceRequest) -> SliceResult:
        """Slice one plate; runs outside any transaction and may take minutes."""
        ...
