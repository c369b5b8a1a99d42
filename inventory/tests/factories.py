"""Rows of inventory for tests: products, places, stock that came in through the ledger."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import factory
from factory.django import DjangoModelFactory

from blb3d.accounts.models import User
from blb3d.core.units import Unit
from inventory import services as inventory
from inventory.models import BOM, InventoryLocation, MaterialLot, Product, ProductPlate, Vendor
from inventory.services.ledger import Kind, Movement


def system_actor() -> User:
    """Return the actor of test set-up."""
    return User.objects.system("tests")


class LocationFactory(DjangoModelFactory):
    class Meta:
        model = InventoryLocation
        django_get_or_create = ("code",)

    code = "MAIN"
    name = factory.LazyAttribute(lambda self: f"Location {self.code}")
    is_default = factory.LazyAttribute(lambda self: self.code == "MAIN")


class VendorFactory(DjangoModelFactory):
    class Meta:
        model = Vendor

    code = factory.Sequence(lambda n: f"V-{n:04d}")
    name = factory.LazyAttribute(lambda self: f"Vendor {self.code}")


class ProductFactory(DjangoModelFactory):
    """A finished good, made to order, counted in pieces."""

    class Meta:
        model = Product

    sku = factory.Sequence(lambda n: f"FG-{n:05d}")
    name = factory.LazyAttribute(lambda self: f"Product {self.sku}")
    category = Product.Category.FINISHED_GOOD
    unit_of_measure = Unit.EACH


class ComponentFactory(ProductFactory):
    """A bought part, counted in pieces."""

    sku = factory.Sequence(lambda n: f"C-{n:05d}")
    category = Product.Category.COMPONENT
    replenishment = Product.Replenishment.BUY
    unit_cost = Decimal("0.2500")


class MaterialFactory(ProductFactory):
    """A filament, kept in kg."""

    sku = factory.Sequence(lambda n: f"M-{n:05d}")
    category = Product.Category.MATERIAL
    replenishment = Product.Replenishment.BUY
    unit_of_measure = Unit.KILOGRAM
    unit_cost = Decimal("12.0000")
    is_lot_tracked = True
    material_type = "PLA"
    color_name = "Black"
    color_hex = "000000"
    diameter_mm = Decimal("1.75")
    density_g_cm3 = Decimal("1.24")
    price_per_kg = Decimal("16.99")


def receive(product: Product, quantity: Decimal | str | int, **lot: Any) -> MaterialLot:
    """Receive a lot of a product at the default location, numbered in order unless told otherwise."""
    lot.setdefault("lot_number", f"LOT-{MaterialLot.all_objects.count() + 1:05d}")
    lot.setdefault("unit_cost", product.unit_cost)
    lot.setdefault("location", LocationFactory())
    return inventory.receive_lot(product, quantity=Decimal(quantity), actor=system_actor(), **lot)


def put_on_shelf(product: Product, quantity: Decimal | str | int, location: InventoryLocation | None = None) -> None:
    """Put stock without a lot on the shelf."""
    place = location or LocationFactory()
    receipt = Movement(
        Kind.RECEIPT, product.pk, place.pk, quantity=Decimal(quantity), unit_cost=product.unit_cost, reason="test"
    )
    inventory.post_transactions([receipt], actor=system_actor())


def make_bom(product: Product, *lines: tuple[Product, Decimal | str | int]) -> BOM:
    """Give a product an active bill with these components, in their stock units."""
    specs = [inventory.BOMLineSpec(part, Decimal(quantity), part.unit_of_measure) for part, quantity in lines]
    return inventory.set_bom(product, specs, actor=system_actor())


def make_plate(
    product: Product, *, parts: int = 1, minutes: Decimal | str | int = 60, grams: dict[Product, str] | None = None
) -> ProductPlate:
    """Give a product one plate that takes these grams of each material when full."""
    filaments = [(material, Decimal(amount)) for material, amount in (grams or {}).items()]
    spec = inventory.PlateSpec(parts_per_plate=parts, minutes=Decimal(minutes), filaments=filaments)
    return inventory.set_plates(product, [spec], actor=system_actor())[0]


def release_file(plate: ProductPlate, *, printer_model: str = "P1S", content: bytes = b"sliced") -> Any:
    """Attach a print file to a plate and release it."""
    file = inventory.attach_print_file(
        plate,
        printer_model=printer_model,
        content=content,
        file_name="plate.gcode.3mf",
        minutes=plate.estimated_minutes,
        grams=Decimal(100),
        sliced_by="tests",
        actor=system_actor(),
    )
    return inventory.release_print_file(file, actor=system_actor())
