"""Material planning as people work with it: run, firm, release, drop, messages, and what a plan says of itself."""

from __future__ import annotations

import datetime
import os
import threading
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings
from django.db import connection, connections
from django.test import override_settings
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.core.errors import InvalidTransition, InvalidValue, NotAllowed
from blb3d.core.outbox import OutboxEvent
from blb3d.core.tests.counting import statements_of
from inventory import services as inventory
from inventory.errors import NoVendor
from inventory.models import BOM, Product, PurchaseOrder, PurchaseOrderLine, Vendor, VendorItem
from inventory.tests.factories import (
    ComponentFactory,
    MaterialFactory,
    ProductFactory,
    VendorFactory,
    make_bom,
    put_on_shelf,
    receive,
    system_actor,
)
from production import services as production
from production.errors import MessageDone, PlanMoved, PlannedOrderTaken, PlanningRuns
from production.models import (
    FirmOrder,
    Forecast,
    MRPRun,
    PlanLate,
    PlanMessage,
    PlannedOrder,
    PlanSupply,
    ProductionOrder,
)
from production.selectors.mrp_plan import (
    chain,
    compare,
    in_words,
    last_failure,
    newest_run,
    pegging_tree,
    proposals,
    shortfalls,
    stock_over_time,
    why,
)
from production.selectors.mrp_whatif import ChangedDemand, ExtraDemand, LateSupply, LeadTime, what_if
from production.services import mrp
from production.tasks import plan_material
from production.tests.factories import draft
from sales.models import SalesOrder
from sales.tests.factories import placed

pytestmark = pytest.mark.django_db

needs_a_server = pytest.mark.skipif(
    not os.environ.get("TEST_DATABASE_URL", "").startswith("postgres"),
    reason="two writers at once need PostgreSQL",
)


def day(number: int) -> datetime.date:
    """Return the day so many days from today."""
    return timezone.localdate() + datetime.timedelta(days=number)


def sold_by(vendor: Vendor, product: Product, **terms: Any) -> VendorItem:
    """Let a vendor sell a product in its stock unit."""
    terms.setdefault("unit", product.unit_of_measure)
    return VendorItem.objects.create(vendor=vendor, product=product, **terms)


def bought(sku: str, *, days: int = 5, **fields: Any) -> Product:
    """Return a part that a vendor brings within so many days."""
    part = ComponentFactory(sku=sku, **fields)
    sold_by(VendorFactory(lead_time_days=days), part)
    return part


def wanted(product: Product, quantity: int, due: datetime.date) -> SalesOrder:
    """Return an order of a customer that is due on a day."""
    order = placed((product, quantity))
    order.promised_date = due
    order.save()
    return order


def run(**given: Any) -> MRPRun:
    """Plan all material."""
    return mrp.run_mrp(actor=system_actor(), **given)


def planned(of: MRPRun) -> list[tuple[str, str, str, int]]:
    """Return the planned orders of a run: kind, SKU, quantity, in how many days they are due."""
    today = timezone.localdate()
    return sorted(
        (row.kind, row.product.sku, f"{row.quantity.normalize():f}", (row.due_on - today).days)
        for row in PlannedOrder.objects.filter(run=of).select_related("product")
    )


def lamp() -> Product:
    """Return a lamp of two arms and a filament, each arm of filament and screws; nothing is in stock."""
    vendor = VendorFactory(lead_time_days=4)
    filament = MaterialFactory(sku="F-BLACK")
    screw = ComponentFactory(sku="SCREW")
    sold_by(vendor, filament, order_multiple=Decimal(1))
    sold_by(vendor, screw, minimum_quantity=Decimal(100))
    arm = ProductFactory(sku="ARM", lead_time_days=2)
    make_bom(arm, (filament, "0.05"), (screw, 4))
    made = ProductFactory(sku="LAMP", lead_time_days=3)
    make_bom(made, (filament, "0.1"), (arm, 2))
    return made


# --- Runs -------------------------------------------------------------------------------------------------------------
def test_a_run_plans_what_open_orders_need_down_to_what_is_bought() -> None:
    order = draft(lamp(), 10, due_date=day(20))
    done = run(cause="asked")
    assert (done.status, done.cause, done.number) == ("done", "asked", f"MRP-{timezone.localdate().year}-001")
    assert planned(done) == [
        ("buy", "F-BLACK", "1", 15),
        ("buy", "F-BLACK", "1", 17),
        ("buy", "SCREW", "100", 15),
        ("make", "ARM", "20", 17),
    ]
    assert (done.planned_to_buy, done.planned_to_make, done.late, done.has_rows) == (3, 1, 0, True)
    assert done.items == 4
    assert done.finished_at is not None
    assert newest_run() == done
    assert OutboxEvent.objects.filter(topic="production.mrp_run_done").count() == 1
    order.refresh_from_db()
    assert order.version == 1


def test_a_run_needs_somebody_who_asks_for_it() -> None:
    with pytest.raises(NotAllowed):
        mrp.run_mrp(actor=None)  # type: ignore[arg-type]
    assert not MRPRun.objects.exists()


def test_a_second_run_is_refused_while_one_is_under_way() -> None:
    other = MRPRun.objects.create(
        number="MRP-X", status="running", planned_from=timezone.localdate(), started_by=system_actor()
    )
    with pytest.raises(PlanningRuns):
        run()
    assert list(MRPRun.objects.values_list("number", "status")) == [("MRP-X", "running")]
    MRPRun.objects.filter(pk=other.pk).update(started_at=timezone.now() - mrp.GIVE_UP - datetime.timedelta(minutes=1))
    assert run().status == "done"
    other.refresh_from_db()
    assert (other.status, other.error) == ("failed", "It never came to its end.")


def test_a_run_that_fails_says_why_and_leaves_the_plan_before_it() -> None:
    made = lamp()
    draft(made, 1, due_date=day(20))
    good = run()
    arm = Product.objects.get(sku="ARM")
    # A circle that no verb lets through, as it may come from an old database.
    BOM.objects.get(product=arm).lines.filter(component__sku="SCREW").update(component=made)
    with pytest.raises(Exception, match="LAMP"):
        run()
    failed = MRPRun.objects.order_by("-id").first()
    assert failed is not None
    assert failed.status == "failed"
    assert "LAMP" in failed.error
    assert not failed.has_rows
    assert newest_run() == good
    assert last_failure() == failed
    assert OutboxEvent.objects.filter(topic="production.mrp_run_failed").count() == 1
    assert not PlannedOrder.objects.filter(run=failed).exists()


@override_settings(MRP_RUNS_KEPT=2)
def test_only_the_last_runs_keep_their_rows() -> None:
    draft(lamp(), 10, due_date=day(20))
    runs = [run() for _ in range(3)]
    kept = [MRPRun.objects.get(pk=row.pk).has_rows for row in runs]
    assert kept == [False, True, True]
    for model in (PlannedOrder, PlanSupply, PlanMessage, PlanLate):
        assert not model.objects.filter(run=runs[0]).exists()
    assert PlannedOrder.objects.filter(run=runs[1]).count() == 4
    runs[0].refresh_from_db()
    assert runs[0].planned_to_buy == 3
    assert settings.MRP_RUNS_KEPT == 2


def test_a_run_costs_the_same_number_of_statements_however_much_is_planned() -> None:
    made = lamp()
    run()
    counts = []
    for number in (1, 6):
        for turn in range(number):
            draft(made, 3, due_date=day(20 + turn))
        with CaptureQueriesContext(connection) as queries:
            run()
        counts.append(len(statements_of(queries)))
    assert counts[0] == counts[1]


def test_material_is_planned_once_a_night_unless_switched_off() -> None:
    draft(lamp(), 10, due_date=day(20))
    with override_settings(MRP_NIGHTLY=False):
        assert plan_material() == ""
    number = plan_material()
    late_enough = timezone.localtime().time() >= datetime.time(2, 30)
    assert bool(number) is late_enough
    assert plan_material() == ""
    assert MRPRun.objects.count() == int(late_enough)


# --- Whom it is for ---------------------------------------------------------------------------------------------------
def test_a_planned_order_names_the_customers_orders_that_it_is_for() -> None:
    plate = bought("PLATE", days=5)
    first, second = wanted(plate, 3, day(10)), wanted(plate, 4, day(12))
    plate.period_of_supply_days = 7
    plate.save()
    done = run()
    assert planned(done) == [("buy", "PLATE", "7", 10)]
    [row] = PlannedOrder.objects.filter(run=done)
    [reasons] = why(done, [row])
    assert [(reason.label, reason.quantity, reason.due) for reason in reasons] == [
        (first.order_number, Decimal("3.0000"), day(10)),
        (second.order_number, Decimal("4.0000"), day(12)),
    ]
    words = in_words(reasons, "each", most=1)
    assert words == f"{first.order_number} ({day(10).day} {day(10):%b}) needs 3, 1 more"


def test_a_purchase_names_the_order_at_the_top_of_the_bill_with_its_share() -> None:
    order = draft(lamp(), 10, due_date=day(20))
    done = run()
    rows = list(PlannedOrder.objects.filter(run=done, product__sku="F-BLACK").order_by("due_on"))
    assert [[(r.label, r.quantity) for r in reasons] for reasons in why(done, rows)] == [
        [(order.code, Decimal("1.0000"))],
        [(order.code, Decimal("1.0000"))],
    ]
    [trees] = pegging_tree(done, rows[:1])
    [arm] = trees
    assert (arm.name.words, arm.quantity) == ("planned order 1 of ARM", Decimal("1.0000"))
    assert [(above.name.words, above.quantity) for above in arm.above] == [(order.code, Decimal("20.0000"))]


def test_pegs_are_read_in_a_number_of_statements_that_depends_on_levels_only() -> None:
    made = lamp()
    counts = []
    for number in (1, 8):
        for turn in range(number):
            draft(made, 3, due_date=day(20 + turn))
        done = run()
        rows = list(PlannedOrder.objects.filter(run=done).select_related("product").order_by("id"))
        with CaptureQueriesContext(connection) as queries:
            why(done, rows)
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_safety_stock_and_forecasts_are_named_as_such() -> None:
    part = bought("PART", days=2, safety_stock=Decimal(5))
    Forecast.objects.create(product=part, starts_on=day(10), ends_on=day(20), quantity=Decimal(8))
    done = run()
    rows = list(PlannedOrder.objects.filter(run=done).order_by("due_on"))
    labels = [[reason.label for reason in reasons] for reasons in why(done, rows)]
    assert labels == [["safety stock of PART"], [f"forecast of PART until {day(20)}"]]


# --- What is late -----------------------------------------------------------------------------------------------------
def test_a_late_order_names_the_part_that_is_short_and_the_way_down_to_it() -> None:
    vendor = VendorFactory(lead_time_days=9)
    screw = ComponentFactory(sku="SCREW")
    sold_by(vendor, screw)
    box = ProductFactory(sku="BOX", lead_time_days=2)
    make_bom(box, (screw, 1))
    forecast = Forecast.objects.create(product=box, starts_on=day(5), ends_on=day(6), quantity=Decimal(3))
    done = run()
    assert done.late == 1
    [short] = shortfalls(done)
    assert short.product == screw
    [demand] = short.demands
    assert demand.name.words == f"forecast of BOX until {forecast.ends_on}"
    assert (demand.late.due_on, demand.late.ready_on, demand.days, short.worst) == (day(5), day(11), 6, 6)
    links = chain(done, demand.late)
    assert [(link.key[0], link.product_id, link.needed, link.ready) for link in links] == [
        ("planned", box.pk, day(5), day(11)),
        ("planned", screw.pk, day(3), day(9)),
    ]


# --- One product over time --------------------------------------------------------------------------------------------
def test_stock_over_time_shows_needs_receipts_and_what_is_left() -> None:
    part = bought("PART", days=5, safety_stock=Decimal(2))
    put_on_shelf(part, 10)
    Forecast.objects.create(product=part, starts_on=day(1), ends_on=day(2), quantity=Decimal(4))
    Forecast.objects.create(product=part, starts_on=day(20), ends_on=day(21), quantity=Decimal(12))
    done = run()
    # Two have to stay, so eight of the twelve are covered by what is there.
    assert planned(done) == [("buy", "PART", "8", 20)]
    over = stock_over_time(done, part, days=7, periods=4)
    assert (over.opening, over.floor) == (Decimal(10), Decimal(2))
    assert [(p.gross, p.receipts, p.releases, p.projected) for p in over.periods] == [
        (Decimal(4), Decimal(0), Decimal(0), Decimal(6)),
        (Decimal(0), Decimal(0), Decimal(0), Decimal(6)),
        (Decimal(12), Decimal(8), Decimal(8), Decimal(2)),
        (Decimal(0), Decimal(0), Decimal(0), Decimal(2)),
    ]
    assert over.lowest == Decimal(2)
    with CaptureQueriesContext(connection) as queries:
        stock_over_time(done, part)
    assert len(queries) == 2


# --- Two plans --------------------------------------------------------------------------------------------------------
def test_two_runs_are_compared_order_by_order() -> None:
    part, other = bought("PART"), bought("OTHER")
    wanted(part, 4, day(10))
    wanted(part, 6, day(15))
    gone = wanted(other, 1, day(10))
    before = run()
    moved = SalesOrder.objects.order_by("id").first()
    assert moved is not None
    moved.promised_date = day(11)
    moved.save()
    more = moved.lines.model.objects.get(sales_order__promised_date=day(15))
    more.quantity = 7
    more.save()
    gone.lines.update(quantity_shipped=1)
    wanted(part, 2, day(30))
    after = run()
    found = [
        (row.what, row.product_id, row.before and (row.before.quantity, row.before.due_on),
         row.after and (row.after.quantity, row.after.due_on))
        for row in compare(proposals(before), proposals(after))
    ]  # fmt: skip
    assert found == [
        ("gone", other.pk, (Decimal(1), day(10)), None),
        ("changed", part.pk, (Decimal(4), day(10)), (Decimal(4), day(11))),
        ("changed", part.pk, (Decimal(6), day(15)), (Decimal(7), day(15))),
        ("new", part.pk, None, (Decimal(2), day(30))),
    ]
    assert compare(proposals(after), proposals(after)) == []


# --- Firm -------------------------------------------------------------------------------------------------------------
def test_a_firm_order_stands_in_the_next_plan_and_says_whom_it_is_for() -> None:
    order = draft(lamp(), 10, due_date=day(20))
    first = run()
    row = PlannedOrder.objects.get(run=first, product__sku="SCREW")
    [decided] = mrp.firm([row], quantity=Decimal(120), due_on=day(14), actor=system_actor())
    assert (decided.number, decided.status, decided.quantity) == (
        f"FIRM-{timezone.localdate().year}-001",
        "firm",
        Decimal("120.0000"),
    )
    assert (decided.kind, decided.due_on, decided.start_on, decided.run) == ("buy", day(14), day(10), first)
    assert order.code in decided.why
    row.refresh_from_db()
    assert row.is_taken
    second = run()
    assert [entry for entry in planned(second) if entry[1] == "SCREW"] == []
    assert PlanSupply.objects.get(run=second, reference_type="firm_order").reference_id == decided.pk


def test_a_planned_order_is_taken_once() -> None:
    draft(lamp(), 10, due_date=day(20))
    rows = list(PlannedOrder.objects.filter(run=run()).order_by("id"))
    mrp.firm(rows[:1], actor=system_actor())
    with pytest.raises(PlannedOrderTaken) as refused:
        mrp.firm(rows, actor=system_actor())
    assert len(refused.value.details["orders"]) == 1
    with pytest.raises(PlannedOrderTaken):
        mrp.release(rows[:1], actor=system_actor())
    assert FirmOrder.objects.count() == 1
    assert ProductionOrder.objects.count() == 1
    assert not PurchaseOrder.objects.exists()
    assert PlannedOrder.objects.filter(is_taken=True).count() == 1


def test_a_plan_that_was_replaced_is_not_released() -> None:
    draft(lamp(), 10, due_date=day(20))
    old = list(PlannedOrder.objects.filter(run=run()))
    new = run()
    for act in (mrp.firm, mrp.release):
        with pytest.raises(PlanMoved) as refused:
            act(old, actor=system_actor())  # type: ignore[operator]
        assert refused.value.details == {"newest": new.number}
    assert not FirmOrder.objects.exists()
    assert not PlannedOrder.objects.filter(is_taken=True).exists()


def test_nothing_is_decided_while_the_next_plan_is_made() -> None:
    draft(lamp(), 10, due_date=day(20))
    rows = list(PlannedOrder.objects.filter(run=run()))
    MRPRun.objects.create(
        number="MRP-X", status="running", planned_from=timezone.localdate(), started_by=system_actor()
    )
    with pytest.raises(PlanningRuns):
        mrp.firm(rows, actor=system_actor())
    assert not FirmOrder.objects.exists()


@pytest.mark.parametrize("quantity", ["0", "-1", "2.5"])
def test_a_made_product_is_decided_in_whole_units_above_nothing(quantity: str) -> None:
    draft(lamp(), 10, due_date=day(20))
    row = PlannedOrder.objects.get(run=run(), product__sku="ARM")
    with pytest.raises(InvalidValue):
        mrp.firm([row], quantity=Decimal(quantity), actor=system_actor())
    with pytest.raises(InvalidValue):
        mrp.firm([], actor=system_actor())
    assert not FirmOrder.objects.exists()
    [decided] = mrp.firm([row], actor=system_actor())
    with pytest.raises(InvalidValue):
        mrp.change_firm_order(decided, quantity=Decimal(quantity), actor=system_actor())
    decided.refresh_from_db()
    assert decided.quantity == Decimal(20)


def test_days_that_nobody_knows_stop_no_plan() -> None:
    part, slow = bought("PART"), bought("SLOW", safety_stock=3)
    slow.lead_time_days = 2_000_000_000
    slow.save()
    arm = ProductFactory(sku="ARM", lead_time_days=2)
    make_bom(arm, (part, 4))
    Forecast.objects.create(product=arm, starts_on=day(12), ends_on=day(20), quantity=4)
    never = datetime.date.max
    line = inventory.PurchaseLineSpec(part, Decimal(50), "each", Decimal(1), expected_on=never)
    inventory.create_purchase_order(Vendor.objects.first(), lines=[line], actor=system_actor())
    first = run()
    made = PlannedOrder.objects.get(run=first, product=arm)
    assert (made.due_on, made.ready_on) == (day(12), never)
    assert [link.ready for link in chain(first, first.late_demands.get())] == [never, never]
    assert [(row.product_id, row.after) for row in what_if([LeadTime(slow, 1)]).late] == []
    [decided] = mrp.firm([made], due_on=never, actor=system_actor())
    assert decided.start_on == never - datetime.timedelta(days=2)
    early = mrp.change_firm_order(decided, due_on=datetime.date.min, actor=system_actor())
    assert (early.start_on, early.due_on) == (datetime.date.min, datetime.date.min)
    assert run().status == "done"


def test_one_quantity_is_not_given_for_several_orders() -> None:
    draft(lamp(), 10, due_date=day(20))
    rows = list(PlannedOrder.objects.filter(run=run()))
    with pytest.raises(InvalidValue):
        mrp.firm(rows, quantity=Decimal(1), actor=system_actor())
    assert not FirmOrder.objects.exists()


def test_a_dropped_order_can_be_decided_on_again() -> None:
    draft(lamp(), 10, due_date=day(20))
    row = PlannedOrder.objects.get(run=run(), product__sku="ARM")
    [decided] = mrp.firm([row], actor=system_actor())
    mrp.drop(decided, reason="not now", actor=system_actor())
    assert decided.status == "dropped"
    with pytest.raises(InvalidTransition):
        mrp.drop(decided, actor=system_actor())
    with pytest.raises(InvalidTransition):
        mrp.release([decided], actor=system_actor())
    with pytest.raises(InvalidTransition):
        mrp.change_firm_order(decided, quantity=Decimal(3), actor=system_actor())
    [again] = mrp.firm([row], actor=system_actor())
    assert (again.status, FirmOrder.objects.count()) == ("firm", 2)


def test_a_firm_order_is_changed_until_it_is_released() -> None:
    part = bought("PART")
    wanted(part, 4, day(10))
    [decided] = mrp.firm(list(PlannedOrder.objects.filter(run=run())), actor=system_actor())
    other = VendorFactory()
    changed = mrp.change_firm_order(
        decided, quantity=Decimal("6.5"), due_on=day(12), vendor=other, actor=system_actor()
    )
    assert (changed.quantity, changed.start_on, changed.due_on, changed.vendor) == (
        Decimal("6.5000"),
        day(7),
        day(12),
        other,
    )
    released = mrp.release([changed], actor=system_actor())
    assert [order.vendor for order in released.purchase_orders] == [other]


# --- Release ----------------------------------------------------------------------------------------------------------
def test_a_second_run_plans_nothing_on_top_of_what_was_released() -> None:
    draft(lamp(), 10, due_date=day(20))
    wanted(bought("PART"), 7, day(3))
    first = run()
    rows = list(PlannedOrder.objects.filter(run=first))
    assert len(rows) == 5
    released = mrp.release(rows, actor=system_actor())
    assert [(order.product.sku, order.quantity, order.source_type, order.status, order.due_date)
            for order in released.production_orders] == [("ARM", 20, "stock", "draft", day(17))]  # fmt: skip
    assert "PO-" in released.production_orders[0].notes
    lines = PurchaseOrderLine.objects.filter(purchase_order__in=released.purchase_orders)
    bought_in_all: dict[str, Decimal] = {}
    for sku, quantity in lines.values_list("product__sku", "quantity"):
        bought_in_all[sku] = bought_in_all.get(sku, Decimal(0)) + quantity
    assert bought_in_all == {"F-BLACK": Decimal(2), "SCREW": Decimal(100), "PART": Decimal(7)}
    assert {order.status for order in released.purchase_orders} == {"draft"}
    assert {order.status for order in released.firm_orders} == {"released"}
    assert all(order.production_order or order.purchase_order for order in FirmOrder.objects.all())
    second = run()
    assert planned(second) == []
    assert second.late == first.late == 1
    # What was released is expected when it is needed: only what cannot be there in time is talked of, and the lamps
    # themselves, which nobody has ordered.
    assert list(second.plan_messages.values_list("kind", "product__sku")) == [
        ("cancel", "LAMP"),
        ("reschedule_in", "PART"),
    ]


def test_what_was_ordered_beside_the_plan_since_is_not_ordered_again_by_it() -> None:
    part, arm = bought("PART", safety_stock=10), ProductFactory(sku="ARM", safety_stock=5)
    make_bom(arm, (bought("SCREW"), 4))
    first = run()
    assert [row[:3] for row in planned(first)] == [("buy", "PART", "10"), ("buy", "SCREW", "20"), ("make", "ARM", "5")]
    production.buy_missing(products=[part], actor=system_actor())
    production.replenish_stock(products=[arm], actor=system_actor())
    rows = {row.product.sku: row for row in PlannedOrder.objects.filter(run=first)}
    for sku in ("PART", "ARM"):
        with pytest.raises(PlanMoved) as refused:
            mrp.release([rows[sku], rows["SCREW"]], actor=system_actor())
        assert refused.value.message == f"{sku}: ordered since {first.number} was made. Please plan anew."
        assert refused.value.details == {"newest": first.number, "products": [sku]}
    assert not FirmOrder.objects.exists()
    assert not PlannedOrder.objects.filter(is_taken=True).exists()
    # What was made of the plan itself is no reason.
    mrp.release([rows["SCREW"]], actor=system_actor())
    assert planned(run()) == []


def test_several_orders_of_one_product_are_released_one_after_the_other() -> None:
    part = bought("PART")
    for due in (3, 10, 20):
        wanted(part, 2, day(due))
    first, second, third = PlannedOrder.objects.filter(run=run()).order_by("number")
    for row in (first, second):
        mrp.release([row], actor=system_actor())
    mrp.firm([third], actor=system_actor())
    assert sum(PurchaseOrderLine.objects.values_list("quantity", flat=True)) == 4


def test_firm_orders_are_released_like_planned_ones_and_only_once() -> None:
    draft(lamp(), 10, due_date=day(20))
    rows = list(PlannedOrder.objects.filter(run=run()))
    decided = mrp.firm(rows, actor=system_actor())
    # Firm orders do not grow old: a newer plan has taken them into account.
    assert planned(run()) == []
    mrp.release(decided, actor=system_actor())
    assert planned(run()) == []
    with pytest.raises(InvalidTransition):
        mrp.release(decided, actor=system_actor())
    assert ProductionOrder.objects.filter(source_type="stock").count() == 1
    assert PurchaseOrder.objects.count() == 1


def test_nothing_is_released_when_nobody_sells_one_of_them() -> None:
    wanted(bought("PART"), 7, day(10))
    wanted(ComponentFactory(sku="ORPHAN"), 1, day(10))
    rows = list(PlannedOrder.objects.filter(run=run()))
    assert len(rows) == 2
    with pytest.raises(NoVendor):
        mrp.release(rows, actor=system_actor())
    with pytest.raises(InvalidValue):
        mrp.release([], actor=system_actor())
    assert not FirmOrder.objects.exists()
    assert not PurchaseOrder.objects.exists()
    assert not PlannedOrder.objects.filter(is_taken=True).exists()


def test_releasing_costs_the_same_however_many_orders_there_are() -> None:
    made, part = lamp(), bought("PART")
    counts = []
    for number in (1, 1, 6):
        for turn in range(number):
            draft(made, 3, due_date=day(20 + turn))
            wanted(part, 2, day(9 + turn))
        rows = list(PlannedOrder.objects.filter(run=run()))
        with CaptureQueriesContext(connection) as queries:
            mrp.release(rows, actor=system_actor())
        counts.append(len(statements_of(queries)))
    # The first one draws the first numbers of the year.
    assert counts[1] == counts[2]


@needs_a_server
@pytest.mark.django_db(transaction=True)
def test_of_two_who_release_the_same_at_once_one_does() -> None:
    draft(lamp(), 10, due_date=day(20))
    rows = list(PlannedOrder.objects.filter(run=run()))
    actor = system_actor()
    begin = threading.Barrier(2)
    outcomes: list[str] = []

    def work() -> None:
        try:
            begin.wait(timeout=30)
            mrp.release(list(rows), actor=actor)
            outcomes.append("released")
        except (PlannedOrderTaken, InvalidTransition):
            outcomes.append("refused")
        finally:
            connections.close_all()

    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert sorted(outcomes) == ["refused", "released"]
    assert ProductionOrder.objects.filter(source_type="stock").count() == 1
    assert PurchaseOrder.objects.count() == 1
    assert planned(run()) == []


@needs_a_server
@pytest.mark.django_db(transaction=True)
def test_runs_and_releases_at_once_never_order_twice() -> None:
    draft(lamp(), 10, due_date=day(20))
    first = run()
    rows = list(PlannedOrder.objects.filter(run=first))
    actor = system_actor()
    begin = threading.Barrier(3)
    outcomes: list[str] = []

    def work(act: Any) -> None:
        try:
            begin.wait(timeout=30)
            act()
            outcomes.append(act.__name__)
        except (PlanningRuns, PlanMoved, PlannedOrderTaken):
            outcomes.append("refused")
        finally:
            connections.close_all()

    def plan_again() -> None:
        mrp.run_mrp(actor=actor)

    def let_go() -> None:
        mrp.release(list(rows), actor=actor)

    threads = [threading.Thread(target=work, args=(act,)) for act in (plan_again, plan_again, let_go)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    assert len(outcomes) == 3
    assert not MRPRun.objects.filter(status="running").exists()
    last = newest_run()
    assert last is not None
    if "let_go" in outcomes and last.pk != first.pk:
        # The plan after a release knows what was released.
        assert planned(last) == []
    # Whoever came first, another plan and its release never bring more than is needed.
    again = run()
    left = list(PlannedOrder.objects.filter(run=again))
    if left:
        mrp.release(left, actor=actor)
    assert planned(run()) == []
    assert ProductionOrder.objects.filter(source_type="stock").count() == 1


# --- Messages ---------------------------------------------------------------------------------------------------------
def test_a_production_order_that_is_due_too_late_is_brought_forward() -> None:
    box = ProductFactory(sku="BOX", lead_time_days=1)
    part = ComponentFactory(sku="PART")
    put_on_shelf(part, 100)
    make_bom(box, (part, 1))
    order = draft(box, 5, source_type="stock", due_date=day(30))
    Forecast.objects.create(product=box, starts_on=day(10), ends_on=day(12), quantity=Decimal(5))
    [message] = PlanMessage.objects.filter(run=run())
    assert (message.kind, message.reference_id, message.from_on, message.to_on) == (
        "reschedule_in",
        order.pk,
        day(30),
        day(10),
    )
    mrp.apply_message(message, actor=system_actor())
    order.refresh_from_db()
    assert order.due_date == day(10)
    assert order.history.first().history_change_reason.startswith("MRP-")
    with pytest.raises(MessageDone):
        mrp.apply_message(message, actor=system_actor())
    assert run().messages == 0


def test_a_production_order_that_nothing_needs_is_cancelled_with_a_reason() -> None:
    box = ProductFactory(sku="BOX", lead_time_days=1)
    part = ComponentFactory(sku="PART")
    put_on_shelf(part, 100)
    make_bom(box, (part, 1))
    order = draft(box, 5, source_type="stock", due_date=day(30))
    [message] = PlanMessage.objects.filter(run=run())
    assert message.kind == "cancel"
    mrp.apply_message(message, reason="no more of these", actor=system_actor())
    order.refresh_from_db()
    assert order.status == "cancelled"
    assert order.history.first().history_change_reason == "no more of these"


def test_a_message_about_an_order_that_cannot_be_cancelled_any_more_changes_nothing() -> None:
    box = ProductFactory(sku="BOX", lead_time_days=1)
    part = ComponentFactory(sku="PART")
    put_on_shelf(part, 100)
    make_bom(box, (part, 1))
    order = draft(box, 5, source_type="stock", due_date=day(30))
    [message] = PlanMessage.objects.filter(run=run())
    production.cancel_production_order(order, reason="by hand", actor=system_actor())
    with pytest.raises(InvalidTransition):
        mrp.apply_message(message, actor=system_actor())
    message.refresh_from_db()
    assert not message.is_done
    run()
    with pytest.raises(PlanMoved):
        mrp.apply_message(message, actor=system_actor())


def test_a_firm_order_is_moved_and_dropped_by_messages() -> None:
    part = bought("PART")
    order = wanted(part, 4, day(20))
    [decided] = mrp.firm(list(PlannedOrder.objects.filter(run=run())), actor=system_actor())
    order.promised_date = day(9)
    order.save()
    [message] = PlanMessage.objects.filter(run=run())
    assert (message.kind, message.reference_type) == ("reschedule_in", "firm_order")
    mrp.apply_message(message, actor=system_actor())
    decided.refresh_from_db()
    assert (decided.start_on, decided.due_on) == (day(4), day(9))
    order.lines.update(quantity_shipped=4)
    [message] = PlanMessage.objects.filter(run=run())
    assert message.kind == "cancel"
    mrp.apply_message(message, actor=system_actor())
    decided.refresh_from_db()
    assert decided.status == "dropped"


def test_a_purchase_is_moved_and_cancelled_by_messages() -> None:
    part = bought("PART")
    order = wanted(part, 4, day(20))
    released = mrp.release(list(PlannedOrder.objects.filter(run=run())), actor=system_actor())
    [purchase] = released.purchase_orders
    line = purchase.lines.get()
    assert line.expected_on == day(20)
    order.promised_date = day(9)
    order.save()
    [message] = PlanMessage.objects.filter(run=run())
    assert (message.kind, message.reference_type, message.reference_id) == (
        "reschedule_in",
        "purchase_order_line",
        line.pk,
    )
    mrp.apply_message(message, actor=system_actor())
    line.refresh_from_db()
    assert line.expected_on == day(9)
    order.lines.update(quantity_shipped=4)
    [message] = PlanMessage.objects.filter(run=run())
    assert message.kind == "cancel"
    mrp.apply_message(message, actor=system_actor())
    last = run()
    assert (last.messages, planned(last)) == (0, [])
    assert not PlanSupply.objects.filter(run=last, reference_type="purchase_order_line").exists()


# --- What if ----------------------------------------------------------------------------------------------------------
def test_what_if_shows_what_would_be_different_and_writes_nothing() -> None:
    part = bought("PART", days=5)
    order = wanted(part, 4, day(10))
    run()
    before = (MRPRun.objects.count(), PlannedOrder.objects.count(), OutboxEvent.objects.count())
    answer = what_if([ExtraDemand(part, Decimal(6), day(2))])
    assert [(row.what, row.after and row.after.quantity) for row in answer.differences] == [("new", Decimal(6))]
    [late] = answer.late
    assert (late.name.words, late.due, late.before, late.after) == ("the order you imagine", day(2), None, day(5))
    answer = what_if([ChangedDemand(order.order_number, part, Decimal(9), day(3))])
    [row] = answer.differences
    assert row.before is not None
    assert row.after is not None
    assert (row.what, row.before.due_on, row.after.due_on, row.after.quantity) == (
        "changed",
        day(10),
        day(3),
        Decimal(9),
    )
    assert [row.name.words for row in answer.late] == [order.order_number]
    answer = what_if([LeadTime(part, 14)])
    assert [(row.before, row.after) for row in answer.late] == [(None, day(14))]
    assert before == (MRPRun.objects.count(), PlannedOrder.objects.count(), OutboxEvent.objects.count())


def test_what_if_a_purchase_comes_late() -> None:
    part = bought("PART", days=5)
    order = wanted(part, 4, day(10))
    [purchase] = mrp.release(list(PlannedOrder.objects.filter(run=run())), actor=system_actor()).purchase_orders
    answer = what_if([LateSupply(purchase.po_number, day(21))])
    assert answer.differences == []
    assert [(row.name.words, row.before, row.after) for row in answer.late] == [(order.order_number, None, day(21))]


def test_what_if_refuses_what_is_not_there() -> None:
    part = bought("PART")
    with pytest.raises(InvalidValue):
        what_if([])
    with pytest.raises(InvalidValue):
        what_if([LateSupply("PUR-1900-001", day(3))])
    with pytest.raises(InvalidValue):
        what_if([ChangedDemand("SO-1900-001", part, Decimal(1))])
    with pytest.raises(InvalidValue):
        what_if([ExtraDemand(part, Decimal(-1), day(1))])
    with pytest.raises(InvalidValue):
        what_if([LeadTime(part, -1)])


def test_received_stock_needs_no_plan() -> None:
    part = MaterialFactory(sku="F-RED")
    sold_by(VendorFactory(), part)
    wanted_by = ProductFactory(sku="CUBE")
    make_bom(wanted_by, (part, "0.2"))
    draft(wanted_by, 5, due_date=day(10))
    assert [entry[2] for entry in planned(run())] == ["1"]
    receive(part, "1")
    assert planned(run()) == []
