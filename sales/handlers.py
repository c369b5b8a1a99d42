"""What sales does about facts from below, and about its own."""

from __future__ import annotations

from blb3d.accounts.models import User
from blb3d.core.outbox import OutboxEvent, subscribes
from inventory.models import MaterialLot
from production.models import ProductionOrder
from sales import services as sales
from sales.models import SalesOrder, SalesOrderLine
from sales.selectors import waiting_for
from sales.services.orders import confirm_if_due, is_settled
from sales.services.supply import catch_up, locked_order, reserve_shelf


def _actor() -> User:
    return User.objects.system("sales")


def _order_of(event: OutboxEvent) -> SalesOrder:
    return locked_order(SalesOrder.objects.get(pk=event.payload["id"]))


@subscribes("sales.order_placed")
def confirm_what_is_due(event: OutboxEvent) -> None:
    """Confirm an order that came paid from a shop, needs no payment, or is on terms."""
    confirm_if_due(_order_of(event), actor=_actor())


@subscribes("production.order_started", "production.order_completed", "production.order_cancelled")
def follow_production(event: OutboxEvent) -> None:
    """Move the sales orders of a production order on: started, or everything made."""
    for order in waiting_for(event.payload["id"]):
        catch_up(locked_order(order), actor=_actor())


@subscribes("production.plate_cleared")
def follow_shares(event: OutboxEvent) -> None:
    """Move a sales order on whose share of a production order for several is there."""
    shared = ProductionOrder.objects.filter(
        pk__in=event.payload["production_order_ids"], sales_order__isnull=True, demands__isnull=False
    )
    for pk in shared.distinct().order_by("pk").values_list("pk", flat=True):
        for order in waiting_for(pk):
            catch_up(locked_order(order), actor=_actor())


@subscribes("inventory.lot_received", "inventory.lot_released", "production.order_completed")
def reserve_what_came(event: OutboxEvent) -> None:
    """Reserve new stock for order lines that wait for it and have nothing in production, oldest order first."""
    source = ProductionOrder if event.topic == "production.order_completed" else MaterialLot
    product_id = source.all_objects.values_list("product_id", flat=True).get(pk=event.payload["id"])
    lines = list(
        SalesOrderLine.objects.filter(
            product=product_id,
            supply=SalesOrderLine.Supply.SHELF,
            sales_order__status__in=(SalesOrder.Status.CONFIRMED, SalesOrder.Status.IN_PRODUCTION),
        )
        .exclude(production_orders__status__in=ProductionOrder.OPEN)
        .select_related("sales_order")
        .order_by("sales_order_id", "line_number")
    )
    orders = {line.sales_order_id: line.sales_order for line in lines}
    for order in orders.values():
        locked_order(order)
    reserve_shelf(lines, actor=_actor())
    for order in orders.values():
        catch_up(order, actor=_actor())


@subscribes("sales.order_shipped")
def invoice_what_left(event: OutboxEvent) -> None:
    """Issue the invoice of an order that left the house."""
    sales.issue_invoice(SalesOrder.objects.get(pk=event.payload["id"]), actor=_actor())


@subscribes("sales.shipment_delivered")
def deliver_when_all_arrived(event: OutboxEvent) -> None:
    """Deliver an order whose last parcel arrived."""
    order = SalesOrder.objects.filter(pk=event.payload["sales_order_id"]).first()
    if order is None or locked_order(order).status != SalesOrder.Status.SHIPPED:
        return
    if not order.shipments.filter(status="shipped").exists():
        sales.deliver_order(order, actor=_actor())


@subscribes("sales.order_delivered", "sales.payment_recorded")
def complete_what_is_settled(event: OutboxEvent) -> None:
    """Complete a delivered order that is paid."""
    order = _order_of(event)
    if order.status == SalesOrder.Status.DELIVERED and is_settled(order):
        sales.complete_order(order, actor=_actor())
