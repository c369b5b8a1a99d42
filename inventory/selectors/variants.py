"""What a family of products would be in chosen materials: which are new, what differs, what was changed by hand."""

from __future__ import annotations

import hashlib
import re
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal

from django.db.models import Prefetch

from blb3d.core.errors import UnknownConversion
from blb3d.core.units import QUANTUM, Unit, convert, dimension_units, round_quantity
from inventory.errors import VariantImpossible
from inventory.models import BOM, BOMLine, PlateFilament, Product, ProductFamily, ProductPlate, ProductVariant

NEW, CHANGED, SAME, OUT, IMPOSSIBLE = "new", "changed", "same", "out", "impossible"
_ZERO = Decimal(0)

#: A component and how much of it in its stock unit, with scrap.
Line = tuple[int, Decimal, Decimal]


@dataclass(frozen=True)
class WantedLine:
    """A line of a variant's bill: ``quantity`` in ``unit`` is what is entered, ``kept`` what stands in the bill."""

    component: Product
    quantity: Decimal
    unit: str
    kept: Decimal
    scrap_percent: Decimal


@dataclass(frozen=True)
class WantedPlate:
    """A plate of a variant: the template's, and its filaments with grams."""

    pattern: ProductPlate
    filaments: tuple[tuple[Product, Decimal], ...]


@dataclass(frozen=True)
class VariantPlan:
    """What becomes of one material of the matrix.

    ``kind`` is new, changed, same, out (it left the matrix) or impossible; ``changes`` says in words what is written,
    ``by_hand`` what somebody changed and is left as it is, ``why`` what is in the way. ``writes`` names what is
    written: product, bom, plates, name, price, surcharge, active, out.
    """

    material: Product
    sku: str
    kind: str
    name: str = ""
    list_price: Decimal | None = None
    surcharge: Decimal = _ZERO
    variant: ProductVariant | None = None
    changes: tuple[str, ...] = ()
    by_hand: tuple[str, ...] = ()
    why: str = ""
    lines: tuple[WantedLine, ...] = ()
    plates: tuple[WantedPlate, ...] = ()
    writes: frozenset[str] = field(default_factory=frozenset)


def plan_variants(
    family: ProductFamily,
    materials: Sequence[Product],
    *,
    surcharges: Mapping[int, Decimal] | None = None,
    overwrite: bool = False,
) -> list[VariantPlan]:
    """Return what making the family in these materials would do, by SKU, in a constant number of queries.

    ``surcharges`` are by material, on the template's list price; a material that is not named keeps what it has. What
    was changed by hand stays unless ``overwrite``.

    Raises:
        VariantImpossible: the template has no bill, or its bill does not hold the material that varies.
    """
    pattern = _Pattern(family)
    variants = {
        row.material_id: row
        for row in ProductVariant.objects.filter(family=family).select_related("product", "material").order_by("id")
    }
    made = _Made([row.product_id for row in variants.values()])
    wanted = {material.pk: material for material in materials}
    skus = _skus(family, [material for pk, material in wanted.items() if pk not in variants])
    plans = []
    for pk, material in wanted.items():
        variant = variants.get(pk)
        given = (surcharges or {}).get(pk)
        surcharge = given if given is not None else (variant.surcharge if variant else _ZERO)
        sku, why = (variant.product.sku, "") if variant else skus[pk]
        plan = VariantPlan(material, sku, NEW, pattern.name(material), pattern.price(surcharge), surcharge, variant)
        why = why or pattern.refusal(material)
        if why:
            plans.append(replace(plan, kind=IMPOSSIBLE, why=why))
            continue
        plan = replace(plan, lines=pattern.lines(material), plates=pattern.plates(material))
        plans.append(_as_new(plan) if variant is None else _compared(plan, variant, made, overwrite=overwrite))
    for pk, variant in variants.items():
        if pk not in wanted:
            plans.append(_left(variant))
    return sorted(plans, key=lambda plan: (plan.sku, plan.material.pk))


def fingerprint(plans: Sequence[VariantPlan]) -> str:
    """Return a digest of what plans would write, so that what is made is what was shown."""
    words = [
        f"{p.sku}|{p.kind}|{'; '.join(p.changes)}|{'; '.join(p.by_hand)}|{p.why}|{sorted(p.writes)}" for p in plans
    ]
    return hashlib.sha256("\n".join(words).encode()).hexdigest()


def matrix_materials(family: ProductFamily) -> list[Product]:
    """Return the materials that a family can be made in, by type and colour, those of its variants among them."""
    mass = family.varying_material.unit_of_measure in dimension_units(Unit.KILOGRAM)
    units = dimension_units(Unit.KILOGRAM) if mass else [family.varying_material.unit_of_measure]
    active = Product.objects.filter(category=Product.Category.MATERIAL, is_active=True, unit_of_measure__in=units)
    used = Product.objects.filter(pk__in=ProductVariant.objects.filter(family=family).values("material_id"))
    return list((active.exclude(material_type="") | used).order_by("material_type", "color_name", "sku"))


class _Pattern:
    """The template's bill and plates, and what they are in another material."""

    def __init__(self, family: ProductFamily) -> None:
        self.family, self.template, self.varying = family, family.template, family.varying_material
        lines = BOMLine.objects.select_related("component").order_by("id")
        bom = BOM.objects.filter(product=self.template, is_active=True).prefetch_related(Prefetch("lines", lines))
        self.bom = bom.first()
        if self.bom is None or not any(line.component_id == self.varying.pk for line in self.bom.lines.all()):
            raise VariantImpossible(
                f"The bill of {self.template.sku} does not hold {self.varying.sku}, which is to vary.",
                details={"template": self.template.sku, "material": self.varying.sku},
            )
        filaments = PlateFilament.objects.select_related("material").order_by("position")
        self._plates = list(
            ProductPlate.objects.filter(product=self.template, is_active=True)
            .order_by("plate_number")
            .prefetch_related(Prefetch("filaments", filaments))
        )
        self._is_weighed = self.varying.unit_of_measure in dimension_units(Unit.KILOGRAM)

    def name(self, material: Product) -> str:
        colour = material.color_name or material.color_hex
        return f"{self.family.name}, {' '.join(filter(None, (material.material_type, colour)))}"[:200]

    def price(self, surcharge: Decimal) -> Decimal | None:
        return None if self.template.list_price is None else self.template.list_price + surcharge

    def refusal(self, material: Product) -> str:
        """Say why the family cannot be made in a material; empty when it can."""
        if not material.is_material or not material.is_active:
            return "It is no active material."
        if material.pk == self.template.pk:
            return "It is the template itself."
        try:
            convert(Decimal(1), self.varying.unit_of_measure, material.unit_of_measure)
        except UnknownConversion:
            return f"It is kept in {material.unit_of_measure}, {self.varying.sku} in {self.varying.unit_of_measure}."
        if self._ratio(material) is None:
            missing = material if not material.density_g_cm3 else self.varying
            return f"{missing.sku} has no density, so nobody can say how much of it fills the same volume."
        return ""

    def _ratio(self, material: Product) -> Decimal | None:
        """Return how many grams of the material fill the volume of one gram of the template's."""
        if not self._is_weighed or material.pk == self.varying.pk:
            return Decimal(1)  # what is measured by length or volume stays as much
        if material.density_g_cm3 and self.varying.density_g_cm3:
            return material.density_g_cm3 / self.varying.density_g_cm3
        same = material.material_type == self.varying.material_type
        return Decimal(1) if same and not material.density_g_cm3 and not self.varying.density_g_cm3 else None

    def lines(self, material: Product) -> tuple[WantedLine, ...]:
        """Return the bill in another material; where that stands in it already, the two lines become one."""
        assert self.bom is not None
        found: dict[int, WantedLine] = {}
        for line in self.bom.lines.all():
            component = line.component
            quantity, unit, kept = line.entered_quantity, line.unit_of_measure, line.quantity
            if unit in Unit.values and round_quantity(convert(quantity, unit, component.unit_of_measure)) != kept:
                quantity, unit = kept, component.unit_of_measure
            if line.component_id == self.varying.pk:
                component = material
                exact = convert(
                    kept * (self._ratio(material) or 1), self.varying.unit_of_measure, material.unit_of_measure
                )
                kept = max(round_quantity(exact), QUANTUM)
                unit = Unit.GRAM if self._is_weighed else material.unit_of_measure
                quantity = convert(kept, material.unit_of_measure, unit)
            there = found.get(component.pk)
            if there is not None:
                kept += there.kept
                quantity, unit = kept, component.unit_of_measure
            scrap = max(line.scrap_percent, there.scrap_percent) if there else line.scrap_percent
            found[component.pk] = WantedLine(component, quantity, unit, kept, scrap)
        return tuple(found.values())

    def plates(self, material: Product) -> tuple[WantedPlate, ...]:
        """Return the plates in another material."""
        ratio = self._ratio(material) or Decimal(1)
        return tuple(
            WantedPlate(
                plate,
                tuple(
                    (material, max(round_quantity(row.grams * ratio), QUANTUM))
                    if row.material_id == self.varying.pk
                    else (row.material, row.grams)
                    for row in plate.filaments.all()
                ),
            )
            for plate in self._plates
        )


class _Made:
    """Bills and plates that variants have now."""

    def __init__(self, product_ids: Collection[int]) -> None:
        self.boms = {bom.product_id: bom.pk for bom in BOM.objects.filter(product__in=product_ids, is_active=True)}
        self.lines: dict[int, set[Line]] = defaultdict(set)
        rows = BOMLine.objects.filter(bom__in=self.boms.values())
        for bom, component, quantity, scrap in rows.values_list(
            "bom__product_id", "component_id", "quantity", "scrap_percent"
        ):
            self.lines[bom].add((component, quantity, scrap))
        self.plates: dict[int, list[ProductPlate]] = defaultdict(list)
        plates = ProductPlate.objects.filter(product__in=product_ids, is_active=True).order_by("plate_number")
        for plate in plates.prefetch_related("filaments"):
            self.plates[plate.product_id].append(plate)


def _as_new(plan: VariantPlan) -> VariantPlan:
    words = [f"bill of {len(plan.lines)} lines"]
    if plan.plates:
        words.append(f"{len(plan.plates)} plate{'s' if len(plan.plates) > 1 else ''}")
    if plan.list_price is not None:
        words.append(f"list price {plan.list_price:.2f}")
    writes = {"product", "bom", *(["plates"] if plan.plates else [])}
    return replace(plan, changes=tuple(words), writes=frozenset(writes))


def _compared(plan: VariantPlan, variant: ProductVariant, made: _Made, *, overwrite: bool) -> VariantPlan:
    """Return what differs between what a variant is and what it should be."""
    product, writes = variant.product, set()
    changes: list[str] = []
    by_hand: list[str] = []

    def differs(what: str, words: str, *, is_by_hand: bool) -> None:
        if is_by_hand and not overwrite:
            by_hand.append(words)
        else:
            changes.append(f"{words} (changed by hand)" if is_by_hand else words)
            writes.add(what)

    wanted = {(line.component.pk, line.kept, line.scrap_percent) for line in plan.lines}
    if made.lines.get(product.pk, set()) != wanted:
        present = made.boms.get(product.pk)
        differs("bom", "bill of materials", is_by_hand=present != variant.bom_id)
    present_plates = made.plates.get(product.pk, [])
    if plan.plates and [_shape(plate) for plate in present_plates] != [_wanted_shape(plate) for plate in plan.plates]:
        revision = present_plates[0].revision if present_plates else 0
        differs("plates", "plates", is_by_hand=revision != variant.plates_revision)
    if product.name != plan.name:
        differs("name", f"name {plan.name}", is_by_hand=product.name != variant.written_name)
    if product.list_price != plan.list_price:
        price = "no list price" if plan.list_price is None else f"list price {plan.list_price:.2f}"
        differs("price", price, is_by_hand=product.list_price != variant.written_price)
    if not variant.is_in_matrix:
        changes.append("back in the matrix")
        writes.add("active")
    elif not product.is_active:
        differs("active", "switched on again", is_by_hand=True)
    if variant.surcharge != plan.surcharge:
        writes.add("surcharge")
        if "price" not in writes:
            changes.append(f"surcharge {plan.surcharge:.2f}")
    return replace(
        plan,
        kind=CHANGED if writes else SAME,
        changes=tuple(changes),
        by_hand=tuple(by_hand),
        writes=frozenset(writes),
    )


def _left(variant: ProductVariant) -> VariantPlan:
    """Return what becomes of a variant whose material is not in the matrix (any more)."""
    plan = VariantPlan(variant.material, variant.product.sku, OUT, variant.product.name, variant=variant)
    if not variant.is_in_matrix:
        return plan
    return replace(plan, changes=("switched off, kept with all that was made of it",), writes=frozenset({"out"}))


def _shape(plate: ProductPlate) -> tuple[object, ...]:
    filaments = tuple((row.material_id, row.grams) for row in sorted(plate.filaments.all(), key=lambda f: f.position))
    return (*_form(plate), filaments)


def _wanted_shape(plate: WantedPlate) -> tuple[object, ...]:
    return (*_form(plate.pattern), tuple((material.pk, grams) for material, grams in plate.filaments))


def _form(plate: ProductPlate) -> tuple[object, ...]:
    box = (plate.bbox_x_mm, plate.bbox_y_mm, plate.bbox_z_mm)
    return (
        plate.parts_per_plate,
        plate.estimated_minutes,
        plate.layer_height_mm,
        plate.infill_percent,
        None if None in box else box,
        plate.model_file,
        tuple(plate.printer_models),
        tuple(plate.printer_tags),
        plate.nozzle_diameter_mm,
    )


def _skus(family: ProductFamily, materials: Sequence[Product]) -> dict[int, tuple[str, str]]:
    """Return (SKU, why not) for new variants: family, type, colour; the brand too where two would have one SKU."""
    short = {material.pk: _word(family.code, material.material_type, _colour(material)) for material in materials}
    long = {material.pk: _word(short[material.pk], material.brand or material.sku) for material in materials}
    taken = set(
        Product.all_objects.filter(sku__in={*short.values(), *long.values()}).values_list("sku", flat=True)
    )  # those of this family's variants among them: they keep their SKU
    found: dict[int, tuple[str, str]] = {}
    names = list(short.values())
    for material in sorted(materials, key=lambda row: row.pk):
        sku = short[material.pk]
        if sku in taken or names.count(sku) > 1:
            sku = long[material.pk]
        why = f"The SKU {sku} is taken." if sku in taken else ""
        if len(sku) > 60:
            why = f"The SKU {sku} is longer than 60 characters."
        taken.add(sku)
        found[material.pk] = (sku, why)
    return found


def _colour(material: Product) -> str:
    return material.color_name or material.color_hex or material.sku


def _word(*parts: str) -> str:
    """Return parts as a SKU: capitals, digits and single dashes."""
    return "-".join(filter(None, (re.sub(r"[^A-Z0-9]+", "-", part.upper()).strip("-") for part in parts)))
