"""What customer and staff say to each other about a quote, and the customer's wish for another price or part."""

from __future__ import annotations

from decimal import Decimal

from blb3d.accounts.models import User
from blb3d.core import lifecycle
from blb3d.core.errors import InvalidValue, NotAllowed
from blb3d.core.money import CENT, round_money
from blb3d.core.outbox import emit
from blb3d.core.verbs import verb
from quotes.errors import QuoteExpired
from quotes.lifecycles import QUOTE
from quotes.models import Quote, QuoteApproval, QuoteComment
from quotes.services.approval import level_needed
from quotes.services.authority import acts_for, allow

LONGEST = 2000


@verb
def comment_on_quote(quote: Quote, *, text: str, is_internal: bool = False, actor: User) -> QuoteComment:
    """Say something about a quote: the customer to us, staff to the customer, or staff among themselves.

    Raises:
        InvalidValue: there is nothing in it, or too much.
        NotAllowed: the actor is neither staff who may nor of this customer, or the customer wants it internal.
    """
    is_customer = acts_for(actor, quote.customer) is not None
    if not is_customer:
        lifecycle.allow(actor, "quotes.comment_quote")
    elif is_internal:
        raise NotAllowed(details={"field": "is_internal"})
    comment = _comment(quote, text, is_internal=is_internal, actor=actor)
    emit(
        "quotes.quote_commented",
        f"quotes.quote:{quote.pk}",
        id=quote.pk,
        number=quote.quote_number,
        comment_id=comment.pk,
        is_internal=is_internal,
        by_customer=is_customer,
    )
    return comment


@verb
def ask_for_changes(quote: Quote, *, text: str, target_unit_price: Decimal | None = None, actor: User) -> Quote:
    """Ask, as the customer, for another price or another way; a person looks at the quote again.

    Raises:
        QuoteExpired: the price no longer holds; quote it again.
        ReasonRequired: nothing was said.
        InvalidValue: the text is too long, or the price is none.
    """
    allow(quote, "ask_changes", actor=actor)
    with QUOTE.step(quote, "ask_changes", actor=actor, reason=text) as move:
        if quote.has_expired:
            raise QuoteExpired(details={"expires_at": quote.expires_at.isoformat() if quote.expires_at else ""})
        target = target_unit_price
        if target is not None and (not target.is_finite() or target < CENT or target != round_money(target)):
            raise InvalidValue("A price is given in whole cents.", details={"field": "target_unit_price"})
        quote.target_unit_price = target
        rule = QuoteApproval.Rule.CUSTOMER_ASKED
        waiting = quote.approvals.filter(status=QuoteApproval.Status.PENDING, required_when=rule)
        if not waiting.exists():
            QuoteApproval.objects.create(quote=quote, approval_level=level_needed(quote), required_when=rule)
        move.payload["comment_id"] = _comment(quote, text, is_internal=False, actor=actor).pk
    return quote


def _comment(quote: Quote, text: str, *, is_internal: bool, actor: User) -> QuoteComment:
    text = text.strip()
    if not text or len(text) > LONGEST:
        raise InvalidValue(f"A comment has between 1 and {LONGEST} characters.", details={"field": "text"})
    return QuoteComment.objects.create(quote=quote, author=actor, text=text, is_internal=is_internal)
