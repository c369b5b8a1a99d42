"""What happened to a document, read from its history."""

from __future__ import annotations

import datetime
from collections.abc import Iterable
from dataclasses import dataclass, field
from itertools import zip_longest
from typing import Any

from django.utils.html import format_html
from django.utils.safestring import SafeString
from django.utils.text import Truncator

from blb3d.core.admin.reading import is_read, labelled, read
from blb3d.core.documents import Document
from blb3d.core.templatetags.blb3d_ui import chip

SHOWN = 12
FIELDS_SHOWN = 4
LONGEST_VALUE = 80
_ACTS = {"+": "created", "~": "changed", "-": "deleted"}
_UNINTERESTING = {"version", "updated_at", "updated_by"}


@dataclass(frozen=True)
class Entry:
    """One change: when, by whom, what, to which status, which fields, and why."""

    at: datetime.datetime
    who: str
    what: str
    status: SafeString | str = ""
    changed: list[str] = field(default_factory=list)
    reason: str = ""
    #: The version in the history, where a page leads to it.
    version: int | None = None


def _changed(document: Document, before: Any, after: Any) -> list[str]:
    return [
        labelled(column.verbose_name)
        for column in document._meta.concrete_fields
        if column.name not in _UNINTERESTING
        and hasattr(after, column.attname)
        and getattr(before, column.attname) != getattr(after, column.attname)
    ]


def _shortened(names: list[str]) -> list[str]:
    more = len(names) - FIELDS_SHOWN
    return [*names[:FIELDS_SHOWN], f"{more} more"] if more > 1 else names


def _status(document: Document, record: Any) -> SafeString | str:
    lifecycle = type(document).lifecycle
    if lifecycle is None:
        return ""
    value = getattr(record, lifecycle.field)
    labels = dict(document._meta.get_field(lifecycle.field).flatchoices)  # type: ignore[union-attr]
    label = str(labels.get(value, value))
    return chip(value, label=label[:1].upper() + label[1:])


def who(user: Any) -> str:
    """Return who did something, told apart from what this software did by itself."""
    if user is None:
        return "System"
    return str(user) if user.kind == user.Kind.PERSON else f"{user} (automatic)"


def _values(document: Document, before: Any, after: Any) -> list[SafeString]:
    """Return what became different with its values; keys are only named."""
    told = []
    for column in document._meta.concrete_fields:
        name = column.attname
        if column.name in _UNINTERESTING or not hasattr(after, name) or getattr(before, name) == getattr(after, name):
            continue
        label = labelled(column.verbose_name)
        if column.remote_field is not None:
            told.append(format_html("{}", label))
        else:
            told.append(format_html("{}: {} → {}", label, _value(column, before), _value(column, after)))
    return told


def _value(column: Any, record: Any) -> Any:
    value = getattr(record, column.attname)
    if is_read(column) or value in (None, ""):
        return read(column, record)
    return Truncator(str(value)).chars(LONGEST_VALUE)


def history(document: Document, shown: int) -> list[Entry]:
    """Return the latest changes of a document with their values, newest first, in one query."""
    rows = document.history.select_related("history_user")  # type: ignore[attr-defined]
    records = list(rows.order_by("-history_id")[: shown + 1])
    return [
        Entry(
            at=record.history_date,
            who=who(record.history_user),
            what=_ACTS[record.history_type],
            changed=_values(document, before, record) if before is not None else [],  # type: ignore[arg-type]
            reason=record.history_change_reason or "",
            version=record.pk,
        )
        for record, before in zip_longest(records[:shown], records[1 : shown + 1])
    ]


def timeline(document: Document, events: Iterable[Entry] = ()) -> list[Entry]:
    """Return the latest changes of a document among other events around it, newest first, in one query.

    A step names the new status only; other changes name the first few fields that became different.
    """
    rows = document.history  # type: ignore[attr-defined]
    records = list(rows.select_related("history_user").order_by("-history_id")[: SHOWN + 1])
    lifecycle = type(document).lifecycle
    entries = []
    for place, record in enumerate(records[:SHOWN]):
        before = records[place + 1] if place + 1 < len(records) else None
        changed = _changed(document, before, record) if before is not None else []
        moved = lifecycle is not None and (
            before is None or getattr(before, lifecycle.field) != getattr(record, lifecycle.field)
        )
        entries.append(
            Entry(
                at=record.history_date,
                who=who(record.history_user),
                what=_ACTS[record.history_type],
                status=_status(document, record) if moved else "",
                changed=[] if moved else _shortened(changed),
                reason=record.history_change_reason or "",
            )
        )
    return sorted((*entries, *events), key=lambda entry: entry.at, reverse=True)


def changed_since(document: Document, version: int) -> Entry | None:
    """Return what became different since a version, as one entry by the last person who changed it."""
    rows = document.history.filter(version__gte=version)  # type: ignore[attr-defined]
    records = list(rows.select_related("history_user").order_by("history_id"))
    if len(records) < 2:
        return None
    first, last = records[0], records[-1]
    return Entry(
        at=last.history_date,
        who=who(last.history_user),
        what="changed",
        status="",
        changed=_changed(document, first, last),
        reason=last.history_change_reason or "",
    )
