"""What waits where after printing: the work of each work center, in the order in which it should be done."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import F, IntegerField, OuterRef, Prefetch, Q, QuerySet, Subquery, Sum, Value
from django.db.models.functions import Coalesce

from production.models import DefectReason, ProductionOperation, ProductionOrder, WorkCenter

Status = ProductionOperation.Status

#: Units that are at an operation and not reported yet, in the database's words.
WAITING = (
    F("quantity_in") + F("quantity_returned") - F("quantity_good") - F("quantity_scrapped") - F("quantity_reworked")
)


@dataclass(frozen=True)
class CenterLoad:
    """A work center with how many units and operations wait there."""

    center: WorkCenter
    units: int
    operations: int


def open_operations() -> QuerySet[Any]:
    """Return operations at which somebody may still work: units wait, or their order is being made."""
    made = (ProductionOrder.Status.QUEUED, ProductionOrder.Status.PRINTING)
    return (
        ProductionOperation.objects.filter(status__in=ProductionOperation.OPEN)
        .annotate(waiting=WAITING)
        .filter(Q(waiting__gt=0) | Q(production_order__status__in=made))
    )


def center_loads() -> list[CenterLoad]:
    """Return every active work center where hands work, and what waits there, in one query."""
    waiting = open_operations().filter(work_center=OuterRef("pk"), waiting__gt=0).order_by().values("work_center")
    units = Subquery(waiting.annotate(units=Sum(WAITING)).values("units"), output_field=IntegerField())
    number = Subquery(waiting.annotate(number=Sum(Value(1))).values("number"), output_field=IntegerField())
    centers = (
        WorkCenter.objects.filter(is_active=True)
        .exclude(kind=WorkCenter.Kind.PRINT)
        .annotate(units=Coalesce(units, 0), number=Coalesce(number, 0))
        .order_by("code")
    )
    return [CenterLoad(center, center.units, center.number) for center in centers]


def work_at(center: WorkCenter) -> list[ProductionOperation]:
    """Return what waits at a work center, the most urgent first, then what is on its way to it, in two queries.

    Every row has its order, product and the order's other operations (``production_order.operations``) at hand.
    """
    others = Prefetch("production_order__operations", ProductionOperation.objects.order_by("sequence"))
    rows = (
        open_operations()
        .filter(work_center=center)
        .select_related("production_order__product", "work_center", "operator")
        .prefetch_related(others)
    )
    return sorted(rows, key=_urgency)


def _urgency(operation: Any) -> tuple[Any, ...]:
    order = operation.production_order
    return (operation.waiting == 0, -order.priority, order.due_date or datetime.date.max, operation.pk)


def rework_targets(operation: ProductionOperation) -> list[ProductionOperation]:
    """Return where units of an operation may go back to: itself first, then the ones before it, the nearest first."""
    before = [
        row
        for row in operation.production_order.operations.all()
        if row.sequence <= operation.sequence and row.status != Status.SKIPPED
    ]
    return sorted(before, key=lambda row: -row.sequence)


def defect_reasons(*stages: str) -> Sequence[DefectReason]:
    """Return the reasons to choose from at a stage, in the order of the buttons; those for both are among them."""
    wanted = (*stages, DefectReason.Stage.ANY)
    return DefectReason.objects.filter(is_active=True, stage__in=wanted).order_by("position", "name")
