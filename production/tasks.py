"""Periodic work of production. Losing a message loses nothing: the next one does the same."""

from __future__ import annotations

import datetime

from celery import shared_task
from django.conf import settings
from django.utils import timezone

from blb3d.accounts.models import User
from production.models import MRPRun
from production.services import mrp, replenishment, scheduling

#: Material is planned at night, when this time of day is over.
NIGHT = datetime.time(2, 30)
NIGHTLY = "every night"


@shared_task
def plan_schedule() -> int:
    """Plan all open work anew; how many pieces of work are planned."""
    return scheduling.make_schedule(cause="every few minutes", actor=User.objects.system("planner")).tasks


@shared_task
def repair_schedule() -> int:
    """Take into the schedule what happened since the last time; how many pieces of work were moved."""
    run = scheduling.repair_schedule(actor=User.objects.system("planner"))
    return run.tasks if run is not None else 0


@shared_task
def plan_material() -> str:
    """Plan all material, once a night; the run's number, nothing when it is not the time or was done."""
    now = timezone.localtime()
    if not settings.MRP_NIGHTLY or now.time() < NIGHT:
        return ""
    midnight = now.replace(hour=0, minute=0, second=0, microsecond=0)
    if MRPRun.objects.filter(cause=NIGHTLY, started_at__gte=midnight).exists():
        return ""
    return mrp.run_mrp(cause=NIGHTLY, actor=User.objects.system("planner")).number


@shared_task
def replenish_stock() -> int:
    """Plan what is made for the shelf and has fallen below its floor; how many orders that are, none when it is off."""
    if not settings.AUTO_REPLENISH:
        return 0
    return len(replenishment.replenish_stock(actor=User.objects.system("planner")))
