"""`manage.py plan_schedule`: plan all open work now, as the beat does every few minutes."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.utils import timezone

from blb3d.accounts.models import User
from production.models import ScheduleEntry
from production.services.scheduling import make_schedule


class Command(BaseCommand):
    """Make the schedule and say what came of it."""

    help = "Plan all open work over printers and work centers, and say what is planned, late and not planned."

    def add_arguments(self, parser: CommandParser) -> None:
        """Add why it is planned."""
        parser.add_argument("--cause", default="manage.py plan_schedule", help="Why, for the record.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Plan, and print the sums and what is not planned."""
        run = make_schedule(cause=options["cause"], actor=User.objects.system("planner"))
        for entry in ScheduleEntry.objects.filter(starts_at__isnull=True).select_related("production_order")[:50]:
            self.stdout.write(f"{entry.production_order.code}: {entry.waits_for}")
        last = ScheduleEntry.objects.filter(ends_at__isnull=False).order_by("-ends_at").first()
        ends = f", all ends {timezone.localtime(last.ends_at):%Y-%m-%d %H:%M}" if last and last.ends_at else ""
        self.stdout.write(
            self.style.SUCCESS(
                f"{run.tasks} planned, {run.unplanned} not planned, {run.late} orders late{ends}; {run.seconds:.2f} s."
            )
        )
