"""What hangs in the feeders: reels known by their tags or by hand, and whose grams a job took."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from integrations.bambu.decide import Decision, Kind
from integrations.printers import books, loaded
from integrations.printers.session import Finding
from integrations.tests.printer_pictures import HandFed, after, feeders, tray
from inventory.models import MaterialLot, Product, Spool
from inventory.selectors import verify_ledger
from inventory.tests.factories import MaterialFactory, receive, system_actor
from production import services as production
from production.models import (
    PrinterEvent,
    PrinterSlot,
    PrintJob,
    PrintJobFilament,
    ProductionOrderMaterial,
    TrayChange,
)
from production.selectors.spools import spool_notices, spool_warnings, unknown_reels
from production.tests.factories import PrinterFactory, black_pla, printable, printing, queued, sent

pytestmark = pytest.mark.django_db

TAG, OTHER_TAG = "7B45A8FF00000100", "6BA932FF00000100"
REEL, OTHER_REEL = "D99401E841C14828BF2E1B859AF2F770", "73C26A43CD6A42AFB35375345595F535"
IDLE = {"gcode_state": "IDLE"}


def spool(material: Product, label: str = "SP-1", grams: str = "1000", **tags: str) -> Spool:
    lot = receive(material, "1")
    return Spool.objects.create(label=label, lot=lot, remaining_grams=Decimal(grams), **tags)


@pytest.fixture
def printer() -> HandFed:
    return HandFed(PrinterFactory())


def slot(hand: HandFed, number: int = 0) -> PrinterSlot:
    return hand.link.printer.slots.select_related("spool", "material").get(tray=number)


# --- which reel ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "known", [{"tray_uuid": REEL}, {"tag_uid": TAG}, {"tray_uuid": REEL.lower(), "tag_uid": "other"}]
)
def test_a_reel_is_known_by_its_tag(printer: HandFed, known: dict[str, str]) -> None:
    reel = spool(black_pla(), **known)
    printer.says(**IDLE, **feeders(tray(0, tag=TAG, reel=REEL, remain=80))).writes()
    row = slot(printer)
    assert (row.spool, row.material, row.remain_percent, row.full_grams) == (reel, black_pla(), 80, 1000)
    assert unknown_reels() == []


def test_the_id_of_the_reel_goes_before_that_of_the_tag(printer: HandFed) -> None:
    spool(black_pla(), "by tag", tag_uid=TAG)
    right = spool(black_pla(), "by reel", tray_uuid=REEL)
    printer.says(**IDLE, **feeders(tray(0, tag=TAG, reel=REEL, remain=80))).writes()
    assert slot(printer).spool == right


def test_ids_of_nothing_but_zeros_match_no_reel(printer: HandFed) -> None:
    spool(black_pla(), tag_uid="0" * 16, tray_uuid="0" * 32)
    printer.says(**IDLE, **feeders(tray(0))).writes()
    assert (slot(printer).spool, slot(printer).tag_uid) == (None, "")


def test_a_reel_hangs_in_one_place_only(printer: HandFed) -> None:
    reel = spool(black_pla(), tray_uuid=REEL)
    other = HandFed(PrinterFactory())
    printer.says(**IDLE, **feeders(tray(0, tag=TAG, reel=REEL, remain=80))).writes()
    other.says(**IDLE, **feeders(tray(2, tag=OTHER_TAG, reel=REEL, remain=80))).writes()
    assert (slot(other, 2).spool, slot(printer).spool) == (reel, None)


def test_a_tag_that_nobody_knows_is_shown_once_and_not_guessed(printer: HandFed) -> None:
    spool(black_pla())
    for remain in (80, 79):
        printer.says(**IDLE, **feeders(tray(0, tag=TAG, reel=REEL, remain=remain))).writes()
    printer.restart()
    printer.says(**IDLE, **feeders(tray(0, tag=TAG, reel=REEL, remain=79))).writes()
    assert [row.tray_uuid for row in unknown_reels()] == [REEL]
    event = PrinterEvent.objects.get(kind="unknown_spool")
    assert event.details == {"tray": 0, "tag": REEL}
    assert slot(printer).spool is None


def test_a_tag_that_a_person_gives_to_a_reel_is_found_without_touching_the_feeder(printer: HandFed) -> None:
    reel = spool(black_pla())
    printer.says(**IDLE, **feeders(tray(0, tag=TAG, reel=REEL, remain=80), tray(1))).writes()
    assert slot(printer).spool is None
    Spool.objects.filter(pk=reel.pk).update(tray_uuid=REEL)
    loaded.look_again(printer.session)
    printer.writes()
    assert slot(printer).spool == reel
    loaded.look_again(printer.session)
    assert printer.session.trays is not None


def test_what_a_person_said_of_a_slot_holds_until_it_is_seen_empty(printer: HandFed) -> None:
    reel = spool(black_pla())
    printer.says(**IDLE, **feeders(tray(0))).writes()
    production.load_slot(printer.link.printer, tray=0, spool=reel, actor=system_actor())
    printer.says(**IDLE, **feeders(tray(0), tray(1))).writes()
    printer.restart()
    printer.says(**IDLE, **feeders(tray(0), tray(1))).writes()
    assert slot(printer).spool == reel
    printer.says(**feeders(tray(1))).writes()
    assert (slot(printer).spool, slot(printer).material_type) == (None, "")
    printer.says(**feeders(tray(0), tray(1))).writes()
    assert slot(printer).spool is None


def test_what_a_person_said_is_dropped_when_another_reel_is_seen(printer: HandFed) -> None:
    reel = spool(black_pla())
    printer.says(**IDLE, **feeders(tray(0, tag=TAG, reel=REEL, remain=50))).writes()
    production.load_slot(printer.link.printer, tray=0, spool=reel, actor=system_actor())
    printer.says(**feeders(tray(0, tag=TAG, reel=REEL, remain=49))).writes()
    assert slot(printer).spool == reel
    printer.says(**feeders(tray(0, tag=OTHER_TAG, reel=OTHER_REEL, remain=100))).writes()
    assert slot(printer).spool is None


def test_the_two_tags_of_one_reel_are_the_same_reel(printer: HandFed) -> None:
    reel = spool(black_pla())
    printer.says(**IDLE, **feeders(tray(0, tag=TAG, reel=REEL, remain=50))).writes()
    production.load_slot(printer.link.printer, tray=0, spool=reel, actor=system_actor())
    printer.says(**feeders(tray(0, tag=OTHER_TAG, reel=REEL, remain=50))).writes()
    assert slot(printer).spool == reel


def test_a_tag_that_tells_another_remainder_is_pointed_out_and_books_nothing(printer: HandFed) -> None:
    reel = spool(black_pla(), grams="400", tray_uuid=REEL)
    printer.says(**IDLE, **feeders(tray(0, tag=TAG, reel=REEL, remain=50))).writes()
    assert spool_notices() == []
    for remain in (80, 79):
        printer.says(**feeders(tray(0, tag=TAG, reel=REEL, remain=remain))).writes()
    [notice] = spool_notices([reel])
    assert (notice.tag_percent, notice.booked_percent, str(notice)) == (
        79, Decimal(40), "SP-1: its tag tells 79 %, the books 40 %",
    )  # fmt: skip
    assert PrinterEvent.objects.filter(kind="spool_differs").count() == 1
    reel.refresh_from_db()
    assert reel.remaining_grams == 400


# --- what a job took -------------------------------------------------------------------------------------------------


class Job:
    """A job of 100 g on a printer with two reels of one material, of different lots."""

    def __init__(self, *, begun: bool = True) -> None:
        self.material = black_pla()
        self.first, self.second = spool(self.material, "SP-1"), spool(self.material, "SP-2")
        self.printer = PrinterFactory(loaded=[self.material])
        for number, reel in ((0, self.first), (1, self.second)):
            production.load_slot(self.printer, tray=number, spool=reel, actor=system_actor())
        product = printable(material=self.material)
        _, [self.row] = queued(product)
        (printing if begun else sent)(self.row, self.printer)
        PrintJobFilament.objects.filter(job=self.row).update(planned_grams=Decimal(100))
        self.hand = HandFed(self.printer)

    def says(self, **fields: Any) -> HandFed:
        shown = {"gcode_state": "RUNNING", "subtask_id": self.row.submission_id, **fields}
        return self.hand.says(**shown)

    def feeds(self, number: int, percent: int) -> None:
        trays = feeders(tray(0), tray(1), now=number)
        self.says(**trays, mc_percent=percent).waits().says(mc_percent=percent).writes()

    def ends(self, kind: Kind = Kind.FINISHED, percent: int = 100) -> dict[str, Decimal]:
        """End the job and return the grams that were booked by lot."""
        decision = Decision(kind, after(9999), None, submission_id=self.row.submission_id)
        books.book(self.hand.session, Finding(decision, self.row.pk, percent))
        rows = ProductionOrderMaterial.objects.filter(print_job=self.row).select_related("material_lot__product")
        assert verify_ledger().is_clean
        return {_label(row.material_lot): row.quantity_used * 1000 for row in rows}

    @property
    def left(self) -> tuple[Decimal, Decimal]:
        self.first.refresh_from_db()
        self.second.refresh_from_db()
        return self.first.remaining_grams, self.second.remaining_grams


def _label(lot: MaterialLot | None) -> str:
    assert lot is not None
    return lot.spools.get().label


def test_what_was_loaded_is_what_is_booked() -> None:
    job = Job()
    job.feeds(0, 10)
    assert job.ends() == {"SP-1": 100}
    assert job.left == (900, 1000)
    assert TrayChange.objects.count() == 0


def test_grams_are_split_where_the_printer_went_on_with_another_tray() -> None:
    job = Job()
    job.feeds(0, 10)
    job.feeds(0, 30)
    job.feeds(1, 30)
    job.feeds(1, 90)
    change = TrayChange.objects.get()
    assert (change.position, change.tray, change.spool, change.percent) == (0, 1, job.second, 30)
    assert PrinterEvent.objects.get(kind="tray_change").text == "tray 0 is empty, tray 1 goes on at 30 %"
    assert job.ends() == {"SP-1": 30, "SP-2": 70}
    assert job.left == (970, 930)


def test_a_job_that_fails_after_the_change_splits_what_it_used() -> None:
    job = Job()
    job.feeds(0, 20)
    job.feeds(1, 20)
    job.feeds(1, 50)
    assert job.ends(Kind.FAILED, 50) == {"SP-1": 20, "SP-2": 30}
    assert job.left == (980, 970)


def test_a_change_is_noted_once_over_a_restart() -> None:
    job = Job()
    job.feeds(0, 40)
    job.feeds(1, 40)
    job.hand.restart()
    job.feeds(1, 60)
    assert TrayChange.objects.count() == 1
    assert job.ends() == {"SP-1": 40, "SP-2": 60}


def test_a_change_that_nobody_saw_counts_from_what_was_known() -> None:
    job = Job()
    job.feeds(0, 40)
    PrintJob.objects.filter(pk=job.row.pk).update(progress_percent=40)
    job.hand.restart()
    job.feeds(1, 60)
    assert TrayChange.objects.get().percent == 60
    assert job.ends() == {"SP-1": 60, "SP-2": 40}


def test_a_correction_keeps_the_split() -> None:
    job = Job()
    job.feeds(0, 50)
    job.feeds(1, 50)
    job.ends()
    job.row.refresh_from_db()
    production.record_finished(job.row, grams={0: Decimal(120)}, actor=system_actor())
    rows = ProductionOrderMaterial.objects.filter(print_job=job.row)
    assert sorted(row.quantity_used * 1000 for row in rows) == [60, 60]
    assert job.left == (940, 940)


def test_a_reel_of_another_material_is_never_booked_for_this_one() -> None:
    job = Job()
    other = spool(MaterialFactory(sku="M-OTHER", material_type="PLA", color_hex="00FF00"), "SP-3")
    production.load_slot(job.printer, tray=2, spool=other, actor=system_actor())
    job.feeds(0, 50)
    trays = feeders(tray(0), tray(1), tray(2, color="00FF00"), now=2)
    job.says(**trays, mc_percent=50).waits().writes()
    assert TrayChange.objects.get().spool is None
    other.refresh_from_db()
    job.ends()
    assert other.remaining_grams == 1000


def start(job: Job, **fields: Any) -> PrintJobFilament:
    """Book the start of a job anew, with what the printer shows."""
    PrintJobFilament.objects.filter(job=job.row).update(tray=None, spool=None)
    job.says(**fields)
    decision = Decision(Kind.STARTED, after(1), job.hand.session.state, submission_id=job.row.submission_id)
    books.book(job.hand.session, Finding(decision, job.row.pk))
    return PrintJobFilament.objects.select_related("spool").get(job=job.row)


def test_a_job_that_a_person_started_takes_the_tray_that_the_printer_maps() -> None:
    job = Job(begun=False)
    row = start(job, **feeders(tray(0), tray(1), now=3), mapping=[1])
    assert (row.tray, row.spool) == (1, job.second)


def test_a_machine_with_two_hot_ends_tells_its_tray_by_the_hot_end_in_use() -> None:
    job = Job(begun=False)
    ends = {"extruder": {"state": 0x112, "info": [{"id": 0, "snow": 0}, {"id": 1, "snow": 1}]}}
    row = start(job, **feeders(tray(0), tray(1), now=0), device=ends)
    assert (row.tray, row.spool) == (1, job.second)


# --- enough for a job ------------------------------------------------------------------------------------------------


def test_a_reel_that_holds_enough_gives_no_warning_and_one_that_does_not_gives_one(settings: Any) -> None:
    settings.SPOOL_RESERVE_GRAMS = Decimal(10)
    job = Job()
    assert spool_warnings(job.row, job.printer) == []
    Spool.objects.filter(pk=job.first.pk).update(remaining_grams=Decimal("109.9"))
    [warning] = spool_warnings(job.row, job.printer)
    assert (warning.tray, warning.spool, warning.needed_grams, warning.left_grams) == (0, "SP-1", 110, Decimal("109.9"))
    assert (warning.backup_grams, warning.is_short) == (1000, False)
    assert str(warning).endswith("it will go on from another tray")
    Spool.objects.filter(pk=job.second.pk).update(remaining_grams=0)
    [warning] = spool_warnings(job.row, job.printer)
    assert warning.is_short
    assert str(warning) == "tray 0 (SP-1) holds 109.9 g of the 110 g that are needed: it will run out"


@pytest.mark.parametrize(("blocks", "sent_jobs"), [(False, 1), (True, 0)])
def test_a_setting_says_whether_a_short_reel_keeps_a_job_from_being_sent(
    settings: Any, blocks: bool, sent_jobs: int
) -> None:
    settings.SPOOL_SHORT_BLOCKS = blocks
    material = black_pla()
    printer = PrinterFactory(loaded=[material])
    production.load_slot(printer, tray=0, spool=spool(material, grams="5"), actor=system_actor())
    queued(printable(material=material))
    assert len(production.dispatch_next(actor=system_actor())) == sent_jobs


def test_a_slot_whose_reel_nobody_knows_is_not_warned_of() -> None:
    job = Job()
    PrinterSlot.objects.filter(printer=job.printer).update(spool=None)
    assert spool_warnings(job.row, job.printer) == []
