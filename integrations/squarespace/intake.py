"""What a shop's order makes of ours.

One verb, one transaction: whatever dies in the middle leaves nothing, and repeating it ends in the same documents. It
looks at how things stand, never at which notification came, so that news may be lost, doubled or out of order.
"""

from __future__ import annotations

import logging
from decimal import Decimal

from blb3d.accounts.models import User
from blb3d.core.documents import lock_documents
from blb3d.core.errors import BLB3DError
from blb3d.core.inbox import Ignored
from blb3d.core.money import ZERO, round_money
from blb3d.core.verbs import verb
from integrations.services import products_for
from integrations.squarespace.order import ShopLine, ShopOrder
from inventory.models import Product
from sales import selectors
from sales import services as sales
from sales.lifecycles import SALES_ORDER
from sales.models import SalesOrder, SalesOrderLine

log = logging.getLogger(__name__)

SOURCE = SalesOrder.Source.SQUARESPACE
Status = SalesOrder.Status
_LEFT = (Status.SHIPPED, Status.DELIVERED, Status.COMPLETED)
_CANCELLED_THERE = "Squarespace cancelled this order."
_UNPAID_THERE = "Squarespace says of its payment:"
_FULFILLED_THERE = "Squarespace shows this order as fulfilled, but it was not shipped from here."


@verb
def take_order(shop: ShopOrder, *, actor: User) -> SalesOrder:
    """Make our order what the shop's order says: placed, paid, refunded, cancelled, or held for a person.

    Raises:
        Ignored: we have seen a later state of it.
    """
    order = selectors.order_of_source(SOURCE, shop.id) or _place(shop, actor=actor)
    [order] = lock_documents(SalesOrder.all_objects.filter(pk=order.pk))
    if order.source_modified_at is not None and shop.modified_at < order.source_modified_at:
        raise Ignored(f"{order.order_number} is known as of {order.source_modified_at.isoformat()}.")
    _settle(order, shop, actor=actor)
    if shop.fulfillment == "CANCELED":
        _cancel(order, actor=actor)
    elif shop.fulfillment == "FULFILLED" and order.status not in (*_LEFT, Status.CANCELLED):
        _lay_before_a_person(order, _FULFILLED_THERE, actor=actor)
    elif not shop.is_paid:
        _lay_before_a_person(order, f"{_UNPAID_THERE} {shop.payment_state}.", actor=actor)
    else:
        if order.status == Status.ON_HOLD and order.hold_reason.startswith(_UNPAID_THERE):
            sales.resume_order(order, actor=actor, reason="Squarespace has the money.")
        if order.status == Status.PENDING:
            sales.confirm_order(order, actor=actor)
    if order.source_modified_at != shop.modified_at:
        order.source_modified_at = shop.modified_at
        order.save()
    return order


def _place(shop: ShopOrder, *, actor: User) -> SalesOrder:
    customer = sales.customer_for_buyer(email=shop.email, name=shop.name, phone=shop.phone, actor=actor)
    products = products_for(SOURCE, [line for line in shop.lines if line.is_physical])
    order = sales.place_order(
        sales.OrderDraft(
            source=SOURCE,
            customer=customer,
            lines=[
                draft
                for line in shop.lines
                for draft in _drafts(line, products.get((line.variant_id, line.product_id, line.sku), []))
            ],
            source_order_id=shop.id,
            source_order_number=shop.number,
            source_modified_at=shop.modified_at,
            discount_total=shop.discount_total,
            shipping_total=shop.shipping_total,
            tax_total=shop.tax_total,
            grand_total=shop.grand_total,
            currency=shop.currency,
            shipping=shop.shipping,
            billing=shop.billing,
            customer_note=shop.customer_note,
        ),
        actor=actor,
    )
    if shop.remarks and shop.remarks[0] not in order.internal_note:
        order.internal_note = "\n".join(filter(None, (order.internal_note, *shop.remarks)))
        order.save()
    return order


def _drafts(line: ShopLine, products: list[tuple[Product, int]]) -> list[sales.LineDraft]:
    """Return the lines that a line of the shop becomes: one, or one per product of a kit.

    The price of a kit stands on its first product. A line without a product keeps what the shop calls it.
    """
    if not products:
        supply = SalesOrderLine.Supply.UNMAPPED if line.is_physical else SalesOrderLine.Supply.NONE
        return [_draft(line, None, line.quantity, line.unit_price, line.name, supply)]
    (first, each), *others = products
    return [
        _draft(line, first, line.quantity * each, round_money(line.unit_price / each), line.name),
        *(
            _draft(line, product, line.quantity * quantity, ZERO, f"{product.name} (of {line.name})")
            for product, quantity in others
        ),
    ]


def _draft(
    line: ShopLine, product: Product | None, quantity: int, price: Decimal, name: str, supply: str | None = None
) -> sales.LineDraft:
    return sales.LineDraft(
        product=product,
        quantity=quantity,
        unit_price=price,
        name=name,
        supply=supply,
        external_sku=line.sku,
        external_product_id=line.external_product_id,
        external_line_id=line.key,
        options=dict(line.options),
    )


def _settle(order: SalesOrder, shop: ShopOrder, *, actor: User) -> None:
    """Record the shop's money: what the buyer paid, once, and what went back since we last looked."""
    key = f"squarespace:{shop.id}"[:64]
    is_due = shop.is_paid and order.grand_total > 0 and order.status != Status.CANCELLED
    if is_due and not order.payments.filter(idempotency_key=key).exists():
        sales.record_payment(
            order,
            amount=order.grand_total,
            method=SOURCE,
            reference=shop.number,
            idempotency_key=key,
            actor=actor,
        )
    returned = shop.refunded_total - order.amount_refunded
    if returned > 0:
        sales.record_refund(
            order, amount=returned, reason="Refunded at Squarespace.", reference=shop.number, actor=actor
        )


def _cancel(order: SalesOrder, *, actor: User) -> None:
    """Cancel what the shop cancelled; a person decides where something has left or is ready to."""
    if order.status == Status.CANCELLED:
        return
    try:
        sales.cancel_order(order, actor=actor, reason=_CANCELLED_THERE)
    except BLB3DError as refusal:
        log.warning("%s was cancelled at Squarespace and cannot be here: %s", order.order_number, refusal)
        order.refresh_from_db()
        _lay_before_a_person(order, f"{_CANCELLED_THERE} {refusal.message}", actor=actor)


def _lay_before_a_person(order: SalesOrder, reason: str, *, actor: User) -> None:
    """Hold the order, once per reason: who has resumed it knows. One that cannot be held gets it as a note."""
    if reason in order.internal_note or order.history.filter(hold_reason=reason).exists():
        return
    if order.status in SALES_ORDER.steps["hold"].sources:
        sales.hold_order(order, actor=actor, reason=reason)
    else:
        order.internal_note = "\n".join(filter(None, (order.internal_note, reason)))
        order.save()
