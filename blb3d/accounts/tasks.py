"""Periodic tasks of accounts."""

from __future__ import annotations

from celery import shared_task
from django.core.management import call_command

from blb3d.core.idempotency import forget_old_records


@shared_task
def purge_expired() -> None:
    """Forget expired sessions, refresh tokens and idempotency keys."""
    call_command("clearsessions")
    call_command("flushexpiredtokens")
    forget_old_records()
