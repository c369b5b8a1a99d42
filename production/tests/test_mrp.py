"""Material requirements against the owner's own SQL."""

from __future__ import annotations

import random
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection, models
from django.test.utils import CaptureQueriesContext

from blb3d.core.units import round_quantity
from inventory import services as inventory
from inventory.models import MaterialLot, Product
from inventory.tests.factories import (
    LocationFactory,
    MaterialFactory,
    ProductFactory,
    make_bom,
    put_on_shelf,
    receive,
    system_actor,
)
from production import services as production
from production.models import ProductionOrder
from production.selectors import Requirement, material_requirements
from production.tests.factories import black_pla, cleared, confirmed, draft, printable, queued, stock

pytestmark = pytest.mark.django_db

# "pending" is our draft, and a boolean is a boolean: nothing else of it is changed.
OWNERS_SQL = """
SELECT
    m.sku AS material_sku,
    m.name AS material_name,
    SUM(bl.quantity * po.quantity) AS total_required_kg,
    COALESCE(inv.available_quantity, 0) AS available_kg,
    SUM(bl.quantity * po.quantity) - COALESCE(inv.available_quantity, 0) AS shortage_kg
FROM production_orders po
JOIN products p ON po.product_id = p.id
JOIN boms b ON p.id = b.product_id AND b.is_active
JOIN bom_lines bl ON b.id = bl.bom_id
JOIN products m ON bl.component_id = m.id
LEFT JOIN (
    SELECT product_id, SUM(available_quantity) as available_quantity
    FROM inventory
    GROUP BY product_id
) inv ON m.id = inv.product_id
WHERE po.status IN ('draft', 'confirmed', 'queued')
GROUP BY m.sku, m.name, inv.available_quantity
HAVING SUM(bl.quantity * po.quantity) > COALESCE(inv.available_quantity, 0)
"""


def _owners_rows() -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(OWNERS_SQL)
        rows = cursor.fetchall()
    return sorted(
        (sku, name, *(round_quantity(Decimal(str(value))) for value in values)) for sku, name, *values in rows
    )


def _our_rows() -> list[tuple[Any, ...]]:
    return [
        (row.material_sku, row.material_name, row.total_required_kg, row.available_kg, row.shortage_kg)
        for row in material_requirements()
    ]


@pytest.mark.parametrize("seed", range(5))
def test_it_equals_the_owners_sql_where_nothing_is_reserved_or_partly_done(seed: int) -> None:
    dice = random.Random(seed)
    LocationFactory()
    materials = [MaterialFactory() for _ in range(8)]
    products = []
    for _ in range(10):
        product = ProductFactory()
        for _ in range(dice.randint(1, 2)):  # an older revision must not count
            parts = dice.sample(materials, dice.randint(1, 4))
            make_bom(product, *((part, Decimal(dice.randint(1, 5000)) / 10000) for part in parts))
        products.append(product)
    for material in dice.sample(materials, 5):
        for _ in range(dice.randint(1, 3)):
            receive(material, Decimal(dice.randint(1, 30000)) / 10000)
    statuses = dice.choices(ProductionOrder.Status.values, k=40)
    orders = [draft(dice.choice(products), dice.randint(1, 9)) for _ in statuses]
    for order, status in zip(orders, statuses, strict=True):
        # Set past the verbs, because confirming would reserve.
        models.QuerySet.update(ProductionOrder.objects.filter(pk=order.pk), status=status)
    rows = _our_rows()
    assert rows == _owners_rows()
    assert rows


def test_a_reservation_for_this_very_demand_is_not_counted_against_it() -> None:
    stock(black_pla(), "1")
    confirmed(printable(grams="100"), 8)
    assert _our_rows() == []
    assert [row[4] for row in _owners_rows()] == [Decimal("0.6")]
    [row] = material_requirements(include_all=True)
    assert (row.total_required_kg, row.available_kg, row.shortage_kg) == (Decimal("0.8"), Decimal(1), Decimal(0))


def test_what_others_have_reserved_is_not_available() -> None:
    pla = black_pla()
    stock(pla, "1")
    inventory.reserve([inventory.Need(pla.pk, Decimal("0.4"), "sales_order_line", 1)], actor=system_actor())
    draft(printable(grams="100"), 8)
    [row] = material_requirements()
    assert (row.available_kg, row.shortage_kg) == (Decimal("0.6"), Decimal("0.2"))


def test_only_what_is_still_owed_counts() -> None:
    stock(black_pla(), "0.4")
    order = draft(printable(grams="100"), 8)
    ProductionOrder.objects.filter(pk=order.pk).update(quantity_completed=3)
    [row] = material_requirements()
    assert row == Requirement(
        row.material_id, "M-BLACK", black_pla().name, Decimal("0.5"), Decimal("0.4"), Decimal("0.1")
    )


def test_orders_in_print_are_no_longer_counted_and_their_reservation_is_not_available() -> None:
    stock(black_pla(), "1")
    _, jobs = queued(printable(grams="100"), 4)
    cleared(jobs[0], good=1)
    draft(printable(grams="100"), 8)
    [row] = material_requirements()
    # 1 kg less 0.1 kg printed, of which 0.3 kg are kept for the order in print
    assert (row.total_required_kg, row.available_kg) == (Decimal("0.8"), Decimal("0.6"))


def test_lots_in_quarantine_are_not_available() -> None:
    pla = black_pla()
    stock(pla, "1")
    inventory.quarantine_lot(MaterialLot.objects.get(), actor=system_actor(), reason="Damp")
    put_on_shelf(pla, "0.2")
    draft(printable(grams="100"), 8)
    [row] = material_requirements()
    assert (row.available_kg, row.shortage_kg) == (Decimal("0.2"), Decimal("0.6"))


def test_it_costs_two_queries_for_five_orders_and_for_fifty() -> None:
    stock(black_pla(), "1")
    product: Product = printable()

    def cost() -> int:
        with CaptureQueriesContext(connection) as queries:
            material_requirements()
        return len(queries)

    production.plan_production_orders([production.PlanRequest(product, 1)] * 5, actor=system_actor())
    assert cost() == 2
    production.plan_production_orders([production.PlanRequest(product, 1)] * 45, actor=system_actor())
    assert cost() == 2
