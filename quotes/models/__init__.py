"""The tables of quoting: quotes and what they hold, files, decisions, links, what prints taught, how quotes went."""

from quotes.models.analytics import QuoteAnalytics
from quotes.models.approvals import QuoteApproval, QuoteComment
from quotes.models.files import FileUploadLog, QuoteFile, quote_file_path
from quotes.models.learning import EstimateCorrection, EstimateObservation
from quotes.models.quotes import Quote, QuoteMaterial, QuotePart
from quotes.models.sharing import QuoteShare

__all__ = [
    "EstimateCorrection",
    "EstimateObservation",
    "FileUploadLog",
    "Quote",
    "QuoteAnalytics",
    "QuoteApproval",
    "QuoteComment",
    "QuoteFile",
    "QuoteMaterial",
    "QuotePart",
    "QuoteShare",
    "quote_file_path",
]
