"""What the built-in estimator knows of materials and machines: the coefficients that a calibration may replace."""

from __future__ import annotations

from dataclasses import dataclass, field


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
    """How a machine prints: mm, mm3, seconds. Speeds (mm/s) are effective ones: slowed by acceleration and corners."""

    line_width: float = 0.45
    walls: int = 2
    top_thickness: float = 1.0
    bottom_thickness: float = 0.6
    outer_wall_speed: float = 90.0
    inner_wall_speed: float = 140.0
    flat_speed: float = 110.0
    infill_speed: float = 130.0
    support_speed: float = 90.0
    layer_seconds: float = 0.8
    piece_layer_seconds: float = 0.5
    #: Heating, levelling and priming before the first layer.
    start_seconds: float = 420.0
    #: Primed and wiped off at the start, and the line around the parts.
    prime_volume: float = 500.0
    support_density: float = 0.15
    #: Less overhang than this (mm2, per piece) is bridged: screw holes, chamfers.
    bridged_overhang: float = 60.0


@dataclass(frozen=True)
class Profiles:
    """The coefficients of the built-in estimator, as one value that can be versioned."""

    printer: PrinterProfile = field(default_factory=PrinterProfile)
    materials: dict[str, MaterialProfile] = field(default_factory=lambda: dict(MATERIALS))
    #: Half width of the interval before anything speaks against the file.
    interval_percent: int = 20
