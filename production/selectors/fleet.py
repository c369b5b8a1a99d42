"""The printers as they stand, which job fits which of them, and what should be sent next.

All of it works on rows that were read before, in a constant number of queries however many jobs and printers there
are. Reasons are given as the errors that ``dispatch_job`` would raise, so that a refusal and a waiting reason agree.
"""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from django.db.models import Prefetch, Q, QuerySet, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from blb3d.core.errors import BLB3DError
from inventory.models import PrintFile, ProductPlate
from production.errors import MaterialNotLoaded, NoFileForModel, OrderHeld, PlateNotCleared, PrinterNotReady
from production.models import (
    MaintenanceWindow,
    Printer,
    PrinterSlot,
    PrintJob,
    PrintJobFilament,
    ProductionOrder,
)

#: A job that was sent so often and never began waits for a person.
MAX_DISPATCH_ATTEMPTS = 3
#: How many waiting jobs one round looks at.
LOOK_AHEAD = 2000
#: In these a production order's jobs are printed.
PRINTABLE = (ProductionOrder.Status.QUEUED, ProductionOrder.Status.PRINTING)

_NO_DUE_DATE = datetime.date(9999, 12, 31)


@dataclass(frozen=True)
class Fit:
    """How a job goes onto a printer: with which file, each filament (by position) from which slot."""

    print_file: PrintFile
    slots: dict[int, PrinterSlot]


@dataclass
class Fleet:
    """Printers with their slots, and what keeps each of them from taking a job."""

    printers: list[Printer]
    #: The job that holds the printer or lies on its plate, by printer.
    holders: dict[int, PrintJob] = field(default_factory=dict)
    maintenance: dict[int, MaintenanceWindow] = field(default_factory=dict)

    @cached_property
    def kinds(self) -> dict[int, tuple[Any, ...]]:
        """Return what :func:`fit` looks at, by printer: printers with the same answer all jobs the same."""
        return {
            printer.pk: (
                printer.model,
                (printer.build_x_mm, printer.build_y_mm, printer.build_z_mm),
                tuple((slot.material_id, slot.material_type, slot.color_hex) for slot in printer.slots.all()),
            )
            for printer in self.printers
        }

    def trouble(self, printer: Printer) -> BLB3DError | None:
        """Return why the printer can take no job now, or None."""
        holder = self.holders.get(printer.pk)
        details = {"printer_id": printer.pk, "printer": printer.name, "job": holder.code if holder else None}
        if holder is not None and holder.status in PrintJob.ACTIVE:
            return PrinterNotReady(f"{printer.name} is busy with {holder.code}.", details=details)
        if not printer.is_active:
            why = printer.out_of_service_reason or "out of service"
            return PrinterNotReady(f"{printer.name} is out of service: {why}.", details=details)
        if printer.write_access == Printer.WriteAccess.NO:
            return PrinterNotReady(f"{printer.name} takes no commands: start it at the machine.", details=details)
        window = self.maintenance.get(printer.pk)
        if window is not None:
            return PrinterNotReady(f"{printer.name} is being maintained: {window.reason}.", details=details)
        if holder is not None:
            return PlateNotCleared(f"The plate of {printer.name} was not cleared after {holder.code}.", details=details)
        if not printer.is_ready:
            what = printer.foreign_job or printer.state or "no state known"
            return PrinterNotReady(f"{printer.name} is not ready: {printer.connection}, {what}.", details=details)
        return None


def load_fleet(*, printer_ids: Iterable[int] | None = None, at: datetime.datetime | None = None) -> Fleet:
    """Read all printers, or some, in four queries."""
    at = at or timezone.now()
    printers = Printer.objects.order_by("name", "id")
    if printer_ids is not None:
        printers = printers.filter(pk__in=list(printer_ids))
    slots = PrinterSlot.objects.select_related("material", "spool").order_by("tray")
    fleet = Fleet(list(printers.prefetch_related(Prefetch("slots", slots))))
    known = [printer.pk for printer in fleet.printers]
    may_lie = Q(status__in=PrintJob.ACTIVE) | Q(started_at__isnull=False)
    on_plate = PrintJob.objects.filter(may_lie, printer__in=known, cleared_at__isnull=True).order_by("id")
    for job in on_plate:
        held = fleet.holders.get(job.printer_id)
        if job.occupies_plate and (held is None or held.status not in PrintJob.ACTIVE):
            fleet.holders[job.printer_id] = job
    windows = MaintenanceWindow.objects.filter(printer__in=known, starts_at__lte=at, ends_at__gt=at)
    fleet.maintenance = {window.printer_id: window for window in windows}
    return fleet


def jobs_for_matching(jobs: QuerySet[PrintJob]) -> QuerySet[PrintJob]:
    """Add what :func:`fit` reads: order, plate, filaments, released files (newest first)."""
    released = PrintFile.objects.filter(released_at__isnull=False, withdrawn_at__isnull=True).order_by("-id")
    return jobs.select_related("production_order", "plate__product").prefetch_related(
        Prefetch("filaments", PrintJobFilament.objects.select_related("material").order_by("position")),
        Prefetch("plate__print_files", released),
    )


def order_trouble(order: ProductionOrder) -> BLB3DError | None:
    """Return why no job of the order may be sent, or None."""
    details = {"production_order_id": order.pk, "code": order.code, "status": order.status}
    if order.is_held:
        return OrderHeld(f"{order.code} is held: {order.hold_reason}".rstrip(": ") + ".", details=details)
    if order.status not in PRINTABLE:
        return OrderHeld(f"{order.code} is {order.get_status_display()}.", details=details)
    return None


def fit(job: PrintJob, printer: Printer) -> Fit | BLB3DError:
    """Return how a job of :func:`jobs_for_matching` goes onto a printer of a fleet, or why it cannot."""
    details = {"printer_id": printer.pk, "printer": printer.name, "job": job.code}
    plate = job.plate
    if plate.printer_models and printer.model not in plate.printer_models:
        return NoFileForModel(f"The plate of {job.code} is not made for {printer.model}.", details=details)
    if not _fits_into(plate, printer):
        return NoFileForModel(f"The plate of {job.code} is too big for {printer.name}.", details=details)
    files = [file for file in plate.print_files.all() if file.printer_model == printer.model]
    if not files:
        return NoFileForModel(f"There is no released print file for {printer.model}.", details=details)
    slots: dict[int, PrinterSlot] = {}
    missing = []
    for filament in job.filaments.all():
        slot = _slot_for(filament, printer)
        if slot is None:
            material = filament.material
            missing.append({"sku": material.sku, "type": material.material_type, "color_hex": material.color_hex})
        else:
            slots[filament.position] = slot
    if missing:
        wanted = ", ".join(f"{row['type'] or row['sku']} {row['color_hex']}".strip() for row in missing)
        return MaterialNotLoaded(f"{printer.name} does not hold {wanted}.", details={**details, "missing": missing})
    return Fit(files[0], slots)


def _fits_into(plate: ProductPlate, printer: Printer) -> bool:
    if plate.bbox_x_mm is None or plate.bbox_y_mm is None or plate.bbox_z_mm is None:
        return True
    # The plate is already arranged: x stays x and y stays y.
    return (
        plate.bbox_x_mm <= printer.build_x_mm
        and plate.bbox_y_mm <= printer.build_y_mm
        and plate.bbox_z_mm <= printer.build_z_mm
    )


def _slot_for(filament: PrintJobFilament, printer: Printer) -> PrinterSlot | None:
    """Return the slot that holds the very material, else one of its type and colour; a wrong colour never prints."""
    material = filament.material
    slots = list(printer.slots.all())
    for slot in slots:
        if slot.material_id == material.pk:
            return slot
    if not material.material_type:
        return None
    for slot in slots:
        same_type = slot.material_type.upper() == material.material_type.upper()
        same_color = not material.color_hex or slot.color_hex.upper() == material.color_hex.upper()
        if same_type and same_color:
            return slot
    return None


def plan_dispatch(*, limit: int = 50, order: ProductionOrder | None = None) -> list[tuple[PrintJob, Printer]]:
    """Return which job should go to which printer now, best first: priority, then due date, then age.

    Only printers that are ready, cleared and switched to automatic dispatch are given a job, and each at most one. For
    one ``order``, which a person starts, automatic dispatch does not matter.
    """
    fleet = load_fleet()
    free = [
        printer
        for printer in fleet.printers
        if (printer.auto_dispatch or order is not None) and fleet.trouble(printer) is None
    ]
    if not free:
        return []
    waiting = (
        jobs_for_matching(PrintJob.objects.filter(status=PrintJob.Status.QUEUED))
        .filter(
            production_order__status__in=PRINTABLE,
            production_order__is_held=False,
            dispatch_attempts__lt=MAX_DISPATCH_ATTEMPTS,
        )
        .order_by("-priority", Coalesce("production_order__due_date", Value(_NO_DUE_DATE)), "id")
    )
    if order is not None:
        waiting = waiting.filter(production_order=order)
    pairs: list[tuple[PrintJob, Printer]] = []
    for job in waiting[:LOOK_AHEAD]:
        printer = next((candidate for candidate in free if isinstance(fit(job, candidate), Fit)), None)
        if printer is None:
            continue
        pairs.append((job, printer))
        free.remove(printer)
        if not free or len(pairs) == limit:
            break
    return pairs
