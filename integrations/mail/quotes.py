"""What is said by mail about quotes: to who asked for them, and to the sales desk.

A quote under an NDA is called by its number alone: a name made of its files' names is in no mail.
"""

from __future__ import annotations

from typing import Any

from django.conf import settings

from blb3d.accounts.models import User
from blb3d.core.outbox import OutboxEvent, subscribes
from integrations.mail.send import console_page, event_key, page, send
from quotes import services as quotes
from quotes.models import Quote, QuoteApproval, QuoteComment
from quotes.selectors import told_of
from sales.models import CustomerUser

_APPROVERS = {1: "manager", 2: "director", 3: "owner"}
Status = Quote.Status


@subscribes(
    "quotes.quote_submitted",
    "quotes.quote_approved",
    "quotes.changes_requested",
    "quotes.price_offered",
    "quotes.quote_rejected",
    "quotes.quote_expires_soon",
    "quotes.quote_expired",
    "quotes.quote_accepted",
    outside=True,
)
def mail_quote(event: OutboxEvent) -> None:
    """Tell who asked for a quote what has become of it."""
    quote = _quote(event)
    name = _turn(event, quote)
    if name:
        send(name, told_of(quote), key=event_key(event), **_context(quote))


def _turn(event: OutboxEvent, quote: Quote) -> str:
    """Return which mail a fact is worth, or none: what the customer did itself, and drafts, need no mail."""
    topic, target = event.topic, event.payload.get("to", "")
    if topic in ("quotes.quote_submitted", "quotes.price_offered", "quotes.quote_approved"):
        if target == Status.PENDING:
            return "quote_received" if topic == "quotes.quote_submitted" else ""
        return "quote_ready" if quote.offered_unit_price is None else "quote_offer"
    if topic == "quotes.quote_rejected":
        return "" if event.payload.get("by_customer", True) else "quote_rejected"
    if topic == "quotes.quote_expired":
        return "" if event.payload["from"] == Status.DRAFT else "quote_expired"
    return {
        "quotes.changes_requested": "quote_changes",
        "quotes.quote_expires_soon": "quote_reminder",
        "quotes.quote_accepted": "quote_accepted",
    }[topic]


@subscribes("quotes.quote_submitted", "quotes.price_offered", outside=True)
def mail_review(event: OutboxEvent) -> None:
    """Tell the sales desk that a quote waits for somebody's word."""
    quote = _quote(event)
    if event.payload["to"] != Status.PENDING:
        return
    waiting = quote.approvals.filter(status=QuoteApproval.Status.PENDING)
    send(
        "quote_review",
        _desk(),
        key=event_key(event),
        reasons=", ".join(dict.fromkeys(row.get_required_when_display() for row in waiting)),
        approver=_APPROVERS[quotes.pending_level(quote)],
        **_desk_context(quote),
    )


@subscribes("quotes.changes_asked", outside=True)
def mail_wish(event: OutboxEvent) -> None:
    """Tell the sales desk what a customer wants otherwise."""
    quote = _quote(event)
    comment = QuoteComment.objects.get(pk=event.payload["comment_id"])
    target = quote.target_unit_price
    send("quote_word", _desk(), key=event_key(event), text=comment.text, target=target, **_desk_context(quote))


@subscribes("quotes.quote_commented", outside=True)
def mail_comment(event: OutboxEvent) -> None:
    """Pass on what one side said to the other; what is internal is mailed to nobody."""
    if event.payload["is_internal"]:
        return
    quote = _quote(event)
    comment = QuoteComment.objects.get(pk=event.payload["comment_id"])
    if event.payload["by_customer"]:
        send("quote_word", _desk(), key=event_key(event), text=comment.text, target=None, **_desk_context(quote))
    else:
        send("quote_comment", told_of(quote), key=event_key(event), text=comment.text, **_context(quote))


@subscribes("quotes.approver_asked", outside=True)
def mail_approver(event: OutboxEvent) -> None:
    """Tell who decides for a customer that a quote waits for it; one that was decided meanwhile needs no mail."""
    quote = _quote(event)
    approver = CustomerUser.objects.select_related("user").filter(pk=event.payload["approver_id"]).first()
    if approver is None or quote.status != Status.APPROVED or quote.has_expired:
        return
    asking = User.objects.get(pk=event.payload["asked_by_id"])
    send("quote_approver", approver.user.email, key=event_key(event), asking=str(asking), **_context(quote))


def _quote(event: OutboxEvent) -> Quote:
    rows = Quote.all_objects.select_related("user", "customer", "sales_order")
    return rows.get(pk=event.payload["id"])


def _what(quote: Quote) -> str:
    return "your parts" if quote.is_under_nda else quote.product_name


def _context(quote: Quote) -> dict[str, Any]:
    return {"quote": quote, "what": _what(quote), "action_url": page("quote-detail", pk=quote.pk)}


def _desk_context(quote: Quote) -> dict[str, Any]:
    customer = quote.customer
    return {
        "quote": quote,
        "what": "parts under an NDA" if quote.is_under_nda else quote.product_name,
        "who": (customer.company_name or customer.name) if customer is not None else "A guest",
        "action_url": console_page("quotes_quote_change", quote.pk),
    }


def _desk() -> str:
    return settings.SALES_EMAIL or settings.ADMIN_EMAIL  # type: ignore[misc]
