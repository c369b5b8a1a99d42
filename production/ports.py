"""What production asks of the world above it: who makes a print file of a model, who carries a job to a printer."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Protocol

from inventory.models import ProductPlate, SliceFilament

__all__ = [
    "Figures",
    "OpenDemand",
    "PlateLayout",
    "PrintBackend",
    "SliceFilament",
    "SliceRequest",
    "SliceResult",
    "Slicer",
    "demand_comes_from",
    "figures_come_from",
    "lay_together",
    "newest_figures",
    "open_demand",
    "plates_are_laid_by",
]

#: What a printer shows at the moment, as whoever listens to it keeps it: ``at`` (ISO time), ``job`` (the name that was
#: given to the print), ``percent``, ``layer``, ``total_layers``, ``remaining_minutes``, ``active_tray``, and the
#: temperatures ``nozzle_c``, ``bed_c``, ``chamber_c``. Any of them may be missing.
Figures = Mapping[str, Any]
_FigureSource = Callable[[Iterable[int]], Mapping[int, Figures]]
_figure_sources: list[_FigureSource] = []


@dataclass(frozen=True)
class SliceRequest:
    """One plate to slice: the model's bytes, for which printer and filaments, and what was estimated for the plate.

    ``filaments`` stand in the order of the file's numbers. ``copies`` is how often the whole file lies on the plate;
    where only some of its parts do, or in other numbers, ``is_whole_file`` is False, and a slicer that cannot pick them
    refuses. The estimates, those of the filaments too, are for the full plate.
    """

    source: bytes
    file_name: str
    printer_model: str
    filaments: tuple[SliceFilament, ...]
    name: str
    layer_height_mm: Decimal = Decimal("0.20")
    infill_percent: int = 20
    supports: bool = True
    copies: int = 1
    estimated_minutes: Decimal | None = None
    is_whole_file: bool = True

    @property
    def main(self) -> SliceFilament:
        """The filament that the plate takes most of; an unnamed one where the plate names none."""
        return max(self.filaments, key=lambda filament: filament.grams, default=SliceFilament(0, ""))

    @property
    def estimated_grams(self) -> Decimal | None:
        """Grams of the full plate, all filaments; None where nobody estimated them."""
        return sum((filament.grams for filament in self.filaments), Decimal(0)) or None


@dataclass(frozen=True)
class SliceResult:
    """A printable package and the slicer's own numbers; ``filaments`` are those that the file really uses, for the full
    plate as the slicer counts them.
    """

    content: bytes
    file_name: str
    minutes: Decimal
    filaments: tuple[SliceFilament, ...]
    sliced_by: str
    layers: int = 0
    warnings: tuple[str, ...] = ()

    @property
    def grams(self) -> Decimal:
        """Grams of all filaments."""
        return sum((filament.grams for filament in self.filaments), Decimal(0))


@dataclass(frozen=True)
class PlateLayout:
    """How models of several plates lie on one: the size of the largest piece in mm, and on which printer models' beds
    all of them fit (none named: on every one's).
    """

    box: tuple[Decimal, Decimal, Decimal]
    printer_models: tuple[str, ...]


#: Lays so many parts of each plate on one; raises ``NotCombinable`` where they do not fit or cannot be laid.
PlateLayouter = Callable[[Sequence[tuple[ProductPlate, int]]], PlateLayout]
_layouters: list[PlateLayouter] = []


def plates_are_laid_by(layouter: PlateLayouter) -> None:
    """Name who lays models on a plate; called once when the apps are loaded."""
    _layouters[:] = [layouter]


def lay_together(parts: Sequence[tuple[ProductPlate, int]]) -> PlateLayout | None:
    """Return how so many parts of each plate lie on one, None where nobody can tell; raises ``NotCombinable``."""
    return _layouters[0](parts) if _layouters else None


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


def figures_come_from(source: _FigureSource) -> None:
    """Name who knows the printers' newest figures by printer id; called once when the apps are loaded."""
    if source not in _figure_sources:
        _figure_sources.append(source)


def newest_figures(printer_ids: Iterable[int]) -> dict[int, Figures]:
    """Return the newest figures by printer id; printers that said nothing for a while are left out."""
    wanted = list(printer_ids)
    found: dict[int, Figures] = {}
    for source in _figure_sources:
        found |= source(wanted)
    return found


@dataclass(frozen=True)
class OpenDemand:
    """What a layer above still owes somebody of a product, for material planning.

    ``reference_type`` and ``reference_id`` are those of stock that is reserved for it; ``label`` is its number for
    people.
    """

    product_id: int
    quantity: Decimal
    due: datetime.date | None
    reference_type: str
    reference_id: int
    label: str = ""


class _DemandSource(Protocol):
    """Returns everything that is still owed, or what is of some products, in a constant number of queries."""

    def __call__(self, products: Collection[int] | None = None) -> Iterable[OpenDemand]:
        """Return the rows."""
        ...


_demand_sources: list[_DemandSource] = []


def demand_comes_from(source: _DemandSource) -> None:
    """Name who knows of demand that production does not: open order lines; called once when the apps are loaded."""
    if source not in _demand_sources:
        _demand_sources.append(source)


def open_demand(products: Collection[int] | None = None) -> list[OpenDemand]:
    """Return what the layers above still owe of any product, or of some."""
    return [row for source in _demand_sources for row in source(products)]
