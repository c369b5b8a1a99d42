import os
import time
from urllib.parse import urlsplit

import pytest

from integrations.bambu.broker import EmbeddedBroker


@pytest.fixture(scope="session")
def embedded_broker():
    with EmbeddedBroker() as broker:
        yield broker.host, broker.port


@pytest.fixture(params=["embedded", *(["site"] if os.environ.get("TEST_MQTT_URL") else [])])
def any_broker(request, embedded_broker):
    """The embedded broker, and the one that TEST_MQTT_URL names (mqtt://host:port) where it does."""
    if request.param == "embedded":
        return embedded_broker
    url = urlsplit(os.environ["TEST_MQTT_URL"])
    return url.hostname, url.port or 1883


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
