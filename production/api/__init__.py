"""`/production-orders`, `/print-jobs`, `/printers`, `/mrp`, `/serials`, `/inspections`, `/nonconformances`."""

from __future__ import annotations

from blb3d.core.api.routers import BothSlashRouter, both_slashes
from production.api.floor import (
    InspectionViewSet,
    MaterialRequirementsView,
    NonconformanceViewSet,
    PrinterViewSet,
    SerialViewSet,
)
from production.api.jobs import PrintJobViewSet
from production.api.movements import MovementViewSet
from production.api.orders import ProductionOrderViewSet

router = BothSlashRouter()
router.register("production-orders", ProductionOrderViewSet, "production-order")
router.register("print-jobs", PrintJobViewSet, "print-job")
router.register("printers", PrinterViewSet, "printer")
router.register("serials", SerialViewSet, "serial")
router.register("inventory/transactions", MovementViewSet, "inventory-transaction")
router.register("inspections", InspectionViewSet, "inspection")
router.register("nonconformances", NonconformanceViewSet, "nonconformance")

urlpatterns = [
    both_slashes("mrp/material-requirements", MaterialRequirementsView.as_view(), "material-requirements"),
    *router.urls,
]
