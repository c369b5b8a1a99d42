"""Products, what they are made of, and how they lie on a plate."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TypedDict, Unpack

from django.db import IntegrityError, connection, transaction
from django.db.models import Max

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents, lock_documents, update_documents
from blb3d.core.errors import InvalidValue
from blb3d.core.units import QUANTUM, Unit, convert, positive_quantity, round_quantity
from blb3d.core.verbs import verb
from inventory.errors import BOMCycle, SKUTaken
from inventory.models import BOM, BOMLine, PlateFilament, Product, ProductPlate
from inventory.selectors.materials import normalise_color, normalise_type
from inventory.selectors.units import stock_quantity, unit_factors
from inventory.services.units import check_spoken


class ProductFields(TypedDict, total=False):
    """What may be said of a product besides SKU and name."""

    category: str
    type: str
    is_active: bool
    unit_of_measure: str
    purchase_unit: str
    usage_unit: str
    unit_cost: Decimal
    list_price: Decimal | None
    gcode_file_path: str
    replenishment: str
    is_serialized: bool
    is_lot_tracked: bool
    reorder_point: Decimal
    safety_stock: Decimal
    lead_time_days: int
    minimum_quantity: Decimal
    order_multiple: Decimal
    period_of_supply_days: int
    yield_percent: Decimal
    notes: str
    material_type: str
    brand: str
    color_name: str
    color_hex: str
    diameter_mm: Decimal | None
    density_g_cm3: Decimal | None
    price_per_kg: Decimal | None
    is_type_default: bool
    requires_certificate: bool
    is_hygroscopic: bool
    drying_celsius: int
    drying_hours: Decimal
    open_hours: int


#: Bills whose cost one statement updates: it compares each with each.
_UPDATED = 1000
#: What a line costs: its bill, the component, the component's standard cost, quantity, scrap percent.
_CostLine = tuple[int, int, Decimal, Decimal, Decimal]


@dataclass(frozen=True)
class BOMLineSpec:
    """A component and how much one unit of the parent takes of it, in ``unit``."""

    component: Product
    quantity: Decimal
    unit: str
    scrap_percent: Decimal = Decimal(0)


@dataclass(frozen=True)
class BOMSpec:
    """The lines of a product's new bill, and its name where that is not the product's."""

    product: Product
    lines: Sequence[BOMLineSpec]
    name: str = ""


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
    printer_tags: Sequence[str] = ()
    nozzle_diameter_mm: Decimal | None = None


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
    check_spoken(product, ())
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
    if fields.keys() & {"purchase_unit", "usage_unit"}:
        check_spoken(fresh, unit_factors([fresh.pk]).get(fresh.pk, {}))
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

    Quantities are kept in the component's stock unit and as entered; one in a unit of the component's own comes out
    exactly. The cost rolls up, here and in whatever the product goes into.

    Raises:
        InvalidValue: there are no lines, a component twice, or a quantity that is not above 0.
        UnknownConversion: a unit is not the component's and does not measure what its stock unit does.
        InexactQuantity: so many of the component's own unit are not a quantity of 4 decimals.
        BOMCycle: the product would contain itself.
    """
    return replace_boms([BOMSpec(product, lines, name)])[0]


def replace_boms(bills: Sequence[BOMSpec], *, is_checked: bool = False) -> list[BOM]:
    """Make a new active revision of the bill of each product, in a constant number of statements a level of bills.

    Needs a transaction. Raises as :func:`set_bom`; a cycle through several of the new bills is refused too. A caller
    that holds the products locked and has looked for cycles says ``is_checked``.
    """
    for bill in bills:
        _check_lines(bill.lines)
    products = {bill.product.pk: bill for bill in bills}
    if len(products) != len(bills):
        raise InvalidValue("A product has one bill of materials.", details={"field": "product"})
    common = frozenset(Unit.values)
    # Whoever changes a component's own unit waits for the bill, and then sees that it is in use.
    counted = {line.component.pk for bill in bills for line in bill.lines if line.unit not in common}
    locked = counted if is_checked else counted | products.keys()
    if locked:
        lock_documents(Product.objects.filter(pk__in=locked))
    factors = unit_factors(counted) if counted else {}
    if not is_checked:
        _refuse_cycle({pk: [line.component.pk for line in bill.lines] for pk, bill in products.items()})
    old = list(BOM.objects.filter(product__in=products, is_active=True))
    for bom in old:
        bom.is_active = False
    update_documents(old, ["is_active"])
    last = dict(
        BOM.all_objects.filter(product__in=products).order_by().values_list("product_id").annotate(Max("revision"))
    )
    boms = []
    for bill in bills:
        revision = last.get(bill.product.pk, 0) + 1
        code = f"BOM-{bill.product.sku}" + (f"-R{revision}" if revision > 1 else "")
        boms.append(BOM(product=bill.product, code=code, name=bill.name or bill.product.name, revision=revision))
    insert_documents(boms, natural_key="code")
    rows = [
        BOMLine(
            bom=bom,
            component=line.component,
            quantity=stock_quantity(line.component, line.quantity, line.unit, factors=factors),
            unit_of_measure=line.unit,
            entered_quantity=round_quantity(line.quantity),
            scrap_percent=line.scrap_percent,
        )
        for bom, bill in zip(boms, bills, strict=True)
        for line in bill.lines
    ]
    _insert_lines(rows)
    costs = _roll_up(
        boms,
        [(row.bom_id, row.component_id, row.component.unit_cost, row.quantity, row.scrap_percent) for row in rows],
    )
    for bom in boms:
        bom.total_cost = costs[bom.pk]
    return boms


def _insert_lines(rows: list[BOMLine]) -> None:
    """Insert lines of bills; a database that returns no keys is asked for them bill by bill."""
    if connection.features.can_return_rows_from_bulk_insert:
        insert_documents(rows)
        return
    by_bill: dict[int, list[BOMLine]] = defaultdict(list)
    for row in rows:
        by_bill[row.bom_id].append(row)
    for bom_id, lines in by_bill.items():
        insert_documents(lines, natural_key="component_id", within={"bom": bom_id})


def _check_lines(lines: Sequence[BOMLineSpec]) -> None:
    if not lines:
        raise InvalidValue("A bill of materials needs a line.", details={"field": "lines"})
    components = [line.component.pk for line in lines]
    if len(set(components)) != len(components):
        raise InvalidValue("A component stands in the bill twice.", details={"field": "lines"})
    for line in lines:
        if not 0 <= line.scrap_percent <= 100:
            raise InvalidValue("Scrap is between 0 and 100 percent.", details={"field": "scrap_percent"})


def _refuse_cycle(bills: Mapping[int, Collection[int]]) -> None:
    """Refuse when one of the new bills (product -> components) leads back to its product.

    Goes down the active bills below them level by level, one query each; the new bills stand for the present ones.
    """
    below: dict[int, set[int]] = {pk: set(components) for pk, components in bills.items()}
    level = set().union(*below.values()) - below.keys()
    while level:
        below |= {pk: set() for pk in level}
        edges = BOMLine.objects.filter(bom__product_id__in=level, bom__is_active=True, bom__deleted_at__isnull=True)
        for parent, component in edges.values_list("bom__product_id", "component_id"):
            below[parent].add(component)
        level = set().union(*(below[pk] for pk in level)) - below.keys()
    for start in bills:
        _refuse_way_back(start, below)


def _refuse_way_back(start: int, below: Mapping[int, Collection[int]]) -> None:
    came_from: dict[int, int] = {}
    waiting = [start]
    while waiting:
        parent = waiting.pop()
        for component in below[parent]:
            if component == start:
                came_from[start] = parent
                raise BOMCycle(details={"path": _path(start, came_from)})
            if component not in came_from:
                came_from[component] = parent
                waiting.append(component)


def _path(start: int, came_from: Mapping[int, int]) -> list[str]:
    """Return the SKUs on the way from the product down to itself."""
    way = [start]
    while (parent := came_from[way[-1]]) != start:
        way.append(parent)
    skus = dict(Product.all_objects.filter(pk__in=way).values_list("pk", "sku"))
    return [skus[pk] for pk in (start, *reversed(way))]


def _roll_up(boms: Sequence[BOM], lines: list[_CostLine]) -> dict[int, Decimal]:
    """Compute the cost of bills, then of the active bills above them, level by level; return them by bill.

    ``lines`` are those of ``boms``. A component costs what its own active bill does, else its standard cost; scrap
    adds to the quantity.
    """
    level = {bom.pk: bom.product_id for bom in boms}
    costs: dict[int, Decimal] = {}
    while level:
        made = dict(
            BOM.objects.filter(product_id__in={component for _, component, *_ in lines}, is_active=True).values_list(
                "product_id", "total_cost"
            )
        )
        totals: dict[int, Decimal] = defaultdict(Decimal)
        for bom_id, component, unit_cost, quantity, scrap in lines:
            totals[bom_id] += quantity * (1 + scrap / 100) * made.get(component, unit_cost)
        reckoned = {bom_id: round_quantity(total) for bom_id, total in totals.items()}
        costs |= reckoned
        BOM.objects.bulk_update(
            [BOM(pk=bom_id, total_cost=total) for bom_id, total in reckoned.items()],
            ["total_cost"],
            batch_size=_UPDATED,
        )
        above = BOM.objects.filter(is_active=True, lines__component_id__in=set(level.values())).distinct()
        level = dict(above.order_by().values_list("pk", "product_id"))
        columns = ("bom_id", "component_id", "component__unit_cost", "quantity", "scrap_percent")
        lines = list(BOMLine.objects.filter(bom_id__in=level).order_by().values_list(*columns)) if level else []
    return costs


@verb
def set_plates(product: Product, plates: Sequence[PlateSpec], *, actor: User) -> list[ProductPlate]:
    """Make a new revision of a product's plates; the old ones stay for the jobs that used them.

    A product with several plates needs one part of each.
    """
    return replace_plates([(product, plates)])


def replace_plates(wanted: Sequence[tuple[Product, Sequence[PlateSpec]]]) -> list[ProductPlate]:
    """Make a new revision of the plates of each product, in a constant number of statements; needs a transaction."""
    for _, plates in wanted:
        if not plates:
            raise InvalidValue("A printed product needs a plate.", details={"field": "plates"})
        if any(spec.parts_per_plate < 1 for spec in plates):
            raise InvalidValue("A plate holds at least one part.", details={"field": "parts_per_plate"})
    products = {product.pk for product, _ in wanted}
    lock_documents(Product.objects.filter(pk__in=products))
    old = list(ProductPlate.objects.filter(product__in=products, is_active=True))
    for plate in old:
        plate.is_active = False
    update_documents(old, ["is_active"])
    last = dict(
        ProductPlate.all_objects.filter(product__in=products)
        .order_by()
        .values_list("product_id")
        .annotate(Max("revision"))
    )
    rows, specs = [], []
    for product, plates in wanted:
        for number, spec in enumerate(plates, start=1):
            rows.append(_plate(product, last.get(product.pk, 0) + 1, number, spec))
            specs.append(spec)
    _insert_plates(rows)
    PlateFilament.objects.bulk_create(
        PlateFilament(plate=row, position=position, material=material, grams=positive_quantity(grams, what="grams"))
        for row, spec in zip(rows, specs, strict=True)
        for position, (material, grams) in enumerate(spec.filaments)
    )
    return rows


def _plate(product: Product, revision: int, number: int, spec: PlateSpec) -> ProductPlate:
    x, y, z = spec.bbox or (None, None, None)
    return ProductPlate(
        product=product,
        revision=revision,
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
        printer_tags=list(spec.printer_tags),
        nozzle_diameter_mm=spec.nozzle_diameter_mm,
    )


def _insert_plates(rows: list[ProductPlate]) -> None:
    """Insert plates; a database that returns no keys is asked for them product by product."""
    if connection.features.can_return_rows_from_bulk_insert:
        insert_documents(rows)
        return
    by_product: dict[int, list[ProductPlate]] = defaultdict(list)
    for row in rows:
        by_product[row.product_id].append(row)
    for product_id, plates in by_product.items():
        within = {"product": product_id, "revision": plates[0].revision}
        insert_documents(plates, natural_key="plate_number", within=within)


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
