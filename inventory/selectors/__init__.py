"""What can be asked of inventory."""

from inventory.selectors.catalogue import active_bom, materials_with_stock, products_for
from inventory.selectors.materials import (
    MaterialCheck,
    active_materials,
    check_material,
    choose_material,
    materials_in_stock,
    price_of,
)
from inventory.selectors.pictures import plate_picture
from inventory.selectors.reconciliation import Difference, LedgerReport, verify_ledger
from inventory.selectors.stock import available, default_location, service_ids, usable_balances

__all__ = [
    "Difference",
    "LedgerReport",
    "MaterialCheck",
    "active_bom",
    "active_materials",
    "available",
    "check_material",
    "choose_material",
    "default_location",
    "materials_in_stock",
    "materials_with_stock",
    "plate_picture",
    "price_of",
    "products_for",
    "service_ids",
    "usable_balances",
    "verify_ledger",
]
