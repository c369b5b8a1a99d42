"""Making the schedule and keeping it true: all of it every few minutes, and what a fact touched within seconds.

A plan is worked out on what was read before, outside of any transaction, and written in one. Each run names the run
it replaces, so of two made at the same time from the same schedule the database keeps one.
"""

from __future__ import annotations

import datetime
import logging
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.verbs import verb
from production.models import ProductionOrder, ScheduleEntry, ScheduleRun, ScheduleTouch, Shift
from production.scheduling.greedy import schedule
from production.scheduling.problem import Assignment, Plan
from production.scheduling.repair import repair
from production.selectors.hours import minutes_after
from production.selectors.schedule import NO_ROOM, OrderRow, Piece, Reading, load_schedule_problem

log = logging.getLogger(__name__)

#: Ids in one statement: less than every database's limit of parameters.
_CHUNK = 900
#: What is taken in at once.
_MOST_TOUCHES = 5000
#: Times that differ by less are the same time: a plan is not rewritten because a minute has passed.
_SAME = datetime.timedelta(minutes=1)
#: Runs are kept as a record for so long.
KEEP_RUNS = datetime.timedelta(days=30)


def make_schedule(*, cause: str, actor: User, at: datetime.datetime | None = None) -> ScheduleRun:
    """Plan all open work anew and write the schedule; return the run that holds now.

    When another run was written meanwhile that one holds, and what it may not know is taken in by the next.
    """
    return _make(ScheduleRun.Kind.FULL, cause=cause, actor=actor, at=at)


def repair_schedule(*, actor: User, at: datetime.datetime | None = None) -> ScheduleRun | None:
    """Take what happened since the last run into the schedule; None when nothing did.

    Work that nothing touches keeps its printer and its time. All is planned anew where there is no schedule yet, and
    after what touches everything, such as one more printer.
    """
    touches = list(ScheduleTouch.objects.order_by("id")[:_MOST_TOUCHES])
    if not touches:
        return None
    narrow = all(touch.printer_id or touch.production_order_id for touch in touches) and ScheduleRun.objects.exists()
    cause = touches[0].cause if len(touches) == 1 else f"{touches[0].cause}, and {len(touches) - 1} more"
    return _make(
        ScheduleRun.Kind.REPAIR if narrow else ScheduleRun.Kind.FULL, cause=cause, actor=actor, at=at, touches=touches
    )


def touch_schedule(cause: str, *, printer_id: int | None = None, order_id: int | None = None) -> None:
    """Note that something happened that the schedule does not know of; joins the transaction that made it true.

    With an order its work is planned anew, with a printer what the printer's new state touches, with neither all.
    """
    ScheduleTouch.objects.create(cause=cause[:200], printer_id=printer_id, production_order_id=order_id)


@verb
def remove_shift(shift: Shift, *, actor: User) -> Shift:
    """Take a shift off the calendar and have everything planned anew; its history stays."""
    shift.deleted_at = timezone.now()
    shift.save()
    touch_schedule(f"Shift {shift.name} was removed")
    return shift


@dataclass
class _Made:
    """A plan that is not written yet."""

    reading: Reading
    plan: Plan
    kind: str
    cause: str
    follows: int
    seconds: float = 0.0
    touches: Sequence[int] = field(default_factory=list)


def _make(
    kind: str,
    *,
    cause: str,
    actor: User,
    at: datetime.datetime | None,
    touches: Sequence[ScheduleTouch] | None = None,
) -> ScheduleRun:
    follows = ScheduleRun.objects.order_by("-id").values_list("id", flat=True).first() or 0
    if touches is None:
        touches = list(ScheduleTouch.objects.order_by("id")[:_MOST_TOUCHES])
    started = time.perf_counter()
    reading = load_schedule_problem(at=at)
    if kind == ScheduleRun.Kind.REPAIR:
        plan = _repaired(reading, {touch.production_order_id for touch in touches if touch.production_order_id})
    else:
        plan = schedule(reading.problem)
    made = _Made(reading, plan, kind, cause, follows, touches=[touch.pk for touch in touches])
    made.seconds = round(time.perf_counter() - started, 4)
    try:
        with transaction.atomic():
            return _write(made, actor=actor)
    except IntegrityError:
        winner = ScheduleRun.objects.filter(follows=follows).first()
        if winner is None:
            raise
        log.info("another schedule was written while %s was made", cause)
        return winner


def _repaired(reading: Reading, order_ids: set[int]) -> Plan:
    """Return the schedule as it is, repaired where it does not hold any more."""
    keys = {piece.identity: key for key, piece in reading.pieces.items()}
    centers: dict[int, list[int]] = {}
    for machine, (_, center) in reading.machines.items():
        if center is not None:
            centers.setdefault(center, []).append(machine)
    busy_until: dict[int, float] = {}
    plan = Plan(method="repair")
    start = reading.problem.start
    left_out: set[int] = set()
    for entry in ScheduleEntry.objects.order_by("starts_at", "id"):
        key = keys.get(entry_identity(entry))
        if key is None:
            continue
        if entry.starts_at is None or entry.ends_at is None:
            if entry.waits_for == NO_ROOM and not order_ids.intersection(reading.pieces[key].orders):
                left_out.add(key)
            continue
        begins, ends = minutes_after(start, entry.starts_at), minutes_after(start, entry.ends_at)
        # A work center's places are alike, so which of them it was does not matter, only that it was free.
        places = centers.get(entry.work_center_id or 0, [entry.printer_id or 0])
        machine = min(places, key=lambda place: busy_until.get(place, 0.0))
        if entry.printer_id is None:
            busy_until[machine] = ends
        plan.assignments[key] = Assignment(key, machine, begins, ends, float(entry.setup_minutes))
    # What found no room before finds none by what touches other work; the next full plan looks for some again.
    problem = reading.problem
    for key, before in reading.follows.items():
        if not left_out.isdisjoint(before):
            left_out.add(key)
    if left_out:
        problem = replace(problem, tasks=[task for task in problem.tasks if task.key not in left_out])
    touched = [key for key, piece in reading.pieces.items() if order_ids.intersection(piece.orders)]
    repaired = repair(problem, plan, touched=touched)
    repaired.unplanned |= left_out
    return repaired


@verb
def _write(made: _Made, *, actor: User) -> ScheduleRun:
    """Write a run, the entries that differ from those there are, and what it means for the orders."""
    reading, plan = made.reading, made.plan
    # First of all, because this is what the loser of two stumbles over.
    run = ScheduleRun.objects.create(
        kind=made.kind, cause=made.cause[:200], method=plan.method, seconds=made.seconds, follows=made.follows
    )
    entries = _entries(reading, plan, run)
    written = _replace_entries(entries)
    late = _tell_orders(reading, entries)
    change = reading.problem.change_minutes or 1
    run.tasks = written if made.kind == ScheduleRun.Kind.REPAIR else len(plan.assignments)
    run.unplanned = sum(entry.starts_at is None for entry in entries)
    run.late, run.lateness_minutes = len(late), Decimal(round(sum(late), 2))
    run.changeovers = round(sum(found.setup for found in plan.assignments.values()) / change)
    run.save()
    for pks in _chunks(made.touches):
        ScheduleTouch.objects.filter(pk__in=pks).delete()
    ScheduleRun.objects.filter(made_at__lt=run.made_at - KEEP_RUNS, entries__isnull=True).delete()
    return run


def _entries(reading: Reading, plan: Plan, run: ScheduleRun) -> list[ScheduleEntry]:
    """Return what the plan says as rows: what runs, what is planned and what is not."""
    entries = []
    for row in reading.running:
        entry = _entry(row.piece, reading, run)
        entry.printer_id, entry.starts_at, entry.ends_at = row.printer_id, row.starts_at, row.ends_at
        entries.append(entry)
    for key, piece in reading.pieces.items():
        entry = _entry(piece, reading, run)
        found = plan.assignments.get(key)
        entry.waits_for = reading.waits_for(key, is_planned=found is not None)[:300]
        if found is not None:
            _place(entry, found, reading)
        entries.append(entry)
    return entries


def _entry(piece: Piece, reading: Reading, run: ScheduleRun) -> ScheduleEntry:
    return ScheduleEntry(
        run=run,
        production_order_id=piece.order_id,
        print_job_id=piece.job_id,
        plate_id=piece.plate_id,
        parts=piece.parts,
        number=piece.number,
        operation_id=piece.operation_id,
        work_center_id=piece.work_center_id,
        due_at=reading.due_at.get(piece.order_id),
    )


def _place(entry: ScheduleEntry, found: Assignment, reading: Reading) -> None:
    entry.printer_id, center = reading.machines[found.machine]
    entry.work_center_id = center or entry.work_center_id
    entry.starts_at, entry.ends_at = reading.moment(found.start), reading.moment(found.end)
    entry.setup_minutes = Decimal(str(round(found.setup, 2)))


def entry_identity(entry: ScheduleEntry) -> tuple[object, ...]:
    return Piece(
        entry.production_order_id, entry.print_job_id, entry.plate_id, 0, entry.operation_id,
        entry.work_center_id if entry.plate_id is None else None, entry.number,
    ).identity  # fmt: skip


def _replace_entries(entries: Sequence[ScheduleEntry]) -> int:
    """Bring the table to these entries; what stays as it is stays untouched. Return how many rows were written."""
    there = {entry_identity(entry): entry for entry in ScheduleEntry.objects.order_by("id")}
    new, kept = [], set()
    for entry in entries:
        old = there.get(entry_identity(entry))
        if old is not None and _same_entry(old, entry):
            kept.add(old.pk)
        else:
            new.append(entry)
    for pks in _chunks([entry.pk for entry in there.values() if entry.pk not in kept]):
        ScheduleEntry.objects.filter(pk__in=pks).delete()
    ScheduleEntry.objects.bulk_create(new, batch_size=500)
    return len(new)


_EXACT = ("printer_id", "work_center_id", "plate_id", "parts", "due_at", "waits_for", "setup_minutes")


def _same_entry(old: ScheduleEntry, new: ScheduleEntry) -> bool:
    return all(getattr(old, name) == getattr(new, name) for name in _EXACT) and (
        _same_time(old.starts_at, new.starts_at) and _same_time(old.ends_at, new.ends_at)
    )


def _same_time(old: datetime.datetime | None, new: datetime.datetime | None) -> bool:
    if old is None or new is None:
        return old is new
    return abs(old - new) < _SAME


def _tell_orders(reading: Reading, entries: Iterable[ScheduleEntry]) -> list[float]:
    """Write planned start and end and whether they go late to the orders; return by how many minutes each is late.

    They are marks, like counters: no history is written of them, and a plan does not overtake a person's change.
    """
    orders_of: dict[int | None, tuple[int, ...]] = {
        piece.job_id: piece.orders for piece in reading.pieces.values() if piece.job_id
    }
    orders_of |= {row.piece.job_id: row.piece.orders for row in reading.running}
    starts: dict[int, datetime.datetime] = {}
    ends: dict[int, datetime.datetime | None] = {}
    for entry in entries:
        for order_id in orders_of.get(entry.print_job_id, (entry.production_order_id,)):
            if entry.starts_at is None or entry.ends_at is None:
                ends[order_id] = None
                continue
            starts[order_id] = min(entry.starts_at, starts.get(order_id, entry.starts_at))
            known = ends.get(order_id, entry.ends_at)
            ends[order_id] = None if known is None else max(known, entry.ends_at)
    late: list[float] = []
    changed = []
    for order in reading.orders.values():
        start = starts.get(order.pk)
        if order.status == ProductionOrder.Status.PRINTING and order.scheduled_start is not None:
            start = order.scheduled_start if start is None else min(start, order.scheduled_start)
        # Nothing left to plan: what was printed waits to be counted.
        end = ends.get(order.pk, order.scheduled_end)
        over_by = _late_by(order, end, reading)
        if over_by > 0:
            late.append(over_by)
        if not (
            _same_time(order.scheduled_start, start)
            and _same_time(order.scheduled_end, end)
            and order.is_late == (over_by > 0)
        ):
            changed.append(ProductionOrder(pk=order.pk, scheduled_start=start, scheduled_end=end, is_late=over_by > 0))
    ProductionOrder.objects.bulk_update(changed, ["scheduled_start", "scheduled_end", "is_late"], batch_size=200)
    ProductionOrder.objects.filter(is_late=True).exclude(status__in=ProductionOrder.OPEN).update(is_late=False)
    return late


def _late_by(order: OrderRow, end: datetime.datetime | None, reading: Reading) -> float:
    """Return by how many minutes an order's work is over too late; what is not planned is late once its time is up."""
    due_at = reading.due_at.get(order.pk)
    if due_at is None:
        return 0.0
    over = max(end, reading.problem.start) if end is not None else reading.problem.start
    return max((over - due_at).total_seconds() / 60, 0.0)


def _chunks(pks: Sequence[int]) -> Iterable[Sequence[int]]:
    return (pks[index : index + _CHUNK] for index in range(0, len(pks), _CHUNK))


def schedule_age(at: datetime.datetime | None = None) -> datetime.timedelta | None:
    """Return how long ago the schedule was last made or repaired; None when there is none."""
    made_at = ScheduleRun.objects.order_by("-id").values_list("made_at", flat=True).first()
    return (at or timezone.now()) - made_at if made_at else None
