"""The judge of the soak: it is silent where books and machines agree, and names every way in which they do not."""

import json
from datetime import timedelta
from decimal import Decimal

import pytest
from django.db.models import QuerySet
from django.utils import timezone

from blb3d.core import outbox
from blb3d.core.outbox import EventDelivery, OutboxEvent
from blb3d.core.work import WorkStatus
from blb3d.demo import template
from blb3d.demo.soak.robot import Plan, good_of, scrap_of
from blb3d.demo.soak.truth import Truth
from blb3d.demo.soak.verdict import judge
from inventory.models import Inventory
from production import services as production
from production.models import PrintJob, PrintJobFilament, PrintJobPart, ProductionOrder
from production.tests.factories import black_pla, printable, printing, queued, stock, system_actor

pytestmark = pytest.mark.django_db


class Farm:
    """An order of two plates that were printed, one of them to its end; ``tell`` is the machines' record."""

    def __init__(self, folder):
        self.plan = Plan(folder, printers=2, jobs=2, seed="7")
        stock(black_pla())
        self.order, [self.whole, self.failed] = queued(printable(parts=4), 8)
        printing(self.whole)
        production.record_finished(self.whole, actor=system_actor())
        self.clear(self.whole)
        printing(self.failed)
        production.record_failed(self.failed, actor=system_actor(), code="0300_8003", text="", progress_percent=40)
        self.clear(self.failed)
        self.finish_the_order()
        for job in PrintJob.objects.exclude(status="cancelled"):
            percent = int(job.progress_percent)
            self.tell(job, {"finished": "finished", "failed": "failed"}[job.status], percent=percent)
        outbox.drain()

    def clear(self, job):
        for part in job.parts.all():
            good = good_of(self.plan.seed, job.code, job.status, part.planned)
            scrap = scrap_of(self.plan.seed, job.code, part.planned, good)
            count = production.PlateCount(part.production_order_id, good, scrap)
            production.clear_plate(job, [count], actor=system_actor())

    def finish_the_order(self):
        while job := PrintJob.objects.filter(status="queued").first():
            printing(job)
            production.record_finished(job, actor=system_actor())
            self.clear(job)

    def tell(self, job, ending, *, percent=100, told=None, printed=True, serial=None):
        job.refresh_from_db()
        row = {
            "serial": serial or job.printer.serial,
            "submission_id": job.submission_id,
            "name": job.subtask_name,
            "ending": ending,
            "percent": percent,
            "told_percent": percent if told is None else told,
            "error": "",
            "grams": {"0": 1.0},
            "printed": printed,
            "began_at": (timezone.now() - timedelta(minutes=5)).isoformat(),
            "ended_at": timezone.now().isoformat(),
        }
        card = self.plan.truth / row["serial"]
        card.mkdir(parents=True, exist_ok=True)
        with (card / "outcomes.jsonl").open("a") as file:
            file.write(json.dumps(row) + "\n")

    def judge(self, **options):
        return judge(self.plan, kills=[], **{"share_asked": 0.01, **options})

    def disagreements(self):
        return self.judge().disagreements


def forge(job, **values):
    """Write what no verb would: the judge must notice."""
    QuerySet(PrintJob).filter(pk=job.pk).update(**values)


@pytest.fixture
def farm(tmp_path):
    return Farm(tmp_path)


def test_a_farm_whose_books_are_right_is_found_so(farm):
    verdict = farm.judge()
    assert verdict.disagreements == []
    assert verdict.figures["parts good"] == 8
    assert verdict.figures["jobs by status"]["failed"] == 1
    assert verdict.figures["ends at the machines"]["failed"] == 1


def test_another_end_than_the_machines_is_named(farm):
    forge(farm.failed, status="cancelled")
    assert f"{farm.failed.code} is cancelled, its machine says failed at 40 % on {farm.failed.printer.serial}" in (
        farm.disagreements()
    )


def test_a_stop_of_ours_that_was_overtaken_is_no_disagreement(farm):
    asked_at = timezone.now() - timedelta(minutes=1)
    forge(farm.failed, status="cancelled", cancel_requested_at=asked_at)
    verdict = farm.judge()
    assert not [line for line in verdict.disagreements if "its machine says" in line]
    assert verdict.figures["stops that the machine's own end overtook"] == 1


def test_a_job_that_was_printed_twice_is_named(farm):
    farm.tell(farm.whole, "finished")
    [line] = farm.disagreements()
    assert line.startswith(f"{farm.whole.code} was printed 2 times")


def test_a_job_that_no_machine_knows_is_named(farm):
    next(farm.plan.truth.glob(f"{farm.whole.printer.serial}/outcomes.jsonl")).unlink()
    assert f"{farm.whole.code} is finished, and no machine knows it" in farm.disagreements()


def test_a_job_that_never_ended_is_named(farm):
    forge(farm.whole, status="printing")
    assert f"{farm.whole.code} never ended: it is printing" in farm.disagreements()


def test_an_end_that_was_told_twice_is_named(farm):
    told = OutboxEvent.objects.get(topic="production.job_finished", key=f"production.printjob:{farm.whole.pk}")
    OutboxEvent.objects.create(topic=told.topic, key=told.key, payload=told.payload, relayed_at=timezone.now())
    assert f"{farm.whole.code} ended 2 times in the books" in farm.disagreements()


def test_a_start_at_a_busy_machine_is_named(farm):
    row = {
        "serial": farm.whole.printer.serial,
        "submission_id": "1",
        "name": "PJ-1_X",
        "busy_with": "2",
        "at": timezone.now().isoformat(),
    }
    (farm.plan.truth / row["serial"] / "refusals.jsonl").write_text(json.dumps(row) + "\n")
    assert farm.disagreements() == [f"PJ-1 was sent to {row['serial']} while it had 2"]


def test_two_jobs_on_one_printer_are_named(farm):
    farm.failed.refresh_from_db()
    forge(farm.failed, printer=farm.whole.printer, sent_at=farm.whole.sent_at + timedelta(microseconds=1))
    lines = farm.disagreements()
    assert any(
        line.startswith(farm.failed.code) and line.endswith(f"before the plate of {farm.whole.code} was cleared")
        for line in lines
    )


def test_other_grams_than_the_files_are_named(farm):
    PrintJobFilament.objects.filter(job=farm.failed).update(used_grams=Decimal("41"))
    assert f"{farm.failed.code} took 41.0000 g, 40.0000 g is its file at 40.00 %" in farm.disagreements()


def test_more_progress_than_the_machine_made_is_named(farm):
    path = farm.plan.truth / farm.failed.printer.serial / "outcomes.jsonl"
    path.write_text(path.read_text().replace('"percent": 40', '"percent": 39'))
    assert f"{farm.failed.code} was booked at 40.00 %, its machine stopped at 39 %" in farm.disagreements()


@pytest.mark.parametrize("seconds_before_the_end", [2, 3600])
def test_progress_that_nobody_could_hear_is_counted_and_other_is_named(farm, seconds_before_the_end):
    path = farm.plan.truth / farm.failed.printer.serial / "outcomes.jsonl"
    text = (
        path.read_text().replace('"percent": 40', '"percent": 55').replace('"told_percent": 40', '"told_percent": 50')
    )
    path.write_text(text)
    at = timezone.now().timestamp() - seconds_before_the_end
    verdict = judge(farm.plan, kills=[{"name": "listener", "at": at, "back": at}], share_asked=0.01)
    was_in_a_gap = seconds_before_the_end == 2
    assert verdict.figures["ended in a gap, booked at the last progress heard"] == int(was_in_a_gap)
    expected = [] if was_in_a_gap else [f"{farm.failed.code} was booked at 40.00 %, its machine had told 50 %"]
    assert verdict.disagreements == expected


def test_other_counts_than_the_robots_are_named(farm):
    part = PrintJobPart.objects.get(job=farm.failed)
    PrintJobPart.objects.filter(pk=part.pk).update(scrap=part.scrap - 1)
    assert any(line.startswith(f"{farm.failed.code} has ") for line in farm.disagreements())


def test_an_order_that_made_too_much_is_named(farm):
    ProductionOrder.objects.filter(pk=farm.order.pk).update(quantity=7)
    assert f"{farm.order.code} was over-produced: 8 of 7" in farm.disagreements()


def test_books_that_do_not_agree_and_dead_letters_are_named(farm):
    Inventory.objects.filter(product=farm.order.product).update(on_hand_quantity=9)
    EventDelivery.objects.filter(pk=EventDelivery.objects.first().pk).update(
        status=WorkStatus.DEAD, last_error="Nobody there"
    )
    lines = farm.disagreements()
    assert any("expected" in line and "found" in line for line in lines)
    assert any("was not delivered" in line and "Nobody there" in line for line in lines)


def test_more_questions_than_allowed_are_a_disagreement(farm):
    farm.plan.asked.write_text(f"{farm.failed.code}\n")
    made = PrintJob.objects.count()
    assert farm.judge(share_asked=1 / made).disagreements == []
    assert farm.judge(share_asked=0.01).disagreements == [f"a person was asked about 1 of {made} jobs, more than 1%"]


# --- its parts ---------------------------------------------------------------------------------------------------


def test_the_record_is_read_as_it_grows_and_never_half_a_line(tmp_path):
    card = tmp_path / "P1"
    card.mkdir()
    line = json.dumps(
        {
            "serial": "P1", "submission_id": "7", "name": "PJ-1_SKU", "ending": "aborted", "percent": 12,
            "told_percent": 10, "error": "", "grams": {"0": 1.5, "2": 0.5}, "printed": True,
            "began_at": "2026-01-02T03:04:05+00:00", "ended_at": "2026-01-02T03:05:05+00:00",
        }
    )  # fmt: skip
    truth = Truth(tmp_path)
    (card / "outcomes.jsonl").write_text(line + "\n" + line[:20])
    truth.refresh()
    truth.refresh()
    [ended] = truth.by_code["PJ-1"]
    assert (ended.status, ended.percent, ended.told, ended.grams) == ("failed", 12, 10, 2.0)
    (card / "outcomes.jsonl").write_text(line + "\n" + line + "\n")
    truth.refresh()
    assert len(truth.by_code["PJ-1"]) == 2


def test_the_robot_counts_the_same_however_often_it_begins_anew():
    counted = [
        (good_of("7", f"PJ-{n}", "finished", 6), scrap_of("7", f"PJ-{n}", 6, good_of("7", f"PJ-{n}", "finished", 6)))
        for n in range(200)
    ]
    again = [
        (good_of("7", f"PJ-{n}", "finished", 6), scrap_of("7", f"PJ-{n}", 6, good_of("7", f"PJ-{n}", "finished", 6)))
        for n in range(200)
    ]
    assert counted == again
    assert all(good >= 0 and scrap >= 0 and good + scrap <= 6 for good, scrap in counted)
    assert {good + scrap for good, scrap in counted} != {6}, "parts that nobody finds happen too"


def test_a_migrated_file_is_taken_for_a_new_database_only(tmp_path, monkeypatch):
    monkeypatch.setattr(template.tempfile, "gettempdir", lambda: str(tmp_path / "shared"))
    (tmp_path / "shared").mkdir()
    database = tmp_path / "farm" / "db.sqlite3"
    assert not template.take(database)
    source = tmp_path / "migrated.sqlite3"
    source.write_bytes(b"migrated")
    template.keep(source)
    assert template.take(database)
    assert database.read_bytes() == b"migrated"
    database.write_bytes(b"with data")
    assert not template.take(database)
    assert database.read_bytes() == b"with data"
