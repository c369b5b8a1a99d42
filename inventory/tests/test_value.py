"""What stock is worth: said by every ledger row, changed only by the ledger."""

import datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.core.errors import InvalidValue
from inventory import services as inventory
from inventory.errors import LotOfAnotherProduct, NothingOnHand
from inventory.models import Inventory, InventoryTransaction, MaterialLot
from inventory.selectors import total_value, valuation, verify_ledger
from inventory.services import CostAdded, Movement
from inventory.services.ledger import Kind
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


def values():
    return list(InventoryTransaction.objects.order_by("pk").values_list("transaction_type", "value_change"))


def test_every_movement_says_by_how_much_it_changed_what_the_balance_is_worth():
    bolt, place, actor = ComponentFactory(), LocationFactory(), system_actor()
    at = {"product_id": bolt.pk, "location_id": place.pk}
    inventory.post_transactions([Movement(Kind.RECEIPT, quantity=D(3), unit_cost=D(1), **at)], actor=actor)
    inventory.post_transactions(
        [
            Movement(Kind.RECEIPT, quantity=D(4), unit_cost=D("1.5"), **at),
            Movement(Kind.CONSUMPTION, quantity=D(-2), **at),
            Movement(Kind.RESERVATION, allocated=D(1), reference_type="production_order", reference_id=1, **at),
        ],
        actor=actor,
    )
    # 3 at 1 and 4 at 1.5 are 7 at 1.2857, worth 8.9999; two of them less are 5, worth 6.4285.
    assert values() == [
        ("receipt", D("3")),
        ("receipt", D("5.9999")),
        ("consumption", D("-2.5714")),
        ("reservation", D(0)),
    ]
    assert Inventory.objects.get().cost_per_unit == D("1.2857")
    assert total_value() == D("6.4285")
    assert verify_ledger().is_clean


def test_a_balance_that_runs_empty_is_worth_nothing():
    bolt, place, actor = ComponentFactory(unit_cost=D("0.3333")), LocationFactory(), system_actor()
    put_on_shelf(bolt, 7)
    for quantity in (D(-3), D(-4)):
        inventory.post_transactions([Movement(Kind.SCRAP, bolt.pk, place.pk, quantity=quantity)], actor=actor)
    assert sum(value for _, value in values()) == 0
    assert valuation() == []
    assert verify_ledger().value == 0


def test_a_value_that_does_not_add_up_is_found():
    put_on_shelf(ComponentFactory(unit_cost=D(2)), 10)
    Inventory.objects.update(cost_per_unit=D("2.5"))
    (difference,) = verify_ledger().differences
    assert (difference.what, difference.expected, difference.found) == ("value", D(20), D(25))


def test_revaluing_a_lot_changes_its_cost_wherever_it_lies_and_moves_nothing():
    lot, actor = receive(MaterialFactory(), "2", unit_cost=D(10)), system_actor()
    shelf, rack = LocationFactory(), LocationFactory(code="RACK")
    inventory.transfer_stock(lot.product, quantity=D("0.5"), source=shelf, target=rack, lot=lot, actor=actor)
    rows = inventory.revalue_stock(lot.product, lot=lot, unit_cost=D("9.2"), reason="market price", actor=actor)
    assert [(row.transaction_type, row.quantity, row.on_hand_change, row.value_change) for row in rows] == [
        ("revaluation", D(0), D(0), D("-1.2")),
        ("revaluation", D(0), D(0), D("-0.4")),
    ]
    assert set(Inventory.objects.values_list("cost_per_unit", flat=True)) == {D("9.2")}
    assert (lot.unit_cost, lot.quantity_remaining, lot.history.count()) == (D("9.2"), D(2), 2)
    assert total_value() == D("18.4")
    assert verify_ledger().is_clean


def test_revaluing_stock_without_a_lot_may_be_of_one_place():
    bolt, actor, rack = ComponentFactory(unit_cost=D(1)), system_actor(), LocationFactory(code="RACK")
    put_on_shelf(bolt, 10)
    put_on_shelf(bolt, 4, rack)
    inventory.revalue_stock(bolt, location=rack, unit_cost=D(2), reason="better ones", actor=actor)
    assert total_value() == D(18)
    inventory.revalue_stock(bolt, unit_cost=D(3), reason="all better", actor=actor)
    assert total_value() == D(42)
    assert verify_ledger().is_clean


def test_revaluing_needs_a_reason_a_cost_and_stock():
    lot, bolt, actor = receive(MaterialFactory(), "2"), ComponentFactory(), system_actor()
    for cost, reason, error in ((D(1), " ", InvalidValue), (D(-1), "x", InvalidValue), (D("NaN"), "x", InvalidValue)):
        with pytest.raises(error):
            inventory.revalue_stock(lot.product, lot=lot, unit_cost=cost, reason=reason, actor=actor)
    with pytest.raises(NothingOnHand):
        inventory.revalue_stock(bolt, unit_cost=D(1), reason="x", actor=actor)
    with pytest.raises(LotOfAnotherProduct):
        inventory.revalue_stock(bolt, lot=lot, unit_cost=D(1), reason="x", actor=actor)
    assert len(values()) == 1


def test_added_cost_goes_on_what_is_still_there_and_the_rest_is_told():
    lot, actor = receive(MaterialFactory(), "10", unit_cost=D(20)), system_actor()
    inventory.consume([inventory.Use(lot.product_id, D(4), "print_job", 1)], actor=actor)
    spread = inventory.add_cost(
        [CostAdded(lot.product_id, lot.pk, D(10), D(25))],
        reference_type="purchase_order",
        reference_id=7,
        reason="freight",
        actor=actor,
    )
    assert (spread.on_stock, spread.expensed) == (D(15), D(10))
    (row,) = spread.rows
    assert (row.value_change, row.reference_type, row.reference_id, row.reason) == (
        D(15),
        "purchase_order",
        7,
        "freight",
    )
    assert Inventory.objects.get().cost_per_unit == D("22.5")
    assert MaterialLot.objects.get().unit_cost == D("22.5")
    assert total_value() == D(135)
    assert verify_ledger().is_clean


def test_parts_of_added_cost_add_up_to_it_whatever_rounding_does():
    bolt, actor = ComponentFactory(unit_cost=D(1)), system_actor()
    put_on_shelf(bolt, 7)
    put_on_shelf(bolt, 3, LocationFactory(code="RACK"))
    added = [CostAdded(bolt.pk, None, D(20), D("10")), CostAdded(bolt.pk, None, D(10), D("-1"))]
    spread = inventory.add_cost(added, reason="freight, then a credit", actor=actor)
    assert [(share.on_stock, share.expensed, share.rounding) for share in spread.shares] == [
        (D("3.3330"), D("6.6667"), D("0.0003")),
        (D("-0.3330"), D("-0.6667"), D("-0.0003")),
    ]
    assert spread.on_stock + spread.expensed == D(9)
    assert total_value() == D(13)
    assert verify_ledger().is_clean


def test_added_cost_for_what_is_gone_is_all_expensed():
    lot, actor = receive(MaterialFactory(), "1", unit_cost=D(20)), system_actor()
    inventory.consume([inventory.Use(lot.product_id, D(1), "print_job", 1)], actor=actor)
    spread = inventory.add_cost([CostAdded(lot.product_id, lot.pk, D(1), D(5))], reason="duty", actor=actor)
    assert (spread.on_stock, spread.expensed, spread.rows) == (D(0), D(5), ())
    assert MaterialLot.objects.get().unit_cost == D(25)
    assert verify_ledger().is_clean


def test_stock_is_never_worth_less_than_nothing():
    lot, actor = receive(MaterialFactory(), "1", unit_cost=D(2)), system_actor()
    with pytest.raises(InvalidValue):
        inventory.add_cost([CostAdded(lot.product_id, lot.pk, D(1), D(-3))], reason="credit", actor=actor)
    for added in (CostAdded(lot.product_id, lot.pk, D(0), D(1)), CostAdded(lot.product_id, lot.pk, D(1), D("NaN"))):
        with pytest.raises(InvalidValue):
            inventory.add_cost([added], reason="freight", actor=actor)
    assert (MaterialLot.objects.get().unit_cost, len(values())) == (D(2), 1)


def test_adding_cost_to_one_and_to_ten_lots_takes_the_same_statements():
    lots = [receive(MaterialFactory(), "1") for _ in range(11)]
    counts = []
    for some in (lots[:1], lots[1:]):
        with CaptureQueriesContext(connection) as captured:
            inventory.add_cost(
                [CostAdded(lot.product_id, lot.pk, D(1), D(1)) for lot in some], reason="freight", actor=system_actor()
            )
        counts.append(statements(captured))
    assert counts[0] == counts[1]


def test_valuation_of_a_past_day_is_what_the_balances_were_then():
    pla, bolt, actor = MaterialFactory(sku="PLA"), ComponentFactory(sku="BOLT", unit_cost=D(2)), system_actor()
    days = [timezone.now() - datetime.timedelta(days=days) for days in (9, 5, 2)]
    lot = receive(pla, "4", unit_cost=D(10), received_at=days[0])
    put_on_shelf(bolt, 10)
    inventory.scrap_stock(pla, location=LocationFactory(), lot=lot, quantity=D(1), reason="dropped", at=days[1],
                          actor=actor)  # fmt: skip
    inventory.transfer_stock(
        pla, quantity=D(1), source=LocationFactory(), target=LocationFactory(code="RACK"), lot=lot, at=days[2],
        actor=actor,
    )  # fmt: skip
    assert valuation(days[0]) == []
    assert [(row.sku, row.location, row.quantity, row.value) for row in valuation(days[1])] == [
        ("PLA", "MAIN", D(4), D(40))
    ]
    assert [(row.location, row.quantity, row.value) for row in valuation(days[2])] == [("MAIN", D(3), D(30))]
    now = {
        (row.product_id, row.location_id, row.lot_id): (row.quantity, row.value, row.unit_cost) for row in valuation()
    }
    assert now == {
        (row.product_id, row.location_id, row.lot_id): (
            row.on_hand_quantity,
            row.on_hand_quantity * row.cost_per_unit,
            row.cost_per_unit,
        )
        for row in Inventory.objects.all()
    }
    assert [(row.location, row.quantity, row.value) for row in valuation(by=("location",))] == [
        ("MAIN", None, D(40)),
        ("RACK", None, D(10)),
    ]
    assert [(row.sku, row.unit, row.quantity, row.value) for row in valuation(by=("product",))] == [
        ("PLA", "kg", D(3), D(30)),
        ("BOLT", "each", D(10), D(20)),
    ]
    assert [(row.category, row.value) for row in valuation(by=("category",), product_ids=[pla.pk])] == [
        ("material", D(30))
    ]


def test_valuation_takes_one_query(django_assert_num_queries):
    for _ in range(3):
        receive(MaterialFactory(), "1")
    with django_assert_num_queries(1):
        assert len(valuation(timezone.now())) == 3


def test_stock_that_is_left_of_two_receipts_bears_the_cost_of_one():
    bolt = ComponentFactory(unit_cost=D(1))
    put_on_shelf(bolt, 10)
    twice = [CostAdded(bolt.pk, None, D(10), D(5)), CostAdded(bolt.pk, None, D(10), D(5))]
    result = inventory.add_cost(twice, reason="freight of both", actor=system_actor())
    assert [(share.on_stock, share.expensed) for share in result.shares] == [(D("2.5"), D("2.5"))] * 2
    assert Inventory.objects.get().cost_per_unit == D("1.5")
    assert verify_ledger().is_clean
