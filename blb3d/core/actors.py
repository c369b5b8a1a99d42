"""Who acts, and why: the actor and reason that history rows, audit columns and the audit log take.

A verb sets them for its own duration. They travel in a context variable, so that saves deep below a verb need no
extra parameter and threads never see each other's actor.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from blb3d.accounts.models import User


@dataclass(frozen=True)
class Acting:
    """The present actor (a person, an API key's service user, or a named system user) and the reason given."""

    actor: User
    reason: str = ""


_acting: ContextVar[Acting | None] = ContextVar("blb3d_acting", default=None)


def current() -> Acting | None:
    """Return who acts now, or None outside any verb."""
    return _acting.get()


@contextmanager
def acting(actor: User, reason: str | None = None) -> Iterator[Acting]:
    """Make ``actor`` the one who acts inside the block; an inner block without a reason keeps the outer one's."""
    outer = _acting.get()
    if reason is None:
        reason = outer.reason if outer is not None and outer.actor.pk == actor.pk else ""
    token = _acting.set(Acting(actor, reason))
    try:
        yield Acting(actor, reason)
    finally:
        _acting.reset(token)
