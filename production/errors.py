"""Refusals of production: planning (PROD), printing (PRINT), quality (QUALITY), the floor pages (FLOOR)."""

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


class NotDivisible(BLB3DError):
    """So many parts cannot be split off: they have begun, or none would be left."""

    code = "PROD_006"
    http_status = 409
    message = "So many parts cannot be split off."


class NotMergeable(BLB3DError):
    """The production orders cannot be made as one."""

    code = "PROD_007"
    http_status = 409
    message = "These production orders cannot be merged."


class TooManyUnits(BLB3DError):
    """More units are reported of an operation than wait there; ``details["waiting"]`` says how many do."""

    code = "PROD_008"
    http_status = 409
    message = "There are not so many units at this operation."


class UnitsInWork(BLB3DError):
    """Units of the order are printed but still at its operations: they would be neither stock nor scrap."""

    code = "PROD_009"
    http_status = 409
    message = "Units are still at the operations after printing."


class PlanningRuns(BLB3DError):
    """Material planning is under way; what is made of a plan waits until it is done."""

    code = "PROD_060"
    http_status = 409
    message = "Material planning is running: please try again in a moment."
    transient = True


class PlanMoved(BLB3DError):
    """What was chosen is of a run of material planning that a newer one has replaced."""

    code = "PROD_061"
    http_status = 409
    message = "This plan was replaced by a newer one: please look at that."


class PlannedOrderTaken(BLB3DError):
    """A planned order was made firm or released before; ``details["orders"]`` names it."""

    code = "PROD_062"
    http_status = 409
    message = "A planned order was made firm or released before."


class MessageDone(BLB3DError):
    """What a message of material planning says was done before, or its order is gone."""

    code = "PROD_063"
    http_status = 409
    message = "This was done before, or there is no such order any more."


class PlanningFailed(BLB3DError):
    """A run of material planning did not come to its end."""

    code = "PROD_064"
    http_status = 409
    message = "Material planning failed."


class NoPlan(BLB3DError):
    """Material planning has not run yet, or the rows of the run were put away."""

    code = "PROD_065"
    http_status = 404
    message = "There is no such plan."


class CircularBills(BLB3DError, ValueError):
    """Bills of materials in use contain one another; ``details["items"]`` are the ids of the products on the way."""

    code = "PROD_058"
    http_status = 409
    message = "Bills of materials in use contain one another."


class TooMuchToPlan(BLB3DError):
    """A quantity, an id or the number of planned orders of a product leaves the range that planning counts in."""

    code = "PROD_059"
    http_status = 409
    message = "Planning cannot count that far: a quantity is absurdly large."


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


class WrongNozzle(BLB3DError):
    """The plate was made for another nozzle than the printer has."""

    code = "PRINT_007"
    http_status = 409
    message = "The plate needs another nozzle."


class NotInGroup(BLB3DError):
    """The job is kept to a group of printers, and this one is not in it."""

    code = "PRINT_008"
    http_status = 409
    message = "The job is kept to another group of printers."


class TagsMissing(BLB3DError):
    """The plate asks for something that the printer has not got."""

    code = "PRINT_009"
    http_status = 409
    message = "The printer lacks what the plate asks for."


class MaterialNotPrintable(BLB3DError):
    """Printers of this model do not print the material."""

    code = "PRINT_010"
    http_status = 409
    message = "This model of printer does not print the material."


class ServiceOverdue(BLB3DError):
    """A service that the printer needs before it prints again is overdue."""

    code = "PRINT_011"
    http_status = 409
    message = "A service of this printer is overdue."


class MaintenanceAhead(BLB3DError):
    """The job would still print when the printer's maintenance begins."""

    code = "PRINT_012"
    http_status = 409
    message = "The job would run into the printer's maintenance."
    transient = True


class StartsStaggered(BLB3DError):
    """Another printer of the group was started so shortly before that this one has to wait."""

    code = "PRINT_013"
    http_status = 409
    message = "Another printer of the group was just started."
    transient = True


class SuggestionGone(BLB3DError):
    """The job is not suggested for any printer now."""

    code = "PRINT_014"
    http_status = 409
    message = "This job is not suggested any more: look at the list again."


class WrongQuantity(BLB3DError):
    """More parts are inspected than there are, or the failed ones are no longer in stock."""

    code = "QUALITY_001"
    http_status = 409
    message = "There are not so many parts to inspect."


class WrongSerials(BLB3DError):
    """The serial numbers do not belong to the order, are not in stock, or are not as many as the parts."""

    code = "QUALITY_002"
    message = "The serial numbers do not fit the inspection."


class UnusablePhoto(BLB3DError):
    """The file is no picture that can be read, or it is too large."""

    code = "FLOOR_001"
    message = "This photo cannot be used."


class SpoolNotUsable(BLB3DError):
    """The reel's lot is in quarantine or expired: it is not printed with."""

    code = "FLOOR_002"
    http_status = 409
    message = "This spool must not be used."


class SpoolInUse(BLB3DError):
    """A job prints with the reel now; what it took is booked when it ends."""

    code = "FLOOR_003"
    http_status = 409
    message = "A job is printing with this spool."


class TooManyScreens(BLB3DError):
    """As many wall screens have a link as may; take one back first."""

    code = "FLOOR_004"
    http_status = 409
    message = "There are too many links for wall screens."
