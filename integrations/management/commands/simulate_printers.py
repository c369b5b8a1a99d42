"""``manage.py simulate_printers``: a farm of printers that do not exist."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from integrations.printers.simulation import simulated_farm

POLL_SECONDS = 0.2


class Command(BaseCommand):
    """Play every printer of the database: on the broker of MQTT_HOST, with memory cards of their own."""

    help = "Simulate the printers of the database; in DEMO and DEBUG only."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take ports, pace, place and faults."""
        parser.add_argument("--ftps-port", type=int, default=None, help="the first memory card's; default: as stored")
        parser.add_argument("--time-scale", type=float, default=60.0, help="they print this much faster")
        parser.add_argument("--folder", type=Path, default=settings.VAR_DIR / "printers", help="their memory cards")
        parser.add_argument("--faults", default=None, metavar="SEED", help="let things go wrong, drawn from this seed")
        parser.add_argument("--soak", type=float, metavar="SHARE", help="soak: this share of jobs fails, all is quick")
        parser.add_argument("--longest", type=float, default=30.0, help="in a soak: seconds that a job takes at most")

    def handle(self, *args: Any, **options: Any) -> None:
        """Print until stopped."""
        if not (settings.DEMO or settings.DEBUG):
            raise CommandError("Simulated printers would take real jobs; they run in DEMO or DEBUG only.")
        asked = threading.Event()
        for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda *_: asked.set())
        farm = simulated_farm(
            options["folder"],
            time_scale=options["time_scale"],
            first_port=options["ftps_port"],
            faults=options["faults"],
            soak=options["soak"],
            longest=options["longest"],
        )
        with farm:
            self.stdout.write(f"{len(farm.printers)} printers are on.")
            # Short waits: a long one would keep Windows from delivering the signal.
            while not asked.wait(POLL_SECONDS):
                continue
