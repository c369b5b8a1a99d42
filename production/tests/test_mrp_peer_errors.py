"""What other systems' material planning gets wrong, run here from the database to the plan."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from django.utils import timezone

from inventory import services as inventory
from inventory.models import Product, ProductUnit, PurchaseOrder
from inventory.services import PurchaseLineSpec, PurchaseReceipt
from inventory.tests.factories import (
    ComponentFactory,
    LocationFactory,
    MaterialFactory,
    ProductFactory,
    VendorFactory,
    make_bom,
    put_on_shelf,
    receive,
    system_actor,
)
from production import services as production
from production.models import MRPRun, PlannedOrder, ProductionOrder
from production.services import mrp
from production.tests.factories import black_pla, cleared, confirmed, draft, finished, printable, queued, stock
from sales import services as sales
from sales.tests.factories import confirmed as confirmed_sale
from sales.tests.factories import made_product, placed

pytestmark = pytest.mark.django_db


def day(number: int) -> datetime.date:
    """Return the day so many days from today."""
    return timezone.localdate() + datetime.timedelta(days=number)


def planned(run: MRPRun | None = None) -> dict[str, list[tuple[Decimal, int]]]:
    """Plan, and return what is planned: SKU -> (quantity, in how many days it is due)."""
    run = run or mrp.run_mrp(actor=system_actor())
    found: dict[str, list[tuple[Decimal, int]]] = {}
    for row in PlannedOrder.objects.filter(run=run).select_related("product").order_by("due_on", "id"):
        found.setdefault(row.product.sku, []).append((row.quantity, (row.due_on - timezone.localdate()).days))
    return found


def assembly(lead: int = 2) -> tuple[Product, Product, Product]:
    """Return a shelf of two boards, and boards of four screws each; nothing is in stock."""
    screw = ComponentFactory(sku="SCREW")
    board = ProductFactory(sku="BOARD", lead_time_days=lead)
    make_bom(board, (screw, 4))
    shelf = ProductFactory(sku="SHELF", lead_time_days=lead)
    make_bom(shelf, (board, 2))
    return shelf, board, screw


def on_order(
    product: Product, quantity: int | str, *, unit: str = "", expected: datetime.date | None = None
) -> PurchaseOrder:
    """Return a draft purchase order."""
    line = PurchaseLineSpec(product, Decimal(quantity), unit or product.unit_of_measure)
    return inventory.create_purchase_order(VendorFactory(), lines=[line], expected_on=expected, actor=system_actor())


# --- Stock of finished goods and sub-assemblies is not netted ---------------------------------------------------------
def test_finished_goods_in_stock_are_not_made_again() -> None:
    shelf, *_ = assembly()
    put_on_shelf(shelf, 5)
    sale = placed((shelf, 3))
    order = ProductionOrder.objects.get(sales_order=sale)
    production.cancel_production_order(order, reason="there is stock", actor=system_actor())
    assert planned() == {}


def test_sub_assemblies_in_stock_are_not_made_and_their_parts_not_bought() -> None:
    shelf, board, _ = assembly()
    put_on_shelf(board, 15)
    draft(shelf, 10, due_date=day(20))
    # Twenty are needed: five are made, of twenty screws, not twenty of eighty.
    assert planned() == {"BOARD": [(Decimal(5), 18)], "SCREW": [(Decimal(20), 16)]}
    put_on_shelf(board, 5)
    assert planned() == {}


def test_parts_at_every_level_are_netted_once() -> None:
    shelf, board, screw = assembly()
    put_on_shelf(board, 2)
    put_on_shelf(screw, 30)
    draft(shelf, 4, due_date=day(20))
    draft(shelf, 2, due_date=day(25))
    # Boards: 8 and 4, two are there. Screws: 24 and 16, thirty are there.
    assert planned() == {"BOARD": [(Decimal(6), 18), (Decimal(4), 23)], "SCREW": [(Decimal(10), 21)]}


# --- Orders that are over are still demand ----------------------------------------------------------------------------
def test_a_completed_order_needs_nothing_any_more() -> None:
    stock(black_pla(), "1")
    order, [job] = queued(printable(grams="100"), 1, due_date=day(5))
    cleared(job, good=1)
    order.refresh_from_db()
    assert order.status == "completed"
    assert planned() == {}


def test_a_cancelled_order_needs_nothing_any_more() -> None:
    shelf, *_ = assembly()
    order = draft(shelf, 10, due_date=day(20))
    assert set(planned()) == {"BOARD", "SCREW"}
    production.cancel_production_order(order, reason="by hand", actor=system_actor())
    assert planned() == {}


def test_what_is_made_of_an_order_needs_no_material_again() -> None:
    material = black_pla()
    LocationFactory()
    receive(material, "0.3")
    order, jobs = queued(printable(grams="100"), 5, due_date=day(5))
    assert planned() == {material.sku: [(Decimal("0.2000"), 4)]}
    cleared(jobs[0], good=1)
    order.refresh_from_db()
    assert order.quantity_missing == 4
    # A tenth of a kilogram went into what is good; the rest of the need is as short as before.
    assert planned() == {material.sku: [(Decimal("0.2000"), 4)]}


def test_what_is_printed_and_not_counted_has_taken_its_filament() -> None:
    material = black_pla()
    LocationFactory()
    receive(material, "0.5")
    _, jobs = queued(printable(grams="100"), 5, due_date=day(5))
    finished(jobs[0])
    assert planned() == {}


def test_a_shipped_order_is_no_demand() -> None:
    part = ComponentFactory(sku="PART", is_active=True)
    sale = placed((part, 7))
    sale.promised_date = day(8)
    sale.save()
    assert planned() == {"PART": [(Decimal(7), 8)]}
    sale.lines.update(quantity_shipped=4)
    assert planned() == {"PART": [(Decimal(3), 8)]}
    sale.lines.update(quantity_shipped=7)
    assert planned() == {}


def test_a_cancelled_sale_is_no_demand() -> None:
    part = ComponentFactory(sku="PART")
    sale = placed((part, 7))
    assert set(planned()) == {"PART"}
    sales.cancel_order(sale, reason="changed their mind", actor=system_actor())
    assert planned() == {}


# --- What is on its way is ordered again ------------------------------------------------------------------------------
def test_a_purchase_is_not_ordered_again_in_any_open_state() -> None:
    LocationFactory()
    _, board, screw = assembly()
    draft(board, 10, due_date=day(20))
    order = on_order(screw, 40, expected=day(5))
    assert planned() == {}
    inventory.order_purchase(order, actor=system_actor())
    assert planned() == {}
    line = order.lines.get()
    inventory.receive_purchase(order, [PurchaseReceipt(line.pk, Decimal(15))], actor=system_actor())
    order.refresh_from_db()
    assert order.status == "partially_received"
    assert planned() == {}
    inventory.close_purchase_short(order, reason="the rest never comes", actor=system_actor())
    assert planned() == {"SCREW": [(Decimal(25), 18)]}


def test_a_purchase_that_comes_late_is_brought_forward_and_not_ordered_again() -> None:
    _, board, screw = assembly()
    draft(board, 10, due_date=day(10))
    on_order(screw, 40, expected=day(30))
    run = mrp.run_mrp(actor=system_actor())
    assert planned(run) == {}
    [message] = run.plan_messages.filter(product=screw)
    assert (message.kind, message.from_on, message.to_on) == ("reschedule_in", day(30), day(8))


def test_a_purchase_in_spools_counts_in_kilograms() -> None:
    filament = MaterialFactory(sku="F-RED")
    ProductUnit.objects.create(product=filament, unit="spool", factor=Decimal("0.75"))
    cube = ProductFactory(sku="CUBE")
    make_bom(cube, (filament, "0.1"))
    draft(cube, 20, due_date=day(10))
    on_order(filament, 2, unit="spool")
    assert planned() == {"F-RED": [(Decimal("0.5000"), 9)]}


# --- Need dates are ignored -------------------------------------------------------------------------------------------
def test_each_need_is_planned_on_its_own_day() -> None:
    shelf, *_ = assembly(lead=3)
    draft(shelf, 1, due_date=day(30))
    draft(shelf, 2, due_date=day(60))
    # Boards start with the shelf, three days before it is due; screws three days before those.
    assert planned() == {
        "BOARD": [(Decimal(2), 27), (Decimal(4), 57)],
        "SCREW": [(Decimal(8), 24), (Decimal(16), 54)],
    }


def test_the_earlier_need_gets_the_stock() -> None:
    part = ComponentFactory(sku="PART")
    put_on_shelf(part, 4)
    box = ProductFactory(sku="BOX", lead_time_days=1)
    make_bom(box, (part, 1))
    draft(box, 4, due_date=day(40))
    draft(box, 3, due_date=day(10))
    assert planned() == {"PART": [(Decimal(3), 39)]}


def test_stock_that_comes_after_the_need_makes_it_late_and_says_so() -> None:
    part = ComponentFactory(sku="PART", lead_time_days=12)
    sale = placed((part, 5))
    sale.promised_date = day(4)
    sale.save()
    run = mrp.run_mrp(actor=system_actor())
    assert planned(run) == {"PART": [(Decimal(5), 4)]}
    [late] = run.late_demands.all()
    assert (late.reference_id, late.due_on, late.ready_on, late.cause) == (sale.lines.get().pk, day(4), day(12), part)


# --- Demand is counted twice once there is a work order ---------------------------------------------------------------
def test_an_order_line_and_the_work_order_for_it_are_one_demand() -> None:
    product = made_product(sku="LAMP")
    sale = placed((product, 10))
    work = ProductionOrder.objects.get(sales_order=sale)
    assert work.quantity == 10
    assert planned() == {}
    sales.confirm_order(sale, actor=system_actor())
    # Confirmed, its material is reserved as well: it is needed once, not by the reservation and by the order.
    assert planned() == {}


def test_reserved_material_is_not_needed_on_top() -> None:
    material = black_pla()
    stock(material, "1")
    product = printable(grams="100")
    confirmed(product, 10, due_date=day(9))
    assert planned() == {}
    confirmed(product, 2, due_date=day(12))
    assert planned() == {material.sku: [(Decimal("0.2000"), 11)]}


def test_a_sale_from_the_shelf_takes_its_reservation_and_not_stock_again() -> None:
    part = ComponentFactory(sku="PART", list_price=Decimal(3))
    put_on_shelf(part, 10)
    confirmed_sale((part, 6))
    sale = placed((part, 4))
    sale.promised_date = day(5)
    sale.save()
    assert planned() == {}
    other = placed((part, 1))
    other.promised_date = day(9)
    other.save()
    assert planned() == {"PART": [(Decimal(1), 9)]}


def test_what_was_released_is_not_planned_again() -> None:
    shelf, *_ = assembly()
    draft(shelf, 3, due_date=day(20))
    screw = Product.objects.get(sku="SCREW")
    receive(screw, 1, vendor=VendorFactory())
    run = mrp.run_mrp(actor=system_actor())
    assert set(planned(run)) == {"BOARD", "SCREW"}
    mrp.release(list(PlannedOrder.objects.filter(run=run)), actor=system_actor())
    assert planned() == {}
    for order in ProductionOrder.objects.filter(status="draft"):
        production.confirm_production_orders([order], actor=system_actor())
    assert planned() == {}
