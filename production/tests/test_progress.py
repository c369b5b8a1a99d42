"""What the machine says, taken into the books."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from django.db import connection, transaction
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.core.errors import InvalidTransition, InvalidValue, ReasonRequired, StaleVersion
from blb3d.core.outbox import OutboxEvent
from blb3d.core.tests.counting import statements_of
from inventory import services as inventory
from inventory.models import Inventory, InventoryTransaction, MaterialLot, PlateFilament, Reservation, Spool
from inventory.selectors import verify_ledger
from inventory.tests.factories import LocationFactory, MaterialFactory, receive, system_actor
from production import services as production
from production.errors import SpoolInUse
from production.models import PrintJob, ProductionOrder, TraceLink, TrayChange
from production.services.material import spread_grams
from production.tests.factories import (
    PrinterFactory,
    black_pla,
    finished,
    printable,
    printing,
    queued,
    sent,
    stock,
)

pytestmark = pytest.mark.django_db


def _on_hand(material: object) -> Decimal:
    return sum((row.on_hand_quantity for row in Inventory.objects.filter(product=material)), Decimal(0))


def test_the_first_job_starts_its_order_and_the_second_does_not_again() -> None:
    order, [first, second] = queued(printable(), 2)
    at = timezone.now() - datetime.timedelta(minutes=5)
    production.begin_job(sent(first), actor=system_actor(), at=at)
    order.refresh_from_db()
    assert (order.status, order.started_at) == ("printing", at)
    production.begin_job(first, actor=system_actor())
    printing(second)
    assert OutboxEvent.objects.filter(topic="production.order_started").count() == 1
    assert OutboxEvent.objects.filter(topic="production.job_started").count() == 2
    assert PrintJob.objects.get(pk=first.pk).started_at == at


def test_progress_is_noted_without_a_new_version_and_ignored_when_old() -> None:
    stock(black_pla())
    _, [job] = queued(printable())
    printing(job)
    version, rows = job.version, job.history.count()
    production.record_progress(job, percent=42, layer=84, total_layers=200, remaining_minutes=35, actor=system_actor())
    job.refresh_from_db()
    assert (job.progress_percent, job.current_layer, job.total_layers, job.remaining_minutes) == (42, 84, 200, 35)
    assert (job.version, job.history.count()) == (version, rows)
    production.record_finished(job, actor=system_actor())
    production.record_progress(job, percent=7, actor=system_actor())
    job.refresh_from_db()
    assert (job.status, job.progress_percent) == ("finished", 100)


def test_figures_that_cannot_be_are_kept_within_what_can() -> None:
    stock(black_pla())
    _, [job] = queued(printable())
    printing(job)
    news = {"percent": 10**9, "layer": 10**12, "total_layers": -5, "remaining_minutes": 10**12}
    production.record_progress(job, **news, actor=system_actor())
    job.refresh_from_db()
    assert (job.progress_percent, job.current_layer, job.total_layers) == (100, 2**31 - 1, 0)
    assert job.remaining_minutes == 2**31 - 1


def test_a_finished_job_takes_its_material_from_what_was_reserved() -> None:
    pla = black_pla()
    stock(pla, "1")
    order, [job] = queued(printable(grams="250"))
    finished(job, minutes=Decimal("61.5"))
    assert (job.status, job.actual_time_minutes, job.material_grams_used) == ("finished", Decimal("61.50"), 250)
    assert _on_hand(pla) == Decimal("0.75")
    assert not Reservation.objects.exists()
    row = order.materials.get()
    assert (row.quantity_used, row.filament_position, row.print_job_id) == (Decimal("0.25"), 0, job.pk)
    assert row.material_lot.lot_number == MaterialLot.objects.get().lot_number
    assert verify_ledger().is_clean


def test_material_is_taken_over_lots_first_in_first_out() -> None:
    pla = black_pla()
    LocationFactory()
    now = timezone.now()
    lots = [receive(pla, quantity) for quantity in ("0.1", "0.1", "1")]
    for age, lot in zip((3, 2, 1), lots, strict=True):
        MaterialLot.objects.filter(pk=lot.pk).update(received_date=now - datetime.timedelta(days=age))
    order, [job] = queued(printable(grams="250"))
    finished(job)
    used = [(row.material_lot_id, row.quantity_used) for row in order.materials.order_by("id")]
    assert used == [
        (lots[0].pk, Decimal("0.1")),
        (lots[1].pk, Decimal("0.1")),
        (lots[2].pk, Decimal("0.05")),
    ]
    assert [MaterialLot.objects.get(pk=lot.pk).status for lot in lots] == ["DEPLETED", "DEPLETED", "ACTIVE"]
    edges = TraceLink.objects.filter(source_type="lot", target_type="print_job", target_id=job.pk)
    assert {edge.source_id for edge in edges} == {lot.pk for lot in lots}
    assert verify_ledger().is_clean


def test_the_loaded_spool_is_used_and_lighter_afterwards() -> None:
    pla = black_pla()
    LocationFactory()
    receive(pla, "1")
    loaded = receive(pla, "1")
    spool = Spool.objects.create(label="S-1", lot=loaded, remaining_grams=Decimal(900))
    _, [job] = queued(printable(grams="250"))
    printer = PrinterFactory(loaded=[pla])
    printer.slots.update(spool=spool)
    finished(job, printer)
    assert job.materials.get().material_lot_id == loaded.pk
    spool.refresh_from_db()
    assert spool.remaining_grams == Decimal(650)
    assert verify_ledger().is_clean


def test_the_same_end_told_again_changes_nothing() -> None:
    stock(black_pla())
    _, [job] = queued(printable())
    finished(job, grams={0: Decimal(90)}, minutes=Decimal(50))
    history, movements = job.history.count(), InventoryTransaction.objects.count()
    facts = OutboxEvent.objects.count()
    production.record_finished(job, grams={0: Decimal(90)}, minutes=Decimal(50), actor=system_actor())
    production.record_finished(job, actor=system_actor())
    assert (job.history.count(), InventoryTransaction.objects.count()) == (history, movements)
    assert OutboxEvent.objects.count() == facts
    assert job.material_grams_used == 90


@pytest.mark.parametrize(("second", "left"), [("120", "0.88"), ("70", "0.93"), ("0", "1")])
def test_a_second_report_corrects_and_does_not_add(second: str, left: str) -> None:
    pla = black_pla()
    stock(pla, "1")
    order, [job] = queued(printable(grams="100"))
    finished(job)
    production.record_finished(job, grams={0: Decimal(second)}, actor=system_actor())
    assert _on_hand(pla) == Decimal(left)
    row = order.materials.get()
    assert row.quantity_used == Decimal(second) / 1000
    assert PrintJob.objects.get(pk=job.pk).material_grams_used == Decimal(second)
    assert verify_ledger().is_clean


def test_what_the_books_do_not_have_is_told_to_a_person() -> None:
    pla = black_pla()
    stock(pla, "0.06")
    order, [job] = queued(printable(grams="100"))
    finished(job)
    assert job.status == "finished"
    assert order.materials.get().quantity_used == Decimal("0.06")
    short = OutboxEvent.objects.get(topic="inventory.stock_short")
    assert short.payload["product_id"] == pla.pk
    assert Decimal(short.payload["missing"]) == Decimal("0.04")
    assert verify_ledger().is_clean


def test_grams_for_a_filament_the_job_does_not_have_are_refused() -> None:
    stock(black_pla())
    _, [job] = queued(printable())
    printing(job)
    for grams in ({1: Decimal(5)}, {0: Decimal(-1)}, {0: Decimal("NaN")}):
        with pytest.raises(InvalidValue):
            production.record_finished(job, grams=grams, actor=system_actor())
    job.refresh_from_db()
    assert job.status == "printing"
    assert not job.materials.exists()


def test_each_filament_is_booked_by_itself() -> None:
    black, white = black_pla(), MaterialFactory(sku="M-WHITE", color_hex="FFFFFF")
    LocationFactory()
    receive(black, "1")
    receive(white, "1")
    product = printable(grams="100")
    PlateFilament.objects.create(plate=product.plates.get(), position=1, material=white, grams=Decimal(20))
    order, [job] = queued(product)
    finished(job, grams={1: Decimal(25)})
    assert {row.product_id: row.quantity_used for row in order.materials.all()} == {
        black.pk: Decimal("0.1"),
        white.pk: Decimal("0.025"),
    }
    assert production.spread_grams(job, Decimal(60)) == {0: Decimal(50), 1: Decimal(10)}


def test_a_failed_job_books_what_it_used_until_then() -> None:
    pla = black_pla()
    stock(pla, "1")
    order, [job] = queued(printable(grams="200"))
    printing(job)
    production.record_progress(job, percent=30, actor=system_actor())
    production.record_failed(job, actor=system_actor(), code="0300_4006", text="The nozzle is clogged")
    assert (job.status, job.error_code, job.error_text) == ("failed", "0300_4006", "The nozzle is clogged")
    assert job.occupies_plate
    assert _on_hand(pla) == Decimal("0.94")
    production.record_failed(job, actor=system_actor(), code="0300_4006", text="again", progress_percent=90)
    assert _on_hand(pla) == Decimal("0.94")
    assert ProductionOrder.objects.get(pk=order.pk).status == "printing"
    assert verify_ledger().is_clean


def test_a_job_that_never_began_uses_nothing_and_leaves_the_plate_free() -> None:
    pla = black_pla()
    stock(pla, "1")
    _, [job] = queued(printable())
    sent(job)
    production.record_failed(job, actor=system_actor(), code="", text="The file was refused")
    assert job.status == "failed"
    assert not job.occupies_plate
    assert _on_hand(pla) == 1


def test_a_finish_without_a_beginning_starts_the_order_too() -> None:
    stock(black_pla())
    order, [job] = queued(printable())
    sent(job)
    production.record_finished(job, actor=system_actor(), inferred=True)
    assert job.end_inferred
    assert job.started_at == job.sent_at
    assert ProductionOrder.objects.get(pk=order.pk).status == "printing"


def test_a_different_end_is_refused() -> None:
    stock(black_pla())
    _, [job] = queued(printable())
    finished(job)
    with pytest.raises(InvalidTransition):
        production.record_failed(job, actor=system_actor(), code="", text="no")
    with pytest.raises(InvalidTransition):
        production.record_cancelled(job, actor=system_actor(), reason="no")
    assert PrintJob.objects.get(pk=job.pk).status == "finished"


def test_cancelling_a_waiting_job_is_at_once_and_needs_a_reason() -> None:
    _, [job] = queued(printable())
    with pytest.raises(ReasonRequired):
        production.request_cancel(job, actor=system_actor())
    production.request_cancel(job, actor=system_actor(), reason="Not wanted")
    assert PrintJob.objects.get(pk=job.pk).status == "cancelled"
    assert not OutboxEvent.objects.filter(topic="production.job_command_requested").exists()


def test_commands_to_the_machine_are_asked_for_by_fact() -> None:
    _, [job] = queued(printable())
    printing(job)
    production.request_pause(job, actor=system_actor())
    production.record_paused(job, actor=system_actor(), reason="filament ran out")
    assert job.error_text == "filament ran out"
    production.request_resume(job, actor=system_actor())
    production.record_resumed(job, actor=system_actor())
    production.request_cancel(job, actor=system_actor())
    facts = OutboxEvent.objects.filter(topic="production.job_command_requested").order_by("id")
    assert [fact.payload["command"] for fact in facts] == ["pause", "resume", "stop"]
    assert {fact.payload["printer_id"] for fact in facts} == {job.printer_id}
    assert PrintJob.objects.get(pk=job.pk).cancel_requested_at is not None
    with pytest.raises(InvalidTransition):
        production.request_resume(job, actor=system_actor())


@pytest.mark.parametrize(("planned", "booked"), [(("0", "0"), (15, 15)), (("20", "0"), (30, 0)), (("0", "9"), (0, 30))])
def test_a_total_is_shared_where_filaments_are_planned_with_nothing(
    planned: tuple[str, str], booked: tuple[int, int]
) -> None:
    pla, red = black_pla(), MaterialFactory(sku="M-RED")
    stock(pla)
    receive(red, "1")
    product = printable(parts=1, grams="20")
    plate = product.plates.get()
    PlateFilament.objects.create(plate=plate, position=1, material=red, grams=Decimal(1))
    _, [job] = queued(product)
    printing(job)
    for position, grams in enumerate(planned):
        job.filaments.filter(position=position).update(planned_grams=Decimal(grams))
    shares = spread_grams(job, Decimal(30))
    assert (shares[0], shares[1]) == booked
    production.record_finished(job, grams=shares, actor=system_actor())
    assert job.material_grams_used == 30


def test_parts_that_weigh_nothing_share_what_their_plate_took() -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=2, grams="20"), 2)
    job.parts.update(grams_each=Decimal(0))
    finished(job)
    assert order.materials.get().quantity_used == Decimal("0.02")


@pytest.mark.parametrize("outcome", ["finished", "failed"])
def test_a_job_whose_end_was_found_in_the_morning_did_not_run_all_night(outcome: str) -> None:
    stock(black_pla())
    printer = PrinterFactory(loaded=[black_pla()])
    _, [job] = queued(printable())
    production.begin_job(sent(job, printer), actor=system_actor(), at=timezone.now() - datetime.timedelta(hours=14))
    production.lose_job(job, actor=system_actor(), reason="Not heard")
    production.decide_job(job, outcome=outcome, actor=system_actor(), reason="Seen on the plate")
    printer.refresh_from_db()
    assert (job.actual_time_minutes, printer.printed_minutes, printer.jobs_done) == (60, 60, 1)


def test_a_reel_that_a_printer_went_on_with_is_not_weighed_while_it_prints() -> None:
    stock(black_pla())
    lot = MaterialLot.objects.get()
    reels = [
        Spool.objects.create(label=label, lot=lot, tare_grams=Decimal(0), remaining_grams=Decimal(500))
        for label in ("SP-1", "SP-2", "SP-3")
    ]
    _, [job] = queued(printable())
    printing(job)
    job.filaments.update(spool=reels[0])
    TrayChange.objects.create(job=job, position=0, percent=40, tray=1, spool=reels[1], at=timezone.now())
    for reel in reels[:2]:
        with pytest.raises(SpoolInUse):
            production.weigh_in(reel, gross_grams=Decimal(450), actor=system_actor())
    assert production.weigh_in(reels[2], gross_grams=Decimal(450), actor=system_actor()).grams == 450


def test_a_reel_that_gave_more_than_the_books_knew_remembers_it_when_the_report_is_corrected() -> None:
    pla = black_pla()
    LocationFactory()
    spool = Spool.objects.create(label="S-1", lot=receive(pla, "1"), remaining_grams=Decimal(50))
    _, [job] = queued(printable(grams="60"))
    printer = PrinterFactory(loaded=[pla])
    printer.slots.update(spool=spool)
    finished(job, printer)
    left = []
    for grams in (None, 40, 80, 45):
        if grams is not None:
            production.record_finished(job, actor=system_actor(), grams={0: Decimal(grams)})
        spool.refresh_from_db()
        left.append((spool.remaining_grams, spool.overdrawn_grams))
    assert left == [(0, 10), (10, 0), (0, 30), (5, 0)]
    production.record_finished(job, actor=system_actor(), grams={0: Decimal(90)})
    inventory.weigh_spool(spool, gross_grams=Decimal(30), actor=system_actor())
    assert (spool.remaining_grams, spool.overdrawn_grams) == (30, 0)
    assert verify_ledger().is_clean


def _cups_of_a_finished_order(grams: str = "100") -> tuple[PrintJob, Inventory]:
    """Return the counted job of an order of four cups, which are in stock at 0.3 each."""
    stock(black_pla())
    order, [job] = queued(printable(parts=4, grams=grams), 4)
    finished(job)
    production.clear_plate(job, [production.PlateCount(order.pk, 4)], actor=system_actor())
    order.refresh_from_db()
    assert order.status == "completed"
    balance = Inventory.objects.get(product=order.product_id)
    assert (balance.on_hand_quantity, balance.cost_per_unit) == (4, Decimal("0.3"))
    return job, balance


def test_grams_that_are_put_right_after_the_order_is_over_change_what_its_units_are_worth() -> None:
    job, balance = _cups_of_a_finished_order()
    costs = []
    for grams in (140, 60, 60):
        production.record_finished(job, actor=system_actor(), grams={0: Decimal(grams)})
        balance.refresh_from_db()
        costs.append(balance.cost_per_unit)
    # 12 a kilogram: 40 g more are 0.48 for four, 80 g less 0.96.
    assert costs == [Decimal("0.42"), Decimal("0.18"), Decimal("0.18")]
    rows = InventoryTransaction.objects.filter(transaction_type="revaluation").order_by("id")
    assert [(row.value_change, row.reference_id) for row in rows] == [
        (Decimal("0.48"), job.production_order_id),
        (Decimal("-0.96"), job.production_order_id),
    ]
    assert verify_ledger().is_clean


def test_units_that_are_gone_bear_nothing_any_more() -> None:
    job, balance = _cups_of_a_finished_order()
    inventory.issue([inventory.Use(balance.product_id, Decimal(3), "manual", None)], actor=system_actor())
    production.record_finished(job, actor=system_actor(), grams={0: Decimal(140)})
    balance.refresh_from_db()
    assert (balance.on_hand_quantity, balance.cost_per_unit) == (1, Decimal("0.42"))
    inventory.issue([inventory.Use(balance.product_id, Decimal(1), "manual", None)], actor=system_actor())
    production.record_finished(job, actor=system_actor(), grams={0: Decimal(100)})
    balance.refresh_from_db()
    assert balance.on_hand_quantity == 0
    assert verify_ledger().is_clean


def test_grams_of_a_plate_that_nobody_has_counted_go_to_the_units_on_it() -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=4, grams="100"), 4)
    finished(job)
    production.record_finished(job, actor=system_actor(), grams={0: Decimal(140)})
    production.clear_plate(job, [production.PlateCount(order.pk, 4)], actor=system_actor())
    assert Inventory.objects.get(product=order.product_id).cost_per_unit == Decimal("0.42")
    assert not InventoryTransaction.objects.filter(transaction_type="revaluation").exists()


def test_the_end_of_a_job_takes_the_same_statements_however_many_lots_it_took() -> None:
    pla, actor = black_pla(), system_actor()
    LocationFactory()
    counts = []
    for lots in (1, 4):
        for _ in range(lots):
            receive(pla, "0.1")
        _, [job] = queued(printable(grams=str(100 * lots)))
        printing(job)
        with CaptureQueriesContext(connection) as captured:
            production.record_finished(job, actor=actor)
        counts.append(len(statements_of(captured)))
        assert job.materials.count() == lots
    assert counts[0] == counts[1]
    assert verify_ledger().is_clean


def test_grams_given_back_after_the_order_is_over_are_kept_for_nobody() -> None:
    job, _ = _cups_of_a_finished_order()
    production.record_finished(job, actor=system_actor(), grams={0: Decimal(60)})
    assert not Reservation.objects.exists()
    assert not Inventory.objects.exclude(allocated_quantity=0).exists()
    assert verify_ledger().is_clean


def test_more_grams_at_another_cost_are_a_row_of_their_own() -> None:
    stock(black_pla())
    _, [job] = queued(printable(grams="100"))
    finished(job)
    lot = MaterialLot.objects.get()
    inventory.revalue_stock(lot.product, lot=lot, unit_cost=Decimal(24), reason="the bill", actor=system_actor())
    production.record_finished(job, actor=system_actor(), grams={0: Decimal(200)})
    rows = job.materials.order_by("id")
    assert [(row.quantity_used, row.unit_cost) for row in rows] == [
        (Decimal("0.1"), Decimal(12)),
        (Decimal("0.1"), Decimal(24)),
    ]
    production.record_finished(job, actor=system_actor(), grams={0: Decimal(50)})
    assert [row.quantity_used for row in rows.all()] == [Decimal("0.05"), 0]
    assert verify_ledger().is_clean


def test_a_reels_page_that_was_opened_before_a_job_took_of_it_is_old() -> None:
    LocationFactory()
    spool = Spool.objects.create(label="S-1", lot=receive(black_pla(), "1"), remaining_grams=Decimal(500))
    _, [job] = queued(printable(grams="60"))
    printer = PrinterFactory(loaded=[black_pla()])
    printer.slots.update(spool=spool)
    finished(job, printer)
    spool.tag_uid = "04AB"
    with pytest.raises(StaleVersion), transaction.atomic():
        spool.save()
    spool.refresh_from_db()
    assert spool.remaining_grams == 440
