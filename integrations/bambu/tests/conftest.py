import os
import time

import pytest

from integrations.bambu.broker import EmbeddedBroker


@pytest.fixture(scope="session")
def embedded_broker():
    with EmbeddedBroker() as broker:
        yield broker.host, broker.port


@pytest.fixture(params=["embedded", *filter(None, [os.environ.get("MQTT_TEST_BROKER")])])
def any_broker(request, embedded_broker):
    """The embedded broker, and the one that MQTT_TEST_BROKER names (host:port) where it does."""
    if request.param == "embedded":
        return embedded_broker
    host, _, port = request.param.partition(":")
    return host, int(port or 1883)


@pytest.fixture
def wait_for():
    """Return a function that waits until its argument is true, and fails after a generous while."""

    def wait(condition, *, seconds=15.0):
        deadline = time.monotonic() + seconds
        while not (found := condition()):
            assert time.monotonic() < deadline, "it did not happen"
            time.sleep(0.02)
        return found

    return wait
