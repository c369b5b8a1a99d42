"""``manage.py smoke``: the main job once, without a person."""

from __future__ import annotations

import json
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from blb3d.demo.farm import Farm, Ports
from blb3d.demo.main_job import MainJob
from blb3d.demo.report import read_report


class Command(BaseCommand):
    """Start a fresh farm on free ports, play the main job, print every step, and stop."""

    help = "Run the main job once on a fresh farm and exit 0 when every step held."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take how fast the simulated printers print, and where to run."""
        parser.add_argument("--time-scale", type=int, default=1200)
        parser.add_argument("--database-url", default="", help="another database than a fresh SQLite file")

    def handle(self, *args: Any, **options: Any) -> None:
        """Play and report."""
        started = time.monotonic()

        def say(line: str) -> None:
            self.stdout.write(f"[{time.monotonic() - started:6.1f} s] {line}")
            self.stdout.flush()

        with tempfile.TemporaryDirectory(prefix="blb3d-smoke-", ignore_cleanup_errors=True) as folder:
            farm = Farm(
                Path(folder),
                Ports.free(),
                time_scale=options["time_scale"],
                database_url=options["database_url"],
            )
            farm.prepare()
            try:
                farm.start()
                say("farm ready")
                MainJob(farm, say).run()
                report = read_report(farm)
            except (AssertionError, TimeoutError) as error:
                for service in farm.processes.services:
                    tail = service.log.read_text(errors="replace").splitlines()[-15:] if service.log.exists() else []
                    self.stderr.write(f"--- {service.name}\n" + "\n".join(tail))
                raise CommandError(str(error)) from error
            finally:
                farm.stop()
        for key in ("ledger", "outbox"):
            say(f"{key}: {json.dumps(report[key])}")
        if report["ledger"]["differences"]:
            raise CommandError("The ledger and the balances differ.")
        if report["outbox"]["dead"] or report["outbox"]["pending"]:
            raise CommandError("Events were not delivered.")
        say(f"ledger and balances agree; {report['outbox']['delivered']} outbox events were delivered. All is well.")
