"""Placing orders and taking them through their lifecycle."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import IntegrityError
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents
from blb3d.core.errors import InvalidValue, NotAllowed
from blb3d.core.lifecycle import allow
from blb3d.core.money import ZERO, line_total, round_money, tax_on
from blb3d.core.numbering import next_number
from blb3d.core.outbox import emit
from blb3d.core.verbs import verb
from inventory.models import Product
from production import services as production
from production.models import ProductionOrder
from sales import selectors
from sales.errors import CannotReorder, NoLines, NotSettled, TotalsDisagree, UnmappedLines
from sales.lifecycles import SALES_ORDER
from sales.models import Address, Customer, CustomerAddress, CustomerUser, SalesOrder, SalesOrderLine, Shipment
from sales.services.shipping import deliver
from sales.services.supply import catch_up, held_unmapped, supply_lines, supply_of, withdraw_supply

MAX_LINES = 500
MAX_QUANTITY = 1_000_000
MAX_PRICE = Decimal(100_000_000)
#: A delivered order that is not paid is completed after this long all the same.
COMPLETED_AFTER = datetime.timedelta(days=14)

Status = SalesOrder.Status
Supply = SalesOrderLine.Supply


@dataclass(frozen=True)
class LineDraft:
    """A line to be ordered: a product, or what a shop calls it when nobody has mapped its SKU yet.

    ``supply`` is told by the product when not given.
    """

    product: Product | None
    quantity: int
    unit_price: Decimal
    name: str = ""
    supply: str | None = None
    external_sku: str = ""
    external_product_id: str = ""
    external_line_id: str = ""
    options: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class OrderDraft:
    """An order to be placed. Amounts are in ``currency``; ``tax_total`` is computed unless given.

    Without an address the customer's default is taken. ``grand_total`` is what a shop says was paid.
    """

    source: str
    customer: Customer
    lines: Sequence[LineDraft]
    order_type: str = SalesOrder.Type.LINE_ITEM
    source_order_id: str = ""
    source_order_number: str = ""
    source_modified_at: datetime.datetime | None = None
    quote: Any = None
    product: Product | None = None
    discount_total: Decimal = ZERO
    shipping_total: Decimal = ZERO
    tax_total: Decimal | None = None
    grand_total: Decimal | None = None
    currency: str = ""
    shipping: Address | None = None
    billing: Address | None = None
    customer_po_number: str = ""
    customer_note: str = ""
    promised_date: datetime.date | None = None
    priority: int = 2


def place_order(draft: OrderDraft, *, actor: User) -> SalesOrder:
    """Place an order and plan what it needs; the one door into sales orders.

    The same source and source order id give the same order, also when asked eight times at once. Lines to be made get
    a draft production order each; a line from the shelf reserves what is there and plans the rest. An order with
    unmapped SKUs is placed and held until they are mapped. Emits ``sales.order_placed``.

    Raises:
        NoLines, InvalidValue: there are no lines, or a quantity or price is not possible.
        TotalsDisagree: the grand total given is not the sum, and the order does not come paid from a shop.
        NotAllowed: the actor acts neither for us nor for this customer.
    """
    try:
        return _place_order(draft, actor=actor)
    except IntegrityError:
        # Somebody else placed it between our look and our write; what we wrote is undone by now.
        placed = selectors.order_of_source(draft.source, draft.source_order_id)
        if placed is None:
            raise
        return placed


@verb
def _place_order(draft: OrderDraft, *, actor: User) -> SalesOrder:
    _allow_ordering(draft.customer, actor)
    _check(draft)
    placed = selectors.order_of_source(draft.source, draft.source_order_id)
    if placed is not None:
        return placed
    order = _order(draft)
    order.save()
    lines = insert_documents(
        [_line(order, number, line) for number, line in enumerate(draft.lines, start=1)],
        natural_key="line_number",
        within={"sales_order": order},
    )
    supply_lines(order, lines, customer=draft.customer, quote=draft.quote, actor=actor)
    emit(
        "sales.order_placed",
        f"{SalesOrder._meta.label_lower}:{order.pk}",
        id=order.pk,
        number=order.order_number,
        source=order.source,
        customer_id=draft.customer.pk,
    )
    unmapped = [line for line in lines if line.supply == Supply.UNMAPPED]
    if unmapped:
        held_unmapped(order, unmapped, actor=actor)
    return order


def _order(draft: OrderDraft) -> SalesOrder:
    subtotal = sum((line_total(line.unit_price, line.quantity) for line in draft.lines), ZERO)
    tax = draft.tax_total
    if tax is None:
        rate = Decimal(0) if draft.customer.tax_exempt else selectors.tax_rate()
        tax = tax_on(subtotal - draft.discount_total, rate)
    total = round_money(subtotal - draft.discount_total + draft.shipping_total + tax)
    note = ""
    if draft.grand_total is not None and draft.grand_total != total:
        if draft.source not in SalesOrder.PREPAID_SOURCES:
            raise TotalsDisagree(details={"grand_total": str(draft.grand_total), "sum": str(total)})
        note = f"The shop's total is {draft.grand_total}, its parts add up to {total}."
        total = draft.grand_total
    if total < 0:
        raise InvalidValue("The discount is larger than the order.", details={"field": "discount_total"})
    shipping, billing = _addresses(draft)
    order = SalesOrder(
        order_number=next_number("SO"),
        order_type=draft.order_type,
        source=draft.source,
        source_order_id=draft.source_order_id,
        source_order_number=draft.source_order_number,
        source_modified_at=draft.source_modified_at,
        customer=draft.customer,
        product=draft.product,
        subtotal=subtotal,
        discount_total=draft.discount_total,
        shipping_total=draft.shipping_total,
        tax_total=tax,
        grand_total=total,
        currency=draft.currency or settings.CURRENCY,  # type: ignore[misc]
        customer_po_number=draft.customer_po_number.strip(),
        customer_note=draft.customer_note,
        internal_note=note,
        promised_date=draft.promised_date,
        priority=draft.priority,
        payment_status=SalesOrder.PaymentStatus.PENDING if total else SalesOrder.PaymentStatus.PAID,
    )
    if shipping is not None:
        order.set_address("shipping", shipping)
    if billing is not None:
        order.set_address("billing", billing)
    return order


def _line(order: SalesOrder, number: int, draft: LineDraft) -> SalesOrderLine:
    name = draft.name.strip() or (draft.product.name if draft.product else draft.external_sku)
    return SalesOrderLine(
        sales_order=order,
        line_number=number,
        product=draft.product,
        external_sku=draft.external_sku,
        external_product_id=draft.external_product_id,
        external_line_id=draft.external_line_id,
        name=name[:300],
        options=draft.options,
        supply=draft.supply or supply_of(draft.product),
        quantity=draft.quantity,
        unit_price=draft.unit_price,
        total=line_total(draft.unit_price, draft.quantity),
    )


def _addresses(draft: OrderDraft) -> tuple[Address | None, Address | None]:
    """Return where it goes and who pays: as given, else the customer's defaults, else the same for both."""
    shipping, billing = draft.shipping, draft.billing
    if shipping is None or billing is None:
        defaults = {
            row.address_type: Address(
                line1=row.address_line1,
                line2=row.address_line2,
                city=row.city,
                state=row.state,
                zip=row.postal_code,
                country=row.country,
                name=row.name,
                company=row.company,
            )
            for row in CustomerAddress.objects.filter(customer=draft.customer, is_default=True)
        }
        shipping = shipping or defaults.get(CustomerAddress.Type.SHIPPING)
        billing = billing or defaults.get(CustomerAddress.Type.BILLING)
    return shipping, billing or shipping


def _check(draft: OrderDraft) -> None:
    if not draft.lines:
        raise NoLines
    if len(draft.lines) > MAX_LINES:
        raise InvalidValue(f"An order has at most {MAX_LINES} lines.", details={"lines": len(draft.lines)})
    if draft.source not in SalesOrder.Source.values:
        raise InvalidValue("There is no such source.", details={"field": "source", "value": draft.source})
    for number, line in enumerate(draft.lines, start=1):
        where: dict[str, Any] = {"line": number}
        if isinstance(line.quantity, bool) or not isinstance(line.quantity, int):
            raise InvalidValue("A quantity is a whole number.", details={**where, "field": "quantity"})
        if not 1 <= line.quantity <= MAX_QUANTITY:
            raise InvalidValue(
                f"The quantity must be at least 1 and at most {MAX_QUANTITY}.",
                details={**where, "field": "quantity", "value": line.quantity},
            )
        _check_amount(line.unit_price, {**where, "field": "unit_price"})
        if line.product is None and not line.external_sku and not line.name:
            raise InvalidValue("A line needs a product.", details={**where, "field": "product"})
        if line.product is not None and not line.product.is_active:
            raise InvalidValue(f"{line.product.sku} is not sold any more.", details={**where, "field": "product"})
    for name in ("discount_total", "shipping_total", "tax_total", "grand_total"):
        amount = getattr(draft, name)
        if amount is not None:
            _check_amount(amount, {"field": name})


def _check_amount(amount: Decimal, details: dict[str, Any]) -> None:
    if not amount.is_finite() or not 0 <= amount <= MAX_PRICE or amount != round_money(amount):
        raise InvalidValue(
            f"An amount must lie between 0 and {MAX_PRICE}, in whole cents.", details={**details, "value": str(amount)}
        )


def _allow_ordering(customer: Customer, actor: User) -> None:
    if actor.kind == User.Kind.SYSTEM or actor.has_perm("sales.add_salesorder"):
        return
    if not CustomerUser.objects.filter(customer=customer, user=actor, is_active=True).exists():
        raise NotAllowed(details={"permission": "sales.add_salesorder"})


@verb
def confirm_order(order: SalesOrder, *, actor: User, reason: str = "") -> SalesOrder:
    """Promise the order: its production orders are confirmed and reserve their material.

    Raises:
        UnmappedLines: a SKU of it is not mapped to a product.
        InvalidTransition: it is not pending.
    """
    allow(actor, "sales.confirm_salesorder")
    return confirm(order, actor=actor, reason=reason)


def confirm(order: SalesOrder, *, actor: User, reason: str = "") -> SalesOrder:
    """Confirm inside another verb, which has said who may."""
    with SALES_ORDER.step(order, "confirm", actor=actor, reason=reason):
        unmapped = order.lines.filter(supply=Supply.UNMAPPED).values_list("external_sku", flat=True)
        if unmapped:
            raise UnmappedLines(details={"skus": list(unmapped)})
        order.confirmed_at = timezone.now()
        drafts = order.production_orders.filter(status=ProductionOrder.Status.DRAFT).order_by("pk")
        production.confirm_production_orders(list(drafts), actor=actor, reason=reason)
    return catch_up(order, actor=actor)


def confirm_if_due(order: SalesOrder, *, actor: User) -> SalesOrder:
    """Confirm a pending order that needs nobody's word: it is paid, came paid from a shop, or is on terms.

    What staff entered by hand or imported on terms is confirmed by staff.
    """
    on_terms = order.source in (SalesOrder.Source.PORTAL, SalesOrder.Source.API) and order.customer.has_terms
    due = order.is_paid or order.source in SalesOrder.PREPAID_SOURCES or on_terms
    if order.status == Status.PENDING and due and not order.lines.filter(supply=Supply.UNMAPPED).exists():
        return confirm(order, actor=actor)
    return order


@verb
def start_order(order: SalesOrder, *, actor: User) -> SalesOrder:
    """Say that its first job prints."""
    with SALES_ORDER.step(order, "start", actor=actor):
        pass
    return order


@verb
def finish_production(order: SalesOrder, *, actor: User) -> SalesOrder:
    """Move the order on if everything in it is made or on the shelf; else leave it as it is."""
    return catch_up(order, actor=actor)


@verb
def hold_order(order: SalesOrder, *, actor: User, reason: str) -> SalesOrder:
    """Stop work on the order: no new job of it is sent until it is resumed."""
    allow(actor, "sales.hold_salesorder")
    with SALES_ORDER.step(order, "hold", actor=actor, reason=reason) as move:
        order.held_from, order.hold_reason = move.source, reason[:500]
        move.payload["reason"] = reason[:500]
        for made in _under_way(order).filter(is_held=False):
            production.hold_production_order(made, actor=actor, reason=reason)
    return order


@verb
def resume_order(order: SalesOrder, *, actor: User, reason: str = "") -> SalesOrder:
    """Go on where the order was held, or further if its parts have moved on meanwhile."""
    allow(actor, "sales.resume_salesorder")
    return resume(order, actor=actor, reason=reason)


def resume(order: SalesOrder, *, actor: User, reason: str = "") -> SalesOrder:
    """Resume inside another verb, which has said who may."""
    with SALES_ORDER.step(order, "resume", actor=actor, reason=reason) as move:
        move.to(order.held_from)
        order.held_from, order.hold_reason, order.held_for_mapping = "", "", False
        for made in _under_way(order).filter(is_held=True):
            production.release_production_order_hold(made, actor=actor)
    return catch_up(order, actor=actor)


def _under_way(order: SalesOrder) -> Any:
    return order.production_orders.filter(
        status__in=[status for status in ProductionOrder.OPEN if status != ProductionOrder.Status.DRAFT]
    ).order_by("pk")


@verb
def cancel_order(order: SalesOrder, *, actor: User, reason: str) -> SalesOrder:
    """Cancel an order of which nothing was shipped: its production orders end, what it reserved is free again.

    Parts that are finished go to the shelf; jobs on printers are stopped.

    Raises:
        AlreadyShipped: something has left the house.
    """
    allow(actor, "sales.cancel_salesorder")
    with SALES_ORDER.step(order, "cancel", actor=actor, reason=reason) as move:
        withdraw_supply(order, actor=actor, reason=reason)
        order.held_from, order.hold_reason, order.held_for_mapping = "", "", False
        move.payload["reason"] = reason[:500]
    return order


@verb
def deliver_order(order: SalesOrder, *, actor: User, reason: str = "") -> SalesOrder:
    """Say that everything arrived."""
    allow(actor, "sales.deliver_salesorder")
    with SALES_ORDER.step(order, "deliver", actor=actor, reason=reason):
        order.delivered_at = timezone.now()
        for shipment in order.shipments.filter(status=Shipment.Status.SHIPPED).order_by("pk"):
            deliver(shipment, actor=actor)
    return order


@verb
def complete_order(order: SalesOrder, *, actor: User, reason: str = "") -> SalesOrder:
    """Close a delivered order that is paid, or was delivered two weeks ago.

    Raises:
        NotSettled: it is neither.
    """
    allow(actor, "sales.complete_salesorder")
    with SALES_ORDER.step(order, "complete", actor=actor, reason=reason):
        if not is_settled(order):
            raise NotSettled(details={"owed": str(order.amount_owed)})
    return order


def is_settled(order: SalesOrder) -> bool:
    """Return whether a delivered order may be completed."""
    return order.is_paid or (order.delivered_at is not None and order.delivered_at <= timezone.now() - COMPLETED_AFTER)


@verb
def update_shipping(
    order: SalesOrder, *, shipping: Address, actor: User, version: int | None = None, reason: str = ""
) -> SalesOrder:
    """Change where an order goes, until it has left.

    Raises:
        StaleVersion: somebody changed the order since it was read.
        InvalidValue: it has left already.
    """
    allow(actor, "sales.change_salesorder")
    order.check_version(version)
    if order.status in (Status.SHIPPED, Status.DELIVERED, Status.COMPLETED, Status.CANCELLED):
        raise InvalidValue("The address of an order that has left is not changed any more.")
    order.set_address("shipping", shipping)
    order.save()
    return order


@verb
def reorder(order: SalesOrder, *, actor: User) -> SalesOrder:
    """Place the same lines again, at today's list price where there is one, else at the price paid then.

    Raises:
        CannotReorder: a product is not sold any more.
        NotAllowed: the actor acts neither for us nor for this customer.
    """
    lines = list(order.lines.select_related("product").order_by("line_number"))
    gone = [line.name for line in lines if line.product is None or not line.product.is_active]
    if gone:
        raise CannotReorder(details={"lines": gone})
    by_staff = actor.is_staff or actor.kind == User.Kind.SYSTEM
    draft = OrderDraft(
        source=SalesOrder.Source.MANUAL if by_staff else SalesOrder.Source.PORTAL,
        customer=order.customer,
        order_type=order.order_type,
        product=order.product,
        lines=[
            LineDraft(
                line.product,
                line.quantity,
                line.product.list_price if line.product.list_price is not None else line.unit_price,
                name=line.name,
                options=line.options,
            )
            for line in lines
            if line.product is not None
        ],
        shipping=order.shipping_address if order.shipping_address_line1 else None,
        billing=order.billing_address if order.billing_address_line1 else None,
        currency=order.currency,
        priority=order.priority,
    )
    return place_order(draft, actor=actor)
