"""Several people and machines at once: nothing is lost, nothing is given out twice."""

from decimal import Decimal
from functools import partial

import pytest

from inventory import services as inventory
from inventory.errors import InsufficientStock
from inventory.models import BOM, Inventory, InventoryTransaction, Product, Reservation
from inventory.selectors import verify_ledger
from inventory.services import BOMLineSpec, Need, Use
from inventory.services.ledger import Kind, Movement
from inventory.tests.concurrency import shared_database, together  # noqa: F401
from inventory.tests.factories import (
    ComponentFactory,
    LocationFactory,
    MaterialFactory,
    ProductFactory,
    put_on_shelf,
    receive,
    system_actor,
)

pytestmark = [pytest.mark.django_db(transaction=True), pytest.mark.usefixtures("shared_database")]
D = Decimal


def test_eight_first_receipts_make_one_balance():
    bolt, place, actor = ComponentFactory(), LocationFactory(), system_actor()
    receipt = Movement(Kind.RECEIPT, bolt.pk, place.pk, quantity=D("0.1"), unit_cost=D(1))
    results = together(*[partial(inventory.post_transactions, [receipt], actor=actor)] * 8)
    assert [type(result) for result in results] == [list] * 8
    assert Inventory.objects.get().on_hand_quantity == D("0.8")
    assert verify_ledger().is_clean


def test_ten_reservations_of_stock_for_six_leave_four_short():
    pla, actor = MaterialFactory(), system_actor()
    receive(pla, "0.4")
    receive(pla, "0.2")
    needs = [[Need(pla.pk, D("0.1"), "production_order", number)] for number in range(1, 11)]
    results = together(*(partial(inventory.reserve, need, actor=actor) for need in needs))
    assert sorted(len(result) for result in results) == [0] * 6 + [1] * 4
    assert Reservation.objects.count() == 6
    assert verify_ledger().is_clean


def test_the_last_piece_is_issued_once():
    cup, actor = ComponentFactory(), system_actor()
    put_on_shelf(cup, 1)
    needs = [[Use(cup.pk, D(1), "shipment", number)] for number in (1, 2, 3, 4)]
    results = together(*(partial(inventory.issue, need, actor=actor) for need in needs))
    assert sum(isinstance(result, InsufficientStock) for result in results) == 3
    assert sum(isinstance(result, list) for result in results) == 1
    assert InventoryTransaction.objects.filter(transaction_type="shipment").count() == 1
    assert verify_ledger().is_clean


def test_posters_over_many_products_in_any_order_never_wait_for_each_other_in_a_ring():
    place, actor = LocationFactory(), system_actor()
    products = [MaterialFactory() for _ in range(6)]
    lots = [receive(product, "100") for product in products]

    def post(turn: int) -> None:
        order = lots[turn:] + lots[:turn]
        for lot in (order, order[::-1]):
            inventory.post_transactions(
                [Movement(Kind.CONSUMPTION, item.product_id, place.pk, item.pk, D("-0.1")) for item in lot],
                actor=actor,
            )

    assert together(*(partial(post, turn % 6) for turn in range(8))) == [None] * 8
    assert set(Inventory.objects.values_list("on_hand_quantity", flat=True)) == {D("98.4")}
    assert verify_ledger().is_clean


def test_printing_reserving_and_quarantine_at_once_keep_the_books():
    pla, actor = MaterialFactory(), system_actor()
    lots = [receive(pla, "1") for _ in range(3)]
    inventory.reserve([Need(pla.pk, D("0.3"), "production_order", number) for number in (1, 2, 3)], actor=actor)

    def print_job(number: int, lot_id: int | None) -> None:
        use = Use(pla.pk, D("0.25"), "print_job", number, holder=("production_order", number), lot_id=lot_id)
        inventory.consume([use], actor=actor)
        inventory.release_reservations("production_order", [number], actor=actor)

    results = together(
        partial(print_job, 1, lots[2].pk),
        partial(print_job, 2, None),
        partial(print_job, 3, lots[0].pk),
        partial(inventory.reserve, [Need(pla.pk, D("0.6"), "production_order", 4)], actor=actor),
        partial(inventory.quarantine_lot, lots[1], actor=actor, reason="moist"),
    )
    assert [result for result in results if isinstance(result, Exception)] == []
    assert sum(Inventory.objects.values_list("on_hand_quantity", flat=True)) == D("2.25")
    assert verify_ledger().is_clean


def test_one_quote_accepted_twice_makes_one_product():
    pla, actor = MaterialFactory(), system_actor()
    register = partial(
        inventory.register_custom_product,
        sku="CUSTOM-Q-2025-042",
        name="Bracket",
        materials=[(pla, D("125.5"))],
        plates=[inventory.PlateSpec(parts_per_plate=2, minutes=D(90), filaments=[(pla, D(251))])],
        actor=actor,
    )
    results = together(*[register] * 4)
    assert {getattr(result, "pk", result) for result in results} == {Product.objects.get(category="custom").pk}
    assert BOM.objects.count() == 1


def test_revisions_made_at_once_leave_one_active_bill():
    cup, bolt, actor = ProductFactory(), ComponentFactory(), system_actor()
    change = partial(inventory.set_bom, cup, [BOMLineSpec(bolt, D(1), "each")], actor=actor)
    results = together(*[change] * 4)
    assert sorted(result.revision for result in results) == [1, 2, 3, 4]
    assert BOM.objects.filter(is_active=True).count() == 1
