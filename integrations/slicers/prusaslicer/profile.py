"""The profile that PrusaSlicer is given: the machine of ``quotes.estimators.profiles``, with one quote's wishes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from quotes.estimators.profiles import MATERIALS, UNKNOWN_MATERIAL, MaterialProfile, PrinterProfile

MACHINE = Path(__file__).parent / "machine.ini"
FILAMENT_DIAMETER = 1.75
#: Nozzle and bed, in degrees Celsius.
TEMPERATURES = {"PLA": (220, 55), "PETG": (245, 70), "ABS": (260, 90), "ASA": (260, 90), "TPU": (230, 40)}


@dataclass(frozen=True)
class PrintSettings:
    """What a slice is asked for; the layer height is mm. ``density`` (g/cm3) goes before the material's usual one."""

    material_type: str = "PLA"
    layer_height: float = 0.2
    infill_percent: int = 20
    supports: bool = True
    density: float | None = None
    #: With heating, homing and switching off: what an estimate does not need.
    for_printing: bool = False

    @property
    def material(self) -> MaterialProfile:
        """The filament's figures; an unknown type prints slowly."""
        return MATERIALS.get(self.material_type.upper(), UNKNOWN_MATERIAL)


def profile_ini(settings: PrintSettings, printer: PrinterProfile | None = None) -> str:
    """The whole profile as text; the same settings give the same text."""
    printer = printer or PrinterProfile()
    rows = {**_machine(printer), **_filament(settings, printer), **_quality(settings, printer)}
    if settings.for_printing:
        rows |= _heat(settings)
    fixed = [line for line in MACHINE.read_text("utf-8").splitlines() if line.partition(" =")[0] not in rows]
    return "\n".join([*fixed, *(f"{name} = {value}" for name, value in sorted(rows.items())), ""])


def _machine(printer: PrinterProfile) -> dict[str, object]:
    width, depth, height = printer.bed
    return {
        "bed_shape": f"0x0,{width:g}x0,{width:g}x{depth:g},0x{depth:g}",
        "max_print_height": f"{height:g}",
        "nozzle_diameter": printer.nozzle,
        "machine_max_jerk_x": printer.jerk,
        "machine_max_jerk_y": printer.jerk,
        "default_acceleration": printer.acceleration,
        "infill_acceleration": printer.acceleration,
        "bridge_acceleration": printer.acceleration,
        "perimeter_acceleration": printer.wall_acceleration,
        "first_layer_acceleration": printer.first_layer_acceleration,
        "external_perimeter_speed": printer.outer_wall_speed,
        "perimeter_speed": printer.inner_wall_speed,
        "small_perimeter_speed": printer.outer_wall_speed,
        "infill_speed": printer.infill_speed,
        "solid_infill_speed": printer.solid_speed,
        "top_solid_infill_speed": printer.top_speed,
        "gap_fill_speed": printer.solid_speed,
        "bridge_speed": printer.bridge_speed,
        "support_material_speed": printer.support_speed,
        "support_material_interface_speed": printer.interface_speed,
        "first_layer_speed": printer.first_layer_speed,
        "travel_speed": printer.travel_speed,
    }


def _heat(settings: PrintSettings) -> dict[str, object]:
    nozzle, bed = TEMPERATURES.get(settings.material_type.upper(), TEMPERATURES["PLA"])
    return {
        "temperature": nozzle,
        "first_layer_temperature": nozzle,
        "bed_temperature": bed,
        "first_layer_bed_temperature": bed,
        "start_gcode": "G28",
        "end_gcode": r"M104 S0\nM140 S0\nG28 X0\nM84",
    }


def _filament(settings: PrintSettings, printer: PrinterProfile) -> dict[str, object]:
    material = settings.material
    return {
        "filament_type": settings.material_type.upper(),
        "filament_density": settings.density or material.density,
        "filament_diameter": FILAMENT_DIAMETER,
        "filament_max_volumetric_speed": material.max_flow,
        "slowdown_below_layer_time": int(material.min_layer_seconds),
        "min_print_speed": printer.least_speed,
    }


def _quality(settings: PrintSettings, printer: PrinterProfile) -> dict[str, object]:
    layer = settings.layer_height
    full = settings.infill_percent >= 100
    widths = ("external_perimeter", "perimeter", "infill", "solid_infill", "top_infill", "first_layer")
    return {
        **{f"{name}_extrusion_width": printer.line_width for name in widths},
        "extrusion_width": printer.line_width,
        "support_material_extrusion_width": printer.support_line_width,
        "layer_height": f"{layer:g}",
        "first_layer_height": printer.first_layer_height,
        "perimeters": printer.walls,
        "top_solid_layers": printer.top_layers(layer),
        "bottom_solid_layers": printer.bottom_layers(layer),
        "fill_density": f"{settings.infill_percent}%",
        # A grid cannot be full.
        **({"fill_pattern": "rectilinear"} if full else {}),
        "support_material": int(settings.supports),
        "support_material_contact_distance": printer.support_gap,
        "support_material_xy_spacing": printer.support_xy_gap,
        "support_material_spacing": printer.support_spacing,
        "support_material_interface_layers": printer.interface_layers,
    }
