"""What quoting can refuse. QUOTE_001 for files that cannot be used lies in ``quotes.modelfiles``."""

from __future__ import annotations

from blb3d.core.errors import BLB3DError


class MaterialNotAvailable(BLB3DError):
    """The material exists, but not in the colour asked for; ``details["colors"]`` lists those that there are."""

    code = "QUOTE_002"
    message = "This material is not available in that colour."


class QuoteExpired(BLB3DError):
    """The price no longer holds."""

    code = "QUOTE_003"
    http_status = 409
    message = "This quote has expired. Please ask for a new price."


class OverApprovalLimit(BLB3DError):
    """The quote costs more than this buyer may accept: an approver or administrator of the company must."""

    code = "QUOTE_004"
    http_status = 403
    message = "This is over your limit. Somebody of your company who approves must accept it."


class NotPriced(BLB3DError):
    """The quote has no price yet."""

    code = "QUOTE_005"
    http_status = 409
    message = "This quote has no price yet."


class AddressNeeded(BLB3DError):
    """An order needs to know where it goes, and no default address is on file."""

    code = "QUOTE_006"
    message = "Please give a shipping address."


class NoCustomer(BLB3DError):
    """A guest's quote is taken over by registering or logging in before it can be ordered."""

    code = "QUOTE_007"
    http_status = 409
    message = "This quote belongs to nobody yet. Please register or log in to order it."


class NotADraft(BLB3DError):
    """What is asked for can only be changed while the quote is a draft, and its price only before it is accepted."""

    code = "QUOTE_008"
    http_status = 409
    message = "This quote can no longer be changed."


class TooManyLinks(BLB3DError):
    """A quote has as many links as it may; one must be taken back before another is made."""

    code = "QUOTE_009"
    http_status = 409
    message = "This quote has been shared often enough. Please take a link back first."


class NotComparable(BLB3DError):
    """A person estimated the quote as it is; what it would be otherwise, only a person can say."""

    code = "QUOTE_010"
    http_status = 409
    message = "An engineer priced this quote as it is. Please ask us for other materials or quantities."


class FileMissing(BLB3DError):
    """A file of the quote is not in the storage any more."""

    code = "FILE_001"
    http_status = 409
    message = "A file of this quote cannot be found."


class TooManyFiles(BLB3DError):
    """More files than one quote takes, or none at all."""

    code = "FILE_002"
    message = "Please upload between one file and the most that a quote takes."


class FileHeld(BLB3DError):
    """The virus scanner has not cleared the file, or had it removed; ``details["scan_result"]`` says which."""

    code = "FILE_004"
    http_status = 409
    message = "This file waits for the virus scanner."
