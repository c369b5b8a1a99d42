"""Which services printers need, how far off they are, and which are overdue."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Max, Q
from django.utils import timezone

from production.models import Printer, ServicePlan, ServiceRecord

#: From this share of its interval on a service is shown as due; from all of it, it is overdue.
DUE_FROM = Decimal("0.9")


@dataclass(frozen=True)
class ServiceState:
    """How far one printer is from one service: ``used`` is the share of the interval that has passed (1 is all)."""

    plan_id: int
    task: str
    printer_id: int
    printer: str
    blocks_printer: bool
    used: Decimal
    hours_left: Decimal | None
    jobs_left: int | None
    days_left: int | None
    last_done_at: datetime.datetime | None

    @property
    def is_due(self) -> bool:
        """True when it should be done at the next good moment, or should have been."""
        return self.used >= DUE_FROM

    @property
    def is_overdue(self) -> bool:
        """True when its interval is over."""
        return self.used >= 1

    @property
    def left(self) -> str:
        """What is left of the interval as people say it, the nearest limit first; negative when overdue."""
        parts = []
        if self.hours_left is not None:
            parts.append(f"{self.hours_left.quantize(Decimal(1))} h of printing")
        if self.jobs_left is not None:
            parts.append(f"{self.jobs_left} jobs")
        if self.days_left is not None:
            parts.append(f"{self.days_left} days")
        return ", ".join(parts)


def service_states(
    *, printer_ids: Iterable[int] | None = None, blocking_only: bool = False, at: datetime.datetime | None = None
) -> list[ServiceState]:
    """Return every service of printers in the order of urgency, in four queries at most.

    Hours and jobs count from the last record of the plan for the printer; without one, from the printer's first print,
    and days from the day on which plan and printer were both known.
    """
    at = at or timezone.now()
    plans = ServicePlan.objects.filter(is_active=True)
    if blocking_only:
        plans = plans.filter(blocks_printer=True)
    rows = list(plans)
    if not rows:
        return []
    columns = ("id", "name", "model", "printed_minutes", "jobs_done", "created_at")
    printers = Printer.objects.filter(
        Q(pk__in=[plan.printer_id for plan in rows])
        | Q(model__in=[plan.printer_model for plan in rows if plan.printer_model])
    )
    if printer_ids is not None:
        printers = printers.filter(pk__in=list(printer_ids))
    machines = list(printers.order_by("name", "id").values_list(*columns))
    newest = ServiceRecord.objects.filter(plan__in=rows, printer__in=[row[0] for row in machines])
    latest = newest.order_by().values("printer_id", "plan_id").annotate(last=Max("id")).values_list("last", flat=True)
    records = {
        (record.printer_id, record.plan_id): record for record in ServiceRecord.objects.filter(pk__in=list(latest))
    }
    states = []
    for pk, name, model, minutes, jobs, created_at in machines:
        for plan in rows:
            if plan.printer_id != pk and (plan.printer_id is not None or plan.printer_model != model):
                continue
            record = records.get((pk, plan.pk))
            states.append(_state(plan, pk, name, minutes, jobs, max(created_at, plan.created_at), record, at))
    return sorted(states, key=lambda state: (-state.used, state.printer, state.task))


def _state(
    plan: ServicePlan,
    printer_id: int,
    printer: str,
    minutes: Decimal,
    jobs: int,
    known_since: datetime.datetime,
    record: ServiceRecord | None,
    at: datetime.datetime,
) -> ServiceState:
    shares = []
    hours_left = jobs_left = days_left = None
    if plan.every_hours:
        passed = (minutes - (record.printed_minutes if record else 0)) / 60
        hours_left = plan.every_hours - passed
        shares.append(passed / plan.every_hours)
    if plan.every_jobs:
        done = jobs - (record.jobs_done if record else 0)
        jobs_left = plan.every_jobs - done
        shares.append(Decimal(done) / plan.every_jobs)
    if plan.every_days:
        days = (at - (record.done_at if record else known_since)).days
        days_left = plan.every_days - days
        shares.append(Decimal(days) / plan.every_days)
    return ServiceState(
        plan.pk,
        plan.task,
        printer_id,
        printer,
        plan.blocks_printer,
        max(shares),
        hours_left,
        jobs_left,
        days_left,
        record.done_at if record else None,
    )


def services_due() -> list[ServiceState]:
    """Return the services of printers that are due or overdue, the most urgent first."""
    return [state for state in service_states() if state.is_due]


def blocking_services(*, printer_ids: Iterable[int] | None = None) -> dict[int, str]:
    """Return the overdue service that keeps each printer from printing, by printer id."""
    overdue: dict[int, str] = {}
    for state in service_states(printer_ids=printer_ids, blocking_only=True):
        if state.is_overdue:
            overdue.setdefault(state.printer_id, state.task)
    return overdue
