"""When orders are ready by the schedule, and whether that is in time."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from django.conf import settings
from django.utils import timezone

from production.models import ProductionOrder, ScheduleEntry
from production.selectors.hours import farm_hours


@dataclass(frozen=True)
class OrderOutlook:
    """What the schedule says of an order: None where it is not planned, or only in part.

    ``ships_on`` is the day on which it can leave after counting, inspection and packing; ``late_days`` by how many
    days that is after the due date. An unplanned order is late when it could not be in time even if it were ready now.
    """

    planned_finish: datetime.datetime | None
    ships_on: datetime.date | None
    due_date: datetime.date | None
    late_days: int

    @property
    def is_late(self) -> bool:
        """True when it will not be ready by its due date."""
        return self.late_days > 0


def order_outlook(order: ProductionOrder, *, at: datetime.datetime | None = None) -> OrderOutlook:
    """Return the outlook of one order."""
    return order_outlooks([order], at=at)[order.pk]


def order_outlooks(
    orders: Iterable[ProductionOrder], *, at: datetime.datetime | None = None
) -> dict[int, OrderOutlook]:
    """Return the outlook of orders by id, in one query whatever their number."""
    hours, days = farm_hours()[None], settings.FARM_HANDLING_DAYS  # type: ignore[misc]
    now = at or timezone.now()
    found = {}
    for order in orders:
        finish = order.scheduled_end if order.status in order.OPEN else None
        ready_on = (max(finish, now) if finish is not None else now).astimezone(hours.zone).date()
        ships_on = hours.after_days(ready_on, days)
        late_days = 0
        if order.status in order.OPEN and order.due_date is not None and ships_on is not None:
            late_days = max((ships_on - order.due_date).days, 0)
        found[order.pk] = OrderOutlook(finish, ships_on if finish is not None else None, order.due_date, late_days)
    return found


@dataclass(frozen=True)
class PlannedJob:
    """Where and when the schedule has a job printed."""

    printer: str | None
    starts_at: datetime.datetime | None
    ends_at: datetime.datetime | None


def planned_jobs(job_ids: Iterable[int]) -> dict[int, PlannedJob]:
    """Return where and when jobs are planned, by id, in one query; those that are not are left out."""
    rows = ScheduleEntry.objects.filter(print_job__in=list(job_ids), starts_at__isnull=False).order_by()
    columns = ("print_job_id", "printer__name", "starts_at", "ends_at")
    return {pk: PlannedJob(*row) for pk, *row in rows.values_list(*columns)}
