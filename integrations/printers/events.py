"""What happens at a printer, written down once: states that lasted, errors that came and went, contact, runout.

A :class:`Watcher` compares what the printer shows with what was told last. What it finds is written together with the
new "told last" (``PrinterMark``) in one transaction whose number only one writer gets: a listener that is killed, two
that overlap, or frames that come again never write an event twice, and what changed while nobody listened is found by
the comparison with the first picture. Events that end or begin a job are written by ``books`` with what they decide.
"""

from __future__ import annotations

import datetime
import logging
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from django.db import transaction
from django.db.models import F

from integrations.bambu.decide import FIRST_REAL_ERROR
from integrations.bambu.protocol import error_code_text
from integrations.bambu.state import PrinterState, Severity
from integrations.bambu.words import error_words, is_runout
from production.models import PrinterEvent, PrinterMark

if TYPE_CHECKING:
    from integrations.printers.session import PrinterSession

log = logging.getLogger(__name__)

#: More errors at a time than any printer shows; a broken one shall not fill the table.
MAX_ERRORS = 30
MAX_WAITING = 500


@dataclass(frozen=True)
class Happening:
    """Something to be written down."""

    kind: str
    text: str
    at: datetime.datetime
    job_id: int | None = None
    details: dict[str, Any] = field(default_factory=dict)


class Watcher:
    """Finds what is new at one printer; ``waiting`` is what was found and not written yet."""

    def __init__(self, printer_id: int) -> None:
        self.printer_id = printer_id
        self.waiting: list[Happening] = []
        self._sequence = 0
        self._seen: dict[str, Any] | None = None
        self._was_online = False

    @property
    def is_loaded(self) -> bool:
        """Tell whether it is known what was told last; nothing is found before."""
        return self._seen is not None

    def load(self, mark: PrinterMark | None) -> None:
        """Go on from what stands in the database; what waits to be written is found again if it is still so."""
        self._sequence = mark.sequence if mark else 0
        self._seen = dict(mark.seen) if mark else {}
        self.waiting.clear()

    # --- finding ---------------------------------------------------------------------------------------------------

    def look(self, session: PrinterSession, state: PrinterState, at: datetime.datetime) -> None:
        """Compare the picture with what was told; called when something in it may have changed."""
        seen = self._seen
        if seen is None:
            return
        believed = session.watch.believed
        if believed is not None and believed.value != seen.get("state"):
            details = {"before": seen.get("state", ""), "job": state.subtask_name}
            self._tell("state", believed.value, at, session.job_id, details)
            seen["state"] = believed.value
        errors = _errors(state)
        told = seen.get("errors", [])
        if errors.keys() != set(told):
            for code, source in errors.items():
                if code not in told:
                    kind = "runout" if is_runout(code) else "error"
                    self._tell(kind, error_words(code), at, session.job_id, {"code": code, "source": source})
            for code in told:
                if code not in errors:
                    self._tell("error_gone", error_words(code), at, session.job_id, {"code": code})
            seen["errors"] = list(errors)

    def look_at_contact(self, session: PrinterSession, at: datetime.datetime) -> None:
        """Compare the contact with what was told; a listener that is just starting has not lost anything."""
        seen = self._seen
        if seen is None:
            return
        contact = session.contact
        self._was_online = self._was_online or contact == "online"
        before = seen.get("contact", "")
        if contact == before or (contact == "offline" and not self._was_online):
            return
        self._tell("contact", contact, at, session.job_id, {"before": before, "reason": session.connection.problem})
        seen["contact"] = contact

    def flag(self, name: str, value: str) -> bool:
        """Remember a word under a name, over restarts; tell whether it is another one than before."""
        if self._seen is None or self._seen.get("flags", {}).get(name, "") == value:
            return False
        flags = {key: word for key, word in self._seen.get("flags", {}).items() if key != name}
        self._seen["flags"] = flags | ({name: value} if value else {})
        return True

    def tell(self, kind: str, text: str, at: datetime.datetime, job_id: int | None, **details: Any) -> None:
        """Have something else written down that the caller knows to be new."""
        self._tell(kind, text, at, job_id, details)

    def _tell(self, kind: str, text: str, at: datetime.datetime, job_id: int | None, details: dict[str, Any]) -> None:
        if len(self.waiting) < MAX_WAITING:
            self.waiting.append(Happening(kind, text, at, job_id, details))

    # --- writing ---------------------------------------------------------------------------------------------------

    def claim(self) -> list[PrinterEvent] | None:
        """Take the next number and return the rows to be inserted; None where another listener took it first."""
        mine = PrinterMark.objects.filter(pk=self.printer_id, sequence=self._sequence)
        if not mine.update(sequence=F("sequence") + 1, seen=self._seen):
            return None
        return [
            PrinterEvent(
                printer_id=self.printer_id,
                job_id=row.job_id,
                at=row.at,
                kind=row.kind,
                text=row.text[:300],
                details=row.details,
                key=f"{self._sequence + 1}.{number}",
            )
            for number, row in enumerate(self.waiting)
        ]

    def written(self) -> None:
        """Note that what waited is committed."""
        self._sequence += 1
        self.waiting.clear()


def write_events(watchers: Iterable[Watcher]) -> None:
    """Write what waits at some printers, all of it or nothing, in one transaction.

    Where another listener was faster, that printer's watcher goes on from what it wrote.
    """
    full = [watcher for watcher in watchers if watcher.waiting and watcher.is_loaded]
    if not full:
        return
    rows: list[PrinterEvent] = []
    done, late = [], []
    with transaction.atomic():
        ids = {watcher.printer_id for watcher in full}
        known = set(PrinterMark.objects.filter(pk__in=ids).values_list("pk", flat=True))
        PrinterMark.objects.bulk_create(PrinterMark(printer_id=printer_id) for printer_id in sorted(ids - known))
        for watcher in full:
            claimed = watcher.claim()
            (late if claimed is None else done).append(watcher)
            rows += claimed or []
        PrinterEvent.objects.bulk_create(rows, batch_size=100)
    for watcher in done:
        watcher.written()
    if late:
        log.warning("another listener writes events of printers %s too", [watcher.printer_id for watcher in late])
        marks = PrinterMark.objects.in_bulk([watcher.printer_id for watcher in late])
        for watcher in late:
            watcher.load(marks.get(watcher.printer_id))


def load_marks(watchers: Iterable[Watcher]) -> None:
    """Let watchers go on from the database, in one query for all."""
    new = {watcher.printer_id: watcher for watcher in watchers if not watcher.is_loaded}
    if not new:
        return
    marks = PrinterMark.objects.in_bulk(list(new))
    for printer_id, watcher in new.items():
        watcher.load(marks.get(printer_id))


def _errors(state: PrinterState) -> dict[str, str]:
    """Return the errors that a printer shows now and where: its print error, and health messages that say something."""
    found = {}
    if state.print_error & 0xFFFF >= FIRST_REAL_ERROR:
        found[error_code_text(state.print_error)] = "print_error"
    for message in state.health[:MAX_ERRORS]:
        if message.severity <= Severity.COMMON:
            found.setdefault(message.code, "health")
    return found
