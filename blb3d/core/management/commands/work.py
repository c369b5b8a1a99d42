"""``manage.py work``: the task worker."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand


class Command(BaseCommand):
    """Run a Celery worker that suits this machine: threads, because no pool that forks works on Windows."""

    help = "Run a task worker."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take how many tasks run at a time."""
        parser.add_argument("--concurrency", type=int, default=settings.CELERY_WORKER_CONCURRENCY)

    def handle(self, *args: Any, **options: Any) -> None:
        """Work until stopped."""
        from blb3d.celery import app

        app.worker_main(
            ["worker", "--pool", "threads", "--concurrency", str(options["concurrency"]), "--without-mingle"]
        )
