"""A session that is fed by hand: what the printer says as bytes, and the time it is said at."""

from __future__ import annotations

import datetime
import json
import time
from typing import Any

from integrations.bambu.address import PrinterAddress, Trust
from integrations.bambu.connection import Link
from integrations.bambu.connection import PrinterConnection as Connection
from integrations.bambu.decide import Timing
from integrations.models import PrinterConnection
from integrations.printers import books, loaded
from integrations.printers.events import load_marks, write_events
from integrations.printers.session import PrinterSession
from production.models import Printer, PrintJob

NOON = datetime.datetime(2025, 6, 2, 12, tzinfo=datetime.UTC)
NO_TAG, NO_REEL = "0" * 16, "0" * 32


def after(seconds: float) -> datetime.datetime:
    return NOON + datetime.timedelta(seconds=seconds)


def tray(
    slot: int, kind: str = "PLA", color: str = "000000", *, tag: str = NO_TAG, reel: str = NO_REEL, remain: int = -1
) -> dict[str, Any]:
    return {"id": str(slot), "tray_type": kind, "tray_color": f"{color}FF", "remain": remain, "tag_uid": tag,
            "tray_uuid": reel, "tray_weight": "1000"}  # fmt: skip


def feeders(*trays: dict[str, Any], now: int = 255) -> dict[str, Any]:
    """Return the feeder part of a picture; slots that are not named are empty."""
    named = {row["id"]: row for row in trays}
    bits = sum(1 << int(slot) for slot in named)
    slots = [named.get(str(slot), {"id": str(slot)}) for slot in range(4)]
    return {"ams": {"ams": [{"id": "0", "tray": slots}], "tray_exist_bits": f"{bits:x}", "tray_now": str(now)}}


class HandFed:
    """Stands between a test and one printer's session: ``says`` is a frame, ``waits`` is time that passes."""

    def __init__(self, printer: Printer) -> None:
        link = PrinterConnection.objects.filter(printer=printer).select_related("printer").first()
        self.link = link or PrinterConnection.objects.create(printer=printer, host="192.0.2.1", use_tls=False)
        self.seconds = 0.0
        self.started = time.monotonic()
        self.restart()

    def restart(self) -> None:
        """Begin anew, as a listener does that was started again."""
        link = PrinterConnection.objects.select_related("printer").get(pk=self.link.pk)
        address = PrinterAddress(link.printer.serial, "192.0.2.1", trust=Trust.OFF)
        connection = Connection(address, on_frame=lambda serial, payload: None)
        self.session = PrinterSession(link, connection, timing=Timing(), stale_seconds=60.0)
        load_marks([self.session.watcher])
        active = PrintJob.objects.filter(printer=link.printer, status__in=books.RUNNING).first()
        books.agree(self.session, active)
        self.session.link_changed(Link.ONLINE, "connected")

    def says(self, **fields: Any) -> HandFed:
        frame = json.dumps({"print": {"command": "push_status", **fields}}).encode()
        self.session.receive(frame, self.started + self.seconds, self._time_at)
        return self

    def waits(self, seconds: float = 3.0) -> HandFed:
        self.seconds += seconds
        self.session.tick(after(self.seconds), self.started + self.seconds)
        return self

    def _time_at(self, monotonic: float) -> datetime.datetime:
        return after(monotonic - self.started)

    def writes(self) -> HandFed:
        """Take everything into the books that was found."""
        session = self.session
        while session.findings:
            books.book(session, session.findings.popleft())
        loaded.write_slots(session, after(self.seconds))
        loaded.follow_trays(session, after(self.seconds))
        write_events([session.watcher])
        return self
