"""What a printer shows from moment to moment: the newest in the shared cache, a sample now and then in the database."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from typing import Any

from django.conf import settings
from django.core.cache import cache, caches
from django.core.cache.backends.db import DatabaseCache
from django.utils import timezone

from integrations.bambu.state import GcodeState, PrinterState
from production.models import PrinterEvent, PrinterSample

_MOST = 2**31 - 1
#: A listener that died shall not leave temperatures on the screen.
KEPT_SECONDS = 300
#: How often the newest figures are shown. A cache in a database table takes three statements for each printer.
SHOW_SECONDS, SHOW_SECONDS_IN_DATABASE = 5.0, 20.0
TEMPERATURES = {
    "nozzle_c": "nozzle_temper",
    "nozzle_target_c": "nozzle_target_temper",
    "bed_c": "bed_temper",
    "bed_target_c": "bed_target_temper",
    "chamber_c": "chamber_temper",
}


#: How many rows one statement deletes: a table that is being cleaned shall go on being written.
PRUNE_ROWS = 1000


def values_of(state: PrinterState, merged: dict[str, Any], at: str) -> dict[str, Any]:
    """Return what is shown of a printer; ``merged`` is its whole picture, ``at`` an ISO time."""
    temperatures = {name: merged.get(key) for name, key in TEMPERATURES.items()}
    return {
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


def show_every() -> float:
    """Return after how many seconds a printer is shown again that did not change much."""
    return SHOW_SECONDS_IN_DATABASE if isinstance(caches["default"], DatabaseCache) else SHOW_SECONDS


def show(values: dict[int, dict[str, Any]]) -> None:
    """Keep what printers show, by printer, in one go."""
    if values:
        cache.set_many({_key(printer_id): row for printer_id, row in values.items()}, timeout=KEPT_SECONDS)


def shown(printer_ids: Iterable[int]) -> dict[int, dict[str, Any]]:
    """Return by printer what was last shown; printers that said nothing for a while are left out."""
    keys = {_key(printer_id): printer_id for printer_id in printer_ids}
    return {keys[key]: values for key, values in cache.get_many(keys).items()}


def _key(printer_id: int) -> str:
    return f"printer-telemetry-{printer_id}"


# --- history ---------------------------------------------------------------------------------------------------------


def sample_every(state: PrinterState) -> int:
    """Return after how many seconds a printer in this state is sampled again; 0 is never."""
    active = state.gcode_state.is_active and state.gcode_state is not GcodeState.PAUSE
    return int(settings.PRINTER_SAMPLE_SECONDS if active else settings.PRINTER_SAMPLE_IDLE_SECONDS)


def sample(
    printer_id: int, job_id: int | None, state: PrinterState, merged: dict[str, Any], at: datetime.datetime
) -> PrinterSample:
    """Return a row of a printer's history, not stored yet."""
    return PrinterSample(
        printer_id=printer_id,
        job_id=job_id,
        at=at,
        state=state.gcode_state.value,
        percent=state.percent,
        layer=min(state.layer, _MOST),
        remaining_minutes=None if state.remaining_minutes is None else min(max(state.remaining_minutes, 0), _MOST),
        nozzle_c=_degrees(merged.get("nozzle_temper")),
        bed_c=_degrees(merged.get("bed_temper")),
        chamber_c=_degrees(merged.get("chamber_temper")),
    )


def _degrees(value: object) -> float | None:
    """Return a temperature that can be one."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not -100 < value < 2000:
        return None
    return float(value)


def prune() -> tuple[int, int]:
    """Delete samples and events that are older than the settings keep them; return how many of each."""
    now = timezone.now()
    samples = _prune(PrinterSample, now - datetime.timedelta(days=settings.PRINTER_SAMPLE_DAYS))
    days = settings.PRINTER_EVENT_DAYS
    return samples, _prune(PrinterEvent, now - datetime.timedelta(days=days)) if days else 0


def _prune(model: type[PrinterSample] | type[PrinterEvent], before: datetime.datetime) -> int:
    """Rows are written in the order of their time, so the oldest are those with the smallest keys."""
    deleted = 0
    while True:
        oldest = list(model.objects.order_by("pk").values_list("pk", "at")[:PRUNE_ROWS])
        old = [pk for pk, at in oldest if at < before]
        if old:
            model.objects.filter(pk__in=old).delete()
            deleted += len(old)
        if len(old) < PRUNE_ROWS:
            return deleted
