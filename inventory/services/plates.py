"""Plates besides those of a product's own revisions: what one asks of a printer, and plates of several products."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal

from django.db.models import Max

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import InvalidValue
from blb3d.core.units import positive_quantity
from blb3d.core.verbs import verb
from inventory.models import PlateFilament, PlateMember, Product, ProductPlate
from inventory.services.catalogue import create_product

#: The product that mixed plates stand under: inactive and without a bill, so that nobody sells or makes it.
MIXED_SKU = "MIXED-PLATES"


@verb
def ask_of_printers(
    plate: ProductPlate,
    *,
    printer_tags: Sequence[str],
    nozzle_diameter_mm: Decimal | None,
    actor: User,
    reason: str = "",
) -> ProductPlate:
    """Say which tags and which nozzle (mm; None is any) a printer must have for this plate.

    Raises:
        InvalidValue: the nozzle is not above 0, or wider than any.
    """
    if nozzle_diameter_mm is not None and not Decimal(0) < nozzle_diameter_mm <= Decimal(2):
        raise InvalidValue("A nozzle is above 0 and at most 2 mm wide.", details={"field": "nozzle_diameter_mm"})
    [row] = lock_documents(ProductPlate.objects.filter(pk=plate.pk))
    row.printer_tags = list(dict.fromkeys(tag.strip() for tag in printer_tags if tag.strip()))
    row.nozzle_diameter_mm = nozzle_diameter_mm
    row.save()
    return row


@verb
def make_mixed_plate(
    members: Sequence[tuple[ProductPlate, int]],
    *,
    minutes: Decimal,
    material: Product,
    grams: Decimal,
    layer_height_mm: Decimal,
    infill_percent: int,
    bbox: tuple[Decimal, Decimal, Decimal],
    actor: User,
    nozzle_diameter_mm: Decimal | None = None,
    printer_tags: Sequence[str] = (),
    printer_models: Sequence[str] = (),
) -> ProductPlate:
    """Make a plate that holds so many parts of each of several plates, in one filament; minutes and grams are of all.

    Raises:
        InvalidValue: it has fewer than two members, or one of them is mixed itself or holds no part.
    """
    if len({plate.pk for plate, _ in members}) < 2 or any(plate.is_mixed or parts < 1 for plate, parts in members):
        raise InvalidValue("A mixed plate holds parts of at least two products' plates.", details={"field": "members"})
    product = Product.objects.filter(sku=MIXED_SKU).first() or create_product(
        sku=MIXED_SKU, name="Mixed plate", is_active=False, actor=actor
    )
    lock_documents(Product.objects.filter(pk=product.pk))
    last = ProductPlate.all_objects.filter(product=product).aggregate(last=Max("plate_number"))["last"] or 0
    x, y, z = bbox
    plate = ProductPlate(
        product=product,
        plate_number=last + 1,
        is_mixed=True,
        parts_per_plate=sum(parts for _, parts in members),
        estimated_minutes=positive_quantity(minutes, what="minutes"),
        layer_height_mm=layer_height_mm,
        infill_percent=infill_percent,
        nozzle_diameter_mm=nozzle_diameter_mm,
        printer_tags=list(printer_tags),
        printer_models=list(printer_models),
        bbox_x_mm=x,
        bbox_y_mm=y,
        bbox_z_mm=z,
    )
    plate.save()
    PlateMember.objects.bulk_create(PlateMember(plate=plate, source=source, parts=parts) for source, parts in members)
    PlateFilament.objects.create(plate=plate, position=0, material=material, grams=positive_quantity(grams, what="g"))
    return plate
