"""Planning, confirming, queueing, closing production orders."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from blb3d.core.errors import InvalidTransition, InvalidValue, ReasonRequired
from blb3d.core.outbox import OutboxEvent, drain
from inventory.models import Reservation
from inventory.selectors import verify_ledger
from inventory.tests.factories import (
    ComponentFactory,
    ProductFactory,
    make_bom,
    put_on_shelf,
    release_file,
    system_actor,
)
from production import services as production
from production.errors import NoPlates, NoPrintFile, NotMakeable
from production.models import Demand, PrintJob, ProductionAnalytics, ProductionOrder, TraceLink
from production.tests.factories import (
    black_pla,
    cleared,
    confirmed,
    draft,
    finished,
    printable,
    queued,
    sent,
    stock,
)

pytestmark = pytest.mark.django_db


def test_a_plan_is_a_draft_with_its_demand() -> None:
    product = printable()
    order = draft(product, 3, demand_reference=("sales_order_line", 7), demand_label="SO-2025-001")
    assert order.status == "draft"
    assert order.bom.product_id == product.pk
    assert order.quantity_missing == 3
    demand = Demand.objects.get(production_order=order)
    assert (demand.reference_type, demand.reference_id, demand.quantity) == ("sales_order_line", 7, 3)
    assert order.history.get().history_user == system_actor()


def test_a_product_without_a_bill_is_refused_and_nothing_planned() -> None:
    good, bad = printable(), ProductFactory(sku="FG-BARE")
    with pytest.raises(NotMakeable) as refusal:
        production.plan_production_orders(
            [production.PlanRequest(good, 1), production.PlanRequest(bad, 1)], actor=system_actor()
        )
    assert refusal.value.code == "PROD_001"
    assert refusal.value.details == {"products": ["FG-BARE"]}
    assert not ProductionOrder.objects.exists()


def test_an_inactive_product_is_refused() -> None:
    product = printable()
    product.is_active = False
    product.save()
    with pytest.raises(NotMakeable):
        draft(product)


@pytest.mark.parametrize(("quantity", "priority"), [(0, 2), (-1, 2), (10**9, 2), (1, 0), (1, 5)])
def test_a_plan_needs_a_quantity_and_a_known_priority(quantity: int, priority: int) -> None:
    with pytest.raises(InvalidValue):
        draft(printable(), quantity, priority=priority)


def test_confirming_reserves_material_by_bill_and_names_what_is_short() -> None:
    pla = black_pla()
    screw = ComponentFactory()
    stock(pla, "10")
    put_on_shelf(screw, 5)
    product = ProductFactory()
    make_bom(product, (pla, "0.1000"), (screw, 4))
    order = draft(product, 3)
    shortages = production.confirm_production_orders([order], actor=system_actor())
    assert order.status == "confirmed"
    assert order.confirmed_at is not None
    assert [(row.product_id, row.needed, row.missing) for row in shortages] == [(screw.pk, Decimal(12), Decimal(7))]
    held = {row.balance.product_id: row.quantity for row in Reservation.objects.select_related("balance")}
    assert held == {pla.pk: Decimal("0.3"), screw.pk: Decimal(5)}
    assert verify_ledger().is_clean


def test_planning_and_confirming_cost_the_same_for_one_order_and_three() -> None:
    products = []
    for _ in range(3):
        product = ProductFactory()
        components = [ComponentFactory() for _ in range(10)]
        for component in components:
            put_on_shelf(component, 100)
        make_bom(product, *((component, 2) for component in components))
        products.append(product)

    def cost(made: list) -> int:
        with CaptureQueriesContext(connection) as queries:
            orders = production.plan_production_orders(
                [production.PlanRequest(product, 2, demand_reference=("sales_order_line", 1)) for product in made],
                actor=system_actor(),
            )
            production.confirm_production_orders(orders, actor=system_actor())
        return sum(not row["sql"].startswith(("SAVEPOINT", "RELEASE", "BEGIN")) for row in queries)

    cost(products[:1])
    assert cost(products[:1]) == cost(products) <= 25


def test_a_quantity_becomes_plates_and_the_last_is_partly_filled() -> None:
    order, jobs = queued(printable(parts=4, grams="80"), 10, priority=3)
    assert order.status == "queued"
    assert [job.parts.get().planned for job in jobs] == [4, 4, 2]
    assert [job.filaments.get().planned_grams for job in jobs] == [Decimal(80), Decimal(80), Decimal(40)]
    assert [job.estimated_time_minutes for job in jobs] == [Decimal(60), Decimal(60), Decimal(30)]
    assert {job.priority for job in jobs} == {3}
    assert len({job.code for job in jobs}) == 3


def test_queueing_costs_the_same_for_one_job_and_twenty() -> None:
    product = printable()

    def cost(quantity: int) -> int:
        order = confirmed(product, quantity)
        with CaptureQueriesContext(connection) as queries:
            production.queue_production_order(order, actor=system_actor())
        return len(queries)

    cost(1)
    assert cost(1) == cost(20)


def test_an_order_without_a_print_file_cannot_be_queued_and_stays_as_it_was() -> None:
    order = confirmed(printable(file=False), 2)
    with pytest.raises(NoPrintFile) as refusal:
        production.queue_production_order(order, actor=system_actor())
    assert refusal.value.code == "PROD_002"
    order.refresh_from_db()
    assert order.status == "confirmed"
    assert not PrintJob.objects.exists()


def test_a_product_without_plates_cannot_be_queued() -> None:
    product = ProductFactory()
    make_bom(product, (ComponentFactory(), 1))
    with pytest.raises(NoPlates):
        production.queue_production_order(confirmed(product), actor=system_actor())


def test_a_confirmed_order_is_queued_by_the_relay() -> None:
    order = confirmed(printable(), 2)
    drain()
    order.refresh_from_db()
    assert order.status == "queued"
    assert order.print_jobs.count() == 2


def test_a_missing_print_file_is_asked_for_and_its_release_queues_the_order() -> None:
    product = printable(file=False)
    order = confirmed(product, 2)
    drain()
    order.refresh_from_db()
    assert order.status == "confirmed"
    plate = product.plates.get()
    needed = OutboxEvent.objects.get(topic="production.print_file_needed")
    assert needed.payload == {"plate_id": plate.pk, "product_id": product.pk, "production_order_id": order.pk}
    release_file(plate)
    drain()
    order.refresh_from_db()
    assert order.status == "queued"


def test_cancelling_ends_its_jobs_and_gives_material_free() -> None:
    stock(black_pla())
    order, jobs = queued(printable(), 2)
    assert Reservation.objects.count() == 1
    production.cancel_production_order(order, actor=system_actor(), reason="The customer withdrew")
    assert order.status == "cancelled"
    assert [PrintJob.objects.get(pk=job.pk).status for job in jobs] == ["cancelled", "cancelled"]
    assert not Reservation.objects.exists()
    assert order.history.first().history_change_reason == "The customer withdrew"
    assert verify_ledger().is_clean


def test_cancelling_asks_the_printer_to_stop_a_job_on_its_way() -> None:
    stock(black_pla())
    order, [job] = queued(printable())
    sent(job)
    production.cancel_production_order(order, actor=system_actor(), reason="Withdrawn")
    command = OutboxEvent.objects.get(topic="production.job_command_requested")
    assert command.payload["command"] == "stop"
    job.refresh_from_db()
    assert job.status == "sent"
    assert job.cancel_requested_at is not None


def test_cancelling_needs_a_reason_and_is_refused_once_it_prints() -> None:
    order, [job] = queued(printable())
    with pytest.raises(ReasonRequired):
        production.cancel_production_order(order, actor=system_actor(), reason=" ")
    finished(job)
    with pytest.raises(InvalidTransition):
        production.cancel_production_order(order, actor=system_actor(), reason="Too late")
    order.refresh_from_db()
    assert order.status == "printing"


def test_a_failed_order_is_retried_with_its_missing_parts_only() -> None:
    stock(black_pla())
    order, jobs = queued(printable(), 3)
    cleared(jobs[0], good=1)
    production.fail_production_order(order, actor=system_actor(), reason="Out of filament")
    assert {PrintJob.objects.get(pk=job.pk).status for job in jobs[1:]} == {"cancelled"}
    again = production.retry_production_order(order, actor=system_actor())
    assert order.status == "queued"
    assert sum(job.parts.get().planned for job in again) == 2
    for job in again:
        cleared(job, good=1)
    order.refresh_from_db()
    assert (order.status, order.quantity_completed) == ("completed", 3)


def test_closing_short_needs_a_reason_and_ends_what_waits() -> None:
    stock(black_pla())
    order, jobs = queued(printable(), 3)
    cleared(jobs[0], good=1)
    with pytest.raises(ReasonRequired):
        production.complete_production_order(order, actor=system_actor())
    order.refresh_from_db()
    assert order.status == "printing"
    production.complete_production_order(order, actor=system_actor(), reason="The customer takes one")
    assert (order.status, order.closed_short, order.quantity_completed) == ("completed", True, 1)
    assert {PrintJob.objects.get(pk=job.pk).status for job in jobs[1:]} == {"cancelled"}
    assert not Reservation.objects.exists()


def test_a_held_order_is_released_again() -> None:
    order, _ = queued(printable())
    production.hold_production_order(order, actor=system_actor(), reason="Wrong colour asked for")
    assert (order.is_held, order.hold_reason) == (True, "Wrong colour asked for")
    production.release_production_order_hold(order, actor=system_actor())
    assert (order.is_held, order.hold_reason) == (False, "")


def test_an_order_that_is_over_cannot_be_held() -> None:
    order = draft(printable())
    production.cancel_production_order(order, actor=system_actor(), reason="No")
    with pytest.raises(InvalidTransition):
        production.hold_production_order(order, actor=system_actor(), reason="Wait")


def test_the_end_of_an_order_records_how_well_it_was_estimated() -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=2, grams="100"), 2)
    finished(job, minutes=Decimal(75))
    production.clear_plate(job, [production.PlateCount(order.pk, 1, 1, "warped")], actor=system_actor())
    [retry] = order.print_jobs.filter(retry_of=job)
    finished(retry, minutes=Decimal(30))
    production.clear_plate(retry, [production.PlateCount(order.pk, 1)], actor=system_actor())
    row = ProductionAnalytics.objects.get(production_order=order)
    assert row.estimated_time_minutes == Decimal(90)
    assert row.actual_time_minutes == Decimal(105)
    assert row.accuracy_percent == Decimal("85.71")
    assert row.material_waste_grams == Decimal(50)
    assert row.rework_count == 1


def test_stock_orders_are_for_nobody() -> None:
    order = production.make_stock_order(printable(), quantity=5, actor=system_actor())
    assert (order.source_type, order.status, order.quantity) == ("stock", "draft", 5)
    assert not Demand.objects.exists()
    assert not TraceLink.objects.exists()


def test_an_order_that_was_given_up_and_got_every_part_all_the_same_completes_when_it_is_retried() -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=2), 2)
    finished(job)
    production.fail_production_order(order, reason="No hope", actor=system_actor())
    production.clear_plate(job, [production.PlateCount(order.pk, 2)], actor=system_actor())
    order.refresh_from_db()
    assert (order.status, order.quantity_completed) == ("failed", 2)
    assert production.retry_production_order(order, actor=system_actor()) == []
    order.refresh_from_db()
    assert (order.status, order.closed_short) == ("completed", False)
    assert not Reservation.objects.exists()
    assert verify_ledger().is_clean
