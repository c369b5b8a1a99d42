"""How far production orders are, counted from what lies and lay on their plates."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Coalesce

from inventory.models import ProductPlate
from production.models import PrintJob, PrintJobPart, ProductionOperation, ProductionOrder

#: In these a job's parts are still expected to come.
_COMING = (
    PrintJob.Status.QUEUED,
    PrintJob.Status.SENT,
    PrintJob.Status.PRINTING,
    PrintJob.Status.PAUSED,
    PrintJob.Status.UNKNOWN,
)
_ENDED = (PrintJob.Status.FINISHED, PrintJob.Status.FAILED, PrintJob.Status.CANCELLED)


@dataclass(frozen=True)
class Progress:
    """Complete units of an order: wanted, printed (the machine says so), good (a person says so), scrapped parts."""

    total: int
    printed: int
    good: int
    scrapped: int
    missing: int


@dataclass
class PlateCounts:
    """Parts of one plate of one order, over all its jobs."""

    good: int = 0
    scrap: int = 0
    #: Printed by the machine, counted or not.
    printed: int = 0
    #: On jobs that are waiting, running, or over but not counted.
    expected: int = 0
    #: Of those, on jobs that were not sent yet.
    waiting: int = 0

    @property
    def begun(self) -> int:
        """Parts that are good, or were sent to a printer and not counted yet: they cannot be taken back."""
        return self.good + self.expected - self.waiting


def count_plates(production_order_ids: Iterable[int]) -> dict[int, dict[int, PlateCounts]]:
    """Return the counts by order and plate in one query."""
    rows = (
        PrintJobPart.objects.filter(production_order__in=list(production_order_ids), job__deleted_at__isnull=True)
        .annotate(made_on=Coalesce("plate", "job__plate"))
        .values_list(
            "production_order_id",
            "made_on",
            "job__status",
            "job__cleared_at",
            "job__started_at",
            "planned",
            "good",
            "scrap",
        )
        .order_by()
    )
    return _counted(rows)


_Row = tuple[int, int, str, datetime.datetime | None, datetime.datetime | None, int, int, int]


def _counted(rows: Iterable[_Row]) -> dict[int, dict[int, PlateCounts]]:
    counts: dict[int, dict[int, PlateCounts]] = defaultdict(lambda: defaultdict(PlateCounts))
    for order_id, plate_id, status, cleared_at, started_at, planned, good, scrap in rows:
        plate = counts[order_id][plate_id]
        plate.good += good
        plate.scrap += scrap
        if status == PrintJob.Status.FINISHED:
            plate.printed += planned
        uncounted = status in _ENDED and started_at is not None and cleared_at is None
        if status in _COMING or uncounted:
            plate.expected += planned
        if status == PrintJob.Status.QUEUED:
            plate.waiting += planned
    return counts


def parts_beside(production_order_ids: Iterable[int]) -> list[PrintJobPart]:
    """Return the parts of the orders, and those that lie or lay beside them, with their jobs, in one query.

    ``has_operations`` of each says whether its order has work after printing.
    """
    jobs = PrintJobPart.objects.filter(production_order__in=list(production_order_ids)).values("job")
    after = ProductionOperation.objects.filter(production_order=OuterRef("production_order"))
    rows = PrintJobPart.objects.filter(job__in=jobs).annotate(has_operations=Exists(after))
    return list(rows.select_related("job").order_by("job_id", "id"))


def count_parts(parts: Iterable[PrintJobPart]) -> dict[int, dict[int, PlateCounts]]:
    """Return what :func:`count_plates` does, of parts that were read with their jobs."""
    return _counted(
        (
            part.production_order_id,
            part.source_id,
            part.job.status,
            part.job.cleared_at,
            part.job.started_at,
            part.planned,
            part.good,
            part.scrap,
        )
        for part in parts
        if part.job.deleted_at is None
    )


def begun_units(order: ProductionOrder, plates: dict[int, PlateCounts]) -> int:
    """Return how many units of an order are made or have begun on any of its plates."""
    return max([order.quantity_completed, *(plate.begun - order.quantity_lost for plate in plates.values())])


def good_units(plates: dict[int, PlateCounts]) -> int:
    """Return how many whole units the plates' good parts make: the least of them."""
    return min((plate.good for plate in plates.values()), default=0)


def missing_by_plate(
    order: ProductionOrder, plates: dict[int, PlateCounts], plate_ids: Iterable[int]
) -> dict[int, int]:
    """Return how many parts of each plate are owed and not expected from any job; only plates that lack some."""
    owed = {}
    for plate_id in plate_ids:
        counts = plates.get(plate_id, PlateCounts())
        missing = order.quantity + order.quantity_lost - counts.good - counts.expected
        if missing > 0:
            owed[plate_id] = missing
    return owed


def order_progress(production_order_ids: Iterable[int]) -> dict[int, Progress]:
    """Return the progress of each order in two queries."""
    ids = list(production_order_ids)
    counts = count_plates(ids)
    orders = ProductionOrder.objects.filter(pk__in=ids).values_list(
        "pk", "quantity", "quantity_completed", "quantity_scrapped"
    )
    return {
        pk: Progress(
            total=quantity,
            printed=min((plate.printed for plate in counts[pk].values()), default=0) if pk in counts else 0,
            good=good,
            scrapped=scrapped,
            missing=max(quantity - good, 0),
        )
        for pk, quantity, good, scrapped in orders
    }


@dataclass(frozen=True)
class PlateProgress:
    """How far an order's parts of one plate are: ``expected`` lie on jobs, ``missing`` are brought by none yet."""

    plate_id: int
    plate_number: int
    wanted: int
    printed: int
    good: int
    scrapped: int
    expected: int
    missing: int


def plate_progress(order: ProductionOrder) -> list[PlateProgress]:
    """Return how far an order is on each plate that it was or is printed on, in two queries."""
    counts = count_plates([order.pk])[order.pk]
    plates = ProductPlate.objects.filter(Q(product=order.product_id, is_active=True) | Q(pk__in=list(counts)))
    rows = list(plates.order_by("plate_number", "revision"))
    missing = missing_by_plate(order, counts, [plate.pk for plate in rows if plate.is_active])
    is_open = order.status in ProductionOrder.OPEN
    return [
        PlateProgress(
            plate.pk,
            plate.plate_number,
            order.quantity,
            counts[plate.pk].printed,
            counts[plate.pk].good,
            counts[plate.pk].scrap,
            counts[plate.pk].expected,
            missing.get(plate.pk, 0) if is_open else 0,
        )
        for plate in rows
    ]
