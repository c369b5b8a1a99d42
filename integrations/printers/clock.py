"""A clock that never jumps while something is being waited for, and says when the machine's own was set."""

from __future__ import annotations

import datetime
import time

from django.utils import timezone

#: The machine's clock may drift or be smeared by so much before it counts as set.
TOLERANCE = datetime.timedelta(seconds=1)


class SteadyClock:
    """Wall-clock time counted on from one look at the machine's clock; ``monotonic`` seconds are turned into it."""

    def __init__(self) -> None:
        self._wall, self._from = timezone.now(), time.monotonic()

    def at(self, monotonic: float) -> datetime.datetime:
        """Return the time at a reading of ``time.monotonic``."""
        return self._wall + datetime.timedelta(seconds=monotonic - self._from)

    def now(self) -> datetime.datetime:
        """Return the time now."""
        return self.at(time.monotonic())

    def adjust(self) -> datetime.timedelta | None:
        """Follow the machine's clock if it was set, and return by how much; None while it goes its way."""
        by = timezone.now() - self.now()
        if abs(by) < TOLERANCE:
            return None
        self._wall += by
        return by
