"""Running a slicer's program: in a folder of its own, within its time and memory, with its last words kept."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import psutil
from django.conf import settings

from integrations.errors import PartnerNotSetUp
from integrations.slicers.errors import SlicerTooLarge, SlicerTooSlow
from quotes.modelfiles.limits import MEBIBYTE

#: What is kept of all that a program says.
_LAST_BYTES = 4_000
_POLL_SECONDS = 0.1
#: What a program may know of our environment: where it finds itself, its settings and a screen. It opens strangers'
#: files, so keys and passwords of this system are not for it.
_KEPT_VARIABLES = {
    "APPDATA", "COMMONPROGRAMFILES", "COMSPEC", "DISPLAY", "GALLIUM_DRIVER", "HOME", "LANG", "LANGUAGE",
    "LD_LIBRARY_PATH", "LOCALAPPDATA", "LOGNAME", "NUMBER_OF_PROCESSORS", "OS", "PATH", "PATHEXT",
    "PROCESSOR_ARCHITECTURE", "PROGRAMDATA", "PROGRAMFILES", "SYSTEMDRIVE", "SYSTEMROOT", "TEMP", "TMP", "TMPDIR",
    "TZ", "USER", "USERNAME", "USERPROFILE", "WAYLAND_DISPLAY", "WINDIR", "XAUTHORITY",
}  # fmt: skip
_KEPT_BEGINNINGS = ("APPIMAGE", "FONTCONFIG_", "GTK_", "LC_", "LIBGL_", "MESA_", "QT_", "WEBKIT_", "XDG_")


@dataclass(frozen=True)
class Ended:
    """How a program ended: its exit code as a signed byte or word, the signal that ended it, what it said last."""

    code: int
    killed_by: int
    said: str


def run_program(command: Sequence[str], *, folder: Path, seconds: float) -> Ended:
    """Run a program in ``folder`` and wait for its end; its children end with it when it takes too much.

    Raises:
        PartnerNotSetUp: there is no such program, or it may not be run.
        SlicerTooSlow: it did not end in ``seconds``.
        SlicerTooLarge: it and its children held more memory than ``SLICER_MEMORY_MB``.
    """
    log = folder / "said.txt"
    with log.open("wb") as said:
        try:
            process = subprocess.Popen(  # noqa: S603  (a configured program, arguments of ours, no shell)
                list(command),
                cwd=folder,
                env=_environment(),
                stdin=subprocess.DEVNULL,
                stdout=said,
                stderr=subprocess.STDOUT,
            )
        except OSError as error:
            raise PartnerNotSetUp(
                f"The slicer {command[0]} cannot be run: {error.strerror or error}.", details={"program": command[0]}
            ) from error
        with process:
            try:
                code = _watch(process, seconds=seconds, megabytes=settings.SLICER_MEMORY_MB, log=log)
            except BaseException:
                # A task that is stopped waits for no slicer, and leaves none behind.
                _end(_family(process.pid))
                raise
    # A POSIX system tells a signal as a negative number, and an exit code as one byte, Windows as an unsigned word.
    killed_by = -code if os.name == "posix" and code < 0 else 0
    bits = 8 if os.name == "posix" else 32
    signed = code if killed_by or code < 1 << (bits - 1) else code - (1 << bits)
    return Ended(0 if killed_by else signed, killed_by, _last_words(log))


def _environment() -> dict[str, str]:
    return {
        name: value
        for name, value in os.environ.items()
        if name.upper() in _KEPT_VARIABLES or name.upper().startswith(_KEPT_BEGINNINGS)
    }


def _watch(process: subprocess.Popen[bytes], *, seconds: float, megabytes: int, log: Path) -> int:
    deadline = time.monotonic() + seconds
    while True:
        try:
            return process.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            family = _family(process.pid)
        if time.monotonic() > deadline:
            _end(family)
            raise SlicerTooSlow(f"The slicer did not end in {seconds:g} seconds.", details={"said": _last_words(log)})
        if _resident(family) > megabytes * MEBIBYTE:
            _end(family)
            raise SlicerTooLarge(
                f"The slicer needed more than {megabytes} MB of memory.", details={"said": _last_words(log)}
            )


def _family(pid: int) -> list[psutil.Process]:
    """The process and all below it; nothing when it has just ended."""
    try:
        process = psutil.Process(pid)
        return [*process.children(recursive=True), process]
    except psutil.Error:
        return []


def _resident(family: Sequence[psutil.Process]) -> int:
    total = 0
    for process in family:
        with suppress(psutil.Error):
            total += process.memory_info().rss
    return total


def _end(family: Sequence[psutil.Process]) -> None:
    for process in family:
        with suppress(psutil.Error):
            process.kill()


def _last_words(log: Path) -> str:
    with log.open("rb") as said:
        said.seek(0, os.SEEK_END)
        said.seek(max(said.tell() - _LAST_BYTES, 0))
        return said.read().decode("utf-8", "replace").strip()
