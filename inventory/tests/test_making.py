"""What was made goes on the shelf in the posting that takes its components off it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from blb3d.core.outbox import OutboxEvent
from blb3d.core.tests.counting import statements_of
from inventory import services as inventory
from inventory.errors import NoLocation
from inventory.models import Inventory, InventoryTransaction, MaterialLot, Product, Reservation
from inventory.selectors import verify_ledger
from inventory.services import Made, Need, Share, Use
from inventory.tests.factories import (
    ComponentFactory,
    LocationFactory,
    MaterialFactory,
    ProductFactory,
    put_on_shelf,
    receive,
    system_actor,
)

pytestmark = pytest.mark.django_db

D = Decimal

ORDER = ("production_order", 5)
LINE = ("sales_order_line", 9)


def use(product: Product, quantity: str) -> Use:
    return Use(product.pk, D(quantity), *ORDER, holder=ORDER)


def make(product: Product, *shares: Share, uses: list[Use] | None = None, each: str = "1", **options: Any) -> Made:
    cost = options.pop("unit_cost", lambda own: D(each))
    return inventory.receive_made(
        product,
        production_order_id=ORDER[1],
        shares=shares,
        uses=uses or [],
        unit_cost=cost,
        actor=system_actor(),
        **options,
    )


def stock_of(product: Product) -> list[tuple[D, D, D]]:
    rows = Inventory.objects.filter(product=product).order_by("pk")
    return [(row.on_hand_quantity, row.allocated_quantity, row.cost_per_unit) for row in rows]


def test_what_is_made_is_kept_for_who_waits_for_it() -> None:
    cup, place = ProductFactory(), LocationFactory()
    for share in (Share(D(3), LINE), Share(D(3), LINE), Share(D(3))):
        assert make(cup, share, each="1.25").location_id == place.pk
    assert stock_of(cup) == [(9, 6, D("1.25"))]
    assert list(Reservation.objects.values_list("reference_type", "reference_id", "quantity")) == [(*LINE, D(6))]
    assert verify_ledger().is_clean


def test_components_leave_and_units_come_in_one_posting_at_the_cost_of_what_was_taken() -> None:
    cup, screw, pla = ProductFactory(), ComponentFactory(unit_cost=D("0.25")), MaterialFactory()
    put_on_shelf(screw, 10)
    receive(pla, "1", unit_cost=D(10), lot_number="OLD")
    receive(pla, "1", unit_cost=D(20), lot_number="NEW")
    made = make(
        cup, Share(D(2), LINE), Share(D(2)), uses=[use(screw, "8"), use(pla, "1.5")], unit_cost=lambda own: own / 4
    )
    # 8 x 0.25 and 1 x 10 and 0.5 x 20 are 22 for four cups.
    assert stock_of(cup) == [(4, 2, D("5.5"))]
    assert [(row.use_index, row.quantity, row.unit_cost) for row in made.taken] == [
        (0, D(8), D("0.25")),
        (1, D(1), D(10)),
        (1, D("0.5"), D(20)),
    ]
    assert dict(MaterialLot.objects.values_list("lot_number", "status")) == {"OLD": "DEPLETED", "NEW": "ACTIVE"}
    kinds = InventoryTransaction.objects.order_by("pk").values_list("transaction_type", flat=True)
    assert list(kinds)[3:] == ["consumption"] * 3 + ["production_output", "reservation"] + ["production_output"]
    assert verify_ledger().is_clean


def test_with_the_last_units_the_order_holds_nothing_any_more() -> None:
    cup, screw, spare = ProductFactory(), ComponentFactory(), ComponentFactory()
    for product in (screw, spare):
        put_on_shelf(product, 10)
    inventory.reserve([Need(screw.pk, D(6), *ORDER), Need(spare.pk, D(3), *ORDER)], actor=system_actor())
    inventory.reserve([Need(spare.pk, D(2), *LINE)], actor=system_actor())
    make(cup, Share(D(1)), uses=[use(screw, "2")])
    assert [allocated for product in (screw, spare) for _, allocated, _ in stock_of(product)] == [4, 5]
    make(cup, Share(D(1)), uses=[use(screw, "3")], is_last=True)
    assert [(on_hand, allocated) for product in (screw, spare) for on_hand, allocated, _ in stock_of(product)] == [
        (5, 0),
        (10, 2),
    ]
    assert list(Reservation.objects.values_list("reference_type", "quantity")) == [(LINE[0], D(2))]
    assert verify_ledger().is_clean


def test_what_the_books_do_not_have_is_told_and_the_units_come_in_all_the_same() -> None:
    cup, screw = ProductFactory(), ComponentFactory()
    put_on_shelf(screw, 3)
    made = make(cup, Share(D(1)), uses=[use(screw, "5")])
    assert [row.quantity for row in made.taken] == [D(3)]
    assert [stock_of(cup)[0][0], stock_of(screw)[0][0]] == [1, 0]
    event = OutboxEvent.objects.get(topic="inventory.stock_short")
    assert (event.payload["product_id"], event.payload["missing"]) == (screw.pk, "2.0000")


def test_without_a_place_for_them_nothing_is_taken() -> None:
    cup, screw = ProductFactory(), ComponentFactory()
    put_on_shelf(screw, 3, LocationFactory(code="SHELF"))
    with pytest.raises(NoLocation):
        make(cup, Share(D(1)), uses=[use(screw, "2")])
    assert stock_of(screw) == [(3, 0, D("0.25"))]
    assert not Inventory.objects.filter(product=cup).exists()


def test_units_go_to_the_default_place_wherever_others_of_them_lie() -> None:
    cup, place = ProductFactory(), LocationFactory()
    put_on_shelf(cup, 2, LocationFactory(code="SHELF"))
    assert make(cup, Share(D(1))).location_id == place.pk
    assert make(cup, Share(D(1))).location_id == place.pk
    assert [on_hand for on_hand, _, _ in stock_of(cup)] == [2, 2]


def test_one_and_many_components_take_the_same_statements() -> None:
    cup = ProductFactory()
    LocationFactory()
    make(cup, Share(D(1)))
    counts = []
    for number in (1, 12):
        parts = [ComponentFactory(is_lot_tracked=True) for _ in range(number)]
        for part in parts:
            receive(part, 1)
            receive(part, 5)
        inventory.reserve([Need(part.pk, D(3), *ORDER) for part in parts], actor=system_actor())
        with CaptureQueriesContext(connection) as captured:
            make(cup, Share(D(1), LINE), uses=[use(part, "2") for part in parts], is_last=True)
        counts.append(len(statements_of(captured)))
    assert counts[0] == counts[1]
    assert verify_ledger().is_clean
