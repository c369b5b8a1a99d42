"""Sessions with printers, kept up and watched for silence (Bambu LAN protocol, sections 1, 2 and 8).

A :class:`Line` is one MQTT session: with the printer itself, or with a broker that many printers share. A
:class:`PrinterConnection` is one printer on a line.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from enum import StrEnum

from integrations.bambu.address import PrinterAddress
from integrations.bambu.errors import CommandUnconfirmed, PrinterNotConnected
from integrations.bambu.mqtt import Session, Target
from integrations.bambu.protocol import (
    USERNAME,
    Command,
    get_version,
    pushall,
    report_topic,
    request_topic,
    start_pushing,
)

logger = logging.getLogger(__name__)

STALE_SECONDS = 60.0
REBUILD_SECONDS = 300.0


class Link(StrEnum):
    """The state of a printer's session."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    ONLINE = "online"
    REFUSED = "refused"


FrameHandler = Callable[[str, bytes], None]
LinkHandler = Callable[[str, Link, str], None]


class Line:
    """One MQTT session that carries one printer or, at a common broker, many.

    ``is_shared`` says which: at a common broker one printer's silence is no reason to start over for all.
    """

    def __init__(self, address: PrinterAddress, *, username: str | None = None, is_shared: bool = False) -> None:
        self.address = address
        self.is_shared = is_shared
        self._username = username if username is not None else USERNAME if address.access_code else ""
        self._members: dict[bytes, PrinterConnection] = {}
        self._lock = threading.RLock()
        self._session: Session | None = None
        self._up: Session | None = None
        self._refused = ""

    @property
    def client_id(self) -> str:
        """The id under which the line is, or was last, known to the broker."""
        return self._session.client_id if self._session else ""

    def join(self, member: PrinterConnection) -> None:
        """Carry a printer; raises ``ssl.SSLError`` where the certificate cannot be read."""
        topic = report_topic(member.address.serial).encode()
        with self._lock:
            self._members[topic] = member
            session = self._session or self._open()
            session.routes[topic] = member.frame
            if self._up is session:
                session.subscribe(topic)
            refused = self._refused
        if refused:
            member.line_down(refused, refused=True)

    def leave(self, member: PrinterConnection) -> None:
        """Carry a printer no more; the last one takes the session with it."""
        topic = report_topic(member.address.serial).encode()
        with self._lock:
            if self._members.get(topic) is not member:
                return
            del self._members[topic]
            session = self._session
            if session is None:
                return
            session.routes.pop(topic, None)
            if self._members:
                session.unsubscribe(topic)
            else:
                self._session = self._up = None
                session.close()

    def renew(self, reason: str) -> None:
        """Start over with a new session and a new client id: what was not confirmed is never sent again."""
        with self._lock:
            old = self._session
            if old is None:
                return
            old.close()
            session = self._open()
            session.routes.update({topic: member.frame for topic, member in self._members.items()})
            members = list(self._members.values())
        for member in members:
            member.line_down(reason, refused=False)

    def resubscribe(self, member: PrinterConnection) -> None:
        """Ask for one printer's reports once more."""
        topic = report_topic(member.address.serial).encode()
        with self._lock:
            session = self._up
        if session is not None:
            session.subscribe(topic)

    def say(self, topic: str, payload: bytes) -> None:
        """Send something that needs no confirmation."""
        with self._lock:
            session = self._up
        if session is not None:
            session.say(topic, payload)

    def command(self, topic: str, payload: bytes, *, timeout: float) -> tuple[bool, bool]:
        """Send a command and return whether it was sent, and whether it was confirmed in time."""
        with self._lock:
            session = self._up
        if session is None:
            return False, False
        receipt = session.command(topic, payload, timeout=timeout)
        return receipt.sent, receipt.confirmed

    def _open(self) -> Session:
        address = self.address
        target = Target(address.host, address.mqtt_port, address.tls_context(), self._username, address.access_code)
        self._up, self._refused = None, ""
        self._session = session = Session(target, self, retry_refused=self.is_shared)
        session.open()
        return session

    # --- what the session tells, on the network thread --------------------------------------------------------------

    def session_up(self, session: Session) -> None:
        """Ask for the reports of everybody on the line."""
        with self._lock:
            if session is not self._session:
                return
            self._up, self._refused = session, ""
            topics = list(self._members)
        for topic in topics:
            session.subscribe(topic)

    def session_down(self, session: Session, reason: str, *, refused: bool) -> None:
        """Tell everybody on the line."""
        with self._lock:
            if session is not self._session:
                return
            self._up, self._refused = None, reason if refused else ""
            members = list(self._members.values())
        for member in members:
            member.line_down(reason, refused=refused)

    def subscribed(self, session: Session, topic: bytes, *, granted: bool) -> None:
        """Tell the printer whose reports come now."""
        with self._lock:
            member = self._members.get(topic) if session is self._session else None
        if member is not None:
            member.line_up(granted=granted)


class PrinterConnection:
    """A session with one printer that reconnects by itself and says everything through two callbacks.

    ``on_frame(serial, payload)`` and ``on_link(serial, link, reason)`` run on the network thread; what they raise is
    logged and ends nothing. The owner calls ``check`` about once a second: it wakes a stream that fell silent. A
    refused login is reported and not repeated: trying again cannot help before somebody changes the access code.
    ``line`` is the common broker's session, without it the printer gets one of its own.
    """

    def __init__(
        self,
        address: PrinterAddress,
        *,
        on_frame: FrameHandler,
        on_link: LinkHandler = lambda serial, link, reason: None,
        line: Line | None = None,
        stale_seconds: float = STALE_SECONDS,
        rebuild_seconds: float = REBUILD_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = address
        self.link = Link.STOPPED
        #: Why there is no session, in the words of whoever refused it.
        self.problem = ""
        self._line = line or Line(address)
        self._on_frame = on_frame
        self._on_link = on_link
        self._stale_seconds = stale_seconds
        self._rebuild_seconds = rebuild_seconds
        self._clock = clock
        self._heard_at = 0.0
        self._nudged = False

    @property
    def client_id(self) -> str:
        """The id under which the printer, or the common broker, knows us."""
        return self._line.client_id

    def start(self) -> None:
        """Begin to connect and return at once; raises ``ssl.SSLError`` where the certificate cannot be read."""
        self.link, self._heard_at, self._nudged = Link.CONNECTING, self._clock(), False
        self._line.join(self)

    def stop(self) -> None:
        """Leave the printer; no callback runs after this returns, except one that is under way."""
        self._line.leave(self)
        self._tell(Link.STOPPED, "stopped")

    def rebuild(self, reason: str) -> None:
        """Start over with a new session and a new client id, so that nothing unconfirmed is ever sent again."""
        logger.warning("printer %s: new session (%s)", self.address.serial, reason)
        self._heard_at, self._nudged = self._clock(), False
        self._line.renew(reason)

    def check(self) -> None:
        """Wake a silent stream, then start over; start over too when the printer stayed away for long."""
        silence = self._clock() - self._heard_at
        if self.link is Link.ONLINE and silence >= self._stale_seconds:
            if not self._nudged:
                self._nudge()
            elif self._line.is_shared:
                # The others on the line are heard: only this one is asked for again.
                self._heard_at, self._nudged = self._clock(), False
                self._tell(Link.CONNECTING, "the printer fell silent")
                self._line.resubscribe(self)
            else:
                self.rebuild("the printer fell silent")
        elif self.link is Link.CONNECTING and silence >= self._rebuild_seconds and not self._line.is_shared:
            self.rebuild("the printer does not come back")

    def send(self, command: Command, *, timeout: float = 10.0) -> None:
        """Publish a command and return once the printer has confirmed receipt; never call this from a callback.

        Raises ``PrinterNotConnected`` when nothing was sent and ``CommandUnconfirmed`` when it may have arrived; either
        way it will not be sent again later, when it could start a job that nobody wants any more.
        """
        details = {"serial": self.address.serial, "command": command.name}
        if self.link is not Link.ONLINE:
            raise PrinterNotConnected(details={**details, "link": self.link})
        sent, confirmed = self._line.command(request_topic(self.address.serial), command.encode(), timeout=timeout)
        if not sent:
            raise PrinterNotConnected(details=details)
        if not confirmed:
            self.rebuild(f"{command.name} was not confirmed")
            raise CommandUnconfirmed(details=details)

    def ask(self) -> None:
        """Ask for the whole picture once more."""
        self._line.say(request_topic(self.address.serial), pushall().encode())

    def _nudge(self) -> None:
        self._nudged, self._heard_at = True, self._clock()
        self._line.say(request_topic(self.address.serial), start_pushing().encode())

    # --- what the line tells, on the network thread ------------------------------------------------------------------

    def frame(self, payload: bytes) -> None:
        """Hand on one payload."""
        self._heard_at, self._nudged = self._clock(), False
        try:
            self._on_frame(self.address.serial, payload)
        except Exception:
            # An exception must not reach the network thread, which serves all the others too.
            logger.exception("printer %s: a frame could not be handled", self.address.serial)

    def line_up(self, *, granted: bool) -> None:
        """Note that reports come from now on, and ask for the whole picture."""
        if self.link is Link.STOPPED:
            return
        if not granted:
            self._tell(Link.CONNECTING, "subscription refused")
            return
        self._heard_at, self._nudged, self.problem = self._clock(), False, ""
        self._tell(Link.ONLINE, "connected")
        for question in (get_version(), pushall()):
            self._line.say(request_topic(self.address.serial), question.encode())

    def line_down(self, reason: str, *, refused: bool) -> None:
        """Note that the session is gone, or could not be made; only a change is told."""
        if self.link is Link.STOPPED or self.link is Link.REFUSED:
            return
        self.problem = reason
        if refused:
            self._tell(Link.REFUSED, reason)
        elif self.link is Link.ONLINE:
            self._heard_at = self._clock()
            self._tell(Link.CONNECTING, reason)

    def _tell(self, link: Link, reason: str) -> None:
        self.link = link
        try:
            self._on_link(self.address.serial, link, reason)
        except Exception:
            logger.exception("printer %s: the change to %s could not be handled", self.address.serial, link)
