"""What is on the shelf and can be used."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal

from django.db.models import Q, QuerySet, Sum
from django.utils import timezone

from blb3d.core.units import round_quantity
from inventory.errors import NoLocation
from inventory.models import Inventory, InventoryLocation, MaterialLot, Product


def usable_balances() -> QuerySet[Inventory]:
    """Return balances that may be used: stock without a lot, and stock of active, unexpired lots."""
    good = Q(lot__status=MaterialLot.Status.ACTIVE) & (
        Q(lot__expiration_date__isnull=True) | Q(lot__expiration_date__gt=timezone.now())
    )
    return Inventory.objects.filter(Q(lot__isnull=True) | good)


def available(product_ids: Collection[int]) -> dict[int, Decimal]:
    """Return how much of each product is free in usable lots, in its stock unit; 0 for what is not there. One query."""
    free = dict.fromkeys(product_ids, Decimal(0))
    rows = usable_balances().filter(product_id__in=set(product_ids)).order_by().values_list("product_id")
    for product_id, on_hand, allocated in rows.annotate(Sum("on_hand_quantity"), Sum("allocated_quantity")):
        free[product_id] = round_quantity(on_hand - allocated)  # SQLite adds decimals as floats
    return free


def default_location() -> InventoryLocation:
    """Return where receipts and output go unless told otherwise.

    Raises:
        NoLocation: none is marked as the default.
    """
    location = InventoryLocation.objects.filter(is_default=True, is_active=True).order_by("pk").first()
    if location is None:
        raise NoLocation
    return location


def service_ids(product_ids: Collection[int]) -> set[int]:
    """Return which of the products are services: they are never on a shelf and never short."""
    rows = Product.all_objects.filter(pk__in=set(product_ids), category=Product.Category.SERVICE)
    return set(rows.values_list("pk", flat=True))
