"""Computing an old quote again from what it keeps: by the corrections and the rules that it was made with."""

from __future__ import annotations

from dataclasses import dataclass, replace

from quotes.errors import NotPriced
from quotes.models import Quote
from quotes.services.corrections import Correction, Corrections
from quotes.services.estimates import RawEstimate, SetEstimate, correct
from sales import pricing


@dataclass(frozen=True)
class Recomputed:
    """What a quote came to when it was priced; files and today's rules were not looked at."""

    estimate: SetEstimate
    price: pricing.Price


def recompute_quote(quote: Quote) -> Recomputed:
    """Compute a quote's estimate and price again, exactly as they were; nothing is saved.

    Raises:
        NotPriced: it has no price, or one from before estimates were kept without their corrections.
    """
    detail, breakdown = quote.estimate_detail, quote.price_breakdown
    if "raw" not in detail or not breakdown.get("inputs"):
        raise NotPriced
    corrections = Corrections(map(Correction.from_dict, detail["corrections"]))
    estimate = correct(RawEstimate.from_dict(detail["raw"]), corrections)
    given = replace(
        pricing.kept_input(breakdown),
        material_grams=estimate.grams,
        print_minutes=estimate.minutes,
        plates=max(estimate.runs, 1),
    )
    return Recomputed(estimate, pricing.price(given))
