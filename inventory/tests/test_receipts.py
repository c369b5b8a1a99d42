"""What comes in, and what becomes of a lot."""

import datetime
from decimal import Decimal

import pytest
from django.db import transaction
from django.utils import timezone

from blb3d.core.errors import InvalidTransition, InvalidValue, ReasonRequired, StaleVersion, UnknownConversion
from blb3d.core.outbox import OutboxEvent
from inventory import services as inventory
from inventory.errors import LotNeeded, LotNumberTaken, NoLocation
from inventory.models import InventoryTransaction, MaterialLot, Reservation
from inventory.selectors import available, verify_ledger
from inventory.services import Need
from inventory.tests.factories import (
    ComponentFactory,
    LocationFactory,
    MaterialFactory,
    VendorFactory,
    receive,
    system_actor,
)

pytestmark = pytest.mark.django_db
D = Decimal


def test_a_lot_in_grams_is_stocked_in_kilograms():
    pla, vendor = MaterialFactory(), VendorFactory()
    lot = receive(pla, "1000.5", unit="g", unit_cost=D("13.2"), vendor=vendor, lot_number=" A-17 ")
    assert (lot.lot_number, lot.quantity_received, lot.quantity_remaining) == ("A-17", D("1.0005"), D("1.0005"))
    assert (lot.status, lot.vendor, lot.unit_cost) == ("ACTIVE", vendor, D("13.2"))
    row = InventoryTransaction.objects.get()
    assert (row.transaction_type, row.reference_type, row.reference_id) == ("receipt", "lot", lot.pk)
    fact = OutboxEvent.objects.get(topic="inventory.lot_received")
    assert (fact.payload["id"], fact.payload["vendor_id"]) == (lot.pk, vendor.pk)


def test_a_refused_receipt_leaves_nothing():
    pla = MaterialFactory()
    receive(pla, "1", lot_number="A-17")
    for wrong, error in (
        ({"lot_number": "A-17"}, LotNumberTaken),
        ({"lot_number": " "}, InvalidValue),
        ({"unit": "each"}, UnknownConversion),
        ({"unit_cost": D(-1)}, InvalidValue),
        ({"quantity": D(0)}, InvalidValue),
    ):
        with pytest.raises(error):
            receive(pla, **{"quantity": D(1), "lot_number": "A-18", **wrong})
    assert MaterialLot.objects.count() == 1
    assert available([pla.pk])[pla.pk] == D(1)


def test_without_a_default_location_the_receiver_must_name_one():
    with pytest.raises(NoLocation):
        inventory.receive_lot(MaterialFactory(), lot_number="A", quantity=D(1), unit_cost=D(1), actor=system_actor())
    assert not MaterialLot.objects.exists()


def test_a_lot_in_quarantine_is_used_only_once_released():
    pla = MaterialFactory()
    lot = receive(pla, "1", quarantine=True)
    assert available([pla.pk])[pla.pk] == D(0)
    inventory.release_lot(lot, actor=system_actor())
    assert available([pla.pk])[pla.pk] == D(1)


def test_quarantine_needs_a_reason_and_frees_what_was_reserved():
    pla = MaterialFactory()
    lot = receive(pla, "1")
    inventory.reserve([Need(pla.pk, D("0.4"), "production_order", 1)], actor=system_actor())
    with pytest.raises(ReasonRequired):
        inventory.quarantine_lot(lot, reason="", actor=system_actor())
    assert Reservation.objects.count() == 1
    inventory.quarantine_lot(lot, reason="moist", actor=system_actor())
    assert not Reservation.objects.exists()
    assert available([pla.pk])[pla.pk] == D(0)
    fact = OutboxEvent.objects.get(topic="inventory.lot_quarantined")
    assert fact.payload["released_reservations"] == 1
    assert verify_ledger().is_clean
    with pytest.raises(InvalidTransition):
        inventory.quarantine_lot(lot, reason="again", actor=system_actor())


def test_lots_whose_date_has_passed_expire():
    pla = MaterialFactory()
    old = receive(pla, "1", expires_at=timezone.now() + datetime.timedelta(days=1))
    receive(pla, "2", expires_at=timezone.now() + datetime.timedelta(days=90))
    inventory.reserve([Need(pla.pk, D("0.4"), "production_order", 1)], actor=system_actor())
    assert inventory.expire_lots(actor=system_actor()) == []
    MaterialLot.objects.filter(pk=old.pk).update(expiration_date=timezone.now() - datetime.timedelta(minutes=1))
    assert inventory.expire_lots(actor=system_actor()) == [old]
    assert available([pla.pk])[pla.pk] == D(2)
    assert not Reservation.objects.exists()


def test_a_form_opened_before_a_consumption_cannot_write_the_old_remainder_back():
    lot = receive(MaterialFactory(), "1")
    inventory.consume([inventory.Use(lot.product_id, D("0.4"), "print_job", 1)], actor=system_actor())
    lot.vendor_lot_number = "V-1"
    with pytest.raises(StaleVersion), transaction.atomic():
        lot.save()
    lot.refresh_from_db()
    assert lot.quantity_remaining == D("0.6")


def test_plain_stock_is_received_without_a_lot_unless_the_product_is_tracked():
    bolt, place = ComponentFactory(), LocationFactory()
    received = {"quantity": D(5), "unit_cost": D("0.1"), "location": place, "actor": system_actor()}
    inventory.receive_stock(bolt, **received)
    assert available([bolt.pk])[bolt.pk] == D(5)
    with pytest.raises(LotNeeded):
        inventory.receive_stock(MaterialFactory(), **received)
