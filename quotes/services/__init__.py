"""The verbs of quoting."""

from quotes.services.acceptance import PaymentOrder, accept_quote, convert_quote, pay_quote, take_acceptance
from quotes.services.approval import (
    approve_quote,
    cancel_quote,
    expire_quotes,
    pending_level,
    reject_quote,
    request_changes,
    submit_quote,
)
from quotes.services.intake import (
    CheckedRequest,
    QuoteRequest,
    Upload,
    check_request,
    claim_quotes,
    create_quote,
    read_uploaded_quote,
    write_quote,
)
from quotes.services.pricing import estimate_quote_by_hand, preview_price, price_quote, update_quote

__all__ = [
    "CheckedRequest",
    "PaymentOrder",
    "QuoteRequest",
    "Upload",
    "accept_quote",
    "approve_quote",
    "cancel_quote",
    "check_request",
    "claim_quotes",
    "convert_quote",
    "create_quote",
    "estimate_quote_by_hand",
    "expire_quotes",
    "pay_quote",
    "pending_level",
    "preview_price",
    "price_quote",
    "read_uploaded_quote",
    "reject_quote",
    "request_changes",
    "submit_quote",
    "take_acceptance",
    "update_quote",
    "write_quote",
]
