"""One printer as the listener sees it: its connection, its picture, the job it should work on, what was concluded.

Everything here runs in the listener's one thread; the network threads only hand over frames and changes of the link.
"""

from __future__ import annotations

import datetime
import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from integrations.bambu.connection import Link
from integrations.bambu.connection import PrinterConnection as Connection
from integrations.bambu.decide import Decision, ExpectedJob, Kind, PrinterWatch, Timing
from integrations.bambu.protocol import CommandAnswer, StatusReport
from integrations.bambu.state import PrinterMirror, PrinterState, Tray, WriteAccess
from integrations.models import PrinterConnection
from production.models import Printer

log = logging.getLogger(__name__)

FOREIGN = frozenset({Kind.FOREIGN_STARTED, Kind.FOREIGN_ENDED})


@dataclass(frozen=True)
class Finding:
    """A decision with what must be known to book it later: the job, how far it was seen, the printer's own number.

    ``refusal`` is the answer that a refused start was given.
    """

    decision: Decision
    job_id: int | None
    percent: int = 0
    own_id: str = ""
    refusal: CommandAnswer | None = None


@dataclass(frozen=True)
class Refused:
    """A pause, resume or stop that the printer refused."""

    command_id: int
    answer: CommandAnswer


class PrinterSession:
    """Follows one printer. ``findings`` are waiting to be booked, oldest first; none is dropped before it is."""

    def __init__(
        self, link: PrinterConnection, connection: Connection, *, timing: Timing, stale_seconds: float
    ) -> None:
        self.printer: Printer = link.printer
        self.link = link
        self.connection = connection
        self.mirror = PrinterMirror()
        self.watch = PrinterWatch(timing=timing)
        self.job_id: int | None = None
        self.findings: deque[Finding] = deque()
        self.refused: deque[Refused] = deque()
        #: The newest state in which the expected job's progress grew, until it was written.
        self.progress: PrinterState | None = None
        #: A command is in the hands of another thread.
        self.is_busy = False
        self.failures = 0
        self.retry_at = 0.0
        self.online = False
        self.refused_login = False
        #: What was last written, so that only changes are.
        self.trays: tuple[Tray, ...] | None = None
        self.access = WriteAccess.UNKNOWN
        self._stale_seconds = stale_seconds
        self._heard_at = 0.0

    # --- what is so ------------------------------------------------------------------------------------------------

    @property
    def state(self) -> PrinterState | None:
        """The typed picture, None until the printer has said what it is doing."""
        return self.mirror.state

    @property
    def merged(self) -> dict[str, Any]:
        """The whole picture as the printer words it."""
        return self.mirror.merged

    @property
    def is_live(self) -> bool:
        """Tell whether the picture is the present one: connected, and heard lately."""
        return self.online and self.state is not None and not self.is_silent

    @property
    def is_silent(self) -> bool:
        """Tell whether the printer is connected and says nothing."""
        return self.online and time.monotonic() - self._heard_at > self._stale_seconds

    @property
    def contact(self) -> str:
        """Return what ``Printer.connection`` should say."""
        if self.refused_login:
            return Printer.Connection.REFUSED
        if self.is_silent:
            return Printer.Connection.STALE
        return Printer.Connection.ONLINE if self.is_live else Printer.Connection.OFFLINE

    # --- what comes from the network -------------------------------------------------------------------------------

    def link_changed(self, link: Link, reason: str) -> None:
        """Take in that the connection came up, went away or was refused."""
        log.info("printer %s: %s (%s)", self.printer.serial, link, reason)
        was_online, self.online = self.online, link is Link.ONLINE
        self.refused_login = link is Link.REFUSED
        if self.online:
            self._heard_at = time.monotonic()
        elif was_online:
            self.watch.link_lost()

    def receive(self, payload: bytes, at: datetime.datetime) -> None:
        """Take in one frame."""
        self._heard_at = time.monotonic()
        events = self.mirror.receive(payload)
        for event in events:
            if isinstance(event, CommandAnswer):
                self._answered(event, at)
        state = self.state
        if state is not None and any(isinstance(event, StatusReport) for event in events):
            self._conclude(lambda: self.watch.observe(state, at))

    def tick(self, at: datetime.datetime) -> None:
        """Let time pass."""
        self.connection.check()
        if self.online:
            self._conclude(lambda: self.watch.tick(at))

    def _answered(self, answer: CommandAnswer, at: datetime.datetime) -> None:
        if answer.command == "project_file":
            self._conclude(lambda: self.watch.answer(answer, at), refusal=answer)
        elif answer.succeeded is False and answer.sequence_id.isdecimal():
            self.refused.append(Refused(int(answer.sequence_id), answer))

    def _conclude(self, conclude: Callable[[], tuple[Decision, ...]], refusal: CommandAnswer | None = None) -> None:
        job_id, before = self.job_id, self.watch.job
        decisions = conclude()
        after = self.watch.job
        percent = max(before.max_percent if before else 0, after.max_percent if after else 0)
        for decision in decisions:
            if decision.kind is Kind.PROGRESS:
                self.progress = decision.state
            elif decision.kind in FOREIGN:
                self.findings.append(Finding(decision, None))
            else:
                own_id = after.printer_job_id if after else ""
                self.findings.append(Finding(decision, job_id, percent, own_id, refusal))
        if after is None:
            self.job_id = None

    # --- what is expected ------------------------------------------------------------------------------------------

    def expect(self, job_id: int, job: ExpectedJob) -> None:
        """Follow a job from now on."""
        self.job_id, self.progress = job_id, None
        self.watch.expect(job)

    def stop_refused(self) -> None:
        """Expect the job to go on: the printer did not obey the stop."""
        if self.watch.job:
            self.watch.job = replace(self.watch.job, cancel_requested=False)

    def forget(self) -> None:
        """Expect nothing any more: the job was settled elsewhere."""
        self.job_id = None
        self.watch.forget()
