"""The embedded broker gives every message to one reader, whole."""

from __future__ import annotations

import threading
from pathlib import Path
from queue import Empty

import pytest
from kombu import Connection

from blb3d.core import folder_broker


def connection(folder: Path) -> Connection:
    folder_broker.register()
    places = {"data_folder_in": str(folder), "data_folder_out": str(folder), "control_folder": str(folder / "control")}
    return Connection("folder://", transport_options=places)


def test_writers_and_readers_at_once_lose_nothing_and_read_nothing_twice(tmp_path: Path) -> None:
    taken: list[int] = []
    written = threading.Event()

    def write(first: int) -> None:
        with connection(tmp_path) as link, link.SimpleQueue("work") as queue:
            for number in range(first, first + 100):
                queue.put({"number": number, "text": "x" * 5000})

    def read() -> None:
        with connection(tmp_path) as link, link.SimpleQueue("work", no_ack=True) as queue:
            while True:
                finished = written.is_set()
                try:
                    taken.append(queue.get_nowait().payload["number"])
                except queue.Empty:
                    if finished:
                        return

    writers = [threading.Thread(target=write, args=(first,)) for first in (0, 100, 200)]
    readers = [threading.Thread(target=read) for _ in range(3)]
    for thread in writers + readers:
        thread.start()
    for thread in writers:
        thread.join()
    written.set()
    for thread in readers:
        thread.join()
    assert sorted(taken) == list(range(300))
    assert [path.name for path in tmp_path.iterdir()] == ["control"]


def test_a_half_written_message_is_not_seen(tmp_path: Path) -> None:
    (tmp_path / "000000000000001_a.draft").write_text('{"half')
    with connection(tmp_path) as link:
        channel = link.channel()
        with pytest.raises(Empty):
            channel._get("work")
