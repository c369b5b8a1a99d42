"""What a print file keeps of its filaments."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any


@dataclass(frozen=True)
class SliceFilament:
    """One filament of a plate: its number in the file from 0, what it is, and its grams on the full plate.

    ``color_hex`` is RRGGBB in capitals, or empty where no colour is meant.
    """

    position: int
    material_type: str
    color_hex: str = ""
    grams: Decimal = Decimal(0)

    def as_dict(self) -> dict[str, Any]:
        """Return it as JSON."""
        return {
            "position": self.position,
            "material_type": self.material_type,
            "color_hex": self.color_hex,
            "grams": str(self.grams),
        }

    @classmethod
    def from_dict(cls, row: dict[str, Any]) -> SliceFilament:
        """The inverse of ``as_dict``."""
        return cls(**(row | {"grams": Decimal(row["grams"])}))
