"""Running a soak: the processes of a farm, the killer among them, and the robot that plays the people."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from blb3d.demo.farm import Ports, farm_environment, free_row, migrate
from blb3d.demo.processes import MANAGE, ProcessGroup, run_manage
from blb3d.demo.soak.robot import Plan

#: Who is killed, and how often compared with the others.
VICTIMS = {"listener": 4, "broker": 3, "worker": 2, "robot": 1, "beat": 1}
#: Without any news for so long the soak has failed.
PATIENCE = 150.0
SAY_EVERY = 20.0
POLL_SECONDS = 0.5

Say = Callable[[str], None]


class Stuck(Exception):
    """Nothing happens any more, and it is not over."""


class Soak:
    """One soak: its folder, its processes, its killer."""

    def __init__(self, plan: Plan, *, failures: float, longest: float, kills: int, database_url: str, say: Say) -> None:
        self.plan, self.kills, self.say = plan, kills, say
        self.port = Ports.free().mqtt
        self.cards = free_row(plan.printers)
        self.environment = farm_environment(plan.folder, mqtt_port=self.port, database_url=database_url) | {
            "PRINTER_STALE_SECONDS": "6",
            "LOG_LEVEL": "INFO",
        }
        self.processes = ProcessGroup(self.environment)
        logs = plan.folder / "logs"
        add = self.processes.add
        self.broker = self._add_broker(logs)
        add("worker", "work", log_dir=logs)
        add("beat", "beat", log_dir=logs)
        add(
            "printers",
            *("simulate_printers", "--folder", str(plan.truth), "--faults", plan.seed),
            *("--soak", str(failures), "--longest", str(longest)),
            log_dir=logs,
        )
        add("listener", "listen_printers", log_dir=logs)
        add("robot", *self._part("robot"), log_dir=logs)
        self.random = random.Random(f"{plan.seed}/kills")  # noqa: S311  (to be repeatable, not secret)
        self.killed: list[dict[str, Any]] = []
        self._back: list[tuple[float, dict[str, Any]]] = []

    def _add_broker(self, logs: Path) -> str:
        """Use the broker that is installed, else the one that is built in; return its name."""
        program = shutil.which("mosquitto") or shutil.which("/usr/sbin/mosquitto")
        if program is None:
            self.processes.add("broker", "mqtt_broker", "--port", str(self.port), log_dir=logs)
            return "the built-in broker"
        settings = self.plan.folder / "mosquitto.conf"
        settings.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\nmax_queued_messages 0\n")
        self.processes.add_program("broker", program, "-c", str(settings), log_dir=logs)
        return "mosquitto"

    def _part(self, name: str) -> list[str]:
        plan = self.plan
        return [
            *("soak_part", name, "--folder", str(plan.folder), "--printers", str(plan.printers)),
            *("--jobs", str(plan.jobs), "--seed", plan.seed, "--until", str(plan.until)),
        ]

    def prepare(self) -> None:
        """Make the database and the farm in it."""
        migrate(self.environment)
        run_manage(*self._part("prepare"), "--ftps-port", str(self.cards), environment=self.environment)

    def run(self) -> None:
        """Start everything, kill now and then, and return when the robot says that all is over; raises ``Stuck``."""
        moments = self._moments()
        started = said = moved = time.monotonic()
        before: dict[str, Any] = {}
        self.processes.start()
        try:
            while True:
                time.sleep(POLL_SECONDS)
                now = time.monotonic()
                status = self._status()
                if status.get("is_over"):
                    break
                self._bring_back(now)
                if moments and status.get("over", 0) >= moments[0]:
                    moments.pop(0)
                    self._kill(now)
                if {**status, "at": 0} != before:
                    before, moved = {**status, "at": 0}, now
                if now - moved > PATIENCE:
                    raise Stuck(f"nothing moved for {PATIENCE:.0f} s: {status}")
                if now - said > SAY_EVERY:
                    said = now
                    self.say(self._words(status, now - started))
                self._revive()
        finally:
            self.processes.stop()
        self.say(self._words(self._status(), time.monotonic() - started))

    def judge(self, *, share_asked: float) -> dict[str, Any]:
        """Compare the books with the truth, in a process of its own."""
        answer = subprocess.run(  # noqa: S603  (our own command line)
            [sys.executable, str(MANAGE), *self._part("judge"), "--share-asked", str(share_asked),
             "--kills", json.dumps(self.killed)],
            env=self.environment, capture_output=True, check=False, text=True,
        )  # fmt: skip
        if answer.returncode:
            raise Stuck(f"no verdict: {answer.stderr[-2000:]}")
        found: dict[str, Any] = json.loads(answer.stdout.splitlines()[-1])
        return found

    # --- killing ---------------------------------------------------------------------------------------------------

    def _moments(self) -> list[int]:
        """Return after how many ended jobs somebody is killed: spread over the run, none at its very end."""
        last = self.plan.jobs * 0.97
        return sorted(int(self.random.uniform(0.02 * last, last)) for _ in range(self.kills))

    def _kill(self, now: float) -> None:
        alive = [name for name in VICTIMS if not any(kill["name"] == name for _, kill in self._back)]
        name = self.random.choices(alive, [VICTIMS[name] for name in alive])[0]
        self.processes.kill(name)
        away = self.random.choice((0.0, 0.5, 2.0, 5.0))
        note = {"name": name, "at": time.time(), "back": time.time() + away}
        self.killed.append(note)
        self._back.append((now + away, note))
        self.say(f"    killed {name}, back in {away:.1f} s ({len(self.killed)} of {self.kills})")

    def _bring_back(self, now: float) -> None:
        for due, note in list(self._back):
            if now >= due:
                self._back.remove((due, note))
                note["back"] = time.time()
                self._start(note["name"])

    def _revive(self) -> None:
        """Start again what ended by itself: nothing should, so it is told."""
        away = {note["name"] for _, note in self._back}
        for service in self.processes.services:
            if service.process and service.process.poll() is not None and service.name not in away:
                if service.name == "robot" and self._status().get("is_over"):
                    continue
                self.say(f"    {service.name} ended by itself; see {service.log}")
                self._start(service.name)

    def _start(self, name: str) -> None:
        self.processes.start_one(name)

    # --- telling ---------------------------------------------------------------------------------------------------

    def _status(self) -> dict[str, Any]:
        try:
            status: dict[str, Any] = json.loads(self.plan.status.read_text())
        except (OSError, ValueError):
            return {}
        return status

    def _words(self, status: dict[str, Any], seconds: float) -> str:
        if not status:
            return "starting"
        return (
            f"{status['over']} of {status['made']} jobs over after {seconds:.0f} s "
            f"({60 * status['over'] / max(seconds, 1):.0f} a minute): {status['printing']} printing, "
            f"{status['paused']} paused, {status['sent']} sent, {status['waiting']} waiting, "
            f"{status['uncleared']} uncleared, {status['unknown']} unknown, {status['asked']} asked"
        )
