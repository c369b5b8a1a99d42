"""A wrong movement is undone by its opposite."""

from decimal import Decimal
from functools import partial

import pytest
from django.db import IntegrityError, transaction

from blb3d.core.errors import InvalidValue
from inventory import services as inventory
from inventory.errors import AlreadyReversed, InsufficientStock, NotReversible
from inventory.models import Inventory, InventoryTransaction, MaterialLot
from inventory.selectors import total_value, verify_ledger
from inventory.services import Movement, Need, Use
from inventory.services.ledger import Kind
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


def reverse(row, reason="mistyped"):
    return inventory.reverse_transaction(row, reason=reason, actor=system_actor())


def test_scrap_comes_back_at_its_cost_and_opens_the_lot():
    lot, place = receive(MaterialFactory(), "2", unit_cost=D(11)), LocationFactory()
    row = inventory.scrap_stock(lot.product, location=place, lot=lot, quantity=D(2), reason="wet", actor=system_actor())
    (back,) = reverse(row)
    assert (back.transaction_type, back.quantity, back.on_hand_change, back.value_change) == (
        "scrap",
        D(-2),
        D(2),
        D(22),
    )
    assert (back.reverses_id, back.reason) == (row.pk, "mistyped")
    lot.refresh_from_db()
    assert (lot.status, lot.quantity_remaining) == ("ACTIVE", D(2))
    assert total_value() == D(22)
    assert verify_ledger().is_clean


def test_a_receipt_by_hand_leaves_at_the_cost_it_came_with():
    bolt, place, actor = ComponentFactory(unit_cost=D(1)), LocationFactory(), system_actor()
    put_on_shelf(bolt, 10)
    wrong = inventory.receive_stock(bolt, quantity=D(10), unit_cost=D(3), location=place, actor=actor)
    assert Inventory.objects.get().cost_per_unit == D(2)
    (back,) = reverse(wrong)
    assert (back.quantity, back.value_change) == (D(-10), D(-30))
    balance = Inventory.objects.get()
    assert (balance.on_hand_quantity, balance.cost_per_unit) == (D(10), D(1))
    assert verify_ledger().is_clean


def test_a_lot_received_by_hand_is_taken_back_whole_or_not_at_all():
    lot = receive(MaterialFactory(), "2")
    row = InventoryTransaction.objects.get()
    inventory.reserve([Need(lot.product_id, D("0.5"), "production_order", 1)], actor=system_actor())
    with pytest.raises(InsufficientStock):
        reverse(row)
    assert Inventory.objects.get().on_hand_quantity == D(2)
    inventory.release_reservations("production_order", [1], actor=system_actor())
    reverse(row)
    assert list(MaterialLot.objects.values_list("status", "quantity_remaining")) == [("DEPLETED", D(0))]
    assert verify_ledger().is_clean


def test_both_rows_of_a_transfer_are_reversed_whichever_is_asked_for():
    lot, actor = receive(MaterialFactory(), "2", unit_cost=D(5)), system_actor()
    shelf, rack = LocationFactory(), LocationFactory(code="RACK")
    for number in (0, 1):
        rows = inventory.transfer_stock(lot.product, quantity=D(1), source=shelf, target=rack, lot=lot, actor=actor)
        asked = InventoryTransaction.objects.filter(transaction_type="transfer").order_by("-pk")[number]
        back = reverse(asked)
        assert len(rows) == len(back) == 2
        assert sum(row.on_hand_change for row in back) == sum(row.value_change for row in back) == 0
        with pytest.raises(AlreadyReversed):
            reverse(InventoryTransaction.objects.get(pk=asked.pk))
    assert list(Inventory.objects.order_by("pk").values_list("on_hand_quantity", flat=True)) == [D(2), D(0)]
    assert verify_ledger().is_clean


def test_a_movement_is_reversed_once_and_a_reversal_never():
    bolt, actor = ComponentFactory(), system_actor()
    row = inventory.adjust_stock(bolt, location=LocationFactory(), quantity_change=D(4), reason="found", actor=actor)
    (back,) = reverse(row)
    with pytest.raises(AlreadyReversed):
        reverse(row)
    with pytest.raises(NotReversible):
        reverse(back)
    back.pk, back._state.adding = None, True
    with pytest.raises(IntegrityError), transaction.atomic():
        back.save()
    assert InventoryTransaction.objects.count() == 2


def test_what_belongs_to_a_document_or_changes_no_stock_is_not_reversed_here():
    bolt, actor = ComponentFactory(), system_actor()
    put_on_shelf(bolt, 10)
    inventory.reserve([Need(bolt.pk, D(1), "production_order", 1)], actor=actor)
    inventory.consume([Use(bolt.pk, D(1), "print_job", 1)], actor=actor)
    inventory.receive_made(
        bolt, production_order_id=1, shares=[inventory.Share(D(1))], uses=[], unit_cost=lambda _: D(1), actor=actor
    )
    inventory.revalue_stock(bolt, unit_cost=D(3), reason="dearer", actor=actor)
    inventory.receive_stock(
        bolt, quantity=D(1), unit_cost=D(1), location=LocationFactory(), reference_type="purchase_order",
        reference_id=1, actor=actor,
    )  # fmt: skip
    rows = list(InventoryTransaction.objects.order_by("pk"))[1:]
    assert len(rows) == 5
    for row in rows:
        with pytest.raises(NotReversible):
            reverse(row)
    with pytest.raises(InvalidValue):
        reverse(InventoryTransaction.objects.order_by("pk")[0], reason=" ")
    assert InventoryTransaction.objects.count() == 6


@pytest.mark.django_db(transaction=True)
def test_of_four_who_reverse_the_same_movement_one_does(shared_database):  # noqa: F811
    bolt, actor = ComponentFactory(), system_actor()
    put_on_shelf(bolt, 10)
    row = inventory.scrap_stock(bolt, location=LocationFactory(), quantity=D(3), reason="broken", actor=actor)
    act = partial(inventory.reverse_transaction, row, reason="mistyped", actor=actor)
    results = together(*[act] * 4)
    assert sorted(type(result).__name__ for result in results) == ["AlreadyReversed"] * 3 + ["list"]
    assert Inventory.objects.get().on_hand_quantity == D(10)
    assert verify_ledger().is_clean


def test_of_several_transfers_at_once_each_has_its_own_half():
    bolt, shelf, rack, box = ComponentFactory(), LocationFactory(), LocationFactory(code="B"), LocationFactory(code="C")
    for place in (shelf, rack):
        put_on_shelf(bolt, 5, place)
    moves = [
        Movement(Kind.TRANSFER, bolt.pk, place.pk, quantity=quantity)
        for place, quantity in ((shelf, D(-2)), (box, D(2)), (rack, D(-2)), (box, D(2)))
    ]
    rows = inventory.post_transactions(moves, actor=system_actor())
    back = inventory.reverse_transaction(rows[1], reason="wrong box", actor=system_actor())
    assert {row.reverses_id for row in back} == {rows[0].pk, rows[1].pk}
    back = inventory.reverse_transaction(rows[2], reason="wrong box", actor=system_actor())
    assert {row.reverses_id for row in back} == {rows[2].pk, rows[3].pk}


def test_what_a_reel_says_of_itself_is_not_reversed_behind_its_back():
    lot, actor = receive(MaterialFactory(), "2"), system_actor()
    [reel] = inventory.make_spools(lot, count=1, grams_each=D(1000), actor=actor)
    inventory.weigh_spool(reel, gross_grams=D(900), actor=actor)
    inventory.move_spool(reel, location=LocationFactory(code="RACK"), actor=actor)
    rows = InventoryTransaction.objects.exclude(transaction_type="receipt")
    assert sorted(rows.values_list("transaction_type", flat=True)) == ["adjustment", "transfer", "transfer"]
    for row in rows:
        with pytest.raises(NotReversible):
            reverse(row)
    assert verify_ledger().is_clean
