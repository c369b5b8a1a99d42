"""A person empties a plate and says what is good."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from blb3d.core.errors import InvalidTransition, InvalidValue
from blb3d.core.outbox import OutboxEvent
from blb3d.core.tests.counting import statements_of
from inventory import services as inventory
from inventory.models import Inventory, InventoryTransaction, Product, Reservation
from inventory.selectors import verify_ledger
from inventory.tests.factories import (
    ComponentFactory,
    LocationFactory,
    ProductFactory,
    make_bom,
    make_plate,
    put_on_shelf,
    receive,
    release_file,
    system_actor,
)
from production import services as production
from production.errors import AlreadyCleared, NotCombinable, WrongCounts
from production.models import PrintJob, PrintJobPart, ProductionOrder, SerialNumber, TraceLink
from production.selectors import Progress, order_progress
from production.tests.factories import black_pla, cleared, finished, printable, printing, queued, sent, stock

pytestmark = pytest.mark.django_db

Count = production.PlateCount


def _clear(job: PrintJob, *counts: production.PlateCount, **options: bool) -> PrintJob:
    return production.clear_plate(job, counts, actor=system_actor(), **options)


def test_good_parts_become_stock_for_who_waits_and_the_order_completes() -> None:
    stock(black_pla())
    product = printable(parts=4, grams="100")
    order, [job] = queued(product, 4, demand_reference=("sales_order_line", 77), demand_label="SO-2025-001")
    finished(job)
    _clear(job, Count(order.pk, 4))
    order.refresh_from_db()
    job.refresh_from_db()
    assert (order.status, order.quantity_completed, order.closed_short) == ("completed", 4, False)
    assert job.cleared_by == system_actor()
    assert not job.occupies_plate
    balance = Inventory.objects.get(product=product)
    assert (balance.on_hand_quantity, balance.allocated_quantity) == (4, 4)
    # 100 g at 12.00 per kg over four parts
    assert balance.cost_per_unit == Decimal("0.3")
    held = Reservation.objects.get()
    assert (held.reference_type, held.reference_id, held.quantity) == ("sales_order_line", 77, 4)
    assert OutboxEvent.objects.get(topic="production.order_completed").payload["closed_short"] is False
    assert OutboxEvent.objects.get(topic="production.plate_cleared").payload["printer_id"] == job.printer_id
    assert verify_ledger().is_clean


def test_a_failed_plate_brings_back_only_its_missing_parts() -> None:
    stock(black_pla())
    order, [first, second] = queued(printable(parts=4, grams="100"), 8)
    printing(first)
    production.record_failed(first, actor=system_actor(), code="", text="spaghetti", progress_percent=80)
    _clear(first, Count(order.pk, 1, 3, "spaghetti"))
    order.refresh_from_db()
    assert (order.status, order.quantity_completed, order.quantity_scrapped) == ("printing", 1, 3)
    [again] = PrintJob.objects.filter(retry_of=first)
    assert again.parts.get().planned == 3
    assert again.filaments.get().planned_grams == Decimal(75)
    assert PrintJob.objects.count() == 3
    cleared(second, good=4)
    cleared(again, good=3)
    order.refresh_from_db()
    assert (order.status, order.quantity_completed) == ("completed", 8)
    assert order_progress([order.pk])[order.pk].missing == 0


def test_missing_parts_do_not_come_back_when_a_person_says_so() -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=2), 2)
    finished(job)
    _clear(job, Count(order.pk, 1, 1, "stringing"), requeue_missing=False)
    assert PrintJob.objects.count() == 1
    order.refresh_from_db()
    assert (order.status, order.quantity_missing) == ("printing", 1)
    [again] = production.requeue_missing_parts(order, actor=system_actor())
    assert again.parts.get().planned == 1
    assert production.requeue_missing_parts(order, actor=system_actor()) == []


def test_a_plate_with_parts_of_two_orders_serves_both() -> None:
    pla = black_pla()
    stock(pla)
    product = printable(parts=6, grams="120")
    first, [job] = queued(product, 4)
    second, [other] = queued(product, 2)
    production.combine_jobs([job, other], actor=system_actor())
    other.refresh_from_db()
    assert other.status == "cancelled"
    assert job.estimated_grams == Decimal(120)
    finished(job)
    assert {order.status for order in ProductionOrder.objects.all()} == {"printing"}
    assert first.materials.get().quantity_used == Decimal("0.08")
    assert second.materials.get().quantity_used == Decimal("0.04")
    _clear(job, Count(first.pk, 4), Count(second.pk, 1, 1, "warped"))
    first.refresh_from_db()
    second.refresh_from_db()
    assert (first.status, first.quantity_completed) == ("completed", 4)
    assert (second.status, second.quantity_completed, second.quantity_scrapped) == ("printing", 1, 1)
    [again] = PrintJob.objects.filter(retry_of=job)
    assert [(part.production_order_id, part.planned) for part in again.parts.all()] == [(second.pk, 1)]
    cleared(again, good=1)
    second.refresh_from_db()
    assert second.status == "completed"
    assert Inventory.objects.get(product=product).on_hand_quantity == 6
    assert verify_ledger().is_clean


def test_cancelling_one_order_leaves_the_other_its_part_of_the_plate() -> None:
    stock(black_pla())
    product = printable(parts=6, grams="120")
    first, [job] = queued(product, 4)
    second, [other] = queued(product, 2)
    production.combine_jobs([job, other], actor=system_actor())
    production.cancel_production_order(first, actor=system_actor(), reason="Withdrawn")
    job.refresh_from_db()
    assert (job.status, job.production_order_id) == ("queued", second.pk)
    assert [(part.production_order_id, part.planned) for part in job.parts.all()] == [(second.pk, 2)]
    assert job.estimated_grams == Decimal(40)


def test_jobs_that_do_not_fit_on_one_plate_are_not_combined() -> None:
    product = printable(parts=4)
    _, [job] = queued(product, 3)
    _, [too_many] = queued(product, 2)
    _, [another] = queued(printable(parts=4), 1)
    for pair in ([job, too_many], [job, another], [job, job], [job]):
        with pytest.raises(NotCombinable):
            production.combine_jobs(pair, actor=system_actor())
    assert PrintJob.objects.filter(status="queued").count() == 3
    assert job.parts.get().planned == 3


def _two_plates(**product_fields: object) -> object:
    pla = black_pla()
    product = ProductFactory(**product_fields)
    make_bom(product, (pla, "0.0300"))
    specs = [
        inventory.PlateSpec(parts_per_plate=4, minutes=Decimal(40), filaments=[(pla, Decimal(40))]),
        inventory.PlateSpec(parts_per_plate=2, minutes=Decimal(30), filaments=[(pla, Decimal(40))]),
    ]
    for plate in inventory.set_plates(product, specs, actor=system_actor()):
        release_file(plate)
    return product


def test_a_product_of_several_plates_is_as_complete_as_its_least_plate() -> None:
    stock(black_pla())
    product = _two_plates()
    order, jobs = queued(product, 4)
    body, lid_one, lid_two = jobs
    assert [job.parts.get().planned for job in jobs] == [4, 2, 2]
    cleared(body, good=4)
    order.refresh_from_db()
    assert (order.status, order.quantity_completed) == ("printing", 0)
    assert not Inventory.objects.filter(product=product).exists()
    cleared(lid_one, good=2)
    order.refresh_from_db()
    assert order.quantity_completed == 2
    assert Inventory.objects.get(product=product).on_hand_quantity == 2
    assert order_progress([order.pk])[order.pk] == Progress(total=4, printed=2, good=2, scrapped=0, missing=2)
    cleared(lid_two, good=1, scrap=1, reason="cracked")
    [again] = PrintJob.objects.filter(retry_of=lid_two)
    assert again.plate_id == lid_two.plate_id
    cleared(again, good=1)
    order.refresh_from_db()
    assert (order.status, order.quantity_completed, order.quantity_scrapped) == ("completed", 4, 1)
    assert Inventory.objects.get(product=product).on_hand_quantity == 4


def test_other_components_are_taken_per_good_part() -> None:
    pla, screw = black_pla(), ComponentFactory(unit_cost=Decimal("0.5"))
    stock(pla)
    put_on_shelf(screw, 100)
    product = printable(parts=3, grams="30", material=pla)
    make_bom(product, (pla, "0.0100"), (screw, 4))
    order, [job] = queued(product, 3)
    finished(job)
    _clear(job, Count(order.pk, 2, 1, "warped"))
    assert Inventory.objects.get(product=screw).on_hand_quantity == 92
    used = order.materials.get(product=screw)
    assert (used.quantity_used, used.filament_position, used.print_job_id) == (8, None, job.pk)
    [again] = PrintJob.objects.filter(retry_of=job)
    cleared(again, good=1)
    balance = Inventory.objects.get(product=screw)
    assert (balance.on_hand_quantity, balance.allocated_quantity) == (88, 0)
    assert verify_ledger().is_clean


def test_serial_numbers_are_given_to_good_parts_and_traced() -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=3, is_serialized=True), 3)
    finished(job)
    _clear(job, Count(order.pk, 2, 1, "warped"))
    serials = list(SerialNumber.objects.order_by("serial_number"))
    assert len(serials) == 2
    for serial in serials:
        assert serial.serial_number.startswith("BLB-")
        assert serial.status == "IN_STOCK"
        assert serial.location.code == "MAIN"
        assert (serial.production_order_id, serial.print_job_id) == (order.pk, job.pk)
        assert TraceLink.objects.filter(target_type="serial", target_id=serial.pk).count() == 2
    numbers = [int(serial.serial_number.rsplit("-", 1)[1]) for serial in serials]
    assert numbers[1] == numbers[0] + 1


def test_a_plate_is_cleared_once() -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=2), 2)
    finished(job)
    _clear(job, Count(order.pk, 1, 1))
    with pytest.raises(AlreadyCleared) as refusal:
        _clear(job, Count(order.pk, 2))
    assert refusal.value.code == "PRINT_005"
    assert Inventory.objects.get(product=order.product).on_hand_quantity == 1
    assert PrintJobPart.objects.get(job=job).good == 1


def test_counts_that_do_not_fit_the_plate_are_refused() -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=2), 2)
    finished(job)
    for counts in ([Count(order.pk, 3)], [Count(order.pk, 1, 2)], [Count(order.pk + 99, 1)], [Count(order.pk, 1)] * 2):
        with pytest.raises(WrongCounts) as refusal:
            _clear(job, *counts)
        assert refusal.value.code == "PRINT_006"
    with pytest.raises(InvalidValue):
        _clear(job, Count(order.pk, -1))
    job.refresh_from_db()
    assert job.cleared_at is None
    assert not Inventory.objects.filter(product=order.product).exists()


def test_a_job_that_is_not_over_cannot_be_cleared() -> None:
    stock(black_pla())
    order, [job] = queued(printable())
    for _ in ("queued", "sent", "printing"):
        with pytest.raises(InvalidTransition):
            _clear(job, Count(order.pk, 1))
        if job.status == "queued":
            sent(job)
        elif job.status == "sent":
            production.begin_job(job, actor=system_actor())
    assert not PrintJobPart.objects.filter(good__gt=0).exists()


def test_a_job_that_never_began_gives_back_its_parts_but_no_good_ones() -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=2), 2)
    sent(job)
    production.record_failed(job, actor=system_actor(), code="", text="refused")
    with pytest.raises(WrongCounts):
        _clear(job, Count(order.pk, 1))
    _clear(job)
    [again] = PrintJob.objects.filter(retry_of=job)
    assert again.parts.get().planned == 2


def test_parts_of_a_closed_order_still_become_stock() -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=2), 2)
    finished(job)
    production.complete_production_order(order, actor=system_actor(), reason="Enough")
    _clear(job, Count(order.pk, 2))
    order.refresh_from_db()
    assert (order.status, order.quantity_completed) == ("completed", 2)
    assert Inventory.objects.get(product=order.product).on_hand_quantity == 2
    assert PrintJob.objects.count() == 1


def test_more_units_than_were_asked_for_are_free_stock() -> None:
    stock(black_pla())
    product = printable(parts=4, grams="40")
    order, [job] = queued(product, 4, demand_reference=("sales_order_line", 5))
    order.demands.update(quantity=3)
    finished(job)
    _clear(job, Count(order.pk, 4))
    balance = Inventory.objects.get(product=product)
    assert (balance.on_hand_quantity, balance.allocated_quantity) == (4, 3)
    outputs = InventoryTransaction.objects.filter(transaction_type="production_output")
    assert sum(row.quantity for row in outputs) == 4


def test_clearing_costs_the_same_for_one_component_and_for_twenty() -> None:
    LocationFactory()

    def cost(parts: int, components: int) -> int:
        stock(black_pla())
        product = printable(parts=parts, grams="10", is_serialized=True)
        lines = [(ComponentFactory(), 1) for _ in range(components)]
        for component, _ in lines:
            put_on_shelf(component, 1000)
        make_bom(product, (black_pla(), Decimal("0.0100") / parts), *lines)
        order, [job] = queued(product, parts, demand_reference=("sales_order_line", 5))
        finished(job)
        with CaptureQueriesContext(connection) as queries:
            _clear(job, Count(order.pk, parts))
        return sum(not row["sql"].startswith(("SAVEPOINT", "RELEASE", "BEGIN")) for row in queries)

    cost(1, 1)
    assert cost(1, 1) == cost(20, 20)


def assembly(components: int, lots: int = 2) -> Product:
    """Return a serialised product of one plate and so many components, which lie in lots of one piece each."""
    screws = [ComponentFactory(is_lot_tracked=True) for _ in range(components)]
    for screw in screws:
        for _ in range(lots):
            receive(screw, 1)
    product = ProductFactory(is_serialized=True)
    make_bom(product, (black_pla(), "0.11"), *((screw, 1) for screw in screws))
    release_file(make_plate(product, parts=2, minutes=60, grams={black_pla(): "200"}))
    return product


def test_completing_an_order_takes_as_many_statements_for_few_components_as_for_many() -> None:
    stock(black_pla())
    actor, counts = system_actor(), []
    for components in (2, 12):
        product = assembly(components, lots=4)
        for reference in (1, 2):
            order, [job] = queued(product, 2, demand_reference=("sales_order_line", reference), demand_label="SO")
            finished(job)
            with CaptureQueriesContext(connection) as captured:
                production.clear_plate(job, [Count(order.pk, 2)], actor=actor)
        counts.append(len(statements_of(captured)))
        order.refresh_from_db()
        assert (order.status, SerialNumber.objects.filter(production_order=order).count()) == ("completed", 2)
        used = order.materials.filter(print_job=job, filament_position=None)
        assert (used.count(), {row.material_lot.status for row in used}) == (2 * components, {"DEPLETED"})
        lots = TraceLink.objects.filter(source_type="lot", target_type="print_job", target_id=job.pk)
        assert lots.count() == 2 * components + 1
    assert counts[0] == counts[1]
    if connection.vendor == "postgresql":
        assert counts[0] <= 25
    assert not Reservation.objects.filter(reference_type="production_order").exists()
    assert verify_ledger().is_clean


def test_what_an_order_does_is_told_once_and_in_its_order() -> None:
    stock(black_pla())
    order, [job] = queued(printable(parts=4), 4)
    finished(job)
    OutboxEvent.objects.all().delete()
    _clear(job, Count(order.pk, 4))
    topics = OutboxEvent.objects.order_by("id").values_list("topic", flat=True)
    assert list(topics) == ["production.order_completed", "production.plate_cleared"]


def test_a_filament_that_is_a_component_too_has_one_edge_to_its_job() -> None:
    ring = ComponentFactory(is_lot_tracked=True, unit_of_measure="kg")
    product = ProductFactory()
    make_bom(product, (ring, "0.5"))
    plate = make_plate(product, parts=1, minutes=60, grams={ring: "100"})
    release_file(plate)
    lot = receive(ring, 5)
    order, [job] = queued(product, 1)
    finished(job)
    _clear(job, Count(order.pk, 1))
    edges = TraceLink.objects.filter(source_type="lot", source_id=lot.pk, target_type="print_job", target_id=job.pk)
    assert edges.count() == 1
    assert order.materials.count() == 2
