"""What a product is spoken of in: its own units, what it is bought in, what it is used in."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents, lock_documents, update_documents
from blb3d.core.errors import InvalidValue
from blb3d.core.units import Unit, dimension_units
from blb3d.core.verbs import verb
from inventory.errors import UnitInUse
from inventory.models import (
    BOMLine,
    Product,
    ProductUnit,
    PurchaseOrder,
    PurchaseOrderLine,
    PurchaseRequisition,
    VendorItem,
)

_NAME = re.compile(r"[a-z][a-z0-9-]{0,19}")
_PLACES = Decimal("0.00000001")
_LARGEST = Decimal(1_000_000)
_OPEN = (PurchaseOrder.Status.DRAFT, PurchaseOrder.Status.ORDERED, PurchaseOrder.Status.PARTIALLY_RECEIVED)


@dataclass(frozen=True)
class UnitSpec:
    """A unit of a product's own and how many stock units one of it is, exactly."""

    unit: str
    factor: Decimal


@verb
def set_product_units(
    product: Product,
    units: Sequence[UnitSpec],
    *,
    purchase_unit: str | None = None,
    usage_unit: str | None = None,
    actor: User,
    reason: str = "",
) -> Product:
    """Make these the product's own units, and say what it is bought and used in.

    A unit that is left out is gone. ``purchase_unit`` and ``usage_unit`` stay as they are unless given; "" is the
    usual one.

    Raises:
        InvalidValue: a name is a common unit's or not one word, a factor is not above 0 or has more than 8 decimals
            (a third cannot be kept), a unit stands there twice, or the purchase or usage unit is none of its units.
        UnitInUse: a unit that would change or go stands in open purchases or requisitions, active bills or a vendor's
            terms.
    """
    wanted = _checked(units)
    (fresh,) = lock_documents(Product.objects.filter(pk=product.pk))
    present = {row.unit: row for row in ProductUnit.objects.filter(product=fresh)}
    gone = [row for unit, row in present.items() if unit not in wanted]
    changed = [row for unit, row in present.items() if unit in wanted and row.factor != wanted[unit]]
    _refuse_used(fresh, [row.unit for row in (*gone, *changed)])
    for row in changed:
        row.factor = wanted[row.unit]
    update_documents(changed, ["factor"])
    for row in gone:
        row.delete()
    rows = [ProductUnit(product=fresh, unit=unit, factor=wanted[unit]) for unit in wanted if unit not in present]
    insert_documents(rows, natural_key="unit", within={"product": fresh})
    for name, unit in (("purchase_unit", purchase_unit), ("usage_unit", usage_unit)):
        if unit is not None:
            setattr(fresh, name, unit.strip())
    check_spoken(fresh, wanted)
    fresh.save()
    return fresh


def check_spoken(product: Product, own: Iterable[str]) -> None:
    """Refuse a purchase or usage unit that is neither common for the product's stock unit nor one of its own."""
    known = {*dimension_units(product.unit_of_measure), *own}
    for name in ("purchase_unit", "usage_unit"):
        unit = getattr(product, name)
        if unit and unit not in known:
            raise InvalidValue(
                f"{product.sku} has no unit {unit}.", details={"field": name, "value": unit, "known": sorted(known)}
            )


def _checked(units: Sequence[UnitSpec]) -> dict[str, Decimal]:
    wanted: dict[str, Decimal] = {}
    for spec in units:
        unit = spec.unit.strip().lower()
        if not _NAME.fullmatch(unit):
            raise InvalidValue(
                "A unit is one word of up to 20 letters and digits: spool, box-50.",
                details={"field": "unit", "value": spec.unit[:40]},
            )
        if unit in Unit.values:
            raise InvalidValue(f"{unit} means the same for every product.", details={"field": "unit", "value": unit})
        if unit in wanted:
            raise InvalidValue(f"{unit} stands there twice.", details={"field": "unit", "value": unit})
        if not spec.factor.is_finite() or not 0 < spec.factor <= _LARGEST:
            raise InvalidValue(
                f"One {unit} is more than 0 and at most {_LARGEST} stock units.",
                details={"field": "factor", "value": str(spec.factor)},
            )
        if spec.factor != spec.factor.quantize(_PLACES):
            raise InvalidValue(
                f"{unit}: a factor has at most 8 decimals. Choose a unit whose factor comes out.",
                details={"field": "factor", "value": str(spec.factor)},
            )
        wanted[unit] = spec.factor
    return wanted


def _refuse_used(product: Product, units: Sequence[str]) -> None:
    """Refuse when an open order or requisition, a bill in use or a vendor's terms are written in one of the units."""
    if not units:
        return
    lines = PurchaseOrderLine.objects.filter(
        product=product,
        unit_of_measure__in=units,
        purchase_order__status__in=_OPEN,
        purchase_order__deleted_at__isnull=True,
    )
    bills = BOMLine.objects.filter(
        component=product, unit_of_measure__in=units, bom__is_active=True, bom__deleted_at__isnull=True
    )
    terms = VendorItem.objects.filter(product=product, unit__in=units, is_active=True)
    asked = PurchaseRequisition.objects.filter(product=product, unit__in=units, status=PurchaseRequisition.Status.OPEN)
    used = {
        "purchase orders": sorted(set(lines.values_list("purchase_order__po_number", flat=True))),
        "requisitions": sorted(asked.values_list("number", flat=True)),
        "bills of materials": sorted(set(bills.values_list("bom__code", flat=True))),
        "vendors": sorted(set(terms.values_list("vendor__code", flat=True))),
    }
    named = {what: numbers for what, numbers in used.items() if numbers}
    if named:
        words = "; ".join(f"{what} {', '.join(numbers[:5])}" for what, numbers in named.items())
        raise UnitInUse(
            f"{product.sku}: {', '.join(units)} cannot change or go, it stands in {words}.",
            details={"units": list(units), **{what.replace(" ", "_"): numbers for what, numbers in named.items()}},
        )
