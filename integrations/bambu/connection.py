"""One MQTT session with one printer, kept up and watched for silence (Bambu LAN protocol, sections 1, 2 and 8)."""

from __future__ import annotations

import logging
import secrets
import threading
import time
from collections.abc import Callable
from enum import StrEnum
from typing import Any

import paho.mqtt.client as mqtt
from paho.mqtt.enums import CallbackAPIVersion, MQTTErrorCode

from integrations.bambu.address import PrinterAddress
from integrations.bambu.errors import CommandUnconfirmed, PrinterNotConnected
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

#: "Bad user name or password" and "not authorized": the access code or the serial number is wrong.
REFUSALS = frozenset({134, 135})
KEEPALIVE_SECONDS = 30
STALE_SECONDS = 60.0
REBUILD_SECONDS = 300.0
#: Printers lose acknowledgements; a small window would soon be full of commands that wait for theirs.
MAX_INFLIGHT = 1000


class Link(StrEnum):
    """The state of the session."""

    STOPPED = "stopped"
    CONNECTING = "connecting"
    ONLINE = "online"
    REFUSED = "refused"


FrameHandler = Callable[[str, bytes], None]
LinkHandler = Callable[[str, Link, str], None]


class PrinterConnection:
    """A session with one printer that reconnects by itself and says everything through two callbacks.

    ``on_frame(serial, payload)`` and ``on_link(serial, link, reason)`` run on the network thread; what they raise is
    logged and ends nothing. The owner calls ``check`` about once a second: it wakes a stream that fell silent. A
    refused login is reported and not repeated: trying again cannot help before somebody changes the access code.
    """

    def __init__(
        self,
        address: PrinterAddress,
        *,
        on_frame: FrameHandler,
        on_link: LinkHandler = lambda serial, link, reason: None,
        stale_seconds: float = STALE_SECONDS,
        rebuild_seconds: float = REBUILD_SECONDS,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.address = address
        self.link = Link.STOPPED
        self.client_id = ""
        self._on_frame = on_frame
        self._on_link = on_link
        self._stale_seconds = stale_seconds
        self._rebuild_seconds = rebuild_seconds
        self._clock = clock
        self._client: mqtt.Client | None = None
        self._lock = threading.RLock()
        self._heard_at = 0.0
        self._nudged = False

    def start(self) -> None:
        """Begin to connect and return at once; raises ``ssl.SSLError`` where the certificate cannot be read."""
        self._replace(self._new_client())

    def stop(self) -> None:
        """Leave the printer; no callback runs after this returns, except one that is under way."""
        self._replace(None)
        self._tell(Link.STOPPED, "stopped")

    def rebuild(self, reason: str) -> None:
        """Start over with a new client and a new client id, so that nothing unconfirmed is ever sent again."""
        logger.warning("printer %s: new session (%s)", self.address.serial, reason)
        self._replace(self._new_client())
        self._tell(Link.CONNECTING, reason)

    def check(self) -> None:
        """Wake a silent stream, then start over; start over too when the printer stayed away for long."""
        with self._lock:
            link, silence, nudged = self.link, self._clock() - self._heard_at, self._nudged
        if link is Link.ONLINE and silence >= self._stale_seconds:
            if nudged:
                self.rebuild("the printer fell silent")
            else:
                self._nudge()
        elif link is Link.CONNECTING and silence >= self._rebuild_seconds:
            self.rebuild("the printer does not come back")

    def send(self, command: Command, *, timeout: float = 10.0) -> None:
        """Publish a command and return once the printer has confirmed receipt; never call this from a callback.

        Raises ``PrinterNotConnected`` when nothing was sent and ``CommandUnconfirmed`` when it may have arrived; either
        way it will not be sent again later, when it could start a job that nobody wants any more.
        """
        with self._lock:
            client, link = self._client, self.link
        if client is None or link is not Link.ONLINE:
            raise PrinterNotConnected(details={"serial": self.address.serial, "link": link})
        message = client.publish(request_topic(self.address.serial), command.encode(), qos=1)
        if message.rc != MQTTErrorCode.MQTT_ERR_SUCCESS:
            self.rebuild(f"{command.name} could not be sent")
            raise PrinterNotConnected(details={"serial": self.address.serial, "command": command.name})
        message.wait_for_publish(timeout)
        if not message.is_published():
            self.rebuild(f"{command.name} was not confirmed")
            raise CommandUnconfirmed(details={"serial": self.address.serial, "command": command.name})

    # --- the client ------------------------------------------------------------------------------------------------

    def _new_client(self) -> mqtt.Client:
        self.client_id = f"blb3d-{secrets.token_hex(6)}"
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=self.client_id, protocol=mqtt.MQTTv311)
        client.max_inflight_messages_set(MAX_INFLIGHT)
        client.reconnect_delay_set(min_delay=1, max_delay=30)
        if self.address.access_code:
            client.username_pw_set(USERNAME, self.address.access_code)
        context = self.address.tls_context()
        if context is not None:
            client.tls_set_context(context)
        client.on_connect = self._connected
        client.on_subscribe = self._subscribed
        client.on_disconnect = self._disconnected
        client.on_message = self._message
        return client

    def _replace(self, client: mqtt.Client | None) -> None:
        with self._lock:
            old, self._client = self._client, client
            self.link = Link.CONNECTING if client else Link.STOPPED
            self._heard_at = self._clock()
            self._nudged = False
        if old is not None:
            old.disconnect()
            # Stopping waits for a connection attempt that may be under way: not on the owner's time.
            threading.Thread(target=old.loop_stop, daemon=True).start()
        if client is not None:
            client.connect_async(self.address.host, self.address.mqtt_port, keepalive=KEEPALIVE_SECONDS)
            client.loop_start()

    def _nudge(self) -> None:
        with self._lock:
            client, self._nudged, self._heard_at = self._client, True, self._clock()
        if client is not None:
            client.publish(request_topic(self.address.serial), start_pushing().encode(), qos=0)

    # --- callbacks of the network thread; those of a client that was replaced are ignored ---------------------------

    def _connected(self, client: mqtt.Client, userdata: Any, flags: Any, reason_code: Any, properties: Any) -> None:
        if client is not self._client:
            return
        if reason_code.is_failure:
            refused = reason_code.value in REFUSALS
            if refused:
                client.disconnect()
            self._tell(Link.REFUSED if refused else Link.CONNECTING, str(reason_code))
            return
        client.subscribe(report_topic(self.address.serial), qos=0)

    def _subscribed(self, client: mqtt.Client, userdata: Any, mid: int, reason_codes: Any, properties: Any) -> None:
        if client is not self._client:
            return
        if any(code.is_failure for code in reason_codes):
            self._tell(Link.CONNECTING, f"subscription refused: {reason_codes[0]}")
            return
        with self._lock:
            self._heard_at, self._nudged = self._clock(), False
        self._tell(Link.ONLINE, "connected")
        for question in (get_version(), pushall()):
            client.publish(request_topic(self.address.serial), question.encode(), qos=0)

    def _disconnected(self, client: mqtt.Client, userdata: Any, flags: Any, reason_code: Any, properties: Any) -> None:
        if client is not self._client or self.link is Link.REFUSED:
            return
        with self._lock:
            self._heard_at = self._clock()
        self._tell(Link.CONNECTING, str(reason_code))

    def _message(self, client: mqtt.Client, userdata: Any, message: mqtt.MQTTMessage) -> None:
        if client is not self._client:
            return
        with self._lock:
            self._heard_at, self._nudged = self._clock(), False
        try:
            self._on_frame(self.address.serial, bytes(message.payload))
        except Exception:
            # An exception here would end the network thread, and with it the session, without a word.
            logger.exception("printer %s: a frame could not be handled", self.address.serial)

    def _tell(self, link: Link, reason: str) -> None:
        with self._lock:
            self.link = link
        try:
            self._on_link(self.address.serial, link, reason)
        except Exception:
            logger.exception("printer %s: the change to %s could not be handled", self.address.serial, link)
