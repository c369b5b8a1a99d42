"""Customers, price rules, orders, money and parcels in the console."""

from sales.admin import customers, money, orders, pricing, shipments

__all__ = ["customers", "money", "orders", "pricing", "shipments"]
