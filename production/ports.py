"""What production asks of the world above it: who makes a print file of a model, who carries a job to a printer."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol


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


class PrintBackend(Protocol):
    """Carries a job to the machine that was chosen for it; every call runs outside any transaction.

    ``job`` is a ``production.PrintJob``. A call that did not reach the machine raises ``PartnerUnavailable``, one that
    it refused ``PartnerRefused``; what became of the job is told to ``production.services.progress``.
    """

    def start(self, job: Any) -> None:
        """Bring the job's print file to its printer and start it; asked twice, it starts once."""
        ...

    def pause(self, job: Any) -> None:
        """Pause the printer."""
        ...

    def resume(self, job: Any) -> None:
        """Go on after a pause."""
        ...

    def stop(self, job: Any) -> None:
        """Stop the job for good."""
        ...
