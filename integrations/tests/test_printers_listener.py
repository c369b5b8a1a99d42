"""Jobs on a simulated printer over a real broker and a real upload, with the listener between."""

from __future__ import annotations

import time
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from django.db import connection

from blb3d.core import outbox
from blb3d.core.work import WorkStatus
from integrations.bambu.broker import EmbeddedBroker
from integrations.bambu.simulator import FaultPlan, Unsigned
from integrations.models import PrinterCommand
from integrations.printers import telemetry
from integrations.printers.tasks import dispatch_jobs
from integrations.tests.printer_farm import OnePrinterFarm, listening, until, wait_for
from inventory.selectors import verify_ledger
from inventory.tests.concurrency import shared_database, together  # noqa: F401
from inventory.tests.factories import MaterialFactory, system_actor
from production import services as production
from production.errors import PrinterNotReady
from production.models import Printer, PrintJob, ProductionOrderMaterial

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("shared_database")]

Kind = PrinterCommand.Kind


@pytest.fixture(scope="module")
def broker() -> Iterator[tuple[str, int]]:
    with EmbeddedBroker() as running:
        yield running.host, running.port


@pytest.fixture
def farm(
    broker: tuple[str, int],
    tmp_path: Path,
    settings: Any,
    shared_database: None,  # noqa: F811
) -> Iterator[OnePrinterFarm]:
    settings.PRINTER_DEBOUNCE_SECONDS = Decimal("0.15")
    settings.PRINTER_HOLD_SECONDS = 2
    settings.PRINTER_STALE_SECONDS = 20
    made = OnePrinterFarm(tmp_path / "card", broker)
    with made.machine:
        yield made


def used_grams(job: PrintJob) -> Decimal:
    rows = ProductionOrderMaterial.objects.filter(print_job=job)
    return sum((row.quantity_used for row in rows), Decimal(0)) * 1000


def start_of(job: PrintJob) -> PrinterCommand:
    return PrinterCommand.objects.get(job=job, kind=Kind.START)


def test_a_dispatched_job_is_uploaded_printed_and_booked(farm: OnePrinterFarm) -> None:
    with listening():
        job = farm.send(farm.job())
        until(job, "finished")
        wait_for(lambda: telemetry.shown([farm.printer.pk])[farm.printer.pk]["state"] == "FINISH")
    [truth] = farm.machine.outcomes
    assert (truth.ending, truth.submission_id, truth.name) == ("finished", job.submission_id, job.subtask_name)
    assert job.started_at is not None
    assert (job.progress_percent, job.end_inferred, job.error_text) == (Decimal(100), False, "")
    assert used_grams(job) == Decimal(100)
    assert verify_ledger().is_clean
    command = start_of(job)
    assert (command.status, command.publications, command.submission_id) == ("done", 1, job.submission_id)
    farm.printer.refresh_from_db()
    assert (farm.printer.state, farm.printer.connection) == ("FINISH", "offline")
    assert farm.printer.history.count() == 1


def test_a_failure_books_what_was_printed_until_then(farm: OnePrinterFarm) -> None:
    farm.machine.plan(FaultPlan(fail_at=60, fail_code=0x03008003, duplicate_frames=True))
    with listening():
        job = farm.send(farm.job(seconds=900))
        until(job, "failed")
    [truth] = farm.machine.outcomes
    assert (truth.ending, job.error_code) == ("failed", "0300_8003")
    assert job.progress_percent == truth.percent
    assert used_grams(job) == truth.percent


def test_a_cancel_at_the_machine_is_a_cancel(farm: OnePrinterFarm) -> None:
    farm.machine.plan(FaultPlan(cancel_at=50))
    with listening():
        job = farm.send(farm.job())
        until(job, "cancelled")
    assert farm.machine.outcomes[0].ending == "cancelled"
    assert 40 <= job.progress_percent <= 60
    assert used_grams(job) == job.progress_percent


def test_pause_resume_and_stop_reach_the_machine(farm: OnePrinterFarm) -> None:
    with listening():
        job = until(farm.send(farm.job(seconds=18_000)), "printing")
        production.request_pause(job, actor=system_actor())
        outbox.drain()
        until(job, "paused")
        assert farm.machine.machine.state == "PAUSE"
        production.request_resume(job, actor=system_actor())
        outbox.drain()
        until(job, "printing")
        production.request_cancel(job, actor=system_actor(), reason="wrong colour")
        outbox.drain()
        until(job, "cancelled")
    assert farm.machine.outcomes[0].ending == "cancelled"
    done = PrinterCommand.objects.filter(job=job).order_by("id").values_list("kind", "status")
    assert list(done) == [("start", "done"), ("pause", "done"), ("resume", "done"), ("stop", "done")]


def test_a_job_that_is_cancelled_before_it_was_sent_never_reaches_the_machine(farm: OnePrinterFarm) -> None:
    with listening():
        farm.ready()
    job = farm.job()
    Printer.objects.filter(pk=farm.printer.pk).update(connection="online")
    production.dispatch_job(job, farm.printer, actor=system_actor())
    production.request_cancel(job, actor=system_actor(), reason="not wanted")
    outbox.drain()
    with listening():
        until(job, "cancelled")
        wait_for(lambda: not PrinterCommand.objects.filter(job=job, status=WorkStatus.PENDING).exists())
    assert farm.machine.outcomes == []
    assert job.started_at is None
    assert used_grams(job) == 0


def test_a_listener_that_is_replaced_in_the_middle_ends_the_job_the_same(farm: OnePrinterFarm) -> None:
    with listening():
        job = until(farm.send(farm.job(seconds=2400)), "printing")
    with listening():
        until(job, "finished")
    assert len(farm.machine.outcomes) == 1
    assert used_grams(job) == Decimal(100)
    assert not job.end_inferred


def test_an_end_that_nobody_heard_is_found_afterwards(farm: OnePrinterFarm) -> None:
    with listening():
        job = until(farm.send(farm.job(seconds=1200)), "printing")
    wait_for(lambda: farm.machine.outcomes)
    with listening():
        until(job, "finished")
    assert job.end_inferred
    assert used_grams(job) == Decimal(100)


def test_a_start_that_was_published_before_a_crash_is_not_published_again(farm: OnePrinterFarm) -> None:
    """The listener dies right after publishing: the printer has the job, the books only know that it was sent."""
    with listening():
        job = farm.send(farm.job(seconds=1800))
        wait_for(lambda: start_of(job).published_at)
        wait_for(lambda: farm.machine.machine.job)
    with listening():
        until(job, "finished")
    assert len(farm.machine.outcomes) == 1
    assert (start_of(job).publications, start_of(job).status) == (1, "done")


def test_a_start_that_the_machine_never_saw_is_sent_again(farm: OnePrinterFarm) -> None:
    """The listener dies right before publishing; the printer still shows the job before."""
    with listening():
        first = farm.send(farm.job())
        until(first, "finished")
        production.clear_plate(first, [production.PlateCount(first.production_order_id, 1)], actor=system_actor())
        farm.ready()
    job = farm.job()
    Printer.objects.filter(pk=farm.printer.pk).update(connection="online")
    production.dispatch_job(job, farm.printer, actor=system_actor())
    outbox.drain()
    PrinterCommand.objects.filter(job=job).update(
        published_at=job.sent_at,
        submission_id=job.submission_id,
        publications=1,
        state_before="FINISH",
        previous_id=first.submission_id,
    )
    with listening():
        until(job, "finished")
    assert [outcome.ending for outcome in farm.machine.outcomes] == ["finished", "finished"]
    assert start_of(job).publications == 2
    assert farm.machine.outcomes[1].submission_id == job.submission_id == start_of(job).submission_id


def test_a_lost_connection_loses_nothing(farm: OnePrinterFarm) -> None:
    farm.machine.plan(FaultPlan(drop_at=30, drop_seconds=1.0, garbage_at=60, duplicate_frames=True))
    with listening():
        job = farm.send(farm.job(seconds=1800))
        until(job, "finished")
    assert used_grams(job) == Decimal(100)


def test_a_file_that_the_machine_cannot_read_fails_the_job(farm: OnePrinterFarm) -> None:
    farm.machine.plan(FaultPlan(reject=True))
    with listening():
        job = until(farm.send(farm.job()), "failed")
    assert job.error_code == "0500_4003"
    assert used_grams(job) == 0


@pytest.mark.parametrize("unsigned", [Unsigned.REFUSED, Unsigned.IGNORED])
def test_a_printer_that_wants_signed_commands_becomes_read_only_and_its_job_waits(
    farm: OnePrinterFarm, unsigned: Unsigned
) -> None:
    farm.machine.plan(FaultPlan(unsigned=unsigned))
    with listening():
        job = until(farm.send(farm.job()), "queued")
        farm.printer.refresh_from_db()
        assert farm.printer.write_access == Printer.WriteAccess.NO
        assert dispatch_jobs() == 0
    assert (job.printer_id, job.submission_id) == (None, "")
    assert "signed" in job.error_text
    assert start_of(job).status == WorkStatus.DEAD


def test_a_job_that_a_person_starts_at_a_read_only_printer_is_followed(farm: OnePrinterFarm) -> None:
    Printer.objects.filter(pk=farm.printer.pk).update(write_access="no")
    job = farm.job(seconds=1800)
    with listening():
        farm.ready()
        file_name = f"{job.code}.gcode.3mf"
        with job.plate.print_files.get().file.open() as source:
            (farm.machine.folder / file_name).write_bytes(source.read())
        press_print(farm, file_name, name=job.code)
        until(job, "printing")
        assert job.printer_id == farm.printer.pk
        until(job, "finished")
    farm.printer.refresh_from_db()
    assert farm.printer.foreign_job == ""
    assert used_grams(job) == Decimal(100)
    assert PrinterCommand.objects.count() == 0


def test_a_print_that_nobody_here_knows_holds_the_printer_until_a_person_took_it_off(farm: OnePrinterFarm) -> None:
    job = farm.job()
    with listening():
        farm.ready()
        with job.plate.print_files.get().file.open() as source:
            (farm.machine.folder / "vase.gcode.3mf").write_bytes(source.read())
        press_print(farm, "vase.gcode.3mf", name="vase")
        wait_for(lambda: Printer.objects.get(pk=farm.printer.pk).foreign_job == "vase")
        wait_for(lambda: Printer.objects.get(pk=farm.printer.pk).state == "RUNNING")
        with pytest.raises(PrinterNotReady):
            production.clear_foreign_print(farm.printer, actor=system_actor())
        wait_for(lambda: Printer.objects.get(pk=farm.printer.pk).state == "FINISH")
        assert dispatch_jobs() == 0
        production.clear_foreign_print(farm.printer, actor=system_actor())
        assert dispatch_jobs() == 1
    job.refresh_from_db()
    assert job.printer_id == farm.printer.pk


def test_a_job_started_by_a_person_where_another_was_sent_is_named_for_people(farm: OnePrinterFarm) -> None:
    _, [mine, other] = farm.order(2)
    with listening():
        farm.ready()
        with mine.plate.print_files.get().file.open() as source:
            (farm.machine.folder / "other.gcode.3mf").write_bytes(source.read())
        production.dispatch_job(mine, farm.printer, actor=system_actor())
        press_print(farm, "other.gcode.3mf", name=other.code)
        wait_for(lambda: Printer.objects.get(pk=farm.printer.pk).foreign_job == other.code)
        outbox.drain()
        until(mine, "queued")
    assert "busy" in mine.error_text
    other.refresh_from_db()
    assert (other.status, other.printer_id) == ("queued", None)


def test_what_the_database_does_not_take_is_booked_when_it_does_again(farm: OnePrinterFarm) -> None:
    table, away = PrintJob._meta.db_table, "print_jobs_away"
    with listening():
        job = until(farm.send(farm.job(seconds=900)), "printing")
        with connection.schema_editor() as editor:
            editor.alter_db_table(PrintJob, table, away)
        wait_for(lambda: farm.machine.outcomes)
        wait_for(lambda: Printer.objects.get(pk=farm.printer.pk).state == "FINISH")
        time.sleep(0.5)
        with connection.schema_editor() as editor:
            editor.alter_db_table(PrintJob, away, table)
        until(job, "finished")
    assert not job.end_inferred
    assert used_grams(job) == Decimal(100)


def press_print(farm: OnePrinterFarm, file_name: str, *, name: str) -> None:
    """Start a file of the memory card as its maker's software would, with a number of its own."""
    fields = {"param": "Metadata/plate_1.gcode", "url": f"ftp://{file_name}", "subtask_name": name,
              "subtask_id": "4711", "ams_mapping": [0]}  # fmt: skip
    assert farm.machine.machine.obey("project_file", fields)["result"] == "success"


def test_a_simulated_file_never_goes_to_a_printer_outside_the_demo(farm: OnePrinterFarm, settings: Any) -> None:
    settings.DEMO = False
    with listening():
        job = until(farm.send(farm.job()), "failed")
    assert "simulated" in job.error_text
    assert not list(farm.machine.folder.glob("*.3mf"))
    assert start_of(job).status == WorkStatus.DEAD


def test_two_dispatchers_send_one_job_to_one_printer_once(farm: OnePrinterFarm) -> None:
    farm.order(2)
    with listening():
        farm.ready()
        assert sorted(together(dispatch_jobs, dispatch_jobs, dispatch_jobs)) == [0, 0, 1]
        outbox.drain()
        [sent] = PrintJob.objects.filter(status="sent")
        until(sent, "finished")
    assert PrinterCommand.objects.count() == 1
    assert len(farm.machine.outcomes) == 1


def test_two_listeners_carry_a_command_out_once(farm: OnePrinterFarm) -> None:
    with listening(), listening():
        job = farm.send(farm.job())
        until(job, "finished")
    assert (start_of(job).publications, len(farm.machine.outcomes)) == (1, 1)
    assert used_grams(job) == Decimal(100)


def test_slots_follow_what_the_machine_holds(farm: OnePrinterFarm) -> None:
    with listening():
        farm.ready()
        slot = wait_for(lambda: farm.printer.slots.filter(tray=0).select_related("material").first())
        assert (slot.material, slot.material_type, slot.color_hex) == (farm.material, "PLA", "000000")
        farm.machine.machine.reels[0].color = "FF00FF"
        wait_for(lambda: farm.printer.slots.get(tray=0).color_hex == "FF00FF")
        assert farm.printer.slots.get(tray=0).material is None
        del farm.machine.machine.reels[0]
        wait_for(lambda: farm.printer.slots.get(tray=0).material_type == "")


def test_a_material_that_a_person_chose_for_a_reel_without_a_tag_is_kept(farm: OnePrinterFarm) -> None:
    grey = MaterialFactory(color_hex="808081")
    production.load_slot(farm.printer, tray=0, material=grey, actor=system_actor())
    with listening():
        farm.ready()
        assert farm.printer.slots.get(tray=0).material == grey
        farm.machine.machine.reels[0].color = "FFFFFF"
        wait_for(lambda: farm.printer.slots.get(tray=0).color_hex == "FFFFFF")
    assert farm.printer.slots.get(tray=0).material is None
