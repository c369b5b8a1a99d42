"""Verbs: the only way in which anything changes.

A verb is a plain typed function, subject first, everything else keyword-only, always with ``actor=``. This decorator
makes it one transaction, names the actor for history and audit columns, and writes the audit log once it has
committed. Surfaces (admin, API, portal, tasks, commands) call verbs and do nothing else.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from typing import Any, ParamSpec, TypeVar

from django.db import models, transaction

from blb3d.core.actors import acting
from blb3d.core.errors import NotAllowed

P = ParamSpec("P")
R = TypeVar("R")

audit = logging.getLogger("audit")


def _name_of(subject: Any) -> str:
    if isinstance(subject, models.Model):
        return f"{subject._meta.label_lower}:{subject.pk}"
    if isinstance(subject, list | tuple):
        return ",".join(_name_of(item) for item in subject[:10])
    return type(subject).__name__


def verb(function: Callable[P, R]) -> Callable[P, R]:
    """Make ``function`` one transaction acted by its ``actor=``; an outer verb's transaction is joined.

    Raises:
        NotAllowed: ``actor`` is missing, unsaved or switched off.
    """
    name = f"{function.__module__.split('.services')[0]}.{function.__name__.strip('_')}"

    @functools.wraps(function)
    def run(*args: P.args, **kwargs: P.kwargs) -> R:
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

    return run
