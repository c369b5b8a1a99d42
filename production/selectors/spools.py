"""Whether what hangs in a printer is enough: for a job before it is sent, and against what the reels' tags tell."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings

from blb3d.core.units import round_quantity
from inventory.models import Spool
from inventory.selectors import drying_states
from production.models import Printer, PrinterSlot, PrintJob, PrintJobFilament


@dataclass(frozen=True)
class SpoolWarning:
    """A filament of a job that may run out: what it needs, what hangs there, and what other slots hold of the same.

    All in grams. ``backup_grams`` counts only where a printer changes over by itself, which is the printer's setting.
    """

    position: int
    tray: int
    spool: str
    needed_grams: Decimal
    left_grams: Decimal
    backup_grams: Decimal

    @property
    def is_short(self) -> bool:
        """True where not even the other slots hold enough: the job will stop for filament."""
        return self.left_grams + self.backup_grams < self.needed_grams

    def __str__(self) -> str:
        word = "will run out" if self.is_short else "will go on from another tray"
        return (
            f"tray {self.tray} ({self.spool}) holds {self.left_grams.normalize():f} g of the "
            f"{self.needed_grams.normalize():f} g that are needed: it {word}"
        )


def spool_warnings(job: PrintJob, printer: Printer) -> list[SpoolWarning]:
    """Return where the reels in a printer do not hold what a job takes; nothing for slots whose reel nobody knows.

    A job that was sent is looked at by the trays it was given, one that waits by those it would be given now. Reads
    two tables. For a whole fleet, read once and ask :func:`warnings_of`.
    """
    rows = list(PrintJobFilament.objects.filter(job=job).select_related("material").order_by("position"))
    slots = list(PrinterSlot.objects.filter(printer=printer).select_related("spool__lot").order_by("tray"))
    chosen = {row.position: _tray_for(row, slots) for row in rows}
    needs = {row.position: row.planned_grams for row in rows}
    return warnings_of(needs, {position: tray for position, tray in chosen.items() if tray is not None}, slots)


def _tray_for(row: PrintJobFilament, slots: Sequence[PrinterSlot]) -> int | None:
    """Return the tray that a filament has, or the first one that holds its material."""
    if row.tray is not None:
        return row.tray
    return next((slot.tray for slot in slots if slot.material_id == row.material_id), None)


def warnings_of(
    needs: Mapping[int, Decimal], trays: Mapping[int, int], slots: Sequence[PrinterSlot]
) -> list[SpoolWarning]:
    """Return the warnings for needs in grams by position and the trays they are met from; reads nothing.

    ``slots`` are those of one printer with their reels. Several filaments from one tray count together, and so does
    what must stay on a reel (``SPOOL_RESERVE_GRAMS``). Dispatch asks this where ``SPOOL_SHORT_BLOCKS`` is on: a job
    with a warning that ``is_short`` is then not sent by itself.
    """
    by_tray = {slot.tray: slot for slot in slots}
    wanted: dict[int, Decimal] = defaultdict(Decimal)
    first: dict[int, int] = {}
    for position, tray in sorted(trays.items()):
        wanted[tray] += needs.get(position, Decimal(0))
        first.setdefault(tray, position)
    found = []
    for tray, grams in wanted.items():
        slot = by_tray.get(tray)
        if slot is None or slot.spool is None:
            continue
        needed = round_quantity(grams + settings.SPOOL_RESERVE_GRAMS)
        left = slot.spool.remaining_grams
        if left >= needed:
            continue
        backup = _backup(slot, [other for other in slots if other.tray not in wanted])
        found.append(SpoolWarning(first[tray], tray, slot.spool.label, needed, left, backup))
    return found


def _backup(slot: PrinterSlot, others: Iterable[PrinterSlot]) -> Decimal:
    """Return what other slots hold of the same material in the same colour."""
    same = (
        other.spool.remaining_grams
        for other in others
        if other.spool is not None
        and (other.material_id, other.color_hex.upper()) == (slot.material_id, slot.color_hex.upper())
    )
    return sum(same, Decimal(0))


@dataclass(frozen=True)
class SpoolNotice:
    """A reel whose tag tells another remainder than the books, both in percent; a weigh-in says which is right."""

    spool: Spool
    printer_id: int
    tray: int
    tag_percent: int
    booked_percent: Decimal

    def __str__(self) -> str:
        return f"{self.spool.label}: its tag tells {self.tag_percent} %, the books {self.booked_percent:.0f} %"


def spool_notices(spools: Iterable[Spool] | None = None) -> list[SpoolNotice]:
    """Return the loaded reels, all or of these, that differ by more than ``SPOOL_NOTICE_PERCENT``; one query.

    Nothing is booked by it: a tag counts what was fed, not what was weighed.
    """
    slots = PrinterSlot.objects.filter(spool__isnull=False, remain_percent__isnull=False, full_grams__gt=0)
    if spools is not None:
        slots = slots.filter(spool__in=list(spools))
    found = []
    for slot in slots.select_related("spool").order_by("printer_id", "tray"):
        assert slot.spool is not None
        assert slot.remain_percent is not None
        booked = remain_differs(slot.spool.remaining_grams, slot.remain_percent, slot.full_grams)
        if booked is not None:
            found.append(SpoolNotice(slot.spool, slot.printer_id, slot.tray, slot.remain_percent, booked))
    return found


def remain_differs(grams: Decimal, remain: int, full_grams: int) -> Decimal | None:
    """Return what the books have of a reel, in percent, where its tag tells something else by more than is usual."""
    booked = 100 * grams / full_grams
    return booked if abs(booked - remain) > settings.SPOOL_NOTICE_PERCENT else None


def wet_spools(printer: Printer) -> set[str]:
    """Return the labels of the reels in a printer that lay open longer than their material may; two queries at most."""
    loaded = Spool.objects.filter(slots__printer=printer, lot__product__is_hygroscopic=True)
    rows = list(loaded.select_related("lot__product"))
    states = drying_states(rows) if rows else {}
    return {state.spool.label for state in states.values() if state.is_due}


def unknown_reels() -> list[PrinterSlot]:
    """Return the slots with a tag that no reel here has, for a person to match; one query."""
    slots = PrinterSlot.objects.filter(spool__isnull=True).exclude(tag_uid="", tray_uuid="")
    return list(slots.select_related("printer", "material").order_by("printer__name", "tray"))
