"""Customers' model files: read safely, measured, pictured. Knows neither Django nor the database."""

from quotes.modelfiles.analysis import (
    ModelAnalysis,
    PartGeometry,
    SlicedFilament,
    SlicedInfo,
    SlicedPlate,
)
from quotes.modelfiles.errors import UnusableFile
from quotes.modelfiles.limits import DEFAULT_LIMITS, ReadLimits
from quotes.modelfiles.reader import EXTENSIONS, analyse, read_model, read_scene

__all__ = [
    "DEFAULT_LIMITS",
    "EXTENSIONS",
    "ModelAnalysis",
    "PartGeometry",
    "ReadLimits",
    "SlicedFilament",
    "SlicedInfo",
    "SlicedPlate",
    "UnusableFile",
    "analyse",
    "read_model",
    "read_scene",
]
