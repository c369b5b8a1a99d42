"""The schedule as a page: a row per printer and work center, time from left to right, and what is not planned."""

from __future__ import annotations

import datetime
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from django.contrib import admin, messages
from django.core.exceptions import PermissionDenied
from django.db.models import Max
from django.http import HttpRequest, HttpResponseBase
from django.shortcuts import redirect
from django.template.response import TemplateResponse
from django.urls import URLPattern, path
from django.utils import timezone
from django.views.decorators.http import require_http_methods

from blb3d.console.navigation import SCHEDULE, list_url, page_url
from production import services as production
from production.models import Printer, PrintJob, ProductionOrder, ScheduleEntry, ScheduleRun, WorkCenter
from production.selectors.hours import Hours, farm_hours, hours_of
from production.selectors.outlook import order_outlooks

#: How many days the page can show, and shows unasked.
DAYS = (1, 3, 7, 14)
USUAL_DAYS = 3
#: Rows of the lists under the drawing.
SHOWN = 50
#: A bar is as wide as this at least, in percent, or it could not be seen or hit.
_THINNEST = 0.4
#: A bar of so many percent has room for its order's number.
_ROOM = 7.0


class Row(NamedTuple):
    """An entry of the schedule as it is read."""

    order_id: int
    code: str
    due_date: datetime.date | None
    sku: str
    name: str
    job: str | None
    job_status: str | None
    operation: str | None
    parts: int
    printer_id: int | None
    work_center_id: int | None
    starts_at: datetime.datetime | None
    ends_at: datetime.datetime | None
    setup_minutes: Any
    due_at: datetime.datetime | None
    waits_for: str

    @property
    def is_late(self) -> bool:
        """True when it ends after its order's due time."""
        return self.due_at is not None and self.ends_at is not None and self.ends_at > self.due_at

    @property
    def is_running(self) -> bool:
        """True when it is on a printer now."""
        return self.job_status in PrintJob.ACTIVE

    @property
    def what(self) -> str:
        """What is made, in words."""
        if self.operation:
            return self.operation
        return f"{self.parts} x {self.name}" if self.parts else self.name


_COLUMNS = ("production_order_id", "production_order__code", "production_order__due_date",
            "production_order__product__sku", "production_order__product__name", "print_job__code",
            "print_job__status", "operation__name", "parts", "printer_id", "work_center_id", "starts_at", "ends_at",
            "setup_minutes", "due_at", "waits_for")  # fmt: skip


@dataclass(frozen=True)
class Span:
    """A stretch of a row in percent of its width."""

    left: str
    width: str


@dataclass(frozen=True)
class Bar(Span):
    """A piece of work in a row: its looks, where it leads, and what it says."""

    kind: str
    url: str
    title: str
    label: str
    setup: Span | None


@dataclass
class Lane:
    """A printer or a work center with its bars; ``ends`` is when all of it is done."""

    name: str
    url: str
    note: str
    bars: list[Bar] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)
    shut: list[Span] = field(default_factory=list)
    ends: datetime.datetime | None = None


@dataclass(frozen=True)
class Window:
    """The time that is drawn."""

    start: datetime.datetime
    end: datetime.datetime

    def span(self, start: datetime.datetime, end: datetime.datetime) -> tuple[float, float]:
        """Return left and width in percent of what lies in the window."""
        whole = (self.end - self.start).total_seconds()
        left = max((start - self.start).total_seconds() / whole * 100, 0.0)
        right = min((end - self.start).total_seconds() / whole * 100, 100.0)
        return left, max(right - left, 0.0)

    def shut(self, hours: Hours) -> list[Span]:
        """Return the times in which nobody is there."""
        shut, at = [], self.start
        for begins, ends in [*hours.between(self.start, self.end), (self.end, self.end)]:
            if begins > at:
                shut.append(Span(*_percent(*self.span(at, begins))))
            at = max(at, ends)
        return shut

    def ticks(self) -> Iterator[tuple[str, str, bool]]:
        """Yield (left, words, whether a day begins) for the axis."""
        zone = timezone.get_current_timezone()
        hours = (self.end - self.start).total_seconds() / 3600
        every = 3 if hours <= 30 else 12 if hours <= 80 else 24
        day = self.start.astimezone(zone).date()
        while True:
            for hour in range(0, 24, every):
                at = datetime.datetime.combine(day, datetime.time(hour), tzinfo=zone)
                if at >= self.end:
                    return
                left = self.span(at, at)[0]
                if at >= self.start and left < 97:
                    words = f"{at:%a} {at.day}" if hour == 0 else f"{at:%H:%M}"
                    yield f"{left:.3f}%", words, hour == 0
            day += datetime.timedelta(days=1)


def _percent(left: float, width: float) -> tuple[str, str]:
    return f"{left:.3f}%", f"{width:.3f}%"


def _days(request: HttpRequest) -> int:
    given = request.GET.get("days", "")
    return int(given) if given.isdecimal() and int(given) in DAYS else USUAL_DAYS


@require_http_methods(["GET", "HEAD", "POST"])
def schedule(request: HttpRequest) -> HttpResponseBase:
    """Show who does what when; a POST plans anew."""
    user: Any = request.user
    if not user.has_perms(SCHEDULE.permissions):
        raise PermissionDenied
    may_plan = user.has_perm("production.add_schedulerun")
    if request.method == "POST":
        if not may_plan:
            raise PermissionDenied
        run = production.make_schedule(cause="asked for in the console", actor=user)
        messages.success(request, f"{run.tasks} pieces of work are planned, {run.unplanned} could not be.")
        return redirect(request.get_full_path())
    days, now = _days(request), timezone.now()
    start = now.replace(minute=0, second=0, microsecond=0)
    window = Window(start, start + datetime.timedelta(days=days))
    # What runs and is overdue is drawn from the window's start on; what is over was replaced by the next run.
    drawn = ScheduleEntry.objects.filter(starts_at__lt=window.end, ends_at__gte=window.start).order_by(
        "starts_at", "id"
    )
    rows = [Row(*row) for row in drawn.values_list(*_COLUMNS)]
    unplanned = ScheduleEntry.objects.filter(starts_at__isnull=True).order_by("production_order__due_date", "id")
    left_out = _unplanned([Row(*row) for row in unplanned.values_list(*_COLUMNS)[: SHOWN * 10]], request)
    lanes = _lanes(rows, window, request)
    context = {
        **admin.site.each_context(request),
        "title": SCHEDULE.title,
        "days": days,
        "choices": DAYS,
        "lanes": lanes,
        "ticks": list(window.ticks()),
        "now": _percent(*window.span(now, now))[0],
        "run": ScheduleRun.objects.order_by("-id").first(),
        "ends_at": ScheduleEntry.objects.aggregate(last=Max("ends_at"))["last"],
        "late": _late(request),
        "unplanned": left_out[:SHOWN],
        "more_unplanned": max(len(left_out) - SHOWN, 0),
        "late_url": list_url("production.ProductionOrder", is_late__exact="1"),
        "may_plan": may_plan,
    }
    return TemplateResponse(request, "admin/console/schedule.html", context)


def _lanes(rows: Iterable[Row], window: Window, request: HttpRequest) -> list[Lane]:
    """Return a lane for every printer in service and everything else that has work, printers first."""
    hours = farm_hours()
    shut = {key: window.shut(found) for key, found in hours.items()}
    by_printer: dict[int, list[Row]] = defaultdict(list)
    by_center: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        if row.printer_id is not None:
            by_printer[row.printer_id].append(row)
        elif row.work_center_id is not None:
            by_center[row.work_center_id].append(row)
    order_url = cache(lambda pk: page_url("production.ProductionOrder", pk, request))
    printer_ends = _ends("printer")
    center_ends = _ends("work_center")
    lanes = []
    for pk, name, model, is_active in Printer.objects.order_by("name").values_list("id", "name", "model", "is_active"):
        if is_active or pk in by_printer:
            note = model if is_active else f"{model}, out of service"
            lane = Lane(name, page_url("production.Printer", pk, request), note, shut=shut[None])
            lane.ends = printer_ends.get(pk)
            lanes.append(_filled(lane, by_printer[pk], window, order_url))
    for pk, name, places in WorkCenter.objects.order_by("code").values_list("id", "name", "places"):
        if pk in by_center:
            note = f"{places} places" if places > 1 else "1 place"
            own = shut[pk] if hours_of(hours, pk) is not hours[None] else shut[None]
            lane = Lane(name, page_url("production.WorkCenter", pk, request), note, shut=own, ends=center_ends.get(pk))
            lanes.append(_filled(lane, by_center[pk], window, order_url))
    return lanes


def _ends(key: str) -> dict[int, datetime.datetime]:
    found = ScheduleEntry.objects.filter(ends_at__isnull=False, **{f"{key}__isnull": False}).order_by()
    return dict(found.values_list(key).annotate(Max("ends_at")))


def _filled(lane: Lane, rows: list[Row], window: Window, order_url: Callable[[int], str]) -> Lane:
    lane.rows = rows
    lane.bars = [_bar(row, window, order_url) for row in rows]
    return lane


def _bar(row: Row, window: Window, order_url: Callable[[int], str]) -> Bar:
    starts_at, ends_at = row.starts_at or window.start, row.ends_at or window.end
    left, width = window.span(starts_at, ends_at)
    kind = "late" if row.is_late else "running" if row.is_running else "planned"
    due = f", due {row.due_date:%b} {row.due_date.day}" if row.due_date else ""
    times = f"{_clock(starts_at)} to {_clock(ends_at)}"
    setup = None
    if row.setup_minutes:
        before = starts_at - datetime.timedelta(minutes=float(row.setup_minutes))
        setup = Span(*_percent(*window.span(before, starts_at)))
    return Bar(
        *_percent(left, max(width, _THINNEST)),
        kind=kind,
        url=order_url(row.order_id),
        title=f"{row.code}: {row.what}, {times}{due}{', late' if row.is_late else ''}",
        label=row.code if width >= _ROOM else "",
        setup=setup,
    )


def _clock(at: datetime.datetime) -> str:
    return f"{timezone.localtime(at):%a %H:%M}"


def _late(request: HttpRequest) -> list[dict[str, Any]]:
    """Return the orders that will be ready too late, those that are due first first."""
    orders = ProductionOrder.objects.filter(is_late=True, status__in=ProductionOrder.OPEN).select_related("product")
    shown = list(orders.order_by("due_date", "-priority", "id")[:SHOWN])
    found = order_outlooks(shown)
    return [
        {
            "order": order,
            "url": page_url("production.ProductionOrder", order.pk, request),
            "ships_on": found[order.pk].ships_on,
            "late": _days_late(found[order.pk].late_days),
        }
        for order in shown
    ]


def _days_late(days: int) -> str:
    return f"{days} day{'s' if days > 1 else ''} late" if days else "Late"


def _unplanned(rows: Iterable[Row], request: HttpRequest) -> list[dict[str, Any]]:
    """Return what could not be planned, the same of one order in one line."""
    seen: Counter[tuple[int, str]] = Counter()
    first: dict[tuple[int, str], Row] = {}
    for row in rows:
        key = (row.order_id, row.waits_for)
        seen[key] += 1
        first.setdefault(key, row)
    return [
        {
            "row": row,
            "pieces": seen[key],
            "url": page_url("production.ProductionOrder", row.order_id, request),
        }
        for key, row in first.items()
    ]


urlpatterns: list[URLPattern] = [
    path("admin/schedule/", admin.site.admin_view(schedule), name=SCHEDULE.url_name),
]
