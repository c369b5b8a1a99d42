"""The tables of catalogue, stock and purchasing."""

from inventory.models.catalogue import (
    BOM,
    BOMLine,
    PlateFilament,
    PlateMember,
    PrintFile,
    Product,
    ProductPlate,
)
from inventory.models.filaments import SliceFilament
from inventory.models.purchasing import PurchaseOrder, PurchaseOrderLine, Vendor
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

__all__ = [
    "BOM",
    "BOMLine",
    "Inventory",
    "InventoryLocation",
    "InventoryTransaction",
    "MaterialLot",
    "PlateFilament",
    "PlateMember",
    "PrintFile",
    "Product",
    "ProductPlate",
    "ProductUnit",
    "PurchaseOrder",
    "PurchaseOrderLine",
    "Reference",
    "Reservation",
    "SliceFilament",
    "Spool",
    "Vendor",
    "VendorItem",
    "VendorPrice",
]
