"""Links for wall screens: made, opened, taken back."""

from __future__ import annotations

import datetime
import hashlib
import secrets

from django.db.models import Q
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import NotFound, ReasonRequired
from blb3d.core.verbs import verb
from production.errors import TooManyScreens
from production.models import WallScreen

MAX_SCREENS = 20
#: How exactly it is known when a screen last asked.
_SEEN_EVERY = datetime.timedelta(minutes=5)


@verb
def add_screen(name: str, *, actor: User) -> tuple[WallScreen, str]:
    """Make a link for a wall screen; return it with its token, which is kept nowhere and seen this once.

    Raises:
        ReasonRequired: it has no name.
        TooManyScreens: there are as many as may be.
    """
    words = " ".join(name.split())[:60]
    if not words:
        raise ReasonRequired("Please say where the screen hangs.", details={"field": "name"})
    if WallScreen.objects.filter(revoked_at__isnull=True).count() >= MAX_SCREENS:
        raise TooManyScreens(details={"limit": MAX_SCREENS})
    token = secrets.token_urlsafe(24)
    return WallScreen.objects.create(name=words, token_sha256=_fingerprint(token)), token


@verb
def revoke_screen(screen: WallScreen, *, actor: User) -> WallScreen:
    """Take a screen's link back at once; one that was taken back stays so."""
    [row] = lock_documents(WallScreen.objects.filter(pk=screen.pk))
    if row.revoked_at is None:
        row.revoked_at = timezone.now()
        row.save()
    screen.refresh_from_db()
    return screen


def screen_of(token: str) -> WallScreen:
    """Return the screen that a token opens, and remember that it asked.

    Raises:
        NotFound: there is none, or it was taken back; which of the two is not told.
    """
    screen = WallScreen.objects.filter(token_sha256=_fingerprint(token), revoked_at__isnull=True).first()
    if screen is None:
        raise NotFound("This link is not good any more.")
    now = timezone.now()
    if screen.last_seen_at is None or now - screen.last_seen_at > _SEEN_EVERY:
        old = Q(last_seen_at__isnull=True) | Q(last_seen_at__lt=now - _SEEN_EVERY)
        WallScreen.objects.filter(old, pk=screen.pk).update(last_seen_at=now)
    return screen


def _fingerprint(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()
