"""Periodic work at the doors to the outside. Losing a message loses nothing: the next one does the same."""

from __future__ import annotations

from celery import shared_task

from integrations.squarespace.poll import poll_orders


@shared_task
def poll_squarespace() -> int:
    """File the orders that a webhook missed."""
    return poll_orders()
