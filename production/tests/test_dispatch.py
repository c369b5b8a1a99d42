"""Sending jobs to printers."""

from __future__ import annotations

import datetime
import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.core.errors import BLB3DError, InvalidTransition
from blb3d.core.outbox import OutboxEvent
from inventory.tests.factories import MaterialFactory, release_file, system_actor
from production import services as production
from production.errors import (
    MaterialNotLoaded,
    NoFileForModel,
    OrderHeld,
    PlateNotCleared,
    PrinterNotReady,
)
from production.models import MaintenanceWindow, PrintJob
from production.selectors import plan_dispatch, waiting_reason, waiting_reasons
from production.tests.factories import PrinterFactory, black_pla, confirmed, finished, printable, queued, sent, stock

pytestmark = pytest.mark.django_db


def test_a_dispatched_job_has_printer_file_trays_and_a_fresh_number() -> None:
    pla = black_pla()
    _, [job] = queued(printable(sku="VASE BLACK"))
    printer = PrinterFactory(loaded=[MaterialFactory(color_hex="FFFFFF"), pla])
    production.dispatch_job(job, printer, actor=system_actor())
    job.refresh_from_db()
    assert (job.status, job.printer_id, job.dispatch_attempts) == ("sent", printer.pk, 1)
    assert job.print_file.printer_model == "P1S"
    assert 1 <= int(job.submission_id) < 2**31
    assert job.subtask_name == f"{job.code}_VASE_BLACK"
    assert job.filaments.get().tray == 1
    fact = OutboxEvent.objects.get(topic="production.job_dispatched")
    assert fact.payload["id"] == job.pk
    assert fact.payload["number"] == job.code
    assert fact.payload["printer_id"] == printer.pk


def _refused(job: PrintJob, printer: Any, error: type[BLB3DError]) -> BLB3DError:
    with pytest.raises(error) as refusal:
        production.dispatch_job(job, printer, actor=system_actor())
    stored = PrintJob.objects.get(pk=job.pk)
    assert (stored.status, stored.printer_id, stored.dispatch_attempts) == ("queued", None, 0)
    assert not OutboxEvent.objects.filter(topic="production.job_dispatched", key__endswith=f":{job.pk}").exists()
    return refusal.value


def test_it_refuses_a_busy_printer() -> None:
    _, [first, second] = queued(printable(), 2)
    printer = PrinterFactory(loaded=[black_pla()])
    sent(first, printer)
    refusal = _refused(second, printer, PrinterNotReady)
    assert refusal.code == "PRINT_001"
    assert refusal.details["job"] == first.code


@pytest.mark.parametrize(
    "trouble",
    [{"state": "RUNNING"}, {"state": ""}, {"connection": "stale"}, {"is_active": False}, {"foreign_job": "benchy"}],
)
def test_it_refuses_a_printer_that_is_not_ready(trouble: dict[str, Any]) -> None:
    _, [job] = queued(printable())
    _refused(job, PrinterFactory(loaded=[black_pla()], **trouble), PrinterNotReady)


def test_it_refuses_a_printer_in_maintenance() -> None:
    _, [job] = queued(printable())
    printer = PrinterFactory(loaded=[black_pla()])
    now = timezone.now()
    hour = datetime.timedelta(hours=1)
    MaintenanceWindow.objects.create(printer=printer, starts_at=now - hour, ends_at=now + hour, reason="new nozzle")
    assert "new nozzle" in _refused(job, printer, PrinterNotReady).message


def test_it_refuses_a_plate_that_was_not_cleared_and_takes_it_after() -> None:
    stock(black_pla())
    order, [first, second] = queued(printable(), 2)
    printer = PrinterFactory(loaded=[black_pla()])
    finished(first, printer)
    assert _refused(second, printer, PlateNotCleared).code == "PRINT_002"
    production.clear_plate(first, [production.PlateCount(order.pk, 1)], actor=system_actor())
    assert sent(second, printer).status == "sent"


@pytest.mark.parametrize("loaded", [{"color_hex": "FFFFFF"}, {"material_type": "PETG"}])
def test_it_refuses_another_colour_or_material(loaded: dict[str, str]) -> None:
    _, [job] = queued(printable())
    refusal = _refused(job, PrinterFactory(loaded=[MaterialFactory(**loaded)]), MaterialNotLoaded)
    assert refusal.code == "PRINT_003"
    assert refusal.details["missing"] == [{"sku": "M-BLACK", "type": "PLA", "color_hex": "000000"}]


def test_another_brand_of_the_same_type_and_colour_will_do() -> None:
    _, [job] = queued(printable())
    assert sent(job, PrinterFactory(loaded=[MaterialFactory(brand="Other")])).status == "sent"


def test_it_refuses_a_model_without_a_file() -> None:
    _, [job] = queued(printable())
    assert _refused(job, PrinterFactory(model="A1", loaded=[black_pla()]), NoFileForModel).code == "PRINT_004"


def test_it_refuses_a_plate_that_is_too_big() -> None:
    product = printable()
    product.plates.update(bbox_x_mm=200, bbox_y_mm=200, bbox_z_mm=300)
    _, [job] = queued(product)
    _refused(job, PrinterFactory(loaded=[black_pla()]), NoFileForModel)


def test_it_refuses_a_held_order() -> None:
    order, [job] = queued(printable())
    production.hold_production_order(order, actor=system_actor(), reason="Address unclear")
    assert _refused(job, PrinterFactory(loaded=[black_pla()]), OrderHeld).code == "PROD_004"


def test_a_job_is_sent_once() -> None:
    _, [job] = queued(printable())
    printer = PrinterFactory(loaded=[black_pla()])
    sent(job, printer)
    with pytest.raises(InvalidTransition):
        sent(job, PrinterFactory(loaded=[black_pla()]))
    assert PrintJob.objects.get(pk=job.pk).printer_id == printer.pk


def test_urgent_jobs_go_first_then_those_due_first() -> None:
    product = printable()
    today = timezone.localdate()
    _, [late] = queued(product, due_date=today + datetime.timedelta(days=9))
    _, [undated] = queued(product)
    _, [soon] = queued(product, due_date=today)
    _, [urgent] = queued(product, priority=4)
    for _ in range(3):
        PrinterFactory(loaded=[black_pla()])
    assert [job.pk for job in production.dispatch_next(actor=system_actor())] == [urgent.pk, soon.pk, late.pk]
    assert PrintJob.objects.get(pk=undated.pk).status == "queued"


def test_each_job_goes_to_a_printer_with_its_colour() -> None:
    red = MaterialFactory(color_hex="FF0000")
    _, [black_job] = queued(printable())
    _, [red_job] = queued(printable(material=red))
    red_printer = PrinterFactory(loaded=[red])
    black_printer = PrinterFactory(loaded=[black_pla()])
    pairs = {(job.pk, printer.pk) for job, printer in plan_dispatch()}
    assert pairs == {(black_job.pk, black_printer.pk), (red_job.pk, red_printer.pk)}


def test_nothing_is_sent_by_itself_where_a_person_starts(settings: Any) -> None:
    _, [job] = queued(printable())
    printer = PrinterFactory(loaded=[black_pla()], auto_dispatch=False)
    assert production.dispatch_next(actor=system_actor()) == []
    assert waiting_reason(job) == f"{printer.name} could take it: a person starts it"
    printer.auto_dispatch = True
    printer.save()
    settings.ENABLE_AUTO_ROUTING = False
    assert production.dispatch_next(actor=system_actor()) == []
    assert PrintJob.objects.get(pk=job.pk).status == "queued"


def test_a_job_that_never_began_waits_for_a_person_after_three_tries() -> None:
    _, [job] = queued(printable())
    PrinterFactory(loaded=[black_pla()])
    for _ in range(3):
        assert len(production.dispatch_next(actor=system_actor())) == 1
        job.refresh_from_db()
        production.requeue_job(job, actor=system_actor(), reason="It did not begin")
    assert production.dispatch_next(actor=system_actor()) == []
    assert "3 times" in waiting_reason(job)
    assert job.printer_id is None
    assert job.filaments.get().tray is None


def test_choosing_costs_the_same_for_two_jobs_and_for_twenty() -> None:
    product = printable()

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            plan_dispatch()
        return len(queries)

    for _ in range(2):
        queued(product)
        PrinterFactory(loaded=[black_pla()])
    few = cost()
    for _ in range(18):
        queued(product)
        PrinterFactory(loaded=[black_pla()])
    assert cost() == few <= 14


def test_every_waiting_job_says_why() -> None:
    white = MaterialFactory(color_hex="FFFFFF")
    product = printable()
    held, [held_job] = queued(product)
    production.hold_production_order(held, actor=system_actor(), reason="Address unclear")
    _, [white_job] = queued(printable(material=white))
    _, [black_job, next_job] = queued(product, 2)
    printer = PrinterFactory(name="Leonardo", loaded=[black_pla()])
    jobs = [held_job, white_job, black_job, next_job]
    reasons = waiting_reasons(jobs)
    assert reasons[held_job.pk] == f"{held.code} is held: Address unclear."
    assert reasons[white_job.pk] == "Leonardo does not hold PLA FFFFFF."
    assert reasons[black_job.pk] == "Next in line for Leonardo"
    sent(black_job, printer)
    assert waiting_reason(next_job) == f"Leonardo is busy with {black_job.code}."
    assert waiting_reason(black_job) == ""


def test_a_file_for_another_model_is_chosen_by_model() -> None:
    product = printable()
    release_file(product.plates.get(), printer_model="A1", content=b"for the A1")
    order = confirmed(product)
    [job] = production.queue_production_order(order, actor=system_actor())
    sent(job, PrinterFactory(model="A1", loaded=[black_pla()]))
    assert job.print_file.printer_model == "A1"


def _at_once(*calls: Callable[[], Any]) -> list[Any]:
    """Run calls in threads that start together; return what each gave, an exception included."""
    barrier = threading.Barrier(len(calls))
    results: list[Any] = [None] * len(calls)

    def run(index: int, call: Callable[[], Any]) -> None:
        barrier.wait()
        try:
            results[index] = call()
        except BLB3DError as error:
            results[index] = error
        finally:
            connections.close_all()

    threads = [threading.Thread(target=run, args=pair) for pair in enumerate(calls)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


needs_rows_locked = pytest.mark.skipif(
    "not __import__('os').environ.get('TEST_DATABASE_URL', '').startswith('postgres')",
    reason="SQLite in memory is one connection; the race needs a server: set TEST_DATABASE_URL",
)


@needs_rows_locked
@pytest.mark.django_db(transaction=True)
def test_two_jobsat_once_never_claim_one_printer() -> None:
    actor = system_actor()
    printer = PrinterFactory(loaded=[black_pla()])
    for _ in range(5):
        _, jobs = queued(printable(), 4)
        answers = _at_once(*(lambda job=job: production.dispatch_job(job, printer, actor=actor) for job in jobs))
        won = [answer for answer in answers if isinstance(answer, PrintJob)]
        assert len(won) == 1
        assert all(isinstance(answer, PrinterNotReady) for answer in answers if answer not in won)
        assert PrintJob.objects.filter(printer=printer, status="sent").count() == 1
        production.record_cancelled(won[0], actor=actor, reason="next round")


@needs_rows_locked
@pytest.mark.django_db(transaction=True)
def test_one_job_is_never_sent_to_two_printers() -> None:
    actor = system_actor()
    printers = [PrinterFactory(loaded=[black_pla()]) for _ in range(4)]
    for _ in range(5):
        _, [job] = queued(printable())
        answers = _at_once(
            *(
                lambda printer=printer, pk=job.pk: production.dispatch_job(
                    PrintJob.objects.get(pk=pk), printer, actor=actor
                )
                for printer in printers
            )
        )
        assert sum(isinstance(answer, PrintJob) for answer in answers) == 1
        assert sum(isinstance(answer, InvalidTransition) for answer in answers) == 3
        assert OutboxEvent.objects.filter(topic="production.job_dispatched", key__endswith=f":{job.pk}").count() == 1
        production.record_cancelled(PrintJob.objects.get(pk=job.pk), actor=actor, reason="next round")


@needs_rows_locked
@pytest.mark.django_db(transaction=True)
def test_two_dispatchersat_once_share_the_work() -> None:
    actor = system_actor()
    for _ in range(6):
        PrinterFactory(loaded=[black_pla()])
    queued(printable(), 10)
    answers = _at_once(*(lambda: production.dispatch_next(actor=actor) for _ in range(3)))
    assert sum(len(answer) for answer in answers) == 6
    sent_jobs = PrintJob.objects.filter(status="sent")
    assert len({job.printer_id for job in sent_jobs}) == len(sent_jobs) == 6
