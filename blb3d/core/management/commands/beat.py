"""``manage.py beat``: the clock that repeats what must happen."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Run Celery beat; one per installation."""

    help = "Run the clock of the periodic tasks; one per installation."

    def handle(self, *args: Any, **options: Any) -> None:
        """Tick until stopped."""
        from blb3d.celery import app

        app.Beat(loglevel=settings.LOG_LEVEL, max_interval=5).run()
