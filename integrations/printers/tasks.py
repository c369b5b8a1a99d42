"""Periodic work for the printers. Losing a message loses nothing: the next one does the same."""

from __future__ import annotations

from celery import shared_task

from blb3d.accounts.models import User
from integrations.printers import telemetry
from production.services import combine_waiting, dispatch_next


@shared_task
def dispatch_jobs() -> int:
    """Fill partly filled plates, then send waiting jobs to the printers that are free for them; return how many."""
    actor = User.objects.system("dispatcher")
    combine_waiting(actor=actor)
    return len(dispatch_next(actor=actor))


@shared_task
def prune_telemetry() -> tuple[int, int]:
    """Delete history of the printers that has had its time; return how many samples and events."""
    return telemetry.prune()
