"""``manage.py soak``: a farm at full pace, with everything failing now and then, held against the truth."""

from __future__ import annotations

import random
import shutil
import tempfile
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from blb3d.demo.soak.databases import throw_away_database
from blb3d.demo.soak.robot import Plan
from blb3d.demo.soak.run import Soak, Stuck


class Command(BaseCommand):
    """Run simulated printers through many jobs while processes are killed, and compare the books with the machines."""

    help = "Soak a simulated farm: every job must end once, as its machine knows; exits 1 on any disagreement."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take how large, how bad, and the seed that repeats it."""
        parser.add_argument("--printers", type=int, default=50)
        parser.add_argument("--jobs", type=int, default=2000, help="plates to be made, retries included")
        parser.add_argument("--failures", type=float, default=0.05, help="share of jobs that fail at the machine")
        parser.add_argument("--longest", type=float, default=30.0, help="seconds that a job takes at most")
        parser.add_argument("--kills", type=int, default=40, help="of listener, broker, worker, robot, beat")
        parser.add_argument("--seed", default=None)
        parser.add_argument("--minutes", type=float, default=None, help="no new orders after so long")
        parser.add_argument("--asked", type=float, default=0.01, help="share of jobs that may be asked of a person")
        parser.add_argument("--database-url", default="", help="a PostgreSQL server; a database is made and dropped")
        parser.add_argument("--keep", action="store_true", help="keep the folder with logs, records and database")

    def handle(self, *args: Any, **options: Any) -> None:
        """Soak and tell."""
        seed = options["seed"] or str(random.SystemRandom().randrange(10**6))
        started = time.monotonic()

        def say(line: str) -> None:
            self.stdout.write(f"[{time.monotonic() - started:6.1f} s] {line}")
            self.stdout.flush()

        folder = Path(tempfile.mkdtemp(prefix="blb3d-soak-"))
        until = time.time() + 60 * options["minutes"] if options["minutes"] else float("inf")
        plan = Plan(folder, options["printers"], options["jobs"], seed, until)
        is_clean = False
        try:
            with throw_away_database(options["database_url"]) as database_url:
                soak = Soak(
                    plan,
                    failures=options["failures"],
                    longest=options["longest"],
                    kills=options["kills"],
                    database_url=database_url,
                    say=say,
                )
                say(f"seed {seed}: {plan.printers} printers, {plan.jobs} jobs, {options['kills']} kills, "
                    f"{soak.broker}, in {folder}")  # fmt: skip
                soak.prepare()
                say("farm ready")
                soak.run()
                verdict = soak.judge(share_asked=options["asked"])
            self._tell(verdict, say)
            is_clean = not verdict["disagreements"]
        except Stuck as stuck:
            raise CommandError(f"seed {seed}: {stuck}; see {folder / 'logs'}") from stuck
        finally:
            if is_clean and not options["keep"]:
                shutil.rmtree(folder, ignore_errors=True)
        if not is_clean:
            raise CommandError(f"seed {seed}: {len(verdict['disagreements'])} disagreements; see {folder}")
        say(f"Every job ended once, as its machine knows (seed {seed}).")

    def _tell(self, verdict: dict[str, Any], say: Any) -> None:
        for name, value in verdict["figures"].items():
            say(f"{name}: {value}")
        for code in verdict["asked"]:
            say(f"asked: {code}")
        for line in verdict["remarks"]:
            say(f"remark: {line}")
        for line in verdict["disagreements"]:
            say(f"DISAGREEMENT: {line}")
