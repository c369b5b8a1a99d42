"""Products, what they are made of, and how they lie on a plate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypedDict, Unpack

from django.db import IntegrityError, transaction
from django.db.models import Max

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents, lock_documents, update_documents
from blb3d.core.errors import InvalidValue
from blb3d.core.units import QUANTUM, Unit, convert, positive_quantity, round_quantity
from blb3d.core.verbs import verb
from inventory.errors import BOMCycle, SKUTaken
from inventory.models import BOM, BOMLine, PlateFilament, Product, ProductPlate
from inventory.selectors.materials import normalise_color, normalise_type


class ProductFields(TypedDict, total=False):
    """What may be said of a product besides SKU and name."""

    category: str
    type: str
    is_active: bool
    unit_of_measure: str
    unit_cost: Decimal
    list_price: Decimal | None
    gcode_file_path: str
    replenishment: str
    is_serialized: bool
    is_lot_tracked: bool
    reorder_point: Decimal
    safety_stock: Decimal
    lead_time_days: int
    notes: str
    material_type: str
    brand: str
    color_name: str
    color_hex: str
    diameter_mm: Decimal | None
    density_g_cm3: Decimal | None
    price_per_kg: Decimal | None
    is_type_default: bool


@dataclass(frozen=True)
class BOMLineSpec:
    """A component and how much one unit of the parent takes of it, in ``unit``."""

    component: Product
    quantity: Decimal
    unit: str
    scrap_percent: Decimal = Decimal(0)


@dataclass(frozen=True)
class PlateSpec:
    """One full plate: parts, minutes, grams of each filament in the file's order, and what it needs of a printer."""

    parts_per_plate: int
    minutes: Decimal
    filaments: Sequence[tuple[Product, Decimal]] = ()
    model_file: str = ""
    layer_height_mm: Decimal = Decimal("0.20")
    infill_percent: int = 15
    bbox: tuple[Decimal, Decimal, Decimal] | None = None
    printer_models: Sequence[str] = field(default_factory=tuple)


def normalise_sku(sku: str) -> str:
    """Return a SKU as it is stored: capitals, no space around it.

    Raises:
        InvalidValue: it is empty or longer than 60 characters.
    """
    sku = sku.strip().upper()
    if not sku or len(sku) > 60:
        raise InvalidValue("A SKU has 1 to 60 characters.", details={"field": "sku", "value": sku[:80]})
    return sku


@verb
def create_product(*, sku: str, name: str, actor: User, **fields: Unpack[ProductFields]) -> Product:
    """Create a product; SKU, material type and colour are stored in capitals.

    Raises:
        SKUTaken: a product with this SKU exists.
    """
    _normalise(fields)
    product = Product(sku=normalise_sku(sku), name=name.strip(), **fields)
    try:
        with transaction.atomic():
            product.save()
    except IntegrityError:
        if Product.all_objects.filter(sku=product.sku).exists():
            raise SKUTaken(details={"sku": product.sku}) from None
        raise
    return product


@verb
def update_product(
    product: Product,
    *,
    name: str | None = None,
    actor: User,
    version: int | None = None,
    **fields: Unpack[ProductFields],
) -> Product:
    """Change what is said of a product; the stock unit never changes, because stock is counted in it."""
    _normalise(fields)
    (fresh,) = lock_documents(Product.objects.filter(pk=product.pk))
    fresh.check_version(version)
    if fields.get("unit_of_measure", fresh.unit_of_measure) != fresh.unit_of_measure:
        raise InvalidValue("The stock unit of a product cannot change.", details={"field": "unit_of_measure"})
    if name is not None:
        fresh.name = name.strip()
    for field_name, value in fields.items():
        setattr(fresh, field_name, value)
    fresh.save()
    return fresh


def _normalise(fields: ProductFields) -> None:
    if "material_type" in fields:
        fields["material_type"] = normalise_type(fields["material_type"])
    if "color_hex" in fields:
        fields["color_hex"] = normalise_color(fields["color_hex"])


@verb
def set_bom(product: Product, lines: Sequence[BOMLineSpec], *, actor: User, name: str = "") -> BOM:
    """Make a new active revision of a product's bill of materials and deactivate the old one.

    Quantities are kept in the component's stock unit and as entered. The cost rolls up, here and in whatever the
    product goes into.

    Raises:
        InvalidValue: there are no lines, a component twice, or a quantity that is not above 0.
        UnknownConversion: a unit does not measure what the component's stock unit does.
        BOMCycle: the product would contain itself.
    """
    _check_lines(lines)
    lock_documents(Product.objects.filter(pk=product.pk))
    _refuse_cycle(product, [line.component.pk for line in lines])
    old = list(BOM.objects.filter(product=product, is_active=True))
    for bom in old:
        bom.is_active = False
    update_documents(old, ["is_active"])
    revision = (BOM.all_objects.filter(product=product).aggregate(last=Max("revision"))["last"] or 0) + 1
    code = f"BOM-{product.sku}" + (f"-R{revision}" if revision > 1 else "")
    bom = BOM(product=product, code=code, name=name or product.name, revision=revision)
    bom.save()
    rows = [
        BOMLine(
            bom=bom,
            component=line.component,
            quantity=positive_quantity(convert(line.quantity, line.unit, line.component.unit_of_measure)),
            unit_of_measure=line.unit,
            entered_quantity=round_quantity(line.quantity),
            scrap_percent=line.scrap_percent,
        )
        for line in lines
    ]
    insert_documents(rows, natural_key="component_id", within={"bom": bom})
    _roll_up([bom])
    bom.refresh_from_db()
    return bom


def _check_lines(lines: Sequence[BOMLineSpec]) -> None:
    if not lines:
        raise InvalidValue("A bill of materials needs a line.", details={"field": "lines"})
    components = [line.component.pk for line in lines]
    if len(set(components)) != len(components):
        raise InvalidValue("A component stands in the bill twice.", details={"field": "lines"})
    for line in lines:
        if not 0 <= line.scrap_percent <= 100:
            raise InvalidValue("Scrap is between 0 and 100 percent.", details={"field": "scrap_percent"})


def _refuse_cycle(product: Product, component_ids: Collection[int]) -> None:
    """Walk down the active bills level by level, one query each, and refuse when the product is met."""
    came_from: dict[int, int] = dict.fromkeys(component_ids, product.pk)
    level = set(component_ids)
    while level:
        if product.pk in level:
            raise BOMCycle(details={"path": _path(product.pk, came_from)})
        edges = BOMLine.objects.filter(bom__product_id__in=level, bom__is_active=True, bom__deleted_at__isnull=True)
        below: set[int] = set()
        for parent, component in edges.values_list("bom__product_id", "component_id"):
            if component not in came_from:
                came_from[component] = parent
                below.add(component)
        level = below


def _path(start: int, came_from: dict[int, int]) -> list[str]:
    """Return the SKUs on the way from the product down to itself."""
    way = [start]
    while (parent := came_from[way[-1]]) != start:
        way.append(parent)
    skus = dict(Product.all_objects.filter(pk__in=way).values_list("pk", "sku"))
    return [skus[pk] for pk in (start, *reversed(way))]


def _roll_up(boms: Sequence[BOM]) -> None:
    """Compute the cost of bills, then of the active bills above them, level by level.

    A component costs what its own active bill does, else its standard cost; scrap adds to the quantity.
    """
    level = {bom.pk: bom.product_id for bom in boms}
    while level:
        lines = list(BOMLine.objects.filter(bom_id__in=level).select_related("component"))
        made = dict(
            BOM.objects.filter(product_id__in={line.component_id for line in lines}, is_active=True).values_list(
                "product_id", "total_cost"
            )
        )
        totals: dict[int, Decimal] = defaultdict(Decimal)
        for line in lines:
            cost = made.get(line.component_id, line.component.unit_cost)
            totals[line.bom_id] += line.quantity * (1 + line.scrap_percent / 100) * cost
        for bom_id, total in totals.items():
            BOM.objects.filter(pk=bom_id).update(total_cost=round_quantity(total))
        above = BOM.objects.filter(is_active=True, lines__component_id__in=set(level.values())).distinct()
        level = dict(above.order_by().values_list("pk", "product_id"))


@verb
def set_plates(product: Product, plates: Sequence[PlateSpec], *, actor: User) -> list[ProductPlate]:
    """Make a new revision of a product's plates; the old ones stay for the jobs that used them.

    A product with several plates needs one part of each.
    """
    if not plates:
        raise InvalidValue("A printed product needs a plate.", details={"field": "plates"})
    lock_documents(Product.objects.filter(pk=product.pk))
    old = list(ProductPlate.objects.filter(product=product, is_active=True))
    for plate in old:
        plate.is_active = False
    update_documents(old, ["is_active"])
    last = ProductPlate.all_objects.filter(product=product).aggregate(last=Max("revision"))["last"] or 0
    rows = []
    for number, spec in enumerate(plates, start=1):
        if spec.parts_per_plate < 1:
            raise InvalidValue("A plate holds at least one part.", details={"field": "parts_per_plate"})
        x, y, z = spec.bbox or (None, None, None)
        row = ProductPlate(
            product=product,
            revision=last + 1,
            plate_number=number,
            parts_per_plate=spec.parts_per_plate,
            estimated_minutes=positive_quantity(spec.minutes, what="minutes"),
            layer_height_mm=spec.layer_height_mm,
            infill_percent=spec.infill_percent,
            bbox_x_mm=x,
            bbox_y_mm=y,
            bbox_z_mm=z,
            model_file=spec.model_file,
            printer_models=list(spec.printer_models),
        )
        rows.append(row)
    insert_documents(rows, natural_key="plate_number", within={"product": product, "revision": last + 1})
    PlateFilament.objects.bulk_create(
        PlateFilament(plate=row, position=position, material=material, grams=positive_quantity(grams, what="grams"))
        for row, spec in zip(rows, plates, strict=True)
        for position, (material, grams) in enumerate(spec.filaments)
    )
    return rows


@verb
def register_custom_product(
    *,
    sku: str,
    name: str,
    materials: Sequence[tuple[Product, Decimal]],
    plates: Sequence[PlateSpec],
    gcode_file_path: str = "",
    actor: User,
) -> Product:
    """Make an accepted quote an ordinary product: bill ``BOM-{sku}`` with one line per material, plates as estimated.

    ``materials`` are grams per unit; they stand in the bill in the material's stock unit (125.5 g is 0.1255 kg), at
    least as the least amount that stock is kept in. The same SKU again returns the product that is there.
    """
    sku = normalise_sku(sku)
    existing = Product.objects.filter(sku=sku).first()
    if existing is not None:
        return existing
    try:
        product = create_product(
            sku=sku,
            name=name,
            category=Product.Category.CUSTOM,
            type=Product.Type.CUSTOM,
            gcode_file_path=gcode_file_path,
            actor=actor,
        )
    except SKUTaken:  # another request registered it at this moment
        return Product.objects.get(sku=sku)
    grams: dict[int, Decimal] = defaultdict(Decimal)
    by_id = {material.pk: material for material, _ in materials}
    for material, amount in materials:
        grams[material.pk] += amount
    least = {pk: convert(QUANTUM, by_id[pk].unit_of_measure, Unit.GRAM) for pk in grams}
    lines = [BOMLineSpec(by_id[pk], max(amount, least[pk]), Unit.GRAM) for pk, amount in grams.items()]
    bom = set_bom(product, lines, actor=actor)
    set_plates(product, plates, actor=actor)
    return update_product(product, unit_cost=bom.total_cost, actor=actor)
