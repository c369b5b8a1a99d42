"""Where a part came from and where a lot went, each in a constant number of queries."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from blb3d.core.errors import NotFound
from inventory.models import MaterialLot
from production.models import (
    OperationReport,
    PrintJob,
    PrintJobFilament,
    PrintJobPart,
    ProductionOrderMaterial,
    QualityInspection,
    SerialNumber,
    TrayChange,
)


def trace_serial(serial_number: str) -> dict[str, Any]:
    """Return everything behind one serial number and where it went: order, job, printer, lots, inspections, shipment.

    ``lots`` are those used for the job that the part came from, and for the order's other jobs where a unit is made of
    several plates. ``print_jobs`` are those that it came from; behind operations after printing nobody can tell which,
    and ``print_job`` is None where there are several. ``spools`` are the reels of these jobs, also those that a printer
    went on with; ``operations`` what was reported of the order's work after printing, by whom.

    Raises:
        NotFound: there is no such serial number.
    """
    serial = (
        SerialNumber.objects.select_related(
            "product",
            "production_order",
            "print_job__printer",
            "print_job__cleared_by",
            "sales_order__customer",
            "location",
        )
        .filter(serial_number=serial_number.strip().upper())
        .first()
    )
    if serial is None:
        raise NotFound(f"There is no serial number {serial_number}.", details={"serial_number": serial_number})
    job, order = serial.print_job, serial.sales_order
    parts = PrintJobPart.objects.filter(production_order=serial.production_order_id).select_related("job")
    is_of_one_plate = len({part.source_id for part in parts}) == 1
    used = ProductionOrderMaterial.objects.filter(production_order=serial.production_order_id)
    if job is not None and is_of_one_plate:
        used = used.filter(print_job=job)
    jobs = [job] if job is not None and is_of_one_plate else _sources(serial)
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
        "print_jobs": [
            {
                "id": row.pk,
                "code": row.code,
                "printer": row.printer.name if row.printer else None,
                "cleared_by": str(row.cleared_by) if row.cleared_by else None,
            }
            for row in jobs
        ],
        "spools": _spools(jobs),
        "operations": _operations(serial),
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


def _sources(serial: SerialNumber) -> list[PrintJob]:
    rows = PrintJob.objects.filter(parts__production_order=serial.production_order_id, parts__good__gt=0)
    return list(rows.select_related("printer", "cleared_by").order_by("id"))


def _spools(jobs: list[PrintJob]) -> list[dict[str, Any]]:
    """Return the reels that jobs were printed from, each once."""
    found: dict[tuple[str, str], dict[str, Any]] = {}
    for model in (PrintJobFilament, TrayChange):
        rows = model._default_manager.filter(job__in=jobs, spool__isnull=False)
        for label, lot, code in rows.order_by("id").values_list("spool__label", "spool__lot__lot_number", "job__code"):
            found.setdefault((label, code), {"label": label, "lot": lot, "print_job": code})
    return list(found.values())


def _operations(serial: SerialNumber) -> list[dict[str, Any]]:
    rows = OperationReport.objects.filter(operation__production_order=serial.production_order_id)
    return [
        {
            "operation": row.operation.name,
            "work_center": row.operation.work_center.code,
            "by": str(row.reported_by),
            "at": row.reported_at,
            "good": row.good,
            "scrap": row.scrap,
            "rework": row.rework,
        }
        for row in rows.select_related("operation__work_center", "reported_by").order_by("id")
    ]


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
    """Return where a lot went: production orders with the quantity each took, their jobs, serial numbers.

    Who got what was made of it is known to sales: ``sales.selectors.lot_customers``.
    """
    rows = list(
        ProductionOrderMaterial.objects.filter(material_lot=lot, quantity_used__gt=0)
        .select_related("production_order__product", "print_job")
        .order_by("id")
    )
    orders: dict[int, dict[str, Any]] = {}
    for row in rows:
        order = row.production_order
        known = orders.setdefault(
            order.pk,
            {
                "id": order.pk,
                "code": order.code,
                "sku": order.product.sku,
                "print_jobs": [],
                "quantity": Decimal(0),
            },
        )
        known["quantity"] += row.quantity_used
        if row.print_job and row.print_job.code not in known["print_jobs"]:
            known["print_jobs"].append(row.print_job.code)
    serials = SerialNumber.objects.filter(production_order__in=list(orders)).order_by("id")
    return {
        "lot": lot.lot_number,
        "product": {"id": lot.product_id, "sku": lot.product.sku, "name": lot.product.name},
        "vendor": {"id": lot.vendor_id, "name": lot.vendor.name} if lot.vendor else None,
        "received": lot.quantity_received,
        "remaining": lot.quantity_remaining,
        "production_orders": list(orders.values()),
        "serials": list(serials.values("serial_number", "status")),
    }
