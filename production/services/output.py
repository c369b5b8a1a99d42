"""Good units become stock: at what they cost, kept for who waits for them, named where they have serial numbers."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal

from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents
from blb3d.core.numbering import next_numbers
from blb3d.core.units import round_quantity
from inventory.services import receive_output
from production.models import Demand, PrintJob, ProductionOrder, ProductionOrderMaterial, SerialNumber, TraceLink
from production.services.links import link

Node = TraceLink.Node


def draw_serial_numbers(count: int) -> list[str]:
    """Return so many new serial numbers of today: BLB-20250131-0001."""
    return next_numbers("BLB", count, period=f"{timezone.localdate():%Y%m%d}", digits=4)


def put_on_shelf(
    order: ProductionOrder, job: PrintJob, before: int, now: int, serials: list[str], *, actor: User
) -> None:
    """Receive an order's units from number ``before`` to ``now`` into stock; ``serials`` are used up from the front."""
    location_id = None
    cost = _unit_cost(order, now)
    for quantity, holder in _shares(order, before, now):
        output = receive_output(
            order.product,
            quantity=quantity,
            unit_cost=cost,
            production_order_id=order.pk,
            reserve_for=holder,
            actor=actor,
        )
        location_id = output.location_id
    if order.product.is_serialized:
        _name_units(order, job, [serials.pop(0) for _ in range(now - before)], location_id)


def _unit_cost(order: ProductionOrder, units: int) -> Decimal:
    """Return what a unit took so far of filament and other components, at the cost of the lots used."""
    used = ProductionOrderMaterial.objects.filter(production_order=order)
    total = sum((quantity * cost for quantity, cost in used.values_list("quantity_used", "unit_cost")), Decimal(0))
    return round_quantity(total / units)


def _shares(order: ProductionOrder, before: int, now: int) -> Iterator[tuple[int, tuple[str, int] | None]]:
    """Yield how many of the units are for whom: demands are served in their order, the rest is free stock."""
    start = 0
    for demand in Demand.objects.filter(production_order=order).order_by("id"):
        end = start + demand.quantity
        share = min(now, end) - max(before, start)
        if share > 0:
            yield share, (demand.reference_type, demand.reference_id)
        start = end
    rest = now - max(before, start)
    if rest > 0:
        yield rest, None


def _name_units(order: ProductionOrder, job: PrintJob, numbers: list[str], location_id: int | None) -> None:
    rows = insert_documents(
        [
            SerialNumber(
                serial_number=number,
                product_id=order.product_id,
                production_order=order,
                print_job=job,
                sales_order_id=order.sales_order_id,
                location_id=location_id,
            )
            for number in numbers
        ],
        natural_key="serial_number",
    )
    sources = ((Node.PRINT_JOB, job.pk), (Node.PRODUCTION_ORDER, order.pk))
    link((source, (Node.SERIAL, row.pk)) for source in sources for row in rows)
