"""What cancelling or holding a sales order will do to production, stock, parcels and money, told before it is done."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from decimal import Decimal

from blb3d.core.effects import Effect
from blb3d.core.templatetags.blb3d_ui import money
from inventory.models import Product, Reference, Reservation
from production.models import Demand, PrintJob, PrintJobPart, ProductionOrder
from production.selectors.effects import amount, day, moment, named, parts, planned_finish, units_in_work
from sales.models import SalesOrder, SalesOrderLine, Shipment
from sales.selectors import made_for

_LEFT = (Shipment.Status.DRAFT, Shipment.Status.PACKED, Shipment.Status.VOIDED)


def cancel_effects(order: SalesOrder) -> list[Effect]:
    """Return what cancelling will do, in a constant number of queries."""
    return [*_promise(order, "is not kept"), *_given_up(order), *_freed(order), *_parcels(order), *_owed_back(order)]


def hold_effects(order: SalesOrder) -> list[Effect]:
    """Return what holding will do, in a constant number of queries."""
    return [*_promise(order, "cannot be planned while it is held"), *_held(order)]


def _promise(order: SalesOrder, becomes: str) -> Iterator[Effect]:
    who = order.customer.company_name or order.customer.name
    if order.promised_date:
        yield Effect("promise", f"{who} was promised {day(order.promised_date)}, which {becomes}.", True)
    else:
        yield Effect("promise", f"{who} was promised no date.")


def _open(order: SalesOrder) -> list[ProductionOrder]:
    return list(made_for(order).filter(status__in=ProductionOrder.OPEN).order_by("pk"))


def _own_units(order: SalesOrder, made: list[ProductionOrder]) -> dict[int, int]:
    """Return how many of each production order's units the order asked for."""
    lines = SalesOrderLine.objects.filter(sales_order=order).values("pk")
    units: dict[int, int] = defaultdict(int)
    rows = Demand.objects.filter(
        production_order__in=made, reference_type=Reference.SALES_ORDER_LINE, reference_id__in=lines
    )
    for pk, quantity in rows.values_list("production_order_id", "quantity"):
        units[pk] += quantity
    return units


def _jobs(made: list[ProductionOrder]) -> dict[int, list[PrintJob]]:
    """Return the jobs of production orders that wait or are at a printer."""
    found: dict[int, list[PrintJob]] = defaultdict(list)
    rows = PrintJobPart.objects.filter(
        production_order__in=made, job__status__in=[PrintJob.Status.QUEUED, *PrintJob.ACTIVE]
    )
    for row in rows.select_related("job__printer").order_by("job_id"):
        found[row.production_order_id].append(row.job)
    return found


def _given_up(order: SalesOrder) -> Iterator[Effect]:
    made = _open(order)
    units, jobs = _own_units(order, made), _jobs(made)
    shared = set(
        PrintJobPart.objects.filter(job__in=[job.pk for rows in jobs.values() for job in rows])
        .exclude(production_order__in=made)
        .values_list("job_id", flat=True)
    )
    in_work = units_in_work([row.pk for row in made])
    for row in made:
        own = units.get(row.pk, row.quantity)
        if row.pk in in_work and own >= row.quantity:
            text = f"{row.code} has units in work: {', '.join(in_work[row.pk])}. Until they are reported it is refused."
            yield Effect("orders", text, True)
        if own < row.quantity:
            text = f"{row.code} goes on for others: up to {parts(own)} of {row.quantity} are not made."
            yield Effect("orders", text)
            continue
        good = f" {parts(row.quantity_completed)} good already go to the shelf." if row.quantity_completed else ""
        yield Effect("orders", f"{row.code} is cancelled: {parts(row.quantity_missing)} are not made.{good}")
        waiting = [job.code for job in jobs[row.pk] if job.status == PrintJob.Status.QUEUED and job.pk not in shared]
        if waiting:
            yield Effect(
                "jobs", f"{named(waiting)} {'is' if len(waiting) == 1 else 'are'} cancelled before being sent."
            )
        for job in jobs[row.pk]:
            if job.status != PrintJob.Status.QUEUED and job.printer is not None:
                if job.pk in shared:
                    yield Effect("jobs", f"{job.code} goes on at {job.printer.name}: it prints for others too.")
                else:
                    yield Effect("jobs", f"{job.printer.name} is asked to stop {job.code}.", True)
    if not made:
        yield Effect("orders", "Nothing of it is in production.")


def _freed(order: SalesOrder) -> Iterator[Effect]:
    lines = SalesOrderLine.objects.filter(sales_order=order).values("pk")
    sums: dict[int, Decimal] = defaultdict(Decimal)
    rows = Reservation.objects.filter(reference_type=Reference.SALES_ORDER_LINE, reference_id__in=lines)
    for product_id, quantity in rows.values_list("balance__product_id", "quantity"):
        sums[product_id] += quantity
    products = Product.all_objects.filter(pk__in=sums).order_by("sku")
    if sums:
        yield Effect("stock", f"Frees {named(amount(sums[product.pk], product) for product in products)}.")
    else:
        yield Effect("stock", "Nothing is reserved for it on the shelf.")


def _parcels(order: SalesOrder) -> Iterator[Effect]:
    rows = list(order.shipments.exclude(status=Shipment.Status.VOIDED).order_by("pk"))
    gone = [row.shipment_number for row in rows if row.status not in _LEFT]
    if gone:
        yield Effect("shipments", f"{named(gone)} has left: the order cannot be cancelled.", True)
    elif rows:
        yield Effect("shipments", f"{named(row.shipment_number for row in rows)} is voided and unpacked.")


def _owed_back(order: SalesOrder) -> Iterator[Effect]:
    kept = order.amount_paid - order.amount_refunded
    if kept > 0:
        yield Effect("money", f"{money(kept, order.currency)} was paid and is to be given back.", True)
    elif order.grand_total:
        yield Effect("money", "Nothing was paid that is to be given back.")
    invoices = list(order.invoices.order_by("pk").values_list("invoice_number", flat=True))
    if invoices:
        yield Effect("money", f"{named(invoices)} was issued and needs a credit.", True)


def _held(order: SalesOrder) -> Iterator[Effect]:
    made = _open(order)
    jobs, ends = _jobs(made), planned_finish([row.pk for row in made])
    for row in made:
        was = f" It was planned for {moment(ends[row.pk])}." if row.pk in ends else ""
        if row.sales_order_id != order.pk:
            yield Effect("orders", f"{row.code} goes on: it is for others too.")
            continue
        if row.status == ProductionOrder.Status.DRAFT:
            continue
        waiting = [job.code for job in jobs[row.pk] if job.status == PrintJob.Status.QUEUED]
        running = [job.code for job in jobs[row.pk] if job.status != PrintJob.Status.QUEUED]
        yield Effect("orders", f"{row.code} is held with {parts(row.quantity_missing)} to make.{was}")
        if waiting:
            yield Effect("jobs", f"{named(waiting)} {'is' if len(waiting) == 1 else 'are'} not sent.")
        if running:
            yield Effect("jobs", f"{named(running)} {'goes' if len(running) == 1 else 'go'} on.")
    if not made:
        yield Effect("orders", "Nothing of it is in production.")
    yield Effect("stock", "What is reserved stays reserved.")
