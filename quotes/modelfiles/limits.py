"""How much of a stranger's file is read before it is refused."""

from __future__ import annotations

from dataclasses import dataclass

MEBIBYTE = 1024 * 1024


@dataclass(frozen=True)
class ReadLimits:
    """Bounds on one model file; sizes in bytes. ``max_ratio`` is unpacked to packed, minded from 1 MiB up."""

    max_bytes: int = 100 * MEBIBYTE
    max_members: int = 2_000
    max_unpacked: int = 600 * MEBIBYTE
    max_ratio: int = 200
    max_triangles: int = 5_000_000
    max_pieces: int = 5_000
    #: A plate's G-code is counted line by line; a larger one is not.
    max_gcode_bytes: int = 200 * MEBIBYTE
    #: A STEP file is meshed, which takes far longer than reading.
    max_step_bytes: int = 30 * MEBIBYTE
    max_step_entities: int = 300_000


DEFAULT_LIMITS = ReadLimits()
