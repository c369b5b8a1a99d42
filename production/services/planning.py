"""Production orders from plan to end: planned, confirmed (material reserved), queued (jobs made), closed."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents, lock_documents, update_documents
from blb3d.core.errors import InvalidTransition, InvalidValue, ReasonRequired
from blb3d.core.lifecycle import Move
from blb3d.core.money import round_money
from blb3d.core.numbering import next_numbers
from blb3d.core.outbox import emit
from blb3d.core.units import round_quantity
from blb3d.core.verbs import verb
from inventory.models import BOM, Product, Reference
from inventory.services import Need, Shortage, release_reservations, reserve
from production.errors import NoPlates, NoPrintFile, NotMakeable
from production.lifecycles import PRODUCTION_ORDER
from production.models import Demand, PrintJob, ProductionAnalytics, ProductionOrder, TraceLink
from production.selectors.needs import needs_of, stocked_lines
from production.selectors.needs import per_unit as per_unit
from production.selectors.waiting import plates_without_file
from production.services.flow import end_operations, refuse_units_in_work
from production.services.links import link
from production.services.making import (
    active_plates,
    hold_job_numbers,
    jobs_owed,
    lock_order,
    make_jobs,
    withdraw_queued_jobs,
)
from production.services.progress import request_cancel
from production.services.routings import copy_operations
from production.services.standing import Standing

Status = ProductionOrder.Status

#: No order is for more: what is above it was mistyped.
MAX_QUANTITY = 1_000_000


@dataclass(frozen=True)
class PlanRequest:
    """Something to be made, and for whom.

    Sales order, its line and the quote are rows of the layers above, given as they are. ``demand_reference`` is
    (reference type, id) of the document that waits for it, ``demand_label`` what people call that; without a
    reference the parts are for the shelf.
    """

    product: Product
    quantity: int
    source_type: str = ProductionOrder.Source.MANUAL
    sales_order: Any = None
    sales_order_line: Any = None
    quote: Any = None
    priority: int = ProductionOrder.Priority.NORMAL
    due_date: datetime.date | None = None
    demand_label: str = ""
    demand_reference: tuple[str, int] | None = None
    notes: str = ""


@verb
def plan_production_orders(requests: Sequence[PlanRequest], *, actor: User) -> list[ProductionOrder]:
    """Make one draft production order per request, in a constant number of statements; material planning sees it.

    Raises:
        NotMakeable: a product is inactive or has no active bill of materials; ``details["products"]`` names them.
        InvalidValue: a quantity is not above 0, or absurdly large, or a priority is unknown.
    """
    for request in requests:
        if not 1 <= request.quantity <= MAX_QUANTITY:
            raise InvalidValue(
                f"The quantity must be at least 1 and at most {MAX_QUANTITY}.",
                details={"field": "quantity", "value": request.quantity},
            )
        if request.priority not in ProductionOrder.Priority:
            raise InvalidValue("The priority goes from 1 (low) to 4 (urgent).", details={"field": "priority"})
    boms = dict(
        BOM.objects.filter(
            product__in={request.product.pk for request in requests},
            is_active=True,
            product__is_active=True,
            product__deleted_at__isnull=True,
        ).values_list("product_id", "pk")
    )
    unmakeable = sorted({request.product.sku for request in requests if request.product.pk not in boms})
    if unmakeable:
        raise NotMakeable(f"{', '.join(unmakeable)}: {NotMakeable.message}", details={"products": unmakeable})
    orders = insert_documents(
        [
            ProductionOrder(
                code=code,
                product=request.product,
                bom_id=boms[request.product.pk],
                quantity=request.quantity,
                source_type=request.source_type,
                sales_order=request.sales_order,
                sales_order_line=request.sales_order_line,
                quote=request.quote,
                priority=request.priority,
                due_date=request.due_date,
                notes=request.notes,
            )
            for code, request in zip(next_numbers("PO", len(requests)), requests, strict=True)
        ],
        natural_key="code",
    )
    planned = list(zip(orders, requests, strict=True))
    Demand.objects.bulk_create(
        Demand(
            production_order=order,
            quantity=request.quantity,
            due_date=request.due_date,
            reference_type=request.demand_reference[0],
            reference_id=request.demand_reference[1],
            label=request.demand_label[:200],
        )
        for order, request in planned
        if request.demand_reference
    )
    node = TraceLink.Node
    link(
        (
            ((node.PRODUCTION_ORDER, order.pk), (node.SALES_ORDER, request.sales_order.pk))
            for order, request in planned
            if request.sales_order is not None
        ),
        new=True,
    )
    return orders


@verb
def make_stock_order(
    product: Product,
    *,
    quantity: int,
    priority: int = ProductionOrder.Priority.NORMAL,
    due_date: datetime.date | None = None,
    notes: str = "",
    actor: User,
) -> ProductionOrder:
    """Plan a production order for the shelf; see :func:`plan_production_orders` for what is refused."""
    request = PlanRequest(
        product, quantity, ProductionOrder.Source.STOCK, priority=priority, due_date=due_date, notes=notes
    )
    return plan_production_orders([request], actor=actor)[0]


@verb
def confirm_production_orders(orders: Sequence[ProductionOrder], *, actor: User, reason: str = "") -> list[Shortage]:
    """Confirm drafts and reserve their material by bill of materials, in a constant number of statements.

    Returns what could not be reserved in full; the orders are confirmed all the same and wait for it.

    Raises:
        InvalidTransition: one of them is not a draft; none is confirmed then.
    """
    with PRODUCTION_ORDER.step_many(orders, "confirm", actor=actor, reason=reason) as move:
        move.set(confirmed_at=timezone.now())
    copy_operations(move.documents)
    return reserve_material(move.documents, actor=actor)


def reserve_material(orders: Sequence[ProductionOrder], *, actor: User) -> list[Shortage]:
    """Reserve what the orders' missing units need; what they hold already counts. Needs a transaction."""
    lines = stocked_lines(order.bom_id for order in orders)
    needs = [
        Need(product_id, quantity, Reference.PRODUCTION_ORDER, order.pk)
        for order in orders
        for product_id, quantity in needs_of(lines.get(order.bom_id, []), order.quantity_missing).items()
    ]
    return reserve(needs, actor=actor) if needs else []


@verb
def queue_production_order(order: ProductionOrder, *, actor: User) -> list[PrintJob]:
    """Make the print jobs of a confirmed order, plate by plate.

    Raises:
        NoPlates: the product is not printed.
        NoPrintFile: a plate has no released print file; ``details["plates"]`` names them.
        InvalidTransition: the order is not confirmed.
    """
    plates = active_plates(order)
    if not plates:
        raise NoPlates(details={"product_id": order.product_id})
    without_file = plates_without_file([order.product_id]).get(order.product_id, [])
    if without_file:
        raise NoPrintFile(
            f"{order.code}: no print file for plate {', '.join(str(plate.plate_number) for plate in without_file)}.",
            details={"plates": [plate.pk for plate in without_file], "product_id": order.product_id},
        )
    numbers = next_numbers("PJ", len(jobs_owed(order, plates)))
    with PRODUCTION_ORDER.step(order, "queue", actor=actor):
        return make_jobs(jobs_owed(order, plates), numbers)


@verb
def requeue_missing_parts(order: ProductionOrder, *, actor: User) -> list[PrintJob]:
    """Make jobs for the parts of an order in work that are neither good nor expected from any job; none if all are.

    Raises:
        InvalidTransition: the order is not queued or printing.
    """
    plates = active_plates(order)
    numbers = next_numbers("PJ", len(jobs_owed(order, plates)))
    lock_order(order)
    if order.status not in (Status.QUEUED, Status.PRINTING):
        raise InvalidTransition(
            f"No jobs are made for an order that is {order.get_status_display()}.", details={"status": order.status}
        )
    return make_jobs(jobs_owed(order, plates), numbers)


@verb
def fail_production_order(order: ProductionOrder, *, actor: User, reason: str) -> ProductionOrder:
    """Give an order up for now: jobs not sent yet are cancelled, its material stays reserved for a retry."""
    hold_job_numbers([order])
    with PRODUCTION_ORDER.step(order, "fail", actor=actor, reason=reason):
        withdraw_queued_jobs(order, actor=actor, reason=reason)
    return order


@verb
def retry_production_order(order: ProductionOrder, *, actor: User, reason: str = "") -> list[PrintJob]:
    """Put a failed order back to work: jobs for its missing parts, material for them reserved again.

    One that has every part by now completes.
    """
    plates = active_plates(order)
    numbers = next_numbers("PJ", len(jobs_owed(order, plates)))
    with PRODUCTION_ORDER.step(order, "retry", actor=actor, reason=reason):
        jobs = make_jobs(jobs_owed(order, plates), numbers)
    if not order.quantity_missing:
        # What still printed when it failed was all that it needed.
        with PRODUCTION_ORDER.step(order, "complete", actor=actor, reason=reason) as move:
            settle(move, actor=actor)
        return []
    reserve_material([order], actor=actor)
    return jobs


@verb
def cancel_production_order(order: ProductionOrder, *, actor: User, reason: str) -> ProductionOrder:
    """Cancel an order that does not print yet: its jobs end, its material is free again.

    A job of this order alone that is on its way to a printer is asked to stop.

    Raises:
        UnitsInWork: units of it are still at operations after printing.
    """
    hold_job_numbers([order])
    with PRODUCTION_ORDER.step(order, "cancel", actor=actor, reason=reason):
        refuse_units_in_work(order)
        end_operations(order, actor=actor)
        withdraw_queued_jobs(order, actor=actor, reason=reason)
        sent = PrintJob.objects.filter(parts__production_order=order, status__in=PrintJob.ACTIVE)
        for job in sent.order_by("id"):
            if job.parts.count() == 1:
                request_cancel(job, actor=actor, reason=reason)
    release_reservations(Reference.PRODUCTION_ORDER, [order.pk], actor=actor)
    return order


@verb
def hold_production_order(order: ProductionOrder, *, actor: User, reason: str) -> ProductionOrder:
    """Send no new job for this order until the hold is released; what prints goes on.

    Raises:
        InvalidTransition: the order is over.
        ReasonRequired: no reason was given.
    """
    if not reason.strip():
        raise ReasonRequired(details={"step": "hold"})
    lock_order(order)
    if order.status not in ProductionOrder.OPEN:
        raise InvalidTransition(
            f"An order that is {order.get_status_display()} cannot be held.", details={"status": order.status}
        )
    order.is_held, order.hold_reason = True, reason[:500]
    order.save()
    _tell("production.order_held", order)
    return order


@verb
def release_production_order_hold(order: ProductionOrder, *, actor: User, reason: str = "") -> ProductionOrder:
    """Let jobs of this order be sent again; nothing happens when it is not held."""
    lock_order(order)
    if order.is_held:
        order.is_held, order.hold_reason = False, ""
        order.save()
        _tell("production.order_released", order)
    return order


@verb
def prioritise_production_order(
    order: ProductionOrder, *, priority: int, actor: User, reason: str = ""
) -> ProductionOrder:
    """Change how urgent an order is (1 low to 4 urgent), and with it its jobs that wait.

    Raises:
        InvalidValue: the priority is unknown.
        InvalidTransition: the order is over.
    """
    if priority not in ProductionOrder.Priority:
        raise InvalidValue("The priority goes from 1 (low) to 4 (urgent).", details={"field": "priority"})
    lock_order(order)
    if order.status not in ProductionOrder.OPEN:
        raise InvalidTransition(
            f"An order that is {order.get_status_display()} has no priority.", details={"status": order.status}
        )
    order.priority = priority
    order.save()
    waiting = lock_documents(PrintJob.objects.filter(production_order=order, status=PrintJob.Status.QUEUED))
    for job in waiting:
        job.priority = priority
    update_documents(waiting, ["priority"])
    _tell("production.order_prioritised", order)
    return order


@verb
def reschedule_production_order(
    order: ProductionOrder, *, due_date: datetime.date, actor: User, reason: str = ""
) -> ProductionOrder:
    """Change when an order is due; what its demand was promised stays as it is.

    Raises:
        InvalidTransition: the order is over.
    """
    lock_order(order)
    if order.status not in ProductionOrder.OPEN:
        raise InvalidTransition(
            f"An order that is {order.get_status_display()} is not rescheduled.", details={"status": order.status}
        )
    order.due_date = due_date
    order.save()
    _tell("production.order_rescheduled", order)
    return order


def _tell(topic: str, order: ProductionOrder) -> None:
    emit(topic, f"production.productionorder:{order.pk}", id=order.pk, number=order.code)


@verb
def complete_production_order(order: ProductionOrder, *, actor: User, reason: str = "") -> ProductionOrder:
    """Close an order: jobs not sent yet are cancelled, what it still holds of material is free again.

    Raises:
        UnitsInWork: units of it are still at operations after printing.
        ReasonRequired: parts are missing and nobody says why the order is closed short.
        InvalidTransition: the order is not queued or printing.
    """
    hold_job_numbers([order])
    with PRODUCTION_ORDER.step(order, "complete", actor=actor, reason=reason) as move:
        refuse_units_in_work(order)
        if order.quantity_missing and not reason.strip():
            raise ReasonRequired(
                f"{order.quantity_missing} parts are missing: please say why the order is closed short.",
                details={"missing": order.quantity_missing},
            )
        settle(move, actor=actor)
    return order


def settle(move: Move[ProductionOrder], *, actor: User, standing: Standing | None = None) -> None:
    """Do what the end of an order brings, inside its step: jobs, reservations, analytics.

    With ``standing``, read under the order's lock, nothing is looked for that it says is not there.
    """
    order = move.document
    known = standing or Standing(order)
    order.completed_at = timezone.now()
    order.closed_short = order.quantity_missing > 0
    move.payload["closed_short"] = order.closed_short
    if any(part.job.status == PrintJob.Status.QUEUED for part in known.own_parts):
        withdraw_queued_jobs(order, actor=actor, reason=f"{order.code} is complete")
    if known.operations:
        end_operations(order, actor=actor)
    if not known.holds_nothing:
        release_reservations(Reference.PRODUCTION_ORDER, [order.pk], actor=actor)
    _record_analytics(order, known)


def _record_analytics(order: ProductionOrder, known: Standing) -> None:
    """Compare estimate and reality over the order's share of its jobs.

    Accuracy is 100 % less the error in percent of the real time, and not below 0; waste is the filament that did not
    become good parts; rework counts plates printed again and units sent back at operations.
    """
    parts = [part for part in known.parts if part.job.started_at is not None]
    minutes: dict[int, Decimal] = defaultdict(Decimal)
    grams: dict[int, Decimal] = defaultdict(Decimal)
    for part in parts:
        minutes[part.job_id] += part.minutes_weight
        grams[part.job_id] += part.grams_weight
    estimated = actual = waste = Decimal(0)
    rework = sum(operation.quantity_reworked for operation in known.operations)
    for part in parts:
        if part.production_order_id != order.pk:
            continue
        job, share = part.job, _fraction(part.minutes_weight, minutes[part.job_id])
        if job.status == PrintJob.Status.FINISHED and job.actual_time_minutes is not None:
            estimated += job.estimated_time_minutes * share
            actual += job.actual_time_minutes * share
        of_grams = _fraction(part.grams_weight, grams[part.job_id])
        waste += (job.material_grams_used or 0) * of_grams * (part.planned - part.good) / part.planned
        rework += job.retry_of_id is not None
    accuracy = max(100 - abs(actual - estimated) / actual * 100, Decimal(0)) if actual else None
    ProductionAnalytics.objects.create(
        production_order=order,
        estimated_time_minutes=round_money(estimated),
        actual_time_minutes=round_money(actual),
        accuracy_percent=None if accuracy is None else round_money(accuracy),
        material_waste_grams=round_quantity(waste),
        rework_count=rework,
    )


def _fraction(weight: Decimal, total: Decimal) -> Decimal:
    """Return a share of a whole; nothing of a whole that takes nothing."""
    return weight / total if total else Decimal(0)
