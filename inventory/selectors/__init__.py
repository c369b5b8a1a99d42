"""What can be asked of inventory."""

from inventory.selectors.catalogue import active_bom, materials_with_stock, products_for
from inventory.selectors.filaments import filaments_of, match_filaments
from inventory.selectors.materials import (
    MaterialCheck,
    active_materials,
    check_material,
    choose_material,
    materials_in_stock,
    price_of,
    stock_costs,
)
from inventory.selectors.pictures import plate_picture
from inventory.selectors.reconciliation import Difference, LedgerReport, verify_ledger
from inventory.selectors.review import Compared, compare_with_estimate, doubts_about
from inventory.selectors.spools import find_spool, spool_text
from inventory.selectors.stock import available, default_location, service_ids, usable_balances
from inventory.selectors.units import (
    from_stock,
    purchase_unit,
    stock_quantity,
    to_stock,
    unit_choices,
    unit_factors,
    units_of,
    usage_unit,
)

__all__ = [
    "Compared",
    "Difference",
    "LedgerReport",
    "MaterialCheck",
    "active_bom",
    "active_materials",
    "available",
    "check_material",
    "choose_material",
    "compare_with_estimate",
    "default_location",
    "doubts_about",
    "filaments_of",
    "find_spool",
    "from_stock",
    "match_filaments",
    "materials_in_stock",
    "materials_with_stock",
    "plate_picture",
    "price_of",
    "products_for",
    "purchase_unit",
    "service_ids",
    "spool_text",
    "stock_costs",
    "stock_quantity",
    "to_stock",
    "unit_choices",
    "unit_factors",
    "units_of",
    "usable_balances",
    "usage_unit",
    "verify_ledger",
]
