"""Catalogue, stock and purchasing in the console."""

from inventory.admin import catalogue, purchasing, stock

__all__ = ["catalogue", "purchasing", "stock"]
