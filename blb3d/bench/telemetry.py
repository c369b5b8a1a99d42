"""Bench 8: the listener against a client that receives the same frames and drops them, in CPU time of the consumer.

One process publishes what 200 printers say: one full frame of 8 kB per 100 deltas of 300 bytes, and one end of a job
per 2,000 frames. The subject is the real listener over the real broker: frames are read, merged, judged, and a job's
end is committed with its material, its trace and its events. The floor is paho's client, which counts the frames.
"""

from __future__ import annotations

import multiprocessing
import random
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from decimal import Decimal
from typing import Any

import paho.mqtt.client as mqtt
from django.conf import settings
from django.test.utils import override_settings
from django.utils import timezone
from paho.mqtt.enums import CallbackAPIVersion

from blb3d.accounts.models import User
from blb3d.bench import data
from blb3d.bench.measure import Report, Timing
from blb3d.bench.printers import PRINTERS, Play, publisher, serial_of, submission_of
from blb3d.core.actors import acting
from blb3d.core.documents import insert_documents
from integrations.models import PrinterConnection
from integrations.printers.listener import Listener
from inventory.models import ProductPlate
from inventory.selectors import verify_ledger
from production.models import (
    Printer,
    PrinterEvent,
    PrintJob,
    PrintJobFilament,
    PrintJobPart,
    ProductionOrder,
    ProductionOrderMaterial,
)

FRAMES_PER_END = 2_000
ROUND_FRAMES = 40_000
ROUNDS = 5
GRAMS = Decimal("41.5")
LOOK_SECONDS = 0.004
PATIENCE_SECONDS = 120.0


# --- the publisher, a process of its own -----------------------------------------------------------------------------


class Printers:
    """The publisher's handle; ``play`` sends a round and calls ``count`` to know how much of it was taken."""

    def __init__(self) -> None:
        context = multiprocessing.get_context("spawn")
        self._pipe, theirs = context.Pipe()
        self._taken = context.Value("l", 0)
        host, port = _broker()
        self._process = context.Process(target=publisher, args=(theirs, self._taken, host, port), daemon=True)
        self._process.start()
        self.host, self.port = self._answer()

    def prepare(self, play: Play) -> int:
        """Make a round's frames and return how many they are; they are sent by ``run``."""
        self._taken.value = 0
        self._pipe.send(play)
        return int(self._answer())

    def _answer(self) -> Any:
        deadline = time.monotonic() + PATIENCE_SECONDS
        while not self._pipe.poll(1.0):
            if not self._process.is_alive() or time.monotonic() > deadline:
                raise AssertionError("the publisher does not answer")
        return self._pipe.recv()

    def run(self, total: int, count: Callable[[], int]) -> None:
        """Send what was prepared and return once all of it was taken."""
        deadline = time.monotonic() + PATIENCE_SECONDS
        self._pipe.send("go")
        while (taken := count()) < total:
            self._taken.value = taken
            if time.monotonic() > deadline:
                raise AssertionError(f"{total - taken} of {total} frames were lost")
            time.sleep(LOOK_SECONDS)

    def close(self) -> None:
        """End the process."""
        self._pipe.send(None)
        self._process.join(10)


def _broker() -> tuple[str, int]:
    """Return the broker of the settings, else Mosquitto on this machine, else nothing: the publisher brings one."""
    if settings.MQTT_HOST:
        return settings.MQTT_HOST, settings.MQTT_PORT
    try:
        socket.create_connection(("127.0.0.1", 1883), 1).close()
    except OSError:
        return "", 0
    return "127.0.0.1", 1883


# --- the farm --------------------------------------------------------------------------------------------------------


def _make_farm(actor: User) -> list[PrintJob]:
    """Return a job that prints on each printer, with its stock and its order."""
    [material] = data.materials(1, actor)
    data.stock([material], actor, lots=4, quantity=Decimal(40))
    chance = random.Random(8)  # noqa: S311 - repeatable, not secret
    [product], boms = data.goods(1, [material], lines=1, chance=chance, actor=actor, prefix="FG-T")
    now = timezone.now()
    with acting(actor, "bench"):
        plate = ProductPlate.objects.create(product=product, estimated_minutes=Decimal(100))
        printers = insert_documents(
            [
                Printer(name=f"Bench {number:03d}", serial=serial_of(number), model="P1S", state="RUNNING")
                for number in range(PRINTERS)
            ],
            natural_key="serial",
        )
        insert_documents(
            [PrinterConnection(printer=printer, host="127.0.0.1", use_tls=False) for printer in printers],
            natural_key="printer_id",
        )
    # Rows as they stand in the middle of a print: no step of a lifecycle is measured but the last.
    by = {"created_by": actor, "updated_by": actor}
    orders = ProductionOrder.objects.bulk_create(
        ProductionOrder(
            code=f"PO-T-{number}",
            product=product,
            bom=boms[product.pk],
            quantity=2,
            status=ProductionOrder.Status.PRINTING,
            started_at=now,
            **by,
        )
        for number in range(PRINTERS)
    )
    jobs = PrintJob.objects.bulk_create(
        PrintJob(
            code=f"PJ-B-{number}",
            production_order=orders[number],
            plate=plate,
            printer=printers[number],
            status=PrintJob.Status.PRINTING,
            estimated_time_minutes=Decimal(100),
            estimated_grams=GRAMS,
            submission_id=submission_of(number),
            subtask_name=f"PJ-B-{number}",
            dispatch_attempts=1,
            sent_at=now - timedelta(minutes=3),
            started_at=now - timedelta(minutes=2),
            **by,
        )
        for number in range(PRINTERS)
    )
    PrintJobPart.objects.bulk_create(
        PrintJobPart(job=job, production_order=order, planned=1) for job, order in zip(jobs, orders, strict=True)
    )
    PrintJobFilament.objects.bulk_create(
        PrintJobFilament(job=job, material=material, planned_grams=GRAMS, tray=0) for job in jobs
    )
    return list(jobs)


# --- subject and floor -----------------------------------------------------------------------------------------------


def _until(what: Callable[[], bool], told: str) -> None:
    deadline = time.monotonic() + PATIENCE_SECONDS
    while not what():
        if time.monotonic() > deadline:
            raise AssertionError(told)
        time.sleep(0.05)


@contextmanager
def _listening() -> Iterator[Listener]:
    listener = Listener()
    thread = threading.Thread(target=listener.run, name="listener", daemon=True)
    thread.start()
    try:
        _until(lambda: len(listener.sessions) == PRINTERS, "not all printers are served")
        _until(lambda: all(session.online for session in listener.sessions), "not all printers are connected")
        yield listener
    finally:
        listener.stop()
        thread.join(PATIENCE_SECONDS)


def _counter(listener: Listener) -> Callable[[], int]:
    """Return what tells how many frames were taken since now."""
    sessions = listener.sessions
    before = sum(session.frames for session in sessions)
    return lambda: sum(session.frames for session in sessions) - before


def _prime(listener: Listener, printers: Printers, play: Play) -> None:
    """Let every printer show itself, and wait until that is believed and what it says is booked."""
    total = printers.prepare(Play(play.number, 0, ended=play.ended, is_disturbed=True))
    printers.run(total, _counter(listener))
    _until(lambda: all(not session.watch.awaits_frame for session in listener.sessions), "a state is not believed")
    _until(lambda: not any(session.findings for session in listener.sessions), "something is not booked")


def _subject(printers: Printers, play: Play, timing: Timing) -> int:
    """Take a round with the listener; return how many frames it were."""
    with _listening() as listener:
        _prime(listener, printers, play)
        total, count = printers.prepare(play), _counter(listener)
        ending = [s for s in listener.sessions if int(s.printer.serial.removeprefix("BENCH")) in play.ending]
        wall, cpu = time.perf_counter(), time.process_time()
        printers.run(total, count)
        _until(lambda: all(s.job_id is None and not s.findings for s in ending), "an end was not booked")
        timing.wall.append(time.perf_counter() - wall)
        timing.cpu.append(time.process_time() - cpu)
    return total


def _floor(printers: Printers, play: Play, timing: Timing) -> None:
    """Take the same round with a client that drops everything."""
    taken = [0]
    ready = threading.Event()

    def count(*_: Any) -> None:
        taken[0] += 1

    client = mqtt.Client(CallbackAPIVersion.VERSION2, protocol=mqtt.MQTTv311)
    client.on_message = count
    client.on_connect = lambda *_: client.subscribe("device/+/report")
    client.on_subscribe = lambda *_: ready.set()
    client.connect(printers.host, printers.port)
    client.loop_start()
    try:
        ready.wait(PATIENCE_SECONDS)
        total = printers.prepare(play)
        wall, cpu = time.perf_counter(), time.process_time()
        printers.run(total, lambda: taken[0])
        timing.wall.append(time.perf_counter() - wall)
        timing.cpu.append(time.process_time() - cpu)
    finally:
        client.disconnect()
        client.loop_stop()


def _disturbed_round(printers: Printers, play: Play) -> None:
    """Take a round whose frames come twice and out of order, by two listeners one after the other."""
    with _listening() as first:
        _prime(first, printers, play)
        half = Play(play.number, play.frames // 2, play.ending[:1], play.ended, is_disturbed=True)
        total = printers.prepare(half)
        printers.run(total, _counter(first))
    play = Play(play.number, play.frames // 2, play.ending[1:], (*play.ended, *play.ending[:1]), is_disturbed=True)
    _subject(printers, play, Timing())


def _judge_books(report: Report, ended: set[int], jobs: list[PrintJob]) -> None:
    """Compare what is committed with what the printers said: each end once, with the grams of its file."""
    codes = {jobs[number].code for number in ended}
    finished = set(PrintJob.objects.filter(status=PrintJob.Status.FINISHED).values_list("code", flat=True))
    report.judge("job ends lost or made up", len(codes ^ finished), 0)
    grams = [row.quantity_used * 1000 for row in ProductionOrderMaterial.objects.all()]
    report.judge("grams booked beside the files' (g)", float(abs(sum(grams, Decimal(0)) - GRAMS * len(codes))), 0)
    events = PrinterEvent.objects.filter(kind="job_finished")
    report.judge("events of an end missing or doubled", abs(events.count() - len(codes)), 0)
    report.judge("differences between ledger and balances", 0 if verify_ledger().is_clean else 1, 0)


def run() -> Report:
    """Take the same rounds with the listener and with the floor, in turn; then one that is out of order."""
    report = Report("telemetry")
    actor = User.objects.system("bench")
    jobs = _make_farm(actor)
    printers = Printers()
    subject, floor = Timing(), Timing()
    ends = ROUND_FRAMES // FRAMES_PER_END
    ended: tuple[int, ...] = ()
    frames = 0
    broker = {"MQTT_HOST": printers.host, "MQTT_PORT": printers.port, "MQTT_TLS": False}
    try:
        with override_settings(**broker, MQTT_USERNAME="", MQTT_PASSWORD="", OUTBOX_NUDGE=False):
            for number in range(ROUNDS + 1):
                play = Play(number, ROUND_FRAMES, tuple(range(number * ends, (number + 1) * ends)), ended)
                # The first round warms up and is not counted.
                counted = (subject, floor) if number else (Timing(), Timing())
                frames = _subject(printers, play, counted[0])
                ended += play.ending
                _floor(printers, play, counted[1])
            last = Play(ROUNDS + 1, ROUND_FRAMES // 4, tuple(range(len(ended), len(ended) + ends)), ended)
            _disturbed_round(printers, last)
            ended += last.ending
    finally:
        printers.close()
    ratio = statistics.median(f / s for s, f in zip(subject.cpu, floor.cpu, strict=True))
    for label, timing in (("listener", subject), ("paho, dropping them", floor)):
        report.figures[label] = {
            "cpu_us_per_frame": round(timing.median_cpu / frames * 1e6, 2),
            "frames_per_core_second": round(frames / timing.median_cpu),
            "wall_s": round(timing.median, 3),
        }
        figures = report.figures[label]
        report.tell(
            f"{label}: {figures['cpu_us_per_frame']} us CPU a frame, {figures['frames_per_core_second']:,} frames a "
            f"core-second, {frames:,} frames with {ends} job ends in {figures['wall_s']} s"
        )
    report.judge("rate against the floor, in CPU time", ratio, 0.5, at_least=True)
    _judge_books(report, set(ended), jobs)
    return report
