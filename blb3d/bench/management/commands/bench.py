"""``manage.py bench``: speed, measured against a floor in the same run."""

from __future__ import annotations

import json
import platform
import sys
from argparse import ArgumentParser
from functools import partial
from pathlib import Path
from typing import Any

import django
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection

from blb3d.bench import complete, imports, intake, lists, mrp, quoting, requirements, schedule, telemetry
from blb3d.bench.measure import Report

BENCHES = {
    "intake": intake.run,
    "requirements": requirements.run,
    "mrp": mrp.run,
    "mrp-net-change": mrp.run_net_change,
    "lists": lists.run,
    "flow": intake.run_flow,
    "complete": complete.run,
    "import": imports.run,
    "quoting": quoting.run,
    "schedule": schedule.run,
    "telemetry": telemetry.run,
}
#: Takes minutes and disk, so it is not one of ``--all``.
MILLION = {"lists": lists.run_million}


class Command(BaseCommand):
    """Measure on generated data in a database of its own; exit 1 when a target is missed."""

    help = "Measure speed as ratios against a floor; fails when a target is missed."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take which benches to run."""
        parser.add_argument("name", nargs="*", choices=[*BENCHES, []], help=", ".join(BENCHES))
        parser.add_argument("--all", action="store_true")
        parser.add_argument("--million", action="store_true", help="lists: the five largest tables at 1,000,000 rows")
        parser.add_argument("--folder", type=Path, help="quoting: also tell the error on the models in this folder")
        parser.add_argument("--json", type=Path, help="also write the figures to this file")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run, print, judge."""
        names = list(BENCHES) if options["all"] else options["name"]
        if not names:
            raise CommandError(f"Which one? {', '.join(BENCHES)} or --all")
        name = connection.settings_dict["NAME"]
        # A pool would keep connections to the database that is dropped at the end.
        connection.settings_dict["OPTIONS"].pop("pool", None)
        connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
        machine = self._machine()
        self.stdout.write(machine)
        reports: list[Report] = []
        try:
            runs = {
                bench: MILLION.get(bench, BENCHES[bench]) if options["million"] else BENCHES[bench] for bench in names
            }
            if "quoting" in runs:
                runs["quoting"] = partial(quoting.run, options["folder"])
            for run in runs.values():
                call_command("flush", verbosity=0, interactive=False)
                report = run()
                reports.append(report)
                self.stdout.write(f"\n{report.name}")
                for line in report.lines:
                    self.stdout.write(f"  {line}")
                for judgement in report.judgements:
                    self.stdout.write(f"  {judgement}")
        finally:
            connection.creation.destroy_test_db(name, verbosity=0)
        if options["json"]:
            figures = {r.name: {**r.figures, "judgements": [str(j) for j in r.judgements]} for r in reports}
            options["json"].write_text(json.dumps({"machine": machine, "benches": figures}, indent=1))
        if not all(report.holds for report in reports):
            raise CommandError("A target was missed.")

    def _machine(self) -> str:
        with connection.cursor():
            version = (
                getattr(connection, "pg_version", None) or connection.Database.version
                if connection.vendor != "sqlite"
                else connection.Database.sqlite_version
            )
        return (
            f"{platform.machine()}, {platform.system()}, Python {sys.version.split()[0]}, Django {django.__version__}, "
            f"{connection.display_name} {version}"
        )
