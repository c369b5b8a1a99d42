"""Dates in the past: few days back, never before the stock was there, never in closed books."""

import datetime
from decimal import Decimal

import pytest
from django.contrib.auth.models import Permission
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.accounts.tests.factories import StaffFactory
from inventory import services as inventory
from inventory.errors import DatedAhead, DatedBeforeLot, DatedTooFarBack, NotThereThen
from inventory.models import InventoryTransaction, MaterialLot
from inventory.selectors import verify_ledger
from inventory.services import Movement
from inventory.services.ledger import Kind
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


def ago(**units):
    return timezone.now() - datetime.timedelta(**units)


def adjust(product, change, at, actor, lot=None):
    return inventory.adjust_stock(
        product, location=LocationFactory(), quantity_change=D(change), reason="count", lot=lot, at=at, actor=actor
    )


def test_staff_date_a_movement_back_by_some_days_and_no_further(settings):
    settings.STOCK_BACKDATE_DAYS = 3
    bolt, clerk, at = ComponentFactory(), StaffFactory(), ago(days=2)
    row = adjust(bolt, 5, at, clerk)
    assert (row.transaction_date, row.created_at > at) == (at, True)
    with pytest.raises(DatedTooFarBack) as refusal:
        adjust(bolt, 5, ago(days=4), clerk)
    assert refusal.value.details["days"] == 3
    assert InventoryTransaction.objects.count() == 1


def test_who_may_and_the_system_date_opening_stock_further_back(settings):
    settings.STOCK_BACKDATE_DAYS = 3
    bolt, clerk = ComponentFactory(), StaffFactory()
    clerk.user_permissions.add(Permission.objects.get(codename="backdate_stock"))
    for actor in (User.objects.get(pk=clerk.pk), system_actor()):
        adjust(bolt, 5, ago(days=400), actor)
    assert verify_ledger().is_clean


def test_nobody_dates_a_movement_ahead_and_a_clock_that_is_a_little_fast_is_forgiven():
    bolt, actor = ComponentFactory(), system_actor()
    with pytest.raises(DatedAhead):
        adjust(bolt, 5, timezone.now() + datetime.timedelta(minutes=6), actor)
    with pytest.raises(DatedAhead):
        receive(MaterialFactory(), "1", received_at=timezone.now() + datetime.timedelta(days=1))
    assert not MaterialLot.objects.exists()
    row = adjust(bolt, 5, timezone.now() + datetime.timedelta(minutes=1), actor)
    assert row.transaction_date <= timezone.now()


def test_a_lot_does_not_move_before_it_came():
    lot, actor = receive(MaterialFactory(), "2", received_at=ago(days=2)), system_actor()
    with pytest.raises(DatedBeforeLot):
        adjust(lot.product, 1, ago(days=3), actor, lot)
    adjust(lot.product, 1, ago(days=1), actor, lot)
    lot.refresh_from_db()
    assert lot.quantity_remaining == D(3)


def test_stock_does_not_leave_before_it_was_there():
    bolt, actor = ComponentFactory(), system_actor()
    adjust(bolt, 5, ago(days=5), actor)
    adjust(bolt, -2, ago(days=4), actor)
    put_on_shelf(bolt, 10)
    with pytest.raises(NotThereThen) as refusal:
        adjust(bolt, -4, ago(days=3), actor)
    assert [(item["requested"], item["available"]) for item in refusal.value.details["items"]] == [("4.0000", "3.0000")]
    with pytest.raises(NotThereThen):
        adjust(bolt, -1, ago(days=6), actor)
    with pytest.raises(NotThereThen):
        # Five days ago there were four to take, a day later only two of them were left.
        adjust(bolt, -4, ago(days=4, hours=12), actor)
    adjust(bolt, -3, ago(days=3), actor)
    assert sum(InventoryTransaction.objects.values_list("on_hand_change", flat=True)) == D(10)
    assert verify_ledger().is_clean


def test_what_comes_and_goes_in_one_call_is_seen_together():
    bolt, place, at = ComponentFactory(), LocationFactory(), ago(days=1)
    inventory.post_transactions(
        [
            Movement(Kind.CONSUMPTION, bolt.pk, place.pk, quantity=D(-2), at=at),
            Movement(Kind.RECEIPT, bolt.pk, place.pk, quantity=D(2), unit_cost=D(1), at=at),
        ],
        actor=system_actor(),
    )
    assert verify_ledger().is_clean
