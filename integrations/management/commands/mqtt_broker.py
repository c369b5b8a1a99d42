"""``manage.py mqtt_broker``: a message broker for the demo's printers."""

from __future__ import annotations

from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from integrations.bambu.broker import run


class Command(BaseCommand):
    """Serve MQTT on this machine, to everybody, without encryption: for the demo only."""

    help = "Run a small MQTT broker for simulated printers; in DEMO and DEBUG only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take where to listen."""
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--port", type=int, default=18830)

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until stopped."""
        if not (settings.DEMO or settings.DEBUG):
            raise CommandError("This broker asks nobody who they are; it runs in DEMO or DEBUG only.")
        run(options["host"], options["port"])
