"""The report of cost against quote: who sees it, whose figures it compares, and the CSV."""

from __future__ import annotations

import csv
import datetime
import io
from decimal import Decimal
from typing import Any

import pytest
from django.contrib.auth.models import Group
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from blb3d.accounts.roles import sync_roles
from blb3d.accounts.tests.factories import StaffFactory, SuperuserFactory
from blb3d.core.errors import InvalidValue
from production import services as production
from production.models import ProductionOrder
from production.tests.factories import PrinterFactory, black_pla, cleared, printable, queued, stock
from quotes.models import Quote
from quotes.variance import Variance, VarianceFilter, variance_report
from sales.models import SalesOrder
from sales.pricing import PriceInput, PricingRules, price
from sales.tests.factories import CustomerFactory, confirmed, made_product, system_actor

pytestmark = pytest.mark.django_db
PAGE = reverse("console-variance")


@pytest.fixture(autouse=True)
def _rate(settings: Any) -> None:
    settings.MACHINE_HOURLY_RATE = Decimal("1.50")


@pytest.fixture
def boss(client: Client) -> Client:
    client.force_login(SuperuserFactory())
    return client


def make(order: SalesOrder, *, minutes: int = 60, good: int | None = None) -> ProductionOrder:
    """Print a sales order, so many minutes and so many good on each plate; close it short if need be."""
    made = order.production_orders.get()
    for job in production.queue_production_order(made, actor=system_actor()):
        production.begin_job(job, printer=PrinterFactory(), actor=system_actor())
        production.record_finished(job, minutes=Decimal(minutes), actor=system_actor())
        planned = job.parts.get().planned
        count = production.PlateCount(made.pk, planned if good is None else min(good, planned))
        production.clear_plate(job, [count], actor=system_actor(), requeue_missing=False)
    made.refresh_from_db()
    if made.status != "completed":
        production.complete_production_order(made, actor=system_actor(), reason="Enough")
    return made


def quoted(made: ProductionOrder, *, quantity: int) -> Quote:
    """Give an order the quote that it came from: 30 g and 20 minutes a set at 20 a kg, 2 an hour, 4 of set-up."""
    rules = PricingRules(
        machine_hourly_rate=Decimal(2), markup_percent=Decimal(50), setup_per_job=Decimal(4), setup_per_plate=Decimal(0)
    )
    priced = price(
        PriceInput(
            material_grams=Decimal(30),
            print_minutes=Decimal(20),
            quantity=quantity,
            price_per_kg=Decimal(20),
            rules=rules,
        )
    )
    quote = Quote.objects.create(
        quote_number=f"Q-{made.pk}",
        product_name="Part",
        material_type="PLA",
        quantity=quantity,
        price_breakdown=priced.breakdown(),
    )
    ProductionOrder.objects.filter(pk=made.pk).update(quote=quote)
    return quote


def report(**wanted: Any) -> list[Variance]:
    return list(variance_report(VarianceFilter.of_days(None, None, **wanted)).rows)


def test_an_order_is_compared_with_its_quote_and_its_price() -> None:
    order = confirmed((made_product(sku="FG-CLIP"), 8), customer=CustomerFactory(company_name="Example Works"))
    made = make(order, minutes=80)
    quote = quoted(made, quantity=8)
    [row] = report()
    assert (row.code, row.sku, row.customer, row.quote, row.basis) == (
        made.code,
        "FG-CLIP",
        "Example Works",
        quote.quote_number,
        "quote",
    )
    # 8 sets of 30 g at 20 a kg, of 20 minutes at 2 an hour, and the set-up.
    assert (row.expected.material, row.expected.machine, row.expected.labour) == (
        Decimal("4.80"),
        Decimal("5.33"),
        Decimal("4.00"),
    )
    # 200 g at 12 a kg, two plates of 80 minutes at 1.50 an hour; 8 parts at 12.50.
    assert (row.actual.material, row.actual.machine, row.price) == (Decimal("2.40"), Decimal("4.00"), Decimal("100.00"))
    assert (row.over, row.over_percent) == (Decimal("-7.73"), Decimal("-54.7"))
    assert (row.margin, row.margin_percent) == (Decimal("93.60"), Decimal("93.6"))


def test_without_a_priced_quote_the_plan_is_what_was_reckoned_with() -> None:
    make(confirmed((made_product(), 4)))
    [row] = report()
    assert (row.basis, row.quote) == ("plan", "")
    # 100 g at 12 a kg, an hour at 1.50.
    assert (row.expected.total, row.actual.total, row.over) == (Decimal("2.70"), Decimal("2.70"), 0)


def test_only_good_parts_are_paid_and_discounts_are_taken_off() -> None:
    order = confirmed((made_product(), 4), discount_total=Decimal(5))
    make(order, good=3)
    [row] = report()
    # 3 of 4 at 12.50, of which a tenth was taken off.
    assert (row.good, row.price) == (3, Decimal("33.75"))
    assert row.failures == Decimal("0.68")


def test_parts_for_the_shelf_have_no_price_and_count_in_no_margin() -> None:
    stock(black_pla())
    _, [job] = queued(printable(), 1)
    cleared(job, good=1)
    make(confirmed((made_product(), 4)))
    found = variance_report(VarianceFilter.of_days(None, None))
    shelf = next(row for row in found.rows if row.price is None)
    assert (shelf.customer, shelf.margin, shelf.margin_percent) == ("", None, None)
    assert found.total.price == Decimal("50.00")
    assert found.total.margin == Decimal("47.30")
    assert found.total.actual.total == shelf.actual.total + Decimal("2.70")


def test_a_price_in_another_currency_is_not_compared() -> None:
    order = confirmed((made_product(), 4), currency="EUR")
    make(order)
    assert report()[0].price is None


def test_a_split_order_has_its_share_of_the_quote_and_the_price() -> None:
    order = confirmed((made_product(), 8))
    made = order.production_orders.get()
    production.split_production_order(made, quantity=4, actor=system_actor())
    for part in order.production_orders.order_by("pk"):
        for job in production.queue_production_order(part, actor=system_actor()):
            production.begin_job(job, printer=PrinterFactory(), actor=system_actor())
            production.record_finished(job, actor=system_actor())
            production.clear_plate(job, [production.PlateCount(part.pk, 4)], actor=system_actor())
    quoted(made, quantity=8)
    rows = {row.code: row for row in report()}
    assert [row.price for row in rows.values()] == [Decimal("50.00")] * 2
    assert rows[made.code].expected.material == Decimal("2.40")


def test_days_customer_and_product_narrow_it() -> None:
    make(confirmed((made_product(sku="FG-ONE"), 1), customer=CustomerFactory(company_name="Example Works")))
    two = make(confirmed((made_product(sku="FG-TWO"), 1), customer=CustomerFactory(company_name="Other")))
    assert [row.sku for row in report(customer="example")] == ["FG-ONE"]
    assert [row.sku for row in report(product="two")] == ["FG-TWO"]
    long_ago = timezone.now() - datetime.timedelta(days=90)
    ProductionOrder.objects.filter(pk=two.pk).update(completed_at=long_ago)
    assert [row.sku for row in report()] == ["FG-ONE"]
    day = timezone.localdate(long_ago)
    assert [row.sku for row in variance_report(VarianceFilter.of_days(day, day)).rows] == ["FG-TWO"]
    with pytest.raises(InvalidValue):
        VarianceFilter.of_days(day, day - datetime.timedelta(days=1))


def test_many_orders_cost_as_many_queries_as_one() -> None:
    make(confirmed((made_product(), 1)))

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            report()
        return len(queries)

    one = cost()
    for _ in range(3):
        quoted(make(confirmed((made_product(), 2))), quantity=2)
    assert one == cost() <= 12


def test_the_page_and_the_file_show_the_same(boss: Client) -> None:
    order = confirmed((made_product(sku="FG-CLIP"), 4), customer=CustomerFactory(company_name="=cmd()"))
    made = make(order)
    page = boss.get(PAGE).content.decode()
    assert made.code in page
    assert "$47.30" in page
    answer = boss.get(PAGE, {"format": "csv"})
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    heading, row, total = list(csv.reader(io.StringIO(answer.content.decode())))
    told = dict(zip(heading, row, strict=True))
    assert (told["order"], told["customer"], told["cost"], told["margin"]) == (made.code, "'=cmd()", "2.70", "47.30")
    assert dict(zip(heading, total, strict=True))["price"] == "50.00"
    assert "No order was completed" in boss.get(PAGE, {"product": "nothing"}).content.decode()
    wrong = boss.get(PAGE, {"date_from": "2026-02-01", "date_to": "2026-01-01"})
    assert (wrong.status_code, "The first day comes before the last" in wrong.content.decode()) == (200, True)


def test_an_operator_does_not_see_margins(client: Client) -> None:
    sync_roles()
    operator = StaffFactory()
    operator.groups.add(Group.objects.get(name="operator"))
    client.force_login(operator)
    assert client.get(PAGE).status_code == 403
