"""Reserving and releasing."""

import datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.core.errors import InvalidValue
from inventory import services as inventory
from inventory.models import Inventory, InventoryTransaction, MaterialLot, Product, Reservation
from inventory.selectors import available, verify_ledger
from inventory.services import Need
from inventory.tests.factories import ComponentFactory, MaterialFactory, put_on_shelf, receive, system_actor
from inventory.tests.test_ledger import statements

pytestmark = pytest.mark.django_db
D = Decimal
ORDER = "production_order"


def held(reference_id):
    rows = Reservation.objects.filter(reference_type=ORDER, reference_id=reference_id).order_by("balance_id")
    return list(rows.values_list("balance__lot__lot_number", "quantity"))


def test_lots_are_reserved_first_in_first_out_whatever_their_ids():
    pla = MaterialFactory()
    receive(pla, "1", lot_number="NEW", received_at=timezone.now())
    receive(pla, "0.6", lot_number="OLD", received_at=timezone.now() - datetime.timedelta(days=9))
    assert inventory.reserve([Need(pla.pk, D("0.8"), ORDER, 1)], actor=system_actor()) == []
    assert sorted(held(1)) == [("NEW", D("0.2")), ("OLD", D("0.6"))]
    assert available([pla.pk]) == {pla.pk: D("0.8")}


def test_what_is_short_is_reserved_as_far_as_it_goes_and_told():
    pla = MaterialFactory()
    receive(pla, "0.5")
    (short,) = inventory.reserve([Need(pla.pk, D("0.8"), ORDER, 1)], actor=system_actor())
    assert (short.needed, short.reserved, short.missing) == (D("0.8"), D("0.5"), D("0.3"))
    assert (short.product_id, short.reference_type, short.reference_id) == (pla.pk, ORDER, 1)


def test_reserving_again_tops_up():
    pla = MaterialFactory()
    receive(pla, "0.5")
    need = Need(pla.pk, D("0.8"), ORDER, 1)
    inventory.reserve([need], actor=system_actor())
    receive(pla, "5")
    assert inventory.reserve([need], actor=system_actor()) == []
    assert inventory.reserve([need], actor=system_actor()) == []
    assert sum(quantity for _, quantity in held(1)) == D("0.8")
    assert verify_ledger().is_clean


def test_needs_of_one_document_are_added():
    pla = MaterialFactory()
    receive(pla, "5")
    inventory.reserve([Need(pla.pk, D("0.3"), ORDER, 1), Need(pla.pk, D("0.4"), ORDER, 1)], actor=system_actor())
    assert [quantity for _, quantity in held(1)] == [D("0.7")]


def test_quarantined_expired_and_foreign_lots_are_left_alone():
    pla = MaterialFactory()
    receive(pla, "1", quarantine=True)
    receive(pla, "1", expires_at=timezone.now() - datetime.timedelta(seconds=1))
    receive(MaterialFactory(), "1")
    (short,) = inventory.reserve([Need(pla.pk, D("0.8"), ORDER, 1)], actor=system_actor())
    assert short.missing == D("0.8")
    assert not Reservation.objects.exists()


def test_two_documents_never_share_a_gram():
    pla = MaterialFactory()
    receive(pla, "1")
    first, second = Need(pla.pk, D("0.7"), ORDER, 1), Need(pla.pk, D("0.7"), ORDER, 2)
    (short,) = inventory.reserve([first, second], actor=system_actor())
    assert (short.reference_id, short.missing) == (2, D("0.4"))
    assert Inventory.objects.get().allocated_quantity == D(1)


def test_a_service_is_never_short():
    packing = ComponentFactory(category=Product.Category.SERVICE)
    assert inventory.reserve([Need(packing.pk, D(1), ORDER, 1)], actor=system_actor()) == []


def test_a_release_frees_only_the_named_documents():
    bolt = ComponentFactory()
    put_on_shelf(bolt, 10)
    inventory.reserve([Need(bolt.pk, D(number), ORDER, number) for number in (1, 2, 3)], actor=system_actor())
    assert inventory.release_reservations(ORDER, [1, 3, 99], actor=system_actor()) == 2
    assert Inventory.objects.get().allocated_quantity == D(2)
    assert list(Reservation.objects.values_list("reference_id", flat=True)) == [2]
    assert inventory.release_reservations(ORDER, [1, 3], actor=system_actor()) == 0
    assert verify_ledger().is_clean


def test_a_need_of_nothing_is_refused():
    with pytest.raises(InvalidValue):
        inventory.reserve([Need(ComponentFactory().pk, D(0), ORDER, 1)], actor=system_actor())
    assert not InventoryTransaction.objects.exists()


def test_what_expires_first_is_kept_first_and_what_does_not_expire_comes_after_in_order_of_receipt():
    resin, actor, now = MaterialFactory(), system_actor(), timezone.now()
    day = datetime.timedelta(days=1)
    receive(resin, "1", lot_number="NEVER-OLD", received_at=now - 6 * day)
    receive(resin, "1", lot_number="NEVER-NEW", received_at=now - 2 * day)
    receive(resin, "1", lot_number="LATE", received_at=now - 5 * day, expires_at=now + 90 * day)
    receive(resin, "1", lot_number="SOON", received_at=now - day, expires_at=now + 9 * day)
    receive(resin, "1", lot_number="SOON-OLDER", received_at=now - 2 * day, expires_at=now + 9 * day)
    receive(resin, "1", lot_number="GONE", received_at=now - 3 * day, expires_at=now - day)
    inventory.reserve([Need(resin.pk, D("4.5"), ORDER, 1)], actor=actor)
    kept = Reservation.objects.order_by("pk").values_list("balance__lot__lot_number", "quantity")
    assert list(kept) == [
        ("SOON-OLDER", D(1)),
        ("SOON", D(1)),
        ("LATE", D(1)),
        ("NEVER-OLD", D(1)),
        ("NEVER-NEW", D("0.5")),
    ]
    used = inventory.consume([inventory.Use(resin.pk, D("1.5"), "print_job", 1, holder=(ORDER, 1))], actor=actor)
    lots = dict(MaterialLot.objects.values_list("pk", "lot_number"))
    assert [(lots[row.lot_id], row.quantity) for row in used] == [("SOON-OLDER", D(1)), ("SOON", D("0.5"))]


def test_one_and_many_needs_take_the_same_statements():
    actor = system_actor()
    products = [MaterialFactory() for _ in range(16)]
    for product in products:
        receive(product, "10")
        receive(product, "10")
    counts = []
    for some, numbers in ((products[:1], [1]), (products, [2, 3, 4])):
        needs = [Need(product.pk, D("6"), ORDER, number) for product in some for number in numbers]
        with CaptureQueriesContext(connection) as captured:
            inventory.reserve(needs, actor=actor)
        counts.append(statements(captured))
    assert counts == [6, 8]  # what is short: was it moved elsewhere meanwhile, is it a service


def test_what_is_handed_over_is_never_free_in_between():
    bolt, nut = ComponentFactory(), ComponentFactory()
    put_on_shelf(bolt, 10)
    put_on_shelf(nut, 10)
    inventory.reserve([Need(bolt.pk, D(6), ORDER, 1), Need(nut.pk, D(4), ORDER, 1)], actor=system_actor())
    given = inventory.hand_over_reservations((ORDER, 1), (ORDER, 2), most={bolt.pk: D(5)}, actor=system_actor())
    assert given == {bolt.pk: D(5)}
    held = {(row.reference_id, row.balance.product_id): row.quantity for row in Reservation.objects.all()}
    assert held == {(1, bolt.pk): D(1), (1, nut.pk): D(4), (2, bolt.pk): D(5)}
    assert {row.product_id: row.allocated_quantity for row in Inventory.objects.all()} == {bolt.pk: 6, nut.pk: 4}
    assert inventory.hand_over_reservations((ORDER, 1), (ORDER, 2), actor=system_actor()) == {bolt.pk: 1, nut.pk: 4}
    assert set(Reservation.objects.values_list("reference_id", flat=True)) == {2}
    assert inventory.hand_over_reservations((ORDER, 1), (ORDER, 2), actor=system_actor()) == {}
    assert verify_ledger().is_clean
