"""Customers, orders, money and parcels in the console."""

from sales.admin import customers, money, orders, shipments

__all__ = ["customers", "money", "orders", "shipments"]
