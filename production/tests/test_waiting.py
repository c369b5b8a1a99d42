"""Why orders, jobs and operations wait: one sentence each."""

from __future__ import annotations

import datetime
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from inventory import services as inventory
from inventory.models import Product
from inventory.tests.factories import MaterialFactory, VendorFactory, system_actor
from production import services as production
from production.models import PrinterGroup, ProductionOrder, WorkCenter
from production.selectors import order_waiting_reasons, waiting_reason
from production.selectors.waiting import operation_waiting_reasons
from production.services.routings import StepSpec, set_routing
from production.tests.factories import (
    PrinterFactory,
    black_pla,
    cleared,
    confirmed,
    draft,
    finished,
    printable,
    printing,
    queued,
    stock,
)

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def day_and_night(settings: Any) -> None:
    settings.FARM_WORKING_DAYS = list(range(7))
    settings.FARM_SHIFT_STARTS = settings.FARM_SHIFT_ENDS = datetime.time(0)


@pytest.fixture
def black() -> Product:
    material = black_pla()
    stock(material, "100")
    return material


def why(order: ProductionOrder) -> str | None:
    order.refresh_from_db()
    return order_waiting_reasons([order]).get(order.pk)


def plan() -> None:
    production.make_schedule(cause="test", actor=system_actor())


def buy(material: Product, days: int) -> datetime.date:
    """Order a kilogram that is there in so many days."""
    on = timezone.localdate() + datetime.timedelta(days=days)
    line = inventory.PurchaseLineSpec(material, Decimal(1000), "g", Decimal("0.02"))
    order = inventory.create_purchase_order(VendorFactory(), lines=[line], expected_on=on, actor=system_actor())
    inventory.order_purchase(order, actor=system_actor())
    return on


def test_an_order_that_waits_for_nothing_says_nothing(black: Product) -> None:
    PrinterFactory(loaded=[black])
    made = draft(printable())
    plan()
    assert why(made) is None


def test_a_held_order_says_so_before_and_while_it_is_printed(black: Product) -> None:
    for order in (draft(printable()), queued(printable())[0]):
        production.hold_production_order(order, reason="the customer asks", actor=system_actor())
        assert why(order) == "Held: the customer asks"


def test_an_order_says_that_its_print_file_is_missing(black: Product) -> None:
    assert why(draft(printable(file=False))) == "No print file for plate 1"


def test_an_order_says_that_no_printer_can_do_it(black: Product) -> None:
    PrinterFactory(name="Ada", loaded=[black])
    product = printable()
    product.plates.update(printer_tags=["hardened nozzle"])
    order = confirmed(product)
    plan()
    assert why(order) == f"The plate of {order.code} asks for hardened nozzle, which Ada has not got"


def test_an_order_says_for_what_material_it_waits_and_until_when() -> None:
    red, blue = MaterialFactory(color_name="Red"), MaterialFactory(color_name="Blue", lead_time_days=9)
    stock(MaterialFactory(color_name="White"))
    PrinterFactory(loaded=[red])
    on = buy(red, 3)
    ordered, unordered = draft(printable(material=red)), draft(printable(material=blue))
    plan()
    assert why(ordered) == f"PLA Red is short: expected on {on:%B} {on.day}"
    assert why(unordered) == "PLA Blue is short and not on order: it takes 9 days"


def test_a_job_names_the_short_material_and_not_the_printer_that_lacks_it(black: Product) -> None:
    red = MaterialFactory(color_name="Red", color_hex="D02020")
    PrinterFactory(name="Ada", loaded=[black])
    on = buy(red, 2)
    _, [job] = queued(printable(material=red))
    assert waiting_reason(job) == "Ada does not hold PLA D02020."
    plan()
    assert waiting_reason(job) == f"PLA Red is short: expected on {on:%B} {on.day}"
    _, [other] = queued(printable())
    assert waiting_reason(other) == "Next in line for Ada"


def test_a_job_says_that_its_printer_is_busy_or_not_cleared_or_out_of_its_group(black: Product) -> None:
    ada = PrinterFactory(name="Ada", loaded=[black])
    _, [running, waiting] = queued(printable(), 2)
    printing(running, ada)
    assert waiting_reason(waiting) == f"Ada is busy with {running.code}."
    production.record_finished(running, actor=system_actor())
    assert waiting_reason(waiting) == f"The plate of Ada was not cleared after {running.code}."
    group = PrinterGroup.objects.create(name="large ones")
    order, [kept] = queued(printable())
    ProductionOrder.objects.filter(pk=order.pk).update(printer_group=group)
    assert waiting_reason(kept) == f"{kept.code} is kept to large ones, which Ada is not in."


def test_a_printed_order_waits_for_its_plate_to_be_cleared(black: Product) -> None:
    order, [job] = queued(printable(), 1)
    finished(job, PrinterFactory(name="Ada", loaded=[black]))
    assert why(order) == "A person clears the plate of Ada"


def test_an_order_of_which_parts_were_lost_says_that_nobody_prints_them(black: Product) -> None:
    order, [job] = queued(printable(parts=3), 3)
    finished(job, PrinterFactory(loaded=[black]))
    count = production.PlateCount(order.pk, 1, 2, "warped")
    production.clear_plate(job, [count], requeue_missing=False, actor=system_actor())
    assert why(order) == "2 parts are missing and no job prints them"


def test_a_made_order_for_a_customer_waits_for_its_final_inspection(black: Product) -> None:
    order, [job] = queued(printable(), 1)
    cleared(job, good=1)
    order.refresh_from_db()
    assert order.status == "completed"
    assert why(order) is None
    order.sales_order_id = 1
    assert order_waiting_reasons([order]) == {order.pk: "Its final inspection"}
    production.pass_inspection(ProductionOrder.objects.get(pk=order.pk), actor=system_actor())
    assert order_waiting_reasons([order]) == {}


def test_operations_wait_for_parts_and_for_the_operation_before_them(black: Product) -> None:
    paint = WorkCenter.objects.create(code="PAINT", name="Painting", kind="paint")
    pack = WorkCenter.objects.create(code="PACK", name="Packing", kind="pack")
    product = printable()
    set_routing(
        product, [StepSpec("Prime", paint, Decimal(5)), StepSpec("Pack", pack, Decimal(1))], actor=system_actor()
    )
    order, [job] = queued(product)
    first, second = order.operations.order_by("sequence")
    assert operation_waiting_reasons([first, second]) == {
        first.pk: "Parts from the printers",
        second.pk: "Prime before it",
    }
    cleared(job, good=1)
    first.refresh_from_db()
    assert operation_waiting_reasons([first, second]) == {second.pk: "Prime before it"}
    assert why(order) == "Prime at Painting"
    production.hold_production_order(order, reason="colour", actor=system_actor())
    assert operation_waiting_reasons([second]) == {second.pk: "Held: colour"}


def test_reasons_of_many_orders_cost_as_much_as_of_a_few(black: Product) -> None:
    PrinterFactory(loaded=[black])

    def more() -> None:
        draft(printable())
        queued(printable())
        _, [job] = queued(printable())
        finished(job)
        plan()

    def cost() -> int:
        rows = list(ProductionOrder.objects.all())
        with CaptureQueriesContext(connection) as queries:
            order_waiting_reasons(rows)
        return len(queries)

    more()
    few = cost()
    for _ in range(3):
        more()
    assert cost() == few <= 5
