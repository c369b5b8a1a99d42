"""What selling can refuse."""

from __future__ import annotations

from blb3d.core.errors import BLB3DError


class NoLines(BLB3DError):
    """An order needs at least one line, and each line a possible quantity and price."""

    code = "ORDER_001"
    message = "An order needs at least one line."


class UnmappedLines(BLB3DError):
    """Lines of the order have SKUs that nobody has mapped to a product; ``details`` names them."""

    code = "ORDER_002"
    http_status = 409
    message = "Some of the order's SKUs are not mapped to products yet."


class AlreadyShipped(BLB3DError):
    """Something of the order has left the house: it is returned, not cancelled."""

    code = "ORDER_003"
    http_status = 409
    message = "Something of this order was already shipped."


class NothingToPack(BLB3DError):
    """Nothing of the order is left to pack, or more than that was asked for."""

    code = "ORDER_004"
    http_status = 409
    message = "There is nothing left to pack."


class PartsMissing(BLB3DError):
    """The parts to be packed are not there; ``details`` says of which lines how many."""

    code = "ORDER_005"
    http_status = 409
    message = "Not all of these parts are finished."


class NotInspected(BLB3DError):
    """A production order of the packed lines has no passed final inspection."""

    code = "ORDER_006"
    http_status = 409
    message = "The parts have not passed their final inspection."


class NotSettled(BLB3DError):
    """A delivered order is completed when it is paid, or after some days."""

    code = "ORDER_007"
    http_status = 409
    message = "The order is not paid yet."


class CannotReorder(BLB3DError):
    """A product of the order is not sold any more."""

    code = "ORDER_008"
    http_status = 409
    message = "A product of this order is not available any more."


class TotalsDisagree(BLB3DError):
    """The grand total given is not what lines, discount, shipping and tax add up to."""

    code = "ORDER_009"
    message = "The totals do not add up."


class ProductionUnderWay(BLB3DError):
    """Parts are being printed right now: their jobs are stopped first."""

    code = "ORDER_010"
    http_status = 409
    message = "Parts of this order are being printed. Stop their print jobs first."


class NotInvoiceable(BLB3DError):
    """An order is invoiced between its confirmation and its end."""

    code = "ORDER_011"
    http_status = 409
    message = "This order cannot be invoiced now."


class PaymentDeclined(BLB3DError):
    """The provider refused the charge; ``details`` gives its reason."""

    code = "PAYMENT_001"
    http_status = 402
    message = "The payment was declined."


class NothingOwed(BLB3DError):
    """The order is paid, or takes no payment any more."""

    code = "PAYMENT_002"
    http_status = 409
    message = "Nothing is owed for this order."


class AmountTooHigh(BLB3DError):
    """More than is owed, or more back than was paid."""

    code = "PAYMENT_003"
    message = "The amount is too high."


class PaymentsNotSetUp(BLB3DError):
    """No payment provider is configured."""

    code = "PAYMENT_004"
    http_status = 503
    message = "Card payments are not possible at the moment."


class PaymentUnderWay(BLB3DError):
    """A charge for this order has been sent to the provider and is not answered yet."""

    code = "PAYMENT_005"
    http_status = 409
    message = "A payment for this order is under way."
    transient = True


class RulesAreFixed(BLB3DError):
    """Price rules that rule, or did, are not changed: quotes were made with them. Copy them to a new draft."""

    code = "ORDER_012"
    http_status = 409
    message = "These price rules were activated and are not changed any more. Copy them to a new draft."
