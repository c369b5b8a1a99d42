"""Who else looks at a quote: by a link without an account, or an approver of the company who is asked to decide."""

from __future__ import annotations

import hashlib
import secrets

from django.db import models
from django.db.models import F
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.errors import InvalidTransition, InvalidValue, NotFound
from blb3d.core.outbox import emit
from blb3d.core.verbs import verb
from quotes.errors import NotPriced, QuoteExpired, TooManyLinks
from quotes.models import Quote, QuoteShare
from quotes.services.authority import allow_quoting
from quotes.services.pricing import locked
from sales.models import CustomerUser

#: Links of one quote that are good at a time.
MAX_LINKS = 20
_PERMISSION = "quotes.change_quote"


@verb
def share_quote(quote: Quote, *, actor: User) -> tuple[QuoteShare, str]:
    """Make a link to a priced quote; return it with its token, which is kept nowhere and seen this once.

    The link is good as long as the price is. Emits ``quotes.quote_shared``.

    Raises:
        NotPriced: there is nothing to show yet.
        QuoteExpired: the price no longer holds.
        TooManyLinks: the quote has as many as it may; take one back.
        NotAllowed: the actor is neither staff who may nor of this customer.
    """
    allow_quoting(quote.customer, actor=actor, permission=_PERMISSION)
    locked(quote)
    if not quote.is_priced or quote.expires_at is None:
        raise NotPriced
    if quote.has_expired:
        raise QuoteExpired(details={"expires_at": quote.expires_at.isoformat()})
    if live_shares(quote).count() >= MAX_LINKS:
        raise TooManyLinks(details={"limit": MAX_LINKS})
    token = secrets.token_urlsafe(32)
    share = QuoteShare.objects.create(
        quote=quote,
        token_sha256=_fingerprint(token),
        created_by=actor if actor.kind != User.Kind.SYSTEM else None,
        expires_at=quote.expires_at,
    )
    emit(
        "quotes.quote_shared",
        f"{Quote._meta.label_lower}:{quote.pk}",
        id=quote.pk,
        number=quote.quote_number,
        share_id=share.pk,
    )
    return share, token


@verb
def revoke_share(share: QuoteShare, *, actor: User) -> QuoteShare:
    """Take a link back at once; one that was taken back stays so.

    Raises:
        NotAllowed: the actor is neither staff who may nor of this customer.
    """
    allow_quoting(share.quote.customer, actor=actor, permission=_PERMISSION)
    if share.revoked_at is None:
        share.revoked_at = timezone.now()
        share.save(update_fields=["revoked_at"])
    return share


@verb
def ask_approver(quote: Quote, approver: CustomerUser, *, actor: User) -> None:
    """Ask somebody who decides for the customer to accept a quote, by mail. Emits ``quotes.approver_asked``.

    Raises:
        InvalidTransition: the quote is not ready to be accepted.
        QuoteExpired: the price no longer holds.
        InvalidValue: that person does not decide for this customer.
        NotAllowed: the actor is neither staff who may nor of this customer.
    """
    allow_quoting(quote.customer, actor=actor, permission=_PERMISSION)
    locked(quote)
    if quote.status != Quote.Status.APPROVED:
        raise InvalidTransition("This quote is not ready to be accepted.", details={"status": quote.status})
    if quote.has_expired:
        raise QuoteExpired(details={"expires_at": quote.expires_at.isoformat() if quote.expires_at else ""})
    if not approvers_of(quote).filter(pk=approver.pk).exists():
        raise InvalidValue("That person does not decide for this company.", details={"field": "approver"})
    emit(
        "quotes.approver_asked",
        f"{Quote._meta.label_lower}:{quote.pk}",
        id=quote.pk,
        number=quote.quote_number,
        approver_id=approver.pk,
        asked_by_id=actor.pk,
    )


def approvers_of(quote: Quote) -> models.QuerySet[CustomerUser]:
    """Return who may accept a quote whatever it costs: its customer's approvers and administrators."""
    deciding = (CustomerUser.Role.APPROVER, CustomerUser.Role.ADMIN)
    rows = CustomerUser.objects.filter(
        customer=quote.customer_id, role__in=deciding, is_active=True, user__is_active=True
    )
    return rows.select_related("user").order_by("user__email")


def live_shares(quote: Quote) -> models.QuerySet[QuoteShare]:
    """Return the links of a quote that are good now, the newest first."""
    return QuoteShare.objects.filter(quote=quote, revoked_at__isnull=True, expires_at__gt=timezone.now())


def shared_quote(token: str) -> QuoteShare:
    """Return the link that a token opens, with its quote.

    Raises:
        NotFound: there is none, it was taken back, or it is over; which of these is not told.
    """
    share = (
        QuoteShare.objects.filter(
            token_sha256=_fingerprint(token),
            revoked_at__isnull=True,
            expires_at__gt=timezone.now(),
            quote__deleted_at__isnull=True,
        )
        .select_related("quote__customer", "quote__material")
        .first()
    )
    if share is None:
        raise NotFound("This link is not good any more. Please ask who sent it for another one.")
    return share


def count_opening(share: QuoteShare) -> None:
    """Count that somebody looked."""
    QuoteShare.objects.filter(pk=share.pk).update(times_opened=F("times_opened") + 1, last_opened_at=timezone.now())


def _fingerprint(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
