"""``manage.py farm_report``: what the database holds, as JSON."""

from __future__ import annotations

import json
from typing import Any

from django.core.management.base import BaseCommand

from blb3d.demo.report import collect


class Command(BaseCommand):
    """Print counts, quantities, money and states of everything, and whether the ledger agrees."""

    help = "Print what the database holds as JSON, so that two runs can be compared."

    def handle(self, *args: Any, **options: Any) -> None:
        """Print the report."""
        self.stdout.write(json.dumps(collect(), default=str))
