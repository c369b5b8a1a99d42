"""What a printer shows from moment to moment, kept in the shared cache: worth seeing, not worth keeping."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.core.cache import cache

from integrations.bambu.state import PrinterState

#: A listener that died shall not leave temperatures on the screen.
KEPT_SECONDS = 300
TEMPERATURES = {
    "nozzle_c": "nozzle_temper",
    "nozzle_target_c": "nozzle_target_temper",
    "bed_c": "bed_temper",
    "bed_target_c": "bed_target_temper",
    "chamber_c": "chamber_temper",
}


def show(printer_id: int, state: PrinterState, merged: dict[str, Any], at: str) -> None:
    """Keep what the printer shows; ``merged`` is its whole picture, ``at`` an ISO time."""
    temperatures = {name: merged.get(key) for name, key in TEMPERATURES.items()}
    values = {
        "at": at,
        "state": state.gcode_state.value,
        "percent": state.percent,
        "layer": state.layer,
        "total_layers": state.total_layers,
        "remaining_minutes": state.remaining_minutes,
        "job": state.subtask_name,
        "active_tray": state.active_tray,
        "firmware": state.firmware,
        "print_error": state.print_error,
        "health": [{"code": entry.code, "severity": entry.severity.name.lower()} for entry in state.health],
        **{name: value for name, value in temperatures.items() if isinstance(value, int | float)},
    }
    cache.set(_key(printer_id), values, timeout=KEPT_SECONDS)


def shown(printer_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Return by printer what was last shown; printers that said nothing for a while are left out."""
    keys = {_key(printer_id): printer_id for printer_id in printer_ids}
    return {keys[key]: values for key, values in cache.get_many(keys).items()}


def _key(printer_id: int) -> str:
    return f"printer-telemetry-{printer_id}"
