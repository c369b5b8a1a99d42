"""The tables of the shop floor: printers, orders, jobs, quality and trace."""

from production.models.jobs import PrintJob, PrintJobFilament, PrintJobPart, ProductionOrderMaterial
from production.models.orders import Demand, ProductionAnalytics, ProductionOrder
from production.models.quality import Nonconformance, QualityInspection, SerialNumber, TraceLink
from production.models.resources import MaintenanceWindow, Printer, PrinterSlot, WorkCenter

__all__ = [
    "Demand",
    "MaintenanceWindow",
    "Nonconformance",
    "PrintJob",
    "PrintJobFilament",
    "PrintJobPart",
    "Printer",
    "PrinterSlot",
    "ProductionAnalytics",
    "ProductionOrder",
    "ProductionOrderMaterial",
    "QualityInspection",
    "SerialNumber",
    "TraceLink",
    "WorkCenter",
]
