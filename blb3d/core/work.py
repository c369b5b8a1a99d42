"""Work that must happen: rows that are claimed, tried, retried with backoff, and at last laid before a person.

Outbox deliveries and inbox messages are both of this kind. A claim is one conditional UPDATE that pushes
``next_attempt_at`` into the future (a lease), so that two workers never run one row, and a worker that dies gives the
row back when the lease ends.
"""

from __future__ import annotations

import datetime
import logging
import random
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.db import DatabaseError, connection, models
from django.db.models import F
from django.utils import timezone

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 12
#: How long a dead worker's claim stands in the way; a living one renews it while it works.
LEASE = datetime.timedelta(seconds=24)


def backoff(attempts: int) -> datetime.timedelta:
    """Return the wait before the next try: 2, 4, 8 ... seconds, at most 15 minutes, with up to 10 % jitter.

    Twelve attempts spread over about an hour; a partner that is away for longer is asked again by a person's replay.
    """
    seconds = min(2.0 ** min(attempts, 10), 900.0)
    return datetime.timedelta(seconds=seconds * (1 + random.random() / 10))  # noqa: S311  (no secret)


class WorkStatus(models.TextChoices):
    """Where a piece of work stands."""

    PENDING = "pending", "pending"
    DONE = "done", "done"
    IGNORED = "ignored", "ignored"  # old or irrelevant news, kept for the record
    DEAD = "dead", "needs a person"  # refused for good, or tried too often


class WorkItem(models.Model):
    """A row of work with its claim, attempts and last error."""

    status = models.CharField(max_length=10, choices=WorkStatus.choices, default=WorkStatus.PENDING)
    attempts = models.PositiveIntegerField(default=0)
    next_attempt_at = models.DateTimeField(default=timezone.now)
    last_error = models.TextField(blank=True, default="")
    finished_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        abstract = True

    def claim(self) -> bool:
        """Take the row for :data:`LEASE`; False when it is done, not due, or somebody else has it."""
        now = timezone.now()
        taken = (
            type(self)
            ._default_manager.filter(pk=self.pk, status=WorkStatus.PENDING, next_attempt_at__lte=now)
            .update(attempts=F("attempts") + 1, next_attempt_at=now + LEASE)
        )
        if taken:
            self.refresh_from_db(fields=["attempts", "next_attempt_at"])
        return bool(taken)

    @contextmanager
    def kept(self) -> Iterator[None]:
        """Renew the claim while the block runs, for calls to partners that may take minutes."""
        if connection.in_atomic_block:
            # Nobody else sees this claim yet, and its lock would hold the renewal until we have waited for it.
            yield
            return
        done = threading.Event()

        def renew() -> None:
            try:
                while not done.wait(LEASE.total_seconds() / 3):
                    try:
                        type(self)._default_manager.filter(
                            pk=self.pk, status=WorkStatus.PENDING, attempts=self.attempts
                        ).update(next_attempt_at=timezone.now() + LEASE)
                    except DatabaseError:
                        # Two more tries fit into the lease; the next one may need another connection.
                        log.warning("The claim of %s %s was not renewed.", self._meta.label, self.pk, exc_info=True)
                        connection.close()
            finally:
                connection.close()

        keeper = threading.Thread(target=renew, name=f"lease-{self.pk}", daemon=True)
        keeper.start()
        try:
            yield
        finally:
            done.set()
            keeper.join()

    def finish(self, status: str = WorkStatus.DONE, note: str = "") -> bool:
        """Mark the row settled, once; False when another worker already did."""
        return bool(
            type(self)
            ._default_manager.filter(pk=self.pk, status=WorkStatus.PENDING)
            .update(status=status, finished_at=timezone.now(), last_error=note)
        )

    def fail(self, error: str, *, transient: bool) -> None:
        """Plan the next try of a transient failure; lay the row before a person when there is no hope."""
        dead = not transient or self.attempts >= MAX_ATTEMPTS
        now = timezone.now()
        type(self)._default_manager.filter(pk=self.pk, status=WorkStatus.PENDING).update(
            status=WorkStatus.DEAD if dead else WorkStatus.PENDING,
            next_attempt_at=now if dead else now + backoff(self.attempts),
            finished_at=now if dead else None,
            last_error=error[:4000],
        )

    def replay(self) -> None:
        """Put a dead row back to work, at once and with a fresh count."""
        type(self)._default_manager.filter(pk=self.pk, status=WorkStatus.DEAD).update(
            status=WorkStatus.PENDING, attempts=0, next_attempt_at=timezone.now(), finished_at=None
        )
