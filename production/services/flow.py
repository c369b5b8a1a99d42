"""How units go through an order's operations: they arrive, wait, and go on; the last one's good units are output.

Everything here works on rows whose production order the caller has locked.
"""

from __future__ import annotations

from collections.abc import Sequence

from django.utils import timezone

from blb3d.accounts.models import User
from production.errors import UnitsInWork
from production.lifecycles import PRODUCTION_OPERATION
from production.models import OperationReport, ProductionOperation, ProductionOrder

Status = ProductionOperation.Status

#: What reports and arrivals change.
_COUNTED = (
    "quantity_in",
    "quantity_returned",
    "quantity_good",
    "quantity_scrapped",
    "quantity_reworked",
    "actual_minutes",
    "operator_id",
)


class Flow:
    """The operations of one order, the first one first, with the units between them."""

    def __init__(self, order: ProductionOrder, *, is_empty: bool = False) -> None:
        """Read the operations, unless it is known (``is_empty``) that there are none."""
        self.order = order
        rows = order.operations.select_related("work_center").order_by("sequence")
        self.operations = [] if is_empty else list(rows)
        self._saved = {operation.pk: self._counted(operation) for operation in self.operations}

    def __bool__(self) -> bool:
        return bool(self.operations)

    @staticmethod
    def _counted(operation: ProductionOperation) -> tuple[object, ...]:
        return tuple(getattr(operation, name) for name in _COUNTED)

    def find(self, pk: int) -> ProductionOperation:
        """Return the operation with this id."""
        return next(operation for operation in self.operations if operation.pk == pk)

    def after(self, operation: ProductionOperation) -> Sequence[ProductionOperation]:
        """Return the operations that follow one."""
        return self.operations[self.operations.index(operation) + 1 :]

    def take_printed(self, units: int) -> None:
        """Let the units arrive that came off the order's plates since the last time; ``units`` are all so far."""
        new = units - self.operations[0].quantity_in
        if new > 0:
            self.arrive(self.operations, new)

    def arrive(self, operations: Sequence[ProductionOperation], units: int) -> None:
        """Let units come to the first of some operations; they go past those that are skipped."""
        for operation in operations:
            operation.quantity_in += units
            if operation.status != Status.SKIPPED:
                return
            operation.quantity_good += units

    def save(self, *, actor: User) -> None:
        """Save what changed, reopen operations to which units came, and finish those through which all have gone."""
        beyond = self.operations[-1].quantity_good
        for operation in reversed(self.operations):
            waiting = operation.quantity_waiting
            if self._counted(operation) != self._saved[operation.pk]:
                operation.save()
                self._saved[operation.pk] = self._counted(operation)
            if waiting and operation.status in (Status.DONE, Status.CANCELLED):
                with PRODUCTION_OPERATION.step(operation, "reopen", actor=actor, reason="Units came here"):
                    operation.finished_at = None
            elif operation.status in ProductionOperation.OPEN and not waiting and beyond >= self.order.quantity:
                finish(operation, actor=actor)
            beyond += waiting


def finish(operation: ProductionOperation, *, actor: User, reason: str = "") -> None:
    """Mark an operation as done."""
    with PRODUCTION_OPERATION.step(operation, "finish", actor=actor, reason=reason):
        operation.finished_at = timezone.now()


def refuse_units_in_work(order: ProductionOrder) -> None:
    """Refuse to end an order while printed units of it are at its operations.

    Raises:
        UnitsInWork: ``details["operations"]`` names where how many are.
    """
    waiting = [(operation, operation.quantity_waiting) for operation in order.operations.order_by("sequence")]
    there = [
        {"operation": operation.code, "name": operation.name, "units": units} for operation, units in waiting if units
    ]
    if there:
        words = ", ".join(f"{row['units']} at {row['name']}" for row in there)
        raise UnitsInWork(
            f"{order.code} has units in work: {words}. Report them good or scrap first.", details={"operations": there}
        )


def end_operations(order: ProductionOrder, *, actor: User) -> None:
    """End the operations of an order that is over: what began is done, what did not is cancelled.

    Operations at which more units wait than the order needed stay open, and so does what follows them.
    """
    reason = f"{order.code} is over"
    for operation in order.operations.filter(status__in=ProductionOperation.OPEN).order_by("sequence"):
        if operation.quantity_waiting:
            return
        if operation.quantity_in:
            finish(operation, actor=actor, reason=reason)
        else:
            with PRODUCTION_OPERATION.step(operation, "cancel", actor=actor, reason=reason):
                operation.finished_at = timezone.now()


def recall_units(order: ProductionOrder, quantity: int, *, reason: str, actor: User) -> bool:
    """Turn units that the last operation reported good into scrap: they failed afterwards. Return False without any."""
    last = order.operations.order_by("-sequence").first()
    if last is None:
        return False
    OperationReport.objects.create(
        operation=last, scrap=quantity, recalled=quantity, note=reason[:200], reported_by=actor
    )
    last.quantity_good -= quantity
    last.quantity_scrapped += quantity
    last.save()
    order.quantity_lost += quantity
    return True
