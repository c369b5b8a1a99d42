"""The one process that talks to a shard's printers: it hears them, books what happens, and carries out commands.

Network threads put what they hear into one inbox, worker threads upload and publish, and everything else is done in
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
from functools import partial

from django.conf import settings
from django.db import Error as DatabaseError
from django.db import IntegrityError, close_old_connections, connections
from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from blb3d.core.errors import BLB3DError, StaleVersion
from integrations.bambu.address import PrinterAddress
from integrations.bambu.connection import Link
from integrations.bambu.connection import PrinterConnection as Connection
from integrations.bambu.decide import Timing
from integrations.bambu.errors import CommandUnconfirmed, PrinterNotConnected
from integrations.bambu.protocol import Command
from integrations.models import PrinterCommand, PrinterConnection
from integrations.printers import addresses, books, commands, telemetry
from integrations.printers.errors import AccessCodeUnreadable
from integrations.printers.session import PrinterSession
from production import services as production
from production.models import Printer, PrintJob

log = logging.getLogger(__name__)

#: Seconds: how long the inbox is waited for, and how often the rest is done.
TURN_SECONDS = 0.1
WRITE_SECONDS = 0.5
COMMAND_SECONDS = 0.5
POLL_SECONDS = 10.0
TELEMETRY_SECONDS = 5.0
#: Progress is written when it grew by so many percent, even before its time.
PROGRESS_STEP = 5
LONGEST_RETRY_SECONDS = 30.0
#: How many uploads run at a time, and how long a stop waits for them; what is cut off is done again.
WORKERS = 16
FAREWELL_SECONDS = 5.0

Work = Callable[[], None]


class Listener:
    """Serves the printers of one shard, or of all; ``run`` blocks until ``stop`` is called from another thread."""

    def __init__(self, *, shard: int | None = None) -> None:
        self._shard = shard
        self._timing = Timing(
            debounce=datetime.timedelta(seconds=float(settings.PRINTER_DEBOUNCE_SECONDS)),
            hold=datetime.timedelta(seconds=settings.PRINTER_HOLD_SECONDS),
        )
        self._inbox: queue.SimpleQueue[Work] = queue.SimpleQueue()
        self._stopping = threading.Event()
        self._workers = threading.BoundedSemaphore(WORKERS)
        self._sessions: dict[int, PrinterSession] = {}
        self._next: dict[str, float] = {}
        self._told: dict[int, tuple[float, str, int]] = {}
        self._learning: set[int] = set()

    def run(self) -> None:
        """Serve until stopped; nothing that a printer, a partner or the database does ends this."""
        try:
            while not self._stopping.is_set():
                self._turn()
        finally:
            self._close()

    def stop(self) -> None:
        """Ask for a clean end."""
        self._stopping.set()
        self._inbox.put(lambda: None)

    # --- one turn --------------------------------------------------------------------------------------------------

    def _turn(self) -> None:
        if self._is_time("poll", POLL_SECONDS):
            self._safely(self._poll)
        self._hear()
        now = timezone.now()
        for session in list(self._sessions.values()):
            self._safely(partial(session.tick, now))
            self._safely(partial(self._settle, session))
        if self._is_time("write", WRITE_SECONDS):
            for session in list(self._sessions.values()):
                self._safely(partial(self._write, session, now))
        if self._is_time("commands", COMMAND_SECONDS):
            self._safely(self._give_commands)

    def _is_time(self, what: str, every: float) -> bool:
        now = time.monotonic()
        if now < self._next.get(what, 0.0):
            return False
        self._next[what] = now + every
        return True

    def _hear(self) -> None:
        """Wait a little for news, then take in all there is."""
        try:
            work = self._inbox.get(timeout=TURN_SECONDS)
            while True:
                self._safely(work)
                work = self._inbox.get_nowait()
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
        while session.refused:
            books.book_refused(session, session.refused[0])
            session.refused.popleft()

    def _retry_later(self, session: PrinterSession, error: Exception) -> None:
        session.failures += 1
        wait = min(0.1 * 2**session.failures, LONGEST_RETRY_SECONDS)
        session.retry_at = time.monotonic() + wait
        log.warning("printer %s: trying again in %.1f s: %s", session.printer.serial, wait, error)

    # --- what the machine shows ------------------------------------------------------------------------------------

    def _write(self, session: PrinterSession, now: datetime.datetime) -> None:
        if session.is_live:
            # First: a printer that is ready is sent a job by what its slots hold.
            books.write_slots(session)
            self._show(session, now)
        books.write_printer(session, now)

    def _show(self, session: PrinterSession, now: datetime.datetime) -> None:
        """Put telemetry where people see it and progress into the job: on changes, no more often than is useful."""
        state = session.state
        if state is None:
            return
        at, word, percent = self._told.get(session.printer.pk, (0.0, "", 0))
        changed = word != state.gcode_state or abs(state.percent - percent) >= PROGRESS_STEP
        if not changed and time.monotonic() - at < TELEMETRY_SECONDS:
            return
        self._told[session.printer.pk] = (time.monotonic(), state.gcode_state, state.percent)
        telemetry.show(session.printer.pk, state, session.merged, now.isoformat())
        progress, session.progress = session.progress, None
        if progress is not None and session.job_id is not None:
            production.record_progress(
                PrintJob(pk=session.job_id),
                percent=progress.percent,
                layer=progress.layer,
                total_layers=progress.total_layers,
                remaining_minutes=progress.remaining_minutes,
                actor=books.listener(),
            )

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
        running = PrintJob.objects.filter(printer__in=list(self._sessions), status__in=books.RUNNING)
        jobs = {job.printer_id: job for job in running}
        for printer_id, session in self._sessions.items():
            if not session.findings and not session.is_busy:
                books.agree(session, jobs.get(printer_id))

    def _links(self) -> list[PrinterConnection]:
        """Return the connections to serve; a printer that was switched off is followed to the end of its job."""
        active = PrintJob.objects.filter(printer=OuterRef("printer"), status__in=books.RUNNING)
        links = PrinterConnection.objects.select_related("printer").filter(printer__deleted_at__isnull=True)
        links = links.filter(Q(printer__is_active=True) | Exists(active))
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

        def heard(serial: str, payload: bytes) -> None:
            at = timezone.now()
            self._inbox.put(lambda: session.receive(payload, at) if session else None)

        def changed(serial: str, state: Link, reason: str) -> None:
            self._inbox.put(lambda: session.link_changed(state, reason) if session else None)

        stale = float(settings.PRINTER_STALE_SECONDS)
        connection = Connection(address, on_frame=heard, on_link=changed, stale_seconds=stale)
        session = PrinterSession(link, connection, timing=self._timing, stale_seconds=stale)
        connection.start()
        self._sessions[link.printer_id] = session

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
        for printer_id in list(self._sessions):
            self._safely(partial(self._end, printer_id))
        connections.close_all()
