"""Requisitions: anybody asks, a buyer orders or refuses."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Sequence
from decimal import Decimal

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents
from blb3d.core.errors import InvalidTransition, InvalidValue
from blb3d.core.numbering import next_numbers
from blb3d.core.units import positive_quantity
from blb3d.core.verbs import verb
from inventory.lifecycles import REQUISITION
from inventory.models import Product, PurchaseOrder, PurchaseRequisition, Vendor
from inventory.selectors.sourcing import sources
from inventory.selectors.units import stock_quantity, unit_factors
from inventory.services.buying import Want, buy


@verb
def request_purchase(
    product: Product,
    *,
    quantity: Decimal,
    unit: str = "",
    needed_on: datetime.date | None = None,
    vendor: Vendor | None = None,
    reason: str = "",
    source: str = PurchaseRequisition.Source.BY_HAND,
    actor: User,
) -> PurchaseRequisition:
    """Ask for something to be bought, in the stock unit unless told otherwise.

    Raises:
        InvalidValue: the quantity is not above 0, or nobody sells such a thing as the product.
        UnknownConversion: the unit is not the product's and does not measure what its stock unit does.
    """
    unit = unit or product.unit_of_measure
    stock_quantity(product, quantity, unit)
    if product.category == Product.Category.SERVICE or not product.is_active:
        raise InvalidValue("This product is not bought.", details={"field": "product", "sku": product.sku})
    [number] = next_numbers("PR", 1)
    row = PurchaseRequisition(
        number=number,
        product=product,
        quantity=positive_quantity(quantity),
        unit=unit,
        needed_on=needed_on,
        vendor=vendor,
        wanted_by=actor,
        reason=reason,
        source=source,
    )
    return insert_documents([row], natural_key="number")[0]


@verb
def order_requisitions(
    requisitions: Sequence[PurchaseRequisition], *, add_to_drafts: bool = False, actor: User
) -> list[PurchaseOrder]:
    """Turn open requisitions into draft orders, one for each vendor, and return those; see :func:`buy`.

    Raises:
        InvalidValue: none is given.
        InvalidTransition: one of them is not open.
        NoVendor: nobody is known to sell some of the products.
    """
    if not requisitions:
        raise InvalidValue("Please choose requisitions.", details={"field": "requisitions"})
    rows = list(
        PurchaseRequisition.objects.filter(pk__in=[row.pk for row in requisitions])
        .select_related("product", "vendor")
        .order_by("pk")
    )
    closed = [row.number for row in rows if row.status != PurchaseRequisition.Status.OPEN]
    if closed:
        raise InvalidTransition("Only open requisitions are ordered.", details={"numbers": closed})
    factors = unit_factors([row.product_id for row in rows])
    wants = [
        Want(
            row.product,
            stock_quantity(row.product, row.quantity, row.unit, factors=factors),
            row.needed_on,
            row.vendor,
            note=f"{row.number} {row.reason}".strip(),
        )
        for row in rows
    ]
    orders = {order.vendor_id: order for order in buy(wants, add_to_drafts=add_to_drafts, actor=actor)}
    usual = sources([row.product_id for row in rows if row.vendor_id is None])
    by_vendor: dict[int, list[PurchaseRequisition]] = defaultdict(list)
    for row in rows:
        by_vendor[row.vendor_id or usual[row.product_id].vendor_id].append(row)
    for vendor_id, theirs in by_vendor.items():
        # The step itself refuses what somebody else ordered meanwhile.
        with REQUISITION.step_many(theirs, "order", actor=actor) as move:
            move.set(purchase_order=orders[vendor_id])
    return list(orders.values())


@verb
def order_requisition(requisition: PurchaseRequisition, *, actor: User) -> PurchaseOrder:
    """Turn one requisition into a draft order, or a line of the draft that its vendor has already."""
    [order] = order_requisitions([requisition], add_to_drafts=True, actor=actor)
    return order


@verb
def refuse_requisition(requisition: PurchaseRequisition, *, reason: str, actor: User) -> PurchaseRequisition:
    """Say that something is not bought, and why."""
    with REQUISITION.step(requisition, "refuse", actor=actor, reason=reason):
        pass
    return requisition
