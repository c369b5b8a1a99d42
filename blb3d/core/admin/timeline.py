"""What happened to a document, read from its history."""

from __future__ import annotations

import datetime
from dataclasses import dataclass
from typing import Any

from django.utils.safestring import SafeString

from blb3d.core.documents import Document
from blb3d.core.templatetags.blb3d_ui import chip

SHOWN = 12
_UNINTERESTING = {"version", "updated_at", "updated_by"}


@dataclass(frozen=True)
class Entry:
    """One change: when, by whom, to which status, which fields, and why."""

    at: datetime.datetime
    who: str
    what: str
    status: SafeString | str
    changed: list[str]
    reason: str


def _changed(document: Document, before: Any, after: Any) -> list[str]:
    return [
        str(field.verbose_name)
        for field in document._meta.concrete_fields
        if field.name not in _UNINTERESTING
        and hasattr(after, field.attname)
        and getattr(before, field.attname) != getattr(after, field.attname)
    ]


def _status(document: Document, record: Any) -> SafeString | str:
    lifecycle = type(document).lifecycle
    if lifecycle is None:
        return ""
    value = getattr(record, lifecycle.field)
    labels = dict(document._meta.get_field(lifecycle.field).flatchoices)  # type: ignore[union-attr]
    label = str(labels.get(value, value))
    return chip(value, label=label[:1].upper() + label[1:])


def timeline(document: Document) -> list[Entry]:
    """Return the latest changes of a document, newest first, in one query."""
    history = document.history  # type: ignore[attr-defined]
    records = list(history.select_related("history_user").order_by("-history_id")[: SHOWN + 1])
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
                who=str(record.history_user or "System"),
                what={"+": "created", "~": "changed", "-": "deleted"}[record.history_type],
                status=_status(document, record) if moved else "",
                changed=[name for name in changed if not (moved and lifecycle and name == lifecycle.field)],
                reason=record.history_change_reason or "",
            )
        )
    return entries


def changed_since(document: Document, version: int) -> Entry | None:
    """Return what became different since a version, as one entry by the last person who changed it."""
    history = document.history.filter(version__gte=version)  # type: ignore[attr-defined]
    records = list(history.select_related("history_user").order_by("history_id"))
    if len(records) < 2:
        return None
    first, last = records[0], records[-1]
    return Entry(
        at=last.history_date,
        who=str(last.history_user or "System"),
        what="changed",
        status="",
        changed=_changed(document, first, last),
        reason=last.history_change_reason or "",
    )
