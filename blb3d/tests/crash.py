"""A process that dies at one commit: what it had committed stays, everything else that it was doing is gone.

It is done from outside, at the database connection: the code under test does not know. After its death nothing of the
process reaches the database any more, so that clean-up code of ours, which a real kill would not run, does nothing.
"""

from __future__ import annotations

import contextvars
import datetime
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from django.core.management.color import no_style
from django.db import connection
from django.utils import timezone

from blb3d.core.idempotency import LEASE as KEY_LEASE
from blb3d.core.idempotency import IdempotencyRecord
from blb3d.core.inbox import InboundMessage
from blb3d.core.outbox import EventDelivery
from blb3d.core.work import WorkStatus
from integrations.models import SliceTask

BEFORE, AFTER = "before", "after"
#: What the migrations and the test runner put there once.
_KEPT = {
    "django_migrations",
    "django_content_type",
    "django_site",
    "auth_permission",
    "auth_group",
    "auth_group_permissions",
}


class Killed(BaseException):
    """The process was killed; not an Exception, so that nobody handles it."""


class Process:
    """A life of the system, counting its commits; it dies ``moment`` the commit number ``at`` takes place.

    A commit is the end of a transaction that wrote something, or a write outside any transaction.
    """

    def __init__(self, at: int = 0, moment: str = AFTER) -> None:
        """Plan the death; commit number 0 never comes."""
        self.at, self.moment = at, moment
        self.commits = 0
        self.is_dead = False
        self._has_written = False

    def run(self, life: Callable[[], None]) -> None:
        """Live; raises Killed at the planned commit. Nothing is remembered afterwards but what is in the database."""
        try:
            with self._watched():
                contextvars.copy_context().run(life)
        finally:
            connection.close()

    @contextmanager
    def _watched(self) -> Iterator[None]:
        database: Any = connection
        commit, rollback = database.commit, database.rollback

        def watched_commit() -> None:
            has_written, self._has_written = self._has_written, False
            if has_written:
                self._around(commit, undo=rollback)
            else:
                commit()

        def watched_rollback() -> None:
            self._has_written = False
            rollback()

        database.commit, database.rollback = watched_commit, watched_rollback
        try:
            with connection.execute_wrapper(self._execute):
                yield
        finally:
            del database.commit, database.rollback

    def _execute(self, execute: Callable[..., Any], sql: str, params: Any, many: bool, context: Any) -> Any:
        if self.is_dead:
            raise Killed
        if not sql.lstrip().upper().startswith(("INSERT", "UPDATE", "DELETE")):
            return execute(sql, params, many, context)
        if connection.in_atomic_block:
            self._has_written = True
            return execute(sql, params, many, context)
        return self._around(lambda: execute(sql, params, many, context))

    def _around(self, commit: Callable[[], Any], undo: Callable[[], None] | None = None) -> Any:
        self.commits += 1
        is_last = self.commits == self.at
        if is_last and self.moment == BEFORE:
            if undo is not None:
                undo()
            self._die()
        result = commit()
        if is_last:
            self._die()
        return result

    def _die(self) -> None:
        self.is_dead = True
        connection.run_on_commit.clear()
        raise Killed(f"{self.moment} commit {self.at}")


def let_leases_end() -> None:
    """Let the time pass after which what a dead process had taken may be taken by another."""
    long_ago = timezone.now() - datetime.timedelta(minutes=1)
    for model in (EventDelivery, InboundMessage, SliceTask):
        model.objects.filter(status=WorkStatus.PENDING).update(next_attempt_at=long_ago)
    IdempotencyRecord.objects.filter(status_code__isnull=True).update(created_at=timezone.now() - 2 * KEY_LEASE)


def empty_database() -> None:
    """Delete every row that a test may have made."""
    tables = set(connection.introspection.django_table_names(only_existing=True, include_views=False)) - _KEPT
    statements = connection.ops.sql_flush(no_style(), sorted(tables), reset_sequences=False, allow_cascade=False)
    connection.ops.execute_sql_flush(statements)
