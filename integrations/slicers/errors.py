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


class WithdrawnBefore(BLB3DError):
    """The slicer made the very file that somebody withdrew: its settings or the model must change first."""

    code = "SLICE_003"
    http_status = 409
    message = "This very file was withdrawn before: change the model or the settings, or upload another file."


class CannotSlice(BLB3DError):
    """The slicer refuses the model or the settings; ``details`` holds what it said."""

    code = "SLICE_004"
    http_status = 409
    message = "The slicer refuses this plate."


class PresetMissing(BLB3DError):
    """There is no preset for a printer model, a layer height or a material, or one names a parent that is not there."""

    code = "SLICE_005"
    http_status = 409
    message = "A preset for the slicer is missing."


class SlicerTooSlow(BLB3DError):
    """The slicer did not end in the time it is given; the same again would take as long."""

    code = "SLICE_006"
    http_status = 409
    message = "The slicer did not end in time."


class SlicerCrashed(BLB3DError):
    """The slicer ended without an answer: it was killed, or ran out of memory."""

    code = "SLICE_007"
    http_status = 503
    message = "The slicer ended without an answer."
    transient = True


class SlicerTooLarge(BLB3DError):
    """The slicer needed more memory than it is given; the same again would need as much."""

    code = "SLICE_008"
    http_status = 409
    message = "The slicer needed too much memory."


class NoPrinterTakesIt(BLB3DError):
    """No printer in service is large enough for the plate, or of a model that it is made for."""

    code = "SLICE_009"
    http_status = 409
    message = "No printer in service takes this plate."
