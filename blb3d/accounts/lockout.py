"""Which account a failed log-in counts against."""

from __future__ import annotations

from typing import Any

from django.http import HttpRequest

from blb3d.accounts.models import normalise_email


def username(request: HttpRequest, credentials: dict[str, Any] | None = None) -> str:
    """Return the e-mail as stored, so that writing it differently gives no further tries."""
    given = (credentials or {}).get("username") or request.POST.get("username") or ""
    return normalise_email(str(given))
