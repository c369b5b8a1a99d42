"""Bench 2: the material requirements against the owner's SQL aggregate on the same data."""

from __future__ import annotations

import random
from decimal import Decimal

from django.db import connection

from blb3d.accounts.models import User
from blb3d.bench import data
from blb3d.bench.measure import Report, counting, interleaved
from inventory.models import BOM, Product
from production.models import ProductionOrder
from production.selectors import material_requirements

#: The owner's query, with `HAVING` left out so that every material is returned, and `draft` for his `pending`.
OWNERS_SQL = """
SELECT m.sku, SUM(bl.quantity * po.quantity) AS required, COALESCE(inv.available_quantity, 0) AS available
FROM production_orders po
JOIN products p ON po.product_id = p.id
JOIN boms b ON p.id = b.product_id AND b.is_active
JOIN bom_lines bl ON b.id = bl.bom_id
JOIN products m ON bl.component_id = m.id
LEFT JOIN (SELECT product_id, SUM(available_quantity) AS available_quantity FROM inventory GROUP BY product_id) inv
    ON m.id = inv.product_id
WHERE po.status IN ('draft', 'confirmed', 'queued')
GROUP BY m.sku, m.name, inv.available_quantity
"""


def _owner() -> dict[str, tuple[Decimal, Decimal]]:
    with connection.cursor() as cursor:
        cursor.execute(OWNERS_SQL)
        return {
            sku: (round(Decimal(str(need)), 4), round(Decimal(str(has)), 4)) for sku, need, has in cursor.fetchall()
        }


def _ours() -> dict[str, tuple[Decimal, Decimal]]:
    rows = material_requirements(include_all=True)
    return {row.material_sku: (row.total_required_kg, row.available_kg) for row in rows if row.total_required_kg}


def _grow(products: list[Product], boms: dict[int, BOM], count: int, chance: random.Random, actor: User) -> None:
    have = ProductionOrder.objects.count()
    ProductionOrder.objects.bulk_create(
        ProductionOrder(
            code=f"PO-B-{number}",
            product=(product := chance.choice(products)),
            bom=boms[product.pk],
            quantity=chance.randint(1, 40),
            created_by=actor,
            updated_by=actor,
        )
        for number in range(have, count)
    )


def run() -> Report:
    """Measure at 100, 1,000 and 10,000 open orders; both must give the same answer first."""
    report = Report("requirements")
    chance = random.Random(2)  # noqa: S311  (repeatable, not secret)
    actor = User.objects.system("bench")
    materials = data.materials(20, actor)
    products, boms = data.goods(200, materials, lines=4, chance=chance, actor=actor)
    data.stock(materials, actor)
    statements: list[int] = []
    for count in (100, 1_000, 10_000):
        _grow(products, boms, count, chance, actor)
        connection.cursor().execute("ANALYZE")
        if _ours() != _owner():
            raise AssertionError("the requirements and the owner's SQL differ")
        subject, floor = interleaved(_ours, _owner, rounds=31)
        report.timing(f"{count} orders", subject)
        report.timing(f"{count} orders, the owner's SQL", floor)
        with counting() as counter:
            _ours()
        statements.append(counter.count)
        report.judge(f"{count} orders: time against the SQL", subject.median / floor.median, 3)
    report.judge("statements", max(statements), 3)
    report.judge("statements grow with orders by", max(statements) - min(statements), 0)
    return report
