"""Real threads with connections of their own, on a database that they share."""

from __future__ import annotations

import sqlite3
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, connections


@pytest.fixture
def shared_database(transactional_db: None, tmp_path: Path) -> Iterator[None]:
    """Use the test database as it is, or a copy in a file when it lies in the memory of one SQLite connection."""
    if connection.vendor != "sqlite":
        yield
        return
    in_memory = connections["default"]
    in_memory.ensure_connection()
    name, path = in_memory.settings_dict["NAME"], tmp_path / "shared.sqlite3"
    with sqlite3.connect(path) as copy:
        in_memory.connection.backup(copy)
    in_memory.settings_dict["NAME"] = str(path)
    connections["default"] = connections.create_connection("default")
    yield
    connections["default"].close()
    connections["default"] = in_memory
    in_memory.settings_dict["NAME"] = name


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Run calls at the same time, each in a thread of its own; return what each returned or raised, in their order."""
    start = threading.Barrier(len(calls))

    def run(call: Callable[[], Any]) -> Any:
        try:
            start.wait(timeout=30)
            return call()
        except Exception as error:
            return error
        finally:
            connections.close_all()

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
