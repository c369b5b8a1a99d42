"""BLB3D ERP: orders, quotes, production and stock of a 3D print farm."""

from blb3d.celery import app as celery_app

__all__ = ["celery_app"]
