"""Where an order stands, read once under its lock: its parts on jobs and its operations."""

from __future__ import annotations

from collections.abc import Sequence

from production.models import PrintJob, PrintJobPart, ProductionOperation, ProductionOrder
from production.selectors.progress import PlateCounts, count_parts, parts_beside


class Standing:
    """The parts of one locked order, with what lies beside them on the same jobs, and its operations."""

    def __init__(
        self,
        order: ProductionOrder,
        parts: Sequence[PrintJobPart] | None = None,
        operations: Sequence[ProductionOperation] | None = None,
    ) -> None:
        """Read what is not given; the operations, the first one first, only where there are any."""
        self.order = order
        self.parts = list(parts_beside([order.pk]) if parts is None else parts)
        self.own_parts = [part for part in self.parts if part.production_order_id == order.pk]
        if operations is None:
            has_none = bool(self.own_parts) and not self.own_parts[0].has_operations  # type: ignore[attr-defined]
            operations = [] if has_none else list(order.operations.order_by("sequence"))
        self.operations = operations
        #: Known once all that the order had reserved was given free.
        self.holds_nothing = False

    @property
    def plates(self) -> dict[int, PlateCounts]:
        """Return what is counted of each plate."""
        return count_parts(self.own_parts).get(self.order.pk, {})

    @property
    def uncounted_units(self) -> int:
        """Return how many whole units lie printed on plates that nobody has counted yet."""
        good: dict[int, int] = {}
        there: dict[int, int] = {}
        for part in self.own_parts:
            if part.job.deleted_at is not None:
                continue
            plate = part.source_id
            is_uncounted = part.job.status == PrintJob.Status.FINISHED and part.job.cleared_at is None
            good[plate] = good.get(plate, 0) + part.good
            there[plate] = there.get(plate, 0) + part.good + (part.planned if is_uncounted else 0)
        return min(there.values(), default=0) - min(good.values(), default=0)
