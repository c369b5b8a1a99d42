"""Periodic work for the printers. Losing a message loses nothing: the next one does the same."""

from __future__ import annotations

from celery import shared_task

from blb3d.accounts.models import User
from production.services import dispatch_next


@shared_task
def dispatch_jobs() -> int:
    """Send waiting jobs to the printers that are free for them."""
    return len(dispatch_next(actor=User.objects.system("dispatcher")))
