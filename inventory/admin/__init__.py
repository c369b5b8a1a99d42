"""Catalogue, stock and purchasing in the console."""

from inventory.admin import books, catalogue, counting, lots, purchasing, stock

__all__ = ["books", "catalogue", "counting", "lots", "purchasing", "stock"]
