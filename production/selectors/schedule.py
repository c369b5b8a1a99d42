"""The farm as a problem for the planner: what is to be done, by what, and what can be done by whom from when on.

Everything is read in a constant number of queries. Which printer can do which plate is asked of ``fleet``, so that
what is planned is what can be sent; what is merely not loaded, or busy, is no obstacle to a plan.
"""

from __future__ import annotations

import datetime
import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from blb3d.core.errors import BLB3DError, UnknownConversion
from blb3d.core.units import Unit, convert
from inventory.models import PlateFilament, PrintFile, ProductPlate, Reference, Reservation
from inventory.selectors.arrivals import Arrival, supplies
from production.errors import MaintenanceAhead, MaterialNotLoaded, NoFileForModel
from production.models import (
    Printer,
    PrintJob,
    PrintJobFilament,
    PrintJobPart,
    ProductionOperation,
    ProductionOrder,
    RoutingStep,
    WorkCenter,
)
from production.scheduling.problem import Interval, Machine, Problem, Task
from production.selectors.fleet import (
    MAX_DISPATCH_ATTEMPTS,
    Filament,
    Fit,
    FleetPrinter,
    Needs,
    Plate,
    ReleasedFile,
    WaitingJob,
    load_fleet,
    waiting_jobs,
)
from production.selectors.hours import farm_hours, hours_of, minutes_after
from production.selectors.progress import count_plates, missing_by_plate

#: Nothing is planned to start later than this.
HORIZON_MINUTES = 90 * 24 * 60.0
#: The longest task that is thought of: hours are known for so much longer.
_LONGEST = 30 * 24 * 60.0
#: A printer that cannot be reached, or needs a service first, is taken to be back by then.
BACK_AFTER_MINUTES = 60.0
#: A person's time between two prints on a printer, and for each filament that is changed.
CLEAR_MINUTES, CHANGE_MINUTES = 5.0, 6.0
#: So many runs of one plate of one order are planned one by one; of more, several at a time.
MAX_RUNS = 60
#: Printers of which nothing is loaded yet.
_USUAL_SLOTS = 4

NOT_PLANNED = "What comes before it is not planned"
NO_ROOM = "The farm is full: there is no room for it within 90 days"

_Status = PrintJob.Status
#: Their jobs are not made yet: what they need is read from their plates.
UNQUEUED = (ProductionOrder.Status.DRAFT, ProductionOrder.Status.CONFIRMED, ProductionOrder.Status.FAILED)
_BLOCKED = 0
_Filaments = tuple[tuple[Filament, Decimal], ...]
#: What orders hold of products.
_Held = dict[tuple[int, int], Decimal]


class OrderRow(NamedTuple):
    """What of an open order decides when it is made."""

    pk: int
    code: str
    status: str
    priority: int
    due_date: datetime.date | None
    quantity: int
    quantity_completed: int
    quantity_lost: int
    product_id: int
    is_held: bool
    hold_reason: str
    printer_group_id: int | None
    printer_group__name: str | None
    scheduled_start: datetime.datetime | None
    scheduled_end: datetime.datetime | None
    is_late: bool


@dataclass(frozen=True)
class Piece:
    """A piece of work: a job, or parts of a plate whose job is not made yet, or an operation, or a step to come."""

    order_id: int
    job_id: int | None = None
    plate_id: int | None = None
    parts: int = 0
    operation_id: int | None = None
    work_center_id: int | None = None
    #: Which of the runs of a plate, or of the steps of a routing, it is.
    number: int = 0
    #: All orders that have parts in it.
    orders: tuple[int, ...] = ()

    @property
    def identity(self) -> tuple[Any, ...]:
        """What it is known by from one plan to the next."""
        if self.job_id is not None:
            return ("job", self.job_id)
        if self.operation_id is not None:
            return ("operation", self.operation_id)
        return ("order", self.order_id, self.plate_id, self.work_center_id, self.number)


@dataclass(frozen=True)
class Running:
    """A job that is on a printer, with the end that is expected."""

    piece: Piece
    printer_id: int
    starts_at: datetime.datetime
    ends_at: datetime.datetime


@dataclass
class Reading:
    """The problem, and what its numbers stand for."""

    problem: Problem
    pieces: dict[int, Piece]
    #: Machine -> (printer, None) or (None, work center).
    machines: dict[int, tuple[int | None, int | None]]
    running: list[Running]
    #: Why a piece cannot be planned, as far as it is known before planning.
    reasons: dict[int, str]
    orders: dict[int, OrderRow]
    #: By when an order's work must be over that it is shipped on its due date.
    due_at: dict[int, datetime.datetime]
    #: The printers as they were read, those out of service too.
    printers: list[FleetPrinter] = field(default_factory=list)
    #: Tasks by what comes before them.
    follows: dict[int, tuple[int, ...]] = field(default_factory=dict)
    #: What of a task's material is not there yet.
    arriving: dict[int, Arrival] = field(default_factory=dict)

    def waits_for(self, key: int, *, is_planned: bool) -> str:
        """Return what a piece waits for, in one sentence; nothing where only its turn is to come."""
        if not is_planned:
            return self.reasons.get(key) or (NOT_PLANNED if self.follows.get(key) else NO_ROOM)
        arrival = self.arriving.get(key)
        if arrival is None:
            return ""
        if arrival.is_ordered:
            return f"{arrival.name} is short: expected on {arrival.on:%B} {arrival.on.day}"
        days = (arrival.on - timezone.localdate(self.problem.start)).days
        return f"{arrival.name} is short and not on order: it takes {days} days"

    def moment(self, minutes: float) -> datetime.datetime:
        """Return the moment that a number of minutes of the problem stands for, to the second."""
        return self.problem.start + datetime.timedelta(seconds=round(minutes * 60))


def load_schedule_problem(*, at: datetime.datetime | None = None) -> Reading:
    """Read all open work and everything that can do it, as it stands."""
    return _Reader((at or timezone.now()).astimezone(datetime.UTC).replace(microsecond=0)).read()


def load_printers(*, at: datetime.datetime) -> tuple[list[Machine], list[FleetPrinter]]:
    """Read the printers in service as machines and as rows, without any work but what runs on them."""
    reader = _Reader(at.astimezone(datetime.UTC), with_orders=False)
    reader.read_running()
    return reader.printers(), reader.fleet.printers


def open_orders() -> QuerySet[ProductionOrder]:
    """Return the orders that are still to be made."""
    return ProductionOrder.objects.filter(status__in=ProductionOrder.OPEN)


class _Reader:
    """One reading; what is asked for twice is kept."""

    def __init__(self, start: datetime.datetime, *, with_orders: bool = True) -> None:
        self.start = start
        self.hours = farm_hours()
        self.fleet = load_fleet()
        self.fleet.at = start
        rows = open_orders().order_by("id").values_list(*OrderRow._fields) if with_orders else []
        self.orders = {row[0]: OrderRow(*row) for row in rows}
        #: Parts by order, and filaments with their grams, of jobs.
        self.parts: dict[int, dict[int, int]] = {}
        self.job_filaments: dict[int, _Filaments] = {}
        self.tasks: list[Task] = []
        self.pieces: dict[int, Piece] = {}
        self.reasons: dict[int, str] = {}
        self.running: list[Running] = []
        self.kinds: dict[Any, int] = {}
        self.eligible: dict[int, tuple[int, ...]] = {_BLOCKED: ()}
        self.hopeless: dict[int, str] = {}
        #: Grams of each material by task, and by running job.
        self.grams: dict[int, dict[int, Decimal]] = {}
        self.running_grams: dict[int, dict[int, Decimal]] = {}
        self.units: dict[int, str] = {}
        self.machines: dict[int, tuple[int | None, int | None]] = {}
        self._tokens: dict[Any, int] = {}

    def read(self) -> Reading:
        due_at = self._due_times()
        self._read_plates()
        self._read_parts()
        self.read_running()
        printers = self.printers()
        prints: dict[int, list[int]] = defaultdict(list)
        self._add_jobs(prints)
        self._add_plates(prints)
        places = self._places()
        self._add_operations(prints)
        arriving = self._wait_for_material()
        self._set_due(due_at)
        far = HORIZON_MINUTES + _LONGEST
        problem = Problem(
            start=self.start,
            machines=[*printers, *places],
            tasks=self.tasks,
            eligible=self.eligible,
            attended=self.hours[None].minutes_between(self.start, far),
            clear_minutes=CLEAR_MINUTES,
            change_minutes=CHANGE_MINUTES,
            horizon=HORIZON_MINUTES,
        )
        return Reading(
            problem, self.pieces, self.machines, self.running, self.reasons, self.orders, due_at,
            self.fleet.printers, {task.key: task.after for task in self.tasks if task.after}, arriving,
        )  # fmt: skip

    # --- what is asked of printers -----------------------------------------------------------------------------------

    def _read_plates(self) -> None:
        """Read the plates of all open work with their files and filaments."""
        unqueued = ProductionOrder.objects.filter(status__in=UNQUEUED)
        queued = PrintJob.objects.filter(status=_Status.QUEUED)
        asked = Q(is_active=True, product__in=unqueued.values("product")) | Q(pk__in=queued.values("plate"))
        wanted = ProductPlate.objects.filter(asked)
        files: dict[int, dict[str, ReleasedFile]] = defaultdict(dict)
        released = PrintFile.objects.filter(released_at__isnull=False, withdrawn_at__isnull=True)
        columns = ("plate_id", "printer_model", "id", "file", "filaments")
        rows = released.filter(plate__in=wanted.values("pk")).order_by("id").values_list(*columns)
        for plate_id, model, *file in rows:
            files[plate_id][model] = ReleasedFile(*file)
        self.plates: dict[int, Plate] = {}
        self.active: dict[int, list[tuple[int, int, int, Decimal]]] = defaultdict(list)
        self.sliceable: set[int] = set()
        #: Their jobs are made before their files.
        self.mixed: set[int] = set()
        box = ("bbox_x_mm", "bbox_y_mm", "bbox_z_mm")
        asks = ("printer_models", "printer_tags", "nozzle_diameter_mm")
        own = ("id", "product_id", "plate_number", "parts_per_plate", "estimated_minutes", "is_active")
        kind = ("model_file", "is_mixed")
        rows_of = wanted.order_by("plate_number", "id").values_list(*own, *kind, *asks, *box)
        for pk, product_id, number, parts, minutes, is_active, model_file, is_mixed, *asked in rows_of:
            models, tags, nozzle, *size = asked
            fits = None if None in size else tuple(size)
            self.plates[pk] = Plate(models, fits, files[pk], tuple(tags), nozzle)  # type: ignore[arg-type]
            if is_active:
                self.active[product_id].append((pk, number, parts, minutes))
            if model_file or is_mixed:
                self.sliceable.add(pk)
            if is_mixed:
                self.mixed.add(pk)
        self.plate_filaments: dict[int, tuple[tuple[Filament, Decimal], ...]] = defaultdict(tuple)
        filaments = PlateFilament.objects.filter(plate__in=wanted.values("pk")).order_by("position", "id")
        for plate_id, grams, unit, *row in filaments.values_list("plate_id", "grams", *_MATERIAL):
            self.units[row[1]] = unit
            self.plate_filaments[plate_id] += ((Filament(*row), grams),)

    def _read_parts(self) -> None:
        """Read whose parts lie on the plates that are printed or wait for it, and what filaments those take."""
        live = (_Status.QUEUED, *PrintJob.ACTIVE)
        self.parts = defaultdict(dict)
        parts = PrintJobPart.objects.filter(job__status__in=live, job__deleted_at__isnull=True).order_by("id")
        for job_id, order_id, planned in parts.values_list("job_id", "production_order_id", "planned"):
            self.parts[job_id][order_id] = planned
        self.job_filaments = defaultdict(tuple)
        rows = PrintJobFilament.objects.filter(job__status__in=live, job__deleted_at__isnull=True)
        for job_id, grams, unit, *row in rows.order_by("position", "id").values_list(
            "job_id", "planned_grams", *_MATERIAL
        ):
            self.units[row[1]] = unit
            self.job_filaments[job_id] += ((Filament(*row), grams),)

    def _kind(self, job: WaitingJob, plate: Plate | None, filaments: tuple[Filament, ...]) -> int:
        """Return the kind of work that a job is; what can do it is found out once for each."""
        key = (job.plate_id, job.group_id, filaments)
        kind = self.kinds.get(key)
        if kind is None:
            kind = self.kinds[key] = len(self.kinds) + 1
            able, why = self._able(job, plate, filaments)
            self.eligible[kind] = able
            if not able:
                self.hopeless[kind] = why
        return kind

    def _able(
        self, job: WaitingJob, plate: Plate | None, filaments: tuple[Filament, ...]
    ) -> tuple[tuple[int, ...], str]:
        """Return the printers that can print a job, and if there is none, why."""
        if plate is None:
            return (), f"The plate of {job.code} is not there any more"
        needs = Needs({job.plate_id: plate}, {job.pk: filaments})
        answers: list[BLB3DError] = []
        able: list[int] = []
        for alike in self._alike.values():
            answer = needs.fit(job, alike[0], self.fleet)
            if isinstance(answer, Fit | MaterialNotLoaded | MaintenanceAhead):
                able += [printer.pk for printer in alike]
            else:
                answers.append(answer)
        if able:
            return tuple(sorted(able)), ""
        if not answers:
            return (), "No printer is in service"
        # That a printer lacks something is nearer to printing than that there is no file for its model.
        nearest = min(answers, key=lambda answer: isinstance(answer, NoFileForModel))
        return (), nearest.message.rstrip(".")

    # --- machines ----------------------------------------------------------------------------------------------------

    def read_running(self) -> None:
        """Read what is on the printers, and what lies on their plates."""
        self.free_at: dict[int, float] = {}
        self.occupied: set[int] = set()
        ejecting = {printer.pk for printer in self.fleet.printers if printer.auto_eject}
        speeds = {printer.pk: self._speed(printer) for printer in self.fleet.printers}
        may_lie = Q(status__in=PrintJob.ACTIVE) | Q(started_at__isnull=False)
        rows = PrintJob.objects.filter(may_lie, printer__isnull=False, cleared_at__isnull=True).order_by("id")
        for pk, order_id, plate_id, printer_id, status, left, minutes, percent, started_at, sent_at in rows.values_list(
            "id", "production_order_id", "plate_id", "printer_id", "status", "remaining_minutes",
            "estimated_time_minutes", "progress_percent", "started_at", "sent_at",
        ):  # fmt: skip
            if status not in PrintJob.ACTIVE:
                if printer_id not in ejecting or status != _Status.FINISHED:
                    self.occupied.add(printer_id)
                continue
            self.occupied.add(printer_id)
            remaining = float(minutes * (100 - percent) / 100) * speeds.get(printer_id, 1.0)
            if status == _Status.UNKNOWN:
                remaining = 0.0
            elif left is not None and status != _Status.SENT:
                remaining = float(left)
            self.free_at[printer_id] = max(remaining, self.free_at.get(printer_id, 0.0))
            parts = self.parts.get(pk, {})
            piece = Piece(order_id, pk, plate_id, sum(parts.values()), orders=tuple(parts) or (order_id,))
            ends_at = self.start + datetime.timedelta(minutes=remaining)
            begun = min(started_at or sent_at or self.start, ends_at)
            self.running.append(Running(piece, printer_id, begun, ends_at))
            self.running_grams[pk] = _by_material(self.job_filaments.get(pk, ()))

    def _speed(self, printer: FleetPrinter) -> float:
        limits = self.fleet.models.get(printer.model)
        return float(limits.speed_factor) if limits else 1.0

    def printers(self) -> list[Machine]:
        """Return the printers in service as machines, and sort them by what they are able to do."""
        self._alike: dict[Any, list[FleetPrinter]] = defaultdict(list)
        machines = []
        for printer in self.fleet.printers:
            if not printer.is_active:
                continue
            able = tuple(value for name, value in zip(printer._fields, printer, strict=True) if name not in _PASSING)
            groups = tuple(group.pk for group in self.fleet.groups.get(printer.pk, ()))
            self._alike[able, groups].append(printer)
            slots = self.fleet.slots.get(printer.pk, [])
            free_at = self.free_at.get(printer.pk, 0.0)
            if printer.pk not in self.free_at and (
                printer.connection != Printer.Connection.ONLINE
                or printer.foreign_job
                or printer.pk in self.fleet.overdue
            ):
                free_at = BACK_AFTER_MINUTES
            self.machines[printer.pk] = (printer.pk, None)
            machines.append(
                Machine(
                    printer.pk,
                    free_at=free_at,
                    loaded=frozenset(
                        self._token(slot.material_id, slot.material_type, slot.color_hex)
                        for slot in slots
                        if slot.material_type or slot.material_id
                    ),
                    slots=len(slots) or _USUAL_SLOTS,
                    speed=self._speed(printer),
                    closed=self._closed(printer),
                    clears_itself=printer.auto_eject,
                    occupied=printer.pk in self.occupied or bool(printer.foreign_job),
                )
            )
        return machines

    def _closed(self, printer: FleetPrinter) -> tuple[Interval, ...]:
        windows = self.fleet.windows.get(printer.pk, ())
        return tuple(
            (max(minutes_after(self.start, window.starts_at), 0.0), minutes_after(self.start, window.ends_at))
            for window in windows
        )

    def _token(self, material_id: int | None, material_type: str, color: str) -> int:
        """Return one number for all that prints alike: a material, or everything of its type and colour."""
        key = (material_type.upper(), color.upper()) if material_type else material_id
        return self._tokens.setdefault(key, len(self._tokens) + 1)

    def _places(self) -> list[Machine]:
        """Return the places of work centers as machines; their keys are below zero."""
        self.centers: dict[int, list[int]] = {}
        self.center_names: dict[int, str] = {}
        machines: list[Machine] = []
        far = HORIZON_MINUTES + _LONGEST
        attended: dict[int, tuple[Interval, ...]] = {}
        rows = WorkCenter.objects.filter(is_active=True).exclude(kind=WorkCenter.Kind.PRINT).order_by("id")
        for pk, name, places in rows.values_list("id", "name", "places"):
            self.center_names[pk] = name
            if pk in self.hours:
                attended[pk] = hours_of(self.hours, pk).minutes_between(self.start, far)
            for _ in range(places):
                key = -1 - len(machines)
                self.machines[key] = (None, pk)
                self.centers.setdefault(pk, []).append(key)
                machines.append(Machine(key, slots=0, by_hand=True, attended=attended.get(pk)))
        return machines

    # --- tasks -------------------------------------------------------------------------------------------------------

    def _add(self, piece: Piece, *, kind: int, minutes: float, reason: str = "", **more: Any) -> int:
        key = len(self.tasks) + 1
        order = self.orders.get(piece.order_id)
        priority = max((self.orders[pk].priority for pk in piece.orders if pk in self.orders), default=2)
        self.pieces[key] = piece
        reason = reason or self.hopeless.get(kind, "")
        if reason:
            self.reasons[key] = reason
            kind = _BLOCKED
        self.tasks.append(Task(key, piece.order_id, kind, minutes, priority=priority if order else 2, **more))
        return key

    def _add_jobs(self, prints: dict[int, list[int]]) -> None:
        """Add the jobs that wait for a printer."""
        waiting = PrintJob.objects.filter(
            status=_Status.QUEUED, production_order__status__in=ProductionOrder.OPEN
        ).order_by("id")
        for job in waiting_jobs(waiting):
            trouble = job.trouble
            reason = trouble.message.rstrip(".") if trouble is not None else ""
            if not reason and job.dispatch_attempts >= MAX_DISPATCH_ATTEMPTS:
                reason = f"It was sent {job.dispatch_attempts} times and never began: a person must look"
            rows = self.job_filaments.get(job.pk, ())
            filaments = tuple(filament for filament, _ in rows)
            parts = self.parts.get(job.pk, {})
            piece = Piece(
                job.order_id, job.pk, job.plate_id, sum(parts.values()), orders=tuple(parts) or (job.order_id,)
            )
            plate = self.plates.get(job.plate_id)
            if plate is not None and not plate.files and job.plate_id in self.mixed:
                plate = self._as_sliced(plate)
            key = self._add(
                piece,
                kind=self._kind(job, plate, filaments),
                minutes=float(job.estimated_minutes),
                reason=reason,
                materials=self._tokens_of(filaments),
            )
            self.grams[key] = _by_material(rows)
            for order_id in piece.orders:
                prints[order_id].append(key)

    def _add_plates(self, prints: dict[int, list[int]]) -> None:
        """Add the plates of orders whose jobs are not made yet."""
        orders = [order for order in self.orders.values() if order.status in UNQUEUED]
        begun = [order.pk for order in orders if order.status == ProductionOrder.Status.FAILED]
        counts = count_plates(begun) if begun else {}
        for order in orders:
            plates = self.active.get(order.product_id, [])
            reason = f"Held: {order.hold_reason}".rstrip(": ") if order.is_held else ""
            if not plates:
                reason = reason or "The product has no plate that is printed"
                prints[order.pk].append(
                    self._add(Piece(order.pk, orders=(order.pk,)), kind=0, minutes=0, reason=reason)
                )
                continue
            missing = missing_by_plate(order, counts.get(order.pk, {}), [row[0] for row in plates])  # type: ignore[arg-type]
            for plate_id, number, per_plate, minutes in plates:
                left = missing.get(plate_id, 0)
                if left:
                    why = reason
                    plate = self.plates[plate_id]
                    if not plate.files:
                        if plate_id in self.sliceable:
                            plate = self._as_sliced(plate)
                        else:
                            why = why or f"No print file for plate {number}"
                    self._add_runs(order, plate_id, plate, left, per_plate, minutes, why, prints[order.pk])

    def _as_sliced(self, plate: Plate) -> Plate:
        """Return a plate as it will be in some minutes: sliced for whatever it fits."""
        models = {printer.model for printer in self.fleet.printers}
        return plate._replace(files=dict.fromkeys(models, _TO_BE_SLICED))

    def _add_runs(
        self, order: OrderRow, plate_id: int, plate: Plate, left: int, per_plate: int, minutes: Decimal, reason: str,
        keys: list[int],
    ) -> None:  # fmt: skip
        rows = self.plate_filaments.get(plate_id, ())
        filaments = tuple(filament for filament, _ in rows)
        job = WaitingJob(
            -plate_id, order.code, 0, plate_id, minutes, None, None, order.pk, order.code, order.status, order.is_held,
            order.hold_reason, order.printer_group_id, order.printer_group__name,
        )  # fmt: skip
        kind = self._kind(job, plate, filaments)
        tokens = self._tokens_of(filaments)
        runs = math.ceil(left / per_plate)
        at_once = math.ceil(runs / MAX_RUNS) * per_plate
        number = 0
        while left > 0:
            parts = min(left, at_once)
            share = Decimal(parts) / per_plate
            between = max(math.ceil(share) - 1, 0) * CLEAR_MINUTES
            piece = Piece(order.pk, None, plate_id, parts, number=number, orders=(order.pk,))
            key = self._add(piece, kind=kind, minutes=float(minutes * share) + between, reason=reason, materials=tokens)
            self.grams[key] = _by_material((filament, grams * share) for filament, grams in rows)
            keys.append(key)
            left -= parts
            number += 1

    def _tokens_of(self, filaments: Iterable[Filament]) -> frozenset[int]:
        return frozenset(self._token(row.material_id, row.material_type, row.color_hex) for row in filaments)

    def _add_operations(self, prints: Mapping[int, Sequence[int]]) -> None:
        """Add what is done after printing: operations, and of orders that have none yet the steps of their routing."""
        self.last: dict[int, int] = {}
        on_plates: dict[int, float] = defaultdict(float)
        for row in self.running:
            for order_id in row.piece.orders:
                on_plates[order_id] = max(on_plates[order_id], minutes_after(self.start, row.ends_at))
        operations: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        rows = ProductionOperation.objects.filter(production_order__status__in=ProductionOrder.OPEN)
        columns = ("production_order_id", "id", "status", "work_center_id", "setup_minutes", "minutes_per_unit",
                   "wait_minutes", "quantity_in", "quantity_returned", "quantity_good", "quantity_scrapped",
                   "quantity_reworked")  # fmt: skip
        for order_id, *row in rows.order_by("sequence").values_list(*columns):
            operations[order_id].append(tuple(row))
        for order_id, found in operations.items():
            if order_id in self.orders:
                self._add_chain(self.orders[order_id], self._owed(self.orders[order_id], found), prints, on_plates)
        steps: dict[int, list[tuple[Any, ...]]] = defaultdict(list)
        drafts = ProductionOrder.objects.filter(status=ProductionOrder.Status.DRAFT)
        routed = RoutingStep.objects.filter(routing__is_active=True, routing__deleted_at__isnull=True)
        routed = routed.filter(routing__product__in=drafts.values("product")).order_by("sequence")
        asked = ("routing__product_id", "work_center_id", "setup_minutes", "minutes_per_unit", "wait_minutes")
        for product_id, *row in routed.values_list(*asked):
            steps[product_id].append(tuple(row))
        for order in self.orders.values():
            if order.status == ProductionOrder.Status.DRAFT and order.pk not in operations:
                chain = [
                    (None, center, float(setup + each * order.quantity), wait)
                    for center, setup, each, wait in steps.get(order.product_id, ())
                ]
                self._add_chain(order, chain, prints, on_plates)

    @staticmethod
    def _owed(order: OrderRow, rows: Sequence[tuple[Any, ...]]) -> list[tuple[Any, ...]]:
        """Return the operations that are still to do, with the minutes that they take for what has not passed them."""
        chain = []
        beyond = rows[-1][8]
        for pk, status, center, setup, each, wait, came, returned, good, scrapped, reworked in reversed(rows):
            left = max(order.quantity - beyond, 0)
            beyond += came + returned - good - scrapped - reworked
            if status in ProductionOperation.OPEN and left:
                begun = status == ProductionOperation.Status.RUNNING
                chain.append((pk, center, float((0 if begun else setup) + each * left), wait))
        return chain[::-1]

    def _add_chain(
        self,
        order: OrderRow,
        chain: Sequence[tuple[Any, ...]],
        prints: Mapping[int, Sequence[int]],
        on_plates: Mapping[int, float],
    ) -> None:
        after, lag = tuple(prints.get(order.pk, ())), 0.0
        for number, (operation_id, center, minutes, wait) in enumerate(chain):
            kind = self.kinds.setdefault(("center", center), len(self.kinds) + 1)
            self.eligible[kind] = tuple(self.centers.get(center, ()))
            if not self.eligible[kind]:
                self.hopeless[kind] = "Nobody works at its work center"
            reason = f"Held: {order.hold_reason}".rstrip(": ") if order.is_held else ""
            key = self._add(
                Piece(order.pk, None, None, 0, operation_id, center, number, (order.pk,)),
                kind=kind,
                minutes=minutes,
                reason=reason,
                after=after,
                lag=lag,
                release=on_plates.get(order.pk, 0.0) if not number else 0.0,
            )
            after, lag = (key,), float(wait)
            self.last[order.pk] = key

    # --- times -------------------------------------------------------------------------------------------------------

    def _due_times(self) -> dict[int, datetime.datetime]:
        hours, days = self.hours[None], settings.FARM_HANDLING_DAYS  # type: ignore[misc]
        dates = {order.due_date for order in self.orders.values() if order.due_date}
        moments = {date: hours.last_moment_for(date, days) for date in dates}
        return {pk: moments[order.due_date] for pk, order in self.orders.items() if order.due_date}

    def _set_due(self, due_at: Mapping[int, datetime.datetime]) -> None:
        """Give the last tasks of each order its due time; what comes before them takes its urgency from theirs."""
        for index, task in enumerate(self.tasks):
            piece = self.pieces[task.key]
            ending = [pk for pk in piece.orders if pk in due_at and self.last.get(pk, task.key) == task.key]
            if ending:
                due = minutes_after(self.start, min(due_at[pk] for pk in ending))
                self.tasks[index] = _with(task, due=due)

    def _wait_for_material(self) -> dict[int, Arrival]:
        """Let tasks wait for material that is not there, the most urgent taking what is; return what each waits for.

        What is reserved for an order is its own; what prints now has taken its share already.
        """
        materials = {pk for grams in (*self.grams.values(), *self.running_grams.values()) for pk in grams}
        if not materials:
            return {}
        today = timezone.localdate(self.start)
        found = supplies(materials, today)
        free = {pk: supply.free for pk, supply in found.items()}
        own: _Held = {}
        reserved = Reservation.objects.filter(
            reference_type=Reference.PRODUCTION_ORDER, reference_id__in=open_orders().values("pk")
        ).order_by()
        for order_id, product_id, quantity in reserved.values_list("reference_id", "balance__product_id").annotate(
            Sum("quantity")
        ):
            own[order_id, product_id] = quantity
        for row in self.running:
            for product_id, grams in self.running_grams.get(row.piece.job_id or 0, {}).items():
                self._take(row.piece.order_id, product_id, grams, own, free)
        arriving: dict[int, Arrival] = {}
        never = datetime.date.max
        turns = sorted(
            self.tasks,
            key=lambda task: (-task.priority, self.orders[task.order].due_date or never, task.order, task.key),
        )
        for task in turns:
            late: Arrival | None = None
            for product_id, grams in self.grams.get(task.key, {}).items():
                missing = self._take(task.order, product_id, grams, own, free)
                if missing and product_id in found:
                    there = found[product_id].there_on(-free[product_id])
                    late = there if late is None or there.on > late.on else late
            if late is not None and late.on > today:
                arriving[task.key] = late
        if arriving:
            mornings = {arrival.on: self._morning(arrival.on) for arrival in arriving.values()}
            self.tasks = [
                _with(task, release=mornings[arriving[task.key].on]) if task.key in arriving else task
                for task in self.tasks
            ]
        return arriving

    def _take(self, order_id: int, product_id: int, grams: Decimal, own: _Held, free: dict[int, Decimal]) -> bool:
        """Take material from what the order holds and then from what is free; True when it was not enough."""
        try:
            need = convert(grams, Unit.GRAM, self.units[product_id])
        except UnknownConversion:
            return False
        held = own.get((order_id, product_id), Decimal(0))
        if held:
            taken = min(held, need)
            own[order_id, product_id] = held - taken
            need -= taken
        if need <= 0:
            return False
        free[product_id] = free.get(product_id, Decimal(0)) - need
        return free[product_id] < -_ROUNDING

    def _morning(self, day: datetime.date) -> float:
        midnight = datetime.datetime.combine(day, datetime.time(), tzinfo=timezone.get_default_timezone())
        return max(minutes_after(self.start, midnight), 0.0)


#: Columns of a filament's material after its grams, as a Filament takes them.
_MATERIAL = ("material__unit_of_measure", "position", "material_id", "material__sku", "material__material_type",
             "material__color_hex")  # fmt: skip
#: What of a printer says nothing about what it is able to do.
_PASSING = {
    "pk", "name", "is_active", "out_of_service_reason", "auto_dispatch", "write_access", "connection", "state",
    "foreign_job", "auto_eject",
}  # fmt: skip
_TO_BE_SLICED = ReleasedFile(0, "", [])
#: Reservations are rounded to four places.
_ROUNDING = Decimal("0.001")


def _by_material(rows: Iterable[tuple[Filament, Decimal]]) -> dict[int, Decimal]:
    found: dict[int, Decimal] = defaultdict(Decimal)
    for filament, grams in rows:
        found[filament.material_id] += grams
    return dict(found)


def _with(task: Task, **values: Any) -> Task:
    """Return a task with other values; ``dataclasses.replace`` would take most of the time of a reading."""
    fields = (task.key, task.order, task.kind, task.minutes)
    return Task(
        *fields,
        due=values.get("due", task.due),
        priority=task.priority,
        release=values.get("release", task.release),
        materials=task.materials,
        after=task.after,
        lag=task.lag,
    )
