"""Slices by what was sliced and how: the same mesh with the same profile is not sliced twice."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from django.conf import settings as django_settings

from integrations.slicers.prusaslicer.profile import PrintSettings, profile_ini
from integrations.slicers.prusaslicer.runner import Mesh, PrusaSlicerCommand, Slice


@dataclass(frozen=True)
class SliceCache:
    """A slicer with a memory in a folder (default: ``slices`` in ``VAR_DIR``); G-code is not kept."""

    command: PrusaSlicerCommand
    folder: Path | None = None

    def slice(self, meshes: Sequence[Mesh], settings: PrintSettings) -> Slice:
        """As ``PrusaSlicerCommand.slice``, from the folder where it is known."""
        folder = self.folder or django_settings.VAR_DIR / "slices"
        path = folder / f"{_key(meshes, settings)}.json"
        try:
            return Slice(**json.loads(path.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            pass  # not there, or half written by a process that died: sliced again
        made = self.command.slice(meshes, settings)
        folder.mkdir(parents=True, exist_ok=True)
        numbers = {"extruded_mm3": made.extruded_mm3, "grams": made.grams, "seconds": made.seconds}
        path.write_text(json.dumps(numbers), "utf-8")
        return made


def _key(meshes: Sequence[Mesh], settings: PrintSettings) -> str:
    digest = hashlib.sha256(profile_ini(settings).encode())
    for mesh in meshes:
        digest.update(repr(mesh.at).encode())
        digest.update(mesh.vertices.tobytes())
        digest.update(mesh.faces.tobytes())
    return digest.hexdigest()
