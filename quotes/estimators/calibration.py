"""Coefficients of the built-in estimator, as ``manage.py calibrate_estimator`` fitted them against a slicer.

``calibrated.json`` is committed; it names the slicer, the date and the error on models that were not fitted on.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

CALIBRATED = Path(__file__).parent / "calibrated.json"


@dataclass(frozen=True)
class Coefficients:
    """What geometry alone does not say; without unit unless named. 1 is what the formula says by itself."""

    #: Extruded against the volume that walls, infill and solid layers cover.
    walls: float = 0.95
    infill: float = 1.0
    solid: float = 1.0
    #: Infill lines are joined along this share of the inner outline.
    infill_joints: float = 0.3
    #: Solid layers fill this share of the 3 mm around the flat surface they close.
    solid_margin: float = 1.0
    #: Slopes: solid layers behind the walls, and how much of the walls counts as closing.
    slope_solid: float = 1.0
    slope_walls: float = 0.8
    #: Steps of flat slopes: the share of the 3 mm around them that is solid.
    slope_margin: float = 1.0
    #: Supports: lines per room, length per border of the room, and their upper layers.
    support: float = 1.0
    support_border: float = 0.3
    interface: float = 1.0
    #: Seconds against what lengths, speeds and accelerations give.
    wall_time: float = 1.0
    bend_time: float = 1.0
    infill_time: float = 1.0
    solid_time: float = 1.0
    bridge_time: float = 1.0
    first_layer_time: float = 1.0
    support_time: float = 1.0
    #: Seconds per layer: for itself, each outline, each island but the first, and each 20 mm of supports' border.
    layer_seconds: float = 0.2
    loop_seconds: float = 0.1
    island_seconds: float = 0.3
    hop_seconds: float = 0.1
    #: The same for each region within the walls.
    region_seconds: float = 0.1
    #: What a layer lacks of its least time, that it then takes longer.
    cooling_time: float = 1.0


@dataclass(frozen=True)
class Calibration:
    """A fit: its coefficients, half widths (percent) of the interval by situation, and where it comes from."""

    coefficients: Coefficients = field(default_factory=Coefficients)
    intervals: dict[str, float] = field(default_factory=lambda: {"plain": 20.0})
    version: str = ""
    slicer: str = ""
    date: str = ""


@cache
def calibrated() -> Calibration:
    """The committed calibration."""
    data = json.loads(CALIBRATED.read_text("utf-8"))
    return Calibration(
        coefficients=Coefficients(**data["coefficients"]),
        intervals=data["intervals"],
        version=data["version"],
        slicer=data["slicer"],
        date=data["date"],
    )
