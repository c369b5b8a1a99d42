"""One daemon for all tests: it takes a second to start."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.scanners.tests.daemons import clamd


@pytest.fixture(scope="package")
def daemon(tmp_path_factory: Any) -> Iterator[str]:
    """The address of a real clamd that knows one signature."""
    with clamd(tmp_path_factory.mktemp("clamd")) as url:
        yield url
