"""What an order's lines need made or kept, and the steps that an order takes by itself when it has it."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import ROUND_CEILING, Decimal
from typing import Any

from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents, update_documents
from inventory import services as inventory
from inventory.models import Product, Reference
from production import services as production
from production.models import Demand, ProductionOrder, SerialNumber
from sales import selectors
from sales.errors import AlreadyShipped
from sales.lifecycles import SALES_ORDER, SHIPMENT
from sales.models import Customer, SalesOrder, SalesOrderLine, Shipment

Status = SalesOrder.Status
Supply = SalesOrderLine.Supply
LINE = Reference.SALES_ORDER_LINE


def locked_order(order: SalesOrder) -> SalesOrder:
    """Lock an order's row and read ``order`` again in place; needs a transaction.

    Payments, parcels and lines of one order change under this lock, so that their sums hold.
    """
    lock_documents(SalesOrder.objects.filter(pk=order.pk))
    order.refresh_from_db()
    return order


def supply_of(product: Product | None) -> str:
    """Return how lines of a product are supplied."""
    if product is None:
        return Supply.UNMAPPED
    if product.category == Product.Category.SERVICE:
        return Supply.NONE
    if product.replenishment == Product.Replenishment.MAKE_TO_ORDER:
        return Supply.MAKE
    return Supply.SHELF


def supply_lines(
    order: SalesOrder, lines: Sequence[SalesOrderLine], *, customer: Customer, quote: Any = None, actor: User
) -> None:
    """Reserve the shelf for the lines that are kept there and plan production of everything else, set-based.

    What is bought and not there is waited for.
    """
    missing = {line.pk: line.quantity for line in lines if line.supply == Supply.MAKE}
    shelf = {line.pk: line for line in lines if line.supply == Supply.SHELF}
    for short in reserve_shelf(list(shelf.values()), actor=actor):
        product = shelf[short.reference_id].product
        if product is not None and product.replenishment != Product.Replenishment.BUY:
            missing[short.reference_id] = int(short.missing.to_integral_value(ROUND_CEILING))
    label = f"{order.order_number} {customer.company_name or customer.name}"[:200]
    requests = [
        production.PlanRequest(
            product=line.product,
            quantity=missing[line.pk],
            source_type=order.source,
            sales_order=order,
            sales_order_line=line,
            quote=quote,
            priority=order.priority,
            due_date=order.promised_date,
            demand_label=label,
            demand_reference=(LINE, line.pk),
        )
        for line in lines
        if line.pk in missing and line.product is not None
    ]
    if requests:
        production.plan_production_orders(requests, actor=actor)


def reserve_shelf(lines: Sequence[SalesOrderLine], *, actor: User) -> list[Any]:
    """Reserve what lines from the shelf still owe, topping up what they hold; return what is short."""
    needs = [
        inventory.Need(line.product_id, Decimal(line.quantity - line.quantity_shipped), LINE, line.pk)
        for line in lines
        if line.product_id is not None and line.quantity > line.quantity_shipped
    ]
    return inventory.reserve(needs, actor=actor) if needs else []


def held_unmapped(order: SalesOrder, lines: Sequence[SalesOrderLine], *, actor: User) -> None:
    """Hold an order until its unmapped lines have products; the reason names their SKUs."""
    skus = ", ".join(line.external_sku or line.name for line in lines)
    reason = f"SKU not mapped: {skus}"[:500]
    with SALES_ORDER.step(order, "hold", actor=actor, reason=reason) as move:
        order.held_from, order.hold_reason, order.held_for_mapping = move.source, reason, True
        move.payload["reason"] = reason


def catch_up(order: SalesOrder, *, actor: User) -> SalesOrder:
    """Take the steps that the order's parts have made due: start, finish_production, ship.

    Safe to call at any time. The order's row is locked by the caller or by the first step taken.
    """
    if order.status == Status.CONFIRMED and selectors.made_for(order).filter(started_at__isnull=False).exists():
        with SALES_ORDER.step(order, "start", actor=actor):
            pass
    if order.status in (Status.CONFIRMED, Status.IN_PRODUCTION) and is_ready(order):
        with SALES_ORDER.step(order, "finish_production", actor=actor):
            pass
    if order.status == Status.QUALITY_CHECK and _all_shipped(order):
        with SALES_ORDER.step(order, "ship", actor=actor) as move:
            order.shipped_at = timezone.now()
            move.payload.update(_parcels(order))
    return order


def is_ready(order: SalesOrder) -> bool:
    """Return whether everything in the order is made or lies reserved on the shelf.

    Of a production order that is for others too, only the order's own share has to be there.
    """
    lines = list(order.lines.all())
    made: dict[int | None, list[str]] = {}
    for line_id, status in order.production_orders.values_list("sales_order_line_id", "status"):
        made.setdefault(line_id, []).append(status)
    if any(status in ProductionOrder.OPEN for statuses in made.values() for status in statuses):
        return False
    shared = _shared(lines)
    kept = [line.pk for line in lines if line.supply == Supply.SHELF or line.pk in shared]
    reserved = selectors.reserved_for_lines(kept)
    for line in lines:
        if line.supply == Supply.UNMAPPED:
            return False
        has_all = reserved.get(line.pk, Decimal(0)) >= line.quantity - line.quantity_shipped
        statuses = shared.get(line.pk, [])
        if any(status in ProductionOrder.OPEN for status in statuses) and not has_all:
            return False
        is_made = ProductionOrder.Status.COMPLETED in (*made.get(line.pk, []), *statuses)
        if line.supply == Supply.MAKE and not is_made and not (statuses and has_all):
            return False
        if line.supply == Supply.SHELF and not has_all:
            return False
    return True


def _shared(lines: Sequence[SalesOrderLine]) -> dict[int, list[str]]:
    """Return the statuses of the production orders that make parts for these lines and for others, by line."""
    rows = Demand.objects.filter(
        reference_type=LINE, reference_id__in=[line.pk for line in lines], production_order__sales_order__isnull=True
    )
    found: dict[int, list[str]] = {}
    for line_id, status in rows.values_list("reference_id", "production_order__status"):
        found.setdefault(line_id, []).append(status)
    return found


def _all_shipped(order: SalesOrder) -> bool:
    return all(quantity <= shipped for quantity, shipped in order.lines.values_list("quantity", "quantity_shipped"))


def _parcels(order: SalesOrder) -> dict[str, Any]:
    """Return what a shop or customer is told when the last parcel has left."""
    parcels = list(
        order.shipments.filter(status__in=[Shipment.Status.SHIPPED, Shipment.Status.DELIVERED]).order_by("pk")
    )
    last = parcels[-1]
    return {
        "shipment_id": last.pk,
        "shipment_ids": [parcel.pk for parcel in parcels],
        "carrier": last.carrier,
        "service": last.service,
        "tracking_number": last.tracking_number,
        "tracking_url": last.tracking_url,
    }


def withdraw_supply(order: SalesOrder, *, actor: User, reason: str) -> None:
    """End everything that was under way for an order; its row is locked.

    Raises:
        AlreadyShipped: something has left the house.
    """
    shipments = list(order.shipments.exclude(status=Shipment.Status.VOIDED).order_by("pk"))
    gone = [
        row.shipment_number for row in shipments if row.status not in (Shipment.Status.DRAFT, Shipment.Status.PACKED)
    ]
    if gone:
        raise AlreadyShipped(details={"shipments": gone})
    for shipment in shipments:
        with SHIPMENT.step(shipment, "void", actor=actor, reason=reason):
            pass
    # Nobody waits for these parts any more: what still comes off a plate goes to others, or to the shelf.
    lines = list(order.lines.values_list("pk", flat=True))
    production.withdraw_demand(LINE, lines, actor=actor, reason=reason)
    for made in order.production_orders.filter(status__in=ProductionOrder.OPEN).order_by("pk"):
        if made.status == ProductionOrder.Status.PRINTING:
            production.fail_production_order(made, actor=actor, reason=reason)
        production.cancel_production_order(made, actor=actor, reason=reason)
    serials = list(SerialNumber.objects.filter(sales_order=order, status=SerialNumber.Status.IN_STOCK))
    for serial in serials:
        serial.sales_order = None
    update_documents(serials, ["sales_order"])
