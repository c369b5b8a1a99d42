"""ClamAV's daemon, asked over its socket.

The protocol is that of clamd(8), section COMMANDS: ``zINSTREAM\\0``, then chunks, each behind its length as four bytes
(big endian), then a chunk of length 0. The answer ends with NUL: ``stream: OK``, ``stream: <name> FOUND`` or
``... ERROR``. Without a NUL the answer is not complete.
"""

from __future__ import annotations

import logging
import socket
import struct
import time
from typing import IO
from urllib.parse import urlsplit

from django.conf import settings

from quotes.ports import Scan

log = logging.getLogger(__name__)

_CHUNK = 64 * 1024
_LONGEST_ANSWER = 4096
_NOT_LOOKED_AT = "Heuristics.Limits.Exceeded"


class ClamdScanner:
    """Scans by the clamd at ``CLAMD_URL``; whatever goes wrong on the way holds the file back."""

    def __init__(self, url: str = "", *, seconds: float | None = None) -> None:
        """Take the settings' daemon, or the one given. ``seconds`` bound each wait and, ten times, the whole scan."""
        self.url = url or settings.CLAMD_URL  # type: ignore[misc]
        self.seconds = seconds or settings.SCANNER_TIMEOUT_SECONDS  # type: ignore[misc]

    def scan(self, stream: IO[bytes]) -> Scan:
        """Send the stream and return the daemon's word on it."""
        try:
            with self._connected() as connection:
                answer = _ask(connection, stream, deadline=time.monotonic() + 10 * self.seconds)
        except (OSError, ValueError) as error:
            log.warning("clamd at %s gave no answer: %s", self.url, error)
            return Scan("held", f"The scanner gave no answer: {error}"[:200], is_away=True)
        return _judged(answer)

    def _connected(self) -> socket.socket:
        parts = urlsplit(self.url)
        if parts.scheme == "tcp" and parts.hostname and parts.port:
            return socket.create_connection((parts.hostname, parts.port), timeout=self.seconds)
        if parts.scheme == "unix" and hasattr(socket, "AF_UNIX"):
            connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            connection.settimeout(self.seconds)
            try:
                connection.connect(parts.path)
            except OSError:
                connection.close()
                raise
            return connection
        raise ValueError("CLAMD_URL must look like tcp://host:3310 or unix:///run/clamav/clamd.ctl")


def _ask(connection: socket.socket, stream: IO[bytes], *, deadline: float) -> str:
    try:
        connection.sendall(b"zINSTREAM\0")
        while chunk := stream.read(_CHUNK):
            connection.sendall(struct.pack(">I", len(chunk)) + chunk)
            if time.monotonic() > deadline:
                raise TimeoutError("the scan takes too long")
        connection.sendall(struct.pack(">I", 0))
    except (BrokenPipeError, ConnectionResetError):
        # Above its StreamMaxLength the daemon answers and hangs up in the middle.
        log.info("clamd hung up before the end")
    answer = b""
    while not answer.endswith(b"\0"):
        part = connection.recv(_LONGEST_ANSWER)
        answer += part
        if not part or len(answer) > _LONGEST_ANSWER or time.monotonic() > deadline:
            raise ValueError("the answer broke off")
    return answer.rstrip(b"\0").decode("utf-8", "replace").strip()


def _judged(answer: str) -> Scan:
    said = answer.removeprefix("stream: ")
    if said == "OK":
        return Scan("clean")
    # With AlertExceedsMax the daemon says so of what it did not look at as a whole.
    if said.endswith(" FOUND") and not said.startswith(_NOT_LOOKED_AT):
        return Scan("infected", said.removesuffix(" FOUND")[:200])
    return Scan("held", f"The scanner could not judge: {answer}"[:200])
