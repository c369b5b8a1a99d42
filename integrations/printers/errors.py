"""What can be wrong with how a printer is set up."""

from __future__ import annotations

from blb3d.core.errors import BLB3DError


class AccessCodeUnreadable(BLB3DError):
    """The stored access code was encrypted with another key: it must be typed in again."""

    code = "PRINTER_005"
    http_status = 409
    message = "The access code cannot be read any more; enter it again."


class StrangeCertificate(BLB3DError):
    """The machine at this address shows a certificate in another name than the printer's serial number."""

    code = "PRINTER_006"
    http_status = 409
    message = "The machine at this address is not this printer."
