"""Production in the console, a module per kind of document."""

from production.admin import floor, jobs, orders, printers, quality, routings, schedule, watching

__all__ = ["floor", "jobs", "orders", "printers", "quality", "routings", "schedule", "watching"]
