"""Prices hold for a while: who is reminded before, and what is closed after."""

from __future__ import annotations

import datetime

from django.conf import settings
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import NotAllowed
from blb3d.core.outbox import Fact, emit_all
from blb3d.core.verbs import verb
from quotes.lifecycles import QUOTE
from quotes.models import Quote


@verb
def remind_quotes(*, actor: User, limit: int = 500) -> list[Quote]:
    """Say of quotes that wait to be accepted that their price ends soon, once for each price; return them.

    Raises:
        NotAllowed: the actor is not the system.
    """
    _allow_system(actor, "remind")
    now = timezone.now()
    soon = now + datetime.timedelta(days=settings.QUOTE_REMINDER_DAYS)  # type: ignore[misc]
    due = Quote.objects.filter(
        status=Quote.Status.APPROVED, expires_at__gt=now, expires_at__lte=soon, reminded_at__isnull=True
    ).order_by("expires_at", "pk")
    rows = [
        quote
        for quote in lock_documents(Quote.objects.filter(pk__in=list(due.values_list("pk", flat=True)[:limit])))
        # Locked first: one that was accepted or reminded at this moment is left alone.
        if quote.status == Quote.Status.APPROVED and quote.reminded_at is None
    ]
    Quote.objects.filter(pk__in=[quote.pk for quote in rows]).update(reminded_at=now)
    emit_all(
        Fact("quotes.quote_expires_soon", f"quotes.quote:{q.pk}", {"id": q.pk, "number": q.quote_number}) for q in rows
    )
    return rows


@verb
def expire_quotes(*, actor: User, limit: int = 500) -> list[Quote]:
    """Close open quotes whose price no longer holds; return them.

    Raises:
        NotAllowed: the actor is not the system.
    """
    _allow_system(actor, "expire")
    now = timezone.now()
    due = Quote.objects.filter(status__in=Quote.OPEN, expires_at__lte=now).order_by("pk")
    keys = list(due.values_list("pk", flat=True)[:limit])
    # Locked first: one that is accepted at this moment is left alone.
    rows = [quote for quote in lock_documents(Quote.objects.filter(pk__in=keys)) if quote.status in Quote.OPEN]
    rows = [quote for quote in rows if quote.has_expired]
    with QUOTE.step_many(rows, "expire", actor=actor, reason="The price no longer holds."):
        pass
    return rows


def _allow_system(actor: User, step: str) -> None:
    if actor.kind != User.Kind.SYSTEM:
        raise NotAllowed(details={"step": step})
