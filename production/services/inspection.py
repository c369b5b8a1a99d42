"""Inspections: what passes may be packed, what fails is scrapped, written up, and made again."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import Any

from blb3d.accounts.models import User
from blb3d.core.documents import update_documents
from blb3d.core.errors import InvalidValue, ReasonRequired
from blb3d.core.numbering import next_number, next_numbers
from blb3d.core.outbox import emit
from blb3d.core.verbs import verb
from inventory.models import InventoryTransaction, Reference
from inventory.services import Use, consume
from production.errors import WrongQuantity, WrongSerials
from production.models import (
    Demand,
    Nonconformance,
    PrintJobPart,
    ProductionOrder,
    QualityInspection,
    SerialNumber,
    TraceLink,
)
from production.selectors.fleet import PRINTABLE
from production.services.flow import recall_units
from production.services.links import link
from production.services.making import active_plates, jobs_owed, lock_order, make_jobs, recount
from production.services.material import lock_stock
from production.services.planning import (
    PlanRequest,
    confirm_production_orders,
    plan_production_orders,
)

Node = TraceLink.Node
Type = QualityInspection.Type


@verb
def pass_inspection(
    order: ProductionOrder,
    *,
    actor: User,
    quantity: int | None = None,
    inspection_type: str = Type.FINAL,
    serial_numbers: Sequence[str] = (),
    measurements: dict[str, Any] | None = None,
    notes: str = "",
) -> list[QualityInspection]:
    """Record that parts of an order pass: one row per serial number, or one for ``quantity`` parts (all good ones).

    Raises:
        WrongQuantity: more parts than the order has made good, or none.
        WrongSerials: a serial number is not of this order or not in stock, or they are not as many as the quantity.
    """
    lock_order(order)
    serials = _serials(order, serial_numbers)
    wanted = len(serials) or order.quantity_completed if quantity is None else quantity
    _check_quantity(order, wanted, serials)
    return write_inspections(order, serials, wanted, True, inspection_type, measurements, notes, actor=actor)


@verb
def fail_inspection(
    order: ProductionOrder,
    *,
    actor: User,
    quantity: int,
    reason: str,
    inspection_type: str = Type.FINAL,
    severity: str = Nonconformance.Severity.MAJOR,
    serial_numbers: Sequence[str] = (),
    measurements: dict[str, Any] | None = None,
    notes: str = "",
) -> Nonconformance:
    """Record that parts fail: they leave stock as scrap, a nonconformance is raised, and they are made again.

    An order in work gets jobs for them; for one that is complete a new production order is planned and confirmed for
    the same demand.

    Raises:
        ReasonRequired: nobody says what is wrong.
        WrongQuantity: more parts than the order has made good, or fewer are still in stock.
        WrongSerials: as for :func:`pass_inspection`; a product with serial numbers needs them.
    """
    if not reason.strip():
        raise ReasonRequired(details={"step": "fail_inspection"})
    if severity not in Nonconformance.Severity.values:
        raise InvalidValue("Unknown severity.", details={"known": Nonconformance.Severity.values})
    plates = active_plates(order)
    # Drawn before anything is locked, as by everybody who makes jobs: nobody waits for the other crosswise.
    numbers = next_numbers("PJ", len(plates) if order.status in PRINTABLE else 0)
    lock_order(order)
    serials = _serials(order, serial_numbers)
    _check_quantity(order, quantity, serials)
    if order.product.is_serialized and not serials:
        raise WrongSerials("Please name the serial numbers that fail.", details={"product_id": order.product_id})
    lock_stock([order])
    whose = _served_last(order, quantity)
    _scrap_stock(order, whose, actor=actor)
    for serial in serials:
        serial.status = SerialNumber.Status.SCRAPPED
    update_documents(serials, ["status"])
    if not recall_units(order, quantity, reason=reason, actor=actor):
        _scrap_parts(order, quantity, reason)
    recount(order)
    order.closed_short = order.status == ProductionOrder.Status.COMPLETED
    order.save()
    write_inspections(order, serials, quantity, False, inspection_type, measurements, notes or reason, actor=actor)
    report = raise_nonconformance(order, serials, quantity, reason, severity, inspection_type, actor=actor)
    if order.status in PRINTABLE:
        make_jobs(jobs_owed(order, plates), numbers)
    elif order.status == ProductionOrder.Status.COMPLETED:
        _plan_again(order, whose, actor=actor)
    return report


def _serials(order: ProductionOrder, numbers: Sequence[str]) -> list[SerialNumber]:
    wanted = {number.strip().upper() for number in numbers}
    found = list(
        SerialNumber.objects.filter(
            serial_number__in=wanted, production_order=order, status=SerialNumber.Status.IN_STOCK
        ).order_by("id")
    )
    missing = sorted(wanted - {row.serial_number for row in found})
    if missing:
        raise WrongSerials(f"Not in stock of {order.code}: {', '.join(missing)}.", details={"unknown": missing})
    return found


def _check_quantity(order: ProductionOrder, quantity: int, serials: Sequence[SerialNumber]) -> None:
    if not 0 < quantity <= order.quantity_completed:
        raise WrongQuantity(
            f"{order.code} has {order.quantity_completed} good parts.",
            details={"quantity": quantity, "good": order.quantity_completed},
        )
    if serials and len(serials) != quantity:
        raise WrongSerials(
            f"{quantity} parts, but {len(serials)} serial numbers.",
            details={"quantity": quantity, "serial_numbers": len(serials)},
        )


def write_inspections(
    order: ProductionOrder,
    serials: Sequence[SerialNumber],
    quantity: int,
    passed: bool,
    inspection_type: str,
    measurements: dict[str, Any] | None,
    notes: str,
    *,
    actor: User,
) -> list[QualityInspection]:
    """Write what was found: a row per serial number, or one for the quantity, with its place in the trace."""
    if inspection_type not in Type.values:
        raise InvalidValue("Unknown kind of inspection.", details={"known": Type.values})
    common = {
        "production_order": order,
        "inspection_type": inspection_type,
        "inspector": actor,
        "passed": passed,
        "measurements": measurements or {},
        "notes": notes[:2000],
    }
    edges = []
    rows = []
    named: list[SerialNumber | None] = [*serials] or [None]
    for serial in named:
        row = QualityInspection(serial_number=serial, quantity=1 if serial else quantity, **common)
        row.save()
        source = (Node.SERIAL, serial.pk) if serial else (Node.PRODUCTION_ORDER, order.pk)
        edges.append((source, (Node.INSPECTION, row.pk)))
        rows.append(row)
    link(edges)
    emit(
        "production.inspection_passed" if passed else "production.inspection_failed",
        f"production.productionorder:{order.pk}",
        id=order.pk,
        number=order.code,
        quantity=quantity,
        inspection_type=str(inspection_type),
    )
    return rows


def _served_last(order: ProductionOrder, quantity: int) -> list[tuple[Demand | None, int]]:
    """Return for whom the last so many good units were: demands are served in their order, the rest is free stock."""
    found: list[tuple[Demand | None, int]] = []
    first, start = order.quantity_completed - quantity, 0
    for demand in Demand.objects.filter(production_order=order).order_by("id"):
        end = start + demand.quantity
        units = min(order.quantity_completed, end) - max(first, start)
        if units > 0:
            found.append((demand, units))
        start = end
    free = order.quantity_completed - max(first, start)
    return [*found, (None, free)] if free > 0 else found


def _scrap_stock(order: ProductionOrder, whose: Sequence[tuple[Demand | None, int]], *, actor: User) -> None:
    uses = [
        Use(
            order.product_id,
            Decimal(units),
            Reference.PRODUCTION_ORDER,
            order.pk,
            holder=(demand.reference_type, demand.reference_id) if demand is not None else None,
        )
        for demand, units in whose
    ]
    quantity = sum(units for _, units in whose)
    taken = consume(uses, actor=actor, kind=InventoryTransaction.Kind.SCRAP)
    in_stock = sum((row.quantity for row in taken), Decimal(0))
    if in_stock < quantity:
        raise WrongQuantity(
            f"Only {in_stock.normalize():f} of these parts are still in stock.", details={"quantity": quantity}
        )


def _scrap_parts(order: ProductionOrder, quantity: int, reason: str) -> None:
    """Turn good parts of each plate into scrap, those counted last first."""
    left: dict[int, int] = {}
    changed = []
    counted = PrintJobPart.objects.filter(production_order=order, job__cleared_at__isnull=False, good__gt=0)
    for part in counted.select_related("job").order_by("-job__cleared_at", "-id"):
        number = min(left.setdefault(part.source_id, quantity), part.good)
        if number:
            left[part.source_id] -= number
            part.good -= number
            part.scrap += number
            part.scrap_reason = reason[:200]
            changed.append(part)
    PrintJobPart.objects.bulk_update(changed, ["good", "scrap", "scrap_reason"])


def raise_nonconformance(
    order: ProductionOrder,
    serials: Sequence[SerialNumber],
    quantity: int,
    reason: str,
    severity: str,
    inspection_type: str,
    *,
    actor: User,
) -> Nonconformance:
    """Write down that parts of an order failed an inspection and are scrap."""
    at = Nonconformance.DetectedAt
    report = Nonconformance(
        ncr_number=next_number("NCR"),
        production_order=order,
        sales_order_id=order.sales_order_id,
        serial_number=serials[0] if len(serials) == 1 else None,
        detected_at=at.FINAL_QC if inspection_type == Type.FINAL else at.IN_PROCESS,
        detected_by=actor,
        nonconformance_type="failed inspection",
        description=reason[:2000],
        severity=severity,
        quantity=quantity,
        disposition="SCRAP",
    )
    report.save()
    return report


def _plan_again(order: ProductionOrder, whose: Sequence[tuple[Demand | None, int]], *, actor: User) -> None:
    requests = [
        PlanRequest(
            order.product,
            units,
            order.source_type,
            sales_order=order.sales_order,
            sales_order_line=order.sales_order_line,
            quote=order.quote,
            priority=order.priority,
            due_date=order.due_date,
            demand_label=demand.label if demand is not None else "",
            demand_reference=(demand.reference_type, demand.reference_id) if demand is not None else None,
            notes=f"Replaces {units} failed {'part' if units == 1 else 'parts'} of {order.code}",
        )
        for demand, units in whose
    ]
    confirm_production_orders(plan_production_orders(requests, actor=actor), actor=actor)
