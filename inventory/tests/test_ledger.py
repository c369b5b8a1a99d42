"""The one door into stock."""

from decimal import Decimal

import pytest
from django.db import connection
from django.db.models import Q
from django.test.utils import CaptureQueriesContext

from blb3d.core.errors import InvalidValue, NotAllowed
from blb3d.core.tests.counting import statements_of
from inventory import services as inventory
from inventory.errors import InsufficientStock, LotOfAnotherProduct, NotReserved
from inventory.models import Inventory, InventoryTransaction, MaterialLot, Reservation
from inventory.selectors import verify_ledger
from inventory.services.ledger import Kind, Movement, lock_balances, post_locked
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


def statements(captured: CaptureQueriesContext) -> int:
    return len(statements_of(captured))


def balance_of(product):
    row = Inventory.objects.get(product=product)
    return row.on_hand_quantity, row.allocated_quantity, row.available_quantity


def test_a_receipt_makes_a_balance_and_a_ledger_row():
    bolt, place = ComponentFactory(), LocationFactory()
    (row,) = inventory.post_transactions(
        [Movement(Kind.RECEIPT, bolt.pk, place.pk, quantity=D("12.5"), unit_cost=D("0.30"))], actor=system_actor()
    )
    assert balance_of(bolt) == (D("12.5"), D(0), D("12.5"))
    assert (row.quantity, row.on_hand_change, row.unit_cost) == (D("12.5"), D("12.5"), D("0.30"))
    assert InventoryTransaction.objects.get().created_by == system_actor()
    assert verify_ledger().is_clean


def test_nothing_moves_when_one_of_many_is_short():
    bolt, nut, place = ComponentFactory(), ComponentFactory(), LocationFactory()
    put_on_shelf(bolt, 10)
    put_on_shelf(nut, 1)
    with pytest.raises(InsufficientStock) as refusal:
        inventory.post_transactions(
            [
                Movement(Kind.SCRAP, bolt.pk, place.pk, quantity=D(-5)),
                Movement(Kind.SCRAP, nut.pk, place.pk, quantity=D(-2)),
            ],
            actor=system_actor(),
        )
    assert refusal.value.details["items"] == [
        {"product_id": nut.pk, "location_id": place.pk, "lot_id": None, "requested": "2.0000", "available": "1.0000"}
    ]
    assert balance_of(bolt)[0] == D(10)
    assert balance_of(nut)[0] == D(1)
    assert InventoryTransaction.objects.count() == 2


def test_a_product_without_a_balance_is_short_and_gets_none():
    bolt, place = ComponentFactory(), LocationFactory()
    with pytest.raises(InsufficientStock):
        inventory.post_transactions([Movement(Kind.SCRAP, bolt.pk, place.pk, quantity=D(-1))], actor=system_actor())
    assert not Inventory.objects.exists()


def test_reserved_stock_cannot_be_scrapped():
    bolt, place = ComponentFactory(), LocationFactory()
    put_on_shelf(bolt, 10)
    inventory.reserve([inventory.Need(bolt.pk, D(8), "production_order", 1)], actor=system_actor())
    with pytest.raises(InsufficientStock):
        inventory.post_transactions([Movement(Kind.SCRAP, bolt.pk, place.pk, quantity=D(-3))], actor=system_actor())
    assert balance_of(bolt) == (D(10), D(8), D(2))


def test_decimals_that_a_float_cannot_hold_add_up():
    bolt, place = ComponentFactory(), LocationFactory()
    put_on_shelf(bolt, "0.3")
    inventory.post_transactions([Movement(Kind.SCRAP, bolt.pk, place.pk, quantity=D("-0.1"))], actor=system_actor())
    inventory.post_transactions([Movement(Kind.SCRAP, bolt.pk, place.pk, quantity=D("-0.2"))], actor=system_actor())
    assert balance_of(bolt) == (D(0), D(0), D(0))
    assert verify_ledger().is_clean


def test_a_receipt_moves_the_average_cost():
    bolt, place = ComponentFactory(unit_cost=D("1")), LocationFactory()
    put_on_shelf(bolt, 10)
    inventory.post_transactions(
        [Movement(Kind.RECEIPT, bolt.pk, place.pk, quantity=D(30), unit_cost=D("2"))], actor=system_actor()
    )
    assert Inventory.objects.get().cost_per_unit == D("1.75")


def test_a_lot_that_runs_empty_is_depleted_and_opens_again_on_a_return():
    lot = receive(MaterialFactory(), "1")
    place = LocationFactory()
    post = {"product_id": lot.product_id, "location_id": place.pk, "lot_id": lot.pk}
    inventory.post_transactions([Movement(Kind.CONSUMPTION, quantity=D(-1), **post)], actor=system_actor())
    lot.refresh_from_db()
    assert (lot.status, lot.quantity_remaining) == ("DEPLETED", D(0))
    inventory.post_transactions([Movement(Kind.RETURN, quantity=D("0.4"), **post)], actor=system_actor())
    lot.refresh_from_db()
    assert (lot.status, lot.quantity_remaining) == ("ACTIVE", D("0.4"))


def test_the_ledger_is_append_only():
    put_on_shelf(ComponentFactory(), 1)
    row = InventoryTransaction.objects.get()
    for forbidden in (row.save, row.delete, InventoryTransaction.objects.all().delete):
        with pytest.raises(TypeError):
            forbidden()
    with pytest.raises(TypeError):
        InventoryTransaction.objects.update(quantity=2)


def test_a_movement_against_its_kind_is_a_programming_error():
    with pytest.raises(ValueError, match="consumption"):
        Movement(Kind.CONSUMPTION, 1, 1, quantity=D(1))
    with pytest.raises(ValueError, match="receipt"):
        Movement(Kind.RECEIPT, 1, 1, quantity=D(-1))
    with pytest.raises(ValueError, match="for whom"):
        Movement(Kind.RESERVATION, 1, 1, allocated=D(1))


def test_a_reservation_gives_no_more_than_it_holds():
    bolt, place = ComponentFactory(), LocationFactory()
    put_on_shelf(bolt, 10)
    inventory.reserve([inventory.Need(bolt.pk, D(2), "production_order", 1)], actor=system_actor())
    inventory.reserve([inventory.Need(bolt.pk, D(5), "production_order", 2)], actor=system_actor())
    with pytest.raises(NotReserved):
        inventory.post_transactions(
            [
                Movement(
                    Kind.RELEASE,
                    bolt.pk,
                    place.pk,
                    allocated=D(-3),
                    reference_type="production_order",
                    reference_id=1,
                )
            ],
            actor=system_actor(),
        )
    assert balance_of(bolt) == (D(10), D(7), D(3))
    assert Reservation.objects.count() == 2


def test_two_and_sixty_movements_take_the_same_statements():
    # Sixty, because SQLite takes 999 parameters in a statement.
    place, actor = LocationFactory(), system_actor()
    products = ComponentFactory.create_batch(60)
    counts = []
    for some in (products[:2], products[2:]):
        for _ in range(2):  # the first round makes balances, the second finds them
            with CaptureQueriesContext(connection) as captured:
                inventory.post_transactions(
                    [Movement(Kind.RECEIPT, product.pk, place.pk, quantity=D(1), unit_cost=D(1)) for product in some],
                    actor=actor,
                )
            counts.append(statements(captured))
    assert counts[0] == counts[2] == 6
    assert counts[1] == counts[3] == 4
    assert verify_ledger().is_clean


def test_a_transfer_moves_free_stock_at_its_cost():
    lot = receive(MaterialFactory(), "2", unit_cost=D("11"))
    shelf, rack = LocationFactory(), LocationFactory(code="RACK")
    inventory.transfer_stock(lot.product, quantity=D("0.5"), source=shelf, target=rack, lot=lot, actor=system_actor())
    assert list(Inventory.objects.order_by("pk").values_list("on_hand_quantity", "cost_per_unit")) == [
        (D("1.5"), D("11")),
        (D("0.5"), D("11")),
    ]
    assert list(InventoryTransaction.objects.order_by("pk").values_list("value_change", flat=True)) == [
        D("22"),
        D("-5.5"),
        D("5.5"),
    ]
    lot.refresh_from_db()
    assert lot.quantity_remaining == D(2)
    assert verify_ledger().is_clean


def test_a_transfer_refuses_more_than_is_free():
    lot = receive(MaterialFactory(), "2")
    shelf, rack = LocationFactory(), LocationFactory(code="RACK")
    with pytest.raises(InsufficientStock):
        inventory.transfer_stock(lot.product, quantity=D(3), source=shelf, target=rack, lot=lot, actor=system_actor())
    with pytest.raises(InvalidValue):
        inventory.transfer_stock(lot.product, quantity=D(1), source=shelf, target=shelf, lot=lot, actor=system_actor())
    assert verify_ledger().transactions == 1


def test_an_adjustment_needs_a_reason_and_a_change():
    bolt, place = ComponentFactory(), LocationFactory()
    for change, reason in ((D(1), " "), (D("0.00001"), "count"), (D("NaN"), "count")):
        with pytest.raises(InvalidValue):
            inventory.adjust_stock(bolt, location=place, quantity_change=change, reason=reason, actor=system_actor())
    assert not InventoryTransaction.objects.exists()
    inventory.adjust_stock(bolt, location=place, quantity_change=D(4), reason="found", actor=system_actor())
    inventory.adjust_stock(bolt, location=place, quantity_change=D(-1), reason="broken", actor=system_actor())
    assert list(InventoryTransaction.objects.order_by("pk").values_list("quantity", "reason")) == [
        (D(4), "found"),
        (D(-1), "broken"),
    ]


def test_an_adjustment_refuses_the_lot_of_another_product():
    lot = receive(MaterialFactory(), "2")
    with pytest.raises(LotOfAnotherProduct):
        inventory.adjust_stock(
            MaterialFactory(),
            location=LocationFactory(),
            quantity_change=D(1),
            reason="found",
            lot=lot,
            actor=system_actor(),
        )
    assert MaterialLot.objects.get().quantity_remaining == D(2)


def test_nobody_moves_stock_without_an_actor():
    with pytest.raises(NotAllowed):
        inventory.post_transactions([], actor=None)


def test_a_balance_that_was_locked_again_is_not_posted_on_any_more():
    """Its numbers in memory are written back, so what was posted on the newer object would be lost."""
    product = ComponentFactory()
    put_on_shelf(product, 10)
    old = {(row.product_id, row.location_id, row.lot_id): row for row in lock_balances(Q(product=product))}
    [key] = old
    new = {key: lock_balances(Q(product=product))[0]}
    scrap = Movement(Kind.SCRAP, *key, Decimal(-1), reason="broken")
    post_locked([scrap], new, actor=system_actor())
    with pytest.raises(RuntimeError, match="locked again"):
        post_locked([scrap], old, actor=system_actor())
    assert Inventory.objects.get(product=product).on_hand_quantity == 9
