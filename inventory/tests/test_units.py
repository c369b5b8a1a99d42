"""A product's own units: bought by the spool, stocked in kg, used in grams, and never off by a thousand."""

from decimal import Decimal
from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from blb3d.core.errors import InvalidValue, UnknownConversion
from blb3d.core.tests.counting import statements_of
from inventory import services as inventory
from inventory.errors import InexactQuantity, UnitInUse
from inventory.models import BOM, BOMLine, Inventory, InventoryTransaction, MaterialLot, ProductUnit, VendorItem
from inventory.selectors import (
    from_stock,
    purchase_unit,
    stock_quantity,
    to_stock,
    unit_choices,
    unit_factors,
    units_of,
    usage_unit,
    verify_ledger,
)
from inventory.services import BOMLineSpec, PurchaseLineSpec, PurchaseReceipt, UnitSpec, Use
from inventory.tests.concurrency import shared_database, together  # noqa: F401
from inventory.tests.factories import (
    ComponentFactory,
    LocationFactory,
    MaterialFactory,
    ProductFactory,
    VendorFactory,
    system_actor,
)

pytestmark = pytest.mark.django_db
D = Decimal


def units(product, **factors):
    specs = [UnitSpec(unit, D(factor)) for unit, factor in factors.items()]
    return inventory.set_product_units(product, specs, actor=system_actor())


def received(product, line: PurchaseLineSpec) -> MaterialLot:
    """Buy and receive a line."""
    actor = system_actor()
    order = inventory.create_purchase_order(VendorFactory(), lines=[line], actor=actor)
    inventory.order_purchase(order, actor=actor)
    came = PurchaseReceipt(order.lines.get().pk, line.quantity)
    inventory.receive_purchase(order, [came], actor=actor)
    return MaterialLot.objects.get(product=product)


@pytest.mark.parametrize(
    ("quantity", "unit", "price"), [("3", "spool", "20"), ("3000", "g", "0.02"), ("3", "kg", "20")]
)
def test_three_spools_at_20_are_3_kg_at_20_a_kg_and_125_5_g_of_it_cost_2_51(quantity, unit, price):
    LocationFactory()
    pla = MaterialFactory()
    units(pla, spool="1")
    lot = received(pla, PurchaseLineSpec(pla, D(quantity), unit, D(price)))
    assert (lot.quantity_remaining, lot.unit_cost) == (D(3), D(20))
    [used] = inventory.consume(
        [Use(pla.pk, stock_quantity(pla, D("125.5"), "g"), "print_job", 1, lot_id=lot.pk)], actor=system_actor()
    )
    rows = InventoryTransaction.objects.filter(transaction_type="consumption")
    assert [(row.quantity, row.unit_cost, row.quantity * row.unit_cost) for row in rows] == [
        (D("0.1255"), D(20), D("2.51"))
    ]
    assert used.quantity * used.unit_cost == D("2.51")
    assert Inventory.objects.get().on_hand_quantity == D("2.8745")
    assert verify_ledger().is_clean


def test_a_lot_is_received_in_the_products_own_unit():
    pla = MaterialFactory()
    units(pla, reel="0.75")
    lot = inventory.receive_lot(
        pla,
        lot_number="L-1",
        quantity=D(4),
        unit="reel",
        unit_cost=D(20),
        location=LocationFactory(),
        actor=system_actor(),
    )
    assert lot.quantity_remaining == D(3)
    with pytest.raises(UnknownConversion):
        inventory.receive_lot(
            pla, lot_number="L-2", quantity=D(4), unit="pallet", unit_cost=D(20), actor=system_actor()
        )
    assert MaterialLot.objects.count() == 1
    assert InventoryTransaction.objects.count() == 1


def test_what_does_not_come_out_is_refused_with_the_nearest_that_does():
    bolt = ComponentFactory()
    units(bolt, pair="2", shard="0.33333333")
    assert stock_quantity(bolt, D(3), "pair") == D(6)
    assert to_stock(bolt, D(3), "shard") == D("0.99999999")
    with pytest.raises(InexactQuantity) as refusal:
        stock_quantity(bolt, D(3), "shard")
    assert refusal.value.details["nearest"] == "3.0000"
    with pytest.raises(InvalidValue):
        stock_quantity(bolt, D(0), "pair")


def test_grams_are_rounded_to_a_tenth_as_stock_is_kept():
    pla = MaterialFactory()
    assert stock_quantity(pla, D("125.55"), "g") == D("0.1256")
    assert from_stock(pla, D("0.1255"), "g") == D("125.5")


@pytest.mark.parametrize(
    ("unit", "factor"),
    [
        ("kg", "1"),
        ("g", "2"),
        ("two words", "1"),
        ("", "1"),
        ("x" * 21, "1"),
        ("box", "0"),
        ("box", "-1"),
        ("box", "NaN"),
        ("box", "1000001"),
        ("third", "0.333333333"),
    ],
)
def test_a_unit_that_cannot_be_kept_is_refused(unit, factor):
    pla = MaterialFactory()
    with pytest.raises(InvalidValue):
        inventory.set_product_units(pla, [UnitSpec(unit, D(factor))], actor=system_actor())
    assert not ProductUnit.objects.exists()


def test_a_unit_stands_once_and_what_is_left_out_is_gone():
    pla = MaterialFactory()
    with pytest.raises(InvalidValue):
        inventory.set_product_units(pla, [UnitSpec("spool", D(1)), UnitSpec("Spool", D(2))], actor=system_actor())
    units(pla, spool="1", box="10")
    units(pla, spool="0.75")
    assert unit_factors([pla.pk]) == {pla.pk: {"spool": D("0.75")}}
    row = ProductUnit.objects.get()
    assert [past.factor for past in row.history.order_by("history_id")] == [D(1), D("0.75")]


def test_what_it_is_bought_and_used_in_is_one_of_its_units():
    pla, bolt = MaterialFactory(), ComponentFactory()
    assert (purchase_unit(pla), usage_unit(pla)) == ("kg", "g")
    assert (purchase_unit(bolt), usage_unit(bolt)) == ("each", "each")
    inventory.set_product_units(pla, [UnitSpec("spool", D(1))], purchase_unit="spool", actor=system_actor())
    pla.refresh_from_db()
    assert (purchase_unit(pla), usage_unit(pla)) == ("spool", "g")
    assert units_of(pla, unit_factors([pla.pk])) == ["kg", "spool", "g"]
    assert unit_choices(pla) == [("kg", "kg"), ("spool", "spool (1 kg)"), ("g", "g")]
    with pytest.raises(InvalidValue):
        inventory.set_product_units(pla, [], actor=system_actor())  # it is bought by the spool
    with pytest.raises(InvalidValue):
        inventory.update_product(pla, usage_unit="each", actor=system_actor())
    with pytest.raises(InvalidValue):
        inventory.create_product(sku="X", name="x", purchase_unit="spool", actor=system_actor())
    pla.refresh_from_db()
    assert (pla.purchase_unit, pla.usage_unit) == ("spool", "")


def test_a_bill_takes_the_components_own_unit():
    cup, bolt = ProductFactory(), ComponentFactory(unit_cost=D("0.05"))
    units(bolt, strip="12")
    bom = inventory.set_bom(cup, [BOMLineSpec(bolt, D("0.25"), "strip")], actor=system_actor())
    line = bom.lines.get()
    assert (line.quantity, line.entered_quantity, line.unit_of_measure) == (D(3), D("0.25"), "strip")
    assert bom.total_cost == D("0.15")
    with pytest.raises(UnknownConversion):
        inventory.set_bom(cup, [BOMLineSpec(ComponentFactory(), D(1), "strip")], actor=system_actor())
    assert BOM.objects.get(is_active=True) == bom


def test_a_unit_in_use_cannot_become_another_quantity():
    actor, cup, pla = system_actor(), ProductFactory(), MaterialFactory()
    units(pla, spool="1", box="10", crate="50", pack="4", free="5")
    inventory.set_bom(cup, [BOMLineSpec(pla, D("0.1"), "spool")], actor=actor)
    VendorItem.objects.create(vendor=VendorFactory(code="ACME"), product=pla, unit="crate")
    order = inventory.create_purchase_order(VendorFactory(), lines=[PurchaseLineSpec(pla, D(1), "box")], actor=actor)
    asked = inventory.request_purchase(pla, quantity=D(2), unit="pack", actor=actor)
    kept = {"spool": "1", "box": "10", "crate": "50", "pack": "4", "free": "5"}
    named_by = {"spool": f"BOM-{cup.sku}", "box": order.po_number, "crate": "ACME", "pack": asked.number}
    for unit, named in named_by.items():
        for wanted in ({**kept, unit: "2"}, {name: factor for name, factor in kept.items() if name != unit}):
            with pytest.raises(UnitInUse) as refusal:
                units(pla, **wanted)
            assert named in refusal.value.message
    assert {row.unit: row.factor for row in pla.units.all()} == {name: D(factor) for name, factor in kept.items()}
    units(pla, **{**kept, "free": "6"})
    inventory.cancel_purchase(order, actor=actor, reason="not needed")
    units(pla, **{**kept, "free": "6", "box": "12"})
    assert pla.units.get(unit="box").factor == D(12)


def test_the_stock_unit_never_changes():
    pla = MaterialFactory()
    with pytest.raises(InvalidValue):
        inventory.update_product(pla, unit_of_measure="g", actor=system_actor())
    pla.refresh_from_db()
    assert pla.unit_of_measure == "kg"


def test_one_and_twenty_units_take_the_same_statements():
    counts, actor = [], system_actor()
    for many in (1, 20):
        pla = MaterialFactory()
        with CaptureQueriesContext(connection) as captured:
            inventory.set_product_units(pla, [UnitSpec(f"u{n}", D(n)) for n in range(1, many + 1)], actor=actor)
        counts.append(len(statements_of(captured)))
    assert counts[0] == counts[1] <= 10


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("shared_database")
def test_bills_and_a_change_of_their_unit_at_once_agree():
    actor, bolt = system_actor(), ComponentFactory()
    units(bolt, strip="12")
    cups = [ProductFactory() for _ in range(3)]
    results = together(
        *(partial(inventory.set_bom, cup, [BOMLineSpec(bolt, D(2), "strip")], actor=actor) for cup in cups),
        partial(inventory.set_product_units, bolt, [UnitSpec("strip", D(10))], actor=actor),
    )
    factor = bolt.units.get().factor
    assert [result for result in results[:3] if isinstance(result, Exception)] == []
    assert {line.quantity for line in BOMLine.objects.all()} == {2 * factor}
    assert isinstance(results[3], UnitInUse) is (factor == D(12))
