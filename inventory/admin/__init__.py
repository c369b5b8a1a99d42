"""Catalogue, stock and purchasing in the console."""

from inventory.admin import (
    bills,
    books,
    catalogue,
    counting,
    imports,
    library,
    lots,
    purchasing,
    stock,
    variants,
    vendors,
)

__all__ = [
    "bills",
    "books",
    "catalogue",
    "counting",
    "imports",
    "library",
    "lots",
    "purchasing",
    "stock",
    "variants",
    "vendors",
]
