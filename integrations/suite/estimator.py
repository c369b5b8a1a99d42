"""The print suite as an estimator: what it thinks one set takes, laid on plates as ours are.

It is asked for one piece, so that its grams and hours mean one. It knows no quality, no infill and one material, and
gives no interval: what differs from its usual print, and files in several filaments, go to the next estimator.
"""

from __future__ import annotations

import math
from decimal import ROUND_HALF_UP, Decimal

from blb3d.core.errors import BLB3DError
from integrations.suite.client import SuiteClient, SuiteQuote
from quotes.estimators.errors import CannotEstimate
from quotes.estimators.packing import lay_out
from quotes.modelfiles.analysis import ModelAnalysis
from quotes.ports import Estimate, EstimateSettings, FilamentUse, ModelSource, PlateEstimate

METHOD = "suite"
MATERIALS = ("PLA", "PETG", "ABS", "ASA", "TPU")
QUALITY = "standard"
INFILL_PERCENT = range(15, 21)
#: The suite does not say how sure it is. This is our word for it, until finished prints say better.
INTERVAL_PERCENT = Decimal(20)
#: Two readers of one file agree to this share, or one has the wrong unit.
_SAME_SIZE = Decimal("0.02")


class SuiteEstimator:
    """Asks the suite at ``BAMBU_SUITE_API_URL``; ``CannotEstimate`` says why it was not asked or did not answer."""

    #: Nobody waits for it: the worker prices.
    is_slow = True

    def estimate(
        self, analysis: ModelAnalysis, settings: EstimateSettings, source: ModelSource | None = None
    ) -> Estimate:
        """Estimate the file printed with these settings, all copies laid out on the farm's plates."""
        material = settings.material_type.strip().upper()
        self._check(analysis, settings, material, source)
        assert source is not None
        try:
            with SuiteClient() as suite:
                file_name, content = source.read()
                quote = suite.quote(content, file_name=file_name, material=material)
        except BLB3DError as error:
            raise CannotEstimate(f"The print suite was of no help: {error.message}") from error
        _check_size(analysis, quote)
        return _laid_out(analysis, settings, quote)

    def _check(
        self, analysis: ModelAnalysis, settings: EstimateSettings, material: str, source: ModelSource | None
    ) -> None:
        if source is None or not analysis.parts:
            raise CannotEstimate("The print suite needs the model itself.")
        if material not in MATERIALS:
            raise CannotEstimate(f"The print suite knows no {material or 'unnamed material'}.")
        if settings.quality != QUALITY or settings.infill_percent not in INFILL_PERCENT:
            raise CannotEstimate("The print suite judges its usual quality and infill only.")
        if settings.several_filaments and len(analysis.filaments) > 1:
            raise CannotEstimate("The print suite judges one filament only.")


def _check_size(analysis: ModelAnalysis, quote: SuiteQuote) -> None:
    """Refuse an answer about a thing of another size: one of us took millimetres for inches."""
    if analysis.piece_count != 1:
        return
    pairs = zip(sorted(analysis.parts[0].bbox_mm), sorted(quote.dimensions_mm), strict=True)
    if any(abs(ours - theirs) > max(ours * _SAME_SIZE, Decimal("0.5")) for ours, theirs in pairs):
        raise CannotEstimate("The print suite read the file in another size.")


def _laid_out(analysis: ModelAnalysis, settings: EstimateSettings, quote: SuiteQuote) -> Estimate:
    layout = lay_out(analysis.parts, quantity=settings.quantity, bed=settings.bed_mm, gap=settings.gap_mm)
    if len(layout.plates) > 1:
        raise CannotEstimate("The print suite does not say what each of several plates takes.")
    runs = math.ceil(settings.quantity / layout.sets)
    minutes = (quote.print_time_hours * 60 * layout.sets).quantize(Decimal("0.1"), ROUND_HALF_UP)
    grams = (quote.material_grams * layout.sets).quantize(Decimal("0.01"), ROUND_HALF_UP)
    parts = tuple((analysis.parts[index].name, count) for index, count in layout.plates[0])
    use = FilamentUse(settings.material_type, settings.color_hex, grams)
    plate = PlateEstimate(1, parts, layout.sets, runs, minutes, (use,))
    share = Decimal(runs) / settings.quantity
    per_set = FilamentUse(
        settings.material_type, settings.color_hex, (grams * share).quantize(Decimal("0.01"), ROUND_HALF_UP)
    )
    return Estimate(
        method=METHOD,
        filaments=(per_set,),
        minutes=(minutes * share).quantize(Decimal("0.1"), ROUND_HALF_UP),
        interval_percent=INTERVAL_PERCENT,
        parts_per_plate=layout.sets,
        fits_per_plate=layout.fits,
        plates=(plate,),
        needs_person=analysis.needs_person,
    )
