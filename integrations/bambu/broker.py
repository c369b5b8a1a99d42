"""A small MQTT broker for demos and tests, so that nothing has to be installed or started beside this system."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import threading
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from amqtt.broker import Broker

#: The broker counts keepalives without the grace that clients rely on.
KEEPALIVE_GRACE_SECONDS = 15
START_SECONDS = 20.0
POLL_SECONDS = 0.2


@dataclass(frozen=True)
class BrokerAccess:
    """Who may connect, and how: everybody without TLS, or by a file of ``user:argon2-hash`` lines and a certificate."""

    password_file: Path | None = None
    certificate: Path | None = None
    key: Path | None = None


class EmbeddedBroker:
    """An MQTT 3.1.1 broker in a thread of this process; usable as a context manager. Nothing is kept after a stop."""

    def __init__(self, host: str = "127.0.0.1", port: int = 0, *, access: BrokerAccess = BrokerAccess()) -> None:
        self.host = host
        self.port = port or free_port(host)
        self._access = access
        self._thread = threading.Thread(target=self._run, name="mqtt-broker", daemon=True)
        self._ready = threading.Event()
        self._stop = threading.Event()
        self._failure: BaseException | None = None

    def start(self) -> EmbeddedBroker:
        """Listen, or raise what kept the broker from listening."""
        self._thread.start()
        if not self._ready.wait(START_SECONDS):
            raise TimeoutError(f"no broker on {self.host}:{self.port} after {START_SECONDS:.0f} s")
        if self._failure:
            raise self._failure
        return self

    def stop(self) -> None:
        """Close every session and the port, and wait for it."""
        self._stop.set()
        self._thread.join(START_SECONDS)

    def __enter__(self) -> EmbeddedBroker:
        return self.start()

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as failure:
            self._failure = failure
        finally:
            self._ready.set()

    async def _serve(self) -> None:
        _quiet()
        broker = Broker(_config(self.host, self.port, self._access))
        await broker.start()
        self._ready.set()
        while not self._stop.is_set():
            await asyncio.sleep(POLL_SECONDS)
        await broker.shutdown()


def run(host: str, port: int, *, access: BrokerAccess = BrokerAccess()) -> None:
    """Serve until SIGINT or SIGTERM (Ctrl-C or Ctrl-Break on Windows); call it from the main thread of a process."""
    asked = threading.Event()
    for name in ("SIGINT", "SIGTERM", "SIGBREAK"):
        if hasattr(signal, name):
            signal.signal(getattr(signal, name), lambda *_: asked.set())
    with EmbeddedBroker(host, port, access=access):
        # Short waits: a long one would keep Windows from delivering the signal.
        while not asked.wait(POLL_SECONDS):
            continue


def free_port(host: str = "127.0.0.1") -> int:
    """Return a TCP port that nobody listens on at this moment."""
    with socket.socket() as probe:
        probe.bind((host, 0))
        return int(probe.getsockname()[1])


def _config(host: str, port: int, access: BrokerAccess) -> dict[str, Any]:
    listener: dict[str, Any] = {"type": "tcp", "bind": f"{host}:{port}"}
    if access.certificate and access.key:
        listener |= {"ssl": True, "certfile": str(access.certificate), "keyfile": str(access.key)}
    plugins: dict[str, Any]
    if access.password_file:
        plugins = {"amqtt.plugins.authentication.FileAuthPlugin": {"password_file": str(access.password_file)}}
    else:
        plugins = {"amqtt.plugins.authentication.AnonymousAuthPlugin": {"allow_anonymous": True}}
    return {
        "listeners": {"default": listener},
        "timeout_disconnect_delay": KEEPALIVE_GRACE_SECONDS,
        "plugins": plugins,
    }


def _quiet() -> None:
    """Keep the broker's own log out of ours: it calls every port scan an error, and what matters is raised anyway."""
    for name in ("amqtt", "transitions", "websockets"):
        logging.getLogger(name).setLevel(logging.CRITICAL)
