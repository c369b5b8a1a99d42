"""Vendors' bills: entered, matched against what was ordered and what came, approved, paid."""

from __future__ import annotations

import datetime
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents, lock_documents, update_documents
from blb3d.core.errors import InvalidValue, ReasonRequired
from blb3d.core.lifecycle import allow
from blb3d.core.money import line_total
from blb3d.core.numbering import next_number
from blb3d.core.units import positive_quantity
from blb3d.core.verbs import verb
from inventory.errors import BillNotApprovable, BillNumberTaken
from inventory.lifecycles import VENDOR_BILL
from inventory.models import (
    GoodsReceiptLine,
    PurchaseOrder,
    PurchaseOrderLine,
    Reference,
    Vendor,
    VendorBill,
    VendorBillLine,
)
from inventory.selectors.matching import match_rows
from inventory.services.ledger import valid_cost
from inventory.services.purchasing import valid_amount
from inventory.services.receiving import spread
from inventory.services.revaluation import CostAdded, add_cost

_ZERO = Decimal(0)


@dataclass(frozen=True)
class BillLineSpec:
    """What is billed of an order's line: how much, in the unit it was bought in, at what price per that unit."""

    order_line_id: int
    quantity: Decimal
    unit_price: Decimal


@verb
def enter_bill(
    vendor: Vendor,
    lines: Sequence[BillLineSpec],
    *,
    bill_number: str,
    billed_on: datetime.date,
    due_on: datetime.date | None = None,
    currency: str = "",
    freight: Decimal = _ZERO,
    tax: Decimal = _ZERO,
    notes: str = "",
    actor: User,
) -> VendorBill:
    """Enter a vendor's bill and match it at once; due after the vendor's days unless told otherwise.

    Raises:
        InvalidValue: there is no line or number, a value is out of range, or a line is not of an order to this vendor.
        BillNumberTaken: this vendor's bill was entered already.
    """
    bill_number = bill_number.strip().upper()
    if not bill_number or not lines:
        raise InvalidValue("A bill has a number and a line.", details={"field": "lines" if bill_number else "number"})
    number = next_number("VB")
    wanted = {line.order_line_id for line in lines}
    bought = _lock_lines(wanted)
    theirs = PurchaseOrderLine.objects.filter(pk__in=bought, purchase_order__vendor=vendor)
    foreign = wanted - set(theirs.values_list("pk", flat=True))
    if foreign:
        raise InvalidValue("A line is not of an order to this vendor.", details={"lines": sorted(foreign)})
    rows = [
        VendorBillLine(
            line_number=position,
            order_line=bought[line.order_line_id],
            quantity=positive_quantity(line.quantity),
            unit_price=valid_cost(line.unit_price),
        )
        for position, line in enumerate(lines, start=1)
    ]
    bill = VendorBill(
        number=number,
        vendor=vendor,
        bill_number=bill_number,
        billed_on=billed_on,
        due_on=due_on or billed_on + datetime.timedelta(days=vendor.payment_days),
        currency=currency or vendor.currency,
        subtotal=sum((line_total(row.unit_price, row.quantity) for row in rows), _ZERO),
        freight=valid_amount(freight, "freight"),
        tax=valid_amount(tax, "tax"),
        notes=notes,
    )
    try:
        with transaction.atomic():
            bill.save()
    except IntegrityError:
        known = VendorBill.objects.filter(vendor=vendor, bill_number=bill_number).exclude(
            status=VendorBill.Status.CANCELLED
        )
        ours = known.values_list("number", flat=True).first()
        if ours:
            raise BillNumberTaken(details={"bill_number": bill_number, "number": ours}) from None
        raise
    for row in rows:
        row.bill = bill
    insert_documents(rows, natural_key="line_number", within={"bill": bill})
    _count_billed(rows, bought, 1)
    return match_bill(bill, actor=actor)


def _lock_lines(pks: Iterable[int]) -> dict[int, PurchaseOrderLine]:
    """Lock lines of orders, their orders first: receipts and returns wait, so that what is compared stands still."""
    rows = PurchaseOrderLine.objects.filter(pk__in=set(pks))
    lock_documents(PurchaseOrder.objects.filter(pk__in=set(rows.values_list("purchase_order_id", flat=True))))
    return {line.pk: line for line in lock_documents(rows)}


def _count_billed(rows: Sequence[VendorBillLine], bought: dict[int, PurchaseOrderLine], sign: int) -> None:
    for row in rows:
        bought[row.order_line_id].quantity_billed += sign * row.quantity
    update_documents(list(bought.values()), ["quantity_billed"])


@verb
def match_bill(bill: VendorBill, *, actor: User, reason: str = "") -> VendorBill:
    """Compare a bill with what was ordered and what came: it matches, or is disputed with what differs in words."""
    with VENDOR_BILL.step(bill, "match", actor=actor, reason=reason) as move:
        _, bill.differences = _differences(bill)
        move.to(VendorBill.Status.DISPUTED if bill.differences else VendorBill.Status.MATCHED)
    return bill


def _differences(bill: VendorBill) -> tuple[bool, list[str]]:
    """Return whether more is billed than may be paid, and everything that differs, in words."""
    rows = match_rows(bill)
    words = [word for row in rows for word in row.differences]
    too_much = any(row.too_much for row in rows)
    currencies = {row.line.order_line.purchase_order.currency for row in rows} - {bill.currency}
    if currencies:
        too_much = True
        words.append(f"It is billed in {bill.currency}, ordered in {', '.join(sorted(currencies))}.")
    orders = {row.line.order_line.purchase_order_id: row.line.order_line.purchase_order for row in rows}
    agreed = sum((order.freight for order in orders.values()), _ZERO)
    elsewhere = _freight_elsewhere(bill, orders)
    if bill.freight and bill.freight + elsewhere > agreed:
        also = f" and at {elsewhere} on other bills" if elsewhere else ""
        words.append(f"Freight is billed at {bill.freight}{also}, {agreed or 'none'} was agreed.")
    return too_much, words


def _freight_elsewhere(bill: VendorBill, order_ids: Iterable[int]) -> Decimal:
    """Return what other live bills of a bill's orders ask for freight; asked only where it asks for some itself."""
    if not bill.freight:
        return _ZERO
    of_orders = VendorBillLine.objects.filter(order_line__purchase_order__in=list(order_ids))
    others = VendorBill.objects.filter(pk__in=of_orders.values("bill")).exclude(pk=bill.pk)
    return sum(others.exclude(status=VendorBill.Status.CANCELLED).values_list("freight", flat=True), _ZERO)


@verb
def approve_bill(bill: VendorBill, *, actor: User, reason: str = "") -> VendorBill:
    """Let a bill be paid. A price that differs is put right on the stock that is still here; the rest is expensed.

    A bill that does not match takes a reason, and cannot be approved at all when more is billed than came and stayed.

    Raises:
        NotAllowed: the actor may not approve bills.
        BillNotApprovable: more is billed than came, or in another currency.
        ReasonRequired: it does not match and no reason is given.
    """
    allow(actor, "inventory.approve_vendorbill")
    lines = list(bill.lines.all())
    bought = _lock_lines(line.order_line_id for line in lines)
    with VENDOR_BILL.step(bill, "approve", actor=actor, reason=reason) as move:
        # Something may have gone back since it was matched.
        too_much, bill.differences = _differences(bill)
        if too_much:
            raise BillNotApprovable(details={"number": bill.number, "differences": bill.differences})
        if bill.differences and not reason.strip():
            raise ReasonRequired("Please say why it is paid although it differs.", details={"step": "approve"})
        added = _price_differences(lines, bought)
        if added:
            why = f"{bill.number}: billed at another price than ordered"
            spread_over = add_cost(
                added, reference_type=Reference.VENDOR_BILL, reference_id=bill.pk, reason=why, actor=actor
            )
            bill.on_stock_amount, bill.expensed_amount = spread_over.on_stock, spread_over.expensed
        move.payload["on_stock"] = str(bill.on_stock_amount)
        move.payload["expensed"] = str(bill.expensed_amount)
    return bill


def _price_differences(lines: Sequence[VendorBillLine], bought: dict[int, PurchaseOrderLine]) -> list[CostAdded]:
    """Return by how much what came of each line was dearer or cheaper than ordered, divided among its receipts."""
    differs: dict[int, Decimal] = defaultdict(Decimal)
    for line in lines:
        differs[line.order_line_id] += (line.unit_price - bought[line.order_line_id].unit_price) * line.quantity
    receipts: dict[int, list[GoodsReceiptLine]] = defaultdict(list)
    wanted = [pk for pk, amount in differs.items() if amount]
    if not wanted:
        return []
    for came in GoodsReceiptLine.objects.filter(order_line_id__in=wanted).order_by("order_line_id", "pk"):
        if came.stock_quantity > came.returned_quantity:
            receipts[came.order_line_id].append(came)
    added = []
    for pk in wanted:
        kept = [came.stock_quantity - came.returned_quantity for came in receipts[pk]]
        for came, quantity, share in zip(receipts[pk], kept, spread(differs[pk], kept), strict=True):
            if share:
                added.append(CostAdded(came.product_id, came.lot_id, quantity, share))
    return added


@verb
def pay_bill(
    bill: VendorBill,
    *,
    payment_reference: str,
    paid_on: datetime.date | None = None,
    actor: User,
    reason: str = "",
) -> VendorBill:
    """Keep that an approved bill was paid, and by what.

    Raises:
        InvalidValue: nothing says by what it was paid.
    """
    if not payment_reference.strip():
        raise InvalidValue("Please say by what it was paid.", details={"field": "payment_reference"})
    with VENDOR_BILL.step(bill, "pay", actor=actor, reason=reason):
        bill.paid_on = paid_on or timezone.localdate()
        bill.payment_reference = payment_reference.strip()
    return bill


@verb
def cancel_bill(bill: VendorBill, *, reason: str, actor: User) -> VendorBill:
    """Take a bill back that is not to be paid: it may be entered again, and its lines may be billed again."""
    lines = list(bill.lines.all())
    bought = _lock_lines(line.order_line_id for line in lines)
    with VENDOR_BILL.step(bill, "cancel", actor=actor, reason=reason):
        _count_billed(lines, bought, -1)
    return bill
