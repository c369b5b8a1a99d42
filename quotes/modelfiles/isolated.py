"""Reading strangers' files in processes of their own: one that loops, swells or crashes fails its file, nothing else.

A few children are kept warm, because importing the readers takes longer than reading most files. A child has no
database, no settings and no secrets in its environment; it is given a path, or bytes over a pipe, and answers with an
analysis. Its time is limited by the clock, its memory by the operating system where that can (``RLIMIT_AS``), and by
looking at what it holds everywhere. After ``files_per_child`` files, or when it has grown, it is replaced.

Every message is the length of a JSON head as four bytes (big endian), the head, and the bytes whose sizes it tells.
"""

from __future__ import annotations

import atexit
import json
import logging
import os
import queue
import shutil
import signal
import struct
import subprocess
import sys
import tempfile
import threading
import time
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass, fields, replace
from importlib import import_module
from pathlib import Path
from types import TracebackType
from typing import IO, Any, Self

import psutil

from blb3d.core.errors import BLB3DError
from quotes.modelfiles.analysis import ModelAnalysis
from quotes.modelfiles.errors import UnusableFile
from quotes.modelfiles.limits import DEFAULT_LIMITS, MEBIBYTE, ReadLimits

log = logging.getLogger(__name__)

READER = "quotes.modelfiles.reader:read_model"
#: More than any analysis has; a child that was taken over shall not fill our memory.
MAX_ANSWER = 64 * MEBIBYTE
#: Seconds for a child to import what it needs, on a machine that is busy.
START_SECONDS = 60
_LOOK_EVERY = 0.05
_ROOT = Path(__file__).resolve().parents[2]
#: What a child may know of our environment: how to find the interpreter and its libraries, nothing of this system.
_KEPT_VARIABLES = ("PATH", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONPATH", "SYSTEMROOT", "WINDIR", "LANG", "LC_ALL")
#: Threads of the numeric libraries take address space and gain nothing here.
_FIXED_VARIABLES = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "MALLOC_ARENA_MAX": "2",
}
_BLOBS = tuple(field.name for field in fields(ModelAnalysis) if field.type == "bytes")


class TooHardToRead(UnusableFile):
    """Reading the file took more time or memory than a file gets, or ended the process that read it."""

    kind = "FILE_TOO_HARD"


class ReadersBusy(BLB3DError):
    """All reading processes were at work for as long as one file may take."""

    code = "FILE_003"
    http_status = 503
    message = "Other files are being read. Please try again in a minute."
    transient = True


@dataclass(frozen=True)
class ProcessLimits:
    """What reading one file may take: wall clock seconds, MiB above a child that rests, and children at a time."""

    seconds: float = 30
    megabytes: int = 1024
    processes: int = 2
    files_per_child: int = 100


def read_isolated(
    source: bytes | Path,
    *,
    file_name: str,
    limits: ReadLimits = DEFAULT_LIMITS,
    unit: str = "",
    process: ProcessLimits | None = None,
) -> ModelAnalysis:
    """Read a file as ``read_model`` does, in one of this process's reading children.

    Raises:
        UnusableFile: as ``read_model`` says; ``TooHardToRead`` when the child had to be stopped or died.
        ReadersBusy: no child became free in time.
    """
    pool = _pool_of(process or ProcessLimits())
    return pool.read(source, file_name=file_name, limits=limits, unit=unit)


class ReaderPool:
    """Warm children for reading; safe to use from many threads."""

    def __init__(self, process: ProcessLimits, *, reader: str = READER) -> None:
        """Start no child yet. ``reader`` is ``module:function`` with the arguments of ``read_model``."""
        self.process = process
        self._reader = reader
        self._owner = os.getpid()
        self._places: queue.LifoQueue[_Child | None] = queue.LifoQueue()
        for _ in range(process.processes):
            self._places.put(None)
        self._running: set[_Child] = set()

    @property
    def pids(self) -> set[int]:
        """The numbers of the children that there are now, at work or resting."""
        return {child.pid for child in list(self._running)}

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def read(
        self, source: bytes | Path, *, file_name: str, limits: ReadLimits = DEFAULT_LIMITS, unit: str = ""
    ) -> ModelAnalysis:
        """Read one file; raises as ``read_isolated``."""
        try:
            child = self._places.get(timeout=self.process.seconds)
        except queue.Empty:
            raise ReadersBusy from None
        try:
            if child is None or not child.is_alive:
                child = self._new_child(instead_of=child)
            return child.read(source, file_name=file_name, limits=limits, unit=unit)
        finally:
            if child is not None and child.is_spent:
                # Its imports are done by the time that the next file comes. Where none can be started now, the next
                # file tries again: a place is never lost.
                with suppress(OSError):
                    child = self._new_child(instead_of=child)
            self._places.put(child)

    def _new_child(self, *, instead_of: _Child | None) -> _Child:
        if instead_of is not None:
            instead_of.close()
            self._running.discard(instead_of)
        child = _Child(self.process, self._reader)
        self._running.add(child)
        return child

    def close(self) -> None:
        """End the children that rest; a pool that was inherited by a fork leaves them to their owner."""
        if os.getpid() != self._owner:
            return
        with suppress(queue.Empty):
            while True:
                child = self._places.get_nowait()
                if child is not None:
                    child.close()
                    self._running.discard(child)


_pools: dict[ProcessLimits, ReaderPool] = {}
_pools_lock = threading.Lock()


def _pool_of(process: ProcessLimits) -> ReaderPool:
    with _pools_lock:
        pool = _pools.get(process)
        if pool is None or pool._owner != os.getpid():
            pool = _pools[process] = ReaderPool(process)
        return pool


@atexit.register
def close_pools() -> None:
    """End all reading children of this process; the next file starts new ones."""
    with _pools_lock:
        for pool in _pools.values():
            pool.close()
        _pools.clear()


class _Child:
    """One reading process, used by one thread at a time."""

    def __init__(self, process: ProcessLimits, reader: str) -> None:
        self.process = process
        self.is_spent = False
        self._files = 0
        self._is_ready = False
        self._resting_mb = 0.0
        self._folder = tempfile.mkdtemp(prefix="blb3d-reader-")
        kept = {name: os.environ[name] for name in _KEPT_VARIABLES if name in os.environ}
        self._popen = subprocess.Popen(  # noqa: S603  (our own interpreter and module)
            [sys.executable, "-m", "quotes.modelfiles.isolated", reader, str(process.megabytes), str(process.seconds)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=_ROOT,
            env={**kept, **_FIXED_VARIABLES, "TMPDIR": self._folder, "TEMP": self._folder, "TMP": self._folder},
            creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
        )
        self._sends, self._answers = _pipes(self._popen)

    @property
    def pid(self) -> int:
        """The process's number."""
        return self._popen.pid

    @property
    def is_alive(self) -> bool:
        """True while the process runs."""
        return self._popen.poll() is None

    def read(self, source: bytes | Path, *, file_name: str, limits: ReadLimits, unit: str) -> ModelAnalysis:
        if not self._is_ready:
            self._wait_until_ready()
        head: dict[str, Any] = {"file_name": file_name, "limits": asdict(limits), "unit": unit}
        blobs = []
        if isinstance(source, Path):
            head["path"] = str(source.resolve())
        else:
            blobs.append(source)
        self._files += 1
        with self._watched(self.process.seconds, self.process.megabytes):
            try:
                _send(self._sends, head, blobs)
            except OSError:
                raise EOFError from None
            answer, pictures = self._answer()
        self.is_spent = self.is_spent or answer["is_grown"] or self._files >= self.process.files_per_child
        if "refused" in answer:
            raise _refusal(answer["refused"])
        if "crash" in answer:
            self.is_spent = True
            log.error("a file could not be read: %s\n%s", file_name, answer["crash"])
            raise TooHardToRead("It could not be read.")
        if "memory" in answer:
            self.is_spent = True
            raise TooHardToRead(f"Reading it takes more than {self.process.megabytes} MB of memory.")
        named: dict[str, Any] = dict(zip(_BLOBS, pictures, strict=True))
        return replace(ModelAnalysis.from_dict(answer["analysis"]), **named)

    def close(self) -> None:
        """End the process and remove what it left."""
        self._popen.kill()
        self._popen.wait()
        with suppress(OSError):
            # What was not sent yet is lost with the process.
            self._sends.close()
        self._answers.close()
        shutil.rmtree(self._folder, ignore_errors=True)

    def _wait_until_ready(self) -> None:
        try:
            with self._watched(START_SECONDS, None):
                self._resting_mb = self._answer()[0]["megabytes"]
        except TooHardToRead:
            # No file's fault.
            log.exception("a reading process does not start")
            raise ReadersBusy from None
        self._is_ready = True

    def _answer(self) -> tuple[dict[str, Any], list[bytes]]:
        return _receive(self._answers, MAX_ANSWER)

    @contextmanager
    def _watched(self, seconds: float, megabytes: int | None) -> Iterator[None]:
        """Kill the process when the block takes too long or the process holds too much; then its pipe ends.

        Raises:
            TooHardToRead: the process was killed, or ended by itself.
        """
        done, reasons = threading.Event(), []

        def look() -> None:
            end = time.monotonic() + seconds
            while not done.wait(_LOOK_EVERY):
                if time.monotonic() > end:
                    reasons.append(f"Reading it takes longer than {seconds:g} seconds.")
                elif megabytes is not None and self._memory() > megabytes + self._resting_mb:
                    reasons.append(f"Reading it takes more than {megabytes} MB of memory.")
                else:
                    continue
                self._popen.kill()
                return

        watcher = threading.Thread(target=look, name=f"reader-{self.pid}", daemon=True)
        watcher.start()
        try:
            yield
        except (EOFError, ValueError) as error:
            self.is_spent = True
            self._popen.kill()
            code = self._popen.wait()
            log.warning("reading process %s ended with %s: %s", self.pid, code, reasons or error)
            raise TooHardToRead(reasons[0] if reasons else "It could not be read: the reader broke off.") from None
        except BaseException:
            # A stopped task, or a refusal: only a child that has answered is used again.
            self.is_spent = True
            raise
        finally:
            done.set()
            watcher.join()
            self.is_spent = self.is_spent or bool(reasons)

    def _memory(self) -> float:
        try:
            return psutil.Process(self.pid).memory_info().rss / MEBIBYTE  # type: ignore[no-any-return]
        except psutil.Error:
            return 0


def _pipes(popen: subprocess.Popen[bytes]) -> tuple[IO[bytes], IO[bytes]]:
    if popen.stdin is None or popen.stdout is None:
        raise RuntimeError("a reading process has no pipes")
    return popen.stdin, popen.stdout


def _refusal(refused: Mapping[str, Any]) -> UnusableFile:
    """Return the child's refusal as the same class here."""
    details = dict(refused["details"])
    kind, reason = details.pop("kind"), details.pop("reason")
    known = (sub for sub in UnusableFile.all_codes() if getattr(sub, "kind", "") == kind)
    refusal = next(known, UnusableFile)
    return refusal(reason, details=details)  # type: ignore[return-value]


def _send(pipe: IO[bytes], head: Mapping[str, Any], blobs: list[bytes]) -> None:
    encoded = json.dumps({**head, "sizes": [len(blob) for blob in blobs]}).encode()
    pipe.write(struct.pack(">I", len(encoded)) + encoded)
    for blob in blobs:
        pipe.write(blob)
    pipe.flush()


def _receive(pipe: IO[bytes], most: int) -> tuple[dict[str, Any], list[bytes]]:
    """Return head and bytes of one message; EOFError at the pipe's end, ValueError for what is no message."""
    (size,) = struct.unpack(">I", _exactly(pipe, 4))
    if size > most:
        raise ValueError("the message is too long")
    head = json.loads(_exactly(pipe, size))
    if min(head["sizes"], default=0) < 0 or size + sum(head["sizes"]) > most:
        raise ValueError("the message is too long")
    return head, [_exactly(pipe, length) for length in head["sizes"]]


def _exactly(pipe: IO[bytes], size: int) -> bytes:
    content = pipe.read(size)
    if len(content) < size:
        raise EOFError("the pipe ended")
    return content


# --- In the child -----------------------------------------------------------------------------------------------------


def main(reader: str, megabytes: int, seconds: float) -> None:
    """Answer files until the pipe ends: what the child runs."""
    # Nothing else may write into the pipe, whatever a library prints.
    requests = os.fdopen(os.dup(0), "rb")
    answers = os.fdopen(os.dup(1), "wb")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.dup2(2, 1)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    module, _, function = reader.partition(":")
    read = getattr(import_module(module), function)
    _limit_memory(megabytes)
    resting = psutil.Process().memory_info().rss
    _send(answers, {"megabytes": resting / MEBIBYTE}, [])
    grown = resting + megabytes * MEBIBYTE // 4
    while True:
        try:
            request, blobs = _receive(requests, sys.maxsize)
        except EOFError:
            # An owner that was killed cannot tidy up; what a reader left in the folder stays.
            with suppress(OSError):
                os.rmdir(tempfile.gettempdir())
            return
        _limit_cpu(seconds)
        answer, pictures = _answered(read, request, blobs)
        answer["is_grown"] = psutil.Process().memory_info().rss > grown
        _send(answers, answer, pictures)


def _answered(read: Any, request: Mapping[str, Any], blobs: list[bytes]) -> tuple[dict[str, Any], list[bytes]]:
    source = Path(request["path"]) if "path" in request else blobs[0]
    wishes = {"unit": request["unit"]} if request["unit"] else {}
    try:
        analysis: ModelAnalysis = read(
            source, file_name=request["file_name"], limits=ReadLimits(**request["limits"]), **wishes
        )
    except UnusableFile as error:
        return {"refused": {"details": error.details}}, []
    except MemoryError:
        return {"memory": True}, []
    except Exception:
        return {"crash": traceback.format_exc(limit=-8)[-4000:]}, []
    return {"analysis": analysis.as_dict()}, [getattr(analysis, name) for name in _BLOBS]


if sys.platform == "win32":

    def _limit_memory(megabytes: int) -> None:
        """Windows has no such limit for a process by itself; the owner looks at what it holds."""

    def _limit_cpu(seconds: float) -> None:
        """As for memory."""

else:
    import resource

    def _limit_memory(megabytes: int) -> None:
        """Bound the address space to what is mapped now and the megabytes; no core is written of a customer's file."""
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        mapped = psutil.Process().memory_info().vms + megabytes * MEBIBYTE
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_AS, (mapped, resource.getrlimit(resource.RLIMIT_AS)[1]))

    def _limit_cpu(seconds: float) -> None:
        """Bound the next file's CPU seconds: what ends a loop whose owner is gone."""
        used = resource.getrusage(resource.RUSAGE_SELF)
        soft = int(used.ru_utime + used.ru_stime + seconds) + 5
        resource.setrlimit(resource.RLIMIT_CPU, (soft, resource.getrlimit(resource.RLIMIT_CPU)[1]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), float(sys.argv[3]))
