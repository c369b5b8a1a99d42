"""What production orders cost: by lot, by machine, by hand, and how much of it was lost."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from inventory.tests.factories import (
    ComponentFactory,
    MaterialFactory,
    ProductFactory,
    make_bom,
    make_plate,
    put_on_shelf,
    receive,
    release_file,
    system_actor,
)
from production import services as production
from production.models import OperationReport, PrintJob, PrintJobPart, ProductionOperation, ProductionOrder, WorkCenter
from production.selectors.costs import lots_used, production_costs
from production.tests.factories import (
    PrinterFactory,
    black_pla,
    cleared,
    draft,
    finished,
    printable,
    printing,
    queued,
    routed,
    stock,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _rate(settings: Any) -> None:
    settings.MACHINE_HOURLY_RATE = Decimal("1.50")


def cost(order: ProductionOrder):
    return production_costs([order.pk])[order.pk]


def test_a_plan_costs_its_bill_its_plates_and_nothing_yet() -> None:
    screw = ComponentFactory(unit_cost=Decimal("0.25"))
    product = ProductFactory()
    make_bom(product, (black_pla(), "0.1"), (screw, 4))
    make_plate(product, parts=4, minutes=120)
    found = cost(draft(product, 10))
    # 0.1 kg at 12 and 4 screws at 0.25 each; 30 minutes at 1.50 an hour.
    assert (found.planned.material, found.planned.machine, found.planned.labour) == (22, Decimal("7.50"), 0)
    assert (found.planned_machine_minutes, found.planned_per_unit) == (300, Decimal("2.95"))
    assert (found.actual.total, found.failures, found.actual_per_good) == (0, 0, None)


def test_material_costs_what_its_lots_did_and_a_printer_its_own_rate() -> None:
    pla = black_pla()
    receive(pla, "0.05", unit_cost=Decimal(10))
    receive(pla, "5", unit_cost=Decimal(20))
    order, [job] = queued(printable(parts=2, grams="100"), 2)
    printer = PrinterFactory(loaded=[pla], hourly_rate=Decimal(3))
    finished(job, printer, minutes=Decimal(90))
    production.clear_plate(job, [production.PlateCount(order.pk, 2)], actor=system_actor())
    found = cost(order)
    # Half of it from the first lot at 10, half from the second at 20; 90 minutes at 3 an hour.
    assert (found.actual.material, found.actual.machine) == (Decimal("1.50"), Decimal("4.50"))
    assert (found.actual_machine_minutes, found.good, found.actual_per_good) == (90, 2, 3)
    assert found.failures == 0
    assert [(row.quantity, row.cost) for row in lots_used(order)] == [
        (Decimal("0.05"), Decimal("0.50")),
        (Decimal("0.05"), Decimal("1.00")),
    ]


def test_scrap_and_failed_prints_are_the_cost_of_failure() -> None:
    stock(black_pla())
    order, [job, _] = queued(printable(parts=2, grams="100"), 4)
    finished(job, minutes=Decimal(60))
    count = production.PlateCount(order.pk, 1, 1, "Warped")
    production.clear_plate(job, [count], actor=system_actor(), requeue_missing=False)
    # Half of 100 g at 12 a kg and of an hour at 1.50.
    assert cost(order).failures == Decimal("1.35")
    second = PrintJob.objects.get(status="queued")
    printing(second)
    production.record_failed(second, actor=system_actor(), code="spaghetti", text="Spaghetti", progress_percent=50)
    found = cost(order)
    assert found.actual.material == Decimal("1.80")
    assert found.failures - Decimal("1.35") >= Decimal("0.60")


def test_a_shared_plate_is_paid_by_parts() -> None:
    stock(black_pla())
    product = printable(parts=4, grams="400")
    order, [job] = queued(product, 1)
    other, [second] = queued(product, 3)
    shared = production.combine_jobs([job, second], actor=system_actor())
    finished(shared, minutes=Decimal(80))
    one, three = production_costs([order.pk, other.pk]).values()
    assert (one.actual_machine_minutes, three.actual_machine_minutes) == (20, 60)
    assert (one.actual.material, three.actual.material) == (Decimal("1.20"), Decimal("3.60"))


def test_a_job_that_prints_costs_what_its_progress_says() -> None:
    stock(black_pla())
    order, [job] = queued(printable(), 1)
    printing(job)
    production.record_progress(job, percent=25, actor=system_actor())
    assert cost(order).actual_machine_minutes == 15


def test_work_by_hand_is_paid_by_its_work_center() -> None:
    stock(black_pla())
    order, _ = queued(printable(), 4)
    bench = WorkCenter.objects.create(code="BENCH", name="Bench", kind="post_process", hourly_rate=Decimal(30))
    operation = ProductionOperation.objects.create(
        code=f"{order.code}-10",
        production_order=order,
        sequence=10,
        name="Sand",
        work_center=bench,
        setup_minutes=Decimal(10),
        minutes_per_unit=Decimal(5),
    )
    OperationReport.objects.create(
        operation=operation, good=3, scrap=1, minutes=Decimal(40), reported_by=system_actor()
    )
    found = cost(order)
    assert (found.planned_labour_minutes, found.planned.labour) == (30, 15)
    assert (found.actual_labour_minutes, found.actual.labour, found.failures) == (40, 20, 5)


def test_many_orders_cost_as_many_queries_as_one() -> None:
    stock(black_pla(), "100")
    made = []
    for _ in range(4):
        order, [job] = queued(printable(parts=2, material=MaterialFactory()), 2)
        stock(job.filaments.get().material)
        cleared(job, good=1, scrap=1)
        made.append(order.pk)

    def queries(pks: list[int]) -> int:
        with CaptureQueriesContext(connection) as seen:
            assert len(production_costs(pks)) == len(pks)
        return len(seen)

    assert queries(made[:1]) == queries(made) <= 8
    assert production_costs([]) == {}


def test_a_component_that_no_printer_takes_is_not_lost_with_the_print() -> None:
    pla, screw = black_pla(), ComponentFactory(unit_cost=Decimal(1))
    stock(pla)
    put_on_shelf(screw, 10)
    product = ProductFactory()
    make_bom(product, (pla, "0.05"), (screw, 1))
    release_file(make_plate(product, parts=2, grams={pla: "100"}))
    order, [job] = queued(product, 2)
    finished(job, minutes=Decimal(0))
    production.clear_plate(job, [production.PlateCount(order.pk, 1, 1)], actor=system_actor(), requeue_missing=False)
    found = cost(order)
    assert (found.actual.material, found.failures) == (Decimal("2.20"), Decimal("0.60"))
    assert PrintJobPart.objects.get(job=job).scrap == 1


def test_units_sent_back_at_an_operation_are_rework() -> None:
    stock(black_pla())
    product = printable(parts=2)
    routed(product, "post_process")
    order, [job] = queued(product, 2)
    cleared(job, good=2)
    [operation] = order.operations.all()
    actor = system_actor()
    production.report_operation(operation, good=1, rework=1, minutes=Decimal(10), actor=actor)
    production.report_operation(operation, good=1, minutes=Decimal(2), actor=actor)
    order.refresh_from_db()
    assert (order.status, order.analytics.rework_count) == ("completed", 1)
    found = cost(order)
    # Half of ten minutes at 30 an hour were for a unit that had to be done again.
    assert (found.actual.labour, found.failures) == (Decimal("6.00"), Decimal("2.50"))
