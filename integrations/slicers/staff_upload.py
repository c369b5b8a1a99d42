"""The slicer that is a person: asks for an upload."""

from __future__ import annotations

from integrations.slicers.errors import PersonMustUpload
from production.ports import SliceRequest, SliceResult


class StaffUpload:
    """Refuses every request, so that the plate waits with the reason "no print file" until staff upload one."""

    def slice(self, request: SliceRequest) -> SliceResult:
        """Always raises ``PersonMustUpload``, naming what to slice for."""
        raise PersonMustUpload(
            details={
                "name": request.name,
                "file_name": request.file_name,
                "printer_model": request.printer_model,
                "material_type": ", ".join(dict.fromkeys(row.material_type for row in request.filaments)),
                "copies": request.copies,
            }
        )
