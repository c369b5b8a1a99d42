"""A person's price instead of the computed one."""

from __future__ import annotations

from decimal import Decimal

from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core import lifecycle
from blb3d.core.verbs import verb
from quotes.errors import QuoteExpired
from quotes.lifecycles import QUOTE
from quotes.models import Quote, QuoteApproval
from quotes.services.approval import decide, hold_price, may_approve, pending_level
from quotes.services.authority import allow
from quotes.services.pricing import is_below_cost, set_agreed_price

Rule = QuoteApproval.Rule


@verb
def offer_price(quote: Quote, *, unit_price: Decimal, reason: str, actor: User) -> Quote:
    """Offer a quote at another unit price; the customer reads the reason.

    Who may approve the new price gives it by offering it, and it holds from now on. Else the quote waits for somebody
    who may: below cost that is level 3, whatever the amount.

    Raises:
        NotPriced: nothing was estimated yet.
        QuoteExpired: price it again instead.
        InvalidValue: the price is no amount of whole cents.
    """
    allow(quote, "offer", actor=actor)
    with QUOTE.step(quote, "offer", actor=actor, reason=reason) as move:
        lifecycle.allow(actor, "quotes.offer_quote")
        if quote.has_expired:
            raise QuoteExpired(details={"expires_at": quote.expires_at.isoformat() if quote.expires_at else ""})
        set_agreed_price(quote, unit_price)
        quote.offered_unit_price, quote.offer_reason = unit_price, reason.strip()[:500]
        level = pending_level(quote)
        given = may_approve(actor, level)
        row = QuoteApproval(
            quote=quote,
            approval_level=level,
            required_when=Rule.BELOW_COST if is_below_cost(quote) else Rule.AGREED_PRICE,
        )
        if given:
            row.approver, row.approved_date = actor, timezone.now()
            row.status, row.comments = QuoteApproval.Status.APPROVED, reason.strip()[:1000]
            decide(quote, QuoteApproval.Status.APPROVED, reason, actor=actor)
            hold_price(quote)
        else:
            move.to(Quote.Status.PENDING)
        row.save()
        move.payload.update(unit_price=str(unit_price), level=level)
    return quote
