"""The robot of the demo: it does what hands do, signs with a name of its own, and leaves to people what is theirs."""

import json
from datetime import timedelta

import pytest
from django.utils import timezone

from blb3d.demo.people import LIES, ON_THE_BENCH, People
from blb3d.demo.seed import ROBOT, plate_robot
from production import services as production
from production.models import Printer, PrintJob, ProductionOperation
from production.tests.factories import black_pla, finished, printable, printing, queued, routed, stock, system_actor

pytestmark = pytest.mark.django_db


@pytest.fixture
def people(tmp_path):
    stock(black_pla())
    return People(shop_url="http://127.0.0.1:1", printers=tmp_path, clears=True)


def lain(job):
    PrintJob.objects.filter(pk=job.pk).update(finished_at=timezone.now() - LIES - timedelta(seconds=1))


def test_the_robot_has_a_name_and_nobody_can_log_in_as_it():
    robot = plate_robot()
    assert (robot.get_full_name(), robot.email) == ("Plate robot", ROBOT)
    assert not robot.has_usable_password()
    assert plate_robot().pk == robot.pk


def test_a_plate_lies_for_a_while_and_is_then_cleared_by_the_robot(people):
    _, [job] = queued(printable(parts=4), 4)
    finished(job)
    people.clear()
    job.refresh_from_db()
    assert job.cleared_at is None
    lain(job)
    people.clear()
    job.refresh_from_db()
    part = job.parts.get()
    assert job.cleared_by == plate_robot()
    assert part.good + part.scrap == 4


def test_of_a_failed_plate_nothing_is_good_and_all_is_made_again(people):
    order, [job] = queued(printable(parts=4), 4)
    printing(job)
    production.record_failed(job, actor=system_actor(), code="0300_8003", text="", progress_percent=40)
    lain(job)
    people.clear()
    part = job.parts.get()
    assert (part.good, part.scrap) == (0, 4)
    assert order.print_jobs.filter(status="queued").count() == 1


def test_an_end_that_nobody_saw_is_decided_after_the_machines_record(people, tmp_path):
    _, [job] = queued(printable(), 1)
    printing(job)
    production.lose_job(job, actor=system_actor(), reason="Not heard")
    people.decide()
    job.refresh_from_db()
    assert job.status == "unknown", "it may still print"
    row = {
        "serial": "P1", "submission_id": "7", "name": job.subtask_name, "ending": "finished", "percent": 100,
        "told_percent": 99, "error": "", "grams": {"0": 1.0}, "printed": True,
        "began_at": timezone.now().isoformat(), "ended_at": timezone.now().isoformat(),
    }  # fmt: skip
    (tmp_path / "P1").mkdir()
    (tmp_path / "P1" / "outcomes.jsonl").write_text(json.dumps(row) + "\n")
    people.decide()
    job.refresh_from_db()
    assert job.status == "finished"


def test_a_print_that_ended_with_the_farms_last_run_is_told_failed(people):
    _, [job] = queued(printable(), 1)
    printing(job)
    production.lose_job(job, actor=system_actor(), reason="Not heard")
    PrintJob.objects.filter(pk=job.pk).update(updated_at=timezone.now() - LIES - timedelta(seconds=1))
    Printer.objects.filter(pk=job.printer_id).update(connection="online", state="RUNNING")
    people.decide()
    job.refresh_from_db()
    assert job.status == "unknown", "it still prints"
    Printer.objects.filter(pk=job.printer_id).update(state="IDLE")
    people.decide()
    job.refresh_from_db()
    assert job.status == "failed"


def test_units_are_worked_on_for_a_while_and_then_reported(people):
    product = printable()
    routed(product, "assemble")
    order, [job] = queued(product, 1)
    finished(job)
    production.clear_plate(job, [production.PlateCount(order.pk, 1)], actor=system_actor())
    people.work()
    operation = order.operations.get()
    assert operation.status == "running"
    people.work()
    operation.refresh_from_db()
    assert operation.quantity_good == 0
    began = timezone.now() - ON_THE_BENCH - timedelta(seconds=1)
    ProductionOperation.objects.filter(pk=operation.pk).update(started_at=began)
    people.work()
    order.refresh_from_db()
    assert order.status == "completed"


def test_a_shop_that_is_away_stops_nobody(people):
    people.turns = 0
    people.turn()
    assert PrintJob.objects.count() == 0
