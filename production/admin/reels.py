"""Reels in the console as stock has them, with what only production knows: whether a job is printing with one."""

from __future__ import annotations

from dataclasses import replace

from django.contrib import admin

from blb3d.accounts.models import User
from inventory.admin.lots import SpoolAdmin
from inventory.models import Spool
from production import services as production


def merge_into(spool: Spool, *, into: Spool, actor: User) -> Spool:
    """Wind it onto another one."""
    return production.merge_reels(spool, into=into, actor=actor)


#: What a job at work, or a slot that the reel hangs in, has a say in.
_CALLS = {"split": production.split_reel, "merge": merge_into, "dry": production.dry_reel}

admin.site.unregister(Spool)


@admin.register(Spool)
class ReelAdmin(SpoolAdmin):
    extra_verbs = tuple(replace(verb, call=_CALLS.get(verb.name, verb.call)) for verb in SpoolAdmin.extra_verbs)
