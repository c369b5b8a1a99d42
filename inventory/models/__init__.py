"""The tables of catalogue, stock and purchasing."""

from inventory.models.bills import VendorBill, VendorBillLine
from inventory.models.catalogue import (
    BOM,
    BOMLine,
    PlateFilament,
    PlateMember,
    PrintFile,
    Product,
    ProductPlate,
)
from inventory.models.counting import CycleCount, CycleCountLine
from inventory.models.drying import DryingRecord
from inventory.models.filaments import SliceFilament
from inventory.models.imports import ImportBatch, ImportContent
from inventory.models.library import ProductFile
from inventory.models.periods import ReconciliationReport, StockBook, StockPeriod, StockPeriodValue
from inventory.models.purchasing import PurchaseOrder, PurchaseOrderLine, PurchaseRequisition, Vendor
from inventory.models.receiving import GoodsReceipt, GoodsReceiptLine, LandedCost, VendorReturn, VendorReturnLine
from inventory.models.sourcing import VendorItem, VendorPrice
from inventory.models.stock import (
    Inventory,
    InventoryLocation,
    InventoryTransaction,
    MaterialLot,
    Reference,
    Reservation,
    Spool,
)
from inventory.models.units import ProductUnit
from inventory.models.variants import ProductFamily, ProductVariant

__all__ = [
    "BOM",
    "BOMLine",
    "CycleCount",
    "CycleCountLine",
    "DryingRecord",
    "GoodsReceipt",
    "GoodsReceiptLine",
    "ImportBatch",
    "ImportContent",
    "Inventory",
    "InventoryLocation",
    "InventoryTransaction",
    "LandedCost",
    "MaterialLot",
    "PlateFilament",
    "PlateMember",
    "PrintFile",
    "Product",
    "ProductFamily",
    "ProductFile",
    "ProductPlate",
    "ProductUnit",
    "ProductVariant",
    "PurchaseOrder",
    "PurchaseOrderLine",
    "PurchaseRequisition",
    "ReconciliationReport",
    "Reference",
    "Reservation",
    "SliceFilament",
    "Spool",
    "StockBook",
    "StockPeriod",
    "StockPeriodValue",
    "Vendor",
    "VendorBill",
    "VendorBillLine",
    "VendorItem",
    "VendorPrice",
    "VendorReturn",
    "VendorReturnLine",
]
