"""Purchase orders: written, approved, ordered, put off, closed. What comes of them is in ``receiving.py``."""

from __future__ import annotations

import datetime
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from decimal import Decimal

from django.conf import settings
from django.db.models import QuerySet
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents, lock_documents, update_documents
from blb3d.core.errors import InvalidTransition, InvalidValue, NotAllowed, ReasonRequired
from blb3d.core.lifecycle import allow
from blb3d.core.money import line_total, round_money
from blb3d.core.numbering import next_number
from blb3d.core.outbox import emit
from blb3d.core.units import positive_quantity
from blb3d.core.verbs import verb
from inventory.errors import ApprovalNeeded, ApprovesOwnOrder, NothingOwed, NoVendorAddress, PurchaseNotEditable
from inventory.lifecycles import PURCHASE_ORDER, REQUISITION
from inventory.models import Product, PurchaseOrder, PurchaseOrderLine, PurchaseRequisition, Vendor
from inventory.selectors.units import stock_quantity, unit_factors
from inventory.services.ledger import valid_cost

Status = PurchaseOrder.Status
_ON_ITS_WAY = (Status.ORDERED, Status.PARTIALLY_RECEIVED)
_LARGEST = Decimal(10_000_000)


@dataclass(frozen=True)
class PurchaseLineSpec:
    """What to buy, how much of it in ``unit``, at what price per that unit."""

    product: Product
    quantity: Decimal
    unit: str
    unit_price: Decimal = Decimal(0)
    vendor_sku: str = ""
    needed_on: datetime.date | None = None
    expected_on: datetime.date | None = None


@verb
def create_purchase_order(
    vendor: Vendor,
    *,
    lines: Sequence[PurchaseLineSpec] = (),
    expected_on: datetime.date | None = None,
    currency: str = "",
    freight: Decimal = Decimal(0),
    tax: Decimal = Decimal(0),
    message: str = "",
    notes: str = "",
    actor: User,
) -> PurchaseOrder:
    """Write a draft order to a vendor, in its currency unless told otherwise; lines may be added until it is ordered.

    Raises:
        InvalidValue: a quantity is not above 0, or freight or tax is no amount.
        UnknownConversion: a unit is not the product's and does not measure what its stock unit does.
    """
    rows = []
    factors = unit_factors([line.product.pk for line in lines])
    for number, line in enumerate(lines, start=1):
        stock_quantity(line.product, line.quantity, line.unit, factors=factors)
        rows.append(
            PurchaseOrderLine(
                line_number=number,
                product=line.product,
                vendor_sku=line.vendor_sku,
                quantity=positive_quantity(line.quantity),
                unit_of_measure=line.unit,
                unit_price=valid_cost(line.unit_price),
                needed_on=line.needed_on,
                expected_on=line.expected_on,
            )
        )
    order = PurchaseOrder(
        po_number=next_number("PUR"),
        vendor=vendor,
        expected_on=expected_on,
        currency=currency or vendor.currency,
        subtotal=_sum_of(rows),
        freight=valid_amount(freight, "freight"),
        tax=valid_amount(tax, "tax"),
        message=message,
        notes=notes,
        written_by=actor,
    )
    order.save()
    for row in rows:
        row.purchase_order = order
    insert_documents(rows, natural_key="line_number", within={"purchase_order": order})
    return order


def valid_amount(amount: Decimal, what: str) -> Decimal:
    """Return an amount of money at cents.

    Raises:
        InvalidValue: it is negative, not a number or absurdly large.
    """
    if not amount.is_finite() or amount < 0 or amount > _LARGEST:
        raise InvalidValue(f"The {what} is an amount of at least 0.", details={"field": what})
    return round_money(amount)


def _sum_of(lines: Collection[PurchaseOrderLine]) -> Decimal:
    return sum((line_total(line.unit_price, line.quantity) for line in lines), Decimal(0))


@verb
def settle_purchase(order: PurchaseOrder, *, actor: User) -> PurchaseOrder:
    """Bring a draft's sum to its lines after they were edited; what was approved before is approved no more.

    Requisitions of what no line of it is for any more are open again.

    Raises:
        PurchaseNotEditable: the order was sent.
        UnknownConversion: a line could not be received, because its unit is not one of the product's.
    """
    [row] = lock_documents(PurchaseOrder.objects.filter(pk=order.pk))
    if row.status != Status.DRAFT:
        raise PurchaseNotEditable(details={"po_number": row.po_number})
    lines = list(row.lines.select_related("product"))
    _check_units(lines)
    row.subtotal, row.written_by, row.approved_by, row.approved_at = _sum_of(lines), actor, None, None
    row.save()
    _reopen(
        row.requisitions.exclude(product__in=[line.product_id for line in lines]),
        reason=f"Taken off {row.po_number}",
        actor=actor,
    )
    order.refresh_from_db()
    return order


@verb
def charge_purchase(order: PurchaseOrder, *, freight: Decimal, tax: Decimal, actor: User) -> PurchaseOrder:
    """Say what freight and tax a draft comes with; what was approved before is approved no more.

    Raises:
        PurchaseNotEditable: the order was sent.
        InvalidValue: an amount is no amount.
    """
    [row] = lock_documents(PurchaseOrder.objects.filter(pk=order.pk))
    if row.status != Status.DRAFT:
        raise PurchaseNotEditable(details={"po_number": row.po_number})
    row.freight, row.tax = valid_amount(freight, "freight"), valid_amount(tax, "tax")
    row.written_by, row.approved_by, row.approved_at = actor, None, None
    row.save()
    order.refresh_from_db()
    return order


def _check_units(lines: Sequence[PurchaseOrderLine]) -> None:
    factors = unit_factors([line.product_id for line in lines])
    for line in lines:
        stock_quantity(line.product, line.quantity, line.unit_of_measure, factors=factors)


def needs_approval(order: PurchaseOrder) -> bool:
    """Tell whether an order is too dear to be sent without a second person's word, and has none yet."""
    limit: Decimal = settings.PURCHASE_APPROVAL_OVER  # type: ignore[misc]
    return order.approved_at is None and order.total > limit


@verb
def approve_purchase(order: PurchaseOrder, *, actor: User, reason: str = "") -> PurchaseOrder:
    """Say that a draft may be ordered as it is; the word holds until its lines change.

    Emits ``inventory.purchase_approved``.

    Raises:
        NotAllowed: the actor may not approve orders.
        ApprovesOwnOrder: the actor wrote the order or last changed its lines, and may not approve own orders.
        StaleVersion: the order changed since it was read: that is not what was looked at.
        InvalidTransition: the order is no draft, or approved already.
        InvalidValue: it has no lines.
    """
    allow(actor, "inventory.approve_purchaseorder")
    [row] = lock_documents(PurchaseOrder.objects.filter(pk=order.pk))
    row.check_version(order.version)
    if row.status != Status.DRAFT or row.approved_at is not None:
        raise InvalidTransition("Only a draft that nobody has approved yet is approved.", details={"step": "approve"})
    if not row.lines.exists():
        raise InvalidValue("A purchase order needs a line.", details={"field": "lines"})
    if actor.pk in (row.created_by_id, row.written_by_id):
        try:
            allow(actor, "inventory.approve_own_purchaseorder")
        except NotAllowed:
            raise ApprovesOwnOrder(details={"po_number": row.po_number}) from None
    row.approved_by, row.approved_at = actor, timezone.now()
    row.save()
    emit(
        "inventory.purchase_approved",
        f"inventory.purchaseorder:{row.pk}",
        id=row.pk,
        number=row.po_number,
        approved_by_id=actor.pk,
        total=str(row.total),
    )
    order.refresh_from_db()
    return order


@verb
def order_purchase(order: PurchaseOrder, *, actor: User, reason: str = "") -> PurchaseOrder:
    """Order it from the vendor today; the vendor is mailed the order once this is committed.

    The days on which lines are expected become the days that the vendor is measured by.

    Raises:
        InvalidValue: it has no lines.
        UnknownConversion: a line could not be received, because its unit is not one of the product's.
        ApprovalNeeded: it is above what may be ordered without a second person's word.
    """
    with PURCHASE_ORDER.step(order, "order", actor=actor, reason=reason):
        lines = list(order.lines.select_related("product"))
        if not lines:
            raise InvalidValue("A purchase order needs a line.", details={"field": "lines"})
        _check_units(lines)
        order.subtotal = _sum_of(lines)
        if needs_approval(order):
            raise ApprovalNeeded(
                details={"total": str(order.total), "over": str(settings.PURCHASE_APPROVAL_OVER)}  # type: ignore[misc]
            )
        for line in lines:
            line.promised_on = line.expected_on or order.expected_on
        update_documents(lines, ["promised_on"])
        order.ordered_on = timezone.localdate()
    return order


@verb
def send_purchase_again(order: PurchaseOrder, *, actor: User) -> PurchaseOrder:
    """Mail the order to the vendor once more; fact ``inventory.purchase_send_asked``.

    Raises:
        InvalidTransition: the order is not on its way.
        NoVendorAddress: the vendor has no mail address.
    """
    if order.status not in _ON_ITS_WAY:
        raise InvalidTransition("Only an order that is on its way is sent.", details={"step": "send"})
    if not order.vendor.email:
        raise NoVendorAddress(details={"vendor": order.vendor.code})
    emit("inventory.purchase_send_asked", f"inventory.purchaseorder:{order.pk}", id=order.pk, number=order.po_number)
    return order


@verb
def mark_purchase_sent(order: PurchaseOrder, *, actor: User) -> PurchaseOrder:
    """Keep when the mail server took the order for the vendor."""
    [row] = lock_documents(PurchaseOrder.all_objects.filter(pk=order.pk))
    row.sent_at = timezone.now()
    row.save()
    return row


@verb
def reschedule_purchase(
    order: PurchaseOrder,
    *,
    expected_on: datetime.date,
    line_ids: Collection[int] | None = None,
    reason: str,
    actor: User,
) -> PurchaseOrder:
    """Expect an order, or some of its lines, on another day; fact ``inventory.purchase_rescheduled``.

    What the vendor promised when it was ordered stays what it is measured by.

    Raises:
        ReasonRequired: no reason is given.
        InvalidTransition: nothing of the order is on its way.
        InvalidValue: a line is not of this order.
        NothingOwed: nothing of these lines is still to come.
    """
    if not reason.strip():
        raise ReasonRequired(details={"step": "reschedule"})
    row, lines = _open_lines(order, line_ids, "reschedule", (Status.DRAFT, *_ON_ITS_WAY))
    for line in lines:
        line.expected_on = expected_on
    update_documents(lines, ["expected_on"])
    days = [line.expected_on or row.expected_on for line in row.lines.all() if line.owed]
    row.expected_on = max((day for day in days if day is not None), default=expected_on)
    row.save()
    emit(
        "inventory.purchase_rescheduled",
        f"inventory.purchaseorder:{row.pk}",
        id=row.pk,
        number=row.po_number,
        expected_on=expected_on.isoformat(),
        line_ids=[line.pk for line in lines],
        product_ids=sorted({line.product_id for line in lines}),
    )
    order.refresh_from_db()
    return order


@verb
def cancel_purchase_rest(order: PurchaseOrder, *, line_ids: Collection[int], reason: str, actor: User) -> PurchaseOrder:
    """Expect no more of some lines; when nothing is owed any more, the order is closed short, or cancelled.

    Of a draft the lines are taken off: nobody was asked for them.

    Raises:
        ReasonRequired: no reason is given.
        InvalidTransition: the order is not on its way.
        InvalidValue: a line is not of this order.
        NothingOwed: nothing of these lines is still to come.
    """
    if not reason.strip():
        raise ReasonRequired(details={"step": "cancel_rest"})
    row, lines = _open_lines(order, line_ids, "cancel_rest", (Status.DRAFT, *_ON_ITS_WAY))
    if row.status == Status.DRAFT:
        return _take_off(order, lines, actor=actor, reason=reason)
    for line in lines:
        line.quantity_cancelled += line.owed
    update_documents(lines, ["quantity_cancelled"])
    if not any(line.owed for line in row.lines.all()):
        if row.status == Status.ORDERED:
            cancel_purchase(row, reason=reason, actor=actor)
        else:
            close_purchase_short(row, reason=reason, actor=actor)
    else:
        emit(
            "inventory.purchase_cut",
            f"inventory.purchaseorder:{row.pk}",
            id=row.pk,
            number=row.po_number,
            line_ids=[line.pk for line in lines],
            product_ids=sorted({line.product_id for line in lines}),
        )
    order.refresh_from_db()
    return order


def _take_off(order: PurchaseOrder, lines: Sequence[PurchaseOrderLine], *, actor: User, reason: str) -> PurchaseOrder:
    """Take lines off a draft, or cancel it where no line would be left."""
    if order.lines.count() == len(lines):
        return cancel_purchase(order, reason=reason, actor=actor)
    for line in lines:
        line.deleted_at = timezone.now()
    update_documents(lines, ["deleted_at"])
    return settle_purchase(order, actor=actor)


def _open_lines(
    order: PurchaseOrder, line_ids: Collection[int] | None, step: str, statuses: Collection[str]
) -> tuple[PurchaseOrder, list[PurchaseOrderLine]]:
    """Lock an order and return it with those of the named lines that are still owed; all of them when none is named."""
    [row] = lock_documents(PurchaseOrder.objects.filter(pk=order.pk))
    if row.status not in statuses:
        raise InvalidTransition(
            f"{step.replace('_', ' ').capitalize()} is not possible from {row.status}.",
            details={"step": step, "status": row.status},
        )
    lines = {line.pk: line for line in row.lines.all()}
    wanted = set(lines) if line_ids is None else set(line_ids)
    if not wanted or wanted - set(lines):
        raise InvalidValue("A line is not of this order.", details={"lines": sorted(wanted - set(lines))})
    found = [line for pk, line in lines.items() if pk in wanted and line.owed]
    if not found:
        raise NothingOwed(details={"po_number": row.po_number})
    return row, found


@verb
def close_purchase_short(order: PurchaseOrder, *, actor: User, reason: str) -> PurchaseOrder:
    """Expect no more of an order that came in part."""
    with PURCHASE_ORDER.step(order, "close_short", actor=actor, reason=reason):
        pass
    return order


@verb
def cancel_purchase(order: PurchaseOrder, *, actor: User, reason: str) -> PurchaseOrder:
    """Cancel an order of which nothing has come; the requisitions that it answered are open again."""
    with PURCHASE_ORDER.step(order, "cancel", actor=actor, reason=reason):
        _reopen(order.requisitions.all(), reason=reason, actor=actor)
    return order


def _reopen(requisitions: QuerySet[PurchaseRequisition], *, reason: str, actor: User) -> None:
    """Open requisitions again whose order does not answer them any more."""
    asked = list(requisitions.filter(status=PurchaseRequisition.Status.ORDERED))
    with REQUISITION.step_many(asked, "reopen", actor=actor, reason=reason) as move:
        move.set(purchase_order=None)
