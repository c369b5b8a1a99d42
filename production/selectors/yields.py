"""What came out good, what was lost and why, and what the losses cost: by printer, material, product, defect or time.

Two kinds of news make it: plates that were counted in the period, and reports of operations after printing in it.
Parts are counted, also after printing: a unit of two plates is two parts. A loss costs its share of the filament at
the cost of its lots, of the printer's minutes at its hourly rate, and of the minutes worked at the work center's.
"""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import DecimalField, F, OuterRef, Q, Subquery, Sum, Value
from django.db.models.functions import Coalesce
from django.utils import timezone

from blb3d.core.errors import InvalidValue
from blb3d.core.money import round_money
from production.models import DefectReason, OperationReport, PrintJobFilament, PrintJobPart
from production.models import ProductionOrderMaterial as Material

_ZERO = Decimal(0)

#: By what losses may be grouped, and what people call it.
GROUPS = {
    "printer": "Printer",
    "material": "Material",
    "product": "Product",
    "defect": "Defect",
    "day": "Day",
    "week": "Week of",
    "month": "Month",
}
#: No report reads more than a year of plates.
MOST_DAYS = 366
USUAL_DAYS = 30
NOT_NAMED = "Not named"


@dataclass
class YieldRow:
    """Parts and money of one group.

    ``printed`` parts lay on plates that were counted: ``good``, ``scrap``, and the rest was never made (``missing``).
    ``scrap_after`` were good then and lost at an operation or inspection; ``rework`` is how often one was done again.
    ``cost`` is what all that was lost had cost.
    """

    key: str
    label: str
    printed: int = 0
    good: int = 0
    scrap: int = 0
    missing: int = 0
    scrap_after: int = 0
    rework: int = 0
    cost: Decimal = _ZERO

    @property
    def lost(self) -> int:
        """Parts that were begun and came to nothing."""
        return self.scrap + self.missing + self.scrap_after

    @property
    def yield_percent(self) -> Decimal | None:
        """Good parts of those printed, in percent with one decimal; None where nothing was printed."""
        if not self.printed:
            return None
        share = Decimal(max(self.good - self.scrap_after, 0)) / self.printed * 100
        return share.quantize(Decimal("0.1"))


@dataclass(frozen=True)
class YieldFilter:
    """What to look at: a period of whole days, both included, and where given one printer, material, product, defect.

    A printer leaves out what was lost after printing, which no printer did.
    """

    start: datetime.date
    end: datetime.date
    by: str = "printer"
    printer_id: int | None = None
    material_id: int | None = None
    product_id: int | None = None
    defect: str = ""

    def __post_init__(self) -> None:
        """Refuse what makes no report.

        Raises:
            InvalidValue: the grouping is unknown, or the period ends before it begins or is longer than a year.
        """
        if self.by not in GROUPS:
            raise InvalidValue("Unknown grouping.", details={"field": "by", "known": list(GROUPS)})
        if not 0 <= (self.end - self.start).days <= MOST_DAYS:
            raise InvalidValue(
                f"The period ends on or after the day it begins and is at most {MOST_DAYS} days long.",
                details={"from": self.start.isoformat(), "to": self.end.isoformat()},
            )

    @classmethod
    def of_days(cls, start: datetime.date | None, end: datetime.date | None, **rest: Any) -> YieldFilter:
        """Return a filter over a period; where an end of it is not given, it is the last thirty days."""
        end = end or timezone.localdate()
        return cls(start or end - datetime.timedelta(days=USUAL_DAYS - 1), end, **rest)

    @property
    def moments(self) -> tuple[datetime.datetime, datetime.datetime]:
        """First moment of the first day, and of the day after the last one, in the farm's time."""
        midnight = datetime.time()
        zone = timezone.get_current_timezone()
        after = self.end + datetime.timedelta(days=1)
        return tuple(timezone.make_aware(datetime.datetime.combine(day, midnight), zone) for day in (self.start, after))  # type: ignore[return-value]


@dataclass(frozen=True)
class YieldReport:
    """The rows with what cost most first (days in their order), and their sum."""

    rows: list[YieldRow]
    total: YieldRow


@dataclass
class _Loss:
    """Something that was counted: where it belongs, and how much of it was good and lost."""

    at: datetime.datetime
    product: tuple[int, str]
    material: tuple[int, str] | None
    printer: tuple[int, str] | None
    place: str
    defect: int | None
    counts: dict[str, int] = field(default_factory=dict)
    cost: Decimal = _ZERO


def yield_report(wanted: YieldFilter) -> YieldReport:
    """Return what was made and lost in a period, in a constant number of queries.

    Raises:
        InvalidValue: there is no such defect.
    """
    names = {row.pk: row for row in DefectReason.all_objects.all()}
    if wanted.defect and wanted.defect not in {row.code for row in names.values()}:
        raise InvalidValue("There is no such defect.", details={"field": "defect"})
    rows: dict[str, YieldRow] = {}
    total = YieldRow("", "All")
    for loss in (*_printing(wanted), *_after_printing(wanted)):
        if wanted.material_id is not None and (loss.material is None or loss.material[0] != wanted.material_id):
            continue
        reason = names.get(loss.defect or 0)
        if wanted.defect and (reason is None or reason.code != wanted.defect):
            continue
        targets = [total]
        if wanted.by != "defect" or any(loss.counts.get(name) for name in _LOSSES):
            key, label = _group(loss, reason, wanted.by)
            targets.append(rows.setdefault(key, YieldRow(key, label)))
        for target in targets:
            for name, value in loss.counts.items():
                setattr(target, name, getattr(target, name) + value)
            target.cost += loss.cost
    for row in (*rows.values(), total):
        row.cost = round_money(row.cost)
    by_time = wanted.by in {"day", "week", "month"}
    return YieldReport(
        sorted(rows.values(), key=lambda row: row.key if by_time else (-row.cost, -row.lost, row.label)), total
    )


_LOSSES = ("scrap", "missing", "scrap_after", "rework")
#: What a report's columns are, for files: the row's names in their order.
COLUMNS = (*(item.name for item in fields(YieldRow) if item.name not in {"key"}), "lost", "yield_percent")


def _group(loss: _Loss, reason: DefectReason | None, by: str) -> tuple[str, str]:
    if by == "printer":
        return (str(loss.printer[0]), loss.printer[1]) if loss.printer else (f"at {loss.place}", loss.place)
    if by == "material":
        return (str(loss.material[0]), loss.material[1]) if loss.material else ("", NOT_NAMED)
    if by == "product":
        return str(loss.product[0]), loss.product[1]
    if by == "defect":
        return (reason.code, reason.name) if reason else ("", NOT_NAMED)
    day = timezone.localdate(loss.at)
    if by == "week":
        day -= datetime.timedelta(days=day.weekday())
    if by == "month":
        return f"{day:%Y-%m}", f"{day:%Y-%m}"
    return day.isoformat(), day.isoformat()


@dataclass
class _Part:
    """One order's parts on one counted plate, with what they cost."""

    job: int
    order: int
    plate: int
    product: tuple[int, str]
    printer: tuple[int, str] | None
    at: datetime.datetime
    planned: int
    good: int
    scrap: int
    defect: int | None
    cost: Decimal


def _parts(chosen: Q) -> list[_Part]:
    """Return counted parts with their share of filament and machine time, in two queries."""
    chosen &= Q(job__cleared_at__isnull=False, job__started_at__isnull=False, job__deleted_at__isnull=True)
    rows = PrintJobPart.objects.filter(chosen).order_by()
    filament: dict[tuple[int, int], Decimal] = defaultdict(Decimal)
    used = Material.objects.filter(print_job__parts__in=rows.values("pk"), filament_position__isnull=False)
    amounts = used.order_by().values_list("pk", "print_job_id", "production_order_id", "quantity_used", "unit_cost")
    for _, job, order, quantity, unit_cost in amounts.distinct():
        filament[job, order] += quantity * unit_cost
    # On a mixed plate a part takes its own minutes of the print, else all parts take the same.
    weight = F("planned") * Coalesce(F("minutes_each"), Value(Decimal(1)), output_field=DecimalField())
    on_plate = PrintJobPart.objects.filter(job=OuterRef("job")).order_by().values("job")
    columns = (
        "job_id", "production_order_id", "source", "production_order__product_id",
        "production_order__product__sku", "job__printer_id", "job__printer__name", "job__printer__hourly_rate",
        "job__cleared_at", "job__started_at", "job__finished_at", "job__actual_time_minutes", "planned", "good",
        "scrap", "weight", "on_plate",
    )  # fmt: skip
    usual = Decimal(settings.MACHINE_HOURLY_RATE)  # type: ignore[misc]
    found = []
    for row in rows.annotate(
        source=Coalesce("plate_id", "job__plate_id"),
        weight=weight,
        on_plate=Subquery(on_plate.annotate(parts=Sum(weight)).values("parts"), output_field=DecimalField()),
        why=F("defect_id"),
        why_failed=F("job__defect_id"),
    ).values_list(*columns, "why", "why_failed"):
        (job, order, plate, product, sku, printer, name, rate, at, began, ended, minutes, planned, good, scrap,
         own, together, why, why_failed) = row  # fmt: skip
        if minutes is None:
            minutes = max(Decimal(int((ended - began).total_seconds())) / 60, _ZERO) if ended else _ZERO
        share = own / together if together else _ZERO
        machine = minutes / 60 * (usual if rate is None else rate) * share
        found.append(
            _Part(
                job,
                order,
                plate,
                (product, sku),
                (printer, name) if printer else None,
                at,
                planned,
                good,
                scrap,
                why or why_failed,
                filament[job, order] + machine,
            )
        )
    return found


def _main_materials(jobs: Q) -> dict[int, tuple[int, str]]:
    """Return the material of which each job takes most."""
    rows = PrintJobFilament.objects.filter(jobs).order_by("planned_grams", "-position")
    columns = ("job_id", "material_id", "material__sku")
    return {job: (material, sku) for job, material, sku in rows.values_list(*columns)}


def _printing(wanted: YieldFilter) -> Iterator[_Loss]:
    start, end = wanted.moments
    cleared = Q(job__cleared_at__gte=start, job__cleared_at__lt=end)
    chosen = cleared
    if wanted.printer_id is not None:
        chosen &= Q(job__printer=wanted.printer_id)
    if wanted.product_id is not None:
        chosen &= Q(production_order__product=wanted.product_id)
    materials = _main_materials(cleared)
    for part in _parts(chosen):
        lost = part.planned - part.good
        yield _Loss(
            part.at,
            part.product,
            materials.get(part.job),
            part.printer,
            "No printer",
            part.defect if lost else None,
            {"printed": part.planned, "good": part.good, "scrap": part.scrap, "missing": lost - part.scrap},
            part.cost * lost / part.planned,
        )


def _after_printing(wanted: YieldFilter) -> Iterator[_Loss]:
    if wanted.printer_id is not None:
        return
    start, end = wanted.moments
    reports = OperationReport.objects.filter(reported_at__gte=start, reported_at__lt=end)
    reports = reports.filter(Q(scrap__gt=0) | Q(rework__gt=0))
    if wanted.product_id is not None:
        reports = reports.filter(operation__production_order__product=wanted.product_id)
    columns = (
        "reported_at", "operation__production_order_id", "operation__production_order__product_id",
        "operation__production_order__product__sku", "operation__work_center__name",
        "operation__work_center__hourly_rate", "defect_id", "good", "scrap", "rework", "minutes",
    )  # fmt: skip
    rows = list(reports.order_by("id").values_list(*columns))
    orders = {row[1] for row in rows}
    whole = _Whole(_parts(Q(production_order__in=orders)))
    materials = _main_materials(Q(job__parts__production_order__in=orders))
    for at, order, product, sku, center, rate, defect, good, scrap, rework, minutes in rows:
        worked = minutes / 60 * rate
        yield _Loss(
            at,
            (product, sku),
            materials.get(whole.jobs.get(order, 0)),
            None,
            center,
            defect,
            {"scrap_after": scrap * whole.plates(order), "rework": rework * whole.plates(order)},
            whole.unit_cost(order) * scrap + worked * (scrap + rework) / (good + scrap + rework),
        )


class _Whole:
    """What a good unit of each order cost to print."""

    def __init__(self, parts: Iterable[_Part]) -> None:
        self.jobs: dict[int, int] = {}
        self._good: dict[int, dict[int, int]] = defaultdict(lambda: defaultdict(int))
        self._cost: dict[int, Decimal] = defaultdict(Decimal)
        for part in parts:
            self.jobs.setdefault(part.order, part.job)
            self._good[part.order][part.plate] += part.good
            self._cost[part.order] += part.cost * part.good / part.planned

    def plates(self, order: int) -> int:
        """Return of how many plates a unit is made."""
        return len(self._good[order]) or 1

    def unit_cost(self, order: int) -> Decimal:
        """Return filament and machine time of one good unit."""
        units = min(self._good[order].values(), default=0)
        return self._cost[order] / units if units else _ZERO
