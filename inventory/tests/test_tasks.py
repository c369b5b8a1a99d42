"""What the clock does in stock."""

import datetime
import logging
from decimal import Decimal

import pytest
from django.utils import timezone

from blb3d.core.outbox import OutboxEvent
from inventory.models import Inventory, MaterialLot, ReconciliationReport
from inventory.tasks import classify_abc, expire_lots, reconcile_ledger
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


def test_every_proof_is_kept_and_a_clean_one_settles_what_was_found_before():
    receive(MaterialFactory(), "1", unit_cost=Decimal(12))
    Inventory.objects.update(cost_per_unit=Decimal(13))
    reconcile_ledger()
    report = ReconciliationReport.objects.get()
    assert (report.is_clean, report.difference_count, report.settled_at) == (False, 1, None)
    (found,) = report.differences
    assert (found["what"], found["expected"], found["found"]) == ("value", "12.0000", "13.0000")
    assert OutboxEvent.objects.get(topic="inventory.books_differ").payload == {"id": report.pk, "differences": 1}
    Inventory.objects.update(cost_per_unit=Decimal(12))
    assert reconcile_ledger() == 0
    report.refresh_from_db()
    assert report.settled_at is not None
    clean = ReconciliationReport.objects.exclude(pk=report.pk).get()
    assert (clean.is_clean, clean.transactions, clean.balances, clean.lots, clean.stock_value) == (True, 1, 1, 1, 12)


def test_products_are_classified_by_the_clock():
    receive(MaterialFactory(), "1")
    assert classify_abc() == 1
    assert classify_abc() == 0
    assert MaterialLot.objects.get().product.abc_class == "C"
