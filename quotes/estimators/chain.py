"""Asking estimators in turn, the best first; who could not answer is remembered in the result."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from django.utils.module_loading import import_string

from quotes.estimators.errors import CannotEstimate
from quotes.modelfiles.analysis import ModelAnalysis
from quotes.ports import Estimate, EstimateSettings, Estimator, ModelSource

DEFAULT_ESTIMATORS = (
    "quotes.estimators.sliced.SlicedEstimator",
    "quotes.estimators.geometric.GeometricEstimator",
)


def estimate(
    analysis: ModelAnalysis,
    settings: EstimateSettings,
    *,
    estimators: Sequence[str] = DEFAULT_ESTIMATORS,
    source: ModelSource | None = None,
) -> Estimate:
    """The first answer of the chain (dotted paths of classes); ``fallback_reason`` says why better ones had none.

    Raises ``CannotEstimate`` when nobody can answer; its message holds everybody's reason.
    """
    reasons: list[str] = []
    for path in estimators:
        estimator: Estimator = import_string(path)()
        try:
            answer = estimator.estimate(analysis, settings, source)
        except CannotEstimate as error:
            reasons.append(error.message)
        else:
            return replace(answer, fallback_reason=" ".join(reasons))
    raise CannotEstimate(" ".join(reasons) or None)
