"""The verbs of quoting."""

from quotes.services.acceptance import PaymentOrder, accept_quote, convert_quote, pay_quote, take_acceptance
from quotes.services.approval import (
    approve_quote,
    cancel_quote,
    levels_of,
    pending_level,
    reject_quote,
    request_changes,
    submit_quote,
)
from quotes.services.backup import back_up
from quotes.services.comments import ask_for_changes, comment_on_quote
from quotes.services.expiry import expire_quotes, remind_quotes
from quotes.services.intake import (
    CheckedRequest,
    QuoteRequest,
    check_request,
    claim_quotes,
    create_quote,
    write_quote,
)
from quotes.services.learning import (
    prints_behind,
    recompute_corrections,
    switch_off_correction,
    switch_on_correction,
)
from quotes.services.observing import exclude_observation, include_observation, observe_job
from quotes.services.offers import offer_price
from quotes.services.parts import set_file_unit, set_part_quantities
from quotes.services.pricing import estimate_quote_by_hand, preview, preview_price, price_quote, update_quote
from quotes.services.processing import read_uploaded_quote, rescan_held_files
from quotes.services.recomputing import Recomputed, recompute_quote
from quotes.services.requotes import requote
from quotes.services.sharing import ask_approver, revoke_share, share_quote
from quotes.services.uploads import Upload

__all__ = [
    "CheckedRequest",
    "PaymentOrder",
    "QuoteRequest",
    "Recomputed",
    "Upload",
    "accept_quote",
    "approve_quote",
    "ask_approver",
    "ask_for_changes",
    "back_up",
    "cancel_quote",
    "check_request",
    "claim_quotes",
    "comment_on_quote",
    "convert_quote",
    "create_quote",
    "estimate_quote_by_hand",
    "exclude_observation",
    "expire_quotes",
    "include_observation",
    "levels_of",
    "observe_job",
    "offer_price",
    "pay_quote",
    "pending_level",
    "preview",
    "preview_price",
    "price_quote",
    "prints_behind",
    "read_uploaded_quote",
    "recompute_corrections",
    "recompute_quote",
    "reject_quote",
    "remind_quotes",
    "request_changes",
    "requote",
    "rescan_held_files",
    "revoke_share",
    "set_file_unit",
    "set_part_quantities",
    "share_quote",
    "submit_quote",
    "switch_off_correction",
    "switch_on_correction",
    "take_acceptance",
    "update_quote",
    "write_quote",
]
