"""Material requirements: what open orders need, what is there for them, what must be bought."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from functools import cache

from django.db.models import DecimalField, ExpressionWrapper, F, Q, QuerySet, Sum
from django.db.models.functions import Now

from blb3d.core.units import round_quantity
from inventory.models import BOMLine, Inventory, MaterialLot, Reference, Reservation
from production.models import ProductionOrder

ZERO = Decimal(0)
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
    """Return what draft, confirmed and queued production orders need and lack, by SKU, in two queries.

    Demand is what is still owed (ordered less good) by the product's active bill of materials, one level. What is
    available is on hand in usable lots less what is reserved for others than these orders, so that a reservation made
    for this very demand is not counted against it. Only shortages, unless ``include_all``.
    """
    there: dict[int, Decimal] = defaultdict(Decimal)
    for product_id, quantity in _available().all():
        there[product_id] += quantity
    rows = []
    for product_id, sku, name, total in _required().all():
        total, available = round_quantity(total), round_quantity(there[product_id])
        if include_all or total > available:
            rows.append(Requirement(product_id, sku, name, total, available, max(total - available, ZERO)))
    return rows


# The query sets never change, and to build one costs more than to run it on a small shop: they are built once
# and copied for each use.


@cache
def _required() -> QuerySet[BOMLine, tuple[int, str, str, Decimal]]:
    orders = "bom__product__production_orders__"
    lines = BOMLine.objects.filter(
        bom__is_active=True,
        bom__deleted_at__isnull=True,
        **{f"{orders}status__in": ProductionOrder.REQUIRING, f"{orders}deleted_at__isnull": True},
    )
    owed = F(f"{orders}quantity") - F(f"{orders}quantity_completed")
    return (
        lines.values_list("component_id", "component__sku", "component__name")
        .annotate(total=Sum(ExpressionWrapper(F("quantity") * owed, output_field=_QUANTITY)))
        .order_by("component__sku")
    )


def _usable(prefix: str) -> Q:
    """Return the condition of a balance whose stock may be used: no lot, or an active, unexpired one."""
    lot = f"{prefix}lot__"
    unexpired = Q(**{f"{lot}expiration_date__isnull": True}) | Q(**{f"{lot}expiration_date__gt": Now()})
    return Q(**{f"{lot}isnull": True}) | (Q(**{f"{lot}status": MaterialLot.Status.ACTIVE}) & unexpired)


@cache
def _available() -> QuerySet[Inventory, tuple[int, Decimal]]:
    """Return what is free of each product, and again what is reserved for these very orders."""
    balances = Inventory.objects.filter(_usable("")).order_by().values_list("product_id")
    free = balances.annotate(there=Sum(F("on_hand_quantity") - F("allocated_quantity"), output_field=_QUANTITY))
    orders = ProductionOrder.objects.filter(status__in=ProductionOrder.REQUIRING).values("pk")
    rows = Reservation.objects.filter(
        _usable("balance__"), reference_type=Reference.PRODUCTION_ORDER, reference_id__in=orders
    )
    own = rows.order_by().values_list("balance__product_id").annotate(there=Sum("quantity"))
    return free.union(own, all=True)
