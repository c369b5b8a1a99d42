"""Readers that misbehave, for reading processes of tests: each keeps to the arguments of ``read_model``."""

from __future__ import annotations

import json
import os
import struct
import sys
import time
from typing import Any

from quotes.modelfiles import ModelAnalysis, UnusableFile, read_model
from quotes.modelfiles.make import BRACKET


def by_name(source: Any, *, file_name: str, **_: Any) -> ModelAnalysis:
    """Do what the file's name says, else read the sample part."""
    _DEEDS.get(file_name, bool)()
    return read_model(BRACKET, file_name="bracket.3mf", thumbnail=False)


def _loop() -> None:
    while True:
        pass


def _eat() -> None:
    eaten = []
    while True:
        eaten.append(bytearray(16 * 1024 * 1024))


def _crash() -> None:
    os._exit(139)


def _chatter() -> None:
    os.write(1, b"a library prints" * 1000)
    sys.stdout.flush()


def _bug() -> None:
    raise ZeroDivisionError("a reader's mistake")


def _ask_for_secrets() -> None:
    raise UnusableFile(",".join(sorted(os.environ)))


def _lie() -> None:
    """Answer as a process that was taken over could: sizes that come to nothing together."""
    head = json.dumps({"sizes": [1 << 42, -(1 << 42)]}).encode()
    frame = sys._getframe()
    while "answers" not in frame.f_locals:
        frame = frame.f_back  # type: ignore[assignment]
    frame.f_locals["answers"].write(struct.pack(">I", len(head)) + head)
    frame.f_locals["answers"].flush()


def _linger() -> None:
    time.sleep(0.2)


_DEEDS = {
    "loop": _loop,
    "eat": _eat,
    "crash": _crash,
    "chatter": _chatter,
    "bug": _bug,
    "environment": _ask_for_secrets,
    "lie": _lie,
    "linger": _linger,
}


def unbounded(source: Any, *, file_name: str, **_: Any) -> ModelAnalysis:
    """As ``by_name``, where the system bounds no memory."""
    if sys.platform != "win32":
        import resource

        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.getrlimit(resource.RLIMIT_AS)[1]))
    return by_name(source, file_name=file_name)
