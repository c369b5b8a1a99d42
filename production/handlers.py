"""What production does when something has become true."""

from __future__ import annotations

import datetime

from blb3d.accounts.models import User
from blb3d.core.outbox import OutboxEvent, emit, subscribes
from inventory.models import Product
from production.models import PrintJob, ProductionOrder, ScheduleEntry
from production.selectors.waiting import plates_without_file
from production.services import queue_production_order
from production.services.making import active_plates
from production.services.routings import adopt_routing
from production.services.scheduling import touch_schedule

#: A job that is sent so much before its time is sent in its turn.
IN_TURN = datetime.timedelta(minutes=10)


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


@subscribes("inventory.variant_made")
def route_variant(event: OutboxEvent) -> None:
    """Let a new variant of a family go the way of its template after printing."""
    rows = Product.objects.in_bulk([event.payload["id"], event.payload["template_id"]])
    product, template = rows.get(event.payload["id"]), rows.get(event.payload["template_id"])
    if product is not None and template is not None:
        adopt_routing(product, template=template, actor=User.objects.system("production"))


@subscribes(
    "production.order_confirmed",
    "production.order_queued",
    "production.order_retried",
    "production.order_failed",
    "production.order_cancelled",
    "production.order_completed",
    "production.order_held",
    "production.order_released",
    "production.order_prioritised",
    "production.order_rescheduled",
    "production.order_split",
    "production.orders_merged",
)
def plan_order_again(event: OutboxEvent) -> None:
    """Have the work of an order planned anew."""
    order = ProductionOrder.objects.filter(pk=event.payload["id"]).only("code").first()
    if order is not None:
        touch_schedule(f"{order.code}: {_said(event)}", order_id=order.pk)


@subscribes("production.job_dispatched")
def plan_after_dispatch(event: OutboxEvent) -> None:
    """Have planned anew what is touched by a job that went to another printer than planned, or out of its turn."""
    job = PrintJob.objects.filter(pk=event.payload["id"]).only("code", "printer_id", "sent_at").first()
    if job is None or job.sent_at is None:
        return
    soon = job.sent_at + IN_TURN
    planned = ScheduleEntry.objects.filter(print_job=job, printer=job.printer_id, starts_at__lte=soon)
    if not planned.exists():
        touch_schedule(f"{job.code}: {_said(event)}", printer_id=job.printer_id)


@subscribes(
    "production.job_requeued",
    "production.job_failed",
    "production.job_cancelled",
    "production.job_lost",
    "production.plate_cleared",
)
def plan_after_job(event: OutboxEvent) -> None:
    """Have planned anew what the end of a job touches, or its way back into the queue."""
    job = PrintJob.objects.filter(pk=event.payload["id"]).only("code", "printer_id").first()
    if job is not None:
        touch_schedule(f"{job.code}: {_said(event)}", printer_id=job.printer_id)


@subscribes("production.printer_out_of_service")
def plan_without_printer(event: OutboxEvent) -> None:
    """Have the work of a printer that went out of service planned for others."""
    touch_schedule(f"{event.payload['printer']} went out of service", printer_id=event.payload["printer_id"])


@subscribes(
    "production.printer_in_service",
    "production.printer_serviced",
    "inventory.lot_received",
    "inventory.print_file_released",
)
def plan_all_again(event: OutboxEvent) -> None:
    """Have everything planned anew: there is more to plan with."""
    touch_schedule(_said(event))


def _said(event: OutboxEvent) -> str:
    """Return a topic as people say it: ``job failed``."""
    return event.topic.partition(".")[2].replace("_", " ")
