"""A family's variants on the shop floor, and filament by the spool from its purchase to the print."""

from __future__ import annotations

from decimal import Decimal
from functools import partial

import pytest

from blb3d.core.outbox import drain
from inventory import services as inventory
from inventory.models import Inventory, InventoryTransaction, Product, ProductVariant
from inventory.selectors import verify_ledger
from inventory.services import PurchaseLineSpec, PurchaseReceipt, UnitSpec
from inventory.tests.concurrency import shared_database, together  # noqa: F401
from inventory.tests.factories import LocationFactory, MaterialFactory, VendorFactory, system_actor
from production.models import Routing
from production.selectors.costs import production_costs
from production.tests.factories import black_pla, confirmed, finished, printable, queued, routed

pytestmark = pytest.mark.django_db
D = Decimal


def cups(*kinds: str):
    """A family of printed cups in black; with ``kinds`` they go that way after printing."""
    cup = printable(sku="FG-CUP", file=False)
    if kinds:
        routed(cup, *kinds)
    return inventory.create_family(
        code="CUP", name="Cup", template=cup, varying_material=black_pla(), actor=system_actor()
    )


def test_a_variant_goes_the_way_of_its_template_and_keeps_its_own() -> None:
    family, actor = cups("paint", "pack"), system_actor()
    red = MaterialFactory(color_name="Red")
    inventory.make_variants(family, [black_pla(), red], actor=actor)
    drain()
    variants = [Product.objects.get(sku=f"CUP-PLA-{color}") for color in ("BLACK", "RED")]
    for product in variants:
        assert [row.name for row in confirmed(product).operations.all()] == ["painting", "packing"]
    own = routed(variants[0], "paint")
    inventory.make_variants(family, [black_pla(), red, MaterialFactory(color_name="Blue")], actor=actor)
    drain()
    assert Routing.objects.get(product=variants[0], is_active=True) == own
    assert Routing.objects.filter(product=variants[1]).count() == 1


def test_without_a_routing_a_variant_is_done_when_it_is_printed() -> None:
    inventory.make_variants(cups(), [black_pla()], actor=system_actor())
    drain()
    assert not Routing.objects.exists()


@pytest.mark.parametrize(
    ("quantity", "unit", "price"), [("3", "spool", "20"), ("3000", "g", "0.02"), ("3", "kg", "20")]
)
def test_a_job_of_125_5_g_from_three_spools_at_20_costs_2_51_and_leaves_2_8745_kg(
    quantity: str, unit: str, price: str
) -> None:
    actor, pla = system_actor(), black_pla()
    LocationFactory()
    inventory.set_product_units(pla, [UnitSpec("spool", D(1))], actor=actor)
    order = inventory.create_purchase_order(
        VendorFactory(), lines=[PurchaseLineSpec(pla, D(quantity), unit, D(price))], actor=actor
    )
    inventory.order_purchase(order, actor=actor)
    inventory.receive_purchase(order, [PurchaseReceipt(order.lines.get().pk, D(quantity))], actor=actor)
    made, [job] = queued(printable(grams="125.5"), 1)
    finished(job, grams={0: D("125.5")})
    [row] = InventoryTransaction.objects.filter(transaction_type="consumption")
    assert (row.quantity, row.unit_cost, row.quantity * row.unit_cost) == (D("0.1255"), D(20), D("2.51"))
    assert Inventory.objects.get(product=pla).on_hand_quantity == D("2.8745")
    assert production_costs([made.pk])[made.pk].actual.material == D("2.51")
    assert verify_ledger().is_clean


@pytest.mark.django_db(transaction=True)
@pytest.mark.usefixtures("shared_database")
def test_a_matrix_made_by_four_at_once_is_made_once() -> None:
    family, red, actor = cups(), MaterialFactory(color_name="Red"), system_actor()
    make = partial(inventory.make_variants, family, [black_pla(), red], actor=actor)
    results = together(*[make] * 4)
    assert [result for result in results if isinstance(result, Exception)] == []
    assert sorted(sum(plan.kind == "new" for plan in plans) for plans in results) == [0, 0, 0, 2]
    assert ProductVariant.objects.count() == 2
    assert Product.objects.filter(sku__startswith="CUP-").count() == 2
