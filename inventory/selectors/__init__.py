"""What can be asked of inventory."""

from inventory.selectors.catalogue import active_bom, materials_with_stock, products_for
from inventory.selectors.counting import DueCount, due_for_counting, is_within_tolerance, open_counts
from inventory.selectors.drying import DryingState, drying_states, spools_in_dryer, spools_to_dry
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
from inventory.selectors.reconciliation import Difference, LedgerReport, prove_ledger, verify_ledger
from inventory.selectors.review import Compared, compare_with_estimate, doubts_about
from inventory.selectors.spools import find_location, find_spool, label_text, spool_text
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
from inventory.selectors.valuation import Worth, total_value, valuation

__all__ = [
    "Compared",
    "Difference",
    "DryingState",
    "DueCount",
    "LedgerReport",
    "MaterialCheck",
    "Worth",
    "active_bom",
    "active_materials",
    "available",
    "check_material",
    "choose_material",
    "compare_with_estimate",
    "default_location",
    "doubts_about",
    "drying_states",
    "due_for_counting",
    "filaments_of",
    "find_location",
    "find_spool",
    "from_stock",
    "is_within_tolerance",
    "label_text",
    "match_filaments",
    "materials_in_stock",
    "materials_with_stock",
    "open_counts",
    "plate_picture",
    "price_of",
    "products_for",
    "prove_ledger",
    "purchase_unit",
    "service_ids",
    "spool_text",
    "spools_in_dryer",
    "spools_to_dry",
    "stock_costs",
    "stock_quantity",
    "to_stock",
    "total_value",
    "unit_choices",
    "unit_factors",
    "units_of",
    "usable_balances",
    "usage_unit",
    "valuation",
    "verify_ledger",
]
