"""Run the sandbox shop."""

from __future__ import annotations

import logging
import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from integrations.squarespace.sandbox import Sandbox, Shop


class Command(BaseCommand):
    help = "Run a small shop that keeps to Squarespace's Orders API and notifies this system of its orders."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--port", type=int, default=18081)
        parser.add_argument("--notify", default=settings.BASE_URL, help="Address of the system that is notified.")

    def handle(self, *args: Any, **options: Any) -> None:
        if not (settings.SQUARESPACE_API_KEY and settings.SQUARESPACE_WEBHOOK_SECRET):
            raise CommandError("Set SQUARESPACE_API_KEY and SQUARESPACE_WEBHOOK_SECRET.")
        logging.getLogger("httpx").setLevel(logging.WARNING)
        shop = Shop(
            settings.SQUARESPACE_API_KEY,
            settings.SQUARESPACE_WEBHOOK_SECRET,
            notify_url=options["notify"].rstrip("/"),
            state_file=settings.VAR_DIR / "squarespace-sandbox.json",
        )
        done = threading.Event()
        # Windows stops a process of a group with a break.
        for number in (signal.SIGINT, signal.SIGTERM, getattr(signal, "SIGBREAK", signal.SIGTERM)):
            signal.signal(number, lambda *_: done.set())
        with Sandbox(shop, options["port"]) as sandbox:
            self.stdout.write(f"The shop is open at {sandbox.url} and notifies {options['notify']}.")
            while not done.wait(0.5):
                pass
