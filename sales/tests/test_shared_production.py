"""One production order for several sales orders; and what cancelling or holding one will do, told before it is done."""

from __future__ import annotations

import datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from blb3d.accounts.tests.factories import SuperuserFactory
from blb3d.core import outbox
from inventory.models import Product, Reservation
from inventory.selectors import verify_ledger
from inventory.tests.factories import put_on_shelf
from production import services as production
from production.errors import UnitsInWork
from production.models import PrintJob, ProductionOrder
from production.tests.factories import PrinterFactory, routed
from sales import selectors
from sales import services as sales
from sales.effects import cancel_effects, hold_effects
from sales.errors import NotInspected
from sales.models import SalesOrder
from sales.tests.factories import CustomerFactory, confirmed, made_product, placed, system_actor

pytestmark = pytest.mark.django_db


def shared(first: int, second: int, **product: bool) -> tuple[SalesOrder, SalesOrder, ProductionOrder]:
    """Return two confirmed orders whose parts one production order makes, the first served first."""
    made = made_product(**product)
    one, two = confirmed((made, first)), confirmed((made, second))
    target, source = one.production_orders.get(), two.production_orders.get()
    production.merge_production_orders(target, [source], actor=system_actor())
    outbox.drain()
    target.refresh_from_db()
    return one, two, target


def print_next(order: ProductionOrder, good: int) -> None:
    """Print one waiting job of the order and count so many good parts."""
    job = PrintJob.objects.filter(parts__production_order=order, status="queued").order_by("id").first()
    assert job is not None
    production.begin_job(job, printer=PrinterFactory(), actor=system_actor())
    production.record_finished(job, actor=system_actor())
    production.clear_plate(job, [production.PlateCount(order.pk, good)], actor=system_actor(), requeue_missing=True)
    outbox.drain()


def states(*orders: SalesOrder) -> list[str]:
    for order in orders:
        order.refresh_from_db()
    return [order.status for order in orders]


def test_a_shared_order_is_nobodys_own_and_starts_both() -> None:
    one, two, target = shared(4, 4)
    assert (target.sales_order, target.sales_order_line, target.quantity) == (None, None, 8)
    assert set(selectors.made_for(two)) == {target, two.production_orders.get()}
    assert states(one, two) == ["confirmed", "confirmed"]
    print_next(target, 4)
    assert states(two) == ["in_production"]


def test_a_lot_leads_to_every_customer_whose_parts_were_made_of_it(client: Client) -> None:
    one, two, target = shared(4, 4)
    print_next(target, 4)
    divided = production.split_production_order(target, quantity=2, actor=system_actor())
    print_next(divided, 2)
    lot = target.materials.order_by("id")[0].material_lot
    assert selectors.lot_customers(lot) == [one.customer, two.customer]
    client.force_login(SuperuserFactory())
    page = client.get("/admin/trace/", {"number": lot.lot_number}).content.decode()
    assert str(one.customer) in page
    assert str(two.customer) in page


def test_a_lot_leads_to_those_who_got_it_off_the_shelf() -> None:
    product = made_product(is_serialized=True)
    alone = production.make_stock_order(product, quantity=4, actor=system_actor())
    production.confirm_production_orders([alone], actor=system_actor())
    production.queue_production_order(alone, actor=system_actor())
    print_next(alone, 4)
    lot = alone.materials.order_by("id")[0].material_lot
    assert selectors.lot_customers(lot) == []
    serial = alone.serials.first()
    assert serial is not None
    serial.sales_order = placed((product, 1))
    serial.save()
    assert selectors.lot_customers(lot) == [serial.sales_order.customer]


def test_the_page_of_a_sales_order_leads_to_what_is_made_with_others(client: Client) -> None:
    client.force_login(SuperuserFactory())
    _, two, target = shared(4, 4)
    page = client.get(f"/admin/sales/salesorder/{two.pk}/change/").content.decode()
    assert f'href="/admin/production/productionorder/{target.pk}/change/">{target.code}</a>' in page
    alone = client.get(f"/admin/sales/salesorder/{placed((made_product(), 1)).pk}/change/").content.decode()
    assert "made together" not in alone.lower()


def test_each_order_is_ready_when_its_share_is_there() -> None:
    one, two, target = shared(4, 4)
    print_next(target, 4)
    assert states(one, two) == ["quality_check", "in_production"]
    progress = selectors.order_progress([one.pk, two.pk])
    assert [(progress[order.pk].good, progress[order.pk].total) for order in (one, two)] == [(4, 4), (0, 4)]
    print_next(target, 4)
    assert states(one, two) == ["quality_check", "quality_check"]
    assert selectors.order_progress([two.pk])[two.pk].good == 4


def test_a_share_is_inspected_before_it_is_shipped_and_has_its_serial_numbers() -> None:
    one, two, target = shared(4, 4, is_serialized=True)
    print_next(target, 4)
    print_next(target, 4)
    one.refresh_from_db()
    with pytest.raises(NotInspected):
        sales.ship_order(one, actor=system_actor())
    target.refresh_from_db()
    production.pass_inspection(target, actor=system_actor())
    for order in (one, two):
        order.refresh_from_db()
        sales.ship_order(order, actor=system_actor())
    assert states(one, two) == ["shipped", "shipped"]
    assert {one.serials.count(), two.serials.count()} == {4}


def test_a_part_that_fails_the_inspection_is_made_again_for_whom_it_was() -> None:
    one, two, target = shared(4, 4)
    print_next(target, 4)
    print_next(target, 4)
    target.refresh_from_db()
    production.fail_inspection(target, quantity=2, reason="Crack", actor=system_actor())
    again = ProductionOrder.objects.latest("pk")
    assert (again.quantity, again.status, again.demands.get().reference_id) == (2, "confirmed", two.lines.get().pk)
    kept = dict(Reservation.objects.filter(reference_type="sales_order_line").values_list("reference_id", "quantity"))
    assert kept == {one.lines.get().pk: 4, two.lines.get().pk: 2}


def test_cancelling_one_lets_the_other_have_its_parts() -> None:
    one, two, target = shared(4, 4)
    sales.cancel_order(one, actor=system_actor(), reason="Changed their mind")
    outbox.drain()
    target.refresh_from_db()
    assert (target.status, target.quantity) == ("queued", 4)
    print_next(target, 4)
    assert states(one, two) == ["cancelled", "quality_check"]
    assert Reservation.objects.get(reference_type="sales_order_line").quantity == 4
    assert verify_ledger().is_clean


def test_holding_one_leaves_what_is_for_others_going() -> None:
    one, _, target = shared(4, 4)
    assert [row.text for row in hold_effects(one) if row.about == "orders"] == [
        f"{target.code} goes on: it is for others too."
    ]
    sales.hold_order(one, actor=system_actor(), reason="Wait")
    target.refresh_from_db()
    assert not target.is_held


def test_cancelling_tells_of_orders_jobs_stock_and_money() -> None:
    shelf = made_product(sku="FG-SHELF", replenishment=Product.Replenishment.MAKE_TO_STOCK)
    put_on_shelf(shelf, 2)
    customer = CustomerFactory(company_name="Example Works")
    order = confirmed((made_product(), 8), (shelf, 2), customer=customer, promised_date=datetime.date(2030, 3, 12))
    sales.record_payment(order, amount=Decimal(50), method="bank", actor=system_actor())
    made = order.production_orders.get()
    first, second = production.queue_production_order(made, actor=system_actor())
    production.begin_job(first, printer=PrinterFactory(name="Left"), actor=system_actor())
    order.refresh_from_db()
    assert [row.text for row in cancel_effects(order)] == [
        "Example Works was promised 12 Mar 2030, which is not kept.",
        f"{made.code} is cancelled: 8 parts are not made.",
        f"{second.code} is cancelled before being sent.",
        f"Left is asked to stop {first.code}.",
        "Frees 2 FG-SHELF.",
        "$50.00 was paid and is to be given back.",
    ]
    assert [row.text for row in hold_effects(order)] == [
        "Example Works was promised 12 Mar 2030, which cannot be planned while it is held.",
        f"{made.code} is held with 8 parts to make.",
        f"{second.code} is not sent.",
        f"{first.code} goes on.",
        "What is reserved stays reserved.",
    ]


def test_units_at_an_operation_are_named_before_a_cancellation_is_refused() -> None:
    product = made_product()
    routed(product, "paint")
    order = confirmed((product, 4))
    made = order.production_orders.get()
    [job] = production.queue_production_order(made, actor=system_actor())
    production.begin_job(job, printer=PrinterFactory(), actor=system_actor())
    production.record_finished(job, actor=system_actor())
    production.clear_plate(job, [production.PlateCount(made.pk, 4)], actor=system_actor())
    at = made.operations.get().name
    words = f"{made.code} has units in work: 4 at {at}. Until they are reported it is refused."
    assert words in [row.text for row in cancel_effects(order) if row.is_warning]
    with pytest.raises(UnitsInWork):
        sales.cancel_order(order, actor=system_actor(), reason="Changed their mind")
    assert states(order) == ["confirmed"]


def test_telling_costs_the_same_for_one_line_and_five() -> None:
    small, large = confirmed((made_product(), 1)), confirmed(*((made_product(), 1) for _ in range(5)))
    for order in (small, large):
        for made in order.production_orders.all():
            production.queue_production_order(made, actor=system_actor())

    def cost(order: SalesOrder) -> int:
        with CaptureQueriesContext(connection) as queries:
            cancel_effects(order)
            hold_effects(order)
        return len(queries)

    assert cost(small) == cost(large) <= 20


def test_the_page_that_asks_shows_it_and_cancels_nothing_yet(client: Client) -> None:
    client.force_login(SuperuserFactory())
    order = placed((made_product(), 3))
    answer = client.post(f"/admin/sales/salesorder/{order.pk}/verb/cancel/")
    assert answer.status_code == 200
    assert f"{order.production_orders.get().code} is cancelled: 3 parts are not made." in answer.content.decode()
    assert states(order) == ["pending"]
