"""What can go wrong between this system and a printer; ``transient`` says whether trying again may help."""

from __future__ import annotations

from blb3d.core.errors import PartnerRefused, PartnerUnavailable


class PrinterNotConnected(PartnerUnavailable):
    """There is no session with the printer now, so nothing was sent."""

    code = "PRINTER_001"
    message = "The printer is not connected."


class CommandUnconfirmed(PartnerUnavailable):
    """The printer did not confirm that it received the command: it may or may not have arrived."""

    code = "PRINTER_002"
    message = "The printer did not confirm the command; watch its state before sending it again."


class UploadFailed(PartnerUnavailable):
    """The file did not arrive whole; a later attempt may succeed."""

    code = "PRINTER_003"
    message = "The file could not be transferred to the printer."


class UploadRefused(PartnerRefused):
    """The printer refused the login or the file; the same attempt again is pointless."""

    code = "PRINTER_004"
    message = "The printer refused the file."
