"""Which filament of a sliced file is which filament of a plate or of a job."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from inventory.models import PrintFile, SliceFilament


class Numbered(Protocol):
    """A filament with its number and what it is."""

    @property
    def position(self) -> int:
        """Its number, from 0."""
        ...

    @property
    def material_type(self) -> str:
        """PLA, PETG and so on."""
        ...

    @property
    def color_hex(self) -> str:
        """RRGGBB, or empty."""
        ...


def filaments_of(file: PrintFile) -> list[SliceFilament]:
    """Return what the slicer counts of each filament of a print file; nothing where nobody read it from the file."""
    return [SliceFilament.from_dict(row) for row in file.filaments]


def match_filaments(file: Sequence[Numbered], job: Sequence[Numbered]) -> dict[int, int] | None:
    """Return the job's (or plate's) position for each filament number of the file, or None where they do not belong.

    Type and colour decide where they name each filament once, so that a file that numbers its filaments otherwise is
    still printed in the right colours. Else the numbers decide, as for a file that was sliced in neutral colours. A job
    of one filament prints all of a file of its type in it: that is what a customer who chose one colour asked for.
    """
    kinds = [_kind(row) for row in job]
    if all(kinds.count(_kind(filament)) == 1 for filament in file):
        return {filament.position: job[kinds.index(_kind(filament))].position for filament in file}
    known = {row.position for row in job}
    if {filament.position for filament in file} <= known:
        return {filament.position: filament.position for filament in file}
    if len(job) == 1 and {_kind(filament)[0] for filament in file} == {_kind(job[0])[0]}:
        return {filament.position: job[0].position for filament in file}
    return None


def _kind(filament: Numbered) -> tuple[str, str]:
    return filament.material_type.upper(), filament.color_hex.upper()
