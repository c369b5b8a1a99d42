"""Where a part came from, where a lot went."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.core.errors import NotFound
from inventory import services as inventory
from inventory.models import Spool
from inventory.tests.factories import (
    LocationFactory,
    MaterialFactory,
    ProductFactory,
    VendorFactory,
    make_bom,
    receive,
    system_actor,
)
from production import services as production
from production.models import PrintJob, PrintJobPart, TraceLink, TrayChange
from production.selectors import trace_lot, trace_serial
from production.tests.factories import (
    PrinterFactory,
    black_pla,
    finished,
    printable,
    queued,
    release_file,
    routed,
)

pytestmark = pytest.mark.django_db


def test_one_serial_number_tells_its_whole_story() -> None:
    pla = black_pla()
    LocationFactory()
    vendor = VendorFactory(name="Filament Works")
    lot = receive(pla, "1", lot_number="LOT-A", vendor=vendor)
    order, [job] = queued(printable(parts=2, grams="50", is_serialized=True), 2)
    printer = PrinterFactory(name="Leonardo", loaded=[pla])
    finished(job, printer)
    production.clear_plate(job, [production.PlateCount(order.pk, 2)], actor=system_actor())
    serial = order.serials.first()
    production.pass_inspection(order, serial_numbers=[serial.serial_number], actor=system_actor())

    story = trace_serial(serial.serial_number.lower())
    assert story["serial"] == serial.serial_number
    assert story["production_order"] == {"id": order.pk, "code": order.code}
    assert story["print_job"] == {"id": job.pk, "code": job.code}
    assert story["printer"] == {"id": printer.pk, "name": "Leonardo", "serial": printer.serial}
    assert story["lots"] == [
        {
            "lot": "LOT-A",
            "material": "M-BLACK",
            "vendor": "Filament Works",
            "vendor_lot": "",
            "quantity": Decimal("0.05"),
            "unit": "kg",
        }
    ]
    assert [(row["type"], row["passed"]) for row in story["inspections"]] == [("FINAL", True)]
    assert [(row["code"], row["cleared_by"]) for row in story["print_jobs"]] == [(job.code, str(system_actor()))]
    assert story["operations"] == []
    assert (story["customer"], story["sales_order"], story["shipment"]) == (None, None, None)

    edges = {(link.source_type, link.target_type) for link in TraceLink.objects.all()}
    assert edges >= {
        ("lot", "print_job"),
        ("printer", "print_job"),
        ("print_job", "production_order"),
        ("print_job", "serial"),
        ("production_order", "serial"),
        ("serial", "inspection"),
    }

    other_way = trace_lot(lot)
    assert other_way["vendor"] == {"id": vendor.pk, "name": "Filament Works"}
    assert other_way["production_orders"][0]["code"] == order.code
    assert other_way["production_orders"][0]["print_jobs"] == [job.code]
    assert other_way["production_orders"][0]["quantity"] == Decimal("0.05")
    assert len(other_way["serials"]) == 2


def test_a_unit_of_two_plates_leads_to_the_lots_of_both_when_one_was_printed_with_others() -> None:
    pla, white = black_pla(), MaterialFactory(sku="M-WHITE")
    LocationFactory()
    receive(pla, "1", lot_number="LOT-A")
    receive(white, "1", lot_number="LOT-B")
    product = ProductFactory(is_serialized=True)
    make_bom(product, (pla, Decimal("0.05")), (white, Decimal("0.03")))
    specs = [
        inventory.PlateSpec(1, Decimal(60), [(pla, Decimal(50))]),
        inventory.PlateSpec(1, Decimal(60), [(white, Decimal(30))]),
    ]
    for plate in inventory.set_plates(product, specs, actor=system_actor()):
        release_file(plate)
    order, [first, second] = queued(product)
    other, [host] = queued(printable(material=white))
    # The second plate's part lies on a plate whose job is headed by the other order.
    PrintJobPart.objects.filter(job=second).update(job=host, plate=second.plate)
    PrintJob.all_objects.filter(pk=second.pk).update(deleted_at=timezone.now())
    for job, orders in ((host, (order, other)), (first, (order,))):
        finished(job, PrinterFactory(loaded=[white if job is host else pla]))
        production.clear_plate(job, [production.PlateCount(row.pk, 1) for row in orders], actor=system_actor())
    story = trace_serial(order.serials.get().serial_number)
    assert {row["lot"] for row in story["lots"]} == {"LOT-A", "LOT-B"}
    assert {row["code"] for row in story["print_jobs"]} == {first.code, host.code}


def test_a_unit_leads_to_its_reels_and_to_whoever_worked_on_it() -> None:
    pla = black_pla()
    LocationFactory()
    lot = receive(pla, "2", lot_number="LOT-A")
    first, second = (Spool.objects.create(label=label, lot=lot, remaining_grams=1000) for label in ("S-1", "S-2"))
    product = printable(is_serialized=True)
    routed(product, "paint")
    order, [job] = queued(product)
    finished(job, PrinterFactory(loaded=[pla]))
    job.filaments.update(spool=first)
    TrayChange.objects.create(job=job, position=0, tray=1, spool=second, percent=40)
    production.clear_plate(job, [production.PlateCount(order.pk, 1)], actor=system_actor())
    production.report_operation(order.operations.get(), good=1, actor=system_actor())
    story = trace_serial(order.serials.get().serial_number)
    assert [(row["label"], row["lot"]) for row in story["spools"]] == [("S-1", "LOT-A"), ("S-2", "LOT-A")]
    [worked] = story["operations"]
    assert (worked["work_center"], worked["by"], worked["good"]) == ("PAINT", str(system_actor()), 1)


def test_an_unknown_serial_number_is_not_found() -> None:
    with pytest.raises(NotFound):
        trace_serial("BLB-20200101-0001")


def test_edges_are_written_once() -> None:
    edge = (("lot", 1), ("print_job", 2))
    production.link([edge, edge])
    production.link([edge, (("lot", 2), ("print_job", 1))])
    assert TraceLink.objects.count() == 2


def test_a_trace_costs_the_same_for_one_lot_and_for_five() -> None:
    pla = black_pla()
    LocationFactory()

    def cost(lots: int) -> int:
        for _ in range(lots):
            receive(pla, "0.01")
        order, [job] = queued(printable(grams=str(10 * lots), is_serialized=True))
        finished(job)
        production.clear_plate(job, [production.PlateCount(order.pk, 1)], actor=system_actor())
        number = order.serials.get().serial_number
        with CaptureQueriesContext(connection) as queries:
            assert len(trace_serial(number)["lots"]) == lots
        return len(queries)

    assert cost(1) == cost(5) <= 9
