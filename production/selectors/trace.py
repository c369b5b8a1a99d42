"""Where a part came from and where a lot went, each in a constant number of queries."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from blb3d.core.errors import NotFound
from inventory.models import MaterialLot
from production.models import PrintJob, ProductionOrderMaterial, QualityInspection, SerialNumber


def trace_serial(serial_number: str) -> dict[str, Any]:
    """Return everything behind one serial number and where it went: order, job, printer, lots, inspections, shipment.

    ``lots`` are those used for the job that the part came from, and for the order's other jobs where a unit is made of
    several plates.

    Raises:
        NotFound: there is no such serial number.
    """
    serial = (
        SerialNumber.objects.select_related(
            "product", "production_order", "print_job__printer", "sales_order__customer", "location"
        )
        .filter(serial_number=serial_number.strip().upper())
        .first()
    )
    if serial is None:
        raise NotFound(f"There is no serial number {serial_number}.", details={"serial_number": serial_number})
    job, order = serial.print_job, serial.sales_order
    made = PrintJob.objects.filter(production_order=serial.production_order_id)
    is_of_one_plate = len(set(made.values_list("plate_id", flat=True))) == 1
    used = ProductionOrderMaterial.objects.filter(production_order=serial.production_order_id)
    if job is not None and is_of_one_plate:
        used = used.filter(print_job=job)
    shipment = serial.shipment_lines.select_related("shipment").order_by("-id").first()
    return {
        "serial": serial.serial_number,
        "status": serial.status,
        "manufactured_at": serial.manufactured_date,
        "location": serial.location.code if serial.location else None,
        "product": {"id": serial.product_id, "sku": serial.product.sku, "name": serial.product.name},
        "customer": {"id": order.customer_id, "name": str(order.customer)} if order else None,
        "sales_order": {"id": order.pk, "order_number": order.order_number} if order else None,
        "production_order": {"id": serial.production_order_id, "code": serial.production_order.code},
        "print_job": {"id": job.pk, "code": job.code} if job else None,
        "printer": {"id": job.printer_id, "name": job.printer.name, "serial": job.printer.serial}
        if job and job.printer
        else None,
        "lots": _lots(used),
        "inspections": [
            {
                "type": row.inspection_type,
                "passed": row.passed,
                "quantity": row.quantity,
                "inspector": str(row.inspector),
                "inspected_at": row.inspected_at,
                "measurements": row.measurements,
            }
            for row in QualityInspection.objects.filter(production_order=serial.production_order_id)
            .select_related("inspector")
            .order_by("id")
            if row.serial_number_id in (None, serial.pk)
        ],
        "shipment": {
            "id": shipment.shipment_id,
            "shipment_number": shipment.shipment.shipment_number,
            "carrier": shipment.shipment.carrier,
            "tracking_number": shipment.shipment.tracking_number,
            "shipped_at": shipment.shipment.shipped_at,
        }
        if shipment
        else None,
    }


def _lots(used: Any) -> list[dict[str, Any]]:
    """Return lots with what they are and how much of them was used, each lot once."""
    rows = used.filter(quantity_used__gt=0).select_related("material_lot__vendor", "product").order_by("id")
    lots: dict[tuple[int, int | None], dict[str, Any]] = {}
    for row in rows:
        lot = row.material_lot
        known = lots.setdefault(
            (row.product_id, row.material_lot_id),
            {
                "lot": lot.lot_number if lot else None,
                "material": row.product.sku,
                "vendor": lot.vendor.name if lot and lot.vendor else None,
                "vendor_lot": lot.vendor_lot_number if lot else "",
                "quantity": Decimal(0),
                "unit": row.product.unit_of_measure,
            },
        )
        known["quantity"] += row.quantity_used
    return list(lots.values())


def trace_lot(lot: MaterialLot) -> dict[str, Any]:
    """Return where a lot went: production orders with the quantity each took, their jobs, serial numbers, customers."""
    rows = list(
        ProductionOrderMaterial.objects.filter(material_lot=lot, quantity_used__gt=0)
        .select_related("production_order__product", "production_order__sales_order__customer", "print_job")
        .order_by("id")
    )
    orders: dict[int, dict[str, Any]] = {}
    customers: dict[int, dict[str, Any]] = {}
    for row in rows:
        order = row.production_order
        known = orders.setdefault(
            order.pk,
            {
                "id": order.pk,
                "code": order.code,
                "sku": order.product.sku,
                "sales_order": order.sales_order.order_number if order.sales_order else None,
                "print_jobs": [],
                "quantity": Decimal(0),
            },
        )
        known["quantity"] += row.quantity_used
        if row.print_job and row.print_job.code not in known["print_jobs"]:
            known["print_jobs"].append(row.print_job.code)
        if order.sales_order:
            customer = order.sales_order.customer
            customers.setdefault(customer.pk, {"id": customer.pk, "name": str(customer)})
    serials = SerialNumber.objects.filter(production_order__in=list(orders)).order_by("id")
    return {
        "lot": lot.lot_number,
        "product": {"id": lot.product_id, "sku": lot.product.sku, "name": lot.product.name},
        "vendor": {"id": lot.vendor_id, "name": lot.vendor.name} if lot.vendor else None,
        "received": lot.quantity_received,
        "remaining": lot.quantity_remaining,
        "production_orders": list(orders.values()),
        "serials": list(serials.values("serial_number", "status")),
        "customers": list(customers.values()),
    }
