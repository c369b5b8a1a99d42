"""Goods that go back to a vendor: out of the lot they came in, and the credit expected for them."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db.models import Q
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents, lock_documents, update_documents
from blb3d.core.errors import InvalidValue, ReasonRequired
from blb3d.core.money import line_total
from blb3d.core.numbering import next_number
from blb3d.core.outbox import emit
from blb3d.core.units import positive_quantity, round_quantity
from blb3d.core.verbs import verb
from inventory.errors import InsufficientStock, TooMuchReturned
from inventory.lifecycles import VENDOR_RETURN
from inventory.models import (
    GoodsReceiptLine,
    Inventory,
    MaterialLot,
    PurchaseOrder,
    PurchaseOrderLine,
    Reference,
    VendorReturn,
    VendorReturnLine,
)
from inventory.services.ledger import Kind, Movement, lock_balances, post_locked
from inventory.services.purchasing import valid_amount

_ZERO = Decimal(0)
_Stock = tuple[int, int | None]


@dataclass(frozen=True)
class ReturnSpec:
    """So much of a receipt line, in the stock unit, goes back; ``rejected`` when an inspection refused it."""

    receipt_line_id: int
    quantity: Decimal
    rejected: bool = False


@verb
def return_to_vendor(
    order: PurchaseOrder,
    lines: Sequence[ReturnSpec],
    *,
    reason: str,
    vendor_reference: str = "",
    tracking_number: str = "",
    actor: User,
) -> VendorReturn:
    """Send goods of an order's receipts back; they leave stock as a shipment, from where they came in first.

    Lots in quarantine can go back as they are. The credit expected is what was to be paid for them. Emits
    ``inventory.returned_to_vendor``. The number of statements does not depend on the number of lines.

    Raises:
        ReasonRequired: no reason is given.
        InvalidValue: nothing is to go back, or a line is not of this order's receipts.
        TooMuchReturned: more would go back than came and has not gone back yet.
        InsufficientStock: it is used, or reserved for somebody.
    """
    if not reason.strip():
        raise ReasonRequired(details={"step": "return"})
    if not lines:
        raise InvalidValue("Please say what goes back.", details={"field": "lines"})
    number = next_number("VR")
    [row] = lock_documents(PurchaseOrder.objects.filter(pk=order.pk))
    wanted = {line.receipt_line_id for line in lines}
    found = {
        line.pk: line
        for line in lock_documents(GoodsReceiptLine.objects.filter(pk__in=wanted, receipt__purchase_order=row))
    }
    if wanted - set(found):
        raise InvalidValue("A line is not of this order's receipts.", details={"lines": sorted(wanted - set(found))})
    order_lines = PurchaseOrderLine.objects.in_bulk({line.order_line_id for line in found.values()})
    made, credit = [], _ZERO
    for position, told in enumerate(lines, start=1):
        line = found[told.receipt_line_id]
        bought = order_lines[line.order_line_id]
        quantity = positive_quantity(told.quantity)
        left = line.stock_quantity - line.returned_quantity
        if quantity > left:
            raise TooMuchReturned(
                details={"receipt_line_id": line.pk, "asked": str(quantity), "can_go_back": str(left)}
            )
        before = _in_bought_unit(line)
        line.returned_quantity += quantity
        if told.rejected:
            line.rejected_quantity += quantity
        # By what went back in all, so that parts of a spool add up to whole spools.
        went = _in_bought_unit(line) - before
        bought.quantity_returned += went
        credit += line_total(bought.unit_price, went)
        made.append(
            VendorReturnLine(
                line_number=position,
                receipt_line=line,
                quantity=quantity,
                unit_cost=line.unit_cost,
                was_rejected=told.rejected,
            )
        )
    returned = VendorReturn(
        number=number,
        purchase_order=row,
        reason=reason,
        vendor_reference=vendor_reference,
        tracking_number=tracking_number,
        credit_expected_amount=credit,
        currency=row.currency,
    )
    returned.save()
    _take_out(made, returned, reason, actor)
    update_documents(list(found.values()), ["returned_quantity", "rejected_quantity"])
    update_documents(list(order_lines.values()), ["quantity_returned"])
    for made_line in made:
        made_line.vendor_return = returned
    insert_documents(made, natural_key="line_number", within={"vendor_return": returned})
    emit(
        "inventory.returned_to_vendor",
        f"inventory.vendorreturn:{returned.pk}",
        id=returned.pk,
        number=returned.number,
        purchase_order_id=row.pk,
        vendor_id=row.vendor_id,
        credit_expected=str(credit),
    )
    return returned


def _in_bought_unit(line: GoodsReceiptLine) -> Decimal:
    """Return what went back of a receipt line, in the unit it was bought in."""
    return round_quantity(line.quantity * line.returned_quantity / line.stock_quantity)


def _take_out(lines: Sequence[VendorReturnLine], returned: VendorReturn, reason: str, actor: User) -> None:
    """Post what goes back, from the place it came to first, then from wherever it lies."""
    needed: dict[_Stock, Decimal] = defaultdict(Decimal)
    places: dict[_Stock, set[int]] = defaultdict(set)
    for line in lines:
        came = line.receipt_line
        needed[(came.product_id, came.lot_id)] += line.quantity
        places[(came.product_id, came.lot_id)].add(came.location_id)
    condition = Q(lot_id__in={lot for _, lot in needed if lot is not None})
    plain = {product for product, lot in needed if lot is None}
    if plain:
        condition |= Q(lot__isnull=True, product_id__in=plain)
    balances = lock_balances(condition)
    movements, short = [], []
    for stock, quantity in needed.items():
        rows = [row for row in balances if (row.product_id, row.lot_id) == stock]
        rows.sort(key=lambda row: (row.location_id not in places[stock], row.pk))
        left = quantity
        for row in rows:
            part = min(left, row.on_hand_quantity - row.allocated_quantity)
            if part > 0:
                movements.append(_out(row, part, returned, reason))
                left -= part
        if left:
            item = {"product_id": stock[0], "lot_id": stock[1], "requested": str(quantity)}
            short.append({**item, "available": str(quantity - left)})
    if short:
        raise InsufficientStock("What is to go back is used, or reserved.", details={"items": short})
    post_locked(movements, {(row.product_id, row.location_id, row.lot_id): row for row in balances}, actor=actor)


def _out(balance: Inventory, quantity: Decimal, returned: VendorReturn, reason: str) -> Movement:
    return Movement(
        Kind.SHIPMENT,
        balance.product_id,
        balance.location_id,
        balance.lot_id,
        -quantity,
        reference_type=Reference.VENDOR_RETURN,
        reference_id=returned.pk,
        reason=reason,
    )


@verb
def return_lot(lot: MaterialLot, *, reason: str, actor: User) -> VendorReturn:
    """Send what is left of a refused lot back to its vendor.

    Raises:
        InvalidValue: the lot did not come by a goods receipt, or nothing is left of it.
        InsufficientStock: some of it is reserved.
    """
    line = GoodsReceiptLine.objects.filter(lot=lot).select_related("receipt__purchase_order").order_by("pk").first()
    if line is None:
        raise InvalidValue("This lot did not come by a goods receipt.", details={"field": "lot"})
    lot.refresh_from_db()
    left = min(lot.quantity_remaining, line.stock_quantity - line.returned_quantity)
    if left <= 0:
        raise InvalidValue("Nothing is left of this lot.", details={"field": "lot"})
    spec = ReturnSpec(line.pk, left, rejected=True)
    return return_to_vendor(line.receipt.purchase_order, [spec], reason=reason, actor=actor)


@verb
def credit_return(
    vendor_return: VendorReturn,
    *,
    amount: Decimal,
    credited_on: datetime.date | None = None,
    actor: User,
    reason: str = "",
) -> VendorReturn:
    """Keep what the vendor gave back for a return.

    Raises:
        InvalidValue: the amount is no amount.
    """
    with VENDOR_RETURN.step(vendor_return, "credit", actor=actor, reason=reason):
        vendor_return.credit_received_amount = valid_amount(amount, "amount")
        vendor_return.credited_on = credited_on or timezone.localdate()
    return vendor_return
