"""From what happened to rows that are to be told: one per rule and occurrence."""

from __future__ import annotations

import datetime
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import Exists, OuterRef, Q
from django.urls import reverse
from django.utils import timezone

from integrations.models import Notice, NoticeRule
from production.models import Printer, PrintJob
from production.selectors.fleet import PRINTABLE
from production.selectors.upkeep import service_states

Event = NoticeRule.Event
_OVER = (PrintJob.Status.FINISHED, PrintJob.Status.FAILED, PrintJob.Status.CANCELLED)


@dataclass(frozen=True)
class Occurrence:
    """Something worth telling; ``key`` names it for good, ``path`` is the page where one acts on it."""

    event: str
    key: str
    subject: str
    text: str
    path: str
    printer_id: int | None = None
    details: dict[str, Any] = field(default_factory=dict)


def write_notices(occurrences: Iterable[Occurrence], rules: Sequence[NoticeRule] | None = None) -> int:
    """Write what each rule's people are to be told, quiet hours minded; return how many rows are new.

    What was written before, by whoever, stays as it is: a few queries, however much happened.
    """
    found = list(occurrences)
    if not found:
        return 0
    if rules is None:
        rules = active_rules({occurrence.event for occurrence in found})
    groups = _groups({occurrence.printer_id for occurrence in found if occurrence.printer_id}, rules)
    rows = [
        Notice(
            rule=rule,
            key=occurrence.key[:120],
            subject=occurrence.subject[:200],
            text=occurrence.text[:1000],
            path=occurrence.path[:200],
            details={"event": occurrence.event, **occurrence.details},
            next_attempt_at=after_quiet_hours(rule, timezone.now()),
        )
        for occurrence in found
        for rule in rules
        if rule.event == occurrence.event
        and (rule.printer_group_id is None or (occurrence.printer_id, rule.printer_group_id) in groups)
    ]
    known = set(
        Notice.objects.filter(rule__in={row.rule_id for row in rows}, key__in={row.key for row in rows}).values_list(
            "rule_id", "key"
        )
    )
    fresh = [row for row in rows if (row.rule_id, row.key) not in known]
    Notice.objects.bulk_create(fresh, batch_size=500)
    return len(fresh)


def active_rules(events: Iterable[str]) -> list[NoticeRule]:
    """Return the rules in force for some events."""
    return list(NoticeRule.objects.filter(is_active=True, event__in=list(events)).order_by("id"))


def _groups(printer_ids: set[int], rules: Sequence[NoticeRule]) -> set[tuple[int | None, int | None]]:
    if not any(rule.printer_group_id for rule in rules):
        return set()
    return set(Printer.groups.through.objects.filter(printer__in=printer_ids).values_list("printer", "printergroup"))


def after_quiet_hours(rule: NoticeRule, at: datetime.datetime) -> datetime.datetime:
    """Return when a rule's people may be told: now, or when their quiet hours are over."""
    if rule.quiet_from is None or rule.quiet_to is None or rule.quiet_from == rule.quiet_to:
        return at
    local = timezone.localtime(at)
    now = local.time().replace(tzinfo=None)
    over_midnight = rule.quiet_from > rule.quiet_to
    is_quiet = (
        now >= rule.quiet_from or now < rule.quiet_to if over_midnight else rule.quiet_from <= now < rule.quiet_to
    )
    if not is_quiet:
        return at
    day = local.date()
    if over_midnight and now >= rule.quiet_from:
        day += datetime.timedelta(days=1)
    return timezone.make_aware(datetime.datetime.combine(day, rule.quiet_to))


# --- what is told when it happens ---------------------------------------------------------------------------------


def of_job(event: str, job: PrintJob, key: str) -> Occurrence:
    """Return what is told of a job that failed, paused or ended unseen."""
    where = job.printer.name if job.printer else "no printer"
    what = {Event.JOB_FAILED: "failed", Event.JOB_PAUSED: "paused", Event.JOB_UNKNOWN: "ended unseen"}[Event(event)]
    why = " ".join(word for word in (job.error_code, job.error_text) if word)
    text = f"{job.code} ({job.plate}) {what} on {where}{f': {why}' if why else ''}."
    return Occurrence(
        event, key, f"{where}: {job.code} {what}", text, machine_page(job.printer),
        job.printer_id, {"job": job.code, "printer": where},
    )  # fmt: skip


def machine_page(printer: Printer | None) -> str:
    """Return the path of a printer's page on the floor."""
    return reverse("floor:printer", args=[printer.serial]) if printer is not None else reverse("floor:board")


# --- what is looked for -------------------------------------------------------------------------------------------


def look_around(now: datetime.datetime | None = None) -> int:
    """Find what has lasted too long for somebody's rule and write it down; return how many rows are new."""
    now = now or timezone.now()
    rules = active_rules(NoticeRule.LOOKED_FOR)
    finders = {
        Event.PLATE_WAITING: plates_waiting,
        Event.PRINTER_IDLE: printers_idle,
        Event.PRINTER_SILENT: printers_silent,
        Event.SERVICE_DUE: services_overdue,
    }
    written = 0
    for rule in rules:
        since = now - datetime.timedelta(minutes=rule.after_minutes)
        written += write_notices(finders[Event(rule.event)](since), [rule])
    return written


def plates_waiting(since: datetime.datetime) -> list[Occurrence]:
    """Return the plates whose print was over by then and that nobody has cleared."""
    jobs = PrintJob.objects.filter(
        status__in=_OVER, started_at__isnull=False, cleared_at__isnull=True, printer__isnull=False,
        printer__auto_eject=False, finished_at__lte=since,
    ).select_related("printer")  # fmt: skip
    return [
        Occurrence(
            Event.PLATE_WAITING, f"plate-{job.pk}", f"{job.printer.name}: the plate waits to be cleared",
            f"{job.code} is {job.get_status_display()} and its plate was not cleared: {job.printer.name} takes no job.",
            machine_page(job.printer), job.printer_id, {"job": job.code, "printer": job.printer.name},
        )
        for job in jobs
        if job.printer is not None
    ]  # fmt: skip


def printers_idle(since: datetime.datetime) -> list[Occurrence]:
    """Return the printers that could take a job since then while jobs wait; one notice per time of idleness."""
    waiting = PrintJob.objects.filter(
        status=PrintJob.Status.QUEUED, production_order__status__in=PRINTABLE, production_order__is_held=False
    )
    if not waiting.exists():
        return []
    on_plate = PrintJob.objects.filter(
        Q(status__in=PrintJob.ACTIVE) | Q(started_at__isnull=False), printer=OuterRef("pk"), cleared_at__isnull=True
    )
    printers = Printer.objects.filter(~Exists(on_plate), is_active=True, state_at__lte=since)
    return [
        Occurrence(
            Event.PRINTER_IDLE, f"idle-{printer.pk}-{printer.state_at:%Y%m%d%H%M%S}", f"{printer.name} is idle",
            f"{printer.name} has had nothing to do for a while, and jobs wait: see why on its page.",
            machine_page(printer), printer.pk, {"printer": printer.name},
        )
        for printer in printers
        if printer.is_ready
    ]  # fmt: skip


def printers_silent(since: datetime.datetime) -> list[Occurrence]:
    """Return the printers in service that were last heard before then; one notice per silence."""
    printers = Printer.objects.filter(is_active=True, last_seen_at__lte=since).exclude(
        connection=Printer.Connection.ONLINE
    )
    return [
        Occurrence(
            Event.PRINTER_SILENT, f"silent-{printer.pk}-{printer.last_seen_at:%Y%m%d%H%M%S}",
            f"{printer.name} is {printer.get_connection_display()}",
            f"{printer.name} was last heard on {timezone.localtime(printer.last_seen_at):%Y-%m-%d at %H:%M}.",
            machine_page(printer), printer.pk, {"printer": printer.name},
        )
        for printer in printers
    ]  # fmt: skip


def services_overdue(since: datetime.datetime) -> list[Occurrence]:
    """Return the services whose interval is over, one notice until they are done; ``since`` does not matter."""
    printers = Printer.objects.in_bulk()
    return [
        Occurrence(
            Event.SERVICE_DUE,
            f"service-{state.plan_id}-{state.printer_id}-{state.last_done_at:%Y%m%d%H%M%S}"
            if state.last_done_at
            else f"service-{state.plan_id}-{state.printer_id}-never",
            f"{state.printer}: {state.task} is overdue",
            f"{state.task} is overdue on {state.printer}{': it takes no job' if state.blocks_printer else ''}.",
            machine_page(printers.get(state.printer_id)),
            state.printer_id,
            {"printer": state.printer, "task": state.task},
        )
        for state in service_states()
        if state.is_overdue
    ]
