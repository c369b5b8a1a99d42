"""``manage.py listen_printers``: the process that talks to the printers."""

from __future__ import annotations

import signal
import threading
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from integrations.printers.listener import Listener

POLL_SECONDS = 0.2


class Command(BaseCommand):
    """Listen to printers and carry out their commands; one process per shard."""

    help = "Listen to the printers, book what they do, and start what was sent to them; one process per shard."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take which printers are served."""
        parser.add_argument("--shard", type=int, default=None, help="only printers of this shard; all when left out")

    def handle(self, *args: Any, **options: Any) -> None:
        """Serve until SIGINT or SIGTERM (Ctrl-C or Ctrl-Break on Windows)."""
        listener = Listener(shard=options["shard"])
        asked = threading.Event()
        for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
            if hasattr(signal, name):
                signal.signal(getattr(signal, name), lambda *_: asked.set())
        serving = threading.Thread(target=listener.run, name="listener")
        serving.start()
        # Short waits: a long one would keep Windows from delivering the signal.
        while serving.is_alive() and not asked.wait(POLL_SECONDS):
            continue
        listener.stop()
        serving.join()
