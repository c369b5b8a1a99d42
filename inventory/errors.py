"""What inventory refuses, with stable codes."""

from __future__ import annotations

from blb3d.core.errors import BLB3DError


class InsufficientStock(BLB3DError):
    """There is less free stock than was asked for; ``details["items"]`` lists what is short, nothing was changed."""

    code = "STOCK_001"
    http_status = 409
    message = "There is not enough stock."


class NotReserved(BLB3DError):
    """More would be taken from a reservation than it holds."""

    code = "STOCK_002"
    http_status = 409
    message = "The reservation does not hold that much."


class NoLocation(BLB3DError):
    """No location was named and none is marked as the default."""

    code = "STOCK_003"
    http_status = 409
    message = "There is no default stock location."


class DatedAhead(BLB3DError):
    """A movement is dated in the future."""

    code = "STOCK_010"
    message = "A stock movement cannot be dated in the future."


class DatedTooFarBack(BLB3DError):
    """A movement is dated back further than STOCK_BACKDATE_DAYS allow to this person."""

    code = "STOCK_011"
    message = "A stock movement cannot be dated back this far."


class PeriodClosed(BLB3DError):
    """A movement is dated in a period whose books are closed; ``details["closed_through"]`` is its end."""

    code = "STOCK_012"
    http_status = 409
    message = "The books of this day are closed."


class DatedBeforeLot(BLB3DError):
    """A movement is dated before its lot was received."""

    code = "STOCK_013"
    message = "A lot cannot move before it was received."


class NotThereThen(BLB3DError):
    """Stock would leave, dated back, before it had come; ``details["items"]`` names each balance."""

    code = "STOCK_014"
    http_status = 409
    message = "This stock was not there at that time."


class BooksDiffer(BLB3DError):
    """The ledger and the balances do not agree; ``details["differences"]`` names the first of them."""

    code = "STOCK_015"
    http_status = 409
    message = "The stock books do not agree."


class AlreadyReversed(BLB3DError):
    """The movement was reversed before."""

    code = "STOCK_016"
    http_status = 409
    message = "This movement is already reversed."


class NotReversible(BLB3DError):
    """The movement belongs to a document, or is of a kind, that has an act of its own to undo it."""

    code = "STOCK_017"
    http_status = 409
    message = "This movement cannot be reversed from the ledger."


class NothingOnHand(BLB3DError):
    """There is no stock whose value could change."""

    code = "STOCK_018"
    http_status = 409
    message = "Nothing of this is on hand."


class PeriodNotOver(BLB3DError):
    """The last day of the period has not ended, or ended only minutes ago; ``details["possible_from"]`` says when."""

    code = "STOCK_019"
    http_status = 409
    message = "This period is not over yet."


class PeriodsOutOfOrder(BLB3DError):
    """Periods are closed the earliest first and opened again the latest first; ``details["period"]`` is in the way."""

    code = "STOCK_020"
    http_status = 409
    message = "Another period comes first."


class PeriodsOverlap(BLB3DError):
    """Some days of the period belong to another one, or are closed with one."""

    code = "STOCK_021"
    http_status = 409
    message = "These days belong to another period."


class LotNumberTaken(BLB3DError):
    """A lot with this number exists."""

    code = "LOT_001"
    http_status = 409
    message = "This lot number is taken."


class LotOfAnotherProduct(BLB3DError):
    """The lot holds another product than the one named."""

    code = "LOT_002"
    message = "This lot is of another product."


class LotNeeded(BLB3DError):
    """The product is tracked by lot and no lot was named."""

    code = "LOT_003"
    message = "This product is tracked by lot: please name the lot."


class MaterialNotFound(BLB3DError):
    """No active material answers the description."""

    code = "MATERIAL_001"
    message = "Material not found or inactive."


class NoActiveBOM(BLB3DError):
    """The product has no active bill of materials."""

    code = "MATERIAL_002"
    http_status = 404
    message = "The product has no active bill of materials."


class BOMCycle(BLB3DError):
    """A product would contain itself; ``details["path"]`` names the products on the way round."""

    code = "MATERIAL_003"
    message = "A product cannot be part of itself."


class SKUTaken(BLB3DError):
    """A product with this SKU exists."""

    code = "MATERIAL_004"
    http_status = 409
    message = "This SKU is taken."


class WrongWeight(BLB3DError):
    """The scale shows less than the empty reel, or more than the lot can have held."""

    code = "STOCK_004"
    message = "This weight cannot be right."


class InexactQuantity(BLB3DError):
    """So many of a product's own unit do not come out in its stock unit; ``details["nearest"]`` names what does."""

    code = "MATERIAL_010"
    message = "This quantity does not come out exactly in the stock unit."


class UnitInUse(BLB3DError):
    """A unit is spoken of in open purchases, in bills or by vendors, so that it cannot become another quantity."""

    code = "MATERIAL_011"
    http_status = 409
    message = "This unit is in use and cannot change."


class UnusableProductFile(BLB3DError):
    """The file is empty, too large, of an ending that its kind does not have, or holds something else."""

    code = "MATERIAL_012"
    message = "This file cannot be kept in the library."


class VariantImpossible(BLB3DError):
    """A family cannot be made in these materials; ``details["materials"]`` says why for each."""

    code = "MATERIAL_013"
    http_status = 409
    message = "The family cannot be made in these materials."


class TooManyGrams(BLB3DError):
    """The reels would hold more than their lot, or more would be taken from a reel than is on it."""

    code = "LOT_010"
    http_status = 409
    message = "There is not so much."


class MixedLots(BLB3DError):
    """Reels of two lots would become one: nobody could say any more which batch a part was made of."""

    code = "LOT_011"
    http_status = 409
    message = "Reels of different lots stay apart."


class CertificateMissing(BLB3DError):
    """The product asks for a certificate of analysis, and this lot has none yet."""

    code = "LOT_012"
    http_status = 409
    message = "This lot has no certificate of analysis yet."


class UnusableCertificate(BLB3DError):
    """The file is empty, too large, or no PDF, PNG or JPEG."""

    code = "LOT_013"
    message = "This file cannot be kept as a certificate."


class SpoolInDryer(BLB3DError):
    """The reel is in the dryer."""

    code = "LOT_014"
    http_status = 409
    message = "This spool is in the dryer."


class SpoolNotInDryer(BLB3DError):
    """The reel is not in the dryer."""

    code = "LOT_015"
    http_status = 409
    message = "This spool is not in the dryer."


class SpoolGone(BLB3DError):
    """The reel is empty or was put together with another one."""

    code = "LOT_016"
    http_status = 409
    message = "There is nothing left on this spool."


class UnusableDate(BLB3DError):
    """A lot in use cannot have expired already, or not before it was received."""

    code = "LOT_017"
    message = "This date cannot be right."


class NothingToCount(BLB3DError):
    """What the sheet asks for is not in stock anywhere."""

    code = "COUNT_001"
    http_status = 409
    message = "There is nothing to count."


class NotAllCounted(BLB3DError):
    """Lines of the sheet have not been counted; ``details["lines"]`` names the first of them."""

    code = "COUNT_002"
    http_status = 409
    message = "Not everything has been counted yet."


class CountedBySame(BLB3DError):
    """The difference is above tolerance and must be approved by somebody who did not count it."""

    code = "COUNT_003"
    http_status = 403
    message = "Somebody who did not count this must approve it."


class AlreadyOnASheet(BLB3DError):
    """The same stock is being counted on another sheet: its difference would be booked twice."""

    code = "COUNT_004"
    http_status = 409
    message = "This is being counted on another sheet."


class NotBeingCounted(BLB3DError):
    """The sheet is not open for counting."""

    code = "COUNT_005"
    http_status = 409
    message = "This sheet is not open for counting."


class NoVendor(BLB3DError):
    """Nobody is known to sell a product; ``details["skus"]`` names what has no vendor."""

    code = "PURCHASE_001"
    message = "No vendor is known for some products."


class ApprovalNeeded(BLB3DError):
    """The order is above what may be ordered without a second person's word."""

    code = "PURCHASE_002"
    http_status = 409
    message = "This order needs approval before it is sent."


class ApprovesOwnOrder(BLB3DError):
    """Who wrote an order does not approve it."""

    code = "PURCHASE_003"
    http_status = 403
    message = "An order is approved by somebody else than who wrote it."


class PurchaseNotEditable(BLB3DError):
    """What is bought changes only in a draft; later a line's date is changed or its rest cancelled."""

    code = "PURCHASE_004"
    http_status = 409
    message = "This order was sent: its lines cannot be edited any more."


class TooMuchReceived(BLB3DError):
    """More came than was ordered and is tolerated; ``details["lines"]`` says what and how much may come."""

    code = "PURCHASE_005"
    http_status = 409
    message = "More came than was ordered."


class NothingOwed(BLB3DError):
    """The vendor owes nothing of this line any more."""

    code = "PURCHASE_006"
    http_status = 409
    message = "Nothing of this line is still owed."


class TooMuchReturned(BLB3DError):
    """More would go back than came and has not gone back yet."""

    code = "PURCHASE_007"
    http_status = 409
    message = "So much of this receipt cannot go back."


class WeightUnknown(BLB3DError):
    """A cost cannot be shared by weight; ``details["skus"]`` names products that have none."""

    code = "PURCHASE_008"
    message = "The weight of some products is not known."


class BillNumberTaken(BLB3DError):
    """This vendor's bill was entered already; ``details["number"]`` is ours of it."""

    code = "PURCHASE_009"
    http_status = 409
    message = "This bill of the vendor was entered already."


class BillNotApprovable(BLB3DError):
    """The bill differs from what was ordered or came in a way that nobody can wave through."""

    code = "PURCHASE_010"
    http_status = 409
    message = "This bill cannot be approved: cancel it and enter the right one."


class NoVendorAddress(BLB3DError):
    """The vendor has no mail address."""

    code = "PURCHASE_011"
    http_status = 409
    message = "This vendor has no e-mail address."


class ImportHasErrors(BLB3DError):
    """A row of the table is wrong; ``details["errors"]`` names each by row and column, nothing was changed."""

    code = "IMPORT_004"
    http_status = 409
    message = "The table has errors; nothing was changed."


class ImportChanged(BLB3DError):
    """The data changed since the preview, so that the import would do something else now; nothing was changed."""

    code = "IMPORT_005"
    http_status = 409
    message = "The data changed since the preview. Please look at it again; nothing was changed."


class UnusableHeadings(BLB3DError):
    """The table lacks a column that is needed, or has one twice."""

    code = "IMPORT_006"
    message = "The headings of the table do not fit."
