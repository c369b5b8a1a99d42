"""Goods that come in against a purchase order: lots and stock at what they cost to get here, in one posting."""

from __future__ import annotations

import datetime
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import ROUND_DOWN, Decimal
from typing import IO

from django.conf import settings
from django.db import IntegrityError, transaction
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import insert_documents, update_documents
from blb3d.core.errors import InvalidValue
from blb3d.core.numbering import next_number, next_numbers
from blb3d.core.outbox import Fact, emit_all
from blb3d.core.units import Unit, convert, dimension_units, positive_quantity, round_quantity
from blb3d.core.verbs import verb
from inventory.errors import LotNumberTaken, TooMuchReceived, WeightUnknown
from inventory.lifecycles import PURCHASE_ORDER
from inventory.models import (
    GoodsReceipt,
    GoodsReceiptLine,
    InventoryLocation,
    LandedCost,
    MaterialLot,
    Product,
    PurchaseOrder,
    PurchaseOrderLine,
    Reference,
)
from inventory.selectors.stock import default_location
from inventory.selectors.units import Factors, stock_quantity, unit_factors
from inventory.services.ledger import Kind, Movement, post_transactions
from inventory.services.lots import attach_certificate
from inventory.services.purchasing import valid_amount

Basis = LandedCost.Basis
_ZERO = Decimal(0)


@dataclass(frozen=True)
class PurchaseReceipt:
    """What came of a line, in the line's unit, as one lot; several of a line may come.

    ``lot_number`` is ours and drawn when a tracked product has none; ``certificate`` is the lot's, as uploaded.
    """

    line_id: int
    quantity: Decimal
    lot_number: str = ""
    vendor_lot_number: str = ""
    expires_at: datetime.datetime | None = None
    quarantine: bool = False
    location: InventoryLocation | None = None
    certificate: IO[bytes] | None = None
    certificate_name: str = ""


@dataclass
class _Came:
    """One receipt, worked out: its line, what of it is put on the shelf, and what that costs per stock unit."""

    told: PurchaseReceipt
    line: PurchaseOrderLine
    place: InventoryLocation
    quantity: Decimal
    kept: Decimal
    has_lot: bool
    unit_cost: Decimal = _ZERO
    lot: MaterialLot | None = None

    @property
    def is_kept(self) -> bool:
        """Tell whether it lies on a shelf now: a service is done and never does."""
        return _is_kept(self.line.product)


@verb
def receive_purchase(
    order: PurchaseOrder,
    receipts: Sequence[PurchaseReceipt],
    *,
    location: InventoryLocation | None = None,
    actor: User,
    reason: str = "",
) -> PurchaseOrder:
    """Receive what came and return the order; see :func:`receive_goods`."""
    receive_goods(order, receipts, location=location, reason=reason, actor=actor)
    return order


@verb
def receive_goods(
    order: PurchaseOrder,
    receipts: Sequence[PurchaseReceipt],
    *,
    location: InventoryLocation | None = None,
    packing_slip: str = "",
    received_at: datetime.datetime | None = None,
    freight: Decimal = _ZERO,
    duty: Decimal = _ZERO,
    basis: str = Basis.VALUE,
    notes: str = "",
    actor: User,
    reason: str = "",
) -> GoodsReceipt:
    """Receive what came of an order: tracked products as lots, others as plain stock; fact ``inventory.lot_received``.

    Of a service it is only noted that it was done.
    ``freight`` and ``duty`` are shared among what came, by value or weight, and are part of its cost. A little more
    than ordered may come (``OVER_RECEIPT_TOLERANCE_PERCENT``). What its product or vendor says, and what lacks the
    certificate it needs, is received into quarantine. The order is received when every line is. The number of
    statements depends on neither lines nor lots, only on certificates.

    Raises:
        InvalidTransition: the order is not on its way.
        InvalidValue: nothing came, or a line is not of this order.
        TooMuchReceived: more came than is tolerated.
        LotNumberTaken: one of the lots exists, or is named twice.
        WeightUnknown: the costs are to be shared by weight and a product has none.
        UnknownConversion, InexactQuantity: a quantity does not come out in the product's stock unit.
    """
    if not receipts:
        raise InvalidValue("Please say what came.", details={"field": "receipts"})
    extra = {
        LandedCost.Kind.FREIGHT: valid_amount(freight, "freight"),
        LandedCost.Kind.DUTY: valid_amount(duty, "duty"),
    }
    lines = {line.pk: line for line in order.lines.select_related("product")}
    unknown = [receipt.line_id for receipt in receipts if receipt.line_id not in lines]
    if unknown:
        raise InvalidValue("A line is not of this order.", details={"lines": unknown})
    quarantined = _quarantined(order, receipts, lines)
    has_lot = [
        _is_kept(lines[told.line_id].product)
        and (lines[told.line_id].product.is_lot_tracked or kept_back or _names_lot(told))
        for told, kept_back in zip(receipts, quarantined, strict=True)
    ]
    # Numbers first: sequences are locked before anything else.
    number = next_number("GR")
    unnamed = sum(is_lot and not told.lot_number.strip() for told, is_lot in zip(receipts, has_lot, strict=True))
    drawn = iter(next_numbers("LOT", unnamed))
    with PURCHASE_ORDER.step(order, "receive", actor=actor, reason=reason) as move:
        # Read again now that the order is locked: what came meanwhile counts.
        lines = {line.pk: line for line in order.lines.select_related("product")}
        came = _worked_out(receipts, has_lot, lines, location)
        _refuse_too_much(came)
        _cost(came, sum(extra.values(), _ZERO), basis)
        receipt = GoodsReceipt(
            number=number,
            purchase_order=order,
            received_at=received_at or timezone.now(),
            packing_slip=packing_slip,
            notes=notes,
        )
        _make_lots(came, quarantined, drawn, order, receipt.received_at)
        post_transactions([_movement(row, order, received_at) for row in came if row.is_kept], actor=actor)
        receipt.save()
        _write_lines(receipt, came)
        _write_costs(receipt, extra, basis)
        touched = {row.line.pk: row.line for row in came}
        update_documents([touched[pk] for pk in sorted(touched)], ["quantity_received"])
        emit_all(_facts(came, order))
        move.payload["receipt_id"] = receipt.pk
        move.payload["product_ids"] = sorted({row.line.product_id for row in came})
        if not any(line.owed for line in lines.values()):
            move.to(PurchaseOrder.Status.RECEIVED)
    for row in came:
        if row.told.certificate is not None and row.lot is not None:
            name = row.told.certificate_name
            attach_certificate(row.lot, content=row.told.certificate, file_name=name, actor=actor)
    return receipt


def _is_kept(product: Product) -> bool:
    return product.category != Product.Category.SERVICE


def _names_lot(told: PurchaseReceipt) -> bool:
    """Tell whether something was said that only a lot can hold."""
    return bool(
        told.lot_number.strip() or told.vendor_lot_number.strip() or told.expires_at or told.certificate is not None
    )


def _quarantined(
    order: PurchaseOrder, receipts: Sequence[PurchaseReceipt], lines: Mapping[int, PurchaseOrderLine]
) -> list[bool]:
    """Return which receipts may not be used before somebody has looked."""
    rows = []
    for told in receipts:
        product = lines[told.line_id].product
        lacks_certificate = product.requires_certificate and told.certificate is None
        rows.append(
            told.quarantine or product.quarantine_receipts or order.vendor.quarantine_receipts or lacks_certificate
        )
    return rows


def _worked_out(
    receipts: Sequence[PurchaseReceipt],
    has_lot: Sequence[bool],
    lines: Mapping[int, PurchaseOrderLine],
    location: InventoryLocation | None,
) -> list[_Came]:
    factors: Factors = unit_factors([lines[told.line_id].product_id for told in receipts])
    place = location if location is not None or all(told.location for told in receipts) else default_location()
    rows = []
    for told, is_lot in zip(receipts, has_lot, strict=True):
        line = lines[told.line_id]
        quantity = positive_quantity(told.quantity)
        kept = stock_quantity(line.product, quantity, line.unit_of_measure, factors=factors)
        where = told.location or place
        assert where is not None
        rows.append(_Came(told, line, where, quantity, kept, is_lot))
        line.quantity_received += quantity
    return rows


def _refuse_too_much(came: Sequence[_Came]) -> None:
    tolerance: Decimal = settings.OVER_RECEIPT_TOLERANCE_PERCENT  # type: ignore[misc]
    items = []
    for line in {row.line.pk: row.line for row in came}.values():
        ordered = line.quantity - line.quantity_cancelled
        most = round_quantity(ordered * (1 + tolerance / 100))
        if line.quantity_received > most:
            now = sum((row.quantity for row in came if row.line is line), _ZERO)
            items.append(
                {
                    "line": line.line_number,
                    "sku": line.product.sku,
                    "came": str(now),
                    "may_come": str(max(most - line.quantity_received + now, _ZERO)),
                    "unit": line.unit_of_measure,
                }
            )
    if items:
        raise TooMuchReceived(details={"lines": items})


def _cost(came: Sequence[_Came], extra: Decimal, basis: str) -> None:
    """Set what a stock unit of each receipt costs: its price, and its share of what it cost to get here."""
    values = [row.line.unit_price * row.quantity for row in came]
    shares = [_ZERO] * len(came)
    if extra:
        goods = [place for place, row in enumerate(came) if row.is_kept] or list(range(len(came)))
        by_value = basis == Basis.VALUE
        weights = (
            [values[place] for place in goods]
            if by_value
            else weights_of([(came[place].line.product, came[place].kept) for place in goods])
        )
        for place, share in zip(goods, spread(extra, weights), strict=True):
            shares[place] = share
    for row, value, share in zip(came, values, shares, strict=True):
        row.unit_cost = round_quantity((value + share) / row.kept)


def spread(amount: Decimal, weights: Sequence[Decimal]) -> list[Decimal]:
    """Divide an amount in proportion to weights, at four decimals, so that the parts add up to it exactly.

    Where every weight is nothing, the parts are alike.
    """
    total = sum(weights, _ZERO)
    if not total:
        weights, total = [Decimal(1)] * len(weights), Decimal(len(weights))
    parts, given, seen = [], _ZERO, _ZERO
    for weight in weights:
        seen += weight
        up_to = (amount * seen / total).quantize(Decimal("0.0001"), rounding=ROUND_DOWN)
        if seen == total:
            up_to = amount
        parts.append(up_to - given)
        given = up_to
    return parts


def weights_of(rows: Sequence[tuple[Product, Decimal]]) -> list[Decimal]:
    """Return what quantities of products weigh, in grams.

    Raises:
        WeightUnknown: a product is not kept by weight and has no shipping weight.
    """
    by_weight = dimension_units(Unit.GRAM)
    missing = sorted(
        {
            product.sku
            for product, _ in rows
            if product.unit_of_measure not in by_weight and product.shipping_weight_grams is None
        }
    )
    if missing:
        raise WeightUnknown(f"The weight of {', '.join(missing)} is not known.", details={"skus": missing})
    return [
        convert(quantity, product.unit_of_measure, Unit.GRAM)
        if product.unit_of_measure in by_weight
        else quantity * (product.shipping_weight_grams or _ZERO)
        for product, quantity in rows
    ]


def _make_lots(
    came: Sequence[_Came],
    quarantined: Sequence[bool],
    drawn: object,
    order: PurchaseOrder,
    received_at: datetime.datetime,
) -> None:
    """Write the lots, still empty: the posting fills them.

    Raises:
        LotNumberTaken: one of them exists, or is named twice.
    """
    numbers: list[str] = []
    for row, kept_back in zip(came, quarantined, strict=True):
        if not row.has_lot:
            continue
        number = row.told.lot_number.strip() or next(drawn)  # type: ignore[call-overload]
        row.lot = MaterialLot(
            lot_number=number,
            product=row.line.product,
            vendor=order.vendor,
            purchase_order=order,
            vendor_lot_number=row.told.vendor_lot_number.strip(),
            received_date=received_at,
            expiration_date=row.told.expires_at,
            quantity_received=row.kept,
            quantity_remaining=_ZERO,
            unit_cost=row.unit_cost,
            status=MaterialLot.Status.QUARANTINE if kept_back else MaterialLot.Status.ACTIVE,
        )
        numbers.append(number)
    twice = sorted({number for number in numbers if numbers.count(number) > 1})
    if twice:
        raise LotNumberTaken(details={"lot_number": ", ".join(twice)})
    lots = [row.lot for row in came if row.lot is not None]
    try:
        with transaction.atomic():
            insert_documents(lots, natural_key="lot_number")
    except IntegrityError:
        taken = MaterialLot.all_objects.filter(lot_number__in=numbers).order_by("lot_number")
        known = list(taken.values_list("lot_number", flat=True))
        if known:
            raise LotNumberTaken(details={"lot_number": ", ".join(known)}) from None
        raise


def _movement(row: _Came, order: PurchaseOrder, received_at: datetime.datetime | None) -> Movement:
    return Movement(
        Kind.RECEIPT,
        row.line.product_id,
        row.place.pk,
        row.lot.pk if row.lot is not None else None,
        row.kept,
        unit_cost=row.unit_cost,
        reference_type=Reference.PURCHASE_ORDER,
        reference_id=order.pk,
        at=received_at if row.lot is None else row.lot.received_date,
    )


def _write_lines(receipt: GoodsReceipt, came: Sequence[_Came]) -> None:
    rows = [
        GoodsReceiptLine(
            receipt=receipt,
            line_number=number,
            order_line=row.line,
            product=row.line.product,
            lot=row.lot,
            location=row.place,
            quantity=row.quantity,
            unit_of_measure=row.line.unit_of_measure,
            stock_quantity=row.kept,
            unit_cost=row.unit_cost,
        )
        for number, row in enumerate(came, start=1)
    ]
    insert_documents(rows, natural_key="line_number", within={"receipt": receipt})


def _write_costs(receipt: GoodsReceipt, extra: Mapping[LandedCost.Kind, Decimal], basis: str) -> None:
    rows = [
        LandedCost(receipt=receipt, kind=kind, basis=basis, amount=amount, on_stock_amount=amount)
        for kind, amount in extra.items()
        if amount
    ]
    insert_documents(rows, natural_key="kind", within={"receipt": receipt})


def _facts(came: Sequence[_Came], order: PurchaseOrder) -> list[Fact]:
    return [
        Fact(
            "inventory.lot_received",
            f"inventory.materiallot:{row.lot.pk}",
            {
                "id": row.lot.pk,
                "number": row.lot.lot_number,
                "product_id": row.line.product_id,
                "vendor_id": order.vendor_id,
                "purchase_order_id": order.pk,
            },
        )
        for row in came
        if row.lot is not None
    ]
