"""What quoting asks of the world: how much material and time a file takes, and whether a file holds a virus."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import IO, Literal, Protocol

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
    #: Print a file's several filaments as it says, with the purge between them; else all of it in the chosen one.
    several_filaments: bool = True
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
    """One kind of plate: what lies on it, what one run of it takes, and how often it runs for the whole quantity.

    ``changes`` is how often a run changes its filament; what that flushes is in ``filaments`` and is ``flushed_grams``.
    """

    number: int
    parts: tuple[tuple[str, int], ...]
    sets_per_plate: int
    runs: int
    minutes: Decimal
    filaments: tuple[FilamentUse, ...]
    changes: int = 0
    flushed_grams: Decimal = Decimal(0)

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
    #: Which coefficients the method had, where it has any: what prints teach about them says nothing about others.
    version: str = ""

    @property
    def grams(self) -> Decimal:
        """Grams of one set, all filaments."""
        return sum((use.grams for use in self.filaments), Decimal(0))

    @property
    def plate_runs(self) -> int:
        """Print jobs for the whole quantity."""
        return sum(plate.runs for plate in self.plates)


@dataclass(frozen=True)
class ModelSource:
    """Where the model itself can be had, for estimators that slice it: ``read`` returns its file name and its bytes."""

    read: Callable[[], tuple[str, bytes]]


class Estimator(Protocol):
    """Says what a file takes, or refuses with ``CannotEstimate`` so that the next one in the chain is asked.

    One that takes seconds or asks a partner has ``is_slow = True``: the quotes of its chain are priced by the worker.
    """

    def estimate(
        self, analysis: ModelAnalysis, settings: EstimateSettings, source: ModelSource | None = None
    ) -> Estimate:
        """Estimate the file printed with these settings; ``source`` is None where only the analysis is at hand."""
        ...


@dataclass(frozen=True)
class Scan:
    """What a virus scanner said of a file: ``result`` is a ``QuoteFile.ScanResult``, ``detail`` the virus' name.

    ``held``: the scanner could not be asked (``is_away``), or could not judge; the file waits and is not read.
    """

    result: Literal["not_scanned", "clean", "infected", "held"]
    detail: str = ""
    is_away: bool = False


class Scanner(Protocol):
    """Looks for viruses. One that is away, slow or confused answers ``held``, never ``clean``, and never raises."""

    def scan(self, stream: IO[bytes]) -> Scan:
        """Scan what the stream holds from where it stands."""
        ...
