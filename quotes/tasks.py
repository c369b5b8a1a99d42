"""Periodic tasks of quoting."""

from __future__ import annotations

from celery import shared_task

from blb3d.accounts.models import User
from quotes import services as quotes


@shared_task
def expire_quotes() -> int:
    """Close quotes whose price no longer holds."""
    return len(quotes.expire_quotes(actor=User.objects.system("quotes")))
