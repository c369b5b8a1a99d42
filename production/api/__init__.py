"""`/production-orders`, `/print-jobs`, `/printers`, `/mrp`, `/serials`, `/inspections`, `/nonconformances`."""

from __future__ import annotations

from blb3d.core.api.routers import BothSlashRouter, both_slashes
from production.api.dispatch import (
    CopiesView,
    MixView,
    PrinterServicesView,
    RestrictView,
    SuggestionsView,
    UnmixView,
    WorkListView,
)
from production.api.floor import (
    InspectionViewSet,
    MaterialRequirementsView,
    NonconformanceViewSet,
    PrinterViewSet,
    SerialViewSet,
)
from production.api.jobs import PrintJobViewSet
from production.api.machine import ProblemViewSet, SpoolViewSet
from production.api.movements import MovementViewSet
from production.api.mrp import FirmOrderViewSet, MRPRunViewSet, PlanMessageViewSet
from production.api.operations import DefectReasonViewSet, OperationViewSet, RoutingViewSet
from production.api.orders import ProductionOrderViewSet
from production.api.schedule import ScheduleRunViewSet, ScheduleViewSet
from production.api.yields import YieldView

router = BothSlashRouter()
router.register("production-orders", ProductionOrderViewSet, "production-order")
router.register("print-jobs", PrintJobViewSet, "print-job")
router.register("printers", PrinterViewSet, "printer")
router.register("printer-problems", ProblemViewSet, "printer-problem")
router.register("spools", SpoolViewSet, "spool")
router.register("operations", OperationViewSet, "operation")
router.register("routings", RoutingViewSet, "routing")
router.register("defect-reasons", DefectReasonViewSet, "defect-reason")
router.register("mrp/runs", MRPRunViewSet, "mrp-run")
router.register("mrp/firm-orders", FirmOrderViewSet, "mrp-firm-order")
router.register("mrp/messages", PlanMessageViewSet, "mrp-message")
router.register("schedule/runs", ScheduleRunViewSet, "schedule-run")
router.register("schedule", ScheduleViewSet, "schedule")
router.register("serials", SerialViewSet, "serial")
router.register("inventory/transactions", MovementViewSet, "inventory-transaction")
router.register("inspections", InspectionViewSet, "inspection")
router.register("nonconformances", NonconformanceViewSet, "nonconformance")

urlpatterns = [
    both_slashes("mrp/material-requirements", MaterialRequirementsView.as_view(), "material-requirements"),
    both_slashes("dispatch/suggestions", SuggestionsView.as_view(), "dispatch-suggestions"),
    both_slashes("dispatch/work-list", WorkListView.as_view(), "dispatch-work-list"),
    both_slashes("dispatch/copies", CopiesView.as_view(), "dispatch-copies"),
    both_slashes("dispatch/restrict", RestrictView.as_view(), "dispatch-restrict"),
    both_slashes("dispatch/mix", MixView.as_view(), "dispatch-mix"),
    both_slashes("dispatch/unmix", UnmixView.as_view(), "dispatch-unmix"),
    both_slashes("printer-services", PrinterServicesView.as_view(), "printer-services"),
    both_slashes("reports/yield", YieldView.as_view(), "reports-yield"),
    *router.urls,
]
