"""What happened at printers is written once: over repeated frames, restarts, a second listener and kill -9."""

from __future__ import annotations

import datetime
import os
import random
import subprocess
import sys
import time
from collections.abc import Iterator
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from django.db import connection, transaction

from blb3d.core.outbox import OutboxEvent
from integrations.bambu.broker import EmbeddedBroker
from integrations.bambu.decide import Decision, Kind
from integrations.printers import books, telemetry
from integrations.printers.clock import SteadyClock
from integrations.printers.events import write_events
from integrations.printers.session import Finding
from integrations.tests.printer_farm import OnePrinterFarm, listening, until, wait_for
from integrations.tests.printer_pictures import HandFed, after
from inventory.tests.concurrency import shared_database  # noqa: F401
from production.models import Printer, PrinterEvent, PrinterMark, PrinterSample, ProductionOrderMaterial
from production.tests.factories import PrinterFactory, black_pla, printable, printing, queued, stock

pytestmark = pytest.mark.django_db

RUNNING = {"gcode_state": "RUNNING", "subtask_id": "77", "subtask_name": "bracket", "mc_percent": 5}
RUNOUT = 0x03008004
CANCELLED = 0x0300400C


@pytest.fixture
def printer() -> HandFed:
    return HandFed(PrinterFactory())


def told(*, contact: bool = False) -> list[tuple[str, str]]:
    """Return what was written, oldest first; of the contact or of everything else."""
    rows = PrinterEvent.objects.order_by("id").values_list("kind", "text")
    return [row for row in rows if (row[0] == "contact") is contact]


def test_a_state_that_lasted_is_written_once_however_often_it_is_said(printer: HandFed) -> None:
    for _ in range(3):
        printer.says(**RUNNING).waits().says(**RUNNING).writes()
    assert told() == [("state", "RUNNING")]
    assert PrinterEvent.objects.get(kind="state").details == {"before": "", "job": "bracket"}


def test_a_flicker_of_the_state_is_not_written(printer: HandFed) -> None:
    printer.says(**RUNNING).waits().writes()
    printer.says(gcode_state="PAUSE").waits(0.5).says(gcode_state="RUNNING").waits().writes()
    assert told() == [("state", "RUNNING")]


def test_an_error_is_written_when_it_comes_and_when_it_goes_even_if_it_flashes(printer: HandFed) -> None:
    printer.says(**RUNNING, print_error=0).waits().writes()
    printer.says(print_error=CANCELLED).says(print_error=CANCELLED).says(print_error=0).writes()
    assert told()[1:] == [
        ("error", "cancelled by a person (0300_400C)"),
        ("error_gone", "cancelled by a person (0300_400C)"),
    ]


def test_a_health_message_is_told_by_part_and_severity_and_mere_information_is_left_out(printer: HandFed) -> None:
    serious, info = {"attr": 0x07000100, "code": 0x00020007}, {"attr": 0x0C000100, "code": 0x00040001}
    printer.says(**RUNNING, hms=[serious, info]).writes()
    assert told() == [("error", "filament feeder, serious (0700_0100_0002_0007)")]


def test_a_runout_has_a_kind_of_its_own(printer: HandFed) -> None:
    printer.says(**RUNNING, print_error=RUNOUT).writes()
    assert told() == [("runout", "filament ran out (0300_8004)")]


def test_a_restart_tells_only_what_changed_meanwhile(printer: HandFed) -> None:
    printer.says(**RUNNING, print_error=RUNOUT).waits().writes()
    printer.restart()
    printer.says(**RUNNING, print_error=RUNOUT).waits().writes()
    assert len(told()) == 2
    printer.restart()
    printer.says(**RUNNING | {"gcode_state": "FINISH"}, print_error=0).waits().writes()
    assert told()[2:] == [("error_gone", "filament ran out (0300_8004)"), ("state", "FINISH")]
    assert PrinterEvent.objects.order_by("id").last().details["before"] == "RUNNING"


def test_what_was_seen_and_not_written_before_a_crash_is_found_again(printer: HandFed) -> None:
    printer.says(**RUNNING).waits()
    printer.restart()
    assert told() == []
    printer.says(**RUNNING).waits().writes()
    assert told() == [("state", "RUNNING")]


def test_a_write_that_the_database_undoes_leaves_nothing_and_is_made_again(printer: HandFed) -> None:
    printer.says(**RUNNING).waits()
    watcher = printer.session.watcher
    PrinterEvent.objects.create(printer=printer.link.printer, key="1.0", at=after(0), kind="x", text="in the way")
    with pytest.raises(Exception, match=r"(?i)unique"), transaction.atomic():
        write_events([watcher])
    assert PrinterMark.objects.filter(sequence__gt=0).count() == 0
    PrinterEvent.objects.all().delete()
    write_events([watcher])
    assert told() == [("state", "RUNNING")]


def test_of_two_listeners_that_see_the_same_one_writes(printer: HandFed) -> None:
    other = HandFed(printer.link.printer)
    for hand in (printer, other):
        hand.says(**RUNNING, print_error=RUNOUT).waits()
    printer.writes()
    other.writes()
    assert sorted(told()) == [("runout", "filament ran out (0300_8004)"), ("state", "RUNNING")]
    for hand in (other, printer):
        hand.says(gcode_state="PAUSE").waits().writes()
    assert told()[2:] == [("state", "PAUSE")]
    assert PrinterMark.objects.get().sequence == 2


def test_contact_that_is_lost_is_told_and_a_listener_that_starts_has_lost_none(printer: HandFed) -> None:
    printer.session.watcher.look_at_contact(printer.session, after(0))
    assert printer.session.watcher.waiting == []
    printer.says(**RUNNING)
    printer.session.watcher.look_at_contact(printer.session, after(1))
    printer.session.online = False
    printer.session.connection.problem = "no route to host"
    printer.session.watcher.look_at_contact(printer.session, after(2))
    write_events([printer.session.watcher])
    assert told(contact=True) == [("contact", "online"), ("contact", "offline")]
    assert PrinterEvent.objects.get(text="offline").details["reason"] == "no route to host"


# --- with what they decide -------------------------------------------------------------------------------------------


def job_at(hand: HandFed) -> Any:
    stock(black_pla())
    _, [job] = queued(printable())
    printing(job, hand.link.printer)
    return job


def finding(kind: Kind, job: Any, *, at: float = 60.0) -> Finding:
    return Finding(Decision(kind, after(at), None, submission_id=job.submission_id), job.pk, 50)


def test_an_end_is_written_with_the_end_and_only_once() -> None:
    hand = HandFed(PrinterFactory(loaded=[black_pla()]))
    job = job_at(hand)
    for _ in range(2):
        books.book(hand.session, finding(Kind.FINISHED, job))
    assert told() == [("job_finished", job.code)]
    assert PrinterEvent.objects.get().job == job


def test_an_end_that_is_refused_is_not_written() -> None:
    hand = HandFed(PrinterFactory(loaded=[black_pla()]))
    job = job_at(hand)
    books.book(hand.session, finding(Kind.FINISHED, job))
    with pytest.raises(Exception, match="CONFLICT"):
        books.book(hand.session, finding(Kind.FAILED, job))
    assert told() == [("job_finished", job.code)]


def test_a_pause_tells_why_on_the_job_and_a_runout_leaves_as_a_fact() -> None:
    hand = HandFed(PrinterFactory(loaded=[black_pla()]))
    job = job_at(hand)
    hand.restart()
    mine = RUNNING | {"subtask_id": job.submission_id, "subtask_name": job.subtask_name}
    hand.says(**mine, stg_cur=0).waits()
    hand.says(gcode_state="PAUSE", stg_cur=6).waits().writes()
    job.refresh_from_db()
    assert (job.status, job.error_text) == ("paused", "filament ran out")
    fact = OutboxEvent.objects.get(topic="integrations.printer_runout")
    assert (fact.payload["job_id"], fact.payload["id"]) == (job.pk, hand.link.printer_id)
    hand.says(gcode_state="RUNNING", stg_cur=0).waits()
    hand.says(gcode_state="PAUSE", stg_cur=16).waits().writes()
    kinds = PrinterEvent.objects.filter(kind__startswith="job_").order_by("id").values_list("kind", flat=True)
    assert list(kinds) == ["job_paused", "job_resumed", "job_paused"]
    assert OutboxEvent.objects.filter(topic="integrations.printer_runout").count() == 1


# --- the clock, samples and their end --------------------------------------------------------------------------------


@pytest.mark.parametrize("by", [datetime.timedelta(hours=1), datetime.timedelta(hours=-1)])
def test_a_clock_that_was_set_ends_no_wait_early_or_late(printer: HandFed, by: datetime.timedelta) -> None:
    printer.says(**RUNNING).waits().says(gcode_state="PAUSE").waits(1.0)
    printer.session.clock_was_set(by)
    session = printer.session
    session.tick(after(printer.seconds + 0.5) + by, printer.seconds + 0.5)
    assert session.watch.believed == "RUNNING"
    session.tick(after(printer.seconds + 1.5) + by, printer.seconds + 1.5)
    assert session.watch.believed == "PAUSE"


def test_the_steady_clock_follows_the_machines_clock_only_when_told() -> None:
    clock = SteadyClock()
    assert clock.adjust() is None
    clock._wall -= datetime.timedelta(hours=2)
    before = clock.now()
    assert clock.adjust() >= datetime.timedelta(hours=1, minutes=59)
    assert clock.now() - before >= datetime.timedelta(hours=1, minutes=59)


def test_old_samples_are_deleted_and_events_are_kept_unless_a_setting_says_otherwise(
    printer: HandFed, settings: Any
) -> None:
    now = telemetry.timezone.now()
    for days in (40, 31, 29, 0):
        at = now - datetime.timedelta(days=days)
        PrinterSample.objects.create(printer=printer.link.printer, at=at, state="RUNNING")
        PrinterEvent.objects.create(printer=printer.link.printer, at=at, kind="state", key=str(days))
    assert telemetry.prune() == (2, 0)
    settings.PRINTER_EVENT_DAYS = 30
    assert telemetry.prune() == (0, 2)
    assert (PrinterSample.objects.count(), PrinterEvent.objects.count()) == (2, 2)


@pytest.mark.parametrize(
    ("value", "kept"), [(220.5, 220.5), (55, 55.0), ("55", None), (True, None), (10**30, None), (None, None)]
)
def test_a_temperature_that_cannot_be_one_is_not_kept(printer: HandFed, value: Any, kept: Any) -> None:
    printer.says(**RUNNING, nozzle_temper=value, layer_num=10**20, mc_remaining_time=-5)
    state = printer.session.state
    assert state is not None
    row = telemetry.sample(printer.link.printer_id, None, state, printer.session.merged, after(0))
    row.save()
    row.refresh_from_db()
    assert (row.nozzle_c, row.layer, row.remaining_minutes) == (kept, 2**31 - 1, 0)


# --- a listener that is killed ---------------------------------------------------------------------------------------

LISTEN = """
import sys
import django
django.setup()
from decimal import Decimal
from django.conf import settings
from django.db import connection
connection.settings_dict["NAME"] = sys.argv[1]
settings.PRINTER_DEBOUNCE_SECONDS = Decimal("0.15")
from integrations.printers.listener import Listener
Listener().run()
"""


@pytest.fixture
def farm(tmp_path: Path, settings: Any, shared_database: None) -> Iterator[OnePrinterFarm]:  # noqa: F811
    settings.PRINTER_DEBOUNCE_SECONDS = Decimal("0.15")
    with EmbeddedBroker() as broker:
        made = OnePrinterFarm(tmp_path / "card", (broker.host, broker.port))
        with made.machine:
            yield made


def start_listener() -> subprocess.Popen[bytes]:
    environment = {**os.environ, "DJANGO_SETTINGS_MODULE": "blb3d.settings_test", "LOG_LEVEL": "ERROR"}
    name = str(connection.settings_dict["NAME"])
    return subprocess.Popen([sys.executable, "-c", LISTEN, name], env=environment)


@pytest.mark.django_db(transaction=True)
def test_a_listener_that_is_killed_again_and_again_neither_loses_nor_doubles_anything(farm: OnePrinterFarm) -> None:
    """kill -9 at random moments while the simulated printer goes on: the job ends once, every event stands once."""
    chance = random.Random(7)
    with listening():
        job = until(farm.send(farm.job(seconds=8_000)), "printing")
    for _ in range(2):
        process = start_listener()
        try:
            wait_for(lambda: Printer.objects.get(pk=farm.printer.pk).connection == "online", seconds=60)
            time.sleep(chance.uniform(0.0, 0.8))
        finally:
            process.kill()
            process.wait()
        Printer.objects.filter(pk=farm.printer.pk).update(connection="offline")
    with listening():
        until(job, "finished", seconds=60)
        wait_for(lambda: PrinterEvent.objects.filter(kind="state", text="FINISH").exists())
    events = PrinterEvent.objects.filter(printer=farm.printer).order_by("id")
    kinds = [kind for kind in events.values_list("kind", flat=True) if kind.startswith("job_")]
    assert kinds == ["job_started", "job_finished"]
    states = list(events.filter(kind="state").values_list("text", flat=True))
    # What lasted while nobody listened is not known; what is known stands in order and once.
    assert states[-1] == "FINISH"
    assert all(first != second for first, second in pairwise(states))
    used = sum((row.quantity_used for row in ProductionOrderMaterial.objects.filter(print_job=job)), Decimal(0))
    assert used * 1000 == 100
    assert len(farm.machine.outcomes) == 1
