"""Why there is no print file, or why the one at hand cannot be used."""

from __future__ import annotations

from typing import Any

from blb3d.core.errors import BLB3DError


class PersonMustUpload(BLB3DError):
    """No slicer is configured: somebody slices the plate and uploads the result."""

    code = "SLICE_001"
    http_status = 409
    message = "A person must slice this plate and upload the print file."


class UnusablePackage(BLB3DError):
    """The sliced package cannot be printed from; ``details`` holds ``reason`` in plain words."""

    code = "SLICE_002"
    http_status = 400
    message = "This print file cannot be used."

    def __init__(self, reason: str, *, details: dict[str, Any] | None = None) -> None:
        super().__init__(f"This print file cannot be used: {reason}", details={"reason": reason, **(details or {})})
