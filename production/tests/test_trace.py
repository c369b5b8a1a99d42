"""Where a part came from, where a lot went."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from blb3d.core.errors import NotFound
from inventory.tests.factories import LocationFactory, VendorFactory, receive, system_actor
from production import services as production
from production.models import TraceLink
from production.selectors import trace_lot, trace_serial
from production.tests.factories import PrinterFactory, black_pla, finished, printable, queued

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

    assert cost(1) == cost(5) <= 6
