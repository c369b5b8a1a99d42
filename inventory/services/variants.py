"""Families of products: one pattern made in many materials."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from decimal import Decimal

from django.db import IntegrityError, transaction

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents, lock_documents, update_documents
from blb3d.core.errors import InvalidTransition, InvalidValue, StaleVersion
from blb3d.core.money import round_money
from blb3d.core.outbox import Fact, emit_all
from blb3d.core.verbs import verb
from inventory.errors import SKUTaken, VariantImpossible
from inventory.models import BOM, BOMLine, Product, ProductFamily, ProductPlate, ProductVariant
from inventory.selectors.variants import IMPOSSIBLE, NEW, VariantPlan, WantedPlate, fingerprint, plan_variants
from inventory.services.catalogue import (
    BOMLineSpec,
    BOMSpec,
    PlateSpec,
    normalise_sku,
    replace_boms,
    replace_plates,
)

#: What a new variant has of the template; stock levels are each product's own.
_COPIED = (
    "category",
    "type",
    "unit_of_measure",
    "replenishment",
    "is_serialized",
    "is_lot_tracked",
    "lead_time_days",
    "period_of_supply_days",
    "yield_percent",
)


@verb
def create_family(
    *, code: str, name: str, template: Product, varying_material: Product, notes: str = "", actor: User
) -> ProductFamily:
    """Found a family on a template and the material of its bill that varies; nothing is made yet.

    Raises:
        InvalidValue: the code is empty or taken, the material is none, or the bill does not hold it.
    """
    code = normalise_sku(code)
    if len(code) > 30:
        raise InvalidValue("A family's code has up to 30 characters.", details={"field": "code", "value": code})
    _check_pattern(template, varying_material)
    family = ProductFamily(
        code=code, name=name.strip(), template=template, varying_material=varying_material, notes=notes
    )
    try:
        with transaction.atomic():
            family.save()
    except IntegrityError:
        if ProductFamily.all_objects.filter(code=code).exists():
            raise InvalidValue(f"There is a family {code}.", details={"field": "code", "value": code}) from None
        raise
    return family


def _check_pattern(template: Product, varying_material: Product) -> None:
    if not varying_material.is_material:
        raise InvalidValue(f"{varying_material.sku} is no material.", details={"field": "varying_material"})
    lines = BOMLine.objects.filter(bom__product=template, bom__is_active=True, component=varying_material)
    if not lines.exists():
        raise InvalidValue(
            f"The bill of {template.sku} does not hold {varying_material.sku}.", details={"field": "varying_material"}
        )


@verb
def make_variants(
    family: ProductFamily,
    materials: Sequence[Product],
    *,
    surcharges: Mapping[int, Decimal] | None = None,
    overwrite: bool = False,
    expected: str = "",
    actor: User,
    reason: str = "",
) -> list[VariantPlan]:
    """Make the family in exactly these materials, in a constant number of statements; return what was done for each.

    One product per material, its bill and plates the template's with the varying filament replaced, as many grams as
    fill the same volume. Once more with the same materials changes nothing; what differs is written anew; a variant
    that left the matrix is switched off, never deleted; one that comes back is the product that it was. What was
    changed by hand stays unless ``overwrite``. Its mapping to shops is nobody's business here.

    ``surcharges`` are by material id, on the template's list price. ``expected`` is the fingerprint of the plan that
    was shown: when it would be another one by now, nothing is done.
    Emits ``inventory.variant_made`` for each new product and ``inventory.print_file_asked`` for each new plate that
    can be sliced.

    Raises:
        VariantImpossible: a material has no density, no SKU is left for it, or the template has no fitting bill.
        InvalidTransition: the family is not active.
        InvalidValue: a surcharge is negative or too large.
        StaleVersion: the plan is not the one that was shown.
        SKUTaken: somebody took one of the SKUs at this moment.
    """
    for amount in (surcharges or {}).values():
        if not amount.is_finite() or not 0 <= amount < 1_000_000 or amount != round_money(amount):
            raise InvalidValue(
                "A surcharge is an amount in cents, not below 0.", details={"field": "surcharge", "value": str(amount)}
            )
    (locked,) = lock_documents(ProductFamily.objects.filter(pk=family.pk))
    if not locked.is_active:
        raise InvalidTransition(f"{locked.code} is not active.", details={"id": locked.pk})
    plans = plan_variants(locked, materials, surcharges=surcharges, overwrite=overwrite)
    if expected and expected != fingerprint(plans):
        raise StaleVersion("Something changed meanwhile. Please look at the preview again; nothing was done.")
    refused = {plan.sku: plan.why for plan in plans if plan.kind == IMPOSSIBLE}
    if refused:
        words = "; ".join(f"{sku}: {why}" for sku, why in refused.items())
        raise VariantImpossible(words, details={"materials": [{"sku": s, "why": w} for s, w in refused.items()]})
    new = [plan for plan in plans if plan.kind == NEW]
    known = [plan for plan in plans if plan.variant is not None and plan.writes]
    products = {**_create(locked, new), **_update(known)}
    boms = _write_bills(plans, products)
    plates = _write_plates(plans, products)
    _price_new([products[plan.material.pk] for plan in new], boms)
    _remember(locked, new, known, products, boms, plates)
    emit_all(_facts(locked, new, products, plates))
    return plans


def _create(family: ProductFamily, plans: Sequence[VariantPlan]) -> dict[int, Product]:
    """Insert the products of new variants; return them by material."""
    copied = {name: getattr(family.template, name) for name in _COPIED}
    rows = [Product(sku=plan.sku, name=plan.name, list_price=plan.list_price, **copied) for plan in plans]
    try:
        with transaction.atomic():
            insert_documents(rows, natural_key="sku")
    except IntegrityError:
        taken = Product.all_objects.filter(sku__in=[row.sku for row in rows]).values_list("sku", flat=True)
        if taken:
            raise SKUTaken(details={"sku": ", ".join(sorted(taken))}) from None
        raise
    return {plan.material.pk: row for plan, row in zip(plans, rows, strict=True)}


def _update(plans: Sequence[VariantPlan]) -> dict[int, Product]:
    """Write name, price and whether it is active; return the products by material."""
    ids = [plan.variant.product_id for plan in plans if plan.variant is not None]
    locked = {row.pk: row for row in lock_documents(Product.objects.filter(pk__in=ids))}
    found, moved = {}, []
    for plan in plans:
        assert plan.variant is not None
        product = found[plan.material.pk] = locked[plan.variant.product_id]
        if "name" in plan.writes:
            product.name = plan.name
        if "price" in plan.writes:
            product.list_price = plan.list_price
        if plan.writes & {"active", "out"}:
            product.is_active = "active" in plan.writes
        if plan.writes & {"name", "price", "active", "out"}:
            moved.append(product)
    update_documents(moved, ["name", "list_price", "is_active"])
    return found


def _write_bills(plans: Sequence[VariantPlan], products: Mapping[int, Product]) -> dict[int, BOM]:
    writing = [plan for plan in plans if "bom" in plan.writes]
    if not writing:
        return {}
    bills = [
        BOMSpec(
            products[plan.material.pk],
            [BOMLineSpec(line.component, line.quantity, line.unit, line.scrap_percent) for line in plan.lines],
        )
        for plan in writing
    ]
    return {bom.product_id: bom for bom in replace_boms(bills)}


def _write_plates(plans: Sequence[VariantPlan], products: Mapping[int, Product]) -> dict[int, list[ProductPlate]]:
    writing = [plan for plan in plans if "plates" in plan.writes]
    if not writing:
        return {}
    found: dict[int, list[ProductPlate]] = {}
    for plate in replace_plates(
        [(products[plan.material.pk], [_spec(plate) for plate in plan.plates]) for plan in writing]
    ):
        found.setdefault(plate.product_id, []).append(plate)
    return found


def _spec(plate: WantedPlate) -> PlateSpec:
    pattern = plate.pattern
    box = (pattern.bbox_x_mm, pattern.bbox_y_mm, pattern.bbox_z_mm)
    return PlateSpec(
        parts_per_plate=pattern.parts_per_plate,
        minutes=pattern.estimated_minutes,
        filaments=plate.filaments,
        model_file=pattern.model_file,
        layer_height_mm=pattern.layer_height_mm,
        infill_percent=pattern.infill_percent,
        bbox=box if None not in box else None,  # type: ignore[arg-type]
        printer_models=pattern.printer_models,
        printer_tags=pattern.printer_tags,
        nozzle_diameter_mm=pattern.nozzle_diameter_mm,
    )


def _price_new(products: Sequence[Product], boms: Mapping[int, BOM]) -> None:
    """Give new products the cost of their bills as standard."""
    for product in products:
        product.unit_cost = boms[product.pk].total_cost
    update_documents(products, ["unit_cost"])


def _remember(
    family: ProductFamily,
    new: Sequence[VariantPlan],
    known: Sequence[VariantPlan],
    products: Mapping[int, Product],
    boms: Mapping[int, BOM],
    plates: Mapping[int, Sequence[ProductPlate]],
) -> None:
    """Keep what the family wrote, so that a change by hand is seen next time."""
    rows = [ProductVariant(family=family, material=plan.material, product=products[plan.material.pk]) for plan in new]
    changed = lock_documents(ProductVariant.objects.filter(pk__in=[plan.variant.pk for plan in known if plan.variant]))
    by_material = {row.material_id: row for row in (*rows, *changed)}
    for plan in (*new, *known):
        row = by_material[plan.material.pk]
        product_id = products[plan.material.pk].pk
        if "out" in plan.writes:
            row.is_in_matrix = False
            continue
        row.is_in_matrix, row.surcharge = True, plan.surcharge
        if product_id in boms:
            row.bom = boms[product_id]
        if product_id in plates:
            row.plates_revision = plates[product_id][0].revision
        if plan.writes & {"product", "name"}:
            row.written_name = plan.name
        if plan.writes & {"product", "price"}:
            row.written_price = plan.list_price
    insert_documents(rows, natural_key="product_id", within={"family": family})
    update_documents(changed, ["is_in_matrix", "surcharge", "bom", "plates_revision", "written_name", "written_price"])


def _facts(
    family: ProductFamily,
    new: Sequence[VariantPlan],
    products: Mapping[int, Product],
    plates: Mapping[int, Sequence[ProductPlate]],
) -> Iterable[Fact]:
    for plan in new:
        product = products[plan.material.pk]
        yield Fact(
            "inventory.variant_made",
            f"inventory.product:{product.pk}",
            {"id": product.pk, "sku": product.sku, "family_id": family.pk, "template_id": family.template_id},
        )
    for rows in plates.values():
        for plate in rows:
            if plate.model_file:
                yield Fact(
                    "inventory.print_file_asked",
                    f"inventory.productplate:{plate.pk}",
                    {
                        "plate_id": plate.pk,
                        "product_id": plate.product_id,
                        "printer_model": "",
                        "reason": f"variant of {family.code}",
                        "asked_by_id": plate.created_by_id,
                    },
                )
