"""Refusals of production: planning (PROD), printing (PRINT) and quality (QUALITY)."""

from __future__ import annotations

from blb3d.core.errors import BLB3DError


class NotMakeable(BLB3DError):
    """The product is switched off or has no active bill of materials."""

    code = "PROD_001"
    http_status = 409
    message = "This product cannot be made: it is inactive or has no active bill of materials."


class NoPrintFile(BLB3DError):
    """A plate of the product has no released print file."""

    code = "PROD_002"
    http_status = 409
    message = "A plate has no released print file."


class NoPlates(BLB3DError):
    """The product has no plate, so there is nothing to print."""

    code = "PROD_003"
    http_status = 409
    message = "This product has no plate to print."


class OrderHeld(BLB3DError):
    """The production order is held, or in a status in which nothing is printed for it."""

    code = "PROD_004"
    http_status = 409
    message = "Nothing is sent for this production order now."


class NotCombinable(BLB3DError):
    """The jobs cannot share a plate."""

    code = "PROD_005"
    http_status = 409
    message = "These jobs do not fit on one plate."


class PrinterNotReady(BLB3DError):
    """The printer is busy, silent, out of service or being maintained."""

    code = "PRINT_001"
    http_status = 409
    message = "The printer cannot take a job now."
    transient = True


class PlateNotCleared(BLB3DError):
    """Something of an earlier job may still lie on the printer's plate."""

    code = "PRINT_002"
    http_status = 409
    message = "The plate of this printer was not cleared."


class MaterialNotLoaded(BLB3DError):
    """No slot of the printer holds the material and colour that the job needs."""

    code = "PRINT_003"
    http_status = 409
    message = "The printer does not hold the material in its colour."


class NoFileForModel(BLB3DError):
    """No print file is released for this model of printer, or the plate does not fit into it."""

    code = "PRINT_004"
    http_status = 409
    message = "There is no released print file for this printer."


class AlreadyCleared(BLB3DError):
    """The plate was counted and cleared before."""

    code = "PRINT_005"
    http_status = 409
    message = "This plate was already cleared."


class WrongCounts(BLB3DError):
    """The counts name an order that was not on the plate, or more parts than were on it."""

    code = "PRINT_006"
    message = "The counts do not fit the plate."


class WrongQuantity(BLB3DError):
    """More parts are inspected than there are, or the failed ones are no longer in stock."""

    code = "QUALITY_001"
    http_status = 409
    message = "There are not so many parts to inspect."


class WrongSerials(BLB3DError):
    """The serial numbers do not belong to the order, are not in stock, or are not as many as the parts."""

    code = "QUALITY_002"
    message = "The serial numbers do not fit the inspection."
