"""From a priced draft to a quote that can be accepted, with a person's word where the rules ask for one."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.conf import settings
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core import lifecycle
from blb3d.core.verbs import verb
from inventory.selectors import active_materials
from quotes.errors import NotPriced, QuoteExpired
from quotes.lifecycles import QUOTE
from quotes.models import Quote, QuoteApproval, QuoteComment
from quotes.services.authority import acts_for, allow
from quotes.services.funnel import note_submission
from quotes.services.pricing import is_below_cost, valid_until
from sales.selectors import has_paid_order

Rule = QuoteApproval.Rule

#: An interval wider than this (half width, percent), or two methods further apart than that, needs a person.
WIDEST_INTERVAL, MOST_DIFFERENCE = Decimal(25), Decimal(15)
#: Who may approve: the permission by level.
LEVELS = {1: "quotes.approve_quote", 2: "quotes.approve_level2_quote", 3: "quotes.approve_level3_quote"}


def rules_hit(quote: Quote) -> list[str]:
    """Return why a person must look at the quote; empty when nobody must."""
    net = quote.subtotal if quote.subtotal is not None else Decimal(0)
    detail: dict[str, Any] = quote.estimate_detail
    differ = Decimal(detail.get("methods_differ_percent") or 0)
    uncertain = (
        not quote.is_priced
        or bool(detail.get("needs_person"))
        or (quote.estimate_confidence is not None and quote.estimate_confidence > WIDEST_INTERVAL)
        or differ > MOST_DIFFERENCE
    )
    over_new: Decimal = settings.QUOTE_APPROVAL_NEW_CUSTOMER_OVER  # type: ignore[misc]
    is_new = quote.customer is None or not has_paid_order(quote.customer)
    hits = {
        Rule.OVER_500: net > settings.REQUIRE_QUOTE_APPROVAL_OVER,  # type: ignore[misc]
        Rule.NEW_CUSTOMER: net > over_new and is_new,
        Rule.CUSTOM_MATERIAL: _is_off_catalogue(quote),
        Rule.HAS_INSTRUCTIONS: bool(quote.special_instructions.strip()),
        Rule.LOW_CONFIDENCE: uncertain,
        Rule.BELOW_COST: is_below_cost(quote),
        # Offered, and given back to the customer before or after somebody approved it.
        Rule.AGREED_PRICE: quote.offered_unit_price is not None,
    }
    return [str(rule) for rule, is_hit in hits.items() if is_hit]


def level_of(net: Decimal | None) -> int:
    """Return the level that approves a net price: 1 manager, 2 director, 3 owner."""
    if net is None:
        return 1
    if net >= settings.QUOTE_APPROVAL_LEVEL_3_FROM:  # type: ignore[misc]
        return 3
    return 2 if net >= settings.QUOTE_APPROVAL_LEVEL_2_FROM else 1  # type: ignore[misc]


def level_needed(quote: Quote) -> int:
    """Return the level that approves the quote as it is priced: below cost it is the owner's."""
    return 3 if is_below_cost(quote) else level_of(quote.subtotal)


def _is_off_catalogue(quote: Quote) -> bool:
    open_rows = [row for row in quote.materials.all() if row.material_id is None]
    if any(row.color_hex for row in open_rows):
        return True
    types = {row.material_type for row in open_rows}
    return bool(types) and active_materials().filter(material_type__in=types).values(
        "material_type"
    ).distinct().count() < len(types)


@verb
def submit_quote(quote: Quote, *, actor: User) -> Quote:
    """Ask for the price to be given: at once where no rule is hit, else after a person's review.

    Raises:
        QuoteExpired: the price is too old; price it again.
        NotPriced: its files are still being read.
        NotAllowed: the actor is neither staff nor the quote's customer.
    """
    allow(quote, "submit", actor=actor)
    with QUOTE.step(quote, "submit", actor=actor) as move:
        if quote.has_expired:
            raise QuoteExpired
        if not quote.is_priced and not quote.estimate_detail:
            raise NotPriced(quote.processing_note or None)
        quote.submitted_at = timezone.now()
        quote.review_message = ""
        rules = rules_hit(quote)
        if rules:
            level = level_needed(quote)
            QuoteApproval.objects.bulk_create(
                QuoteApproval(quote=quote, approval_level=level, required_when=rule) for rule in rules
            )
            move.payload.update(rules=rules, level=level)
        else:
            move.to(Quote.Status.APPROVED)
            hold_price(quote)
    note_submission(quote)
    return quote


def hold_price(quote: Quote) -> None:
    """Let the price hold from now on; whoever was reminded of an earlier end is reminded again."""
    quote.expires_at, quote.reminded_at = valid_until(), None


def pending_level(quote: Quote) -> int:
    """Return the highest level that still has to approve the quote as it is priced now."""
    waiting = [row.approval_level for row in quote.approvals.all() if row.status == QuoteApproval.Status.PENDING]
    return max([*waiting, level_needed(quote)])


def may_approve(actor: User, level: int) -> bool:
    """Return whether this person decides at a level."""
    return actor.kind == User.Kind.SYSTEM or actor.has_perm(LEVELS[level])


def levels_of(actor: User) -> list[int]:
    """Return the levels at which this person decides."""
    return [level for level in LEVELS if may_approve(actor, level)]


@verb
def approve_quote(quote: Quote, *, actor: User, comments: str = "") -> Quote:
    """Give the price after review; it holds from now on.

    Raises:
        NotAllowed: the actor may not approve at the level that this price needs.
        NotPriced: there is no price to give yet.
    """
    with QUOTE.step(quote, "approve", actor=actor, reason=comments):
        lifecycle.allow(actor, LEVELS[pending_level(quote)])
        if not quote.is_priced:
            raise NotPriced
        decide(quote, QuoteApproval.Status.APPROVED, comments, actor=actor)
        hold_price(quote)
        quote.review_message = comments.strip()[:1000]
    return quote


@verb
def request_changes(quote: Quote, *, actor: User, reason: str) -> Quote:
    """Give a quote under review back to the customer, saying what to change."""
    allow(quote, "request_changes", actor=actor)
    with QUOTE.step(quote, "request_changes", actor=actor, reason=reason) as move:
        decide(quote, QuoteApproval.Status.REJECTED, reason, actor=actor)
        quote.review_message = reason.strip()[:1000]
        QuoteComment.objects.create(quote=quote, author=actor, text=quote.review_message)
        move.payload["reason"] = reason[:500]
    return quote


@verb
def reject_quote(quote: Quote, *, actor: User, reason: str = "") -> Quote:
    """Turn a quote down: staff will not make it, or the customer does not want it."""
    allow(quote, "reject", actor=actor)
    with QUOTE.step(quote, "reject", actor=actor, reason=reason) as move:
        decide(quote, QuoteApproval.Status.REJECTED, reason, actor=actor)
        quote.review_message = reason.strip()[:1000]
        move.payload["reason"] = reason[:500]
        move.payload["by_customer"] = acts_for(actor, quote.customer) is not None
    return quote


@verb
def cancel_quote(quote: Quote, *, actor: User, reason: str = "") -> Quote:
    """Take a quote back before it is accepted."""
    allow(quote, "cancel", actor=actor)
    with QUOTE.step(quote, "cancel", actor=actor, reason=reason):
        pass
    return quote


def decide(quote: Quote, status: str, comments: str, *, actor: User) -> None:
    """Write a person's decision on every rule that waits for one."""
    quote.approvals.filter(status=QuoteApproval.Status.PENDING).update(
        status=status, approver=actor, approved_date=timezone.now(), comments=comments.strip()[:1000]
    )
