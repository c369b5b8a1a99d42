"""Catalogue, stock and purchasing in the console."""

from inventory.admin import books, catalogue, counting, imports, library, lots, purchasing, stock, variants

__all__ = ["books", "catalogue", "counting", "imports", "library", "lots", "purchasing", "stock", "variants"]
