"""Periodic work of production. Losing a message loses nothing: the next one does the same."""

from __future__ import annotations

from celery import shared_task

from blb3d.accounts.models import User
from production.services import scheduling


@shared_task
def plan_schedule() -> int:
    """Plan all open work anew; how many pieces of work are planned."""
    return scheduling.make_schedule(cause="every few minutes", actor=User.objects.system("planner")).tasks


@shared_task
def repair_schedule() -> int:
    """Take into the schedule what happened since the last time; how many pieces of work were moved."""
    run = scheduling.repair_schedule(actor=User.objects.system("planner"))
    return run.tasks if run is not None else 0
