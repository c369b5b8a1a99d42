"""A real clamd with a signature of our own, and one that is not what it should be."""

from __future__ import annotations

import shutil
import socket
import socketserver
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

#: Found as "Test.Signature.UNOFFICIAL": harmless, and in no real database.
VIRUS = b"solid harmless test string that our own signature finds 7f3a91c2\n"


@contextmanager
def clamd(folder: Path) -> Iterator[str]:
    """Run ClamAV's daemon on a port of its own with a database of one signature; give its address."""
    program = shutil.which("clamd") or shutil.which("clamd", path="/usr/sbin:/usr/local/sbin")
    if program is None:
        pytest.skip("clamd (Debian: clamav-daemon) is not installed")
    database = folder / "database"
    database.mkdir()
    # Name, any kind of file (0), any offset (*), the bytes in hex.
    (database / "test.ndb").write_text(f"Test.Signature:0:*:{VIRUS.hex()}\n")
    port = _free_port()
    configuration = folder / "clamd.conf"
    configuration.write_text(
        f"TCPSocket {port}\nTCPAddr 127.0.0.1\nLocalSocket {folder}/clamd.ctl\nDatabaseDirectory {database}\n"
        f"LogFile {folder}/clamd.log\nForeground yes\nStreamMaxLength 2M\nSelfCheck 0\nAlertExceedsMax yes\n"
        "MaxFileSize 1M\nMaxScanSize 1M\n"
    )
    with subprocess.Popen([program, "--config-file", str(configuration)]) as daemon:
        try:
            _wait_for(port, daemon)
            yield f"tcp://127.0.0.1:{port}"
        finally:
            daemon.terminate()


def _wait_for(port: int, daemon: subprocess.Popen[bytes]) -> None:
    end = time.monotonic() + 60
    while time.monotonic() < end and daemon.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError("clamd does not start")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def nowhere() -> str:
    """Return an address at which nothing listens."""
    return f"tcp://127.0.0.1:{_free_port()}"


@contextmanager
def server(answer: Callable[[socket.socket], None]) -> Iterator[str]:
    """Run a server that does with each connection what it is told; give its address."""

    class Handler(socketserver.BaseRequestHandler):
        def handle(self) -> None:
            answer(self.request)

    class Server(socketserver.ThreadingTCPServer):
        daemon_threads = True

    with Server(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        try:
            yield f"tcp://127.0.0.1:{listening.server_address[1]}"
        finally:
            listening.shutdown()
            thread.join()
