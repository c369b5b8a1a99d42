"""A simulated printer on the network: the machine, its memory card and its MQTT session; and a farm of several.

The printer is a client of a broker that others run; of a real one it is the broker. Beside the real topics it listens
to ``simulator/{serial}/plan`` (a ``FaultPlan`` as JSON), ``simulator/{serial}/press`` (``cancel``, ``pause``,
``resume``, ``power`` or ``silence``) and ``simulator/{serial}/load`` (``tray`` and a ``Reel`` as JSON), so that another
process can play the person at the machine.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import paho.mqtt.client as mqtt
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from paho.mqtt.enums import CallbackAPIVersion

from integrations.bambu.address import PrinterAddress, Trust
from integrations.bambu.protocol import USERNAME, report_topic, request_topic
from integrations.bambu.simulator.faults import FaultPlan, FaultRates
from integrations.bambu.simulator.frames import Family, Ids, Reel, difference, frames_of_a_delta
from integrations.bambu.simulator.machine import Happening, Machine, Outcome, Pace, Refusal
from integrations.bambu.simulator.storage import CardLoop, CardServer, open_job

logger = logging.getLogger(__name__)

FIRMWARE = "01.07.00.00"
HEARTBEAT_SECONDS = 5.0
FULL_FRAME_SECONDS = 1.0
GARBAGE = b'{"print":{"command":"push_status","mc_percent":\xff\xfe'


class SimulatedPrinter:
    """One printer: ``start`` it, send it jobs as to a real one, compare with ``outcomes``.

    ``folder`` is its memory card. It speaks to the broker at ``broker_host``; ``broker_certificate`` (PEM) turns TLS
    on there, ``certificate`` and ``key`` (files) turn TLS on for the card; plain otherwise. ``access_code`` is asked
    for by the card and given to the broker. Every ``frame_seconds`` it reports. ``card_loop`` is shared by the cards of
    a farm; ``ids`` is what its firmware shows of the ids of a job.
    """

    def __init__(
        self,
        serial: str,
        folder: Path,
        *,
        family: Family = Family.P1,
        reels: dict[int, Reel] | None = None,
        broker_host: str = "127.0.0.1",
        broker_port: int = 1883,
        broker_certificate: str = "",
        card_host: str = "127.0.0.1",
        card_port: int = 0,
        access_code: str = "",
        certificate: Path | None = None,
        key: Path | None = None,
        clear_data_only: bool = False,
        pace: Pace | None = None,
        rates: FaultRates | None = None,
        seed: int | str | None = None,
        frame_seconds: float = 0.5,
        ids: Ids = Ids.ECHOED,
        card_loop: CardLoop | None = None,
    ) -> None:
        self.serial, self.family, self.folder = serial, family, folder
        self.machine = Machine(
            serial,
            family,
            reels=reels or {},
            open_job=lambda file_name, plate: open_job(folder, file_name, plate),
            pace=pace,
            rates=rates,
            seed=seed,
            ids=ids,
        )
        self.card = CardServer(
            folder,
            host=card_host,
            port=card_port,
            access_code=access_code,
            certificate=certificate,
            key=key,
            clear_data_only=clear_data_only,
            loop=card_loop,
        )
        self._broker = PrinterAddress(
            serial,
            broker_host,
            access_code,
            mqtt_port=broker_port,
            ftps_port=self.card.port,
            trust=Trust.PINNED if broker_certificate else Trust.OFF,
            certificate=broker_certificate,
        )
        self.frame_seconds = frame_seconds
        self._client = self._new_client()
        self._lock = threading.RLock()
        self._stopping = threading.Event()
        self._thread: threading.Thread | None = None
        self._sent: dict[str, Any] = {}
        self._sequence = 0
        self._silent = False
        self._away_until = 0.0
        self._beat_at = 0.0
        self._recorded = 0
        self._refusals_recorded = 0
        self._is_back = True
        self._lived_until = 0.0

    def start(self) -> Self:
        """Switch the printer on; it connects to its broker as soon as there is one."""
        self.switch_on()
        self._thread = threading.Thread(target=self._live, name=f"printer-{self.serial}", daemon=True)
        self._thread.start()
        return self

    def stop(self) -> None:
        """Switch the printer off without a farewell to its job."""
        self._stopping.set()
        if self._thread:
            self._thread.join(5)
        self.switch_off()

    def switch_on(self) -> None:
        """Serve the card and connect; whoever calls this lets time pass with ``live``."""
        self.card.start()
        self._client.connect_async(self._broker.host, self._broker.mqtt_port, keepalive=30)
        self._client.loop_start()
        self._lived_until = time.monotonic()

    def switch_off(self) -> None:
        """Leave the broker and close the card."""
        self._client.disconnect()
        self._client.loop_stop()
        self.card.stop()

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    @property
    def address(self) -> PrinterAddress:
        """Where this system finds the printer, with plain MQTT or TLS as the broker has it."""
        return self._broker

    @property
    def outcomes(self) -> list[Outcome]:
        """The truth about every job so far, also appended to ``outcomes.jsonl`` on the memory card."""
        with self._lock:
            return list(self.machine.outcomes)

    def plan(self, plan: FaultPlan) -> None:
        """Let ``plan`` happen to the next job."""
        with self._lock:
            self.machine.plan(plan)

    def press(self, button: str) -> None:
        """Be the person at the machine: cancel, pause, resume, power, or silence the stream."""
        buttons: dict[str, Callable[[], None]] = {
            "cancel": self.machine.press_cancel,
            "pause": self.machine.press_pause,
            "resume": self.machine.press_resume,
            "power": self.machine.power_cycle,
            "silence": self._fall_silent,
        }
        with self._lock:
            buttons[button]()

    # --- living ----------------------------------------------------------------------------------------------------

    def _live(self) -> None:
        while not self._stopping.wait(self.frame_seconds):
            self.live()

    def live(self) -> None:
        """Let the time pass that has passed since the last call, and report."""
        now = time.monotonic()
        with self._lock:
            passed, self._lived_until = now - self._lived_until, now
            self._step(now, passed)

    def _step(self, now: float, passed: float) -> None:
        for happening in self.machine.advance(passed):
            if happening is Happening.DROP:
                plan = self.machine.job.plan if self.machine.job else FaultPlan()
                self._away_until = now + plan.drop_seconds
                self._client.disconnect()
            elif happening is Happening.FALL_SILENT:
                self._fall_silent()
            else:
                self._publish(GARBAGE)
        self._record()
        if self._away_until and now >= self._away_until:
            # The old client's thread has ended with its session; joining it here could wait for our own lock.
            self._away_until = 0.0
            self._client = self._new_client()
            self._client.connect_async(self._broker.host, self._broker.mqtt_port, keepalive=30)
            self._client.loop_start()
        self._report(now)

    def _fall_silent(self) -> None:
        self._silent = True

    def _report(self, now: float) -> None:
        """Say what there is to say: everything or what changed, and now and then a sign of life."""
        if self._silent or self._away_until or not self._client.is_connected():
            return
        if self._is_back:
            # Whatever was on its way when the session broke is lost: the picture is told anew.
            self._is_back = False
            self._send_full()
            return
        state = self.machine.report()
        if not self.family.sends_deltas:
            if state != self._sent or now - self._beat_at >= FULL_FRAME_SECONDS:
                self._beat_at = now
                self._send_full()
            return
        change = difference(self._sent, state)
        self._sent = state
        if not change and now - self._beat_at >= HEARTBEAT_SECONDS:
            change = {"wifi_signal": state["wifi_signal"]}
        if change:
            self._beat_at = now
            frames = frames_of_a_delta(change)
            for frame in reversed(frames) if self.machine.swaps_frames else frames:
                self._send_status(frame)

    def _send_full(self) -> None:
        self._sent = self.machine.report()
        self._send_status(self._sent)

    def _send_status(self, fields: dict[str, Any]) -> None:
        self._send("print", {**fields, "command": "push_status"})
        self.machine.note_told()
        if self.machine.duplicates_frames:
            self._send("print", {**fields, "command": "push_status"})

    def _send(self, kind: str, fields: dict[str, Any]) -> None:
        self._sequence += 1
        self._publish(json.dumps({kind: {"sequence_id": str(self._sequence), **fields}}).encode())

    def _publish(self, payload: bytes) -> None:
        self._client.publish(report_topic(self.serial), payload, qos=0)

    def _record(self) -> None:
        """Append the truth to the card, where it outlives this process."""
        ended, refused = self.machine.outcomes[self._recorded :], self.machine.refusals[self._refusals_recorded :]
        self._recorded += len(ended)
        self._refusals_recorded += len(refused)
        self._append("outcomes.jsonl", ended)
        self._append("refusals.jsonl", refused)

    def _append(self, name: str, rows: Sequence[Outcome | Refusal]) -> None:
        if rows:
            with (self.folder / name).open("a", encoding="utf-8") as file:
                file.writelines(json.dumps(asdict(row), default=str) + "\n" for row in rows)

    # --- listening -------------------------------------------------------------------------------------------------

    def _new_client(self) -> mqtt.Client:
        client = mqtt.Client(CallbackAPIVersion.VERSION2, client_id=f"printer-{self.serial}", protocol=mqtt.MQTTv311)
        client.reconnect_delay_set(min_delay=1, max_delay=5)
        if self._broker.access_code:
            client.username_pw_set(USERNAME, self._broker.access_code)
        context = self._broker.tls_context()
        if context is not None:
            client.tls_set_context(context)
        client.on_connect = self._connected
        client.on_message = self._message
        return client

    def _connected(self, client: mqtt.Client, userdata: Any, flags: Any, reason_code: Any, properties: Any) -> None:
        if not reason_code.is_failure:
            client.subscribe([(request_topic(self.serial), 1), (f"simulator/{self.serial}/+", 1)])
            self._is_back = True

    def _message(self, client: mqtt.Client, userdata: Any, message: mqtt.MQTTMessage) -> None:
        try:
            with self._lock:
                self._handle(message.topic, bytes(message.payload))
        except (ValueError, KeyError, TypeError) as problem:
            logger.warning("simulated printer %s: %s on %s", self.serial, problem, message.topic)

    def _handle(self, topic: str, payload: bytes) -> None:
        if topic == f"simulator/{self.serial}/press":
            self.press(payload.decode())
            return
        document = json.loads(payload)
        if topic == f"simulator/{self.serial}/plan":
            self.machine.plan(FaultPlan.read(document))
            return
        if topic == f"simulator/{self.serial}/load":
            self.machine.load(int(document.pop("tray")), Reel(**document))
            return
        for kind, fields in document.items():
            self._answer(kind, str(fields.get("command")), fields)

    def _answer(self, kind: str, command: str, fields: dict[str, Any]) -> None:
        if kind == "pushing":
            self._silent = False
            self._send_full()
        elif kind == "info" and command == "get_version":
            product = {"product_name": self.family.product_name} if self.family is Family.H2 else {}
            ota = {"name": "ota", "sw_ver": FIRMWARE, "hw_ver": "OTA", "sn": self.serial, **product}
            self._send("info", {"command": "get_version", "module": [ota, {"name": "mc", "sw_ver": "00.00.01.00"}]})
        elif kind == "print":
            answer = self.machine.obey(command, fields)
            if answer is not None:
                self._send("print", {"command": command, **answer, "sequence_id": str(fields.get("sequence_id", "0"))})


class SimulatedFarm:
    """Several printers, switched on and off together and living in one thread.

    ``card_loop`` is the loop that their cards share, started and stopped with them.
    """

    def __init__(self, printers: Iterable[SimulatedPrinter], *, card_loop: CardLoop | None = None) -> None:
        self.printers = {printer.serial: printer for printer in printers}
        self._card_loop = card_loop
        self._stopping = threading.Event()
        self._thread = threading.Thread(target=self._live, name="simulated-farm", daemon=True)

    def start(self) -> Self:
        """Switch all of them on."""
        if self._card_loop:
            self._card_loop.start()
        for printer in self.printers.values():
            printer.switch_on()
        self._thread.start()
        return self

    def stop(self) -> None:
        """Switch all of them off."""
        self._stopping.set()
        if self._thread.ident:
            self._thread.join(5)
        for printer in self.printers.values():
            printer.switch_off()
        if self._card_loop:
            self._card_loop.stop()

    def _live(self) -> None:
        """Let each printer live in its turn, evenly spread, so that they do not all report at once."""
        printers = list(self.printers.values())
        if not printers:
            return
        wait = min(printer.frame_seconds for printer in printers) / len(printers)
        due = time.monotonic()
        while True:
            for printer in printers:
                due = max(due + wait, time.monotonic() - 1)
                if self._stopping.wait(max(0.0, due - time.monotonic())):
                    return
                try:
                    printer.live()
                except Exception:
                    # One machine's trouble is not the others'.
                    logger.exception("simulated printer %s", printer.serial)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def __getitem__(self, serial: str) -> SimulatedPrinter:
        return self.printers[serial]

    @property
    def outcomes(self) -> list[Outcome]:
        """The truth about every job of every printer, in the order in which they ended."""
        every = [outcome for printer in self.printers.values() for outcome in printer.outcomes]
        return sorted(every, key=lambda outcome: outcome.ended_at)


def printer_certificate(folder: Path, serial: str) -> tuple[Path, Path]:
    """Return the files of a certificate and key in the printer's name, made on the first call, valid for ten years."""
    folder.mkdir(parents=True, exist_ok=True)
    certificate_file, key_file = folder / f"{serial}.crt", folder / f"{serial}.key"
    if certificate_file.exists() and key_file.exists():
        return certificate_file, key_file
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, serial)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=3650))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    key_file.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    certificate_file.write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    return certificate_file, key_file
