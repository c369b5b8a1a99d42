"""What the clock does in stock."""

import datetime
import logging
from decimal import Decimal

import pytest
from django.utils import timezone

from inventory.models import Inventory, MaterialLot
from inventory.tasks import expire_lots, reconcile_ledger
from inventory.tests.factories import MaterialFactory, receive

pytestmark = pytest.mark.django_db


def test_lots_expire_by_the_clock():
    receive(MaterialFactory(), "1", expires_at=timezone.now() - datetime.timedelta(minutes=1))
    assert expire_lots() == 1
    assert expire_lots() == 0
    assert MaterialLot.objects.get().status == "EXPIRED"


def test_a_difference_is_reported_and_left_as_it_is(caplog):
    receive(MaterialFactory(), "1")
    assert reconcile_ledger() == 0
    Inventory.objects.update(on_hand_quantity=Decimal("1.5"))
    with caplog.at_level(logging.ERROR, logger="inventory.tasks"):
        assert reconcile_ledger() == 3
    assert "on hand" in caplog.text
    assert Inventory.objects.get().on_hand_quantity == Decimal("1.5")
