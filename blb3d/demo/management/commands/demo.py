"""``manage.py demo``: the whole farm on this machine."""

from __future__ import annotations

import shutil
import signal
import time
from argparse import ArgumentParser, BooleanOptionalAction
from pathlib import Path
from types import FrameType
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand

from blb3d.demo.catalogue import PRINTERS
from blb3d.demo.farm import Farm, Ports
from blb3d.demo.seed import USERS


class Command(BaseCommand):
    """Start web, worker, beat, broker, printers, listener and shop as one process group."""

    help = "Load the demo farm and run it at http://localhost:8000 until Ctrl-C; a second start keeps its data."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take where the data lies, and whether to begin anew."""
        parser.add_argument("--data-dir", type=Path, default=settings.BASE_DIR / "var" / "demo")
        parser.add_argument("--port", type=int, default=8000)
        parser.add_argument("--fresh", action="store_true", help="throw the data away first")
        parser.add_argument(
            "--clear-plates",
            action=BooleanOptionalAction,
            default=True,
            help="a robot clears plates and works the benches; off: you do",
        )
        parser.add_argument("--faults", default="demo", help="seed of what goes wrong at the machines; empty: nothing")
        parser.add_argument("--time-scale", type=int, default=60, help="simulated printers print this much faster")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until interrupted."""
        data_dir: Path = options["data_dir"]
        if options["fresh"] and data_dir.exists():
            shutil.rmtree(data_dir)
        farm = Farm(
            data_dir,
            Ports(web=options["port"]),
            time_scale=options["time_scale"],
            faults=options["faults"] or None,
            people=True,
            clear_plates=options["clear_plates"],
        )

        def interrupted(signum: int, frame: FrameType | None) -> None:
            raise KeyboardInterrupt

        # SIGINT too: a shell starts what it puts into the background with that signal ignored.
        for stop in (signal.SIGINT, signal.SIGTERM):
            signal.signal(stop, interrupted)
        self.stdout.write("Preparing the farm ...")
        farm.prepare(backlog=True)
        try:
            farm.start()
            self._welcome(farm, clears=options["clear_plates"], fails=bool(options["faults"]))
            while True:
                time.sleep(1)
                for name in farm.processes.revive():
                    self.stderr.write(f"{name} ended and was started again; see {farm.processes.named(name).log}")
        except KeyboardInterrupt:
            self.stdout.write("\nStopping ...")
        finally:
            farm.stop()
        self.stdout.write("Stopped. The data is kept; `make demo` goes on where it ended.")

    def _welcome(self, farm: Farm, *, clears: bool, fails: bool) -> None:
        rows = [("who", "e-mail", "password", "where")]
        rows += [(user.title, user.email, user.password, farm.url + user.start) for user in USERS]
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        table = "\n".join(
            "  " + "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)) for row in rows
        )
        machines = "\n".join(f"  {row.name:<14} {farm.url}/floor/printers/{row.serial}/" for row in PRINTERS)
        hands = (
            "The plate robot clears every plate after a while and works the benches; it signs as Plate robot. "
            "With --no-clear-plates you do."
            if clears
            else "Plates wait for you: clear them on the printers' pages. Without --no-clear-plates a robot does."
        )
        faults = (
            "Things go wrong now and then: failed prints, cancels, pauses, lost connections. --faults= keeps them away."
            if fails
            else "Nothing goes wrong today; --faults=demo changes that."
        )
        self.stdout.write(
            f"\nThe farm runs at {farm.url}   (console {farm.url}/admin/, API {farm.url}/api/v1/docs/)\n\n{table}\n\n"
            f"Floor board {farm.url}/floor/   (QR labels of the printers: {farm.url}/floor/labels/printers.pdf)\n"
            f"{machines}\n\n{hands}\n{faults}\n\n"
            f"Logs: {farm.data_dir / 'logs'}    Try: drop a 3MF at {farm.url}/    Ctrl-C stops everything.\n"
        )
