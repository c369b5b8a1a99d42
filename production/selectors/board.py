"""The farm as people see it who walk through it: what each printer does, for whom, until when, and what it waits for.

Everything is read in a constant number of queries, however many printers and jobs there are; what moves from moment to
moment comes from the cache.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.db.models import Count, Max, Q, QuerySet, Sum
from django.utils.dateparse import parse_datetime

from blb3d.core.errors import BLB3DError
from inventory.models import Product
from production.errors import MaterialNotLoaded, StartsStaggered
from production.models import (
    Demand,
    Printer,
    PrinterProblem,
    PrinterSlot,
    PrintJob,
    PrintJobFilament,
    PrintJobPart,
    ScheduleEntry,
)
from production.ports import Figures, newest_figures
from production.selectors.fleet import (
    Fit,
    Fleet,
    FleetPrinter,
    Needs,
    WaitingJob,
    load_fleet,
    needs_of,
    waiting_for_dispatch,
    waiting_jobs,
)
from production.selectors.spools import SpoolWarning, warnings_of

Status = PrintJob.Status

#: How many waiting jobs are looked at to say what an idle printer could print.
_LOOK_AHEAD = 300
#: A figure that is older says nothing about now.
_FRESH = datetime.timedelta(minutes=5)
_UNDER_NDA = "Part under NDA"
_NEVER = datetime.datetime(9999, 1, 1, tzinfo=datetime.UTC)


@dataclass(frozen=True)
class Slot:
    """What hangs in a slot, as a person sees it; ``is_active`` is the one that prints now."""

    tray: int
    color_hex: str
    label: str
    spool: str = ""
    grams: Decimal | None = None
    is_active: bool = False

    @property
    def place(self) -> str:
        """Name the slot as it is written at the machine: ``A1`` to ``D4``, ``Ext`` for the external spool."""
        return tray_name(self.tray)


def tray_name(tray: int) -> str:
    """Return what people call a tray: ``A1`` is the first slot of the first AMS, ``Ext`` the spool at the back."""
    if tray >= 254:
        return "Ext"
    if tray >= 128:
        return f"HT{tray - 127}"
    unit, slot = divmod(tray, 4)
    return f"{chr(ord('A') + unit)}{slot + 1}"


@dataclass
class Tile:
    """One printer on the board.

    ``state`` is a word that the visual language knows (its chip is made of it) and ``label`` what the chip says;
    ``rank`` sorts what needs hands first. ``finish`` is when the print ends, as far as anybody knows. ``names`` are the
    documents and customers it prints for, ``orders`` the same without customers; ``public_products`` is what it prints
    for everybody's eyes, which does not name a part under an NDA.
    """

    printer: Printer
    state: str = "idle"
    label: str = ""
    rank: int = 0
    job: PrintJob | None = None
    products: list[str] = field(default_factory=list)
    public_products: list[str] = field(default_factory=list)
    parts: int = 0
    names: list[str] = field(default_factory=list)
    orders: list[str] = field(default_factory=list)
    percent: int | None = None
    layer: int = 0
    total_layers: int = 0
    finish: datetime.datetime | None = None
    since: datetime.datetime | None = None
    slots: list[Slot] = field(default_factory=list)
    waits_for: str = ""
    problems: list[PrinterProblem] = field(default_factory=list)
    to_count: list[PrintJob] = field(default_factory=list)
    figures: Figures = field(default_factory=dict)

    @property
    def what(self) -> str:
        """What it prints."""
        return ", ".join(self.products)

    @property
    def public_what(self) -> str:
        """What it prints, for everybody's eyes."""
        return ", ".join(self.public_products)

    @property
    def public_waits_for(self) -> str:
        """What it waits for, for everybody's eyes: a file that was not sent from here may be named after a customer."""
        return (
            self.waits_for.replace(f": {self.printer.foreign_job}", "") if self.printer.foreign_job else self.waits_for
        )

    @property
    def needs_hands(self) -> bool:
        """True when a person has something to do there."""
        return self.rank < RANKS["idle"]


#: What needs hands stands first.
RANKS = {"clear": 0, "problem": 1, "paused": 2, "unknown": 3, "blocked": 4, "idle": 5, "printing": 6, "offline": 7}


@dataclass(frozen=True)
class Board:
    """All printers, what needs hands first, and the farm in figures; ``queue_ends`` is None where nothing waits."""

    tiles: list[Tile]
    waiting: int
    waiting_minutes: Decimal
    queue_ends: datetime.datetime | None
    is_planned: bool
    at: datetime.datetime

    @property
    def printing(self) -> int:
        """How many printers print."""
        return sum(tile.job is not None and tile.job.status == Status.PRINTING for tile in self.tiles)

    @property
    def hands(self) -> int:
        """How many printers need hands."""
        return sum(tile.needs_hands for tile in self.tiles)


def farm_board() -> Board:
    """Return the whole farm as it stands."""
    fleet = load_fleet()
    tiles = _tiles(Printer.objects.order_by("name", "id"), fleet)
    tiles.sort(key=_order)
    queued = PrintJob.objects.filter(status=Status.QUEUED)
    totals = queued.aggregate(n=Count("pk"), minutes=Sum("estimated_time_minutes"))
    minutes = totals["minutes"] or Decimal(0)
    ends, is_planned = _queue_ends(tiles, minutes, fleet.at) if totals["n"] else (None, False)
    return Board(tiles, totals["n"], minutes, ends, is_planned, fleet.at)


def printer_tile(printer: Printer) -> Tile:
    """Return one printer as the board shows it."""
    return _tiles(Printer.objects.filter(pk=printer.pk), load_fleet(printer_ids=[printer.pk]))[0]


def _order(tile: Tile) -> tuple[int, datetime.datetime, str]:
    by_time = tile.finish if tile.rank == RANKS["printing"] else tile.since
    return (tile.rank, by_time or _NEVER, tile.printer.name)


def _queue_ends(tiles: Sequence[Tile], minutes: Decimal, now: datetime.datetime) -> tuple[datetime.datetime, bool]:
    """Return when the last planned print ends; without a plan, the work spread evenly over the printers in service."""
    planned = ScheduleEntry.objects.filter(print_job__status=Status.QUEUED).aggregate(end=Max("ends_at"))["end"]
    if planned is not None and planned > now:
        return planned, True
    machines = [tile for tile in tiles if tile.printer.is_active and tile.rank != RANKS["offline"]]
    running = sum((max((tile.finish - now).total_seconds(), 0) for tile in machines if tile.finish), 0.0)
    seconds = (float(minutes) * 60 + running) / max(len(machines), 1)
    return now + datetime.timedelta(seconds=seconds), False


def _tiles(printers: QuerySet[Printer], fleet: Fleet) -> list[Tile]:
    tiles = {printer.pk: Tile(printer) for printer in printers}
    figures = newest_figures(tiles)
    by_pk = {row.pk: row for row in fleet.printers}
    _read_jobs(tiles, fleet)
    _read_problems(tiles)
    _read_slots(tiles, figures)
    for pk, tile in tiles.items():
        tile.figures = _fresh(figures.get(pk), fleet.at)
        _judge(tile, fleet.at)
    _judge_idle([(tile, by_pk[pk]) for pk, tile in tiles.items() if pk in by_pk and not tile.label], fleet)
    for tile in tiles.values():
        if tile.to_count:
            tile.rank = min(tile.rank, RANKS["blocked"])
    return list(tiles.values())


def _fresh(figures: Figures | None, now: datetime.datetime) -> Figures:
    at = parse_datetime(str(figures.get("at", ""))) if figures else None
    return figures if figures and at is not None and now - at < _FRESH else {}


def _read_jobs(tiles: dict[int, Tile], fleet: Fleet) -> None:
    """Give each tile the job that holds its printer, and what lies in its bin to be counted."""
    held = {holder.pk: printer_id for printer_id, holder in fleet.holders.items()}
    ejecting = [pk for pk, tile in tiles.items() if tile.printer.auto_eject]
    in_bin = Q(printer__in=ejecting, status=Status.FINISHED, started_at__isnull=False, cleared_at__isnull=True)
    wanted = Q(pk__in=held) | in_bin if ejecting else Q(pk__in=held)
    jobs = PrintJob.objects.filter(wanted).select_related("plate__product").order_by("id")
    by_pk = {}
    for job in jobs:
        tile = tiles.get(job.printer_id or 0)
        if tile is None:
            continue
        if job.pk in held:
            tile.job = by_pk[job.pk] = job
        else:
            tile.to_count.append(job)
    if not by_pk:
        return
    demands: dict[int, list[str]] = defaultdict(list)
    parts = PrintJobPart.objects.filter(job__in=by_pk)
    for order_id, label in (
        Demand.objects.filter(production_order__in=parts.values("production_order"))
        .order_by("id")
        .values_list("production_order_id", "label")
    ):
        if label and label not in demands[order_id]:
            demands[order_id].append(label)
    columns = (
        "job_id",
        "planned",
        "production_order_id",
        "production_order__code",
        "production_order__product__name",
        "production_order__sales_order__order_number",
        # Of the order's quote, and of the one that the part came from: it is made again, for the shelf and with others.
        "production_order__quote__is_under_nda",
        "production_order__product__quote__is_under_nda",
    )
    for job_id, planned, order_id, code, product, sales_order, *under_nda in parts.order_by("id").values_list(*columns):
        tile = tiles[by_pk[job_id].printer_id or 0]
        tile.parts += planned
        for names, name in (
            (tile.products, product),
            (tile.public_products, _UNDER_NDA if any(under_nda) else product),
        ):
            if name not in names:
                names.append(name)
        tile.orders.append(sales_order or code)
        tile.names += [name for name in demands.get(order_id) or [code] if name not in tile.names]


def _read_problems(tiles: dict[int, Tile]) -> None:
    rows = PrinterProblem.objects.filter(printer__in=tiles, resolved_at__isnull=True).select_related("reported_by")
    for problem in rows.order_by("id"):
        tiles[problem.printer_id].problems.append(problem)


def _read_slots(tiles: dict[int, Tile], figures: dict[int, Figures]) -> None:
    rows = PrinterSlot.objects.filter(printer__in=tiles).select_related("material", "spool").order_by("tray")
    for row in rows:
        kind = row.material.material_type if row.material else row.material_type
        color = row.material.color_name if row.material else ""
        label = f"{kind} {color or (f'#{row.color_hex}' if row.color_hex else '')}".strip()
        if not label:
            continue
        is_active = figures.get(row.printer_id, {}).get("active_tray") == row.tray
        spool = row.spool
        slot = Slot(
            row.tray,
            row.color_hex,
            label,
            spool.label if spool else "",
            spool.remaining_grams if spool else None,
            is_active,
        )
        tiles[row.printer_id].slots.append(slot)


def _judge(tile: Tile, now: datetime.datetime) -> None:
    """Say what a printer does that has a job or cannot be used; one that is free is left for later."""
    printer, job = tile.printer, tile.job
    _measure(tile, now)
    if job is not None:
        _judge_job(tile, job)
    elif not printer.is_active:
        _set(tile, "out_of_service", "Out of service", "offline", waits_for=printer.out_of_service_reason)
    elif printer.foreign_job:
        words = f"A print that was not sent from here: {printer.foreign_job}"
        ended = printer.state in ("FINISH", "FAILED", "IDLE")
        if ended:
            _set(tile, "held", "Clear plate", "clear", waits_for=words, since=printer.state_at)
        else:
            _set(tile, "printing", "Other print", "printing", waits_for=words)
    elif printer.connection != Printer.Connection.ONLINE and printer.write_access != Printer.WriteAccess.NO:
        words = {"refused": "The printer refuses us: is its access code right?"}.get(printer.connection, "")
        label = "Refused" if printer.connection == Printer.Connection.REFUSED else "No connection"
        _set(tile, "offline", label, "offline", waits_for=words, since=printer.last_seen_at)
    if tile.problems:
        tile.rank = min(tile.rank, RANKS["problem"]) if tile.label else tile.rank
        tile.since = tile.since or tile.problems[0].reported_at


def _judge_job(tile: Tile, job: PrintJob) -> None:
    printer = tile.printer
    silent = printer.connection in (Printer.Connection.OFFLINE, Printer.Connection.STALE, Printer.Connection.REFUSED)
    lost = "Not heard any more" if silent and printer.write_access == Printer.WriteAccess.YES else ""
    match job.status:
        case Status.PRINTING:
            if job.cancel_requested_at is not None:
                _set(tile, "held", "Stopping", "printing", since=job.cancel_requested_at)
            else:
                _set(tile, "printing", "Printing", "printing", waits_for=lost, since=job.started_at)
        case Status.SENT:
            _set(tile, "sent", "Starting", "printing", waits_for=lost, since=job.sent_at)
        case Status.PAUSED:
            _set(tile, "paused", "Paused", "paused", waits_for=job.error_text or lost, since=job.updated_at)
        case Status.UNKNOWN:
            words = job.error_text or "Nobody saw how it ended"
            _set(tile, "unknown", "How did it end?", "unknown", waits_for=words, since=job.updated_at)
        case Status.FAILED:
            _set(tile, "failed", "Failed: clear plate", "clear", waits_for=job.error_text, since=job.finished_at)
        case Status.CANCELLED:
            _set(tile, "cancelled", "Stopped: clear plate", "clear", since=job.finished_at)
        case _:
            _set(tile, "held", "Clear plate", "clear", since=job.finished_at)


def _set(
    tile: Tile, state: str, label: str, rank: str, *, waits_for: str = "", since: datetime.datetime | None = None
) -> None:
    tile.state, tile.label, tile.rank, tile.waits_for, tile.since = state, label, RANKS[rank], waits_for, since


def _measure(tile: Tile, now: datetime.datetime) -> None:
    """Take progress and finish from the newest figures where they speak of this job, else from the books."""
    job, figures = tile.job, tile.figures
    if job is None or job.status not in (Status.PRINTING, Status.PAUSED, Status.SENT):
        if job is not None and job.status == Status.FINISHED:
            tile.percent = 100
        return
    tile.percent = min(int(job.progress_percent), 100)
    tile.layer, tile.total_layers = job.current_layer, job.total_layers
    left = job.remaining_minutes
    counted_from = now
    if figures and job.subtask_name and figures.get("job") == job.subtask_name:
        tile.percent = min(int(figures.get("percent") or 0), 100)
        tile.layer, tile.total_layers = figures.get("layer") or 0, figures.get("total_layers") or 0
        left = figures.get("remaining_minutes")
        counted_from = parse_datetime(str(figures["at"])) or now
    if job.status == Status.PRINTING:
        if left is not None:
            tile.finish = counted_from + datetime.timedelta(minutes=left)
        elif job.started_at is not None and job.estimated_time_minutes:
            tile.finish = max(job.started_at + datetime.timedelta(minutes=float(job.estimated_time_minutes)), now)


def _judge_idle(rows: Iterable[tuple[Tile, FleetPrinter]], fleet: Fleet) -> None:
    """Say of each free printer what it will print next, or why it cannot print what waits."""
    free = []
    for tile, printer in rows:
        trouble = fleet.hand_trouble(printer) if printer.is_by_hand else fleet.trouble(printer)
        if trouble is None:
            free.append((tile, printer))
        elif isinstance(trouble, StartsStaggered):
            _set(tile, "ready", "Ready", "idle", waits_for=trouble.message)
        elif printer.pk in fleet.maintenance:
            _set(tile, "held", "Maintenance", "offline", waits_for=fleet.maintenance[printer.pk])
        else:
            _set(tile, "held", "Waits", "blocked", waits_for=trouble.message, since=tile.printer.state_at)
    kinds, needs = _kinds_of_work() if free else ([], Needs({}, {}))
    lacking = {}
    for tile, printer in free:
        refusal = _judge_free(tile, printer, kinds, needs, fleet)
        if refusal is not None:
            lacking[printer.pk] = (tile, refusal)
    _name_materials(lacking.values())
    for tile, _ in rows:
        if tile.problems:
            tile.rank = min(tile.rank, RANKS["problem"])


def _kinds_of_work() -> tuple[list[WaitingJob], Needs]:
    """Return the first job of each kind that waits: of the same plate, group and filaments one speaks for all."""
    jobs = waiting_jobs(waiting_for_dispatch()[:_LOOK_AHEAD])
    needs = needs_of(jobs)
    kinds: dict[Any, WaitingJob] = {}
    for job in jobs:
        kinds.setdefault((job.plate_id, job.group_id, needs.filaments.get(job.pk)), job)
    return list(kinds.values()), needs


def _judge_free(
    tile: Tile, printer: FleetPrinter, kinds: Sequence[WaitingJob], needs: Needs, fleet: Fleet
) -> MaterialNotLoaded | None:
    """Say what a free printer prints next; return the refusal where only the right filament is missing."""
    first: BLB3DError | None = None
    lacking: MaterialNotLoaded | None = None
    for job in kinds:
        answer = needs.fit(job, printer, fleet)
        if isinstance(answer, Fit):
            is_automatic = not printer.is_by_hand and fleet.is_automatic(printer)
            how = (
                ""
                if is_automatic
                else ". Start it at the machine"
                if printer.is_by_hand
                else ". Somebody must start it"
            )
            _set(tile, "ready", "Ready", "idle" if is_automatic else "blocked", waits_for=f"Next: {job.code}{how}")
            return None
        first = first or answer
        if lacking is None and isinstance(answer, MaterialNotLoaded):
            lacking = answer
    since = tile.printer.state_at
    if first is None:
        _set(tile, "idle", "Idle", "idle", waits_for="Nothing waits", since=since)
    elif lacking is not None:
        _set(tile, "held", "Needs filament", "blocked", waits_for=lacking.message, since=since)
    else:
        _set(tile, "held", "Cannot take what waits", "blocked", waits_for=first.message, since=since)
    return lacking


def _name_materials(rows: Iterable[tuple[Tile, MaterialNotLoaded]]) -> None:
    """Say which filament to load as it is written on the reel."""
    lacking = [(tile, [row["sku"] for row in refusal.details.get("missing", [])]) for tile, refusal in rows]
    wanted = {sku for _, skus in lacking for sku in skus}
    if not wanted:
        return
    names = {
        sku: f"{kind} {color}".strip()
        for sku, kind, color in Product.objects.filter(sku__in=wanted).values_list("sku", "material_type", "color_name")
    }
    for tile, skus in lacking:
        tile.waits_for = f"Load {' and '.join(names.get(sku) or sku for sku in skus)}"


@dataclass(frozen=True)
class NextJob:
    """A waiting job that a printer could print now; ``warnings`` say which reels may not hold enough for it."""

    job: PrintJob
    warnings: tuple[SpoolWarning, ...] = ()


def next_jobs(printer: Printer, *, limit: int = 3) -> list[NextJob]:
    """Return the first waiting jobs that the printer could print now; nothing while it cannot."""
    fleet = load_fleet(printer_ids=[printer.pk])
    if not fleet.printers:
        return []
    own = fleet.printers[0]
    if (fleet.hand_trouble(own) if own.is_by_hand else fleet.trouble(own)) is not None:
        return []
    jobs = waiting_jobs(waiting_for_dispatch()[:_LOOK_AHEAD])
    needs = needs_of(jobs)
    found: dict[int, Fit] = {}
    for job in jobs:
        answer = needs.fit(job, own, fleet)
        if isinstance(answer, Fit):
            found[job.pk] = answer
            if len(found) == limit:
                break
    rows = PrintJob.objects.select_related("plate__product").in_bulk(found)
    grams: dict[int, dict[int, Decimal]] = defaultdict(dict)
    for row in PrintJobFilament.objects.filter(job__in=found):
        grams[row.job_id][row.position] = row.planned_grams
    slots = list(PrinterSlot.objects.filter(printer=printer).select_related("spool").order_by("tray"))
    return [
        NextJob(rows[pk], tuple(warnings_of(grams[pk], {at: slot.tray for at, slot in fit.slots.items()}, slots)))
        for pk, fit in found.items()
        if pk in rows
    ]
