"""Production in the console, a module per kind of document."""

from production.admin import floor, jobs, mrp, orders, printers, quality, reels, routings, schedule, watching

__all__ = ["floor", "jobs", "mrp", "orders", "printers", "quality", "reels", "routings", "schedule", "watching"]
