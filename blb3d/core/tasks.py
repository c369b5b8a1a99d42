"""Celery tasks of the core: nudges for work that stands in tables. Losing one loses nothing; beat repeats them."""

from __future__ import annotations

from celery import shared_task

from blb3d.core import inbox, outbox


@shared_task
def relay_outbox() -> int:
    """Relay new facts and deliver what is due."""
    return outbox.drain(max_rounds=10)


@shared_task
def work_inbox() -> int:
    """Handle inbound messages that are due, then what their handling made true."""
    done = inbox.drain()
    return done + outbox.drain(max_rounds=10)
