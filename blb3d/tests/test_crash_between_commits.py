"""The process is killed around any commit of the main job and started again: the end is always the same.

``CRASH_ALL=1`` tries every commit (hundreds of runs), ``CRASH_SEED=...`` repeats a sample.
"""

from __future__ import annotations

import os
import random
from collections.abc import Iterator
from typing import Any

import pytest

from blb3d.tests.crash import AFTER, BEFORE, Killed, Process, let_leases_end
from blb3d.tests.farm_play import Play, repetitions, start_over, state
from integrations.squarespace.sandbox import Shop
from integrations.tests.conftest import sandbox, shop
from inventory.tests.concurrency import shared_database

__all__ = ["sandbox", "shared_database", "shop"]

ALL = os.environ.get("CRASH_ALL") == "1"
SAMPLE = 8

pytestmark = pytest.mark.timeout(0 if ALL else 600)


@pytest.fixture(autouse=True)
def _slicer(settings: Any) -> None:
    settings.SLICER_BACKEND = "blb3d.tests.farm_play.ThriftySlicer"


def chosen(commits: int) -> Iterator[int]:
    """Yield the commits to die at: all, or one at random of each eighth of the run."""
    if ALL:
        yield from range(1, commits + 1)
        return
    seed = int(os.environ.get("CRASH_SEED") or random.SystemRandom().randrange(10**6))
    print(f"CRASH_SEED={seed}")  # noqa: T201  (shown when the test fails)
    choice = random.Random(seed)
    for number in range(SAMPLE):
        yield choice.randint(commits * number // SAMPLE + 1, commits * (number + 1) // SAMPLE)


@pytest.mark.parametrize("moment", [BEFORE, AFTER])
def test_a_kill_around_any_commit_ends_in_the_same_documents(shared_database: None, shop: Shop, moment: str) -> None:
    start_over(shop)
    undisturbed = Process()
    undisturbed.run(Play(shop).run)
    expected = state(shop)
    assert (expected["differences"], expected["dead"]) == ([], [0, 0])
    assert (expected["charges"], expected["mails from the shop"], repetitions()) == (1, [1], (0, 0))
    print(f"{undisturbed.commits} commits")  # noqa: T201
    wrong = []
    for at in chosen(undisturbed.commits):
        start_over(shop)
        with pytest.raises(Killed):
            Process(at, moment).run(Play(shop).run)
        let_leases_end()
        try:
            Process().run(Play(shop).run)
            assert state(shop) == expected
            assert max(repetitions()) <= 1, "more than what was under way was done again"
        except AssertionError as error:
            wrong.append(f"killed {moment} commit {at}: {error}")
            print(wrong[-1], flush=True)  # noqa: T201  (all of them take long)
    assert not wrong, "\n\n".join(wrong)
