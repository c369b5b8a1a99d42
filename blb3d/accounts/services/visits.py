"""Visits to the portal."""

from __future__ import annotations

import secrets

from django.db.models import F
from django.utils import timezone

from blb3d.accounts.models import PortalSession, User, normalise_email


def start_visit(*, ip_address: str | None, user_agent: str, user: User | None = None) -> PortalSession:
    """Record a new visit; `session_id` is what the browser keeps."""
    return PortalSession.objects.create(
        session_id=secrets.token_urlsafe(32),
        ip_address=ip_address or None,
        user_agent=user_agent[:500],
        user=user,
        email=user.email if user else "",
    )


def touch_visit(session_id: str, *, email: str = "", user: User | None = None, quotes: int = 0) -> None:
    """Note activity: who the visitor turned out to be, and how many quotes were made."""
    changes: dict[str, object] = {"last_activity": timezone.now()}
    if user is not None:
        changes |= {"user": user, "email": user.email}
    elif email:
        changes["email"] = normalise_email(email)
    if quotes:
        changes["quotes_generated"] = F("quotes_generated") + quotes
    PortalSession.objects.filter(session_id=session_id).update(**changes)
