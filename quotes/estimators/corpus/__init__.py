"""Models that the project makes itself, by family and seed: the same seed makes the same solid.

``FITTED`` families are what coefficients are fitted on, ``HELD_OUT`` ones are of other kinds and only judge.
"""

from quotes.estimators.corpus.fitted import FITTED
from quotes.estimators.corpus.held_out import HELD_OUT
from quotes.estimators.corpus.solids import CorpusModel, Family, models

__all__ = ["FITTED", "HELD_OUT", "CorpusModel", "Family", "models"]
