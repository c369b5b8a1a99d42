"""Work kept to a group of printers: of an order, of one job, and so many copies in one go."""

from __future__ import annotations

import datetime

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents, update_documents
from blb3d.core.errors import InvalidTransition
from blb3d.core.verbs import verb
from inventory.models import Product
from production.lifecycles import PRINT_JOB
from production.models import PrinterGroup, PrintJob, ProductionOrder
from production.selectors.waiting import plates_without_file
from production.services.making import active_plates, lock_job, lock_order
from production.services.planning import confirm_production_orders, make_stock_order, queue_production_order


@verb
def restrict_order(
    order: ProductionOrder, *, actor: User, group: PrinterGroup | None = None, reason: str = ""
) -> ProductionOrder:
    """Keep an order to the printers of a group, or to none; its jobs that wait follow, what was sent goes on.

    A plate that it shares with other orders is kept to the group as a whole.

    Raises:
        InvalidTransition: the order is over.
    """
    lock_order(order)
    if order.status not in ProductionOrder.OPEN:
        raise InvalidTransition(
            f"{order.code} is {order.get_status_display()}: its printers are no question any more.",
            details={"status": order.status},
        )
    order.printer_group = group
    order.save()
    waiting = PrintJob.objects.filter(parts__production_order=order, status=PrintJob.Status.QUEUED)
    jobs = lock_documents(waiting)
    for job in jobs:
        job.printer_group = group
    update_documents([job for job in jobs if job.status == PrintJob.Status.QUEUED], ["printer_group"])
    return order


@verb
def restrict_job(job: PrintJob, *, actor: User, group: PrinterGroup | None = None, reason: str = "") -> PrintJob:
    """Keep one waiting job to the printers of a group; without one its order's group holds again.

    Raises:
        InvalidTransition: the job was sent.
    """
    lock_job(job)
    if job.status != PrintJob.Status.QUEUED:
        raise InvalidTransition(
            f"{job.code} is {job.get_status_display()}: it has its printer.",
            details={"status": job.status, "allowed": [step.name for step in PRINT_JOB.legal(job.status)]},
        )
    job.printer_group = group or job.production_order.printer_group
    job.save()
    return job


@verb
def print_copies(
    product: Product,
    *,
    copies: int,
    actor: User,
    group: PrinterGroup | None = None,
    priority: int = ProductionOrder.Priority.NORMAL,
    due_date: datetime.date | None = None,
    notes: str = "",
) -> ProductionOrder:
    """Print so many copies for the shelf, on the printers of a group if one is given: planned, confirmed and queued.

    An order whose plates have no print file yet is confirmed and waits for it, like every other.

    Raises:
        NotMakeable: the product is inactive or has no active bill of materials.
        InvalidValue: the number of copies is not above 0, or absurdly large, or the priority is unknown.
    """
    order = make_stock_order(product, quantity=copies, priority=priority, due_date=due_date, notes=notes, actor=actor)
    if group is not None:
        order.printer_group = group
        order.save()
    confirm_production_orders([order], actor=actor)
    order.refresh_from_db()
    if active_plates(order) and not plates_without_file([product.pk]):
        queue_production_order(order, actor=actor)
    return order
