"""Products, bills of materials and plates."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from blb3d.core.errors import InvalidValue, StaleVersion, UnknownConversion
from inventory import services as inventory
from inventory.errors import BOMCycle, SKUTaken
from inventory.models import BOM, BOMLine, Product, ProductPlate
from inventory.services import BOMLineSpec, PlateSpec
from inventory.tests.factories import (
    ComponentFactory,
    MaterialFactory,
    ProductFactory,
    make_bom,
    make_plate,
    system_actor,
)
from inventory.tests.test_ledger import statements

pytestmark = pytest.mark.django_db
D = Decimal


def test_codes_are_kept_in_capitals_and_unique():
    pla = inventory.create_product(
        sku=" m-00044 ", name="PLA", material_type="pla", color_hex="#ff6a13", actor=system_actor()
    )
    assert (pla.sku, pla.material_type, pla.color_hex) == ("M-00044", "PLA", "FF6A13")
    with pytest.raises(SKUTaken):
        inventory.create_product(sku="M-00044", name="again", actor=system_actor())
    for sku, color in (("", ""), ("X" * 61, ""), ("X", "blue")):
        with pytest.raises(InvalidValue):
            inventory.create_product(sku=sku, name="x", color_hex=color, actor=system_actor())
    assert Product.objects.count() == 1


def test_a_product_changes_with_history_but_never_its_stock_unit():
    cup = ProductFactory()
    changed = inventory.update_product(cup, list_price=D("9.90"), version=1, actor=system_actor())
    assert changed.list_price == D("9.90")
    assert cup.history.latest().history_user == system_actor()
    with pytest.raises(StaleVersion):
        inventory.update_product(cup, list_price=D("1"), version=1, actor=system_actor())
    with pytest.raises(InvalidValue):
        inventory.update_product(cup, unit_of_measure="kg", actor=system_actor())
    cup.refresh_from_db()
    assert (cup.list_price, cup.unit_of_measure) == (D("9.90"), "each")


def test_a_bill_keeps_the_stock_unit_and_what_was_entered():
    cup, pla = ProductFactory(), MaterialFactory()
    bom = inventory.set_bom(cup, [BOMLineSpec(pla, D("125.5"), "g", D(10))], actor=system_actor())
    line = bom.lines.get()
    assert (line.quantity, line.entered_quantity, line.unit_of_measure) == (D("0.1255"), D("125.5"), "g")
    assert bom.total_cost == D("1.6566")  # 0.1255 kg x 1.1 x 12


def test_a_new_bill_replaces_the_active_one():
    cup, bolt = ProductFactory(), ComponentFactory()
    first, second = make_bom(cup, (bolt, 1)), make_bom(cup, (bolt, 2))
    assert (first.code, second.code) == (f"BOM-{cup.sku}", f"BOM-{cup.sku}-R2")
    assert list(BOM.objects.filter(is_active=True)) == [second]
    first.refresh_from_db()
    assert first.history.count() == 2


def test_cost_rolls_up_through_the_levels():
    bolt = ComponentFactory(unit_cost=D("0.5"))
    arm, robot, kit = ProductFactory(), ProductFactory(), ProductFactory()
    make_bom(arm, (bolt, 2))
    make_bom(robot, (arm, 4))
    make_bom(kit, (robot, 3), (bolt, 1))
    assert BOM.objects.get(product=kit).total_cost == D("12.5")
    make_bom(arm, (bolt, 4))
    assert BOM.objects.get(product=robot, is_active=True).total_cost == D(8)
    assert BOM.objects.get(product=kit).total_cost == D("24.5")


def test_a_cycle_is_refused_with_its_way():
    a, b, c = (ProductFactory(sku=sku) for sku in "ABC")
    make_bom(a, (b, 1))
    make_bom(b, (c, 1))
    with pytest.raises(BOMCycle) as refusal:
        make_bom(c, (a, 1))
    assert refusal.value.details["path"] == ["C", "A", "B", "C"]
    with pytest.raises(BOMCycle):
        make_bom(a, (a, 1))
    assert not BOM.objects.filter(product=c).exists()
    assert BOM.objects.get(product=a).is_active


@pytest.mark.parametrize(
    ("quantity", "unit", "error"),
    [
        ("1", "each", UnknownConversion),
        ("1", "stone", UnknownConversion),
        ("0", "g", InvalidValue),
        ("0.01", "g", InvalidValue),
    ],
)
def test_a_line_that_cannot_be_stocked_is_refused(quantity, unit, error):
    cup, pla = ProductFactory(), MaterialFactory()
    with pytest.raises(error):
        inventory.set_bom(cup, [BOMLineSpec(pla, D(quantity), unit)], actor=system_actor())
    assert not BOM.objects.exists()


def test_a_bill_needs_lines_and_names_each_component_once():
    cup, bolt = ProductFactory(), ComponentFactory()
    for lines in ([], [BOMLineSpec(bolt, D(1), "each")] * 2, [BOMLineSpec(bolt, D(1), "each", D(101))]):
        with pytest.raises(InvalidValue):
            inventory.set_bom(cup, lines, actor=system_actor())
    assert not BOMLine.objects.exists()


def test_a_bill_of_one_and_of_forty_lines_takes_the_same_statements():
    actor, bolts = system_actor(), ComponentFactory.create_batch(40)
    counts = []
    for some in (bolts[:1], bolts):
        cup = ProductFactory()
        with CaptureQueriesContext(connection) as captured:
            inventory.set_bom(cup, [BOMLineSpec(bolt, D(1), "each") for bolt in some], actor=actor)
        counts.append(statements(captured))
    assert counts[0] == counts[1] <= 20


def test_new_plates_replace_the_old_revision():
    cup, pla = ProductFactory(), MaterialFactory()
    old = make_plate(cup, parts=2, grams={pla: "80"})
    body, lid = inventory.set_plates(
        cup,
        [
            PlateSpec(4, D(120), [(pla, D(160)), (pla, D(5))], printer_models=["P1S"], bbox=(D(200), D(150), D(40))),
            PlateSpec(parts_per_plate=9, minutes=D(30)),
        ],
        actor=system_actor(),
    )
    old.refresh_from_db()
    assert (old.is_active, old.revision) == (False, 1)
    assert [(plate.revision, plate.plate_number) for plate in (body, lid)] == [(2, 1), (2, 2)]
    assert list(body.filaments.values_list("position", "grams")) == [(0, D(160)), (1, D(5))]
    assert (body.printer_models, body.bbox_z_mm) == (["P1S"], D(40))
    for wrong in ([], [PlateSpec(parts_per_plate=0, minutes=D(1))], [PlateSpec(parts_per_plate=1, minutes=D(0))]):
        with pytest.raises(InvalidValue):
            inventory.set_plates(cup, wrong, actor=system_actor())
    assert ProductPlate.objects.filter(is_active=True).count() == 2


def test_an_accepted_quote_becomes_an_ordinary_product_once():
    pla, white = MaterialFactory(), MaterialFactory(unit_cost=D(20))
    register = {
        "sku": "custom-Q-2025-042",
        "name": "Bracket",
        "materials": [(pla, D("100.25")), (white, D(10)), (pla, D("25.25"))],
        "plates": [PlateSpec(parts_per_plate=2, minutes=D(95), filaments=[(pla, D(251)), (white, D(20))])],
        "actor": system_actor(),
    }
    product = inventory.register_custom_product(**register)
    assert (product.sku, product.category, product.type) == ("CUSTOM-Q-2025-042", "custom", "custom")
    bom = BOM.objects.get(product=product)
    assert bom.code == "BOM-CUSTOM-Q-2025-042"
    assert list(bom.lines.values_list("component_id", "quantity", "unit_of_measure")) == [
        (pla.pk, D("0.1255"), "g"),
        (white.pk, D("0.01"), "g"),
    ]
    assert product.unit_cost == bom.total_cost == D("1.706")
    assert product.plates.get().parts_per_plate == 2
    assert inventory.register_custom_product(**register) == product
    assert (BOM.objects.count(), ProductPlate.objects.count()) == (1, 1)
