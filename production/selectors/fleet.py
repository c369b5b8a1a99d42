"""The printers as they stand, which job fits which of them, and what should be sent next.

All of it works on plain rows that were read before, in a constant number of queries however many jobs and printers
there are. Reasons are given as the errors that ``dispatch_job`` would raise, so that a refusal and a waiting reason
agree.
"""

from __future__ import annotations

import datetime
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from functools import cached_property
from typing import Any, NamedTuple

from django.conf import settings
from django.db.models import Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from blb3d.core.errors import BLB3DError
from inventory.models import PrintFile, ProductPlate, SliceFilament
from inventory.selectors import match_filaments
from production.errors import (
    MaintenanceAhead,
    MaterialNotLoaded,
    MaterialNotPrintable,
    NoFileForModel,
    NotInGroup,
    OrderHeld,
    PlateNotCleared,
    PrinterNotReady,
    ServiceOverdue,
    StartsStaggered,
    TagsMissing,
    WrongNozzle,
)
from production.models import (
    MaintenanceWindow,
    Printer,
    PrinterGroup,
    PrinterModel,
    PrinterSlot,
    PrintJob,
    PrintJobFilament,
    ProductionOrder,
)
from production.models.resources import says_ready
from production.selectors.turns import Turn, planned_turns
from production.selectors.upkeep import blocking_services

#: A job that was sent so often and never began waits for a person.
MAX_DISPATCH_ATTEMPTS = 3
#: How many waiting jobs one round looks at.
LOOK_AHEAD = 2000
#: In these a production order's jobs are printed.
PRINTABLE = (ProductionOrder.Status.QUEUED, ProductionOrder.Status.PRINTING)
#: So long another printer than the one that gave a job back is waited for, if there is one that could print it.
OTHERS_FIRST = datetime.timedelta(minutes=5)

_NO_DUE_DATE = datetime.date(9999, 12, 31)


class FleetPrinter(NamedTuple):
    """What of a printer decides whether it can take a job."""

    pk: int
    name: str
    model: str
    build_x_mm: int
    build_y_mm: int
    build_z_mm: int
    is_active: bool
    out_of_service_reason: str
    auto_dispatch: bool
    write_access: str
    connection: str
    state: str
    foreign_job: str
    nozzle_diameter_mm: Decimal
    auto_eject: bool
    tags: tuple[str, ...]

    @property
    def is_by_hand(self) -> bool:
        """True when a person must start its prints at the machine."""
        return self.write_access == Printer.WriteAccess.NO


class Group(NamedTuple):
    """A group of a printer with its policy."""

    pk: int
    name: str
    dispatch: str
    stagger_seconds: int
    last_start_at: datetime.datetime | None

    def wait_seconds(self, at: datetime.datetime) -> float:
        """Return how long the next start in the group has to wait."""
        if not self.stagger_seconds or self.last_start_at is None:
            return 0.0
        return max(self.stagger_seconds - (at - self.last_start_at).total_seconds(), 0.0)


class ModelLimits(NamedTuple):
    """What every printer of a model can do: material types in capitals (none: any), its time against estimates."""

    materials: frozenset[str]
    speed_factor: Decimal


class Window(NamedTuple):
    """A time in which a printer takes no job."""

    starts_at: datetime.datetime
    ends_at: datetime.datetime
    reason: str


class Loaded(NamedTuple):
    """What a printer holds in a tray."""

    tray: int
    spool_id: int | None
    material_id: int | None
    material_type: str
    color_hex: str


class Holder(NamedTuple):
    """A job that has a printer or lies on its plate."""

    pk: int
    code: str
    status: str


class ReleasedFile(NamedTuple):
    """A print file that may be sent, with its path in the storage and its filaments as it keeps them."""

    pk: int
    path: str
    filaments: list[dict[str, Any]]


class Filament(NamedTuple):
    """A filament that a job needs."""

    position: int
    material_id: int
    sku: str
    material_type: str
    color_hex: str


class Plate(NamedTuple):
    """What a plate asks of a printer.

    The models it is made for (none: any), its box in mm, its file by model, tags (none: none), its nozzle (None: any).
    """

    printer_models: list[str]
    box: tuple[Decimal, Decimal, Decimal] | None
    files: dict[str, ReleasedFile]
    tags: tuple[str, ...] = ()
    nozzle_diameter_mm: Decimal | None = None


class WaitingJob(NamedTuple):
    """A job with what decides whether and where it is sent; its group is its own, else its order's."""

    pk: int
    code: str
    dispatch_attempts: int
    plate_id: int
    estimated_minutes: Decimal
    refused_by: int | None
    refused_at: datetime.datetime | None
    order_id: int
    order_code: str
    order_status: str
    order_is_held: bool
    order_hold_reason: str
    group_id: int | None
    group: str | None

    @property
    def trouble(self) -> BLB3DError | None:
        """Return why no job of its order may be sent, or None."""
        details = {"production_order_id": self.order_id, "code": self.order_code, "status": self.order_status}
        if self.order_is_held:
            return OrderHeld(f"{self.order_code} is held: {self.order_hold_reason}".rstrip(": ") + ".", details=details)
        if self.order_status not in PRINTABLE:
            label = ProductionOrder.Status(self.order_status).label
            return OrderHeld(f"{self.order_code} is {label}.", details=details)
        return None


@dataclass(frozen=True)
class Fit:
    """How a job goes onto a printer: with which file, each filament (by position) from which slot."""

    print_file: ReleasedFile
    slots: dict[int, Loaded]


@dataclass
class Fleet:
    """Printers by name; their slots, and what keeps each of them from taking a job, are read when asked for."""

    printers: list[FleetPrinter]
    at: datetime.datetime = field(default_factory=timezone.now)
    #: Whether these are all printers there are, so that rows need not be asked for by printer.
    is_whole: bool = True
    _troubles: dict[int, BLB3DError | None] = field(default_factory=dict)

    def _of_these(self) -> Q:
        return Q() if self.is_whole else Q(printer__in=[printer.pk for printer in self.printers])

    @cached_property
    def slots(self) -> dict[int, list[Loaded]]:
        """Return what each printer holds, by tray."""
        found: dict[int, list[Loaded]] = defaultdict(list)
        rows = PrinterSlot.objects.filter(self._of_these()).order_by("tray")
        for printer_id, *row in rows.values_list("printer_id", *Loaded._fields):
            found[printer_id].append(Loaded(*row))
        return found

    @cached_property
    def holders(self) -> dict[int, Holder]:
        """Return the job that holds each printer or lies on its plate.

        Prints that a printer has thrown off its plate wait in its bin to be counted and hold nothing; what failed on
        it still lies there.
        """
        may_lie = Q(status__in=PrintJob.ACTIVE) | Q(started_at__isnull=False)
        on_plate = PrintJob.objects.filter(may_lie, self._of_these(), printer__isnull=False, cleared_at__isnull=True)
        ejecting = {printer.pk for printer in self.printers if printer.auto_eject}
        found: dict[int, Holder] = {}
        for printer_id, *row in on_plate.order_by("id").values_list("printer_id", *Holder._fields):
            held, holder = found.get(printer_id), Holder(*row)
            if printer_id in ejecting and holder.status == PrintJob.Status.FINISHED:
                continue
            if held is None or held.status not in PrintJob.ACTIVE:
                found[printer_id] = holder
        return found

    @cached_property
    def windows(self) -> dict[int, list[Window]]:
        """Return the times of maintenance that are not over, by printer, the earliest first."""
        found: dict[int, list[Window]] = defaultdict(list)
        rows = MaintenanceWindow.objects.filter(self._of_these(), ends_at__gt=self.at).order_by("starts_at")
        for printer_id, *row in rows.values_list("printer_id", *Window._fields):
            found[printer_id].append(Window(*row))
        return found

    @cached_property
    def maintenance(self) -> dict[int, str]:
        """Return why printers are being maintained now."""
        return {
            printer_id: windows[0].reason
            for printer_id, windows in self.windows.items()
            if windows[0].starts_at <= self.at
        }

    @cached_property
    def overdue(self) -> dict[int, str]:
        """Return the overdue service that keeps each printer from printing."""
        return blocking_services(printer_ids=None if self.is_whole else [printer.pk for printer in self.printers])

    @cached_property
    def groups(self) -> dict[int, tuple[Group, ...]]:
        """Return the groups of each printer, by name."""
        found: dict[int, tuple[Group, ...]] = defaultdict(tuple)
        members = PrinterGroup.objects.filter(printers__isnull=False)
        if not self.is_whole:
            members = members.filter(printers__in=[printer.pk for printer in self.printers])
        for printer_id, *row in members.order_by("name").values_list("printers", *_GROUP_COLUMNS):
            found[printer_id] += (Group(*row),)
        return found

    @cached_property
    def models(self) -> dict[str, ModelLimits]:
        """Return what is known of the models of printers, by name."""
        rows = PrinterModel.objects.values_list("name", "material_types", "speed_factor").order_by()
        return {name: ModelLimits(frozenset(str(kind).upper() for kind in kinds), speed) for name, kinds, speed in rows}

    def is_automatic(self, printer: FleetPrinter) -> bool:
        """Return whether jobs are sent to it unasked: the strictest of the farm, the printer and its groups holds."""
        return (
            settings.ENABLE_AUTO_ROUTING
            and printer.auto_dispatch
            and all(group.dispatch == PrinterGroup.Dispatch.AUTOMATIC for group in self.groups.get(printer.pk, ()))
        )

    def minutes_on(self, printer: FleetPrinter, minutes: Decimal) -> Decimal:
        """Return how long an estimate takes on this printer's model."""
        limits = self.models.get(printer.model)
        return minutes * limits.speed_factor if limits else minutes

    def trouble(self, printer: FleetPrinter) -> BLB3DError | None:
        """Return why the printer can take no job now, or None; looked at once, however many jobs ask."""
        if printer.pk not in self._troubles:
            self._troubles[printer.pk] = self._trouble(printer)
        return self._troubles[printer.pk]

    def _trouble(self, printer: FleetPrinter) -> BLB3DError | None:
        trouble = self._hindrance(printer)
        details = {"printer_id": printer.pk, "printer": printer.name}
        if trouble is not None:
            return trouble
        if printer.is_by_hand:
            return PrinterNotReady(f"{printer.name} takes no commands: start it at the machine.", details=details)
        if not says_ready(printer):
            what = printer.foreign_job or printer.state or "no state known"
            return PrinterNotReady(f"{printer.name} is not ready: {printer.connection}, {what}.", details=details)
        for group in self.groups.get(printer.pk, ()):
            wait = group.wait_seconds(self.at)
            if wait > 0:
                return StartsStaggered(
                    f"{printer.name} waits {wait:.0f} s: another printer of {group.name} was just started.",
                    details={**details, "group": group.name, "wait_seconds": round(wait)},
                )
        return None

    def hand_trouble(self, printer: FleetPrinter) -> BLB3DError | None:
        """Return why a person should not start a job at a read-only printer now, or None.

        One that is not heard is taken to be as the books have it: a person stands before it.
        """
        trouble = self._hindrance(printer)
        if trouble is not None:
            return trouble
        heard = printer.connection == Printer.Connection.ONLINE and printer.state
        if printer.foreign_job or (heard and not says_ready(printer)):
            what = printer.foreign_job or printer.state
            details = {"printer_id": printer.pk, "printer": printer.name}
            return PrinterNotReady(f"{printer.name} is not ready: {printer.connection}, {what}.", details=details)
        return None

    def _hindrance(self, printer: FleetPrinter) -> BLB3DError | None:
        """Return what keeps any job off the printer, whoever would start it."""
        holder = self.holders.get(printer.pk)
        details = {"printer_id": printer.pk, "printer": printer.name, "job": holder.code if holder else None}
        if holder is not None and holder.status in PrintJob.ACTIVE:
            return PrinterNotReady(f"{printer.name} is busy with {holder.code}.", details=details)
        if not printer.is_active:
            why = printer.out_of_service_reason or "out of service"
            return PrinterNotReady(f"{printer.name} is out of service: {why}.", details=details)
        maintained = self.maintenance.get(printer.pk)
        if maintained is not None:
            return PrinterNotReady(f"{printer.name} is being maintained: {maintained}.", details=details)
        if holder is not None:
            return PlateNotCleared(f"The plate of {printer.name} was not cleared after {holder.code}.", details=details)
        overdue = self.overdue.get(printer.pk)
        if overdue is not None:
            return ServiceOverdue(f"{printer.name} needs a service first: {overdue}.", details=details)
        return None


def group_names(printer_ids: Iterable[int]) -> dict[int, list[str]]:
    """Return the names of the groups of printers, by printer id, in one query."""
    found: dict[int, list[str]] = defaultdict(list)
    rows = PrinterGroup.objects.filter(printers__in=list(printer_ids)).order_by("name")
    for printer_id, name in rows.values_list("printers", "name"):
        found[printer_id].append(name)
    return found


_GROUP_COLUMNS = ("id", "name", "dispatch", "stagger_seconds", "last_start_at")


@dataclass(frozen=True)
class Needs:
    """What jobs need, read for all of them at once."""

    plates: dict[int, Plate]
    filaments: dict[int, tuple[Filament, ...]]

    def fit(self, job: WaitingJob, printer: FleetPrinter, fleet: Fleet) -> Fit | BLB3DError:
        """Return how a job goes onto a printer of the fleet, or why it cannot."""
        details = {"printer_id": printer.pk, "printer": printer.name, "job": job.code}
        plate = self.plates[job.plate_id]
        filaments = self.filaments.get(job.pk, ())
        unsuited = self._unsuited(job, plate, filaments, printer, fleet, details)
        if unsuited is not None:
            return unsuited
        file = plate.files.get(printer.model)
        if file is None:
            return NoFileForModel(f"There is no released print file for {printer.model}.", details=details)
        several = len(filaments) > 1 or (filaments and len(file.filaments) > 1)
        if several and match_filaments([SliceFilament.from_dict(row) for row in file.filaments], filaments) is None:
            details = {**details, "filaments": file.filaments}
            message = f"The print file for {printer.model} uses filaments that {job.code} does not name."
            return NoFileForModel(message, details=details)
        loaded = fleet.slots.get(printer.pk, [])
        slots: dict[int, Loaded] = {}
        missing = []
        for filament in filaments:
            slot = _slot_for(filament, loaded)
            if slot is None:
                row = {"sku": filament.sku, "type": filament.material_type, "color_hex": filament.color_hex}
                missing.append(row)
            else:
                slots[filament.position] = slot
        if missing:
            wanted = ", ".join(f"{row['type'] or row['sku']} {row['color_hex']}".strip() for row in missing)
            details = {**details, "missing": missing}
            return MaterialNotLoaded(f"{printer.name} does not hold {wanted}.", details=details)
        ahead = self._maintenance_ahead(job, printer, fleet, details)
        return ahead or Fit(file, slots)

    @staticmethod
    def _unsuited(
        job: WaitingJob,
        plate: Plate,
        filaments: Sequence[Filament],
        printer: FleetPrinter,
        fleet: Fleet,
        details: dict[str, Any],
    ) -> BLB3DError | None:
        """Return why the printer is not one for this job, whatever is loaded in it, or None."""
        if job.group_id is not None and all(group.pk != job.group_id for group in fleet.groups.get(printer.pk, ())):
            details = {**details, "group": job.group}
            return NotInGroup(f"{job.code} is kept to {job.group}, which {printer.name} is not in.", details=details)
        if plate.printer_models and printer.model not in plate.printer_models:
            return NoFileForModel(f"The plate of {job.code} is not made for {printer.model}.", details=details)
        if not _fits_into(plate, printer):
            return NoFileForModel(f"The plate of {job.code} is too big for {printer.name}.", details=details)
        nozzle = plate.nozzle_diameter_mm
        if nozzle is not None and nozzle != printer.nozzle_diameter_mm:
            message = f"The plate of {job.code} needs a {nozzle} mm nozzle, which {printer.name} has not got."
            return WrongNozzle(message, details={**details, "nozzle_diameter_mm": str(nozzle)})
        lacking = [tag for tag in plate.tags if tag not in printer.tags]
        if lacking:
            message = f"The plate of {job.code} asks for {', '.join(lacking)}, which {printer.name} has not got."
            return TagsMissing(message, details={**details, "tags": lacking})
        limits = fleet.models.get(printer.model)
        if limits is not None and limits.materials:
            for filament in filaments:
                if filament.material_type and filament.material_type.upper() not in limits.materials:
                    message = f"{printer.model} does not print {filament.material_type}."
                    return MaterialNotPrintable(message, details={**details, "type": filament.material_type})
        return None

    @staticmethod
    def _maintenance_ahead(
        job: WaitingJob, printer: FleetPrinter, fleet: Fleet, details: dict[str, Any]
    ) -> MaintenanceAhead | None:
        windows = fleet.windows.get(printer.pk)
        if not windows:
            return None
        ends_at = fleet.at + datetime.timedelta(minutes=float(fleet.minutes_on(printer, job.estimated_minutes)))
        window = windows[0]
        if window.starts_at >= ends_at:
            return None
        start = timezone.localtime(window.starts_at)
        message = (
            f"{job.code} would run into the maintenance of {printer.name} at {start:%Y-%m-%d %H:%M}: {window.reason}."
        )
        return MaintenanceAhead(message, details={**details, "starts_at": window.starts_at.isoformat()})


def load_fleet(*, printer_ids: Iterable[int] | None = None) -> Fleet:
    """Read all printers, or some, in one query, and what there is to know of them in seven more when it is needed."""
    printers = Printer.objects.order_by("name", "id")
    if printer_ids is not None:
        printers = printers.filter(pk__in=list(printer_ids))
    rows = [FleetPrinter._make([*row, tuple(tags)]) for *row, tags in printers.values_list(*FleetPrinter._fields)]
    return Fleet(rows, is_whole=printer_ids is None)


def waiting_jobs(jobs: QuerySet[PrintJob]) -> list[WaitingJob]:
    """Read jobs with their orders, in the query set's order."""
    own = ("id", "code", "dispatch_attempts", "plate_id", "estimated_time_minutes", "refused_by_id", "refused_at")
    order = [f"production_order__{name}" for name in ("id", "code", "status", "is_held", "hold_reason")]
    groups = {
        "kept_to": Coalesce("printer_group", "production_order__printer_group"),
        "kept_to_name": Coalesce("printer_group__name", "production_order__printer_group__name"),
    }
    return [WaitingJob(*row) for row in jobs.annotate(**groups).values_list(*own, *order, *groups)]


def needs_of(jobs: Iterable[WaitingJob]) -> Needs:
    """Read what jobs need: plates, their newest released file for each printer model, and filaments."""
    rows = list(jobs)
    plate_ids = {job.plate_id for job in rows}
    files: dict[int, dict[str, ReleasedFile]] = defaultdict(dict)
    released = PrintFile.objects.filter(plate__in=plate_ids, released_at__isnull=False, withdrawn_at__isnull=True)
    columns = ("plate_id", "printer_model", "id", "file", "filaments")
    for plate_id, model, *file in released.order_by("id").values_list(*columns):
        files[plate_id][model] = ReleasedFile(*file)
    box = ("bbox_x_mm", "bbox_y_mm", "bbox_z_mm")
    asked = ("id", "printer_models", "printer_tags", "nozzle_diameter_mm")
    plates = {
        pk: Plate(models, None if None in size else tuple(size), files[pk], tuple(tags), nozzle)  # type: ignore[arg-type]
        for pk, models, tags, nozzle, *size in ProductPlate.objects.filter(pk__in=plate_ids).values_list(*asked, *box)
    }
    found = PrintJobFilament.objects.filter(job__in=[job.pk for job in rows]).order_by("position")
    material = [f"material__{name}" for name in ("sku", "material_type", "color_hex")]
    filaments: dict[int, tuple[Filament, ...]] = defaultdict(tuple)
    for job_id, *row in found.values_list("job_id", "position", "material_id", *material):
        filaments[job_id] += (Filament(*row),)
    return Needs(plates, filaments)


def _fits_into(plate: Plate, printer: FleetPrinter) -> bool:
    if plate.box is None:
        return True
    # The plate is already arranged: x stays x and y stays y.
    x, y, z = plate.box
    return x <= printer.build_x_mm and y <= printer.build_y_mm and z <= printer.build_z_mm


def _slot_for(filament: Filament, slots: list[Loaded]) -> Loaded | None:
    """Return the slot that holds the very material, else one of its type and colour; a wrong colour never prints."""
    for slot in slots:
        if slot.material_id == filament.material_id:
            return slot
    if not filament.material_type:
        return None
    for slot in slots:
        same_type = slot.material_type.upper() == filament.material_type.upper()
        same_color = not filament.color_hex or slot.color_hex.upper() == filament.color_hex.upper()
        if same_type and same_color:
            return slot
    return None


@dataclass(frozen=True)
class Assignments:
    """Which job should go to which printer now, as (job id, printer id), the most urgent first; each at most once.

    ``automatic`` is sent unasked, ``suggested`` when a person confirms it, ``by_hand`` is started at the machine.
    """

    automatic: list[tuple[int, int]]
    suggested: list[tuple[int, int]]
    by_hand: list[tuple[int, int]]


def waiting_for_dispatch(order: ProductionOrder | None = None) -> QuerySet[PrintJob]:
    """Return the jobs that may be sent, in their order: priority, then due date, then age."""
    waiting = PrintJob.objects.filter(
        status=PrintJob.Status.QUEUED,
        production_order__status__in=PRINTABLE,
        production_order__is_held=False,
        dispatch_attempts__lt=MAX_DISPATCH_ATTEMPTS,
    ).order_by("-priority", Coalesce("production_order__due_date", Value(_NO_DUE_DATE)), "id")
    return waiting if order is None else waiting.filter(production_order=order)


def assignments(*, limit: int = 50, order: ProductionOrder | None = None, automatic_only: bool = False) -> Assignments:
    """Return what should be sent, suggested and started by hand now, in a constant number of queries.

    A fresh schedule says whose turn it is and on which printer; see :func:`_choose`.
    Printers that are dispatched automatically choose first. For one ``order``, which a person starts, every printer
    that takes commands counts as automatic.
    """
    fleet = load_fleet()
    free = [printer for printer in fleet.printers if not printer.is_by_hand and fleet.trouble(printer) is None]
    automatic = [printer for printer in free if order is not None or fleet.is_automatic(printer)]
    suggested, by_hand = [], []
    if not automatic_only:
        suggested = [printer for printer in free if printer not in automatic]
        by_hand = [printer for printer in fleet.printers if printer.is_by_hand and fleet.hand_trouble(printer) is None]
    if not automatic and not suggested and not by_hand:
        return Assignments([], [], [])
    jobs = waiting_jobs(waiting_for_dispatch(order)[:LOOK_AHEAD])
    needs = needs_of(jobs)
    turns = planned_turns(fleet.at) if order is None else {}
    if turns:
        place = {pk: number for number, pk in enumerate(turns)}
        jobs.sort(key=lambda job: place.get(job.pk, len(place)))
    sent = _choose(automatic, jobs, needs, fleet, limit, turns)
    started = _staggered(fleet, [pk for _, pk in sent])
    jobs = [job for job in jobs if job.pk not in dict(sent)]
    offered = _choose([p for p in suggested if p.pk not in started], jobs, needs, fleet, limit, turns)
    jobs = [job for job in jobs if job.pk not in dict(offered)]
    return Assignments(sent, offered, _choose(by_hand, jobs, needs, fleet, limit, turns))


def _staggered(fleet: Fleet, printer_ids: Iterable[int]) -> set[int]:
    """Return the printers that have to wait when these are started."""
    groups = {group.pk for pk in printer_ids for group in fleet.groups.get(pk, ()) if group.stagger_seconds}
    return {pk for pk, own in fleet.groups.items() if any(group.pk in groups for group in own)} if groups else set()


def _choose(
    printers: Sequence[FleetPrinter],
    jobs: Sequence[WaitingJob],
    needs: Needs,
    fleet: Fleet,
    limit: int,
    turns: Mapping[int, Turn],
) -> list[tuple[int, int]]:
    """Give each job in turn a printer that it fits on and no earlier one has: its own by the schedule, else the first.

    A job whose printer by the schedule is busy takes another that is free, unless that one's own turn has come too,
    or it is kept for an urgent job that is about to start there.
    """
    free = list(printers)
    pairs: list[tuple[int, int]] = []
    hopeless: set[Any] = set()
    kept = _kept(free, jobs, needs, fleet, turns)
    for job in jobs:
        if not free or len(pairs) == limit:
            break
        # Printers only become fewer, so what found none before finds none now.
        alike = (job.plate_id, job.group_id, job.estimated_minutes, needs.filaments.get(job.pk))
        if alike in hopeless:
            continue
        fitting = [printer for printer in free if isinstance(needs.fit(job, printer, fleet), Fit)]
        if not fitting:
            hopeless.add(alike)
            continue
        own = turns[job.pk].printer_id if job.pk in turns else None
        fitting.sort(key=lambda printer: printer.pk != own)
        allowed = (printer for printer in fitting if kept.get(printer.pk, job.pk) == job.pk)
        printer = next((printer for printer in allowed if _may_have(job, printer, needs, fleet)), None)
        if printer is None:
            continue
        pairs.append((job.pk, printer.pk))
        started = _staggered(fleet, [printer.pk])
        free = [other for other in free if other is not printer and other.pk not in started]
    return pairs


def _kept(
    printers: Sequence[FleetPrinter],
    jobs: Sequence[WaitingJob],
    needs: Needs,
    fleet: Fleet,
    turns: Mapping[int, Turn],
) -> dict[int, int]:
    """Return the job that each printer is kept for: the first by the schedule that can start there, or is urgent."""
    free = {printer.pk: printer for printer in printers}
    kept: dict[int, int] = {}
    for job in jobs:
        turn = turns.get(job.pk)
        if turn is None or turn.printer_id in kept or turn.printer_id not in free:
            continue
        printer = free[turn.printer_id]
        can_start = isinstance(needs.fit(job, printer, fleet), Fit) and _may_have(job, printer, needs, fleet)
        if can_start or turn.keeps_printer(fleet.at):
            kept[turn.printer_id] = job.pk
    return kept


def _may_have(job: WaitingJob, printer: FleetPrinter, needs: Needs, fleet: Fleet) -> bool:
    """Return whether a job may go to a printer again: one that gave it back lets others go first for a while."""
    if job.refused_by != printer.pk or job.refused_at is None or fleet.at - job.refused_at >= OTHERS_FIRST:
        return True
    return not any(
        isinstance(needs.fit(job, other, fleet), Fit)
        for other in fleet.printers
        if other is not printer
        and other.is_active
        and not other.is_by_hand
        and other.connection == Printer.Connection.ONLINE
    )


def _rows(pairs: Sequence[tuple[int, int]]) -> list[tuple[PrintJob, Printer]]:
    jobs = PrintJob.objects.select_related("plate__product", "production_order").in_bulk([job for job, _ in pairs])
    printers = Printer.objects.in_bulk([printer for _, printer in pairs])
    return [(jobs[job], printers[printer]) for job, printer in pairs if job in jobs and printer in printers]


def plan_dispatch(*, limit: int = 50, order: ProductionOrder | None = None) -> list[tuple[PrintJob, Printer]]:
    """Return which job should be sent to which printer now, best first: priority, then due date, then age.

    Only printers that are ready, cleared and switched to automatic dispatch are given a job, and each at most one. For
    one ``order``, which a person starts, automatic dispatch does not matter.
    """
    pairs = assignments(limit=limit, order=order, automatic_only=True).automatic
    return _rows(pairs) if pairs else []


def dispatch_suggestions(*, limit: int = 50) -> list[tuple[PrintJob, Printer]]:
    """Return which job a person should send to which printer now, best first."""
    pairs = assignments(limit=limit).suggested
    return _rows(pairs) if pairs else []


@dataclass(frozen=True)
class HandStart:
    """A job that a person should start at a read-only printer: which file to take, and whether the printer is heard.

    The printer reports the print under the file's name, by which the job is recognised when it begins.
    """

    job: PrintJob
    printer: Printer
    file_name: str
    print_file_id: int
    is_heard: bool


def hand_starts(*, printer_id: int | None = None, limit: int = 200) -> list[HandStart]:
    """Return the work list of the printers that take no commands, the most urgent first; of one printer if named."""
    pairs = assignments(limit=limit).by_hand
    if printer_id is not None:
        pairs = [pair for pair in pairs if pair[1] == printer_id]
    if not pairs:
        return []
    rows = _rows(pairs)
    plates = {job.plate_id for job, _ in rows}
    released = PrintFile.objects.filter(plate__in=plates, released_at__isnull=False, withdrawn_at__isnull=True)
    files = {
        (plate, model): pk
        for plate, model, pk in released.order_by("id").values_list("plate_id", "printer_model", "id")
    }
    return [
        HandStart(
            job,
            printer,
            f"{job_file_name(job)}.gcode.3mf",
            files[job.plate_id, printer.model],
            printer.connection == Printer.Connection.ONLINE,
        )
        for job, printer in rows
    ]


def job_file_name(job: PrintJob) -> str:
    """Return under which name, without its ending, a job is brought to a printer: its code and what it makes."""
    return re.sub(r"[^A-Za-z0-9_.-]", "_", f"{job.code}_{job.plate.product.sku}")[:120]
