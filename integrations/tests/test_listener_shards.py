"""A farm shared out among listeners: every printer has one, and none has two."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from integrations.bambu.broker import free_port
from integrations.models import PrinterConnection
from integrations.printers.listener import Listener
from integrations.tests.printer_farm import wait_for
from inventory.tests.concurrency import shared_database  # noqa: F401
from production.models import Printer
from production.tests.factories import PrinterFactory

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("shared_database")]


@contextmanager
def running(*listeners: Listener) -> Iterator[None]:
    threads = [threading.Thread(target=listener.run, daemon=True) for listener in listeners]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        for listener in listeners:
            listener.stop()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()


def serials(listener: Listener) -> set[str]:
    return {session.printer.serial for session in listener.sessions}


@pytest.fixture
def farm(settings: Any) -> dict[int, set[str]]:
    """Return the serials by shard of a farm whose printers are all switched off."""
    settings.MQTT_HOST, settings.MQTT_PORT, settings.MQTT_TLS = "127.0.0.1", free_port(), False
    shards: dict[int, set[str]] = {0: set(), 1: set(), 2: set()}
    for number in range(9):
        printer = PrinterFactory(serial=f"SHARD{number}")
        PrinterConnection.objects.create(printer=printer, host="127.0.0.1", use_tls=False, shard=number % 3)
        shards[number % 3].add(printer.serial)
    return shards


def test_shards_do_not_overlap_and_all_printers_are_served(farm: dict[int, set[str]]) -> None:
    listeners = [Listener(shard=shard) for shard in farm]
    with running(*listeners):
        wait_for(lambda: all(len(listener.sessions) == 3 for listener in listeners))
        assert [serials(listener) for listener in listeners] == list(farm.values())


def test_a_listener_without_a_shard_serves_all(farm: dict[int, set[str]]) -> None:
    listener = Listener()
    with running(listener):
        wait_for(lambda: len(listener.sessions) == 9)
        assert serials(listener) == set().union(*farm.values())


def test_a_printer_that_is_moved_to_another_shard_or_taken_away_is_let_go(farm: dict[int, set[str]]) -> None:
    listener = Listener(shard=1)
    moved = PrinterConnection.objects.filter(shard=1).order_by("id").first()
    assert moved is not None
    with running(listener):
        wait_for(lambda: len(listener.sessions) == 3)
        PrinterConnection.objects.filter(pk=moved.pk).update(shard=2)
        Printer.objects.filter(serial="SHARD4").update(is_active=False)
        wait_for(lambda: serials(listener) == {"SHARD7"}, seconds=40)
