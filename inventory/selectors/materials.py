"""Materials by what a customer or a printer says of them: type and colour."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal

from django.db.models import DecimalField, F, QuerySet, Sum

from blb3d.core.errors import InvalidValue
from blb3d.core.units import round_quantity
from inventory.errors import MaterialNotFound
from inventory.models import Product
from inventory.selectors.stock import available, usable_balances

_PER_KG = Decimal("0.0001")


@dataclass(frozen=True)
class PlaceQuantity:
    """How much of a material lies free at a location, in kg."""

    location: str
    quantity: Decimal


@dataclass(frozen=True)
class MaterialCheck:
    """The stock of a material type in usable lots, in kg."""

    material_type: str
    required_quantity: Decimal
    on_hand: Decimal
    allocated: Decimal
    locations: tuple[PlaceQuantity, ...]

    @property
    def free(self) -> Decimal:
        """Return what nobody has reserved."""
        return self.on_hand - self.allocated

    @property
    def available(self) -> bool:
        """Return whether the required quantity is free."""
        return self.free >= self.required_quantity


def active_materials() -> QuerySet[Product]:
    """Return the materials that may be sold and used."""
    return Product.objects.filter(category=Product.Category.MATERIAL, is_active=True)


def normalise_type(material_type: str) -> str:
    """Return a material type as it is stored: PLA, PETG, PA-CF."""
    return material_type.strip().upper()


def normalise_color(color_hex: str) -> str:
    """Return a colour as it is stored, RRGGBB in capitals; an alpha part is dropped, '' stays ''.

    Raises:
        InvalidValue: it is not a colour.
    """
    color = color_hex.strip().lstrip("#").upper()
    if color and (len(color) not in {6, 8} or any(sign not in "0123456789ABCDEF" for sign in color)):
        raise InvalidValue("A colour is written as RRGGBB.", details={"color": color_hex[:20]})
    return color[:6]


def check_material(material_type: str, quantity_kg: Decimal) -> MaterialCheck:
    """Return what is there of a material type, all colours and brands together, and where. Two queries.

    Raises:
        MaterialNotFound: no active material is of this type.
    """
    name = normalise_type(material_type)
    if not active_materials().filter(material_type=name).exists():
        raise MaterialNotFound(details={"material_type": material_type[:20]})
    rows = (
        usable_balances()
        .filter(product__category=Product.Category.MATERIAL, product__is_active=True, product__material_type=name)
        .order_by("location__code")
        .values_list("location__code")
        .annotate(Sum("on_hand_quantity"), Sum("allocated_quantity"))
    )
    places = [(code, round_quantity(on_hand), round_quantity(allocated)) for code, on_hand, allocated in rows]
    return MaterialCheck(
        name,
        quantity_kg,
        sum((on_hand for _, on_hand, _ in places), Decimal(0)),
        sum((allocated for _, _, allocated in places), Decimal(0)),
        tuple(PlaceQuantity(code, on_hand - allocated) for code, on_hand, allocated in places if on_hand > allocated),
    )


def choose_material(material_type: str, color_hex: str = "") -> Product:
    """Return the material to print with.

    A colour that is named is met exactly and never guessed. Without one it is the cheapest of the type that is in
    stock; with none in stock the type's default, or the cheapest where no default is marked. Two queries.

    Raises:
        MaterialNotFound: there is no active material of this type (and colour).
    """
    color = normalise_color(color_hex)
    found = active_materials().filter(material_type=normalise_type(material_type))
    if color:
        found = found.filter(color_hex=color)
    candidates = list(found)
    if not candidates:
        raise MaterialNotFound(details={"material_type": material_type[:20], "color_hex": color})
    free = available([product.pk for product in candidates])

    def preference(product: Product) -> tuple[bool, bool, Decimal, int]:
        in_stock = free[product.pk] > 0
        return (not in_stock, not in_stock and not product.is_type_default, price_of(product), product.pk)

    return min(candidates, key=preference)


def price_of(material: Product) -> Decimal:
    """Return what a material is sold at per kg, else its standard cost."""
    return material.price_per_kg if material.price_per_kg is not None else material.unit_cost


def stock_costs(product_ids: Collection[int]) -> dict[int, Decimal]:
    """Return what a kg of each material cost us, the mean over usable lots; no entry where nothing is. One query."""
    rows = usable_balances().filter(product_id__in=set(product_ids), on_hand_quantity__gt=0).order_by()
    worth = Sum(F("on_hand_quantity") * F("cost_per_unit"), output_field=DecimalField(max_digits=24, decimal_places=8))
    found = rows.values_list("product_id").annotate(kg=Sum("on_hand_quantity"), worth=worth)
    return {product_id: (value / kg).quantize(_PER_KG, rounding=ROUND_HALF_UP) for product_id, kg, value in found}


def materials_in_stock() -> list[Product]:
    """Return the active materials of which something is free, by type and colour. One query."""
    stocked = usable_balances().filter(available_quantity__gt=0).values("product_id")
    return list(active_materials().filter(pk__in=stocked).order_by("material_type", "color_name", "sku"))
