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
