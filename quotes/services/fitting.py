"""From what prints took against their estimates to one factor: robust, shrunk, bounded.

Ratios (actual / estimate) are averaged by their logarithms, so that twice as long and half as long weigh the same.
Outliers are left out by the modified z-score (Iglewicz and Hoaglin, 1993: 3.5 times 1.4826 MAD from the median). The
mean is then drawn towards what was expected before, as in a normal model with known variances: it is trusted by
n / (n + (spread / prior spread)^2).
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from statistics import fmean, median

#: Beyond so many robust standard deviations from the median a print is an outlier.
OUTLIER = 3.5
#: Makes the median absolute deviation of normal noise its standard deviation.
_MAD_TO_SIGMA = 1.4826
#: Models differ by this (standard deviation of the log ratio) though nothing is wrong with the prints: where most of
#: them are of one model, the others are no outliers.
USUAL_SPREAD = 0.10
#: Prints never agree better than this: keeps equal ratios from being trusted without end.
LEAST_SPREAD = 0.03


@dataclass(frozen=True)
class Fit:
    """A factor and how well it does, in percent of the estimate: errors are means of the absolute error without
    outliers, ``interval`` holds nine of ten of all prints. ``outliers`` are positions in what was given.
    """

    factor: Decimal
    error_before: Decimal
    error_after: Decimal
    interval: Decimal
    outliers: frozenset[int]


def fit(
    ratios: Sequence[float], models: Sequence[Hashable], *, prior: float = 1.0, prior_spread: float, bound: float
) -> Fit:
    """Return the factor by which estimates are off, from 1 - ``bound`` to 1 + ``bound``.

    ``models`` says what was printed, per ratio: prints of the same model share its peculiarities, so k of them weigh
    sqrt(k), not k. ``prior`` is the factor expected without any print, ``prior_spread`` how far from it (standard
    deviation of the log) factors usually lie. At least one ratio is needed, all of them positive.
    """
    logs = [math.log(ratio) for ratio in ratios]
    outliers = outliers_of(ratios)
    kept = [i for i in range(len(logs)) if i not in outliers]
    printed = Counter(models[i] for i in kept)
    weights = {i: 1 / math.sqrt(printed[models[i]]) for i in kept}
    total = sum(weights.values())
    mean = sum(weights[i] * logs[i] for i in kept) / total
    spread = max(math.sqrt(sum(weights[i] * (logs[i] - mean) ** 2 for i in kept) / total), LEAST_SPREAD)
    independent = total**2 / sum(weight**2 for weight in weights.values())
    trust = independent / (independent + (spread / prior_spread) ** 2)
    expected = math.log(prior)
    factor = min(max(math.exp(expected + trust * (mean - expected)), 1 - bound), 1 + bound)
    after = [abs(ratio / factor - 1) for ratio in ratios]
    return Fit(
        factor=Decimal(str(factor)).quantize(Decimal("0.0001")),
        error_before=_percent(fmean(abs(ratios[i] - 1) for i in kept)),
        error_after=_percent(fmean(after[i] for i in kept)),
        interval=_percent(sorted(after)[math.ceil(0.9 * len(after)) - 1]),
        outliers=outliers,
    )


def outliers_of(ratios: Sequence[float]) -> frozenset[int]:
    """Return the positions of ratios that are too far from all others to be learned from."""
    logs = [math.log(ratio) for ratio in ratios]
    middle = median(logs)
    sigma = max(_MAD_TO_SIGMA * median(abs(value - middle) for value in logs), USUAL_SPREAD)
    return frozenset(i for i, value in enumerate(logs) if abs(value - middle) > OUTLIER * sigma)


def _percent(share: float) -> Decimal:
    return Decimal(str(share * 100)).quantize(Decimal("0.01"))
