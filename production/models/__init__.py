"""The tables of the shop floor: printers, orders, jobs, work after printing, the schedule, quality and trace."""

from production.models.floor import WallScreen
from production.models.jobs import PrintJob, PrintJobFilament, PrintJobPart, ProductionOrderMaterial
from production.models.mrp import (
    FirmOrder,
    Forecast,
    MRPRun,
    PlanLate,
    PlanMessage,
    PlannedOrder,
    PlanSupply,
    Replenish,
)
from production.models.orders import Demand, ProductionAnalytics, ProductionOrder
from production.models.quality import Nonconformance, QualityInspection, SerialNumber, TraceLink
from production.models.resources import Printer, PrinterGroup, PrinterModel, PrinterSlot, Shift, WorkCenter
from production.models.routings import DefectReason, OperationReport, ProductionOperation, Routing, RoutingStep
from production.models.schedule import ScheduleEntry, ScheduleRun, ScheduleTouch
from production.models.upkeep import MaintenanceWindow, PrinterProblem, ServicePlan, ServiceRecord
from production.models.watching import JobPhoto, PrinterEvent, PrinterMark, PrinterSample, TrayChange

__all__ = [
    "DefectReason",
    "Demand",
    "FirmOrder",
    "Forecast",
    "JobPhoto",
    "MRPRun",
    "MaintenanceWindow",
    "Nonconformance",
    "OperationReport",
    "PlanLate",
    "PlanMessage",
    "PlanSupply",
    "PlannedOrder",
    "PrintJob",
    "PrintJobFilament",
    "PrintJobPart",
    "Printer",
    "PrinterEvent",
    "PrinterGroup",
    "PrinterMark",
    "PrinterModel",
    "PrinterProblem",
    "PrinterSample",
    "PrinterSlot",
    "ProductionAnalytics",
    "ProductionOperation",
    "ProductionOrder",
    "ProductionOrderMaterial",
    "QualityInspection",
    "Replenish",
    "Routing",
    "RoutingStep",
    "ScheduleEntry",
    "ScheduleRun",
    "ScheduleTouch",
    "SerialNumber",
    "ServicePlan",
    "ServiceRecord",
    "Shift",
    "TraceLink",
    "TrayChange",
    "WallScreen",
    "WorkCenter",
]
