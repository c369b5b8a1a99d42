"""Generated data for the benches, fixed by seed."""

from __future__ import annotations

import random
from collections.abc import Sequence
from decimal import Decimal

from blb3d.accounts.models import User
from blb3d.core.actors import acting
from blb3d.core.documents import insert_documents
from blb3d.core.units import Unit
from inventory import services as inventory
from inventory.models import BOM, BOMLine, InventoryLocation, MaterialLot, Product, Reference


def location() -> InventoryLocation:
    """Return the place where the benches' stock lies."""
    return InventoryLocation.objects.get_or_create(code="BENCH", defaults={"name": "Bench", "is_default": True})[0]


def materials(count: int, actor: User) -> list[Product]:
    """Return filaments."""
    with acting(actor, "bench"):
        return insert_documents(
            [
                Product(
                    sku=f"M-B{number:04d}",
                    name=f"PLA {number}",
                    category=Product.Category.MATERIAL,
                    unit_of_measure=Unit.KILOGRAM,
                    material_type="PLA",
                    color_hex=f"{number:06X}",
                    unit_cost=Decimal("16.99"),
                    replenishment=Product.Replenishment.BUY,
                )
                for number in range(count)
            ],
            natural_key="sku",
        )


def goods(
    count: int, components: Sequence[Product], *, lines: int, chance: random.Random, actor: User, prefix: str = "FG-B"
) -> tuple[list[Product], dict[int, BOM]]:
    """Return make-to-order products with an active BOM of ``lines`` lines each, and the BOMs by product."""
    with acting(actor, "bench"):
        products = insert_documents(
            [
                Product(sku=f"{prefix}{number:05d}", name=f"Good {number}", list_price=Decimal("19.90"))
                for number in range(count)
            ],
            natural_key="sku",
        )
        boms = insert_documents([BOM(product=p, code=f"BOM-{p.sku}") for p in products], natural_key="code")
        BOMLine.objects.bulk_create(
            BOMLine(
                bom=bom,
                component=component,
                quantity=(grams := Decimal(chance.randint(50, 4000))) / 10_000,
                entered_quantity=grams / 10,
                unit_of_measure=Unit.GRAM,
            )
            for bom in boms
            for component in chance.sample(list(components), lines)
        )
    return products, {bom.product_id: bom for bom in boms}


def stock(products: Sequence[Product], actor: User, *, lots: int = 3, quantity: Decimal = Decimal(50)) -> None:
    """Receive ``lots`` lots of each product through the ledger."""
    place = location()
    with acting(actor, "bench"):
        rows = insert_documents(
            [
                MaterialLot(
                    lot_number=f"L-{product.sku}-{number}",
                    product=product,
                    quantity_received=quantity,
                    quantity_remaining=Decimal(0),
                    unit_cost=Decimal("16.99"),
                )
                for product in products
                for number in range(lots)
            ],
            natural_key="lot_number",
        )
    inventory.post_transactions(
        [
            inventory.Movement(
                kind="receipt",
                product_id=lot.product_id,
                location_id=place.pk,
                lot_id=lot.pk,
                quantity=quantity,
                unit_cost=lot.unit_cost,
                reference_type=Reference.LOT,
                reference_id=lot.pk,
            )
            for lot in rows
        ],
        actor=actor,
    )
