"""The tables of catalogue, stock and purchasing."""

from inventory.models.catalogue import BOM, BOMLine, PlateFilament, PrintFile, Product, ProductPlate
from inventory.models.purchasing import PurchaseOrder, PurchaseOrderLine, Vendor
from inventory.models.stock import (
    Inventory,
    InventoryLocation,
    InventoryTransaction,
    MaterialLot,
    Reference,
    Reservation,
    Spool,
)

__all__ = [
    "BOM",
    "BOMLine",
    "Inventory",
    "InventoryLocation",
    "InventoryTransaction",
    "MaterialLot",
    "PlateFilament",
    "PrintFile",
    "Product",
    "ProductPlate",
    "PurchaseOrder",
    "PurchaseOrderLine",
    "Reference",
    "Reservation",
    "Spool",
    "Vendor",
]
