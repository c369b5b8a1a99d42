"""Material planning from tables to tables: what is read, what is written, in how many statements."""

from __future__ import annotations

import datetime
import json
from dataclasses import replace
from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import QuerySet
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.core.errors import UnknownConversion
from blb3d.core.tests.counting import statements_of
from inventory.models import (
    MaterialLot,
    Product,
    ProductUnit,
    PurchaseOrder,
    PurchaseOrderLine,
    Reference,
    Reservation,
    Vendor,
    VendorItem,
)
from inventory.services import Use, issue
from inventory.tests.factories import (
    MaterialFactory,
    ProductFactory,
    make_bom,
    put_on_shelf,
    receive,
    system_actor,
)
from production import ports
from production.models import (
    Demand,
    FirmOrder,
    Forecast,
    MRPRun,
    PlanLate,
    PlanMessage,
    PlannedOrder,
    PlanSupply,
    ProductionOrder,
)
from production.mrp.engine import plan
from production.mrp.ground import FIRM, FORECAST, PRODUCTION, PURCHASE, SALES, STOCK, Plan
from production.mrp.ground import Demand as Wanted
from production.mrp.netchange import Planner
from production.selectors.mrp_ground import load_change, load_problem
from production.services.mrp_writing import write_plan
from production.tests.factories import black_pla, cleared, confirmed, draft, finished, printable, queued, stock
from production.tests.mrp_reference import reference_plan

pytestmark = pytest.mark.django_db

TODAY = datetime.date(2026, 3, 2)
T = TODAY.toordinal()


@pytest.fixture
def orders_above():
    """What the layer above owes; a test appends to it."""
    owed: list[ports.OpenDemand] = []
    before = list(ports._demand_sources)
    ports._demand_sources[:] = [
        lambda products=None: [row for row in owed if products is None or row.product_id in products]
    ]
    yield owed
    ports._demand_sources[:] = before


def owes(product, quantity, days, line=1, label="SO-1"):
    due = None if days is None else TODAY + datetime.timedelta(days)
    return ports.OpenDemand(product.pk, Decimal(quantity), due, SALES, line, label)


def supplies(problem, kind=None):
    return sorted(row for row in problem.supplies if kind in (None, row.key[0]))


def set_status(document, status):
    QuerySet.update(type(document).all_objects.filter(pk=document.pk), status=status)


def purchase(product, quantity, *, status="ordered", unit=None, expected=None, received=0, **line):
    vendor, _ = Vendor.objects.get_or_create(code="V", defaults={"name": "Vendor"})
    order = PurchaseOrder.objects.create(
        po_number=f"PUR-{PurchaseOrder.all_objects.count()}", vendor=vendor, expected_on=expected
    )
    set_status(order, status)
    return PurchaseOrderLine.objects.create(
        purchase_order=order,
        line_number=1,
        product=product,
        quantity=Decimal(quantity),
        unit_of_measure=unit or product.unit_of_measure,
        quantity_received=Decimal(received),
        **line,
    )


def run_of(problem, answer):
    run = MRPRun.objects.create(
        number=f"MRP-{MRPRun.objects.count()}", planned_from=TODAY, started_by=system_actor(), status="done"
    )
    write_plan(run, problem, answer)
    return run


# --- Stock ------------------------------------------------------------------------------------------------------------
def test_stock_is_what_lies_in_usable_lots_and_on_the_shelf_without_one():
    material = MaterialFactory()
    receive(material, 3)
    receive(material, 2)
    put_on_shelf(material, "0.5")
    set_status(receive(material, 7), "QUARANTINE")
    old = receive(material, 9)
    MaterialLot.objects.filter(pk=old.pk).update(expiration_date=timezone.now() - datetime.timedelta(1))
    [row] = supplies(load_problem(TODAY))
    assert (row.key, row.item, row.quantity, row.day, row.held) == (
        (STOCK, material.pk, 0), material.pk, 55_000, T, ()
    )  # fmt: skip


def test_what_is_reserved_is_held_for_whom_it_is_reserved():
    stock(black_pla(), "10")
    order = confirmed(printable(grams="100"), 4)
    [row] = supplies(load_problem(TODAY), STOCK)
    assert (row.quantity, row.held) == (100_000, (((PRODUCTION, order.pk, 0), 4_000),))


def test_a_reservation_in_a_lot_that_may_not_be_used_is_not_there():
    stock(black_pla(), "10")
    confirmed(printable(grams="100"), 4)
    set_status(Reservation.objects.get().balance.lot, "QUARANTINE")
    assert supplies(load_problem(TODAY), STOCK) == []


# --- On its way -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("status", ["draft", "ordered", "partially_received"])
def test_a_purchase_order_counts_in_every_open_state_with_what_is_still_owed(status):
    material = MaterialFactory()
    line = purchase(material, 10, status=status, received="2.5", quantity_cancelled=Decimal("0.5"))
    [row] = supplies(load_problem(TODAY))
    assert (row.key, row.item, row.quantity) == ((PURCHASE, line.pk, 0), material.pk, 70_000)


@pytest.mark.parametrize("status", ["received", "closed_short", "cancelled"])
def test_a_purchase_order_that_is_over_brings_nothing(status):
    purchase(MaterialFactory(), 10, status=status)
    assert supplies(load_problem(TODAY)) == []


def test_a_deleted_purchase_order_and_a_line_that_has_come_bring_nothing():
    gone = purchase(MaterialFactory(), 10)
    PurchaseOrder.objects.filter(pk=gone.purchase_order_id).update(deleted_at=timezone.now())
    purchase(MaterialFactory(), 10, received=10)
    assert supplies(load_problem(TODAY)) == []


def test_a_purchase_is_expected_on_its_lines_day_else_its_orders_else_after_the_lead_time():
    material = MaterialFactory(lead_time_days=4)
    day = TODAY + datetime.timedelta(9)
    purchase(material, 1, expected=day, expected_on=day + datetime.timedelta(2))
    purchase(material, 1, expected=day)
    purchase(material, 1)
    assert [row.day - T for row in supplies(load_problem(TODAY))] == [11, 9, 4]


def test_purchases_are_counted_in_the_stock_unit_also_from_units_of_the_products_own():
    material = MaterialFactory()
    ProductUnit.objects.create(product=material, unit="spool", factor=Decimal("0.75"))
    purchase(material, 4, unit="spool")
    purchase(material, 250, unit="g")
    assert [row.quantity for row in supplies(load_problem(TODAY))] == [30_000, 2_500]


def test_a_purchase_in_a_unit_that_nobody_knows_is_refused_instead_of_ordered_again():
    purchase(MaterialFactory(), 4, unit="crate")
    with pytest.raises(UnknownConversion):
        load_problem(TODAY)


@pytest.mark.parametrize("status", ["draft", "confirmed", "queued", "printing", "failed"])
def test_an_open_production_order_brings_its_missing_units_and_needs_their_material(status):
    product = printable(lead_time_days=3)
    order = draft(product, 10, due_date=TODAY + datetime.timedelta(8))
    set_status(order, status)
    ProductionOrder.objects.filter(pk=order.pk).update(quantity_completed=4)
    [row] = supplies(load_problem(TODAY))
    assert (row.key, row.item, row.quantity, row.units) == ((PRODUCTION, order.pk, 0), product.pk, 60_000, 60_000)
    assert (row.start - T, row.day - T, row.bom) == (5, 8, order.bom_id)


@pytest.mark.parametrize("status", ["completed", "cancelled"])
def test_a_production_order_that_is_over_neither_brings_nor_needs_anything(status):
    set_status(draft(printable(), 10), status)
    assert supplies(load_problem(TODAY)) == []


def test_a_deleted_production_order_neither_brings_nor_needs_anything():
    order = draft(printable(), 10)
    ProductionOrder.objects.filter(pk=order.pk).update(deleted_at=timezone.now())
    assert supplies(load_problem(TODAY)) == []


def test_the_schedule_says_when_an_order_starts_and_ends_and_without_any_date_it_is_a_lead_time_away():
    product = printable(lead_time_days=3)
    planned, undated = draft(product, 1, due_date=TODAY), draft(product, 1)
    ProductionOrder.objects.filter(pk=planned.pk).update(
        scheduled_start=datetime.datetime(2026, 3, 4, 12, tzinfo=datetime.UTC),
        scheduled_end=datetime.datetime(2026, 3, 6, 12, tzinfo=datetime.UTC),
    )
    days = {row.key[1]: (row.start - T, row.day - T) for row in supplies(load_problem(TODAY))}
    assert days == {planned.pk: (2, 4), undated.pk: (0, 3)}


def test_what_an_order_makes_is_held_for_those_it_is_made_for_less_what_they_got():
    order = draft(printable(), 10)
    for line, quantity in ((1, 3), (2, 5)):
        Demand.objects.create(
            production_order=order, quantity=quantity, reference_type=SALES, reference_id=line, label="SO"
        )
    ProductionOrder.objects.filter(pk=order.pk).update(quantity_completed=4)
    [row] = supplies(load_problem(TODAY))
    assert row.held == (((SALES, 2, 0), 40_000),)


def test_printed_units_have_their_filament_and_still_need_what_is_taken_when_they_are_counted():
    stock(black_pla())
    product = printable(parts=2, grams="200")
    box = ProductFactory(category=Product.Category.PACKAGING, replenishment=Product.Replenishment.BUY)
    bom = make_bom(product, (black_pla(), "0.1"), (box, 1))
    order, jobs = queued(product, 6)
    finished(jobs[0])
    problem = load_problem(TODAY)
    wanted = {peg.item: peg.quantity for peg in plan(problem).pegs if peg.need == (PRODUCTION, order.pk, 0)}
    assert wanted == {black_pla().pk: 4_000, box.pk: 60_000}
    assert plan(problem) == reference_plan(problem)
    assert order.bom_id == bom.pk


def test_counted_units_need_nothing_any_more_and_scrap_is_printed_again():
    stock(black_pla())
    order, jobs = queued(printable(parts=2, grams="200"), 6)
    cleared(jobs[0], good=1, scrap=1)
    [row] = supplies(load_problem(TODAY), PRODUCTION)
    assert (row.key, row.quantity, row.units) == ((PRODUCTION, order.pk, 0), 50_000, 50_000)


def test_a_firm_order_is_on_its_way_until_it_is_released_or_dropped():
    product = printable()
    days = {"start_on": TODAY, "due_on": TODAY + datetime.timedelta(4)}
    firm = [
        FirmOrder.objects.create(number=f"FPO-{number}", product=product, kind="make", quantity=8, **days)
        for number in range(3)
    ]
    set_status(firm[1], "released")
    set_status(firm[2], "dropped")
    [row] = supplies(load_problem(TODAY))
    assert (row.key, row.quantity, row.units, row.start - T, row.day - T) == (
        (FIRM, firm[0].pk, 0), 80_000, 80_000, 0, 4
    )  # fmt: skip


# --- Products and bills -----------------------------------------------------------------------------------------------
def test_a_line_takes_its_scrap_and_the_expected_yield_of_what_is_made():
    product, material = ProductFactory(yield_percent=Decimal(80)), black_pla()
    bom = make_bom(product, (material, "0.1"))
    bom.lines.update(scrap_percent=Decimal("2.5"))
    # 0.1 x 1.025 / 0.8
    assert load_problem(TODAY).lines[bom.pk] == [(material.pk, 12_812_500)]


def test_old_bills_and_services_are_left_out_but_an_open_order_keeps_its_bill():
    product, service = ProductFactory(), ProductFactory(category=Product.Category.SERVICE)
    first, second = MaterialFactory(), MaterialFactory()
    old = make_bom(product, (first, 1))
    order = draft(product, 1)
    new = make_bom(product, (second, 2), (service, 1))
    problem = load_problem(TODAY)
    assert problem.lines == {old.pk: [(first.pk, 10**8)], new.pk: [(second.pk, 2 * 10**8)]}
    assert problem.items[product.pk].bom == new.pk
    assert [row.bom for row in supplies(problem)] == [old.pk]
    assert service.pk not in problem.items
    set_status(order, "completed")
    assert list(load_problem(TODAY).lines) == [new.pk]


@override_settings(MRP_MAKE_LEAD_DAYS=2)
def test_lead_times_are_the_products_own_else_the_vendors_else_a_usual_one():
    vendor = Vendor.objects.create(code="V", name="V", lead_time_days=12)
    own, of_vendor, unknown, made = (
        MaterialFactory(lead_time_days=5), MaterialFactory(), MaterialFactory(), printable()
    )  # fmt: skip
    for product in (own, of_vendor):
        VendorItem.objects.create(vendor=vendor, product=product, unit="kg")
    items = load_problem(TODAY).items
    assert [items[row.pk].lead_days for row in (own, of_vendor, unknown, made)] == [5, 12, 7, 2]


def test_the_stricter_of_the_products_and_the_vendors_minimum_and_multiple_holds():
    vendor = Vendor.objects.create(code="V", name="V")
    material = MaterialFactory(minimum_quantity=Decimal(3), order_multiple=Decimal(1), period_of_supply_days=7)
    ProductUnit.objects.create(product=material, unit="spool", factor=Decimal("0.75"))
    VendorItem.objects.create(
        vendor=vendor, product=material, unit="spool", minimum_quantity=Decimal(2), order_multiple=Decimal(2)
    )
    item = load_problem(TODAY).items[material.pk]
    assert (item.minimum, item.multiple, item.period_days, item.is_made) == (30_000, 15_000, 7, False)


def test_the_floor_is_the_higher_of_safety_stock_and_reorder_point():
    low, high = MaterialFactory(safety_stock=3, reorder_point=2), MaterialFactory(safety_stock=1, reorder_point=2)
    items = load_problem(TODAY).items
    assert (items[low.pk].floor, items[high.pk].floor) == (30_000, 20_000)


def test_a_product_that_is_bought_is_not_made_whatever_bill_it_has():
    product = ProductFactory(replenishment=Product.Replenishment.BUY)
    make_bom(product, (MaterialFactory(), 1))
    assert not load_problem(TODAY).items[product.pk].is_made


def test_a_product_that_is_switched_off_is_planned_only_where_it_is_needed_and_keeps_no_floor(orders_above):
    idle, wanted = (ProductFactory(is_active=False, safety_stock=5) for _ in range(2))
    orders_above.append(owes(wanted, 2, 10))
    items = load_problem(TODAY).items
    assert idle.pk not in items
    assert items[wanted.pk].floor == 0


# --- Demand -----------------------------------------------------------------------------------------------------------
def test_what_is_owed_is_wanted_on_its_day_and_without_one_today(orders_above):
    product = ProductFactory()
    orders_above += [owes(product, 2, 10, line=4), owes(product, "1.5", None, line=5), owes(product, 1, -3, line=6)]
    assert load_problem(TODAY).demands == [
        Wanted((SALES, 4, 0), product.pk, 20_000, T + 10),
        Wanted((SALES, 5, 0), product.pk, 15_000, T),
        Wanted((SALES, 6, 0), product.pk, 10_000, T),
    ]


def test_a_forecast_is_what_orders_due_in_its_period_leave_of_it(orders_above):
    product = ProductFactory()
    begins = TODAY + datetime.timedelta(5)
    forecast = Forecast.objects.create(
        product=product, starts_on=begins, ends_on=begins + datetime.timedelta(9), quantity=10
    )
    Forecast.objects.create(product=product, starts_on=begins, ends_on=begins, quantity=1)
    Forecast.objects.create(
        product=product, starts_on=TODAY.replace(month=1), ends_on=TODAY.replace(month=2), quantity=9
    )
    orders_above += [owes(product, 3, 4, line=1), owes(product, 4, 5, line=2), owes(product, 2, 14, line=3)]
    rows = [row for row in load_problem(TODAY).demands if row.key[0] == FORECAST]
    # The order of day 5 counts against the first forecast, not against both.
    assert rows == [
        Wanted((FORECAST, forecast.pk, 0), product.pk, 40_000, T + 5),
        Wanted((FORECAST, forecast.pk + 1, 0), product.pk, 10_000, T + 5),
    ]


def test_a_forecast_of_a_running_period_is_due_today():
    product = ProductFactory()
    Forecast.objects.create(
        product=product, starts_on=TODAY.replace(day=1), ends_on=TODAY.replace(day=31), quantity=Decimal(10)
    )
    assert [(row.quantity, row.day) for row in load_problem(TODAY).demands] == [(100_000, T)]


def test_an_order_that_is_late_counts_against_the_forecast_of_its_own_time_and_what_was_shipped_against_todays(
    orders_above,
):
    product = ProductFactory()
    put_on_shelf(product, 6)
    leave = Use(product.pk, Decimal(3), Reference.SHIPMENT, 1)
    issue([leave], actor=system_actor())
    issue([replace(leave, reference_type=Reference.VENDOR_RETURN)], actor=system_actor())
    orders_above.append(owes(product, 2, -3))
    today = timezone.localdate()
    Forecast.objects.create(
        product=product, starts_on=today, ends_on=today + datetime.timedelta(9), quantity=Decimal(10)
    )
    assert [row.quantity for row in load_problem(today).demands] == [20_000, 70_000]


# --- What changed -----------------------------------------------------------------------------------------------------
def test_what_changed_is_read_for_the_products_that_it_touches_and_gives_the_plan_of_everything(orders_above):
    stock(black_pla(), "5")
    products = [printable(grams="100", lead_time_days=2) for _ in range(3)]
    other = ProductFactory()
    for line, product in enumerate([*products, other]):
        orders_above.append(owes(product, 5, 10, line=line))
    confirmed(products[0], 2)
    Forecast.objects.create(product=products[1], starts_on=TODAY, ends_on=TODAY, quantity=Decimal(4))
    planner = Planner(load_problem(TODAY))

    order, jobs = queued(products[1], 4)
    cleared(jobs[0], good=1)
    orders_above.append(owes(products[1], 7, 4, line=9))
    receive(black_pla(), 2)
    purchase(black_pla(), 3)
    orders_above.append(owes(other, 7, 4, line=10))  # nobody says that this changed

    with CaptureQueriesContext(connection) as queries:
        change = load_change(planner.network, [products[1].pk, black_pla().pk])
    assert len(statements_of(queries)) <= 16
    touched = planner.change(change)
    assert touched <= {row.pk for row in (*products, black_pla())}
    orders_above.pop()
    assert planner.plan() == plan(load_problem(TODAY))
    assert order.pk in {row.key[1] for row in planner.problem.supplies}


def test_a_new_product_and_a_new_bill_need_everything_to_be_read_again():
    product = printable()
    problem = load_problem(TODAY)
    assert load_change(problem, [product.pk]).items == {product.pk: problem.items[product.pk]}
    assert load_change(problem, [ProductFactory().pk]) is None
    make_bom(product, (black_pla(), 2))
    assert load_change(problem, [product.pk]) is None


# --- Statements -------------------------------------------------------------------------------------------------------
def test_reading_and_storing_cost_as_many_statements_for_many_as_for_few(orders_above):
    stock(black_pla(), "5")

    def once(count):
        for number in range(count):
            product = printable(grams="100")
            orders_above.append(owes(product, 5, 10, line=number))
            orders_above.append(owes(product, 5, 0, line=1_000 + number))
            confirmed(product, 2)
            purchase(MaterialFactory(), 3)
        with CaptureQueriesContext(connection) as queries:
            problem = load_problem(TODAY)
            answer = plan(problem)
            run = run_of(problem, answer)
        assert run.planned_orders.count() == len(answer.planned) > count
        return len(statements_of(queries))

    first = once(2)
    assert once(6) == first <= 26


# --- Storing ----------------------------------------------------------------------------------------------------------
def rows_of(run):
    return [
        list(model.objects.filter(run=run).order_by("pk").values_list(*names))
        for model, names in (
            (PlannedOrder, ("product", "number", "kind", "quantity", "start_on", "due_on", "ready_on", "pegs")),
            (PlanSupply, ("product", "reference_type", "reference_id", "quantity", "on", "pegs")),
            (PlanMessage, ("kind", "product", "reference_type", "reference_id", "quantity", "from_on", "to_on")),
            (PlanLate, ("product", "reference_type", "reference_id", "quantity", "due_on", "ready_on", "cause")),
        )
    ]


def test_a_plan_is_stored_with_whom_each_order_serves(orders_above):
    stock(black_pla(), "0.5")
    product = printable(grams="100", lead_time_days=2)
    orders_above.append(owes(product, 10, 10, line=7))
    orders_above.append(owes(product, 1, 0, line=8))
    needless = purchase(MaterialFactory(), 3, expected=TODAY - datetime.timedelta(2))
    problem = load_problem(TODAY)
    planned, there, messages, late = rows_of(run_of(problem, plan(problem)))
    day = lambda number: TODAY + datetime.timedelta(number)  # noqa: E731
    pla = black_pla().pk
    assert [row[:-1] for row in planned] == [
        (pla, 0, "buy", Decimal("0.6"), day(1), day(8), day(8)),
        (product.pk, 0, "make", Decimal(1), day(0), day(0), day(2)),
        (product.pk, 1, "make", Decimal(10), day(8), day(10), day(10)),
    ]
    assert [json.loads(row[-1]) for row in planned] == [
        [["planned", product.pk, 1, 6_000, T + 8]],
        [[SALES, 8, 0, 10_000, T]],
        [[SALES, 7, 0, 100_000, T + 10]],
    ]
    assert sorted((kind, amount, on, json.loads(pegs)) for _, kind, _, amount, on, pegs in there) == [
        (PURCHASE, Decimal(3), day(-2), []),
        (STOCK, Decimal("0.5"), day(0),
         [["planned", product.pk, 0, 1_000, T], ["planned", product.pk, 1, 4_000, T + 8]]),
    ]  # fmt: skip
    assert messages == [("cancel", needless.product_id, PURCHASE, needless.pk, Decimal(3), day(0), None)]
    assert late == [(product.pk, SALES, 8, Decimal(1), day(0), day(2), product.pk)]


def test_it_stores_the_same_however_the_rows_are_made_and_inserted(orders_above):
    stock(black_pla(), "0.5")
    for number in range(4):
        product = printable(grams="70")
        orders_above += [owes(product, 3, 3 * number, line=number), owes(product, 2, 9, line=10 + number)]
    purchase(MaterialFactory(), 3)
    problem = load_problem(TODAY)
    answer = plan(problem)
    plain = Plan(answer.planned, answer.pegs, answer.messages, answer.late)
    expected = rows_of(run_of(problem, answer))
    assert rows_of(run_of(problem, plain)) == expected
    run = MRPRun.objects.create(number="MRP-B", planned_from=TODAY, started_by=system_actor(), status="done")
    write_plan(run, problem, answer, in_bulk=True)
    assert rows_of(run) == expected
    assert all(expected)
