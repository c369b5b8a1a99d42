"""Periodic work at the doors to the outside. Losing a message loses nothing: the next one does the same."""

from __future__ import annotations

from celery import shared_task
from django.conf import settings

from integrations import slicing
from integrations.notices import sending, writing
from integrations.printers.tasks import dispatch_jobs, prune_telemetry
from integrations.squarespace.poll import poll_orders
from integrations.suite import backend as print_suite

__all__ = [
    "dispatch_jobs",
    "look_around",
    "poll_squarespace",
    "prune_telemetry",
    "send_notices",
    "serve_print_suite",
    "slice_plates",
]


@shared_task
def poll_squarespace() -> int:
    """File the orders that a webhook missed."""
    return poll_orders()


@shared_task
def slice_plates() -> int:
    """Slice the plate that waits longest, unless enough are being sliced: other work needs workers too."""
    if slicing.running_slices() >= settings.SLICER_PROCESSES:  # type: ignore[misc]
        return 0
    made = slicing.drain(limit=1)
    if slicing.due_slices().exists():
        slicing.nudge()
    return made


@shared_task
def serve_print_suite() -> tuple[int, int]:
    """Carry out what waits for the print suite, then ask it how its printers and jobs are; return how many of each."""
    return print_suite.carry_out(), print_suite.synchronise()


@shared_task
def look_around() -> int:
    """Write down what has lasted too long on the floor for somebody's rule."""
    return writing.look_around()


@shared_task
def send_notices() -> int:
    """Tell people what is due to be told."""
    return sending.drain()
