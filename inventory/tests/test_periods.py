"""Closed books stay as they were."""

import datetime
from decimal import Decimal
from functools import partial

import pytest
from django.utils import timezone

from blb3d.core.errors import InvalidTransition, InvalidValue, ReasonRequired
from blb3d.core.outbox import OutboxEvent
from inventory import services as inventory
from inventory.errors import BooksDiffer, PeriodClosed, PeriodNotOver, PeriodsOutOfOrder, PeriodsOverlap
from inventory.models import Inventory, InventoryTransaction, MaterialLot, StockBook, StockPeriod, StockPeriodValue
from inventory.models.periods import midnight
from inventory.selectors import prove_ledger, verify_ledger
from inventory.tests.concurrency import shared_database, together  # noqa: F401
from inventory.tests.factories import (
    ComponentFactory,
    LocationFactory,
    MaterialFactory,
    put_on_shelf,
    receive,
    system_actor,
)

pytestmark = pytest.mark.django_db
D = Decimal


def day(ago):
    return timezone.localdate() - datetime.timedelta(days=ago)


def noon(ago):
    return midnight(day(ago)) + datetime.timedelta(hours=12)


def period(first, last):
    return inventory.create_period(first_day=day(first), last_day=day(last), actor=system_actor())


def adjust(product, change, at, lot=None):
    return inventory.adjust_stock(
        product, location=LocationFactory(), quantity_change=D(change), reason="count", lot=lot, at=at,
        actor=system_actor(),
    )  # fmt: skip


def test_closing_keeps_what_everything_was_worth_at_the_end_and_says_so():
    pla, bolt = MaterialFactory(), ComponentFactory(unit_cost=D(2))
    lot = receive(pla, "4", unit_cost=D(10), received_at=noon(5))
    adjust(bolt, 3, noon(4))
    adjust(pla, -1, noon(1), lot)
    closed = inventory.close_period(period(6, 2), actor=system_actor(), reason="month end")
    assert (closed.status, closed.closings, closed.stock_value) == ("closed", 1, D(40))
    assert list(StockPeriodValue.objects.values_list("product_id", "lot_id", "quantity", "stock_value")) == [
        (pla.pk, lot.pk, D(4), D(40)),
        (bolt.pk, None, D(3), D(0)),
    ]
    assert StockBook.objects.get().closed_through == midnight(day(1))
    fact = OutboxEvent.objects.get(topic="inventory.period_closed")
    assert (fact.payload["through"], fact.payload["value"]) == (day(2).isoformat(), "40.0000")
    assert verify_ledger().is_clean


def test_nothing_is_posted_in_a_closed_period_or_before_it():
    bolt = ComponentFactory()
    adjust(bolt, 5, noon(6))
    inventory.close_period(period(4, 2), actor=system_actor())
    for moment in (noon(6), noon(3), midnight(day(1)) - datetime.timedelta(microseconds=1)):
        with pytest.raises(PeriodClosed) as refusal:
            adjust(bolt, 1, moment)
        assert refusal.value.details["closed_through"] == midnight(day(1)).isoformat()
    with pytest.raises(PeriodClosed):
        receive(MaterialFactory(), "1", received_at=noon(3))
    assert not MaterialLot.objects.exists()
    assert InventoryTransaction.objects.count() == 1
    adjust(bolt, 1, midnight(day(1)))
    adjust(bolt, 1, None)
    assert verify_ledger().is_clean


def test_a_period_that_is_not_over_is_not_closed():
    running = period(3, 0)
    with pytest.raises(PeriodNotOver):
        inventory.close_period(running, actor=system_actor())
    running.refresh_from_db()
    assert (running.status, StockPeriodValue.objects.count()) == ("open", 0)


def test_books_that_differ_are_not_closed():
    bolt = ComponentFactory()
    put_on_shelf(bolt, 5)
    Inventory.objects.update(on_hand_quantity=D(6))
    late = period(4, 2)
    with pytest.raises(BooksDiffer) as refusal:
        inventory.close_period(late, actor=system_actor())
    assert refusal.value.details["differences"][0] == (f"on hand of {bolt.sku} at MAIN: expected 5.0000, found 6.0000")
    late.refresh_from_db()
    assert late.status == "open"


def test_periods_close_the_earliest_first_and_open_the_latest_first():
    actor, early, late = system_actor(), period(9, 6), period(5, 2)
    with pytest.raises(PeriodsOutOfOrder):
        inventory.close_period(late, actor=actor)
    inventory.close_period(early, actor=actor)
    inventory.close_period(late, actor=actor)
    with pytest.raises(InvalidTransition):
        inventory.close_period(late, actor=actor)
    with pytest.raises(PeriodsOutOfOrder):
        inventory.reopen_period(early, actor=actor, reason="late bill")
    with pytest.raises(ReasonRequired):
        inventory.reopen_period(late, actor=actor, reason=" ")
    inventory.reopen_period(late, actor=actor, reason="late bill")
    assert StockBook.objects.get().closed_through == midnight(day(5))
    inventory.reopen_period(early, actor=actor, reason="late bill")
    assert StockBook.objects.get().closed_through is None


def test_a_period_that_was_opened_again_keeps_both_pictures():
    bolt, actor = ComponentFactory(unit_cost=D(1)), system_actor()
    month = inventory.close_period(period(4, 2), actor=actor)
    inventory.reopen_period(month, actor=actor, reason="a receipt was forgotten")
    inventory.receive_stock(bolt, quantity=D(3), unit_cost=D(2), location=LocationFactory(), at=noon(3), actor=actor)
    month = inventory.close_period(month, actor=actor)
    assert (month.closings, month.stock_value) == (2, D(6))
    assert list(StockPeriodValue.objects.values_list("closing", "quantity", "stock_value")) == [(2, D(3), D(6))]
    assert verify_ledger().is_clean


def test_periods_do_not_overlap_each_other_or_closed_days():
    inventory.close_period(period(6, 4), actor=system_actor())
    for first, last, error in ((5, 2, PeriodsOverlap), (9, 7, PeriodsOverlap), (1, 2, InvalidValue)):
        with pytest.raises(error):
            period(first, last)
    assert StockPeriod.objects.count() == 1
    assert str(period(3, 2)) == f"{day(3)} to {day(2)}"


def test_a_row_smuggled_into_a_closed_period_is_found():
    bolt = ComponentFactory(unit_cost=D(1))
    adjust(bolt, 3, noon(5))
    inventory.close_period(period(6, 2), actor=system_actor())
    put_on_shelf(bolt, 1)
    row = InventoryTransaction.objects.order_by("-pk")[:1].get()
    InventoryTransaction._base_manager.filter(pk=row.pk)._raw_delete("default")
    row.pk, row._state.adding, row.transaction_date = None, True, noon(3)
    row.save()
    assert [(found.what, found.expected, found.found) for found in prove_ledger().differences] == [
        (f"quantity at the end of {day(2)}", D(3), D(4)),
        (f"value at the end of {day(2)}", D(0), D(1)),
    ]


@pytest.mark.django_db(transaction=True)
def test_of_a_closing_and_movements_dated_back_at_once_each_is_in_the_picture_or_refused(shared_database):  # noqa: F811
    month, actor, place = period(4, 2), system_actor(), LocationFactory()
    bolts = ComponentFactory.create_batch(12)

    def receive_back(bolt):
        return inventory.receive_stock(bolt, quantity=D(1), unit_cost=D(1), location=place, at=noon(3), actor=actor)

    calls = [partial(receive_back, bolt) for bolt in bolts]
    calls.insert(6, partial(inventory.close_period, month, actor=actor))
    results = together(*calls)
    closed = results.pop(6)
    assert isinstance(closed, StockPeriod), closed
    posted = [result for result in results if isinstance(result, InventoryTransaction)]
    refused = [result for result in results if isinstance(result, PeriodClosed)]
    assert len(posted) + len(refused) == len(bolts)
    assert closed.stock_value == len(posted) == StockPeriodValue.objects.count()
    assert verify_ledger().is_clean
