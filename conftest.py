"""What every test of the project may rely on: no network beyond this machine, an empty cache."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import caches
from django.test import SimpleTestCase

_connect = socket.socket.connect


def _connect_here_only(self: socket.socket, address: Any) -> None:
    if self.family in {socket.AF_INET, socket.AF_INET6}:
        host = str(address[0])
        if not (host.startswith("127.") or host in {"::1", "localhost"}):
            raise RuntimeError(f"A test tried to reach {host}; partners are played by servers on this machine.")
    return _connect(self, address)


@pytest.fixture(autouse=True, scope="session")
def _no_network() -> Iterator[None]:
    socket.socket.connect = _connect_here_only  # type: ignore[method-assign]
    yield
    socket.socket.connect = _connect  # type: ignore[method-assign]


@pytest.fixture(autouse=True)
def _empty_cache() -> None:
    for name in caches:
        caches[name].clear()


#: Fixtures through which a test meets a server: the database in its many forms, and a broker.
_SERVED = {"db", "transactional_db", "live_server", "any_broker"}


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the option of a second run of the suite, on other services."""
    parser.addoption(
        "--on-services",
        action="store_true",
        help="Leave out the tests that meet neither the database nor a broker: they ran before, and run the same.",
    )


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Keep what another database or broker may change, where only that is asked for."""
    if not config.getoption("--on-services"):
        return
    left_out = [item for item in items if not _meets_a_service(item)]
    config.hook.pytest_deselected(items=left_out)
    items[:] = [item for item in items if _meets_a_service(item)]


def _meets_a_service(item: pytest.Item) -> bool:
    case = getattr(item, "cls", None)
    return (
        item.get_closest_marker("django_db") is not None
        or bool(_SERVED & set(getattr(item, "fixturenames", ())))
        or (case is not None and issubclass(case, SimpleTestCase))
    )
