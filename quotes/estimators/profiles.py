"""The machine and the filaments that every estimate speaks of: built-in or by a slicer, they mean the same printer.

The figures are those of an enclosed CoreXY printer with a 0.4 mm nozzle and a bed of 256 mm, as its maker's slicer
presets state them. ``integrations.slicers.prusaslicer`` writes its profile from here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

from quotes.estimators.calibration import Calibration, calibrated


@dataclass(frozen=True)
class MaterialProfile:
    """A type of filament: density in g/cm3, the most a 0.4 mm hotend melts (mm3/s), the least seconds a layer takes."""

    density: float
    max_flow: float
    min_layer_seconds: float


MATERIALS: dict[str, MaterialProfile] = {
    "PLA": MaterialProfile(1.24, 18.0, 6.0),
    "PETG": MaterialProfile(1.27, 12.0, 8.0),
    "ABS": MaterialProfile(1.04, 16.0, 5.0),
    "ASA": MaterialProfile(1.07, 16.0, 5.0),
    "TPU": MaterialProfile(1.21, 3.6, 8.0),
}
#: For a type that is not in the table.
UNKNOWN_MATERIAL = MaterialProfile(1.25, 8.0, 8.0)


@dataclass(frozen=True)
class PrinterProfile:
    """How a machine prints; mm, mm/s, mm/s2, mm3, seconds. Speeds are those asked for; ``jerk`` is what corners allow.

    A layer shorter than its material's least time is slowed down, but never below ``least_speed``.
    """

    nozzle: float = 0.4
    line_width: float = 0.45
    bed: tuple[float, float, float] = (256.0, 256.0, 256.0)
    walls: int = 2
    top_thickness: float = 1.0
    bottom_thickness: float = 0.6
    outer_wall_speed: float = 200.0
    inner_wall_speed: float = 300.0
    infill_speed: float = 270.0
    solid_speed: float = 250.0
    top_speed: float = 200.0
    bridge_speed: float = 50.0
    support_speed: float = 150.0
    interface_speed: float = 80.0
    first_layer_speed: float = 50.0
    travel_speed: float = 500.0
    least_speed: float = 20.0
    wall_acceleration: float = 5000.0
    acceleration: float = 10000.0
    first_layer_acceleration: float = 500.0
    jerk: float = 9.0
    first_layer_height: float = 0.2
    support_line_width: float = 0.42
    support_spacing: float = 2.5
    support_gap: float = 0.2
    support_xy_gap: float = 0.35
    interface_layers: int = 2
    #: Heating, levelling and priming before the first layer.
    start_seconds: float = 420.0
    #: Primed and wiped off at the start.
    prime_volume: float = 500.0
    #: Flushed for each change of filament, and the seconds that cutting, loading and flushing take.
    flush_volume: float = 280.0
    change_seconds: float = 90.0
    #: A change also prints a piece of the prime tower on its layer (mm3).
    tower_volume: float = 45.0

    def top_layers(self, layer: float) -> int:
        """Solid layers under a surface that is seen from above."""
        return math.ceil(self.top_thickness / layer - 1e-9)

    def bottom_layers(self, layer: float) -> int:
        """Solid layers over a surface that is seen from below."""
        return math.ceil(self.bottom_thickness / layer - 1e-9)


@dataclass(frozen=True)
class Profiles:
    """Machine, materials and fitted coefficients of the built-in estimator, as one value that can be versioned."""

    printer: PrinterProfile = field(default_factory=PrinterProfile)
    materials: dict[str, MaterialProfile] = field(default_factory=lambda: dict(MATERIALS))
    calibration: Calibration = field(default_factory=calibrated)
