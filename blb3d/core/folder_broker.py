"""The embedded task broker: kombu's folder transport, made safe for many processes that look into it often.

kombu writes a message in place, so that a reader can take it half written and the worker dies of it. Here a message
appears whole or not at all, by renaming, and is taken by renaming, so that two readers never have one.
"""

from __future__ import annotations

import os
import threading
import time
import uuid
from pathlib import Path
from queue import Empty
from time import monotonic
from typing import Any

from kombu.transport import TRANSPORT_ALIASES, filesystem
from kombu.utils.json import dumps, loads


class Channel(filesystem.Channel):
    """Puts and takes messages by renaming files."""

    def _put(self, queue: str, payload: Any, **_: Any) -> None:  # type: ignore[override]
        folder = Path(self.data_folder_out)
        name = f"{round(monotonic() * 1000):015d}_{uuid.uuid4()}"
        draft = folder / f"{name}.draft"
        draft.write_text(dumps(payload), encoding="utf-8")
        os.replace(draft, folder / f"{name}.{queue}.msg")

    def _get(self, queue: str, timeout: Any = None) -> Any:
        folder = Path(self.data_folder_in)
        for name in sorted(os.listdir(folder)):
            if name.partition(".")[2] != f"{queue}.msg":
                continue
            taken = folder / f"{name}.{os.getpid()}-{threading.get_ident()}"
            try:
                os.replace(folder / name, taken)
            except OSError:
                continue  # another worker has it
            payload = taken.read_text(encoding="utf-8")
            taken.unlink()
            return loads(payload)
        raise Empty

    def get_table(self, exchange: str) -> list[Any]:
        """Return which queues an exchange feeds.

        A thread may publish while another one of this process is just writing the first binding: it waits for it.
        """
        for _ in range(50):
            rows = self._bindings(exchange)
            if rows:
                return rows
            time.sleep(0.02)
        return []

    def _bindings(self, exchange: str) -> list[Any]:
        try:
            rows = loads(self._exchange_file(exchange).read_text(encoding="utf-8"))
        except FileNotFoundError:
            return []
        return [filesystem.exchange_queue_t(*row) for row in rows]

    def _queue_bind(self, exchange: str, routing_key: str, pattern: str, queue: str) -> None:
        binding = filesystem.exchange_queue_t(routing_key or "", pattern or "", queue or "")
        known = self._bindings(exchange)
        if binding in known:
            return
        file = self._exchange_file(exchange)
        self.control_folder.mkdir(parents=True, exist_ok=True)
        draft = file.with_name(f"{file.name}.{uuid.uuid4()}")
        draft.write_text(dumps([binding, *known]), encoding="utf-8")
        os.replace(draft, file)


class Transport(filesystem.Transport):
    """``folder://``: see the module."""

    Channel = Channel


def register() -> None:
    """Teach kombu the address ``folder://``."""
    TRANSPORT_ALIASES["folder"] = "blb3d.core.folder_broker:Transport"
