"""Verbs: the only way in which anything changes.

A verb is a plain typed function, subject first, everything else keyword-only, always with ``actor=``. This decorator
makes it one transaction, names the actor for history and audit columns, and writes the audit log once it has
committed. Surfaces (admin, API, portal, tasks, commands) call verbs and do nothing else.

Locks are taken in one order, so that rings of waiting are rare. Where the database ends one nevertheless, its victim
did nothing, and the outermost verb does it again, a few times.
"""

from __future__ import annotations

import functools
import logging
import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import fields as fields_of
from dataclasses import is_dataclass
from typing import Any, ParamSpec, TypeVar

from django.db import OperationalError, connection, models, transaction

from blb3d.core.actors import acting
from blb3d.core.errors import NotAllowed

P = ParamSpec("P")
R = TypeVar("R")

audit = logging.getLogger("audit")
log = logging.getLogger(__name__)

#: How often a verb is done in all when the database makes it the victim of a deadlock.
ATTEMPTS = 6
#: PostgreSQL's deadlock and serialization failure, SQL Server's deadlock (40001 there too).
_VICTIM_STATES = {"40P01", "40001"}
_VICTIM_NUMBER = "1205"
#: How deep rows and files are looked for in what a verb is given.
_DEPTH = 3


def _name_of(subject: Any) -> str:
    if isinstance(subject, models.Model):
        return f"{subject._meta.label_lower}:{subject.pk}"
    if isinstance(subject, list | tuple):
        return ",".join(_name_of(item) for item in subject[:10])
    return type(subject).__name__


def is_victim(error: BaseException) -> bool:
    """Return whether the database gave this transaction up for another one: the same again may succeed."""
    cause = error.__cause__ or error
    state = getattr(cause, "sqlstate", None) or next((str(arg) for arg in cause.args[:1]), "")
    return state in _VICTIM_STATES or (connection.vendor == "microsoft" and f"({_VICTIM_NUMBER})" in str(cause))


class _Given:
    """What a verb was given, remembered so that it can be given again as it was."""

    def __init__(self, *given: Any) -> None:
        self._rows: list[tuple[models.Model, dict[str, Any], bool, dict[str, Any]]] = []
        #: False where something is used up by reading it: an iterator, a file.
        self.can_be_repeated = True
        for value in given:
            self._look(value, _DEPTH)

    def _look(self, value: Any, depth: int) -> None:
        if isinstance(value, models.Model):
            state = value._state
            self._rows.append((value, dict(value.__dict__), state.adding, dict(state.fields_cache)))
        elif isinstance(value, Iterator) or hasattr(value, "read"):
            self.can_be_repeated = False
        elif depth and not isinstance(value, str | bytes | type):
            for part in _parts(value):
                self._look(part, depth - 1)

    def restore(self) -> None:
        """Make every row what it was."""
        for row, values, adding, related in self._rows:
            row.__dict__.clear()
            row.__dict__.update(values)
            row._state.adding = adding
            row._state.fields_cache = related


def _parts(value: Any) -> Iterable[Any]:
    if isinstance(value, Mapping):
        return value.values()
    if isinstance(value, list | tuple | set | frozenset):
        return value
    if is_dataclass(value):
        return (getattr(value, field.name) for field in fields_of(value))
    return ()


def verb(function: Callable[P, R]) -> Callable[P, R]:
    """Make ``function`` one transaction acted by its ``actor=``; an outer verb's transaction is joined.

    The outermost one is done again, at most :data:`ATTEMPTS` times in all, when the database chose it as the victim of
    a deadlock: nothing of it has happened, and rows it was given are what they were.

    Raises:
        NotAllowed: ``actor`` is missing, unsaved or switched off.
    """
    name = f"{function.__module__.split('.services')[0]}.{function.__name__.strip('_')}"

    def once(*args: P.args, **kwargs: P.kwargs) -> R:
        actor: Any = kwargs.get("actor")
        if actor is None or getattr(actor, "pk", None) is None or not actor.is_active:
            raise NotAllowed(f"{name} needs an active actor.")
        reason = kwargs.get("reason")
        with transaction.atomic(), acting(actor, reason if isinstance(reason, str) else None):
            result = function(*args, **kwargs)
            fields = {
                "event": name,
                "actor_id": actor.pk,
                "actor": actor.email,
                "subject": _name_of(args[0]) if args else "",
                "result": _name_of(result) if isinstance(result, models.Model) else "",
                "reason": reason if isinstance(reason, str) else "",
            }
            transaction.on_commit(lambda: audit.info(name, extra=fields))
        return result

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
        if connection.in_atomic_block:
            return once(*args, **kwargs)
        given = _Given(*args, *kwargs.values())
        for attempt in range(1, ATTEMPTS):
            try:
                return once(*args, **kwargs)
            except OperationalError as error:
                if not given.can_be_repeated or not is_victim(error):
                    raise
                log.warning("%s gave way to another transaction and is done again (%s)", name, attempt)
            given.restore()
            # Of two who met, one goes first.
            time.sleep(random.uniform(0.01, 0.05) * attempt)  # noqa: S311
        return once(*args, **kwargs)

    return run
