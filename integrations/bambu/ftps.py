"""Sending a print file to a printer: FTP over implicit TLS with its quirks (Bambu LAN protocol, section 6)."""

from __future__ import annotations

import ftplib
import hashlib
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, BinaryIO

from integrations.bambu.address import PrinterAddress, Trust
from integrations.bambu.errors import UploadFailed, UploadRefused
from integrations.bambu.protocol import USERNAME

#: The slowest transfer that is still waited for, and the shortest deadline.
SLOWEST_BYTES_PER_SECOND = 25_000
SHORTEST_DEADLINE_SECONDS = 600.0
SOCKET_TIMEOUT_SECONDS = 30.0
#: Large printers take half a minute to write the file out before they confirm it.
CONFIRMATION_SECONDS = 60.0
CHUNK_BYTES = 64 * 1024
#: Connection closed or aborted in the middle: the file may be whole all the same, its size tells.
INTERRUPTED = ("425", "426", "451")


class DataChannel(StrEnum):
    """Whether the file itself travels encrypted; some small printers only take it in the clear."""

    PROTECTED = "P"
    CLEAR = "C"


@dataclass(frozen=True)
class Upload:
    """A file that arrived whole. ``data_channel`` is worth remembering for the next time."""

    file_name: str
    size: int
    md5: str
    seconds: float
    data_channel: DataChannel


def upload(
    address: PrinterAddress,
    source: BinaryIO,
    *,
    file_name: str,
    data_channel: DataChannel | None = None,
    clock: Callable[[], float] = time.monotonic,
) -> Upload:
    """Send ``source`` (seekable) to the printer's storage as ``file_name`` and return once its size there is right.

    ``data_channel`` None tries the protected channel and falls back to the clear one. One upload per printer at a time
    is the caller's to keep. Raises ``UploadFailed`` where a later attempt may succeed, ``UploadRefused`` where not.
    """
    size = source.seek(0, 2)
    problem: _ChannelProblem | None = None
    if address.trust is Trust.OFF:
        data_channel = DataChannel.CLEAR
    for channel in (data_channel,) if data_channel else (DataChannel.PROTECTED, DataChannel.CLEAR):
        try:
            return _attempt(address, source, size=size, file_name=file_name, channel=channel, clock=clock)
        except _ChannelProblem as found:
            problem = found
    raise UploadFailed(details={"reason": str(problem), "file": file_name}) from problem


class _ChannelProblem(Exception):
    """The data channel could not be opened in this form; the other form may work."""


class _PrinterFTP(ftplib.FTP_TLS):
    """An FTP session that is encrypted from the first byte and reuses its TLS session for the data."""

    def __init__(self, context: ssl.SSLContext | None, channel: DataChannel) -> None:
        super().__init__(timeout=SOCKET_TIMEOUT_SECONDS)
        self._settings = context
        self._channel = channel

    def open(self, host: str, port: int) -> None:
        self.host, self.port = host, port
        plain = socket.create_connection((host, port), self.timeout)
        self.af = plain.family
        self.sock = self._settings.wrap_socket(plain) if self._settings else plain
        self.file = self.sock.makefile("r", encoding=self.encoding)
        self.welcome = self.getresp()

    def log_in(self, access_code: str) -> None:
        ftplib.FTP.login(self, USERNAME, access_code)  # noqa: S321 - already inside TLS
        if self._settings:
            self.voidcmd("PBSZ 0")
            self.voidcmd(f"PROT {self._channel}")

    def ntransfercmd(self, cmd: str, rest: int | str | None = None) -> tuple[Any, int | None]:
        connection, size = ftplib.FTP.ntransfercmd(self, cmd, rest)  # noqa: S321 - wrapped below
        if not self._settings or self._channel is DataChannel.CLEAR:
            return connection, size
        session = self.sock.session if isinstance(self.sock, ssl.SSLSocket) else None
        try:
            return self._settings.wrap_socket(connection, session=session), size
        except ssl.SSLCertVerificationError:
            # Not the printer: whoever it is gets the file in no form.
            connection.close()
            raise
        except OSError as problem:
            connection.close()
            raise _ChannelProblem(f"the protected data channel failed: {problem}") from problem


def _attempt(
    address: PrinterAddress,
    source: BinaryIO,
    *,
    size: int,
    file_name: str,
    channel: DataChannel,
    clock: Callable[[], float],
) -> Upload:
    started = clock()
    deadline = started + max(SHORTEST_DEADLINE_SECONDS, size / SLOWEST_BYTES_PER_SECOND)
    source.seek(0)
    # Session reuse on the data channel needs TLS 1.2, and several models speak nothing newer here.
    session = _PrinterFTP(address.tls_context(newest=ssl.TLSVersion.TLSv1_2), channel)
    try:
        session.open(address.host, address.ftps_port)
        session.log_in(address.access_code)
        session.voidcmd("TYPE I")
        md5 = _transfer(session, source, file_name, deadline, clock)
        found = session.size(file_name)
    except ftplib.error_perm as refusal:
        if str(refusal).startswith(("521", "522")):
            raise _ChannelProblem(str(refusal)) from refusal
        raise UploadRefused(details={"reason": str(refusal), "file": file_name}) from refusal
    except ssl.SSLCertVerificationError as stranger:
        raise UploadRefused(details={"reason": stranger.verify_message, "file": file_name}) from stranger
    except (ftplib.Error, OSError, EOFError, ValueError) as problem:
        raise UploadFailed(details={"reason": str(problem), "file": file_name}) from problem
    finally:
        session.close()
    if found != size:
        raise UploadFailed(details={"reason": f"{found} of {size} bytes arrived", "file": file_name})
    return Upload(file_name, size, md5, clock() - started, channel)


def _transfer(
    session: _PrinterFTP, source: BinaryIO, file_name: str, deadline: float, clock: Callable[[], float]
) -> str:
    """Send the bytes and wait for the confirmation; an interruption at the very end is left to the size check."""
    digest = hashlib.md5(usedforsecurity=False)
    connection = session.transfercmd(f"STOR {file_name}")
    try:
        while chunk := source.read(CHUNK_BYTES):
            if clock() > deadline:
                raise UploadFailed(details={"reason": "the transfer took too long", "file": file_name})
            connection.sendall(chunk)
            digest.update(chunk)
    except ssl.SSLError as problem:
        raise _ChannelProblem(f"the protected data channel broke: {problem}") from problem
    finally:
        # Closed without the TLS farewell, which printers leave unanswered.
        connection.close()
    if session.sock is not None:
        session.sock.settimeout(CONFIRMATION_SECONDS)
    try:
        session.voidresp()
    except ftplib.error_temp as interruption:
        if not str(interruption).startswith(INTERRUPTED):
            raise
    return digest.hexdigest()
