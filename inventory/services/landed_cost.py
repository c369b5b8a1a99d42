"""What it cost to get a delivery here, when the carrier or customs bill comes after the goods."""

from __future__ import annotations

from decimal import Decimal

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import InvalidValue
from blb3d.core.outbox import emit
from blb3d.core.verbs import verb
from inventory.models import GoodsReceipt, LandedCost, Product, PurchaseOrder, Reference
from inventory.services.purchasing import valid_amount
from inventory.services.receiving import Basis, spread, weights_of
from inventory.services.revaluation import CostAdded, add_cost

_ZERO = Decimal(0)


@verb
def add_landed_cost(
    receipt: GoodsReceipt,
    *,
    amount: Decimal,
    kind: str = LandedCost.Kind.FREIGHT,
    basis: str = Basis.VALUE,
    reason: str,
    actor: User,
) -> LandedCost:
    """Share a cost among what a receipt brought and did not go back; fact ``inventory.landed_cost_added``.

    What is still on hand is worth more from now on; the share of what was used already is kept as expensed.

    Raises:
        InvalidValue: the amount is not above 0, no reason is given, or everything went back.
        WeightUnknown: it is to be shared by weight and a product has none.
    """
    if not valid_amount(amount, "amount"):
        raise InvalidValue("The amount must be above 0.", details={"field": "amount"})
    if not reason.strip():
        raise InvalidValue("A cost needs a reason.", details={"field": "reason"})
    # The order: nothing goes back meanwhile.
    lock_documents(PurchaseOrder.objects.filter(pk=receipt.purchase_order_id))
    lines = [
        (line, line.stock_quantity - line.returned_quantity)
        for line in receipt.lines.select_related("product").order_by("line_number")
    ]
    lines = [(line, kept) for line, kept in lines if kept > 0]
    if not lines:
        raise InvalidValue("Everything of this receipt went back.", details={"field": "receipt"})
    # A service took no freight, unless there is nothing else.
    lines = [row for row in lines if row[0].product.category != Product.Category.SERVICE] or lines
    if basis == Basis.WEIGHT:
        weights = weights_of([(line.product, kept) for line, kept in lines])
    else:
        weights = [line.unit_cost * kept for line, kept in lines]
    added = [
        CostAdded(line.product_id, line.lot_id, kept, share)
        for (line, kept), share in zip(lines, spread(valid_amount(amount, "amount"), weights), strict=True)
        if share
    ]
    result = add_cost(
        added, reference_type=Reference.GOODS_RECEIPT, reference_id=receipt.pk, reason=reason, actor=actor
    )
    row = LandedCost(
        receipt=receipt,
        kind=kind,
        basis=basis,
        amount=valid_amount(amount, "amount"),
        on_stock_amount=result.on_stock,
        expensed_amount=result.expensed,
        notes=reason,
    )
    row.save()
    emit(
        "inventory.landed_cost_added",
        f"inventory.goodsreceipt:{receipt.pk}",
        id=receipt.pk,
        number=receipt.number,
        landed_cost_id=row.pk,
        on_stock=str(result.on_stock),
        expensed=str(result.expensed),
    )
    return row
