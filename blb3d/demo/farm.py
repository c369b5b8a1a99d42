"""One running system on this machine: its ports, its environment and its processes.

``demo``, ``smoke`` and ``kill_test`` all start the same farm; they differ in where its data lies and what they do
with it.
"""

from __future__ import annotations

import os
import socket
import time
from dataclasses import dataclass
from pathlib import Path

import httpx

from blb3d.demo import template
from blb3d.demo.processes import ProcessGroup, run_manage

#: Known to everybody: they protect nothing but a demo on localhost, and a production start refuses them.
SQUARESPACE_KEY = "demo-squarespace-key"
SQUARESPACE_SECRET = "646d6f2d73717561726573706163652d7365637265742d3031"  # noqa: S105


@dataclass(frozen=True)
class Ports:
    """Where the farm listens, all on this machine; each simulated printer takes one port from ``ftps`` on."""

    web: int = 8000
    mqtt: int = 18830
    shop: int = 18081
    ftps: int = 19901

    @classmethod
    def free(cls) -> Ports:
        """Return ports that nobody uses now."""
        sockets = [socket.socket() for _ in range(3)]
        try:
            for one in sockets:
                one.bind(("127.0.0.1", 0))
            web, mqtt, shop = (one.getsockname()[1] for one in sockets)
        finally:
            for one in sockets:
                one.close()
        return cls(web, mqtt, shop, free_row(8))


def free_row(count: int) -> int:
    """Return the first of ``count`` free ports in a row."""
    for first in range(20000 + os.getpid() % 2000, 32000 - count, count):
        try:
            for port in range(first, first + count):
                with socket.socket() as one:
                    one.bind(("127.0.0.1", port))
        except OSError:
            continue
        return first
    raise OSError("no free ports")


def farm_environment(data_dir: Path, *, mqtt_port: int, database_url: str = "") -> dict[str, str]:
    """Return the environment of processes whose data lies below ``data_dir``, with simulated printers and slicer."""
    return {
        **os.environ,
        "ENV_FILE": "",
        "DJANGO_SETTINGS_MODULE": "blb3d.settings",
        "DEMO": "true",
        "DEBUG": "false",
        "DATABASE_URL": database_url or f"sqlite:///{(data_dir / 'blb3d.sqlite3').as_posix()}",
        "DB_POOL_SIZE": "0",
        "VAR_DIR": str(data_dir / "var"),
        "LOG_DIR": str(data_dir / "logs"),
        "UPLOAD_DIR": str(data_dir / "uploads"),
        "OUTBOX_NUDGE": "true",
        "MQTT_HOST": "127.0.0.1",
        "MQTT_PORT": str(mqtt_port),
        "MQTT_TLS": "false",
        "PRINTER_DEBOUNCE_SECONDS": "0.5",
        "PRINTER_HOLD_SECONDS": "20",
        "SLICER_BACKEND": "integrations.slicers.simulated.SimulatedSlicer",
    }


def migrate(environment: dict[str, str]) -> None:
    """Make the database of an environment up to date; a new SQLite file starts from one that was migrated before."""
    url = environment["DATABASE_URL"]
    database = Path(url.removeprefix("sqlite:///"))
    is_new_file = url.startswith("sqlite:///") and not database.exists()
    if is_new_file:
        template.take(database)
    is_copy = is_new_file and database.exists()
    run_manage("migrate", "--verbosity", "0", environment=environment)
    if is_new_file and not is_copy:
        template.keep(database)


class Farm:
    """A demo farm with its data below ``data_dir``."""

    def __init__(
        self,
        data_dir: Path,
        ports: Ports,
        *,
        time_scale: int = 60,
        database_url: str = "",
        faults: str | None = None,
        people: bool = False,
        clear_plates: bool = True,
    ) -> None:
        """Describe the farm; nothing is started. ``time_scale`` is how much faster the simulated printers print.

        ``faults`` is a seed: then things go wrong at the machines. With ``people`` somebody orders when little is left
        to print, and with ``clear_plates`` a robot clears plates and works the benches.
        """
        self.data_dir = data_dir.resolve()
        self.ports = ports
        self.url = f"http://localhost:{ports.web}"
        self.shop_url = f"http://127.0.0.1:{ports.shop}"
        self.time_scale = time_scale
        self.environment = {
            **farm_environment(self.data_dir, mqtt_port=ports.mqtt, database_url=database_url),
            "BASE_URL": self.url,
            "SQUARESPACE_API_URL": self.shop_url,
            "SQUARESPACE_API_KEY": SQUARESPACE_KEY,
            "SQUARESPACE_WEBHOOK_SECRET": SQUARESPACE_SECRET,
            "RATE_LIMIT_AUTH": "100/min",
            "RATE_LIMIT_QUOTES": "100/min",
        }
        self.processes = ProcessGroup(self.environment)
        logs = self.data_dir / "logs"
        add = self.processes.add
        add("broker", "mqtt_broker", "--port", str(ports.mqtt), log_dir=logs)
        add("shop", "squarespace_sandbox", "--port", str(ports.shop), "--notify", self.url, log_dir=logs)
        add("web", "serve", "--port", str(ports.web), log_dir=logs)
        add("worker", "work", log_dir=logs)
        add("beat", "beat", log_dir=logs)
        add(
            "printers",
            *("simulate_printers", "--ftps-port", str(ports.ftps), "--time-scale", str(time_scale)),
            *("--folder", str(self.data_dir / "printers")),
            *(("--faults", faults) if faults else ()),
            log_dir=logs,
        )
        add("listener", "listen_printers", log_dir=logs)
        if people:
            add(
                "people",
                *("demo_people", "--shop-url", self.shop_url, "--printers", str(self.data_dir / "printers")),
                *(() if clear_plates else ("--no-clear-plates",)),
                log_dir=logs,
            )

    def prepare(self, *, backlog: bool = False) -> None:
        """Make the database and load the demo farm; quick and harmless when it is there already.

        ``backlog`` also puts work into every queue of a farm that has no orders yet.
        """
        self.data_dir.mkdir(parents=True, exist_ok=True)
        migrate(self.environment)
        options = ["--ftps-port", str(self.ports.ftps), *(["--backlog"] if backlog else [])]
        run_manage("prepare_demo", *options, environment=self.environment)

    def start(self, patience: float = 90.0) -> None:
        """Start every process and wait until the system says that it is ready.

        Raises:
            TimeoutError: it does not, with the reasons it gives.
        """
        self.processes.start()
        deadline = time.monotonic() + patience
        answer = ""
        while time.monotonic() < deadline:
            try:
                response = httpx.get(f"http://127.0.0.1:{self.ports.web}/health/ready", timeout=5)
                if response.status_code == httpx.codes.OK:
                    return
                answer = response.text
            except httpx.TransportError as error:
                answer = str(error)
            self.processes.revive()
            time.sleep(0.3)
        raise TimeoutError(f"The farm is not ready: {answer}")

    def stop(self) -> None:
        """Stop every process cleanly."""
        self.processes.stop()
