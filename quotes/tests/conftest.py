"""What tests of quoting share."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from inventory.tests.concurrency import shared_database
from quotes.tests import factories

__all__ = ["shared_database"]


@pytest.fixture
def materials(db: Any) -> dict[str, Any]:
    """Materials in stock."""
    return factories.materials()


@pytest.fixture
def uploads(settings: Any, tmp_path: Path) -> Path:
    """An upload folder of the test's own."""
    settings.MEDIA_ROOT = tmp_path / "uploads"
    settings.MEDIA_ROOT.mkdir()
    return Path(settings.MEDIA_ROOT)
