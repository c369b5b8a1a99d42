"""The catalogue as different people see it."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from django.db.models import DecimalField, OuterRef, Prefetch, QuerySet, Subquery, Sum
from django.db.models.functions import Coalesce

from blb3d.accounts.models import User
from inventory.models import BOM, BOMLine, Product
from inventory.selectors.materials import active_materials
from inventory.selectors.stock import usable_balances

_QUANTITY: DecimalField[Decimal, Decimal] = DecimalField(max_digits=14, decimal_places=4)


def products_for(user: User) -> QuerySet[Product]:
    """Return every product to staff who may see them, to anybody else the standard finished goods that are sold."""
    products = Product.objects.order_by("sku")
    if user.is_staff and user.has_perm("inventory.view_product"):
        return products
    return products.filter(
        is_active=True,
        type=Product.Type.STANDARD,
        category=Product.Category.FINISHED_GOOD,
        list_price__isnull=False,
    )


def materials_with_stock() -> QuerySet[Any]:
    """Return the active materials with ``free_kg``, what of them is free in usable lots."""
    free = (
        usable_balances()
        .filter(product=OuterRef("pk"))
        .order_by()
        .values("product")
        .annotate(free=Sum("available_quantity"))
        .values("free")
    )
    return (
        active_materials()
        .annotate(free_kg=Coalesce(Subquery(free, output_field=_QUANTITY), Decimal(0), output_field=_QUANTITY))
        .order_by("material_type", "color_name", "sku")
    )


def active_bom(product: Product) -> BOM | None:
    """Return the active bill with its lines and their components, in two queries, or None."""
    lines = BOMLine.objects.select_related("component").order_by("pk")
    return BOM.objects.filter(product=product, is_active=True).prefetch_related(Prefetch("lines", lines)).first()
