"""Standard costs: rolled up from what components cost. What a lot or an order really cost stands in the ledger."""

from __future__ import annotations

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents, update_documents
from blb3d.core.verbs import verb
from inventory.models import BOM, Product
from inventory.selectors.standard_costs import StandardCost, standard_costs


@verb
def roll_standard_costs(*, actor: User, reason: str = "") -> list[StandardCost]:
    """Give every bill and every made product the cost that comes out of its components, and return what changed.

    All levels, bottom up, in a constant number of statements, with history. Bought products keep their cost, and
    nothing in stock is worth more or less than before: stock has the cost that it was received at.
    """
    lock_documents(Product.objects.filter(pk__in=[row.product_id for row in standard_costs() if row.changes]))
    changes = [row for row in standard_costs() if row.changes]
    products = lock_documents(Product.objects.filter(pk__in=[row.product_id for row in changes]))
    after = {row.product_id: row for row in changes}
    moved = [product for product in products if product.unit_cost != after[product.pk].after]
    for product in moved:
        product.unit_cost = after[product.pk].after
    update_documents(moved, ["unit_cost"])
    boms = lock_documents(BOM.objects.filter(pk__in=[row.bom_id for row in changes if row.bom_before != row.bom_after]))
    for bom in boms:
        bom.total_cost = after[bom.product_id].bom_after
    update_documents(boms, ["total_cost"])
    return changes
