"""Families: one pattern in many materials."""

from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from blb3d.core.errors import InvalidTransition, InvalidValue, StaleVersion
from blb3d.core.outbox import OutboxEvent
from blb3d.core.tests.counting import statements_of
from inventory import services as inventory
from inventory.errors import VariantImpossible
from inventory.models import BOM, Product, ProductFamily, ProductPlate, ProductVariant
from inventory.selectors.variants import fingerprint, matrix_materials, plan_variants
from inventory.services import BOMLineSpec, PlateSpec
from inventory.tests.factories import (
    ComponentFactory,
    MaterialFactory,
    ProductFactory,
    make_bom,
    system_actor,
)

pytestmark = pytest.mark.django_db
D = Decimal


def material(material_type: str = "PLA", color: str = "Black", density: str | None = "1.24", **more) -> Product:
    given = {"material_type": material_type, "color_name": color, "brand": "", "unit_cost": D(20), **more}
    return MaterialFactory(density_g_cm3=D(density) if density else None, **given)


def family(**template) -> ProductFamily:
    """A cup of 100 g (5 % scrap) and two bolts, four on a plate of 400 g, for 10."""
    actor, black, bolt = system_actor(), material(sku="M-BLACK"), ComponentFactory(unit_cost=D("0.25"))
    cup = ProductFactory(sku="FG-CUP", list_price=D(10), lead_time_days=3, **template)
    inventory.set_bom(cup, [BOMLineSpec(black, D(100), "g", D(5)), BOMLineSpec(bolt, D(2), "each")], actor=actor)
    plate = PlateSpec(
        4,
        D(240),
        [(black, D(400))],
        model_file="models/cup.3mf",
        printer_models=["P1S"],
        printer_tags=["enclosed"],
        nozzle_diameter_mm=D("0.4"),
    )
    inventory.set_plates(cup, [plate], actor=actor)
    return inventory.create_family(code="cup", name="Cup", template=cup, varying_material=black, actor=actor)


def make(rows, *materials, **given):
    plans = inventory.make_variants(rows, materials, actor=system_actor(), **given)
    return {plan.sku: plan for plan in plans}


def kinds(plans):
    return {plan.sku: (plan.kind, plan.changes, plan.by_hand) for plan in plans}


def rows_of(product: Product):
    bom = BOM.objects.get(product=product, is_active=True)
    return {line.component.sku: (line.quantity, line.entered_quantity, line.unit_of_measure, line.scrap_percent)
            for line in bom.lines.select_related("component")}  # fmt: skip


def test_each_material_becomes_a_product_with_the_same_volume_of_it():
    cups = family()
    petg = material("PETG", "Jade White", "1.27", sku="M-PETG")
    bolt = ComponentFactory._meta.model.objects.get(category="component")
    plans = make(cups, Product.objects.get(sku="M-BLACK"), petg, surcharges={petg.pk: D("1.50")})
    assert list(plans) == ["CUP-PETG-JADE-WHITE", "CUP-PLA-BLACK"]
    white, black = (Product.objects.get(sku=sku) for sku in plans)
    assert (white.name, white.list_price, black.list_price) == ("Cup, PETG Jade White", D("11.50"), D(10))
    assert (white.category, white.lead_time_days, white.unit_of_measure) == ("finished_good", 3, "each")
    assert rows_of(black) == {
        "M-BLACK": (D("0.1"), D(100), "g", D(5)),
        bolt.sku: (D(2), D(2), "each", D(0)),
    }
    # 100 g of 1.24 fill what 102.4 g of 1.27 do.
    assert rows_of(white)["M-PETG"] == (D("0.1024"), D("102.4"), "g", D(5))
    assert white.unit_cost == BOM.objects.get(product=white).total_cost == D("2.6504")
    plate = ProductPlate.objects.get(product=white)
    assert (plate.parts_per_plate, plate.estimated_minutes, plate.model_file) == (4, D(240), "models/cup.3mf")
    assert (plate.printer_models, plate.printer_tags, plate.nozzle_diameter_mm) == (["P1S"], ["enclosed"], D("0.4"))
    assert list(plate.filaments.values_list("material__sku", "grams")) == [("M-PETG", D("409.6774"))]
    facts = OutboxEvent.objects.filter(topic="inventory.variant_made").order_by("pk")
    assert [fact.payload["sku"] for fact in facts] == ["CUP-PETG-JADE-WHITE", "CUP-PLA-BLACK"]
    assert OutboxEvent.objects.filter(topic="inventory.print_file_asked").count() == 2


def test_once_more_changes_nothing():
    cups, black = family(), Product.objects.get(sku="M-BLACK")
    make(cups, black)
    before = (Product.objects.count(), BOM.all_objects.count(), ProductPlate.all_objects.count())
    facts = OutboxEvent.objects.count()
    assert kinds(make(cups, black).values()) == {"CUP-PLA-BLACK": ("same", (), ())}
    assert (Product.objects.count(), BOM.all_objects.count(), ProductPlate.all_objects.count()) == before
    assert OutboxEvent.objects.count() == facts
    assert Product.objects.get(sku="CUP-PLA-BLACK").version == 2  # made, and given its cost


def test_what_the_template_has_become_is_written_into_the_variants():
    cups, actor = family(), system_actor()
    black, red = Product.objects.get(sku="M-BLACK"), material(color="Red", sku="M-RED")
    make(cups, black, red)
    inventory.set_bom(cups.template, [BOMLineSpec(black, D(120), "g")], actor=actor)
    inventory.update_product(cups.template, list_price=D(12), actor=actor)
    differs = ("changed", ("bill of materials", "list price 12.00"), ())
    plans = plan_variants(ProductFamily.objects.get(), [black, red])
    assert kinds(plans) == {"CUP-PLA-BLACK": differs, "CUP-PLA-RED": differs}
    make(ProductFamily.objects.get(), black, red)
    cup = Product.objects.get(sku="CUP-PLA-RED")
    assert (rows_of(cup), cup.list_price) == ({"M-RED": (D("0.12"), D(120), "g", D(0))}, D(12))
    assert BOM.objects.filter(product=cup).count() == 2
    assert ProductPlate.objects.filter(product=cup).count() == 1


def test_a_variant_that_leaves_the_matrix_is_switched_off_and_comes_back_as_itself():
    cups = family()
    black, red = Product.objects.get(sku="M-BLACK"), material(color="Red")
    make(cups, black, red)
    cup = Product.objects.get(sku="CUP-PLA-RED")
    assert make(cups, black)["CUP-PLA-RED"].kind == "out"
    cup.refresh_from_db()
    assert (cup.is_active, ProductVariant.objects.get(product=cup).is_in_matrix) == (False, False)
    assert kinds(plan_variants(cups, [black]))["CUP-PLA-RED"] == ("out", (), ())
    back = make(cups, black, red)["CUP-PLA-RED"]
    cup.refresh_from_db()
    assert (back.changes, cup.is_active) == (("back in the matrix",), True)
    assert Product.objects.filter(sku="CUP-PLA-RED").count() == 1


def test_what_was_changed_by_hand_is_said_and_stays_unless_it_is_to_go():
    cups, actor = family(), system_actor()
    black = Product.objects.get(sku="M-BLACK")
    make(cups, black)
    cup = Product.objects.get(sku="CUP-PLA-BLACK")
    make_bom(cup, (black, "0.2"))
    inventory.set_plates(cup, [PlateSpec(1, D(60), [(black, D(200))])], actor=actor)
    inventory.update_product(cup, name="Best cup", list_price=D(99), is_active=False, actor=actor)
    plan = make(cups, black)["CUP-PLA-BLACK"]
    assert (plan.kind, plan.changes) == ("same", ())
    assert plan.by_hand == (
        "bill of materials", "plates", "name Cup, PLA Black", "list price 10.00", "switched on again"
    )  # fmt: skip
    cup.refresh_from_db()
    assert (cup.name, cup.list_price, cup.is_active) == ("Best cup", D(99), False)
    assert rows_of(cup) == {"M-BLACK": (D("0.2"), D("0.2"), "kg", D(0))}
    make(cups, black, overwrite=True)
    cup.refresh_from_db()
    assert (cup.name, cup.list_price, cup.is_active) == ("Cup, PLA Black", D(10), True)
    assert rows_of(cup)["M-BLACK"] == (D("0.1"), D(100), "g", D(5))
    assert ProductPlate.objects.get(product=cup, is_active=True).revision == 3
    assert make(cups, black)["CUP-PLA-BLACK"].kind == "same"


def test_a_surcharge_stays_until_another_is_given():
    cups, black = family(), Product.objects.get(sku="M-BLACK")
    make(cups, black, surcharges={black.pk: D(2)})
    make(cups, black)
    cup = Product.objects.get(sku="CUP-PLA-BLACK")
    assert cup.list_price == D(12)
    make(cups, black, surcharges={black.pk: D(0)})
    cup.refresh_from_db()
    assert cup.list_price == D(10)
    for wrong in ("-1", "0.005", "NaN", "1000000"):
        with pytest.raises(InvalidValue):
            make(cups, black, surcharges={black.pk: D(wrong)})


def test_two_materials_of_one_colour_get_their_brand_into_the_sku():
    cups = family()
    one, two = (material(color="Red", brand=brand) for brand in ("Acme", "Best & Co."))
    assert sorted(make(cups, one, two)) == ["CUP-PLA-RED-ACME", "CUP-PLA-RED-BEST-CO"]
    three = material(color="Blue")
    ProductFactory(sku="CUP-PLA-BLUE")
    assert f"CUP-PLA-BLUE-{three.sku}" in make(cups, one, two, three)


def test_without_a_density_nobody_knows_how_much_it_takes_and_nothing_is_made():
    cups = family()
    black, unknown = Product.objects.get(sku="M-BLACK"), material("PA-CF", density=None)
    meters = material(unit_of_measure="m", color="Wire")
    for wrong in (unknown, meters, ComponentFactory()):
        with pytest.raises(VariantImpossible):
            make(cups, black, wrong)
    [plan] = [plan for plan in plan_variants(cups, [unknown]) if plan.material == unknown]
    assert (plan.kind, "density" in plan.why) == ("impossible", True)
    assert not ProductVariant.objects.exists()
    assert not Product.objects.filter(sku__startswith="CUP-").exists()


def test_where_the_new_material_stands_in_the_bill_already_the_lines_become_one():
    actor, black, white = system_actor(), material(sku="M-BLACK"), material(color="White", sku="M-WHITE")
    cup = ProductFactory()
    inventory.set_bom(cup, [BOMLineSpec(black, D(100), "g"), BOMLineSpec(white, D(20), "g")], actor=actor)
    inventory.set_plates(cup, [PlateSpec(1, D(60), [(black, D(100)), (white, D(20))])], actor=actor)
    cups = inventory.create_family(code="DUO", name="Duo", template=cup, varying_material=black, actor=actor)
    make(cups, white)
    made = Product.objects.get(sku="DUO-PLA-WHITE")
    assert rows_of(made) == {"M-WHITE": (D("0.12"), D("0.12"), "kg", D(0))}
    assert list(made.plates.get().filaments.values_list("position", "grams")) == [(0, D(100)), (1, D(20))]
    assert make(cups, white)["DUO-PLA-WHITE"].kind == "same"


def test_only_what_was_shown_is_made():
    cups, black = family(), Product.objects.get(sku="M-BLACK")
    shown = fingerprint(plan_variants(cups, [black]))
    inventory.update_product(cups.template, list_price=D(12), actor=system_actor())
    with pytest.raises(StaleVersion):
        make(cups, black, expected=shown)
    assert not ProductVariant.objects.exists()
    make(cups, black, expected=fingerprint(plan_variants(ProductFamily.objects.get(), [black])))
    assert ProductVariant.objects.count() == 1


def test_a_family_needs_a_pattern_that_can_vary():
    actor, cup, black = system_actor(), ProductFactory(), material()
    bolt = ComponentFactory()
    for given in ({"varying_material": black}, {"varying_material": bolt}):
        with pytest.raises(InvalidValue):
            inventory.create_family(code="X", name="X", template=cup, actor=actor, **given)
    cups = family()
    with pytest.raises(InvalidValue):
        inventory.create_family(
            code="CUP", name="Again", template=cups.template, varying_material=cups.varying_material, actor=actor
        )
    ProductFamily.objects.filter(pk=cups.pk).update(is_active=False)
    with pytest.raises(InvalidTransition):
        make(cups, cups.varying_material)
    assert ProductFamily.objects.count() == 1


def test_the_matrix_offers_active_materials_that_are_weighed_and_those_in_use():
    cups = family()
    red, off = material(color="Red"), material(color="Gone", is_active=False)
    material(unit_of_measure="m", color="Wire")
    assert matrix_materials(cups) == [cups.varying_material, red]
    ProductVariant.objects.create(family=cups, material=off, product=ProductFactory())
    assert matrix_materials(cups) == [cups.varying_material, off, red]


def test_one_and_twelve_variants_take_the_same_statements():
    counts, cups = [], family()
    make(cups, material(color="First"))
    for many in (1, 12):
        materials = [material(color=f"Color {many} {n}") for n in range(many)]
        with CaptureQueriesContext(connection) as captured:
            make(cups, *materials)
        counts.append(len(statements_of(captured)))
    assert counts[0] == counts[1] <= 70
