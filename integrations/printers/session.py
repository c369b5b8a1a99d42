"""One printer as the listener sees it: its connection, its picture, the job it should work on, what was concluded.

Everything here runs in the listener's one thread; the network thread only hands over frames and changes of the link.
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
from integrations.bambu.protocol import CommandAnswer
from integrations.bambu.state import PrinterMirror, PrinterState, Tray, WriteAccess
from integrations.models import PrinterConnection
from integrations.printers.events import Watcher
from integrations.printers.loaded import Feeding
from production.models import Printer

log = logging.getLogger(__name__)

FOREIGN = frozenset({Kind.FOREIGN_STARTED, Kind.FOREIGN_ENDED})
#: How often the connection is asked whether it fell silent.
CHECK_SECONDS = 1.0


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
        self.watcher = Watcher(link.printer_id)
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
        #: Frames taken in, and frames that had to be thrown away because too many were waiting.
        self.frames = 0
        self.dropped = 0
        #: What was last written, so that only changes are.
        self.trays: tuple[Tray, ...] | None = None
        #: A tag is seen that no reel here has.
        self.awaits_match = False
        #: From which trays the running job is fed, once it was looked up.
        self.feeding: Feeding | None = None
        self.access = WriteAccess.UNKNOWN
        #: When telemetry was last shown and sampled, by ``time.monotonic``.
        self.shown: tuple[float, str, int] = (0.0, "", 0)
        self.sampled_at = 0.0
        self._stale_seconds = stale_seconds
        self._heard_at = 0.0
        self._checked_at = 0.0
        self._owed = False
        self._told_drops = 0

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

    def receive(self, payload: bytes, heard_at: float, time_at: Callable[[float], datetime.datetime]) -> None:
        """Take in one frame; ``heard_at`` is a reading of ``time.monotonic`` and ``time_at`` turns it into a time.

        Most frames change a temperature: they are merged, and nothing is concluded from them.
        """
        self._heard_at = heard_at
        self.frames += 1
        mirror = self.mirror
        forgotten = mirror.forgotten
        events = mirror.receive(payload)
        if mirror.forgotten != forgotten:
            self.dropped += 1  # so that the whole picture is asked for
        if mirror.changed or self._owed or self.watch.awaits_frame:
            self._take_in(time_at(heard_at))
        for event in events:
            if event.__class__ is CommandAnswer:
                self._answered(event, time_at(heard_at))  # type: ignore[arg-type]

    def _take_in(self, at: datetime.datetime) -> None:
        state = self.mirror.state
        if state is None:
            return
        self._conclude(lambda: self.watch.observe(state, at))
        self._owed = self.watch.awaits_frame
        self.watcher.look(self, state, at)

    def tick(self, at: datetime.datetime, monotonic: float) -> None:
        """Let time pass."""
        if monotonic - self._checked_at >= CHECK_SECONDS:
            self._checked_at = monotonic
            self.connection.check()
            self.watcher.look_at_contact(self, at)
        if self._told_drops != self.dropped:
            # Deltas are missing from the picture: the whole of it is asked for, and what it shows first is history.
            self._told_drops = self.dropped
            log.warning("printer %s: %s frames were thrown away so far", self.printer.serial, self.dropped)
            self.watch.link_lost()
            self.connection.ask()
        if self.online:
            believed = self.watch.believed
            self._conclude(lambda: self.watch.tick(at))
            state = self.state
            if state is not None and self.watch.believed is not believed:
                self.watcher.look(self, state, at)

    def clock_was_set(self, by: datetime.timedelta) -> None:
        """Go on waiting for as long as was meant, although the clock jumped."""
        self.watch.shift(by)

    def _answered(self, answer: CommandAnswer, at: datetime.datetime) -> None:
        if answer.command == "project_file":
            self._conclude(lambda: self.watch.answer(answer, at), refusal=answer)
        elif answer.succeeded is False and answer.sequence_id.isdecimal():
            self.refused.append(Refused(int(answer.sequence_id), answer))

    def _conclude(self, conclude: Callable[[], tuple[Decision, ...]], refusal: CommandAnswer | None = None) -> None:
        job_id, before = self.job_id, self.watch.job
        decisions = conclude()
        after = self.watch.job
        if decisions:
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
