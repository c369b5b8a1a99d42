"""Inspections: what passes, what is scrapped and made again."""

from __future__ import annotations

from decimal import Decimal

import pytest

from blb3d.core.errors import InvalidTransition, InvalidValue, ReasonRequired
from blb3d.core.outbox import OutboxEvent
from inventory.models import Inventory, InventoryTransaction
from inventory.selectors import verify_ledger
from inventory.tests.factories import system_actor
from production import services as production
from production.errors import WrongQuantity, WrongSerials
from production.models import (
    Demand,
    Nonconformance,
    PrintJob,
    ProductionOrder,
    QualityInspection,
    SerialNumber,
    TraceLink,
)
from production.tests.factories import black_pla, cleared, printable, queued, stock

pytestmark = pytest.mark.django_db


def _made(quantity: int, **product: object) -> ProductionOrder:
    stock(black_pla())
    order, [job] = queued(
        printable(parts=quantity, grams="50", **product),
        quantity,
        demand_reference=("sales_order_line", 7),
        demand_label="SO-2025-001",
    )
    cleared(job, good=quantity)
    order.refresh_from_db()
    return order


def test_all_good_parts_pass_together() -> None:
    order = _made(3)
    [row] = production.pass_inspection(order, actor=system_actor(), measurements={"x_mm": "20.01"}, notes="fine")
    assert (row.passed, row.quantity, row.inspection_type, row.inspector) == (True, 3, "FINAL", system_actor())
    assert TraceLink.objects.filter(source_type="production_order", target_type="inspection").count() == 1
    assert OutboxEvent.objects.get(topic="production.inspection_passed").payload["id"] == order.pk


def test_each_serial_number_has_its_own_row() -> None:
    order = _made(3, is_serialized=True)
    numbers = list(order.serials.order_by("id").values_list("serial_number", flat=True))
    rows = production.pass_inspection(order, serial_numbers=numbers[:2], actor=system_actor())
    assert [row.serial_number.serial_number for row in rows] == numbers[:2]
    assert {row.quantity for row in rows} == {1}


@pytest.mark.parametrize("quantity", [0, 4, -1])
def test_more_parts_than_there_are_cannot_pass(quantity: int) -> None:
    order = _made(3)
    with pytest.raises(WrongQuantity) as refusal:
        production.pass_inspection(order, quantity=quantity, actor=system_actor())
    assert refusal.value.code == "QUALITY_001"
    assert not QualityInspection.objects.exists()


def test_serial_numbers_must_be_of_the_order() -> None:
    order = _made(2, is_serialized=True)
    for numbers, quantity in ((["BLB-20200101-0001"], 1), ([order.serials.first().serial_number], 2)):
        with pytest.raises(WrongSerials):
            production.pass_inspection(order, serial_numbers=numbers, quantity=quantity, actor=system_actor())
    assert not QualityInspection.objects.exists()


def test_parts_that_fail_after_completion_are_scrapped_written_up_and_made_again() -> None:
    order = _made(4)
    report = production.fail_inspection(order, quantity=1, reason="Layer shift", actor=system_actor())
    assert (report.status, report.detected_at, report.quantity, report.disposition) == ("OPEN", "FINAL_QC", 1, "SCRAP")
    assert report.ncr_number.startswith("NCR-")
    order.refresh_from_db()
    assert (order.status, order.quantity_completed, order.quantity_scrapped) == ("completed", 3, 1)
    assert order.closed_short
    balance = Inventory.objects.get(product=order.product)
    assert (balance.on_hand_quantity, balance.allocated_quantity) == (3, 3)
    scrap = InventoryTransaction.objects.get(transaction_type="scrap")
    assert (scrap.quantity, scrap.reference_id) == (1, order.pk)
    again = ProductionOrder.objects.exclude(pk=order.pk).get()
    assert (again.status, again.quantity, again.product_id) == ("confirmed", 1, order.product_id)
    assert Demand.objects.get(production_order=again).reference_id == 7
    assert QualityInspection.objects.get().passed is False
    assert verify_ledger().is_clean


def test_parts_that_fail_while_the_order_is_in_work_get_a_new_job() -> None:
    stock(black_pla())
    order, jobs = queued(printable(), 2)
    cleared(jobs[0], good=1)
    order.refresh_from_db()
    production.fail_inspection(
        order, quantity=1, reason="Wrong size", inspection_type="FIRST_ARTICLE", actor=system_actor()
    )
    order.refresh_from_db()
    assert (order.status, order.quantity_completed, order.quantity_scrapped) == ("printing", 0, 1)
    assert PrintJob.objects.filter(status="queued").count() == 2
    assert Nonconformance.objects.get().detected_at == "IN_PROCESS"
    assert ProductionOrder.objects.count() == 1


def test_a_failed_serial_number_is_scrapped() -> None:
    order = _made(2, is_serialized=True)
    bad = order.serials.first()
    with pytest.raises(WrongSerials):
        production.fail_inspection(order, quantity=1, reason="Crack", actor=system_actor())
    report = production.fail_inspection(
        order, quantity=1, reason="Crack", serial_numbers=[bad.serial_number], actor=system_actor()
    )
    assert report.serial_number_id == bad.pk
    assert sorted(SerialNumber.objects.values_list("status", flat=True)) == ["IN_STOCK", "SCRAPPED"]


def test_a_report_goes_its_way_and_no_step_is_left_out() -> None:
    order = _made(2)
    report = production.fail_inspection(order, quantity=1, reason="Crack", actor=system_actor())
    with pytest.raises(InvalidTransition):
        production.close_nonconformance(report, actor=system_actor())
    with pytest.raises(InvalidValue):
        production.contain_nonconformance(report, containment_action=" ", actor=system_actor())
    report.refresh_from_db()
    assert (report.status, report.history.count()) == ("OPEN", 1)
    production.contain_nonconformance(report, containment_action="Shelf checked", actor=system_actor())
    assert report.status == "CONTAINED"


def test_failing_needs_a_reason_and_parts_that_are_still_here() -> None:
    order = _made(2)
    with pytest.raises(ReasonRequired):
        production.fail_inspection(order, quantity=1, reason=" ", actor=system_actor())
    from inventory import services as inventory

    inventory.issue(
        [inventory.Use(order.product_id, Decimal(2), "shipment", 1, holder=("sales_order_line", 7))],
        actor=system_actor(),
    )
    with pytest.raises(WrongQuantity):
        production.fail_inspection(order, quantity=1, reason="Crack", actor=system_actor())
    order.refresh_from_db()
    assert order.quantity_completed == 2
    assert not Nonconformance.objects.exists()
    assert not InventoryTransaction.objects.filter(transaction_type="scrap").exists()
