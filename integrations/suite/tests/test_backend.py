"""Jobs on printers that the print suite runs: made once, told back, through outages and lost answers."""

from __future__ import annotations

from typing import Any

import pytest
from django.utils import timezone

from blb3d.core import outbox
from blb3d.core.work import WorkStatus
from integrations.models import PrinterCommand, PrinterConnection
from integrations.printers.backend import print_backend
from integrations.suite import backend
from integrations.suite.tests.suite import Suite
from production import services as production
from production.models import Printer, PrintJob
from production.tests.factories import PrinterFactory, black_pla, printable, queued, sent, stock, system_actor

pytestmark = pytest.mark.django_db

Status = PrintJob.Status


@pytest.fixture
def printer() -> Printer:
    """A printer of the suite's, known there as p-1."""
    made: Printer = PrinterFactory(name="Leonardo", loaded=[black_pla()])
    PrinterConnection.objects.create(printer=made, backend="print_suite", suite_printer_id="p-1")
    return made


@pytest.fixture
def job(printer: Printer) -> PrintJob:
    """A job that was sent to that printer; the command for the suite is written."""
    stock(black_pla())
    _, [job] = queued(printable(parts=4, grams="40"), 3)
    sent(job, printer)
    outbox.drain()
    return job


def now_due() -> None:
    """Let the wait after a failure be over."""
    PrinterCommand.objects.filter(status=WorkStatus.PENDING).update(next_attempt_at=timezone.now())


def fresh(job: PrintJob) -> PrintJob:
    return PrintJob.objects.get(pk=job.pk)


def made(suite: Suite) -> list[dict[str, Any]]:
    return [row for row in suite.asked if (row["call"], row["path"]) == ("POST", "/api/integration/print-jobs")]


def test_a_dispatched_job_is_made_in_the_suite_with_everything_its_guide_asks_for(suite: Suite, job: PrintJob) -> None:
    assert backend.carry_out() == 1
    [asked] = made(suite)
    order = job.production_order
    assert asked | {"call": "", "path": "", "key": ""} == {
        "call": "", "path": "", "key": "",
        "production_order_id": order.pk,
        "production_order_code": f"{order.code}-{job.code}",
        "product_sku": order.product.sku,
        "product_name": order.product.name,
        "quantity": 3,
        "material_type": black_pla().material_type,
        "gcode_file": fresh(job).gcode_file,
        "priority": "normal",
        "estimated_time": round(job.estimated_time_minutes),
        "created_at": job.created_at.isoformat(),
    }  # fmt: skip
    assert (fresh(job).bambu_job_id, fresh(job).status) == ("suite-1", Status.SENT)
    assert PrinterCommand.objects.get().status == WorkStatus.DONE


def test_a_job_whose_answer_was_lost_is_found_and_not_made_twice(suite: Suite, job: PrintJob) -> None:
    suite.troubles = [0, "lose the answer"]
    assert backend.carry_out() == 0
    assert (len(suite.jobs), fresh(job).bambu_job_id) == (1, "")
    now_due()
    assert backend.carry_out() == 1
    assert (len(suite.jobs), len(made(suite)), fresh(job).bambu_job_id) == (1, 1, "suite-1")


def test_an_outage_loses_nothing_and_is_seen(suite: Suite, job: PrintJob) -> None:
    for _ in range(13):  # more often than any other work is tried
        suite.troubles = [503, 503]
        assert backend.carry_out() == 0
        now_due()
    command = PrinterCommand.objects.get()
    assert (command.status, command.attempts) == (WorkStatus.PENDING, 13)
    assert "503" in command.last_error
    assert backend.carry_out() == 1
    assert (fresh(job).bambu_job_id, len(suite.jobs)) == ("suite-1", 1)


def test_while_the_suite_is_away_one_call_is_made_a_round(suite: Suite, printer: Printer, job: PrintJob) -> None:
    other = PrinterFactory(loaded=[black_pla()])
    PrinterConnection.objects.create(printer=other, backend="print_suite", suite_printer_id="p-2")
    _, [second] = queued(printable(), 1)
    sent(second, other)
    outbox.drain()
    suite.troubles = ["drop"] * 10
    backend.carry_out()
    assert {row["path"] for row in suite.asked} == {f"/api/integration/print-jobs/{backend.job_code(job)}"}
    suite.troubles = []
    now_due()
    assert backend.carry_out() == 2


def test_a_page_instead_of_an_answer_makes_nothing_and_is_tried_again(suite: Suite, job: PrintJob) -> None:
    suite.troubles = [0, "garbage"]
    assert backend.carry_out() == 0
    assert "JSON" in PrinterCommand.objects.get().last_error
    assert fresh(job).status == Status.SENT


def test_a_job_that_the_suite_refuses_goes_back_and_is_laid_before_a_person(suite: Suite, job: PrintJob) -> None:
    suite.troubles = [0, 422]
    backend.carry_out()
    command = PrinterCommand.objects.get()
    assert (command.status, fresh(job).status, fresh(job).printer) == (WorkStatus.DEAD, Status.QUEUED, None)
    assert "422" in command.last_error


def test_a_job_that_is_sent_again_is_another_job_of_the_suite(suite: Suite, printer: Printer, job: PrintJob) -> None:
    backend.carry_out()
    production.requeue_job(fresh(job), actor=system_actor(), reason="The nozzle was clogged")
    sent(fresh(job), printer)
    outbox.drain()
    assert backend.carry_out() == 2  # the first one is given up there
    assert (suite.jobs["suite-1"]["status"], fresh(job).bambu_job_id) == ("cancelled", "suite-2")


def test_pause_resume_and_stop_are_told_once_and_their_answers_taken_in(suite: Suite, job: PrintJob) -> None:
    backend.carry_out()
    suite.jobs["suite-1"]["status"] = "printing"
    backend.synchronise()
    assert fresh(job).status == Status.PRINTING
    for ask, status in (
        (production.request_pause, Status.PAUSED),
        (production.request_resume, Status.PRINTING),
        (production.request_cancel, Status.CANCELLED),
    ):
        ask(fresh(job), actor=system_actor(), reason="a test")
        outbox.drain()
        assert backend.carry_out() == 1
        assert fresh(job).status == status
    assert [row["status"] for row in suite.asked if row["call"] == "PATCH"] == ["paused", "printing", "cancelled"]


def test_a_job_cancelled_before_it_was_made_is_never_made(suite: Suite, job: PrintJob) -> None:
    production.request_cancel(job, actor=system_actor(), reason="not wanted")
    outbox.drain()
    backend.carry_out()
    assert (suite.jobs, fresh(job).status) == ({}, Status.CANCELLED)


def test_a_job_cancelled_while_its_making_was_in_doubt_is_stopped_there(suite: Suite, job: PrintJob) -> None:
    suite.troubles = [0, "lose the answer"]
    backend.carry_out()
    production.request_cancel(fresh(job), actor=system_actor(), reason="not wanted")
    outbox.drain()
    now_due()
    backend.carry_out()
    assert (suite.jobs["suite-1"]["status"], fresh(job).status) == ("cancelled", Status.CANCELLED)


def test_what_the_callbacks_missed_is_asked_for(suite: Suite, job: PrintJob) -> None:
    backend.carry_out()
    suite.jobs["suite-1"] |= {"status": "printing", "progress": 40, "current_layer": 12, "remaining_time": 31}
    assert backend.synchronise() == 1
    row = fresh(job)
    assert (row.status, row.progress_percent, row.current_layer, row.remaining_minutes) == (Status.PRINTING, 40, 12, 31)
    suite.jobs["suite-1"] |= {"status": "completed", "progress": 100}
    backend.synchronise()
    row = fresh(job)
    assert (row.status, row.cleared_at) == (Status.FINISHED, None)


def test_figures_that_are_none_and_words_that_nobody_knows_do_no_harm(suite: Suite, job: PrintJob) -> None:
    backend.carry_out()
    suite.jobs["suite-1"] |= {"status": "purging", "progress": "NaN", "current_layer": -4, "remaining_time": [1]}
    backend.synchronise()
    assert (fresh(job).status, fresh(job).error_text) == (Status.SENT, "Reported as purging")


def test_a_job_that_the_suite_forgot_is_decided_by_a_person(suite: Suite, job: PrintJob) -> None:
    backend.carry_out()
    suite.jobs.clear()
    backend.synchronise()
    assert fresh(job).status == Status.UNKNOWN


def row(status: str, job_id: str | None = None) -> dict[str, Any]:
    return {
        "id": "p-1", "name": "Leonardo", "model": "P1S", "status": status, "current_job_id": job_id,
        "progress_percent": 0, "remaining_time": 0,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("told", "state", "connection", "is_ready"),
    [
        (row("idle"), "IDLE", "online", True),
        (row("Printing", "suite-77"), "RUNNING", "online", False),
        (row("calibrating"), "CALIBRATING", "online", False),
        (row("offline"), "IDLE", "offline", False),
        (row("idle") | {"id": "p-9"}, "IDLE", "offline", False),
    ],
)
def test_the_suites_word_for_a_printer_decides_whether_it_takes_a_job(
    suite: Suite, printer: Printer, told: dict[str, Any], state: str, connection: str, is_ready: bool
) -> None:
    suite.printers = [told]
    backend.synchronise()
    printer.refresh_from_db()
    assert (printer.state, printer.connection, printer.is_ready) == (state, connection, is_ready)


def test_a_job_that_is_not_ours_holds_the_printer(suite: Suite, printer: Printer) -> None:
    suite.printers = [row("idle", "suite-77")]
    backend.synchronise()
    printer.refresh_from_db()
    assert printer.foreign_job == "job suite-77 of the print suite"


def test_a_silent_suite_makes_its_printers_stale_and_a_refused_key_is_said(suite: Suite, printer: Printer) -> None:
    suite.troubles = [500, 500]
    backend.synchronise()
    printer.refresh_from_db()
    assert printer.connection == Printer.Connection.STALE
    suite.troubles = [401]
    backend.synchronise()
    printer.refresh_from_db()
    assert printer.connection == Printer.Connection.REFUSED


def test_each_printer_goes_its_own_way(printer: Printer, settings: Any) -> None:
    lan, by_hand = PrinterFactory(), PrinterFactory()
    PrinterConnection.objects.create(printer=lan, backend="bambu_lan", host="10.0.0.9")
    PrinterConnection.objects.create(printer=by_hand, backend="by_hand")
    ways = [type(print_backend(one.pk)).__name__ for one in (printer, lan, by_hand)]
    assert ways == ["PrintSuite", "BambuLan", "ByHand"]
    assert type(print_backend(None)).__name__ == "BambuLan"
    settings.PRINT_BACKEND = "integrations.suite.backend.PrintSuite"
    assert type(print_backend(PrinterFactory().pk)).__name__ == "PrintSuite"


def test_a_printer_that_is_started_by_hand_gives_its_job_back_and_is_offered_no_more(job: PrintJob) -> None:
    printer: Printer = PrinterFactory(loaded=[black_pla()])
    PrinterConnection.objects.create(printer=printer, backend="by_hand")
    _, [second] = queued(printable(), 1)
    sent(second, printer)
    outbox.drain()
    printer.refresh_from_db()
    assert (fresh(second).status, printer.write_access) == (Status.QUEUED, Printer.WriteAccess.NO)


def second_printing(suite: Suite, job: PrintJob) -> PrintJob:
    """Let a second job print beside the first, on a printer of its own."""
    other = PrinterFactory(loaded=[black_pla()])
    PrinterConnection.objects.create(printer=other, backend="print_suite", suite_printer_id="p-2")
    _, [second] = queued(printable(), 1)
    sent(second, other)
    outbox.drain()
    assert backend.carry_out() == 2
    suite.jobs["suite-2"]["status"] = "printing"
    return second


@pytest.mark.parametrize("trouble", [[500, 500], ["garbage"], [422]])
def test_one_job_that_the_suite_cannot_tell_of_hides_no_other_and_stops_no_printer(
    suite: Suite, printer: Printer, job: PrintJob, trouble: list[int | str]
) -> None:
    second = second_printing(suite, job)
    suite.printers = [row("idle"), row("printing", "suite-2") | {"id": "p-2", "name": "Other"}]
    suite.troubles = [0, *trouble]
    assert backend.synchronise() == 1
    assert fresh(second).status == Status.PRINTING
    assert {one.connection for one in Printer.objects.all()} == {Printer.Connection.ONLINE}


def test_a_job_that_goes_back_into_the_queue_is_given_up_by_the_suite_and_printed_once(
    suite: Suite, printer: Printer, job: PrintJob
) -> None:
    backend.carry_out()
    production.take_out_of_service(printer, actor=system_actor(), reason="The nozzle is clogged")
    assert (fresh(job).status, fresh(job).bambu_job_id) == (Status.QUEUED, "")
    outbox.drain()
    backend.carry_out()
    assert (suite.jobs["suite-1"]["status"], fresh(job).status) == ("cancelled", Status.QUEUED)
    second = PrinterFactory(loaded=[black_pla()])
    PrinterConnection.objects.create(printer=second, backend="print_suite", suite_printer_id="p-2")
    sent(fresh(job), second)
    backend.synchronise()
    assert fresh(job).status == Status.SENT
    outbox.drain()
    assert backend.carry_out() == 1
    assert [one["status"] for one in suite.jobs.values()] == ["cancelled", "queued"]


def test_a_stop_that_comes_while_a_job_is_being_made_is_not_lost(
    suite: Suite, job: PrintJob, monkeypatch: pytest.MonkeyPatch
) -> None:
    make = backend.SuiteClient.make_job

    def slowly(client: Any, body: dict[str, Any]) -> Any:
        told = make(client, body)
        production.request_cancel(fresh(job), actor=system_actor(), reason="not wanted")
        outbox.drain()
        backend.carry_out()  # another worker finds no id to stop
        return told

    monkeypatch.setattr(backend.SuiteClient, "make_job", slowly)
    backend.carry_out()
    backend.carry_out()
    assert (suite.jobs["suite-1"]["status"], fresh(job).status) == ("cancelled", Status.CANCELLED)


def test_a_word_that_nobody_knows_is_kept_once(suite: Suite, job: PrintJob) -> None:
    backend.carry_out()
    suite.jobs["suite-1"]["status"] = "purging"
    backend.synchronise()
    rows = fresh(job).history.count()
    backend.synchronise()
    assert fresh(job).history.count() == rows


def test_a_printer_that_is_off_was_not_heard(suite: Suite, printer: Printer) -> None:
    suite.printers = [row("offline")]
    backend.synchronise()
    printer.refresh_from_db()
    assert printer.last_seen_at is None
    suite.printers = [row("idle")]
    backend.synchronise()
    printer.refresh_from_db()
    assert printer.last_seen_at is not None


def test_an_outage_of_days_ends_nothing(suite: Suite, job: PrintJob) -> None:
    PrinterCommand.objects.update(attempts=5000)
    suite.troubles = [503, 503]
    assert backend.carry_out() == 0
    assert PrinterCommand.objects.get().status == WorkStatus.PENDING
