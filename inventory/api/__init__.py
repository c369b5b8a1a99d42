"""The HTTP interface of catalogue and stock.

`/inventory/transactions` is published by production, which knows what a print job's use of material means.
"""

from blb3d.core.api.routers import BothSlashRouter, both_slashes
from inventory.api.catalogue import MaterialViewSet, ProductViewSet
from inventory.api.counting import CycleCountViewSet
from inventory.api.printfiles import PrintFileViewSet
from inventory.api.purchasing import PurchaseOrderViewSet, VendorViewSet
from inventory.api.stock import BalanceViewSet, CheckView, LocationViewSet, LotViewSet, ValuationView

router = BothSlashRouter()
router.register("products", ProductViewSet, "product")
router.register("print-files", PrintFileViewSet, "print-file")
router.register("vendors", VendorViewSet, "vendor")
router.register("purchase-orders", PurchaseOrderViewSet, "purchase-order")
router.register("inventory/materials", MaterialViewSet, "material")
router.register("inventory/lots", LotViewSet, "lot")
router.register("inventory/locations", LocationViewSet, "location")
router.register("inventory/cycle-counts", CycleCountViewSet, "cycle-count")
router.register("inventory/balances", BalanceViewSet, "balance")

urlpatterns = [
    both_slashes("inventory/check", CheckView.as_view(), "inventory-check"),
    both_slashes("inventory/valuation", ValuationView.as_view(), "inventory-valuation"),
    *router.urls,
]
