"""A priced quote says by when it is shipped, and its order keeps what was said when it was accepted."""

from __future__ import annotations

import datetime

import pytest
from django.utils import timezone

from blb3d.core.errors import NotAllowed
from inventory.models import Product
from production.models import Printer
from production.tests.factories import PrinterFactory, black_pla, draft, printable, stock
from quotes import services as quotes
from quotes.services.promise import renew_promises
from quotes.tests.factories import member, quoted, system_actor
from sales.tests.factories import ADDRESS

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]


@pytest.fixture(autouse=True)
def every_day(settings):
    settings.FARM_WORKING_DAYS = [0, 1, 2, 3, 4, 5, 6]
    settings.FARM_SHIFT_STARTS = settings.FARM_SHIFT_ENDS = datetime.time(0)


def five_days_of_work() -> None:
    """Plan plates that take an hour each, clearing included."""
    stock(black_pla(), "100")
    product = printable()
    product.plates.update(estimated_minutes=55)
    draft(product, 24 * 5)


def test_a_price_comes_with_its_day_and_its_reason():
    PrinterFactory()
    quote = quoted(quantity=20)
    assert quote.ready_by > timezone.localdate()
    kept = quote.estimate_detail["promise"]
    assert kept["ready_by"]["standard"] == quote.ready_by.isoformat()
    assert kept["reason"].startswith("Nothing is ahead of it, ")
    assert kept["reason"].endswith("material in stock.")


def test_a_rush_is_promised_before_what_is_less_urgent():
    PrinterFactory()
    five_days_of_work()
    quote = quoted()
    days = quote.estimate_detail["promise"]["ready_by"]
    standard, rush = (datetime.date.fromisoformat(days[level]) for level in ("standard", "rush"))
    assert (standard - rush).days == 5
    assert quote.sooner == [("rush", rush)]
    assert quoted(rush="rush").sooner == []


def test_a_finish_and_missing_material_take_their_days():
    PrinterFactory()
    plain, painted = quoted(), quoted(finish="painted")
    assert (painted.ready_by - plain.ready_by).days == 2
    Product.objects.filter(material_type="PETG").update(lead_time_days=9)
    heavy = quoted(material_type="PETG", quantity=2000)
    assert "PETG Grey has to be ordered and takes 9 days" in heavy.estimate_detail["promise"]["reason"]
    assert (heavy.ready_by - plain.ready_by).days >= 8


def test_without_a_printer_a_person_says_when():
    quote = quoted()
    assert quote.is_priced
    assert quote.ready_by is None
    assert "a person says when" in quote.estimate_detail["promise"]["reason"]


def test_the_order_is_promised_by_the_farm_as_it_is_when_the_quote_is_accepted():
    PrinterFactory()
    buyer = member()
    quote = quoted(buyer)
    said = quote.ready_by
    five_days_of_work()
    quotes.accept_quote(quote, shipping=ADDRESS, actor=buyer.user)
    order = quote.sales_order
    assert (order.promised_date - said).days == 5
    assert quote.ready_by == order.promised_date
    assert order.production_orders.get().due_date == order.promised_date


def test_a_price_that_is_taken_off_takes_its_day_along():
    PrinterFactory()
    quote = quoted(submit=False)
    Printer.objects.all().delete()
    quotes.price_quote(quote, actor=system_actor())
    assert quote.ready_by is None


def test_open_quotes_are_promised_anew_as_the_farm_fills_up():
    PrinterFactory()
    open_one, ordered, by_rush = quoted(), quoted(), quoted(rush="rush")
    quotes.accept_quote(ordered, shipping=ADDRESS, actor=ordered.user)
    said, price = open_one.ready_by, open_one.unit_price
    five_days_of_work()
    assert renew_promises(actor=system_actor()) == 1
    for quote in (open_one, ordered, by_rush):
        quote.refresh_from_db()
    assert (open_one.ready_by - said).days == 5
    assert open_one.promise_reason.startswith("Printing starts on ")
    assert open_one.promise_reason.endswith("material in stock.")
    assert open_one.unit_price == price
    assert ordered.ready_by == ordered.sales_order.promised_date == said
    assert by_rush.ready_by == said
    assert renew_promises(actor=system_actor()) == 0
    with pytest.raises(NotAllowed):
        renew_promises(actor=open_one.user)
