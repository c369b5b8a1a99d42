"""Material requirements: what open orders need, what is there for them, what must be bought."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import DecimalField, ExpressionWrapper, F, Q, Sum
from django.utils import timezone

from blb3d.core.units import round_quantity
from inventory.models import BOMLine, Inventory, MaterialLot, Reference, Reservation
from production.models import ProductionOrder

_QUANTITY = DecimalField(max_digits=20, decimal_places=4)


@dataclass(frozen=True)
class Requirement:
    """One component over all open orders, in its stock unit (kg for filament)."""

    material_id: int
    material_sku: str
    material_name: str
    total_required_kg: Decimal
    available_kg: Decimal
    shortage_kg: Decimal


def material_requirements(*, include_all: bool = False) -> list[Requirement]:
    """Return what draft, confirmed and queued production orders need and lack, by SKU, in three queries.

    Demand is what is still owed (ordered less good) by the product's active bill of materials, one level. What is
    available is on hand in usable lots less what is reserved for others than these orders, so that a reservation made
    for this very demand is not counted against it. Only shortages, unless ``include_all``.
    """
    required = _required()
    free, own = _free(), _reserved_for_these()
    rows = []
    for product_id, sku, name, total in required:
        total = round_quantity(total)
        available = round_quantity(free.get(product_id, Decimal(0)) + own.get(product_id, Decimal(0)))
        if include_all or total > available:
            shortage = max(total - available, Decimal(0))
            rows.append(Requirement(product_id, sku, name, total, available, shortage))
    return rows


def _required() -> list[tuple[int, str, str, Decimal]]:
    orders = "bom__product__production_orders__"
    lines = BOMLine.objects.filter(
        bom__is_active=True,
        bom__deleted_at__isnull=True,
        **{f"{orders}status__in": ProductionOrder.REQUIRING, f"{orders}deleted_at__isnull": True},
    )
    owed = F(f"{orders}quantity") - F(f"{orders}quantity_completed")
    return list(
        lines.values_list("component_id", "component__sku", "component__name")
        .annotate(total=Sum(ExpressionWrapper(F("quantity") * owed, output_field=_QUANTITY)))
        .order_by("component__sku")
    )


def _usable(prefix: str) -> Q:
    """Return the condition of a balance whose stock may be used: no lot, or an active, unexpired one."""
    unexpired = Q(**{f"{prefix}lot__expiration_date__isnull": True}) | Q(
        **{f"{prefix}lot__expiration_date__gt": timezone.now()}
    )
    active = Q(**{f"{prefix}lot__status": MaterialLot.Status.ACTIVE})
    return Q(**{f"{prefix}lot__isnull": True}) | (active & unexpired)


def _free() -> dict[int, Decimal]:
    rows = Inventory.objects.filter(_usable("")).order_by().values_list("product_id")
    free = rows.annotate(free=Sum(F("on_hand_quantity") - F("allocated_quantity"), output_field=_QUANTITY))
    return dict(free)


def _reserved_for_these() -> dict[int, Decimal]:
    orders = ProductionOrder.objects.filter(status__in=ProductionOrder.REQUIRING).values("pk")
    rows = (
        Reservation.objects.filter(
            _usable("balance__"), reference_type=Reference.PRODUCTION_ORDER, reference_id__in=orders
        )
        .order_by()
        .values_list("balance__product_id")
        .annotate(reserved=Sum("quantity"))
    )
    own: dict[int, Decimal] = defaultdict(Decimal)
    own.update(dict(rows))
    return own
