"""A print suite on a real socket, and us configured to talk to it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from integrations.suite.tests.suite import KEY, Suite


@pytest.fixture
def suite(settings: Any) -> Iterator[Suite]:
    with Suite() as running:
        settings.BAMBU_SUITE_API_URL, settings.BAMBU_SUITE_API_KEY = running.url, KEY
        settings.PARTNER_TIMEOUT_SECONDS = 5
        yield running
