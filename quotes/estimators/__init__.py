"""How much material and time a file takes: several methods behind one port, the best available first."""

from quotes.estimators.chain import DEFAULT_ESTIMATORS, estimate
from quotes.estimators.errors import CannotEstimate
from quotes.estimators.geometric import GeometricEstimator
from quotes.estimators.sliced import SlicedEstimator

__all__ = ["DEFAULT_ESTIMATORS", "CannotEstimate", "GeometricEstimator", "SlicedEstimator", "estimate"]
