"""Presets of Bambu Studio and Orca: found for a printer model, a layer height and a material, and made whole.

A preset is a JSON file that holds what differs from its parent, named under ``inherits``. The program's command line
does not look parents up (bambulab/BambuStudio issues 1963 and 6836), so every preset is flattened before it is used.
The presets that come with the program lie below its ``profiles`` folder, one folder per kind; a farm's own, as the
program exports them, go before them.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from functools import cached_property
from pathlib import Path
from typing import Any

from integrations.slicers.errors import PresetMissing
from production.printer_models import printer_model_id

Values = dict[str, Any]

MACHINE, PROCESS, FILAMENT = "machine", "process", "filament"
#: No preset of the program has more parents than four.
_MOST_PARENTS = 12
#: What a child does not take over: which preset its parent is, not how it prints.
_OWN = ("name", "inherits", "from", "instantiation", "setting_id", "filament_id")


@dataclass(frozen=True)
class Preset:
    """A whole preset: its name, that of the preset of the program that it is or descends from, and every value."""

    name: str
    system_name: str
    values: Values

    def first(self, key: str) -> str:
        """The value, or the first of a list of them; "" where there is none."""
        value = self.values.get(key, "")
        return str(value[0] if isinstance(value, list) and value else value or "")

    def fits(self, machine: Preset) -> bool:
        """Tell whether it is made for a machine."""
        return machine.system_name in self.values.get("compatible_printers", ())


class PresetLibrary:
    """The presets that come with the program and those of the farm, which go before them."""

    def __init__(self, program: Path, own: Path | None = None) -> None:
        """Look into two folders, each with one for every kind."""
        self._folders = [folder for folder in (own, program) if folder is not None]
        self._own = own
        self._read: dict[Path, Values] = {}
        self._broken: dict[str, str] = {}

    @cached_property
    def _files(self) -> dict[tuple[str, str], Path]:
        """The file of every preset by kind and name, those of the farm first."""
        found: dict[tuple[str, str], Path] = {}
        for folder in self._folders:
            for kind in (MACHINE, PROCESS, FILAMENT):
                for file in sorted((folder / kind).rglob("*.json")):
                    found.setdefault((kind, file.stem), file)
        return found

    def get(self, kind: str, name: str) -> Preset:
        """Return a preset, whole; raises ``PresetMissing`` when it or a parent of it is not there."""
        values: Values = {}
        system_name = ""
        wanted = name
        seen: list[str] = []
        while wanted:
            file = self._files.get((kind, wanted))
            if file is None or len(seen) > _MOST_PARENTS:
                below = f", which {seen[-1]} builds upon," if seen else ""
                raise PresetMissing(f"The {kind} preset {wanted}{below} was not found.", details={"preset": name})
            own = self._values(file)
            if not system_name and own.get("from", "system") == "system":
                system_name = wanted
            inherited = own if not seen else {key: value for key, value in own.items() if key not in _OWN}
            values = inherited | values
            seen.append(wanted)
            wanted = str(own.get("inherits", ""))
        return Preset(name, system_name or name, values)

    def machine(self, printer_model: str, *, nozzle: str = "0.4") -> Preset:
        """Return the preset of a printer model with a nozzle (mm); raises ``PresetMissing``."""
        wanted = printer_model_id(printer_model)
        for preset in self._all(MACHINE, f"{nozzle} nozzle"):
            known = printer_model_id(preset.first("printer_model"))
            if wanted and known == wanted and _number(preset.first("nozzle_diameter")) == Decimal(nozzle):
                return preset
        raise self._missing(f"There is no machine preset for {printer_model} with a {nozzle} mm nozzle.")

    def process(self, machine: Preset, *, layer_height_mm: Decimal) -> Preset:
        """Return the preset of a machine nearest to a layer height; raises ``PresetMissing``."""
        fitting = [preset for preset in self._all(PROCESS, "mm ") if preset.fits(machine)]
        if not fitting:
            raise self._missing(f"There is no process preset for {machine.name}.")

        def distance(preset: Preset) -> tuple[bool, Decimal, bool]:
            off = abs(_number(preset.first("layer_height")) - layer_height_mm)
            return not self._is_own(PROCESS, preset.name), off, "Standard" not in preset.name

        return min(fitting, key=distance)

    def filament(self, machine: Preset, *, material_type: str) -> Preset:
        """Return the machine's preset of a material, the farm's own or the generic one; raises ``PresetMissing``."""
        wanted = material_type.strip().upper()
        for preset in self._all(FILAMENT, f"Generic {wanted}"):
            if preset.first("filament_type").upper() == wanted and preset.fits(machine):
                return preset
        what = material_type or "an unnamed material"
        raise self._missing(f"There is no filament preset of {what} for {machine.name}.")

    def _all(self, kind: str, words: str) -> Iterator[Preset]:
        """Yield the farm's own presets of a kind, then those of the program whose names hold these words.

        One that lacks a parent is passed over, and named when nothing else is found.
        """
        for found, name in self._files:
            if found == kind and (self._is_own(kind, name) or words.lower() in name.lower()):
                try:
                    preset = self.get(kind, name)
                except PresetMissing as error:
                    self._broken[name] = error.message
                else:
                    yield preset

    def _missing(self, message: str) -> PresetMissing:
        return PresetMissing(message, details={"passed_over": list(self._broken.values())})

    def _is_own(self, kind: str, name: str) -> bool:
        return self._own is not None and self._files[kind, name].is_relative_to(self._own)

    def _values(self, file: Path) -> Values:
        if file not in self._read:
            self._read[file] = _read(file)
        return self._read[file]


def _read(file: Path) -> Values:
    try:
        values = json.loads(file.read_text("utf-8-sig"))
    except (OSError, ValueError) as error:
        raise PresetMissing(f"The preset {file.name} cannot be read.", details={"file": file.name}) from error
    if not isinstance(values, dict):
        raise PresetMissing(f"The preset {file.name} is no object.", details={"file": file.name})
    return values


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        return Decimal(0)
