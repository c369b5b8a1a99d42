"""``manage.py demo_people``: who orders at the demo farm, and the robot that clears its plates."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser, BooleanOptionalAction
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from blb3d.demo.people import People

TURN_SECONDS = 2.0
POLL_SECONDS = 0.2


class Command(BaseCommand):
    """Keep the demo farm busy."""

    help = "Order, and clear plates, at the demo farm; in DEMO only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take where the shop is, where the printers keep their record, and what is done."""
        parser.add_argument("--shop-url", required=True)
        parser.add_argument("--printers", type=Path, required=True)
        parser.add_argument("--clear-plates", action=BooleanOptionalAction, default=True)

    def handle(self, *args: Any, **options: Any) -> None:
        """Go on until stopped."""
        if not settings.DEMO:
            raise CommandError("Nobody but people clears plates outside the demo.")
        asked = threading.Event()
        for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda *_: asked.set())
        people = People(shop_url=options["shop_url"], printers=options["printers"], clears=options["clear_plates"])
        while not asked.is_set():
            people.turn()
            # Short waits: a long one would keep Windows from delivering the signal.
            for _ in range(round(TURN_SECONDS / POLL_SECONDS)):
                if asked.wait(POLL_SECONDS):
                    break
