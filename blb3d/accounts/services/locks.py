"""Letting somebody in again who mistyped a password too often."""

from __future__ import annotations

from axes.utils import reset

from blb3d.accounts.models import User
from blb3d.core.lifecycle import allow
from blb3d.core.verbs import verb


@verb
def unlock_user(user: User, *, actor: User) -> User:
    """Lift the lock that wrong passwords put on a user, from every address; where there is none, nothing changes.

    Raises:
        NotAllowed: the actor may not change users.
    """
    allow(actor, "accounts.change_user")
    reset(username=user.email)
    return user
