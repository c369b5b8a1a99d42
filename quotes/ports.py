"""What quoting asks of the world: somebody who can say how much material and time a file takes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol

from blb3d.core.errors import InvalidValue
from quotes.modelfiles.analysis import ModelAnalysis

#: Layer height in mm by quality.
LAYER_HEIGHTS = {"draft": Decimal("0.28"), "standard": Decimal("0.20"), "fine": Decimal("0.12")}


@dataclass(frozen=True)
class EstimateSettings:
    """How the customer wants it printed: ``quantity`` counts sets (all pieces of the file), lengths are mm.

    ``density_g_cm3`` is the chosen material's own, where it is known; without it the type's usual density is taken.
    """

    material_type: str = "PLA"
    color_hex: str = ""
    density_g_cm3: Decimal | None = None
    quality: str = "standard"
    infill_percent: int = 20
    quantity: int = 1
    supports: bool = True
    bed_mm: tuple[Decimal, Decimal, Decimal] = (Decimal(256), Decimal(256), Decimal(256))
    gap_mm: Decimal = Decimal(5)
    #: Printer model ids (as slicers write them) of this farm; empty: any machine's slice is taken.
    printer_model_ids: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        if self.quantity < 1:
            raise InvalidValue("The quantity must be at least 1.", details={"field": "quantity"})
        if not 0 <= self.infill_percent <= 100:
            raise InvalidValue("The infill must lie between 0 and 100 percent.", details={"field": "infill_percent"})
        if self.quality not in LAYER_HEIGHTS:
            raise InvalidValue(
                "There is no such quality.", details={"field": "quality", "allowed": list(LAYER_HEIGHTS)}
            )

    @property
    def layer_height_mm(self) -> Decimal:
        """The layer height of the chosen quality."""
        return LAYER_HEIGHTS[self.quality]


@dataclass(frozen=True)
class FilamentUse:
    """Grams of one filament; ``color_hex`` is empty when no colour was chosen."""

    material_type: str
    color_hex: str
    grams: Decimal


@dataclass(frozen=True)
class PlateEstimate:
    """One kind of plate: what lies on it, what one run of it takes, and how often it runs for the whole quantity."""

    number: int
    parts: tuple[tuple[str, int], ...]
    sets_per_plate: int
    runs: int
    minutes: Decimal
    filaments: tuple[FilamentUse, ...]

    @property
    def grams(self) -> Decimal:
        """Grams of one run, all filaments."""
        return sum((use.grams for use in self.filaments), Decimal(0))


@dataclass(frozen=True)
class Estimate:
    """What printing takes, by whom it was estimated and how far it may be off.

    ``minutes`` and ``filaments`` are for one set **at the asked quantity**: all runs of all plates divided by the
    quantity, so that set x quantity is what the farm spends (waste, warm-up and a half-needed last plate included).
    ``parts_per_plate`` is the number of sets one plate holds at this quantity, ``fits_per_plate`` the most it could.
    ``interval_percent`` is the half width of the confidence interval; ``fallback_reason`` says why better methods of
    the chain did not answer; ``methods_differ_percent`` is set when two methods were compared.
    """

    method: str
    filaments: tuple[FilamentUse, ...]
    minutes: Decimal
    interval_percent: Decimal
    parts_per_plate: int
    fits_per_plate: int
    plates: tuple[PlateEstimate, ...]
    fallback_reason: str = ""
    methods_differ_percent: Decimal | None = None
    warnings: tuple[str, ...] = ()
    needs_person: str = ""

    @property
    def grams(self) -> Decimal:
        """Grams of one set, all filaments."""
        return sum((use.grams for use in self.filaments), Decimal(0))

    @property
    def plate_runs(self) -> int:
        """Print jobs for the whole quantity."""
        return sum(plate.runs for plate in self.plates)


class Estimator(Protocol):
    """Says what a file takes, or refuses with ``CannotEstimate`` so that the next one in the chain is asked."""

    def estimate(self, analysis: ModelAnalysis, settings: EstimateSettings) -> Estimate:
        """Estimate the file printed with these settings."""
        ...
