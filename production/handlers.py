"""What production does when something has become true."""

from __future__ import annotations

from blb3d.accounts.models import User
from blb3d.core.outbox import OutboxEvent, emit, subscribes
from production.models import ProductionOrder
from production.selectors.waiting import plates_without_file
from production.services import queue_production_order
from production.services.making import active_plates


@subscribes("production.order_confirmed")
def queue_confirmed_order(event: OutboxEvent) -> None:
    """Make the jobs of a confirmed order, or ask for the print files that are missing; it waits for them."""
    order = ProductionOrder.objects.get(pk=event.payload["id"])
    if order.status != ProductionOrder.Status.CONFIRMED:
        return
    without_file = plates_without_file([order.product_id]).get(order.product_id, [])
    for plate in without_file:
        emit(
            "production.print_file_needed",
            f"inventory.productplate:{plate.pk}",
            plate_id=plate.pk,
            product_id=order.product_id,
            production_order_id=order.pk,
        )
    if not without_file and active_plates(order):
        queue_production_order(order, actor=User.objects.system("production"))


@subscribes("inventory.print_file_released")
def queue_waiting_orders(event: OutboxEvent) -> None:
    """Make the jobs of confirmed orders that waited for this print file, once every plate has one."""
    product_id = event.payload["product_id"]
    if plates_without_file([product_id]):
        return
    actor = User.objects.system("production")
    waiting = ProductionOrder.objects.filter(product=product_id, status=ProductionOrder.Status.CONFIRMED)
    for order in waiting.order_by("-priority", "id"):
        queue_production_order(order, actor=actor)
