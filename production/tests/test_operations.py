"""Work after printing: units go from plate to operation to operation, and only the last one fills the shelf."""

from __future__ import annotations

import os
import threading
from decimal import Decimal

import pytest
from django.db import IntegrityError, connection, connections, transaction
from django.test.utils import CaptureQueriesContext

from blb3d.accounts.tests.factories import UserFactory
from blb3d.core.errors import AlreadyDone, BLB3DError, InvalidTransition, InvalidValue, NotAllowed, ReasonRequired
from blb3d.core.outbox import OutboxEvent
from inventory.models import Inventory, InventoryTransaction, Product
from inventory.selectors import verify_ledger
from inventory.tests.factories import ComponentFactory, make_bom, put_on_shelf, system_actor
from production import services as production
from production.errors import TooManyUnits, UnitsInWork
from production.models import (
    DefectReason,
    Nonconformance,
    OperationReport,
    PrintJob,
    ProductionOperation,
    ProductionOrder,
    QualityInspection,
    SerialNumber,
    TraceLink,
    WorkCenter,
)
from production.selectors import trace_serial
from production.selectors.effects import order_effects
from production.services.flow import Flow
from production.tests.factories import (
    black_pla,
    cleared,
    draft,
    finished,
    printable,
    queued,
    routed,
    stock,
)

pytestmark = pytest.mark.django_db

Count = production.PlateCount
Kind = WorkCenter.Kind


def _report(operation: ProductionOperation, **counts: object) -> OperationReport:
    return production.report_operation(operation, actor=system_actor(), **counts)


def _units(order: ProductionOrder) -> list[tuple[str, int, int, int, int]]:
    """Return status, arrived, good, scrapped and waiting of each operation."""
    return [
        (row.status, row.quantity_in, row.quantity_good, row.quantity_scrapped, row.quantity_waiting)
        for row in order.operations.order_by("sequence")
    ]


def _operations(order: ProductionOrder) -> list[ProductionOperation]:
    return list(order.operations.order_by("sequence"))


def _on_hand(product: Product) -> Decimal:
    row = Inventory.objects.filter(product=product).first()
    return row.on_hand_quantity if row else Decimal(0)


def _printed(
    *kinds: str, quantity: int = 4, good: int | None = None, **product: object
) -> tuple[ProductionOrder, list[ProductionOperation]]:
    """Return an order whose one plate is cleared, with an operation for each kind of work center."""
    stock(black_pla())
    made = printable(parts=quantity, grams="100", **product)
    routed(made, *kinds)
    order, [job] = queued(made, quantity, demand_reference=("sales_order_line", 77), demand_label="SO-2025-001")
    good = quantity if good is None else good
    cleared(job, good=good, scrap=quantity - good)
    order.refresh_from_db()
    return order, _operations(order)


def test_a_confirmed_order_gets_the_steps_of_the_active_routing() -> None:
    product = printable()
    routed(product, Kind.PAINT)
    routed(product, Kind.POST_PROCESS, Kind.PACK)
    order = draft(product, 3)
    assert not order.operations.exists()
    production.confirm_production_orders([order], actor=system_actor())
    first, second = _operations(order)
    assert (first.code, first.name, first.sequence) == (f"{order.code}-10", "post-processing", 10)
    assert (second.code, second.work_center.kind, second.status) == (f"{order.code}-20", "pack", "pending")
    assert (first.setup_minutes, first.minutes_per_unit) == (5, 2)


def test_many_orders_are_confirmed_with_their_operations_in_a_constant_number_of_statements() -> None:
    products = [printable() for _ in range(2)]
    for product in products:
        routed(product, Kind.PAINT, Kind.INSPECT, Kind.PACK)
    counts = []
    for number in (2, 8):
        orders = [draft(products[index % 2]) for index in range(number)]
        with CaptureQueriesContext(
            connection,
        ) as queries:
            production.confirm_production_orders(orders, actor=system_actor())
        counts.append(len(queries))
        assert ProductionOperation.objects.filter(production_order__in=orders).count() == 3 * number
    assert counts[0] == counts[1]


def test_a_change_of_the_routing_does_not_touch_orders_under_way() -> None:
    order, [paint] = _printed(Kind.PAINT)
    routed(order.product, Kind.ASSEMBLE, Kind.PACK)
    assert _operations(order) == [paint]


def test_printed_units_wait_at_the_first_operation_and_are_no_stock() -> None:
    order, _ = _printed(Kind.PAINT, Kind.PACK)
    assert _units(order) == [("pending", 4, 0, 0, 4), ("pending", 0, 0, 0, 0)]
    assert (order.status, order.quantity_completed) == ("printing", 0)
    assert _on_hand(order.product) == 0


def test_units_become_stock_for_who_waits_when_the_last_operation_reports_them() -> None:
    order, [paint, pack] = _printed(Kind.PAINT, Kind.PACK)
    _report(paint, good=3, minutes=Decimal("7.5"))
    assert _units(order) == [("running", 4, 3, 0, 1), ("pending", 3, 0, 0, 3)]
    _report(pack, good=2)
    order.refresh_from_db()
    assert (order.status, order.quantity_completed, _on_hand(order.product)) == ("printing", 2, 2)
    _report(paint, good=1)
    _report(pack, good=2)
    order.refresh_from_db()
    assert (order.status, order.quantity_completed, order.closed_short) == ("completed", 4, False)
    assert _units(order) == [("done", 4, 4, 0, 0), ("done", 4, 4, 0, 0)]
    balance = Inventory.objects.get(product=order.product)
    assert (balance.on_hand_quantity, balance.allocated_quantity) == (4, 4)
    assert balance.cost_per_unit == Decimal("0.3")
    paint.refresh_from_db()
    assert (paint.actual_minutes, paint.operator) == (Decimal("7.5"), system_actor())
    assert paint.finished_at is not None
    assert OutboxEvent.objects.filter(topic="production.operation_reported").count() == 4
    assert OutboxEvent.objects.filter(topic="production.operation_finished").count() == 2
    assert verify_ledger().is_clean


def test_components_are_taken_and_serial_numbers_given_at_the_last_operation() -> None:
    pla, screw = black_pla(), ComponentFactory(unit_cost=Decimal("0.5"))
    stock(pla)
    put_on_shelf(screw, 100)
    product = printable(parts=2, grams="30", material=pla, is_serialized=True)
    make_bom(product, (pla, "0.0150"), (screw, 4))
    routed(product, Kind.POST_PROCESS, Kind.ASSEMBLE)
    order, [job] = queued(product, 2)
    cleared(job, good=2)
    clean, assemble = _operations(order)
    _report(clean, good=2)
    assert (_on_hand(screw), SerialNumber.objects.count()) == (100, 0)
    _report(assemble, good=1)
    assert _on_hand(screw) == 96
    serial = SerialNumber.objects.get()
    assert (serial.production_order_id, serial.print_job_id) == (order.pk, job.pk)
    assert TraceLink.objects.filter(target_type="serial", target_id=serial.pk).count() == 2
    used = order.materials.get(product=screw)
    assert (used.quantity_used, used.print_job_id) == (4, job.pk)
    _report(assemble, good=1)
    assert (_on_hand(screw), SerialNumber.objects.count()) == (92, 2)
    assert verify_ledger().is_clean


def test_a_unit_that_may_come_from_several_plates_names_no_single_job_but_all_lots() -> None:
    stock(black_pla())
    product = printable(parts=2, grams="50", is_serialized=True)
    routed(product, Kind.PAINT)
    order, jobs = queued(product, 4)
    for job in jobs:
        cleared(job, good=2)
    _report(_operations(order)[0], good=4)
    serial = SerialNumber.objects.order_by("id").first()
    assert serial.print_job is None
    assert TraceLink.objects.filter(source_type="print_job", target_type="serial", target_id=serial.pk).count() == 2
    found = trace_serial(serial.serial_number)
    assert found["printer"] is None
    assert [row["code"] for row in found["print_jobs"]] == [job.code for job in jobs]
    assert [row["quantity"] for row in found["lots"]] == [Decimal("0.1")]


def test_scrap_at_an_operation_is_printed_again_and_completes_the_order_in_the_end() -> None:
    order, [paint, pack] = _printed(Kind.PAINT, Kind.PACK)
    damaged = DefectReason.objects.create(code="run", name="Paint run")
    report = _report(paint, good=3, scrap=1, defect=damaged, note="too thick")
    assert (report.defect, report.note) == (damaged, "too thick")
    order.refresh_from_db()
    assert (order.status, order.quantity_lost, order.quantity_scrapped) == ("printing", 1, 1)
    [again] = PrintJob.objects.filter(production_order=order, status="queued")
    assert again.parts.get().planned == 1
    assert again.filaments.get().planned_grams == Decimal(25)
    _report(pack, good=3)
    order.refresh_from_db()
    assert (order.status, order.quantity_completed) == ("printing", 3)
    cleared(again, good=1)
    assert _units(order)[0] == ("running", 5, 3, 1, 1)
    _report(paint, good=1)
    _report(pack, good=1)
    order.refresh_from_db()
    assert (order.status, order.quantity_completed, order.quantity_scrapped) == ("completed", 4, 1)
    assert PrintJob.objects.count() == 2
    assert _on_hand(order.product) == 4
    assert verify_ledger().is_clean


def test_scrap_of_a_product_of_several_plates_makes_a_job_for_each() -> None:
    from production.tests.test_clearing import _two_plates

    stock(black_pla())
    product = _two_plates()
    routed(product, Kind.ASSEMBLE)
    order, jobs = queued(product, 4)
    for job in jobs:
        cleared(job, good=job.parts.get().planned)
    [assemble] = _operations(order)
    assert _units(order) == [("pending", 4, 0, 0, 4)]
    _report(assemble, good=2, scrap=2)
    again = PrintJob.objects.filter(status="queued").order_by("plate__plate_number")
    assert [(job.plate.plate_number, job.parts.get().planned) for job in again] == [(1, 2), (2, 2)]
    order.refresh_from_db()
    assert order.quantity_scrapped == 4  # two parts each


def test_scrap_makes_no_job_when_a_person_says_so_or_others_bring_the_parts() -> None:
    order, [paint] = _printed(Kind.PAINT)
    _report(paint, scrap=1, requeue_missing=False)
    assert PrintJob.objects.count() == 1
    order.refresh_from_db()
    [again] = production.requeue_missing_parts(order, actor=system_actor())
    assert again.parts.get().planned == 1
    assert production.requeue_missing_parts(order, actor=system_actor()) == []


def test_more_than_was_needed_stays_in_work_and_can_still_become_stock() -> None:
    stock(black_pla())
    product = printable(parts=4)
    routed(product, Kind.PAINT)
    order, [job] = queued(product, 3)
    job.parts.update(planned=4)
    finished(job)
    production.clear_plate(job, [Count(order.pk, 4)], actor=system_actor())
    [paint] = _operations(order)
    _report(paint, good=3)
    order.refresh_from_db()
    assert (order.status, _units(order)) == ("completed", [("running", 4, 3, 0, 1)])
    _report(paint, good=1)
    order.refresh_from_db()
    assert (order.quantity_completed, _on_hand(product)) == (4, 4)
    assert _units(order) == [("done", 4, 4, 0, 0)]


def test_rework_keeps_the_unit_and_sends_it_through_again() -> None:
    order, [paint, inspect] = _printed(Kind.PAINT, Kind.ASSEMBLE)
    _report(paint, good=4)
    assert _units(order)[0] == ("done", 4, 4, 0, 0)
    report = _report(inspect, good=2, rework=2, rework_to=paint, note="dust")
    assert report.rework_to == paint
    assert _units(order) == [("pending", 4, 4, 0, 2), ("running", 4, 2, 0, 0)]
    assert PrintJob.objects.count() == 1
    _report(paint, good=2)
    _report(inspect, rework=1, good=1)
    assert _units(order)[1] == ("running", 6, 3, 0, 1)
    _report(inspect, good=1)
    order.refresh_from_db()
    assert (order.status, order.quantity_completed, order.quantity_scrapped) == ("completed", 4, 0)
    assert _on_hand(order.product) == 4


def test_rework_goes_to_no_later_or_foreign_operation() -> None:
    order, [paint, pack] = _printed(Kind.PAINT, Kind.PACK)
    _, [foreign] = _printed(Kind.PAINT)
    for target in (pack, foreign):
        with pytest.raises(InvalidValue):
            _report(paint, rework=1, rework_to=target)
    assert _units(order)[0] == ("pending", 4, 0, 0, 4)
    assert not OperationReport.objects.exists()


def test_more_units_than_wait_are_refused() -> None:
    order, [paint, pack] = _printed(Kind.PAINT, Kind.PACK)
    with pytest.raises(TooManyUnits) as refusal:
        _report(paint, good=3, scrap=1, rework=1)
    assert (refusal.value.code, refusal.value.details) == ("PROD_008", {"waiting": 4, "reported": 5})
    with pytest.raises(TooManyUnits):
        _report(pack, good=1)
    assert _units(order) == [("pending", 4, 0, 0, 4), ("pending", 0, 0, 0, 0)]
    assert not OperationReport.objects.exists()


def test_the_database_itself_refuses_that_more_leaves_than_came() -> None:
    _, [paint] = _printed(Kind.PAINT)
    with pytest.raises(IntegrityError), transaction.atomic():
        ProductionOperation.objects.filter(pk=paint.pk).update(quantity_good=5)


@pytest.mark.parametrize(
    "counts",
    [
        {},
        {"good": -1},
        {"scrap": -1},
        {"minutes": Decimal(-1)},
        {"minutes": Decimal("NaN")},
        {"minutes": Decimal(10**6)},
    ],
)
def test_a_report_of_nothing_or_nonsense_is_refused(counts: dict[str, object]) -> None:
    _, [paint] = _printed(Kind.PAINT)
    with pytest.raises(InvalidValue):
        _report(paint, **counts)
    assert not OperationReport.objects.exists()


def test_a_report_that_is_sent_twice_counts_once() -> None:
    order, [paint] = _printed(Kind.PAINT)
    first = _report(paint, good=2, request_key="tap-1")
    second = _report(paint, good=2, request_key="tap-1")
    assert second == first
    assert _units(order) == [("running", 4, 2, 0, 2)]
    assert _on_hand(order.product) == 2
    _, [other] = _printed(Kind.PAINT)
    with pytest.raises(AlreadyDone):
        _report(other, good=2, request_key="tap-1")


def test_a_report_that_breaks_off_leaves_nothing_behind() -> None:
    order, [paint, pack] = _printed(Kind.PAINT, Kind.PACK)
    _report(paint, good=4)
    with transaction.atomic():
        _report(pack, good=4, request_key="tap-2")
        transaction.set_rollback(True)  # killed before the commit
    assert _units(order)[1] == ("pending", 4, 0, 0, 4)
    assert _on_hand(order.product) == 0
    assert not OperationReport.objects.filter(request_key="tap-2").exists()
    _report(pack, good=4, request_key="tap-2")
    assert _on_hand(order.product) == 4


def test_an_operation_is_started_once_and_finished_when_nothing_waits() -> None:
    order, [paint, pack] = _printed(Kind.PAINT, Kind.PACK, good=3)
    production.start_operation(paint, actor=system_actor())
    assert (paint.status, paint.operator) == ("running", system_actor())
    assert paint.started_at is not None
    with pytest.raises(InvalidTransition):
        production.start_operation(paint, actor=system_actor())
    with pytest.raises(TooManyUnits):
        production.finish_operation(paint, actor=system_actor())
    _report(paint, good=3)
    production.finish_operation(paint, actor=system_actor())
    assert _units(order)[0] == ("done", 3, 3, 0, 0)
    assert OutboxEvent.objects.get(topic="production.operation_started").payload["number"] == paint.code
    production.reopen_operation(paint, actor=system_actor(), reason="one more coat")
    assert _units(order)[0] == ("pending", 3, 3, 0, 0)
    assert paint.history.first().history_change_reason == "one more coat"
    _report(pack, rework=1, rework_to=paint)
    assert _units(order)[0] == ("pending", 3, 3, 0, 1)
    production.report_operation(paint, good=1, actor=system_actor())
    production.finish_operation(paint, actor=system_actor())
    cleared(PrintJob.objects.get(status="queued"), good=1)
    assert _units(order)[0] == ("pending", 4, 4, 0, 1)


def test_nothing_is_started_for_an_order_that_is_not_in_work() -> None:
    product = printable()
    routed(product, Kind.PAINT)
    order = draft(product)
    production.confirm_production_orders([order], actor=system_actor())
    [paint] = _operations(order)
    with pytest.raises(InvalidTransition):
        production.start_operation(paint, actor=system_actor())
    paint.refresh_from_db()
    assert paint.status == "pending"


def test_units_go_past_an_operation_that_is_skipped() -> None:
    order, [paint, pack] = _printed(Kind.PAINT, Kind.PACK, good=2)
    with pytest.raises(ReasonRequired):
        production.skip_operation(paint, actor=system_actor(), reason="")
    production.skip_operation(paint, actor=system_actor(), reason="The customer wants it raw")
    assert _units(order) == [("skipped", 2, 2, 0, 0), ("pending", 2, 0, 0, 2)]
    with pytest.raises(InvalidTransition):
        _report(paint, good=1)
    [again] = PrintJob.objects.filter(status="queued")
    cleared(again, good=2)
    assert _units(order) == [("skipped", 4, 4, 0, 0), ("pending", 4, 0, 0, 4)]
    production.skip_operation(pack, actor=system_actor(), reason="In bulk")
    order.refresh_from_db()
    assert (order.status, order.quantity_completed, _on_hand(order.product)) == ("completed", 4, 4)


def test_plates_fill_the_shelf_when_every_operation_is_skipped_with_serial_numbers() -> None:
    stock(black_pla())
    product = printable(parts=2, is_serialized=True)
    routed(product, Kind.PAINT)
    order, [job] = queued(product, 2)
    production.skip_operation(_operations(order)[0], actor=system_actor(), reason="raw")
    cleared(job, good=2)
    order.refresh_from_db()
    assert (order.status, SerialNumber.objects.count()) == ("completed", 2)


def test_an_order_with_units_in_work_is_neither_closed_nor_cancelled() -> None:
    order, [paint] = _printed(Kind.PAINT)
    _report(paint, good=1)
    with pytest.raises(UnitsInWork) as refusal:
        production.complete_production_order(order, actor=system_actor(), reason="enough")
    assert refusal.value.code == "PROD_009"
    assert refusal.value.details["operations"] == [{"operation": paint.code, "name": "painting", "units": 3}]
    for action in ("complete", "cancel"):
        told = [effect.text for effect in order_effects(order, action) if effect.is_warning]
        assert "It is refused while 3 parts wait at painting: report them first." in told
    production.fail_production_order(order, actor=system_actor(), reason="no paint")
    with pytest.raises(UnitsInWork):
        production.cancel_production_order(order, actor=system_actor(), reason="no paint")
    order.refresh_from_db()
    assert order.status == "failed"
    _report(paint, good=1)
    assert _on_hand(order.product) == 2
    with pytest.raises(ReasonRequired):
        production.scrap_units_in_work(order, actor=system_actor(), reason=" ")
    [report] = production.scrap_units_in_work(order, actor=system_actor(), reason="no paint")
    assert (report.scrap, report.note) == (2, "no paint")
    production.cancel_production_order(order, actor=system_actor(), reason="no paint")
    order.refresh_from_db()
    assert (order.status, order.quantity_completed, order.quantity_scrapped) == ("cancelled", 2, 2)
    assert _units(order) == [("done", 4, 2, 2, 0)]
    assert PrintJob.objects.count() == 1


def test_closing_short_ends_what_did_not_begin() -> None:
    stock(black_pla())
    product = printable(parts=2)
    routed(product, Kind.PAINT, Kind.PACK)
    order, [first, second] = queued(product, 4)
    production.complete_production_order(order, actor=system_actor(), reason="withdrawn")
    assert [row[0] for row in _units(order)] == ["cancelled", "cancelled"]
    assert {first.status, second.status} == {"queued"}
    assert set(PrintJob.objects.values_list("status", flat=True)) == {"cancelled"}


def test_a_plate_that_is_counted_after_the_order_was_closed_opens_its_operations_again() -> None:
    stock(black_pla())
    product = printable(parts=2)
    routed(product, Kind.PAINT, Kind.PACK)
    order, [job] = queued(product, 2)
    finished(job)
    order.refresh_from_db()
    production.complete_production_order(order, actor=system_actor(), reason="withdrawn")
    production.clear_plate(job, [Count(order.pk, 2)], actor=system_actor())
    assert _units(order) == [("pending", 2, 0, 0, 2), ("cancelled", 0, 0, 0, 0)]
    paint, pack = _operations(order)
    _report(paint, good=2)
    _report(pack, good=2)
    order.refresh_from_db()
    assert (order.status, order.quantity_completed, _on_hand(product)) == ("completed", 2, 2)


def test_counting_and_closing_short_in_one_act_is_refused_before_operations() -> None:
    stock(black_pla())
    product = printable(parts=2)
    routed(product, Kind.PAINT)
    order, [job] = queued(product, 2)
    finished(job)
    with pytest.raises(UnitsInWork):
        production.count_printed(order, good=1, scrap=1, reason="torn", close_short=True, actor=system_actor())
    job.refresh_from_db()
    assert job.cleared_at is None


def test_the_last_inspection_passes_units_for_packing() -> None:
    _, [paint, inspect] = _printed(Kind.PAINT, Kind.INSPECT, is_serialized=True)
    _report(paint, good=4)
    _report(inspect, good=4, note="all smooth")
    rows = list(QualityInspection.objects.order_by("id"))
    assert [(row.inspection_type, row.passed, row.quantity, row.notes) for row in rows] == [
        ("FINAL", True, 1, "all smooth")
    ] * 4
    assert {row.serial_number_id for row in rows} == set(SerialNumber.objects.values_list("pk", flat=True))
    assert not Nonconformance.objects.exists()


def test_an_inspection_before_the_end_is_in_process_and_does_not_stand_for_the_final_one() -> None:
    _, [inspect, pack] = _printed(Kind.INSPECT, Kind.PACK)
    _report(inspect, good=4)
    row = QualityInspection.objects.get()
    assert (row.inspection_type, row.passed, row.quantity, row.serial_number) == ("IN_PROCESS", True, 4, None)
    _report(pack, good=4)
    assert not QualityInspection.objects.filter(inspection_type="FINAL").exists()


def test_units_that_fail_an_inspection_are_scrapped_written_up_and_made_again() -> None:
    _, [inspect] = _printed(Kind.INSPECT)
    warped = DefectReason.objects.create(code="warped", name="Warped")
    with pytest.raises(ReasonRequired):
        _report(inspect, scrap=1)
    _report(inspect, good=3, scrap=1, defect=warped, note="2 mm at the edge")
    passed, failed = QualityInspection.objects.order_by("id")
    assert (passed.passed, passed.quantity) == (True, 3)
    assert (failed.passed, failed.quantity, failed.notes) == (False, 1, "Warped: 2 mm at the edge")
    report = Nonconformance.objects.get()
    assert (report.quantity, report.description, report.disposition) == (1, "Warped: 2 mm at the edge", "SCRAP")
    assert PrintJob.objects.filter(status="queued").get().parts.get().planned == 1


def test_only_who_may_inspect_reports_an_inspection() -> None:
    order, [inspect] = _printed(Kind.INSPECT)
    operator = UserFactory()
    for counts in ({"good": 1}, {"scrap": 1, "note": "bad"}):
        with pytest.raises(NotAllowed):
            production.report_operation(inspect, actor=operator, **counts)
    assert not QualityInspection.objects.exists()
    assert _units(order) == [("pending", 4, 0, 0, 4)]


def test_units_that_fail_after_the_last_operation_leave_the_shelf_and_are_made_again() -> None:
    stock(black_pla())
    product = printable(parts=2)
    routed(product, Kind.PAINT)
    order, [first, _] = queued(product, 4)
    cleared(first, good=2)
    [paint] = _operations(order)
    _report(paint, good=2)
    order.refresh_from_db()
    production.fail_inspection(order, quantity=1, reason="scratched", actor=system_actor())
    order.refresh_from_db()
    assert (order.quantity_completed, order.quantity_scrapped, _on_hand(product)) == (1, 1, 1)
    assert _units(order) == [("running", 2, 1, 1, 0)]
    assert OperationReport.objects.order_by("-id").first().recalled == 1
    assert sum(job.parts.get().planned for job in PrintJob.objects.filter(status="queued")) == 3
    for job in PrintJob.objects.filter(status="queued").order_by("id"):
        cleared(job, good=job.parts.get().planned)
    _report(paint, good=3)
    order.refresh_from_db()
    assert (order.status, order.quantity_completed, _on_hand(product)) == ("completed", 4, 4)


def test_a_product_without_routing_goes_from_plate_to_shelf_as_ever() -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=2), 2)
    cleared(job, good=2)
    order.refresh_from_db()
    assert (order.status, order.quantity_completed, order.quantity_lost) == ("completed", 2, 0)
    assert not Flow(order)


@pytest.mark.skipif(
    not os.environ.get("TEST_DATABASE_URL", "").startswith("postgres"),
    reason="two writers at once need PostgreSQL",
)
@pytest.mark.django_db(transaction=True)
def test_two_operators_who_report_the_last_units_at_once_are_not_both_believed() -> None:
    order, [paint] = _printed(Kind.PAINT)
    start = threading.Barrier(4)
    answers: list[object] = []

    def report() -> None:
        try:
            start.wait(timeout=30)
            mine = ProductionOperation.objects.get(pk=paint.pk)
            answers.append(production.report_operation(mine, good=3, actor=system_actor()))
        except BLB3DError as error:
            answers.append(error.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=report) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert answers.count("PROD_008") == 3
    assert _units(order) == [("running", 4, 3, 0, 1)]
    assert (OperationReport.objects.count(), _on_hand(order.product)) == (1, 3)


@pytest.mark.skipif(
    not os.environ.get("TEST_DATABASE_URL", "").startswith("postgres"),
    reason="two writers at once need PostgreSQL",
)
@pytest.mark.django_db(transaction=True)
def test_one_report_that_arrives_twice_at_once_counts_once() -> None:
    order, [paint] = _printed(Kind.PAINT)
    start = threading.Barrier(4)
    answers: list[object] = []

    def report() -> None:
        try:
            start.wait(timeout=30)
            mine = ProductionOperation.objects.get(pk=paint.pk)
            answers.append(production.report_operation(mine, good=2, request_key="double tap", actor=system_actor()).pk)
        except BLB3DError as error:
            answers.append(error.code)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=report) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(answers) == 4
    assert len(set(answers)) == 1
    assert (_units(order), _on_hand(order.product)) == ([("running", 4, 2, 0, 2)], 2)


def _value_received(product: Product) -> Decimal:
    rows = InventoryTransaction.objects.filter(product=product, transaction_type="production_output")
    return sum((row.quantity * row.unit_cost for row in rows), Decimal(0))


def test_units_that_come_in_one_by_one_cost_together_what_was_used() -> None:
    order, [paint] = _printed(Kind.PAINT)
    for _ in range(4):
        _report(paint, good=1)
    assert _value_received(order.product) == Decimal("1.2")  # 100 g at 12.00 per kg
    assert Inventory.objects.get(product=order.product).cost_per_unit == Decimal("0.3")


def test_a_plate_that_waits_to_be_counted_bears_its_own_cost() -> None:
    stock(black_pla())
    product = printable(parts=2, grams="100")
    order, jobs = queued(product, 4)
    for job in jobs:
        finished(job)
    for job in jobs:
        production.clear_plate(job, [Count(order.pk, 2)], actor=system_actor())
    assert [row.unit_cost for row in InventoryTransaction.objects.filter(transaction_type="production_output")] == [
        Decimal("0.6"),
        Decimal("0.6"),
    ]


@pytest.mark.parametrize("has_operation", [True, False])
def test_each_unit_bears_its_own_components_however_many_still_wait(has_operation: bool) -> None:
    pla, screw = black_pla(), ComponentFactory(unit_cost=Decimal(10))
    stock(pla)
    put_on_shelf(screw, 100)
    product = printable(parts=2, grams="100", material=pla)
    make_bom(product, (pla, "0.05"), (screw, 1))
    if has_operation:
        routed(product, Kind.ASSEMBLE)
    order, jobs = queued(product, 4)
    for job in jobs:
        finished(job)
    for job in jobs:
        production.clear_plate(job, [Count(order.pk, 2)], actor=system_actor())
    for operation in _operations(order):
        for good in (1, 1, 2):
            _report(operation, good=good)
    received = InventoryTransaction.objects.filter(transaction_type="production_output")
    assert {row.unit_cost for row in received} == {Decimal("10.6")}  # 50 g at 12.00 per kg, and one screw
    assert sum(row.quantity for row in received) == 4
