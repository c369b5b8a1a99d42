"""The one process that talks to a shard's printers: it hears them, books what happens, and carries out commands.

The network thread puts what it hears into one inbox, worker threads upload and publish, and everything else is done in
one thread, which is where all knowledge about printers lives. What matters stands in the database: a listener that is
killed and started again finds the jobs, asks the printers what they do, and goes on.
"""

from __future__ import annotations

import datetime
import logging
import queue
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import IntegrityError, close_old_connections, connections
from django.db.models import Exists, OuterRef, Q

from blb3d.core.errors import BLB3DError, StaleVersion
from integrations.bambu.address import PrinterAddress
from integrations.bambu.connection import Line, Link
from integrations.bambu.connection import PrinterConnection as Connection
from integrations.bambu.decide import Kind, Timing
from integrations.bambu.errors import CommandUnconfirmed, PrinterNotConnected
from integrations.bambu.protocol import Command
from integrations.bambu.state import PrinterState
from integrations.models import PrinterCommand, PrinterConnection
from integrations.printers import addresses, books, commands, loaded, photos, telemetry
from integrations.printers.backend import served_by
from integrations.printers.clock import SteadyClock
from integrations.printers.errors import AccessCodeUnreadable
from integrations.printers.events import load_marks, write_events
from integrations.printers.session import Finding, PrinterSession
from production import services as production
from production.models import Printer, PrinterSample, PrintJob

log = logging.getLogger(__name__)

#: Seconds: how long the inbox is waited for, how long it is listened to at a stretch, and how often the rest is done.
TURN_SECONDS = 0.1
HEAR_SECONDS = 0.25
WRITE_SECONDS = 0.5
COMMAND_SECONDS = 0.5
POLL_SECONDS = 10.0
#: Progress is written when it grew by so many percent, even before its time.
PROGRESS_STEP = 5
LONGEST_RETRY_SECONDS = 30.0
#: How many uploads run at a time, and how long a stop waits for them; what is cut off is done again.
WORKERS = 16
FAREWELL_SECONDS = 5.0
#: So many pieces of news may wait while the database is away; later frames are thrown away and asked for again.
INBOX_SIZE = 100_000
#: Samples are written when so many are there, or after so many seconds.
SAMPLES = 200
SAMPLES_SECONDS = 5.0

#: After these a plate is worth a picture.
PICTURED = frozenset({Kind.FINISHED, Kind.FAILED, Kind.ABORTED})

Work = Callable[[], Any]
Frame = tuple[PrinterSession, bytes, float]


@dataclass
class Shown:
    """What one round of writing has to show: telemetry by printer, progress by job."""

    values: dict[int, dict[str, Any]] = field(default_factory=dict)
    progress: dict[int, production.Reached] = field(default_factory=dict)


class Listener:
    """Serves the printers of one shard, or of all; ``run`` blocks until ``stop`` is called from another thread."""

    def __init__(self, *, shard: int | None = None) -> None:
        self._shard = shard
        self._timing = Timing(
            debounce=datetime.timedelta(seconds=float(settings.PRINTER_DEBOUNCE_SECONDS)),
            hold=datetime.timedelta(seconds=settings.PRINTER_HOLD_SECONDS),
        )
        self._inbox: queue.SimpleQueue[Work | Frame] = queue.SimpleQueue()
        self._clock = SteadyClock()
        self._show_every = telemetry.show_every()
        self._stopping = threading.Event()
        self._workers = threading.BoundedSemaphore(WORKERS)
        self._sessions: dict[int, PrinterSession] = {}
        self._next: dict[str, float] = {}
        self._lines: dict[PrinterAddress, Line] = {}
        self._samples: list[PrinterSample] = []
        self._learning: set[int] = set()

    def run(self) -> None:
        """Serve until stopped; nothing that a printer, a partner or the database does ends this."""
        try:
            while not self._stopping.is_set():
                self._turn()
        finally:
            self._close()

    @property
    def sessions(self) -> list[PrinterSession]:
        """The printers that are served now; for looking at from another thread, not for changing."""
        return list(self._sessions.values())

    def stop(self) -> None:
        """Ask for a clean end."""
        self._stopping.set()
        self._inbox.put(lambda: None)

    # --- one turn --------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        if self._is_time("poll", POLL_SECONDS):
            self._safely(self._follow_clock)
            self._safely(self._poll)
        self._hear()
        now, monotonic = self._clock.now(), time.monotonic()
        for session in list(self._sessions.values()):
            self._safely(partial(session.tick, now, monotonic))
            if session.findings or session.refused:
                self._safely(partial(self._settle, session))
        self._write_events()
        if self._is_time("write", WRITE_SECONDS):
            self._write_all(now, monotonic)
        if self._samples and (len(self._samples) >= SAMPLES or self._is_time("samples", SAMPLES_SECONDS)):
            self._safely(self._write_samples)
        if self._is_time("commands", COMMAND_SECONDS):
            self._safely(self._give_commands)

    def _follow_clock(self) -> None:
        """Take it in when the machine's clock was set: nothing that is being waited for ends early or late by it."""
        by = self._clock.adjust()
        if by is not None:
            log.warning("the clock was set by %s", by)
            for session in self._sessions.values():
                session.clock_was_set(by)

    def _is_time(self, what: str, every: float) -> bool:
        now = time.monotonic()
        if now < self._next.get(what, 0.0):
            return False
        self._next[what] = now + every
        return True

    def _hear(self) -> None:
        """Wait a little for news, then take in what there is, for a while: some printers never fall silent."""
        get, time_at = self._inbox.get_nowait, self._clock.at
        try:
            news = self._inbox.get(timeout=TURN_SECONDS)
            until, taken = time.monotonic() + HEAR_SECONDS, 0
            while True:
                if news.__class__ is tuple:
                    session, payload, heard_at = news  # type: ignore[misc]
                    try:
                        session.receive(payload, heard_at, time_at)
                    except Exception:
                        log.exception("printer %s: a frame could not be taken in", session.printer.serial)
                else:
                    self._safely(news)  # type: ignore[arg-type]
                taken += 1
                if not taken & 127 and time.monotonic() > until:
                    return
                news = get()
        except queue.Empty:
            return

    def _safely(self, work: Work) -> None:
        """Do a piece of work that will be done again: its failure is told and ends nothing."""
        try:
            work()
        except DatabaseError as error:
            log.warning("the database did not take it, it will be tried again: %s", error)
            close_old_connections()
        except BLB3DError as error:
            log.warning("%s %s", error, error.details or "")
        except Exception:
            log.exception("the listener goes on after an unexpected error")

    # --- decisions -------------------------------------------------------------------------------------------------

    def _settle(self, session: PrinterSession) -> None:
        """Book what was concluded, in order; what cannot be booked now is kept and tried again."""
        while session.findings and time.monotonic() >= session.retry_at:
            finding = session.findings[0]
            try:
                books.book(session, finding)
            except (BLB3DError, IntegrityError) as refusal:
                if isinstance(refusal, StaleVersion) or getattr(refusal, "transient", False):
                    self._retry_later(session, refusal)
                    return
                log.warning("printer %s: %s is not booked: %s", session.printer.serial, finding.decision.kind, refusal)
            except DatabaseError as error:
                self._retry_later(session, error)
                close_old_connections()
                return
            except Exception as error:
                log.exception("printer %s: %s could not be booked", session.printer.serial, finding.decision.kind)
                self._retry_later(session, error)
                return
            session.findings.popleft()
            session.failures = 0
            self._picture(session, finding)
        while session.refused:
            books.book_refused(session, session.refused[0])
            session.refused.popleft()

    def _picture(self, session: PrinterSession, finding: Finding) -> None:
        """Have the plate photographed when its job ended and somebody set a camera up."""
        kind = finding.decision.kind
        if kind not in PICTURED or finding.job_id is None or not photos.is_wanted(session.link):
            return
        self._in_thread(partial(photos.take, session.link, finding.job_id, is_failure=kind is not Kind.FINISHED))

    def _retry_later(self, session: PrinterSession, error: Exception) -> None:
        session.failures += 1
        wait = min(0.1 * 2**session.failures, LONGEST_RETRY_SECONDS)
        session.retry_at = time.monotonic() + wait
        log.warning("printer %s: trying again in %.1f s: %s", session.printer.serial, wait, error)

    # --- what the machine shows ------------------------------------------------------------------------------------

    def _write_all(self, now: datetime.datetime, monotonic: float) -> None:
        shown = Shown()
        for session in list(self._sessions.values()):
            self._safely(partial(self._write, session, now, monotonic, shown))
        self._safely(partial(books.write_seen, [s for s in self._sessions.values() if s.is_live], now))
        self._safely(partial(telemetry.show, shown.values))
        if shown.progress:
            write = partial(production.record_progress_many, shown.progress, actor=books.listener())
            self._safely(write)

    def _write(self, session: PrinterSession, now: datetime.datetime, monotonic: float, shown: Shown) -> None:
        state = session.state
        if session.is_live and state is not None:
            # First: a printer that is ready is sent a job by what its slots hold.
            loaded.write_slots(session, now)
            loaded.follow_trays(session, now)
            self._show(session, state, now, monotonic, shown)
        books.write_printer(session, now)

    def _show(
        self, session: PrinterSession, state: PrinterState, now: datetime.datetime, monotonic: float, shown: Shown
    ) -> None:
        """Put telemetry where people see it, progress into the job, a sample into the history, as often as useful."""
        at, word, percent = session.shown
        changed = word != state.gcode_state or abs(state.percent - percent) >= PROGRESS_STEP
        if not changed and monotonic - at < self._show_every:
            return
        session.shown = (monotonic, state.gcode_state, state.percent)
        shown.values[session.printer.pk] = telemetry.values_of(state, session.merged, now.isoformat())
        every = telemetry.sample_every(state)
        if every and (word != state.gcode_state or monotonic - session.sampled_at >= every):
            session.sampled_at = monotonic
            self._samples.append(telemetry.sample(session.printer.pk, session.job_id, state, session.merged, now))
        progress, session.progress = session.progress, None
        if progress is not None and session.job_id is not None:
            shown.progress[session.job_id] = production.Reached(
                progress.percent, progress.layer, progress.total_layers, progress.remaining_minutes
            )

    def _write_events(self) -> None:
        """Write what happened at all printers at once; one by one where the database takes something ill."""
        watchers = [session.watcher for session in self._sessions.values() if session.watcher.waiting]
        if not watchers:
            return
        try:
            write_events(watchers)
        except DatabaseError as error:
            log.warning("events are written one printer at a time: %s", error)
            close_old_connections()
            for watcher in watchers:
                self._safely(partial(write_events, [watcher]))

    def _write_samples(self) -> None:
        """Write the samples that came together; they are worth a try, not a second one."""
        rows, self._samples = self._samples, []
        PrinterSample.objects.bulk_create(rows, batch_size=SAMPLES)

    # --- commands --------------------------------------------------------------------------------------------------

    def _give_commands(self) -> None:
        """Give each printer that has none its oldest due command."""
        for command in commands.due(self._sessions):
            session = self._sessions[command.printer_id]
            if session.is_busy or not command.claim():
                continue
            session.is_busy = True
            if command.kind == PrinterCommand.Kind.START:
                self._work(session, partial(self._prepare, session, command))
            else:
                self._try(session, command, partial(commands.order, session, command))

    def _work(self, session: PrinterSession, work: Work) -> None:
        """Do something slow in a thread of its own; the printer's next command waits for it."""

        def run() -> None:
            try:
                work()
            except Exception:
                # The claim runs out and the command is tried again.
                log.exception("printer %s: a command failed", session.printer.serial)
                self._inbox.put(partial(self._release, session))

        self._in_thread(run)

    def _in_thread(self, work: Work) -> None:
        def run() -> None:
            with self._workers:
                try:
                    work()
                finally:
                    connections.close_all()

        threading.Thread(target=run, name="printer-command", daemon=True).start()

    def _release(self, session: PrinterSession) -> None:
        session.is_busy = False

    def _prepare(self, session: PrinterSession, command: PrinterCommand) -> None:
        try:
            with command.kept():
                start = commands.prepare_start(command, session.link)
        except BLB3DError as problem:
            commands.put_off(command, f"{problem} {problem.details or ''}".strip())
            start = None
        if start is None:
            self._inbox.put(partial(self._release, session))
        else:
            self._inbox.put(partial(self._try, session, command, partial(commands.hand_over, session, start)))

    def _try(self, session: PrinterSession, command: PrinterCommand, look: Callable[[], Command | None]) -> None:
        """Look whether a command may be sent now, and have it sent."""
        message = None
        try:
            message = look()
        finally:
            if message is None:
                self._release(session)
        if message is not None:
            self._work(session, partial(self._send, session, command, message))

    def _send(self, session: PrinterSession, command: PrinterCommand, message: Command) -> None:
        is_start = command.kind == PrinterCommand.Kind.START
        try:
            session.connection.send(message)
        except PrinterNotConnected as problem:
            if is_start:
                self._inbox.put(partial(commands.take_back, session, command))
            else:
                commands.put_off(command, str(problem))
        except CommandUnconfirmed as problem:
            # Whether a start arrived is what the printer's next reports tell; the others may be repeated.
            log.warning("printer %s: %s", session.printer.serial, problem)
            if not is_start:
                commands.put_off(command, str(problem))
        else:
            if not is_start:
                command.finish()
        self._inbox.put(partial(self._release, session))

    # --- which printers --------------------------------------------------------------------------------------------

    def _poll(self) -> None:
        """Bring the sessions in line with the stored connections, and what they expect in line with the jobs."""
        links = {link.printer_id: link for link in self._links()}
        for printer_id in self._sessions.keys() - links.keys():
            self._end(printer_id)
        for link in links.values():
            self._safely(partial(self._serve, link))
        load_marks(session.watcher for session in self._sessions.values())
        running = PrintJob.objects.filter(printer__in=list(self._sessions), status__in=books.RUNNING)
        jobs = {job.printer_id: job for job in running}
        for printer_id, session in self._sessions.items():
            loaded.look_again(session)
            if not session.findings and not session.is_busy:
                books.agree(session, jobs.get(printer_id))

    def _links(self) -> list[PrinterConnection]:
        """Return the connections to serve; a printer that was switched off is followed to the end of its job."""
        active = PrintJob.objects.filter(printer=OuterRef("printer"), status__in=books.RUNNING)
        links = PrinterConnection.objects.select_related("printer").filter(printer__deleted_at__isnull=True)
        links = links.filter(Q(printer__is_active=True) | Exists(active))
        by_hand = Q(backend=PrinterConnection.Backend.BY_HAND, host__gt="")
        links = links.filter(served_by(PrinterConnection.Backend.BAMBU_LAN) | by_hand)
        if self._shard is not None:
            links = links.filter(shard=self._shard)
        return list(links)

    def _serve(self, link: PrinterConnection) -> None:
        session = self._sessions.get(link.printer_id)
        if addresses.has_no_trust(link):
            self._learn_certificate(link)
            return
        try:
            address = addresses.command_address(link)
        except AccessCodeUnreadable:
            Printer.objects.filter(pk=link.printer_id).update(connection=Printer.Connection.REFUSED)
            raise
        if session is not None and session.connection.address == address:
            session.link, session.printer = link, link.printer
            return
        if session is not None:
            self._end(link.printer_id)
        self._begin(link, address)

    def _begin(self, link: PrinterConnection, address: PrinterAddress) -> None:
        # The connection is made before the session that its callbacks are for.
        session: PrinterSession | None = None

        inbox, monotonic = self._inbox, time.monotonic

        def heard(serial: str, payload: bytes) -> None:
            if session is None:
                return
            if inbox.qsize() < INBOX_SIZE:
                inbox.put((session, payload, monotonic()))
            else:
                session.dropped += 1

        def changed(serial: str, state: Link, reason: str) -> None:
            inbox.put(lambda: session.link_changed(state, reason) if session else None)

        stale = float(settings.PRINTER_STALE_SECONDS)
        connection = Connection(
            address, on_frame=heard, on_link=changed, line=self._line(address), stale_seconds=stale
        )  # fmt: skip
        session = PrinterSession(link, connection, timing=self._timing, stale_seconds=stale)
        connection.start()
        self._sessions[link.printer_id] = session

    def _line(self, address: PrinterAddress) -> Line | None:
        """Return the common broker's session, which all printers share; None where each printer is its own broker."""
        if not settings.MQTT_HOST:
            return None
        broker = replace(address, serial=address.host)
        if broker not in self._lines:
            self._lines[broker] = Line(broker, username=settings.MQTT_USERNAME, is_shared=True)
        return self._lines[broker]

    def _end(self, printer_id: int) -> None:
        session = self._sessions.pop(printer_id)
        session.connection.stop()
        Printer.objects.filter(pk=printer_id).update(connection=Printer.Connection.OFFLINE)

    def _learn_certificate(self, link: PrinterConnection) -> None:
        """Pin the certificate that a printer shows at first sight; the next poll connects with it."""
        if link.pk in self._learning:
            return
        self._learning.add(link.pk)

        def learn() -> None:
            try:
                pem = addresses.first_certificate(link)
                PrinterConnection.objects.filter(pk=link.pk).update(pinned_certificate=pem)
            except (OSError, BLB3DError) as problem:
                log.warning("printer %s shows no certificate to pin: %s", link.printer.serial, problem)
            finally:
                self._inbox.put(partial(self._learning.discard, link.pk))

        self._in_thread(learn)

    def _close(self) -> None:
        """Leave every printer; what was concluded and not booked is concluded again by the next listener."""
        deadline = time.monotonic() + FAREWELL_SECONDS
        while any(session.is_busy for session in self._sessions.values()) and time.monotonic() < deadline:
            self._hear()
        for session in list(self._sessions.values()):
            self._safely(partial(self._settle, session))
        self._write_events()
        self._safely(self._write_samples)
        for printer_id in list(self._sessions):
            self._safely(partial(self._end, printer_id))
        connections.close_all()
