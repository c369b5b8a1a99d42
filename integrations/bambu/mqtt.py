"""MQTT 3.1.1 as a client for many printers at once: one network thread serves all sessions.

Only what printers need: clean sessions, subscriptions at QoS 0, commands at QoS 0 or 1, and bounded frames. Nothing is
ever sent a second time: what was not acknowledged when a session ended stays unacknowledged, and its sender is told.
"""

from __future__ import annotations

import itertools
import logging
import queue
import random
import secrets
import selectors
import socket
import ssl
import struct
import threading
import time
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from enum import StrEnum
from functools import partial
from typing import Any, Protocol

log = logging.getLogger(__name__)

#: A printer's whole state is about 10 kB; what is longer than this is no report and is read past.
MAX_PACKET_BYTES = 1_100_000
READ_BYTES = 256 * 1024
#: How many reads one session gets before the others have their turn.
READS_IN_A_ROW = 4
KEEPALIVE_SECONDS = 30
DIAL_SECONDS = 8.0
ANSWER_SECONDS = 10.0
RETRY_SECONDS = (1.0, 30.0)
#: Connection attempts under way at a time: each blocks a thread, most of them for printers that are switched off.
DIALLERS = 32
TICK_SECONDS = 0.5
#: "Bad user name or password" and "not authorized".
REFUSALS = {4: "bad user name or password", 5: "not authorized"}
FAILURES = {1: "unacceptable protocol version", 2: "client id rejected", 3: "server unavailable", **REFUSALS}

CONNACK, PUBLISH, PUBACK, SUBACK, PINGRESP = 2, 3, 4, 9, 13


class Broken(Exception):
    """The other side does not keep to the protocol, or went away."""


class Phase(StrEnum):
    """Where a session stands."""

    CLOSED = "closed"
    DIALLING = "dialling"
    GREETING = "greeting"
    UP = "up"
    REFUSED = "refused"


class Listening(Protocol):
    """What a session tells; everything is called on the network thread."""

    def session_up(self, session: Session) -> None:
        """The broker took the login: subscribe now."""

    def session_down(self, session: Session, reason: str, *, refused: bool) -> None:
        """The session ended, or could not be made; it is tried again unless it was refused."""

    def subscribed(self, session: Session, topic: bytes, *, granted: bool) -> None:
        """The broker answered a subscription."""


@dataclass(frozen=True)
class Target:
    """A broker and how to log in there."""

    host: str
    port: int
    context: ssl.SSLContext | None = field(default=None, repr=False)
    username: str = ""
    password: str = field(default="", repr=False)


class Receipt:
    """What became of a command at QoS 1: ``sent``, and after ``wait`` whether it was ``confirmed``."""

    def __init__(self) -> None:
        self.sent = False
        self.confirmed = False
        self._settled = threading.Event()

    def settle(self, *, confirmed: bool) -> None:
        """Note the end of the waiting."""
        self.confirmed = confirmed
        self._settled.set()

    def wait(self, timeout: float) -> bool:
        """Return whether the broker confirmed receipt in time; at once where the session ended."""
        self._settled.wait(timeout)
        return self.confirmed


# --- packets ---------------------------------------------------------------------------------------------------------


def _packet(head: int, body: bytes) -> bytes:
    length, size = len(body), bytearray()
    while True:
        length, digit = length >> 7, length & 127
        size.append(digit | (128 if length else 0))
        if not length:
            return bytes((head, *size)) + body


def _string(text: str | bytes) -> bytes:
    raw = text if isinstance(text, bytes) else text.encode()
    return struct.pack("!H", len(raw)) + raw


def connect_packet(client_id: str, target: Target, *, keepalive: int = KEEPALIVE_SECONDS) -> bytes:
    """Return the greeting of a clean session; ``keepalive`` 0 lets it be silent for ever."""
    flags = 0x02 | (0x80 if target.username else 0) | (0x40 if target.username and target.password else 0)
    body = _string("MQTT") + bytes((4, flags)) + struct.pack("!H", keepalive) + _string(client_id)
    if target.username:
        body += _string(target.username)
        if target.password:
            body += _string(target.password)
    return _packet(0x10, body)


def subscribe_packet(number: int, topic: bytes) -> bytes:
    """Return the subscription to one topic at QoS 0."""
    return _packet(0x82, struct.pack("!H", number) + _string(topic) + b"\x00")


def unsubscribe_packet(number: int, topic: bytes) -> bytes:
    """Return the end of a subscription."""
    return _packet(0xA2, struct.pack("!H", number) + _string(topic))


def publish_packet(topic: str, payload: bytes, number: int = 0) -> bytes:
    """Return a message; ``number`` other than 0 asks for an acknowledgement (QoS 1)."""
    body = _string(topic) + (struct.pack("!H", number) if number else b"") + payload
    return _packet(0x32 if number else 0x30, body)


PING, GOODBYE = b"\xc0\x00", b"\xe0\x00"


# --- a session -------------------------------------------------------------------------------------------------------


class Session:
    """A session with one broker that comes back by itself, under a new client id each time it is opened.

    ``routes`` leads from a topic to what takes its payloads, on the network thread. Methods may be called from any
    thread unless they say otherwise.
    """

    def __init__(self, target: Target, listening: Listening, *, hub: Hub | None = None, retry_refused: bool = False):
        self.target = target
        self.client_id = f"blb3d-{secrets.token_hex(6)}"
        self.phase = Phase.CLOSED
        self.routes: dict[bytes, Callable[[bytes], None]] = {}
        #: Frames that were too long to be read.
        self.too_long = 0
        self._listening = listening
        self._hub = hub or default_hub()
        self._retry_refused = retry_refused
        self._closed = False
        self._socket: socket.socket | None = None
        self._rest = b""
        self._skip = 0
        self._out = bytearray()
        self._numbers = itertools.cycle(range(1, 65536))
        self._waiting: dict[int, Receipt] = {}
        self._asked: dict[int, bytes] = {}
        self._deadline = self._sent_at = self._heard_at = 0.0
        self._pinged, self._pinged_at = False, 0.0
        self._retry = RETRY_SECONDS[0]
        self._retry_at = 0.0

    def open(self) -> None:
        """Begin to connect, and return at once."""
        self._hub.call(lambda: self._hub.add(self))

    def close(self) -> None:
        """End the session for good; returns at once, and nothing is told any more."""
        self._closed = True
        self._hub.call(self._leave)

    def subscribe(self, topic: bytes) -> None:
        """Ask for a topic; the answer comes through ``subscribed``."""

        def ask() -> None:
            if self.phase is Phase.UP:
                number = next(self._numbers)
                self._asked[number] = topic
                self._write(subscribe_packet(number, topic))

        self._hub.call(ask)

    def unsubscribe(self, topic: bytes) -> None:
        """Ask for a topic no more."""

        def ask() -> None:
            if self.phase is Phase.UP:
                self._write(unsubscribe_packet(next(self._numbers), topic))

        self._hub.call(ask)

    def say(self, topic: str, payload: bytes) -> None:
        """Send a message that needs no confirmation, if the session is up."""

        def send() -> None:
            if self.phase is Phase.UP:
                self._write(publish_packet(topic, payload))

        self._hub.call(send)

    def command(self, topic: str, payload: bytes, *, timeout: float) -> Receipt:
        """Send a message at QoS 1 and wait for its confirmation; never call this on the network thread."""
        receipt = Receipt()

        def send() -> None:
            if self.phase is not Phase.UP:
                receipt.settle(confirmed=False)
                return
            number = next(number for number in self._numbers if number not in self._waiting)
            self._waiting[number] = receipt
            receipt.sent = True
            self._write(publish_packet(topic, payload, number))

        self._hub.call(send)
        receipt.wait(timeout)
        return receipt

    # --- everything below runs on the network thread -----------------------------------------------------------------

    def dial(self) -> socket.socket:
        """Return a connected, greeted socket; runs on a thread of its own and may take a while."""
        plain = socket.create_connection((self.target.host, self.target.port), DIAL_SECONDS)
        try:
            plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            made = self.target.context.wrap_socket(plain) if self.target.context else plain
            made.setblocking(False)
        except BaseException:
            plain.close()
            raise
        return made

    def dialled(self, made: socket.socket) -> None:
        """Take over a connected socket and log in."""
        if self._closed:
            made.close()
            return
        self._socket, self._rest, self._skip = made, b"", 0
        self._out.clear()
        self.phase, self._pinged = Phase.GREETING, False
        self._heard_at = time.monotonic()
        self._deadline = self._heard_at + ANSWER_SECONDS
        self._hub.watch(self, made, writing=False)
        self._write(connect_packet(self.client_id, self.target))

    def failed(self, reason: str, *, refused: bool = False) -> None:
        """Note that the session is gone, and when to try again."""
        was_open = self.phase is not Phase.CLOSED
        self._drop()
        if self._closed:
            return
        wait = self._retry * random.uniform(0.8, 1.2)  # noqa: S311 - so that not all come back at the same moment
        self._retry = min(self._retry * 2, RETRY_SECONDS[1])
        self._retry_at = time.monotonic() + (60.0 if refused else wait)
        self.phase = Phase.REFUSED if refused else Phase.CLOSED
        if was_open or refused:
            self._listening.session_down(self, reason, refused=refused)

    def tick(self, now: float) -> None:
        """Dial, ping, or give up, as it is time for."""
        if self.phase is Phase.CLOSED or (self.phase is Phase.REFUSED and self._retry_refused):
            if now >= self._retry_at:
                self.phase = Phase.DIALLING
                self._hub.dial(self)
        elif self.phase is Phase.GREETING:
            if now >= self._deadline:
                self.failed("the broker does not answer")
        elif self.phase is Phase.UP:
            if self._pinged:
                if now - self._pinged_at >= KEEPALIVE_SECONDS / 2:
                    self.failed("the connection is dead")
            elif now - min(self._sent_at, self._heard_at) >= KEEPALIVE_SECONDS:
                self._pinged, self._pinged_at = True, now
                self._write(PING)

    def readable(self) -> None:
        """Read what there is."""
        try:
            for _ in range(READS_IN_A_ROW):
                data = self._receive()
                if data is None:
                    return
                self._take(data)
                if len(data) < READ_BYTES and not self._pending():
                    return
        except (OSError, Broken) as problem:
            self.failed(str(problem) or type(problem).__name__)

    def _receive(self) -> bytes | None:
        assert self._socket is not None
        try:
            data = self._socket.recv(READ_BYTES)
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            return None
        if not data:
            raise Broken("the broker closed the connection")
        self._heard_at, self._pinged = time.monotonic(), False
        return data

    def _pending(self) -> int:
        return self._socket.pending() if isinstance(self._socket, ssl.SSLSocket) else 0

    def writable(self) -> None:
        """Send what waits to be sent."""
        self._flush()

    def _take(self, data: bytes) -> None:
        """Cut what came in into packets; the hot path of the whole listener."""
        if self._skip:
            cut = min(self._skip, len(data))
            self._skip -= cut
            data = data[cut:]
        if self._rest:
            data = self._rest + data
        routes, position, end = self.routes, 0, len(data)
        while end - position >= 2:
            head, length, start = data[position], data[position + 1], position + 2
            if length > 127:
                length &= 127
                shift = 7
                while True:
                    if start >= end:
                        self._rest = data[position:]
                        return
                    digit = data[start]
                    start += 1
                    length |= (digit & 127) << shift
                    if digit < 128:
                        break
                    shift += 7
                    if shift > 21:
                        raise Broken("a packet without a length")
            stop = start + length
            if length > MAX_PACKET_BYTES:
                self.too_long += 1
                log.warning("a frame of %s bytes from %s is not read", length, self.target.host)
                self._skip = max(0, stop - end)
                position = min(stop, end)
                continue
            if stop > end:
                break
            if head & 0xF6 == 0x30:  # a message at QoS 0
                body = start + 2 + (data[start] << 8 | data[start + 1])
                route = routes.get(data[start + 2 : body])
                if route is not None:
                    route(data[body:stop])
            else:
                self._answered(head, data[start:stop])
                if self._socket is None:
                    return
            position = stop
        self._rest = data[position:] if position < end else b""

    def _answered(self, head: int, body: bytes) -> None:
        kind = head >> 4
        try:
            if kind == CONNACK:
                self._greeted(body[1])
            elif kind == SUBACK:
                topic = self._asked.pop(struct.unpack("!H", body[:2])[0], None)
                if topic is not None:
                    self._listening.subscribed(self, topic, granted=body[2] < 128)
            elif kind == PUBACK:
                receipt = self._waiting.pop(struct.unpack("!H", body[:2])[0], None)
                if receipt is not None:
                    receipt.settle(confirmed=True)
            elif kind == PUBLISH:
                self._message_with_number(head, body)
        except (IndexError, struct.error) as problem:
            raise Broken("a packet that is too short") from problem

    def _message_with_number(self, head: int, body: bytes) -> None:
        """Take a message at QoS 1, which nobody asked for: hand it on and acknowledge it."""
        end = 2 + struct.unpack("!H", body[:2])[0]
        if head & 0x06 == 0x02:
            self._write(b"\x40\x02" + body[end : end + 2])
        if route := self.routes.get(body[2:end]):
            route(body[end + 2 :])

    def _greeted(self, code: int) -> None:
        if code:
            self.failed(FAILURES.get(code, f"refused with code {code}"), refused=code in REFUSALS)
            return
        self.phase, self._retry = Phase.UP, RETRY_SECONDS[0]
        self._listening.session_up(self)

    def _write(self, packet: bytes) -> None:
        if self._socket is None:
            return
        self._sent_at = time.monotonic()
        self._out += packet
        self._flush()

    def _flush(self) -> None:
        if self._socket is None:
            return
        try:
            while self._out:
                sent = self._socket.send(self._out)
                del self._out[:sent]
        except (BlockingIOError, InterruptedError, ssl.SSLWantReadError, ssl.SSLWantWriteError):
            pass
        except OSError as problem:
            self.failed(str(problem))
            return
        self._hub.watch(self, self._socket, writing=bool(self._out))

    def _leave(self) -> None:
        """Say goodbye and let go."""
        if self.phase is Phase.UP:
            self._write(GOODBYE)
        self._drop()
        self.phase = Phase.CLOSED
        self._hub.remove(self)

    def _drop(self) -> None:
        made, self._socket = self._socket, None
        if made is not None:
            self._hub.forget(made)
            made.close()
        self._out.clear()
        self._asked.clear()
        waiting, self._waiting = self._waiting, {}
        for receipt in waiting.values():
            receipt.settle(confirmed=False)


# --- the network thread ----------------------------------------------------------------------------------------------


class Hub:
    """The one thread that reads and writes for all sessions; started by the first call."""

    def __init__(self) -> None:
        self._selector = selectors.DefaultSelector()
        self._calls: deque[Callable[[], None]] = deque()
        self._sessions: set[Session] = set()
        self._due: queue.SimpleQueue[Session] = queue.SimpleQueue()
        self._diallers = 0
        self._asleep, self._waker = socket.socketpair()
        self._asleep.setblocking(False)
        self._waker.setblocking(False)
        self._selector.register(self._asleep, selectors.EVENT_READ, None)
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None

    def call(self, work: Callable[[], None]) -> None:
        """Have ``work`` done on the network thread; at once where this is it."""
        with self._lock:
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="printer-network", daemon=True)
                self._thread.start()
        if threading.current_thread() is self._thread:
            self._safely(work)
            return
        self._calls.append(work)
        with suppress(BlockingIOError):  # awake enough
            self._waker.send(b"\0")

    def add(self, session: Session) -> None:
        """Serve a session from now on."""
        self._sessions.add(session)
        session.tick(time.monotonic())

    def remove(self, session: Session) -> None:
        """Serve a session no more."""
        self._sessions.discard(session)

    def watch(self, session: Session, made: socket.socket, *, writing: bool) -> None:
        """Wait for a socket of a session to become readable, and writable where something waits to be sent."""
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if writing else 0)
        try:
            known = self._selector.get_key(made)
        except KeyError:
            self._selector.register(made, events, session)
            return
        if known.events != events:
            self._selector.modify(made, events, session)

    def forget(self, made: socket.socket) -> None:
        """Wait for a socket no more."""
        with suppress(KeyError, ValueError):
            self._selector.unregister(made)

    def dial(self, session: Session) -> None:
        """Connect a session on a thread of its own; later where many are being connected."""
        self._due.put(session)
        if self._diallers < DIALLERS:
            self._diallers += 1
            threading.Thread(target=self._dial, name="printer-dial", daemon=True).start()

    def _dial(self) -> None:
        while True:
            try:
                session = self._due.get_nowait()
            except queue.Empty:
                break
            try:
                made = session.dial()
            except (OSError, ValueError) as problem:
                reason = str(problem) or type(problem).__name__
                self.call(partial(session.failed, reason))
            else:
                self.call(partial(session.dialled, made))
        self.call(self._dialler_left)

    def _dialler_left(self) -> None:
        self._diallers -= 1
        if not self._due.empty():
            self._diallers += 1
            threading.Thread(target=self._dial, name="printer-dial", daemon=True).start()

    def _run(self) -> None:
        ticked = 0.0
        while True:
            for key, events in self._selector.select(TICK_SECONDS):
                session: Any = key.data
                if session is None:
                    self._wake()
                    continue
                try:
                    if events & selectors.EVENT_READ:
                        session.readable()
                    if events & selectors.EVENT_WRITE:
                        session.writable()
                except Exception as problem:
                    log.exception("a session with %s begins anew after an unexpected error", session.target.host)
                    session.failed(str(problem))
            while self._calls:
                self._safely(self._calls.popleft())
            now = time.monotonic()
            if now - ticked >= TICK_SECONDS:
                ticked = now
                for session in list(self._sessions):
                    self._safely(partial(session.tick, now))

    def _wake(self) -> None:
        with suppress(BlockingIOError):
            while self._asleep.recv(4096):
                continue

    def _safely(self, work: Callable[[], None]) -> None:
        """Nothing that one session meets may end the others."""
        try:
            work()
        except Exception:
            log.exception("the network thread goes on after an unexpected error")


_hubs: list[Hub] = []
_hubs_lock = threading.Lock()


def default_hub() -> Hub:
    """Return the hub of this process."""
    with _hubs_lock:
        if not _hubs:
            _hubs.append(Hub())
        return _hubs[0]
