"""A simulated printer's memory card: its own small FTP server over implicit TLS, and the jobs found on it."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from OpenSSL import SSL
from pyftpdlib.authorizers import DummyAuthorizer
from pyftpdlib.handlers import DTPHandler, FTPHandler, TLS_FTPHandler
from pyftpdlib.ioloop import IOLoop
from pyftpdlib.servers import FTPServer

from integrations.bambu.protocol import USERNAME
from integrations.slicers.errors import UnusablePackage
from integrations.slicers.package import read_sliced_package
from quotes.modelfiles.analysis import SlicedFilament
from quotes.modelfiles.package import Package

LAYERS = re.compile(rb"^; total layer number: (\d{1,6})\s*$", re.MULTILINE)
POLL_SECONDS = 0.1
NO_ACCESS_CODE = "none"


class UnusableJob(Exception):
    """The card holds no such file, or none that this machine takes."""


@dataclass(frozen=True)
class StoredJob:
    """One plate of a file on the card: predicted seconds, layers, and grams by the file's filament numbers from 0."""

    predicted_seconds: float
    layers: int
    grams: tuple[float, ...]


def open_job(folder: Path, file_name: str, plate: int) -> StoredJob:
    """Read one plate of an uploaded file; raises ``UnusableJob``, also for files that a real slicer made."""
    if not file_name or Path(file_name).name != file_name or not (folder / file_name).is_file():
        raise UnusableJob(f"no file {file_name!r}")
    content = (folder / file_name).read_bytes()
    try:
        package = read_sliced_package(content)
        sliced = package.plate(plate)
        head = Package(content).read(sliced.gcode_path)[:4096]
    except UnusablePackage as problem:
        raise UnusableJob(problem.message) from problem
    if not package.is_simulated:
        raise UnusableJob("the file was not made by the simulated slicer")
    found = LAYERS.search(head)
    return StoredJob(
        predicted_seconds=float(sliced.prediction_seconds),
        layers=max(1, int(found[1])) if found else 1,
        grams=_by_number(sliced.filaments),
    )


def _by_number(filaments: Sequence[SlicedFilament]) -> tuple[float, ...]:
    grams = [0.0] * max([1, *(filament.id for filament in filaments)])
    for filament in filaments:
        grams[max(filament.id - 1, 0)] += float(filament.used_g)
    return tuple(grams)


class CardLoop:
    """The thread that serves memory cards: one for each card that stands alone, one for all cards of a farm."""

    def __init__(self, name: str) -> None:
        self.io = IOLoop()
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._serve, name=name, daemon=True)
        logging.getLogger("pyftpdlib").setLevel(logging.ERROR)

    def start(self) -> None:
        """Serve until ``stop``."""
        self._thread.start()

    def stop(self) -> None:
        """Close every port and every session."""
        self._stopping.set()
        if self._thread.ident:
            self._thread.join(5)
        else:
            self.io.close()

    def _serve(self) -> None:
        while not self._stopping.is_set():
            self.io.loop(POLL_SECONDS, blocking=False)
        self.io.close()


class CardServer:
    """The FTP server of one printer; with a certificate it speaks TLS from the first byte, else none.

    ``loop`` is shared with other cards and started and stopped by whoever made it; without one it has a thread of its
    own.
    """

    def __init__(
        self,
        folder: Path,
        *,
        host: str,
        port: int,
        access_code: str,
        certificate: Path | None = None,
        key: Path | None = None,
        clear_data_only: bool = False,
        loop: CardLoop | None = None,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        authorizer = DummyAuthorizer() if access_code else _OpenCard()
        authorizer.add_user(USERNAME, access_code or NO_ACCESS_CODE, str(folder), perm="elrdfmw")
        handler = _handler(authorizer, certificate, key, clear_data_only)
        self._own_loop = None if loop else CardLoop(f"card-{port}")
        shared = loop or self._own_loop
        assert shared is not None
        self._server = FTPServer((host, port), handler, ioloop=shared.io)
        self.port = int(self._server.address[1])

    def start(self) -> None:
        """Serve until ``stop``."""
        if self._own_loop:
            self._own_loop.start()

    def stop(self) -> None:
        """Close the port and every session."""
        if self._own_loop:
            self._own_loop.stop()


class _OpenCard(DummyAuthorizer):
    """Takes any password: a printer without an access code, for the demo on this machine."""

    def validate_authentication(self, username: str, password: str, handler: Any) -> None:
        super().validate_authentication(username, NO_ACCESS_CODE, handler)


class _ImplicitHandler(TLS_FTPHandler):
    """A control channel that is encrypted before the greeting."""

    def handle(self) -> None:
        self.secure_connection(self.ssl_context)

    def handle_ssl_established(self) -> None:
        super().handle()


class _ClearDataHandler(_ImplicitHandler):
    """A printer that takes files in the clear only, whatever was agreed."""

    def ftp_PROT(self, line: str) -> None:  # noqa: N802 - the library finds commands by this name
        if line.upper() == "P":
            self.respond("522 Protection level not supported.")
        else:
            super().ftp_PROT(line)


def _handler(
    authorizer: DummyAuthorizer, certificate: Path | None, key: Path | None, clear_data_only: bool
) -> type[FTPHandler]:
    """Return a handler class of its own: the library keeps settings on the class, and each printer has others."""
    settings: dict[str, Any] = {"authorizer": authorizer, "banner": "card ready", "auth_failed_timeout": 0.3}
    if certificate is None or key is None:
        return type("CardHandler", (FTPHandler,), {**settings, "dtp_handler": DTPHandler})
    context = SSL.Context(SSL.TLS_SERVER_METHOD)
    context.use_certificate_chain_file(str(certificate))
    context.use_privatekey_file(str(key))
    context.set_session_id(b"card")
    base = _ClearDataHandler if clear_data_only else _ImplicitHandler
    return type("CardHandler", (base,), {**settings, "ssl_context": context})
