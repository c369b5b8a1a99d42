"""What a print or a shipment takes, lot by lot."""

import datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.core.errors import InvalidValue
from blb3d.core.outbox import OutboxEvent
from inventory import services as inventory
from inventory.errors import InsufficientStock
from inventory.models import Inventory, InventoryTransaction, Product, Reservation
from inventory.selectors import available, verify_ledger
from inventory.services import Need, Use
from inventory.tests.factories import (
    ComponentFactory,
    LocationFactory,
    MaterialFactory,
    put_on_shelf,
    receive,
    system_actor,
)
from inventory.tests.test_ledger import statements

pytestmark = pytest.mark.django_db
D = Decimal
ORDER, JOB = "production_order", "print_job"


@pytest.fixture
def pla():
    return MaterialFactory()


@pytest.fixture
def lots(pla):
    """Two lots of 1 kg at 10 and 20 a kg, the first received first."""
    week = timezone.now() - datetime.timedelta(days=7)
    return [
        receive(pla, "1", lot_number="OLD", unit_cost=D(10), received_at=week),
        receive(pla, "1", lot_number="NEW", unit_cost=D(20)),
    ]


def use(product, quantity, *, order=1, job=1, lot=None):
    return Use(product.pk, D(quantity), JOB, job, holder=(ORDER, order), lot_id=lot.pk if lot else None)


def reserve(product, quantity, order=1):
    return inventory.reserve([Need(product.pk, D(quantity), ORDER, order)], actor=system_actor())


def consume(*uses):
    return [(row.lot_id, row.quantity, row.unit_cost) for row in inventory.consume(uses, actor=system_actor())]


def held(order, lot):
    row = Reservation.objects.filter(reference_type=ORDER, reference_id=order, balance__lot=lot).first()
    return row.quantity if row else D(0)


def test_it_takes_what_the_holder_reserved_and_leaves_the_rest_reserved(pla, lots):
    reserve(pla, "0.5")
    assert consume(use(pla, "0.2")) == [(lots[0].pk, D("0.2"), D(10))]
    assert held(1, lots[0]) == D("0.3")
    row = InventoryTransaction.objects.latest("id")
    assert (row.transaction_type, row.on_hand_change, row.allocated_change) == ("consumption", D("-0.2"), D("-0.2"))
    assert (row.reference_type, row.reference_id) == (JOB, 1)
    assert verify_ledger().is_clean


def test_beyond_the_reservation_it_takes_free_stock_over_lots(pla, lots):
    reserve(pla, "0.5")
    assert consume(use(pla, "1.3")) == [(lots[0].pk, D(1), D(10)), (lots[1].pk, D("0.3"), D(20))]
    assert not Reservation.objects.exists()
    lots[0].refresh_from_db()
    assert lots[0].status == "DEPLETED"
    assert verify_ledger().is_clean


def test_it_never_takes_what_another_order_reserved(pla, lots):
    reserve(pla, "1", order=2)
    assert consume(use(pla, "0.4")) == [(lots[1].pk, D("0.4"), D(20))]
    assert held(2, lots[0]) == D(1)


def test_the_named_lot_is_taken_and_the_reservation_moves(pla, lots):
    reserve(pla, "0.5")
    assert consume(use(pla, "0.2", lot=lots[1])) == [(lots[1].pk, D("0.2"), D(20))]
    assert held(1, lots[0]) == D("0.3")
    assert available([pla.pk])[pla.pk] == D("1.5")
    assert verify_ledger().is_clean


def test_what_others_reserved_of_the_named_lot_moves_elsewhere(pla, lots):
    reserve(pla, "1", order=2)
    assert consume(use(pla, "0.4", lot=lots[0])) == [(lots[0].pk, D("0.4"), D(10))]
    assert (held(2, lots[0]), held(2, lots[1])) == (D("0.6"), D("0.4"))
    assert not OutboxEvent.objects.filter(topic="inventory.stock_short").exists()
    assert verify_ledger().is_clean


def test_a_reservation_that_cannot_move_is_told(pla, lots):
    reserve(pla, "1", order=2)
    reserve(pla, "1", order=3)
    assert consume(use(pla, "0.4", lot=lots[1])) == [(lots[1].pk, D("0.4"), D(20))]
    fact = OutboxEvent.objects.get(topic="inventory.stock_short")
    assert fact.payload == {"product_id": pla.pk, "missing": "0.4000", "reference_type": ORDER, "reference_id": 3}
    assert (held(2, lots[0]), held(3, lots[1])) == (D(1), D("0.6"))
    assert verify_ledger().is_clean


def test_a_named_lot_in_quarantine_is_taken_because_it_has_happened(pla, lots):
    lot = receive(pla, "1", lot_number="HELD", quarantine=True)
    assert consume(use(pla, "0.4", lot=lot))[0][0] == lot.pk
    assert consume(use(pla, "2.5")) == [(lots[0].pk, D(1), D(10)), (lots[1].pk, D(1), D(20))]


def test_what_the_books_do_not_have_is_not_booked_but_told(pla, lots):
    rows = consume(use(pla, "2.5"))
    assert sum(quantity for _, quantity, _ in rows) == D(2)
    fact = OutboxEvent.objects.get(topic="inventory.stock_short")
    assert fact.payload == {"product_id": pla.pk, "missing": "0.5000", "reference_type": JOB, "reference_id": 1}
    assert not Inventory.objects.filter(on_hand_quantity__gt=0).exists()
    assert verify_ledger().is_clean


def test_parts_of_one_balance_come_back_as_one_row_per_use(pla, lots):
    reserve(pla, "0.2")
    rows = inventory.consume([use(pla, "0.5"), use(pla, "0.1", job=2)], actor=system_actor())
    assert [(row.use_index, row.lot_id, row.quantity) for row in rows] == [
        (0, lots[0].pk, D("0.5")),
        (1, lots[0].pk, D("0.1")),
    ]


def test_an_issue_takes_all_or_nothing():
    cup, lid = ComponentFactory(), ComponentFactory()
    put_on_shelf(cup, 5)
    put_on_shelf(lid, 1)
    needs = [Use(cup.pk, D(2), "shipment", 1), Use(lid.pk, D(2), "shipment", 1)]
    with pytest.raises(InsufficientStock) as refusal:
        inventory.issue(needs, actor=system_actor())
    assert refusal.value.details["items"] == [{"product_id": lid.pk, "missing": "1.0000"}]
    assert available([cup.pk, lid.pk]) == {cup.pk: D(5), lid.pk: D(1)}
    assert not OutboxEvent.objects.filter(topic="inventory.stock_short").exists()
    inventory.issue(needs[:1], actor=system_actor())
    assert available([cup.pk])[cup.pk] == D(3)
    assert InventoryTransaction.objects.latest("id").transaction_type == "shipment"


def test_a_service_is_never_short():
    finishing = ComponentFactory(category=Product.Category.SERVICE)
    assert inventory.consume([Use(finishing.pk, D(1), JOB, 1)], actor=system_actor()) == []
    assert not OutboxEvent.objects.exists()


def test_what_was_taken_too_much_goes_back_to_its_lot_and_holder(pla, lots):
    reserve(pla, "0.5")
    (row,) = inventory.consume([use(pla, "0.3")], actor=system_actor())
    too_much = inventory.Consumed(row.product_id, row.lot_id, row.location_id, D("0.1"), row.unit_cost)
    inventory.give_back(
        [too_much], reference_type=JOB, reference_id=1, holder=(ORDER, 1), actor=system_actor(), reason="corrected"
    )
    assert held(1, lots[0]) == D("0.3")
    lots[0].refresh_from_db()
    assert lots[0].quantity_remaining == D("0.8")
    inventory.give_back([too_much], actor=system_actor())
    assert held(1, lots[0]) == D("0.3")
    assert InventoryTransaction.objects.latest("id").transaction_type == "return"
    assert verify_ledger().is_clean


def test_a_use_of_nothing_at_stock_precision_books_nothing(pla, lots):
    assert consume(use(pla, "0")) == []
    assert consume(use(pla, "0.00004"), use(pla, "0.1")) == [(lots[0].pk, D("0.1"), D(10))]
    assert available([pla.pk])[pla.pk] == D("1.9")


def test_a_use_below_nothing_or_of_no_number_is_refused(pla, lots):
    for quantity in ("-0.1", "NaN", "Infinity"):
        with pytest.raises(InvalidValue):
            consume(use(pla, quantity))
    with pytest.raises(InvalidValue):
        inventory.issue([use(pla, "0")], actor=system_actor())
    assert available([pla.pk])[pla.pk] == D(2)


def test_one_and_ten_uses_take_the_same_statements():
    actor, place = system_actor(), LocationFactory()
    products = [MaterialFactory() for _ in range(10)]
    for product in products:
        receive(product, "1", location=place)
        receive(product, "5", location=place)
        reserve(product, "2")
    counts = []
    for some, order in ((products[:1], 1), (products[1:], 1)):
        with CaptureQueriesContext(connection) as captured:
            rows = inventory.consume([use(product, "1.5", order=order) for product in some], actor=actor)
        assert len(rows) == 2 * len(some)
        counts.append(statements(captured))
    assert counts[0] == counts[1] <= 15


def test_a_lot_of_another_product_is_not_taken_for_this_one(pla, lots):
    other = receive(MaterialFactory(), 1)
    uses = [Use(pla.pk, D("0.5"), JOB, 1, lot_id=other.pk), Use(other.product_id, D("0.5"), JOB, 1)]
    taken = inventory.consume(uses, actor=system_actor())
    assert [(row.product_id, row.lot_id) for row in taken] == [(pla.pk, lots[0].pk), (other.product_id, other.pk)]
