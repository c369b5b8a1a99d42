"""Many processes on the same lots: nothing is lost, nothing is given out twice, the first in goes out first.

``STORM_SECONDS=60`` lets it rage for a minute, ``STORM_SEED=...`` repeats the choices of a storm.
"""

from __future__ import annotations

import os
import random
import time
from pathlib import Path

import pytest

from inventory.models import Inventory
from inventory.selectors import verify_ledger
from inventory.tests.concurrency import shared_database
from inventory.tests.storm import LOTS_EACH, PRODUCTS, Playback, fill, rage

__all__ = ["shared_database"]

PROCESSES = 8
SECONDS = float(os.environ.get("STORM_SECONDS") or 6)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.timeout(int(SECONDS) * 4 + 240)]


def test_a_storm_over_twenty_lots_leaves_true_books(shared_database: None, tmp_path: Path) -> None:
    seed = int(os.environ.get("STORM_SEED") or random.SystemRandom().randrange(10**6))
    print(f"STORM_SEED={seed}")  # noqa: T201  (shown when the test fails)
    stock = fill()
    assert sum(map(len, stock.lots.values())) == PRODUCTS * LOTS_EACH == Inventory.objects.count()
    began = time.monotonic()
    told = rage(stock, tmp_path, processes=PROCESSES, seconds=SECONDS, seed=seed)
    took = time.monotonic() - began
    played = Playback(stock, told).run()
    print(  # noqa: T201
        f"{len(told.acknowledged)} acts in {took:.1f} s ({dict(told.kinds)}), {told.refused} refused for want of "
        f"stock, {told.retries} done again after a deadlock, {played.rows} ledger rows"
    )
    assert told.errors == []
    assert set(told.kinds) == {"issue", "take_in", "reserve", "use"}
    assert played.wrong == []
    assert verify_ledger().differences == ()
