"""A group of processes that start, are watched and stop together, on Linux and Windows alike."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

WINDOWS = sys.platform == "win32"
MANAGE = Path(__file__).resolve().parents[2] / "manage.py"


@dataclass
class Service:
    """One process of the group: its command line and where its output goes."""

    name: str
    command: Sequence[str]
    log: Path
    process: subprocess.Popen[bytes] | None = None
    restarts: int = 0


@dataclass
class ProcessGroup:
    """Starts services, starts again what died, and stops all of them cleanly."""

    environment: dict[str, str]
    services: list[Service] = field(default_factory=list)

    def add(self, name: str, *arguments: str, log_dir: Path) -> None:
        """Add a ``manage.py`` command; it is started by :meth:`start`."""
        self.add_program(name, sys.executable, str(MANAGE), *arguments, log_dir=log_dir)

    def add_program(self, name: str, *command: str, log_dir: Path) -> None:
        """Add another program; it is started by :meth:`start`."""
        log_dir.mkdir(parents=True, exist_ok=True)
        self.services.append(Service(name, command, log_dir / f"{name}.log"))

    def start(self) -> None:
        """Start every service that is not running."""
        for service in self.services:
            if service.process is None or service.process.poll() is not None:
                self._spawn(service)

    def start_one(self, name: str) -> None:
        """Start one service if it is not running."""
        service = self.named(name)
        if service.process is None or service.process.poll() is not None:
            self._spawn(service)

    def _spawn(self, service: Service) -> None:
        with service.log.open("ab") as log:
            service.process = subprocess.Popen(  # noqa: S603  (our own command line)
                list(service.command),
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                # A group of its own: Ctrl-C reaches this parent only, which then stops the children in order.
                start_new_session=not WINDOWS,
                creationflags=subprocess.CREATE_NEW_PROCESS_GROUP if WINDOWS else 0,  # type: ignore[attr-defined,unused-ignore]
            )

    def named(self, name: str) -> Service:
        """Return one service by name."""
        return next(service for service in self.services if service.name == name)

    def revive(self) -> list[str]:
        """Start again what has died since the last look; return the names."""
        dead = [service for service in self.services if service.process and service.process.poll() is not None]
        for service in dead:
            service.restarts += 1
            self._spawn(service)
        return [service.name for service in dead]

    def kill(self, name: str) -> None:
        """Kill one service at once, as a power cut would, its own children included."""
        process = self.named(name).process
        if process is None:
            return
        if WINDOWS:
            process.kill()
        else:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()

    def stop(self, patience: float = 10.0) -> None:
        """Ask every service to end, last started first, and kill what has not after ``patience`` seconds."""
        running = [s for s in reversed(self.services) if s.process and s.process.poll() is None]
        for service in running:
            assert service.process is not None
            if WINDOWS:
                service.process.send_signal(signal.CTRL_BREAK_EVENT)  # type: ignore[attr-defined,unused-ignore]
            else:
                service.process.terminate()
        deadline = time.monotonic() + patience
        for service in running:
            assert service.process is not None
            try:
                service.process.wait(max(deadline - time.monotonic(), 0.1))
            except subprocess.TimeoutExpired:
                self.kill(service.name)


def run_manage(*arguments: str, environment: dict[str, str]) -> None:
    """Run one ``manage.py`` command to its end; raises CalledProcessError when it fails."""
    subprocess.run([sys.executable, str(MANAGE), *arguments], env=environment, check=True)  # noqa: S603
