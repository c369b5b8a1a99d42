"""What is due for counting, and whether a difference is small enough to be booked without a second person."""

from __future__ import annotations

import datetime
from collections import defaultdict
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db.models import Max, QuerySet
from django.utils import timezone

from inventory.models import CycleCount, CycleCountLine, Inventory, InventoryLocation, Product

#: What is consumed in this time makes the class of a product.
ABC_DAYS = datetime.timedelta(days=365)
#: How often each class is counted; what has no class yet is counted like C.
EVERY = {
    "A": datetime.timedelta(days=30),
    "B": datetime.timedelta(days=91),
    "C": datetime.timedelta(days=365),
}


@dataclass(frozen=True)
class DueCount:
    """A product at a place whose count is due: never counted there, or too long ago for its class."""

    product: Product
    location: InventoryLocation
    last_counted_at: datetime.datetime | None
    due_at: datetime.datetime | None


def due_for_counting(*, location: InventoryLocation | None = None) -> list[DueCount]:
    """Return what is in stock and due for counting, never counted first, then the longest overdue; two queries."""
    counted = CycleCountLine.objects.filter(cycle_count__status=CycleCount.Status.APPROVED).order_by()
    last = {
        (product, place): at
        for product, place, at in counted.values_list("product_id", "location_id").annotate(Max("counted_at"))
    }
    balances = Inventory.objects.filter(on_hand_quantity__gt=0).select_related("product", "location")
    if location is not None:
        balances = balances.filter(location_id__in=places_below(location.pk))
    now = timezone.now()
    due: dict[tuple[int, int], DueCount] = {}
    for row in balances.order_by("product__sku", "location__code", "id"):
        key = (row.product_id, row.location_id)
        at = last.get(key)
        due_at = at + EVERY[row.product.abc_class or "C"] if at is not None else None
        if due_at is None or due_at <= now:
            due.setdefault(key, DueCount(row.product, row.location, at, due_at))
    never = datetime.datetime.min.replace(tzinfo=datetime.UTC)
    return sorted(due.values(), key=lambda row: (row.due_at or never, row.product.abc_class or "C", row.product.sku))


def places_below(location_id: int) -> set[int]:
    """Return a place and everything below it; one query."""
    children: dict[int | None, list[int]] = defaultdict(list)
    for pk, parent in InventoryLocation.objects.values_list("pk", "parent_id"):
        children[parent].append(pk)
    found, todo = {location_id}, [location_id]
    while todo:
        new = [pk for pk in children[todo.pop()] if pk not in found]
        found.update(new)
        todo += new
    return found


def is_within_tolerance(line: CycleCountLine) -> bool:
    """Tell whether a line's difference is at most ``COUNT_TOLERANCE_PERCENT`` of the books and ``_VALUE`` in money."""
    difference = abs(line.variance)
    if not difference:
        return True
    share = (line.book_quantity or Decimal(0)) * settings.COUNT_TOLERANCE_PERCENT / 100
    return bool(difference <= share and abs(line.variance_value) <= settings.COUNT_TOLERANCE_VALUE)


def open_counts() -> QuerySet[CycleCount]:
    """Return the sheets that are being counted now, the oldest first."""
    return CycleCount.objects.filter(status=CycleCount.Status.COUNTING).select_related("location").order_by("id")


def may_see_books(count: CycleCount | None, user: Any) -> bool:
    """Tell whether somebody may see what the books say: on a blind sheet not before it is counted."""
    if count is None or not count.is_blind or count.status in (CycleCount.Status.APPROVED, CycleCount.Status.CANCELLED):
        return True
    return bool(count.status == CycleCount.Status.SUBMITTED and user.has_perm("inventory.approve_cyclecount"))
