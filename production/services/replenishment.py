"""Stock that falls below its floor: what is made for the shelf is planned, what is bought is ordered."""

from __future__ import annotations

import datetime
from collections.abc import Collection

from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.verbs import verb
from inventory import services as inventory
from inventory.models import Product, PurchaseOrder
from production.models import ProductionOrder
from production.selectors.reorder import ReorderLine, reorder_report
from production.services.planning import MAX_QUANTITY, PlanRequest, plan_production_orders

_SHELF = Product.Replenishment.MAKE_TO_STOCK


@verb
def replenish_stock(*, products: Collection[Product] | None = None, actor: User) -> list[ProductionOrder]:
    """Plan one production order for the shelf for each product made to stock that falls below its floor.

    Its quantity is what the reorder report suggests. Open orders for the shelf count as on their way, drafts too, so
    that a second call at once or later plans nothing twice. ``products`` narrows it: what is named is planned also
    where it is made to order.
    """
    wanted = None if products is None else {product.pk for product in products}
    candidates = [line.product_id for line in _below(wanted) if line.is_made]
    if not candidates:
        return []
    # Whoever replenishes the same products waits here, and then sees what was planned.
    locked = {row.pk: row for row in lock_documents(Product.objects.filter(pk__in=candidates))}
    today = timezone.localdate()
    requests = [
        PlanRequest(
            locked[line.product_id],
            min(int(line.suggested), MAX_QUANTITY),
            ProductionOrder.Source.STOCK,
            due_date=today + datetime.timedelta(days=line.lead_days),
            notes=f"For the shelf: {line.projected.normalize():f} projected, {line.floor.normalize():f} wanted.",
        )
        for line in _below(wanted)
        if line.is_made and line.product_id in locked
    ]
    return plan_production_orders(requests, actor=actor) if requests else []


@verb
def buy_missing(*, products: Collection[Product], actor: User) -> list[PurchaseOrder]:
    """Write draft purchase orders for what the reorder report suggests to buy of these products; nothing twice.

    Raises:
        NoVendor: nobody is known to sell one of them.
    """
    locked = {row.pk: row for row in lock_documents(Product.objects.filter(pk__in=[row.pk for row in products]))}
    today = timezone.localdate()
    wants = [
        inventory.Want(
            locked[line.product_id],
            line.suggested,
            today + datetime.timedelta(days=line.lead_days),
            note=f"{line.sku} is below its reorder point",
        )
        for line in _below(set(locked))
        if not line.is_made
    ]
    return inventory.buy(wants, actor=actor) if wants else []


def _below(wanted: Collection[int] | None) -> list[ReorderLine]:
    """Return what is below its floor and asked for; without a question what is made to stock."""
    lines = reorder_report(only_below=True)
    if wanted is None:
        return [line for line in lines if line.replenishment == _SHELF]
    return [line for line in lines if line.product_id in wanted]
