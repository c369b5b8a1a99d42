"""Whose turn it is by the schedule, for those who send jobs."""

from __future__ import annotations

import datetime
from typing import NamedTuple

from production.models import PrintJob, ProductionOrder, ScheduleEntry, ScheduleRun

#: An older schedule says nothing of now: one is made every five minutes.
FRESH = datetime.timedelta(minutes=15)
#: A printer is kept free so long for an urgent job that is about to be started on it, say after a filament change.
KEPT_FREE = datetime.timedelta(hours=1)


class Turn(NamedTuple):
    """Where and when the schedule has a waiting job start."""

    printer_id: int
    starts_at: datetime.datetime
    priority: int

    def keeps_printer(self, at: datetime.datetime) -> bool:
        """Return whether its printer is not given to another job that could start there earlier."""
        return self.priority >= ProductionOrder.Priority.URGENT and self.starts_at - at <= KEPT_FREE


def planned_turns(at: datetime.datetime) -> dict[int, Turn]:
    """Return the turns of waiting jobs by id, the earliest first, in two queries; none without a fresh schedule."""
    made_at = ScheduleRun.objects.order_by("-id").values_list("made_at", flat=True).first()
    if made_at is None or at - made_at > FRESH:
        return {}
    rows = ScheduleEntry.objects.filter(
        print_job__status=PrintJob.Status.QUEUED, printer__isnull=False, starts_at__isnull=False
    )
    columns = ("print_job_id", "printer_id", "starts_at", "print_job__priority")
    return {pk: Turn(*row) for pk, *row in rows.order_by("starts_at", "id").values_list(*columns)}
