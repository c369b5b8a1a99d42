"""``manage.py kill_test``: the main job while its processes are being killed."""

from __future__ import annotations

import json
import random
import tempfile
import threading
import time
from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from blb3d.demo.farm import Farm, Ports
from blb3d.demo.main_job import MainJob
from blb3d.demo.report import read_report

VICTIMS = ("worker", "web", "listener")


class Killer(threading.Thread):
    """Kills a process at random moments, each time starting it again, until it has had its fill or is stopped."""

    def __init__(self, farm: Farm, *, kills: int, seed: int, say: Any) -> None:
        """Plan ``kills`` kills from ``seed``."""
        super().__init__(daemon=True)
        self.farm, self.kills, self.say = farm, kills, say
        self.random = random.Random(seed)  # noqa: S311  (to be repeatable, not secret)
        self.done = 0
        self.over = threading.Event()

    def run(self) -> None:
        """Kill."""
        while self.done < self.kills and not self.over.wait(self.random.uniform(0.2, 5.0)):
            name = self.random.choice(VICTIMS)
            self.farm.processes.kill(name)
            self.done += 1
            self.say(f"    killed {name} ({self.done})")
            self.over.wait(self.random.uniform(0.0, 1.5))
            self.farm.processes.start()


class Command(BaseCommand):
    """Play the main job undisturbed once, then again and again under kills, and compare what each run leaves."""

    help = "Kill worker, web and listener at random moments of the main job; the end must always be the same."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take how many kills, and the seed that repeats them."""
        parser.add_argument("--kills", type=int, default=50)
        parser.add_argument("--seed", type=int, default=None)
        parser.add_argument("--time-scale", type=int, default=1200)

    def handle(self, *args: Any, **options: Any) -> None:
        """Compare runs until all kills are spent."""
        seed = options["seed"] if options["seed"] is not None else random.SystemRandom().randrange(10**6)
        self.stdout.write(f"seed {seed}")
        expected = self._play(0, seed, options["time_scale"])["documents"]
        left, run = options["kills"], 0
        while left > 0:
            run += 1
            report = self._play(left, seed + run, options["time_scale"])
            left -= report["kills"]
            if report["documents"] != expected:
                self.stderr.write("expected " + json.dumps(expected, indent=1))
                self.stderr.write("found    " + json.dumps(report["documents"], indent=1))
                raise CommandError(f"Run {run} (seed {seed + run}) ended in other documents.")
            if report["ledger"]["differences"] or report["outbox"]["dead"] or report["outbox"]["pending"]:
                raise CommandError(f"Run {run} (seed {seed + run}): {report['ledger']} {report['outbox']}")
            self.stdout.write(f"run {run}: {report['kills']} kills, the same documents, the ledger agrees")
        self.stdout.write(f"All runs ended alike (seed {seed}).")

    def _play(self, kills: int, seed: int, time_scale: int) -> dict[str, Any]:
        started = time.monotonic()

        def say(line: str) -> None:
            self.stdout.write(f"[{time.monotonic() - started:6.1f} s] {line}")
            self.stdout.flush()

        with tempfile.TemporaryDirectory(prefix="blb3d-kill-", ignore_cleanup_errors=True) as folder:
            farm = Farm(Path(folder), Ports.free(), time_scale=time_scale)
            farm.prepare()
            killer = Killer(farm, kills=kills, seed=seed, say=say)
            try:
                farm.start()
                if kills:
                    killer.start()
                MainJob(farm, say).run()
                killer.over.set()
                if killer.is_alive():
                    killer.join()
                farm.processes.start()
                report = read_report(farm)
            except (AssertionError, TimeoutError) as error:
                raise CommandError(f"seed {seed}: {error}") from error
            finally:
                killer.over.set()
                farm.stop()
        return {**report, "kills": killer.done}
