"""Reels of a lot: made, moved with their stock, split and put together; the sums and the books stay right."""

from __future__ import annotations

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from blb3d.core.errors import InvalidValue
from blb3d.core.tests.counting import statements_of
from inventory import services as inventory
from inventory.errors import MixedLots, SpoolGone, SpoolInDryer, TooManyGrams
from inventory.models import (
    Inventory,
    InventoryLocation,
    InventoryTransaction,
    MaterialLot,
    Reference,
    Reservation,
    Spool,
)
from inventory.selectors import verify_ledger
from inventory.tests.factories import ComponentFactory, LocationFactory, MaterialFactory, receive, system_actor

pytestmark = pytest.mark.django_db


def spools_of(lot: MaterialLot, count: int = 3, grams: str = "1000") -> list[Spool]:
    """Give a lot its reels."""
    return inventory.make_spools(
        lot, count=count, grams_each=Decimal(grams), tare_grams=Decimal(200), actor=system_actor()
    )


def on_hand(lot: MaterialLot) -> dict[str, Decimal]:
    """Return what the books have of a lot by place."""
    rows = Inventory.objects.filter(lot=lot).select_related("location")
    return {row.location.code: row.on_hand_quantity for row in rows}


def shelf(code: str = "SHELF-1") -> InventoryLocation:
    """Return another place."""
    return LocationFactory(code=code)


def move(spool: Spool, place: InventoryLocation | None) -> Spool:
    """Put a reel somewhere."""
    return inventory.move_spool(spool, location=place, actor=system_actor())


def test_the_reels_of_a_lot_get_labels_and_lie_where_the_lot_does() -> None:
    lot = receive(MaterialFactory(), "3")
    spools = spools_of(lot)
    assert [row.label[-4:] for row in spools] == ["0001", "0002", "0003"]
    assert all(row.label.startswith("SP-2") for row in spools)
    assert {(row.remaining_grams, row.tare_grams, row.location) for row in spools} == {
        (Decimal(1000), Decimal(200), LocationFactory())
    }
    assert spools[0].history.count() == 1


def test_reels_never_hold_more_than_their_lot() -> None:
    lot = receive(MaterialFactory(), "2.5")
    spools_of(lot, 2)
    with pytest.raises(TooManyGrams) as caught:
        spools_of(lot, 1, "500.0001")
    assert caught.value.details == {"wanted_grams": "500.0001", "free_grams": "500.0000"}
    assert Spool.objects.count() == 2
    assert len(spools_of(lot, 1, "500")) == 1


@pytest.mark.parametrize(("count", "grams"), [(0, "1"), (501, "1"), (1, "0"), (1, "-1"), (1, "NaN")])
def test_reels_that_cannot_be_are_refused(count: int, grams: str) -> None:
    lot = receive(MaterialFactory(), "3")
    with pytest.raises(InvalidValue):
        spools_of(lot, count, grams)
    assert not Spool.objects.exists()


def test_screws_do_not_come_on_reels() -> None:
    with pytest.raises(InvalidValue):
        spools_of(receive(ComponentFactory(is_lot_tracked=True), 10), 1)


def test_making_many_reels_costs_as_many_statements_as_making_a_few() -> None:
    def cost(count: int) -> int:
        lot = receive(MaterialFactory(), "5")
        with CaptureQueriesContext(connection) as queries:
            spools_of(lot, count, "10")
        return len(statements_of(queries))

    cost(1)
    assert cost(2) == cost(40)


def test_moving_a_reel_moves_what_is_left_on_it_in_the_books() -> None:
    lot = receive(MaterialFactory(), "3")
    spool = spools_of(lot)[0]
    move(spool, shelf())
    assert on_hand(lot) == {"MAIN": Decimal(2), "SHELF-1": Decimal(1)}
    rows = InventoryTransaction.objects.filter(transaction_type="transfer").order_by("id")
    assert [row.on_hand_change for row in rows] == [Decimal(-1), Decimal(1)]
    assert {row.reason for row in rows} == {f"{spool.label} was put there"}
    assert MaterialLot.objects.get(pk=lot.pk).quantity_remaining == Decimal(3)
    assert verify_ledger().is_clean
    rows_before = InventoryTransaction.objects.count()
    move(spool, shelf())
    assert InventoryTransaction.objects.count() == rows_before


def test_stock_that_is_reserved_stays_reserved_for_the_same_order_at_its_new_place() -> None:
    lot = receive(MaterialFactory(), "2")
    need = inventory.Need(lot.product_id, Decimal("1.4"), Reference.PRODUCTION_ORDER, 7)
    inventory.reserve([need], actor=system_actor())
    first, second = spools_of(lot, 2)
    move(first, shelf())
    held = {row.balance.location.code: row.quantity for row in Reservation.objects.select_related("balance__location")}
    assert held == {"MAIN": Decimal(1), "SHELF-1": Decimal("0.4")}
    move(second, shelf())
    held = {row.balance.location.code: row.quantity for row in Reservation.objects.select_related("balance__location")}
    assert held == {"SHELF-1": Decimal("1.4")}
    assert on_hand(lot) == {"MAIN": Decimal(0), "SHELF-1": Decimal(2)}
    assert verify_ledger().is_clean


def test_where_the_books_have_less_than_the_reel_only_that_moves_and_nobody_is_stuck() -> None:
    lot = receive(MaterialFactory(), "1")
    spool = spools_of(lot, 1)[0]
    inventory.adjust_stock(
        lot.product,
        location=LocationFactory(),
        quantity_change=Decimal("-0.7"),
        reason="x",
        lot=lot,
        actor=system_actor(),
    )
    assert move(spool, shelf()).location == shelf()
    assert on_hand(lot) == {"MAIN": Decimal(0), "SHELF-1": Decimal("0.3")}
    assert verify_ledger().is_clean


def test_a_reel_whose_place_was_only_noted_takes_its_stock_from_where_no_other_reel_is() -> None:
    lot = receive(MaterialFactory(), "2")
    first, second = spools_of(lot, 2)
    Spool.objects.filter(pk=first.pk).update(location=shelf("NOTED"))
    move(Spool.objects.get(pk=first.pk), shelf())
    assert on_hand(lot) == {"MAIN": Decimal(1), "SHELF-1": Decimal(1)}
    assert second.location == LocationFactory()


def test_a_note_that_is_taken_away_moves_no_stock() -> None:
    lot = receive(MaterialFactory(), "1")
    spool = spools_of(lot, 1)[0]
    assert move(spool, None).location is None
    assert on_hand(lot) == {"MAIN": Decimal(1)}
    move(spool, shelf())
    assert on_hand(lot) == {"MAIN": Decimal(0), "SHELF-1": Decimal(1)}


def test_what_a_scale_misses_is_taken_from_where_the_reel_is() -> None:
    lot = receive(MaterialFactory(), "2")
    spool = move(spools_of(lot, 2)[0], shelf())
    inventory.weigh_spool(spool, gross_grams=Decimal(900), actor=system_actor())
    assert on_hand(lot) == {"MAIN": Decimal(1), "SHELF-1": Decimal("0.7")}
    inventory.weigh_spool(spool, gross_grams=Decimal(1000), actor=system_actor())
    assert on_hand(lot) == {"MAIN": Decimal(1), "SHELF-1": Decimal("0.8")}
    assert verify_ledger().is_clean


def test_a_reel_is_split_into_two_of_the_same_lot_and_the_sum_stays() -> None:
    lot = receive(MaterialFactory(), "1")
    spool = spools_of(lot, 1)[0]
    rows = InventoryTransaction.objects.count()
    new = inventory.split_spool(spool, grams=Decimal("250.5"), tare_grams=Decimal(90), actor=system_actor())
    assert (spool.remaining_grams, new.remaining_grams) == (Decimal("749.5"), Decimal("250.5"))
    assert (new.lot, new.split_from, new.location, new.tare_grams) == (lot, spool, spool.location, Decimal(90))
    assert new.label != spool.label
    assert InventoryTransaction.objects.count() == rows
    assert spool.history.first().remaining_grams == Decimal("749.5")


@pytest.mark.parametrize("grams", ["1000", "1500"])
def test_a_reel_is_not_split_by_all_that_is_on_it(grams: str) -> None:
    spool = spools_of(receive(MaterialFactory(), "1"), 1)[0]
    with pytest.raises(TooManyGrams):
        inventory.split_spool(spool, grams=Decimal(grams), actor=system_actor())
    assert Spool.objects.get().remaining_grams == Decimal(1000)


def test_two_reels_of_a_lot_become_one_where_the_second_is() -> None:
    lot = receive(MaterialFactory(), "2")
    first, second = spools_of(lot, 2)
    move(second, shelf())
    inventory.merge_spools(first, into=second, actor=system_actor())
    assert (first.remaining_grams, first.merged_into, second.remaining_grams) == (0, second, Decimal(2000))
    assert on_hand(lot) == {"MAIN": Decimal(0), "SHELF-1": Decimal(2)}
    assert verify_ledger().is_clean
    with pytest.raises(SpoolGone):
        inventory.merge_spools(first, into=second, actor=system_actor())
    with pytest.raises(SpoolGone):
        inventory.merge_spools(second, into=first, actor=system_actor())


def test_batches_are_not_mixed_on_a_reel() -> None:
    product = MaterialFactory()
    first, second = spools_of(receive(product, "1"), 1)[0], spools_of(receive(product, "1"), 1)[0]
    with pytest.raises(MixedLots):
        inventory.merge_spools(first, into=second, actor=system_actor())
    with pytest.raises(InvalidValue):
        inventory.merge_spools(first, into=first, actor=system_actor())
    assert {row.remaining_grams for row in Spool.objects.all()} == {Decimal(1000)}


def test_a_reel_in_the_dryer_is_neither_split_nor_put_together() -> None:
    first, second = spools_of(receive(MaterialFactory(), "2"), 2)
    inventory.start_drying(first, celsius=70, actor=system_actor())
    with pytest.raises(SpoolInDryer):
        inventory.split_spool(first, grams=Decimal(1), actor=system_actor())
    with pytest.raises(SpoolInDryer):
        inventory.merge_spools(second, into=first, actor=system_actor())
