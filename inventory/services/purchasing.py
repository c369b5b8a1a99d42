"""Purchase orders: written, ordered, received as lots and stock, closed."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents, update_documents
from blb3d.core.errors import InvalidValue
from blb3d.core.numbering import next_number, next_numbers
from blb3d.core.units import positive_quantity, round_quantity
from blb3d.core.verbs import verb
from inventory.lifecycles import PURCHASE_ORDER
from inventory.models import InventoryLocation, Product, PurchaseOrder, PurchaseOrderLine, Reference, Vendor
from inventory.selectors.stock import default_location
from inventory.selectors.units import stock_quantity, unit_factors
from inventory.services.ledger import Kind, Movement, post_transactions, valid_cost
from inventory.services.receipts import receive_lot


@dataclass(frozen=True)
class PurchaseLineSpec:
    """What to buy, how much of it in ``unit``, at what price per that unit."""

    product: Product
    quantity: Decimal
    unit: str
    unit_price: Decimal = Decimal(0)


@dataclass(frozen=True)
class PurchaseReceipt:
    """What came of a line, in the line's unit; ``lot_number`` is ours and drawn when a tracked product has none."""

    line_id: int
    quantity: Decimal
    lot_number: str = ""
    vendor_lot_number: str = ""
    expires_at: datetime.datetime | None = None
    quarantine: bool = False


@verb
def create_purchase_order(
    vendor: Vendor,
    *,
    lines: Sequence[PurchaseLineSpec] = (),
    expected_on: datetime.date | None = None,
    currency: str = "USD",
    notes: str = "",
    actor: User,
) -> PurchaseOrder:
    """Write a draft order to a vendor; lines may be added until it is ordered.

    Raises:
        InvalidValue: a quantity is not above 0.
        UnknownConversion: a unit does not measure what the product's stock unit does.
    """
    rows = []
    factors = unit_factors([line.product.pk for line in lines])
    for number, line in enumerate(lines, start=1):
        stock_quantity(line.product, line.quantity, line.unit, factors=factors)
        rows.append(
            PurchaseOrderLine(
                line_number=number,
                product=line.product,
                quantity=positive_quantity(line.quantity),
                unit_of_measure=line.unit,
                unit_price=valid_cost(line.unit_price),
            )
        )
    order = PurchaseOrder(
        po_number=next_number("PUR"), vendor=vendor, expected_on=expected_on, currency=currency, notes=notes
    )
    order.save()
    for row in rows:
        row.purchase_order = order
    insert_documents(rows, natural_key="line_number", within={"purchase_order": order})
    return order


@verb
def order_purchase(order: PurchaseOrder, *, actor: User, reason: str = "") -> PurchaseOrder:
    """Mark the order as sent to the vendor today.

    Raises:
        InvalidValue: it has no lines.
        UnknownConversion: a line could not be received, because its unit is not one of the product's.
    """
    with PURCHASE_ORDER.step(order, "order", actor=actor, reason=reason):
        lines = list(order.lines.select_related("product"))
        if not lines:
            raise InvalidValue("A purchase order needs a line.", details={"field": "lines"})
        factors = unit_factors([line.product_id for line in lines])
        for line in lines:
            stock_quantity(line.product, line.quantity, line.unit_of_measure, factors=factors)
        order.ordered_on = timezone.localdate()
    return order


@verb
def receive_purchase(
    order: PurchaseOrder,
    receipts: Sequence[PurchaseReceipt],
    *,
    location: InventoryLocation | None = None,
    actor: User,
    reason: str = "",
) -> PurchaseOrder:
    """Receive what came: tracked products as lots, others as plain stock; more than ordered may come.

    The order is received when every line is.

    Raises:
        InvalidTransition: the order is not on its way.
        InvalidValue: nothing came, or a line is not of this order.
    """
    if not receipts:
        raise InvalidValue("Please say what came.", details={"field": "receipts"})
    with PURCHASE_ORDER.step(order, "receive", actor=actor, reason=reason) as move:
        place = location or default_location()
        lines = {line.pk: line for line in order.lines.select_related("product")}
        factors = unit_factors([line.product_id for line in lines.values()])
        unknown = [receipt.line_id for receipt in receipts if receipt.line_id not in lines]
        if unknown:
            raise InvalidValue("A line is not of this order.", details={"lines": unknown})
        tracked = [r for r in receipts if not r.lot_number and lines[r.line_id].product.is_lot_tracked]
        drawn = iter(next_numbers("LOT", len(tracked)))
        plain = []
        for receipt in receipts:
            line = lines[receipt.line_id]
            quantity = positive_quantity(receipt.quantity)
            kept = stock_quantity(line.product, quantity, line.unit_of_measure, factors=factors)
            cost = round_quantity(line.unit_price * quantity / kept)
            line.quantity_received += quantity
            if receipt.lot_number or line.product.is_lot_tracked:
                receive_lot(
                    line.product,
                    lot_number=receipt.lot_number or next(drawn),
                    quantity=kept,
                    unit_cost=cost,
                    vendor=order.vendor,
                    purchase_order=order,
                    location=place,
                    vendor_lot_number=receipt.vendor_lot_number,
                    expires_at=receipt.expires_at,
                    quarantine=receipt.quarantine,
                    actor=actor,
                )
            else:
                plain.append(
                    Movement(
                        Kind.RECEIPT,
                        line.product_id,
                        place.pk,
                        quantity=kept,
                        unit_cost=cost,
                        reference_type=Reference.PURCHASE_ORDER,
                        reference_id=order.pk,
                    )
                )
        post_transactions(plain, actor=actor)
        touched = {receipt.line_id for receipt in receipts}
        update_documents([lines[pk] for pk in sorted(touched)], ["quantity_received"])
        if all(line.quantity_received >= line.quantity for line in lines.values()):
            move.to(PurchaseOrder.Status.RECEIVED)
    return order


@verb
def close_purchase_short(order: PurchaseOrder, *, actor: User, reason: str) -> PurchaseOrder:
    """Expect no more of an order that came in part."""
    with PURCHASE_ORDER.step(order, "close_short", actor=actor, reason=reason):
        pass
    return order


@verb
def cancel_purchase(order: PurchaseOrder, *, actor: User, reason: str) -> PurchaseOrder:
    """Cancel an order of which nothing has come."""
    with PURCHASE_ORDER.step(order, "cancel", actor=actor, reason=reason):
        pass
    return order
