"""Materials and colours of the 3MF core specification and its materials extension, as filaments.

A mesh and each of its triangles may point at a row of a ``basematerials`` or ``colorgroup`` resource. Every display
colour that is used becomes a filament of its own; the material is read from the row's name where it holds one.
"""

from __future__ import annotations

import re
from typing import Any

import numpy as np

from quotes.modelfiles.analysis import FilamentSlot
from quotes.modelfiles.lib3mf_buffers import triangle_properties
from quotes.modelfiles.paint import MOST_FILAMENTS, Paint

_MATERIAL = re.compile(r"\b(PLA|PETG|PET|ABS|ASA|TPU|PA6|PA12|PA|PC|HIPS|PVA)\b", re.IGNORECASE)
_Property = tuple[int, int]


class Colors:
    """The colours of one lib3mf model, numbered as filaments in the order of their use."""

    def __init__(self, model: Any) -> None:
        self._rows: dict[_Property, tuple[str, str]] = {}
        wrapper = model._wrapper
        for groups, is_material in ((model.GetBaseMaterialGroups(), True), (model.GetColorGroups(), False)):
            while groups.MoveNext():
                group = groups.GetCurrent()
                for number in group.GetAllPropertyIDs():
                    color = group.GetDisplayColor(number) if is_material else group.GetColor(number)
                    name = group.GetName(number) if is_material else ""
                    red, green, blue, _ = wrapper.ColorToRGBA(color)
                    row = (_material(name), f"#{red:02X}{green:02X}{blue:02X}")
                    self._rows[(group.GetUniqueResourceID(), number)] = row
        self._slots: dict[tuple[str, str], int] = {}

    def filaments(self) -> tuple[FilamentSlot, ...]:
        """The filaments that meshes were found to use."""
        return tuple(FilamentSlot(number, *row) for row, number in self._slots.items())

    def paint_of(self, mesh: Any) -> Paint | None:
        """The filament of each triangle (states as for painted ones: from 1), or None for a mesh without colours."""
        if not self._rows:
            return None
        resource, number, has_own = mesh.GetObjectLevelProperty()
        resources, numbers = triangle_properties(mesh)
        unset = resources == 0
        if has_own:
            resources[unset], numbers[unset] = resource, number
        pairs, rows = np.unique(np.stack([resources, numbers], axis=1), axis=0, return_inverse=True)
        states = [self._state((int(pair[0]), int(pair[1]))) for pair in pairs]
        if not any(states):
            return None
        table = np.zeros((len(pairs), max(states) + 1))
        table[np.arange(len(pairs)), states] = 1.0
        return Paint(rows.ravel(), table)

    def _state(self, found: _Property) -> int:
        row = self._rows.get(found)
        if row is None or (row not in self._slots and len(self._slots) >= MOST_FILAMENTS):
            return 0
        return self._slots.setdefault(row, len(self._slots)) + 1


def _material(name: str) -> str:
    found = _MATERIAL.search(name)
    return found[1].upper() if found else ""
