"""Periodic work at the doors to the outside. Losing a message loses nothing: the next one does the same."""

from __future__ import annotations

from celery import shared_task

from integrations.printers.tasks import dispatch_jobs
from integrations.squarespace.poll import poll_orders

__all__ = ["dispatch_jobs", "poll_squarespace"]


@shared_task
def poll_squarespace() -> int:
    """File the orders that a webhook missed."""
    return poll_orders()
