"""Which reels lie open too long, and which are in the dryer."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass

from django.utils import timezone

from inventory.models import DryingRecord, Product, Spool


@dataclass(frozen=True)
class DryingState:
    """What is known of a reel's dryness: ``due_at`` is when it must be dried, ``record`` its stay in the dryer now."""

    spool: Spool
    due_at: datetime.datetime | None
    record: DryingRecord | None
    is_due: bool

    @property
    def is_drying(self) -> bool:
        """True while it is in the dryer."""
        return self.record is not None

    @property
    def done_at(self) -> datetime.datetime | None:
        """Return when it has been in the dryer long enough."""
        if self.record is None:
            return None
        return self.record.started_at + datetime.timedelta(hours=float(self.spool.lot.product.drying_hours))


def due_at(spool: Spool, product: Product) -> datetime.datetime | None:
    """Return until when a reel may lie open; None: for ever, or it is sealed. Reads nothing."""
    if not product.is_hygroscopic or not product.open_hours or spool.opened_at is None:
        return None
    return spool.opened_at + datetime.timedelta(hours=product.open_hours)


def drying_states(spools: Iterable[Spool]) -> dict[int, DryingState]:
    """Return the state of reels that bring their lot and product, by id; one query."""
    rows = list(spools)
    inside = {
        record.spool_id: record
        for record in DryingRecord.objects.filter(spool__in=[row.pk for row in rows], ended_at__isnull=True)
    }
    now = timezone.now()
    states = {}
    for row in rows:
        due = due_at(row, row.lot.product)
        record = inside.get(row.pk)
        is_due = due is not None and due <= now and record is None and row.remaining_grams > 0
        states[row.pk] = DryingState(row, due, record, is_due)
    return states


def spools_to_dry() -> list[DryingState]:
    """Return the reels that lie open longer than their material may, the longest overdue first; two queries."""
    rows = Spool.objects.filter(
        opened_at__isnull=False,
        remaining_grams__gt=0,
        lot__product__is_hygroscopic=True,
        lot__product__open_hours__gt=0,
    ).select_related("lot__product", "location")
    due = [state for state in drying_states(rows).values() if state.is_due]
    return sorted(due, key=lambda state: (state.due_at, state.spool.label))


def spools_in_dryer() -> list[DryingState]:
    """Return the reels in the dryer, the longest in it first; two queries."""
    rows = Spool.objects.filter(dryings__ended_at__isnull=True, dryings__isnull=False)
    inside = [
        (state.record.started_at, state)
        for state in drying_states(rows.select_related("lot__product", "location")).values()
        if state.record is not None
    ]
    return [state for _, state in sorted(inside, key=lambda row: (row[0], row[1].spool.label))]
