"""Stock that comes in: lots from vendors, output from the shop floor; and what becomes of a lot."""

from __future__ import annotations

import datetime
from decimal import Decimal

from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.errors import InvalidValue
from blb3d.core.outbox import emit
from blb3d.core.verbs import verb
from inventory.errors import LotNumberTaken
from inventory.lifecycles import LOT
from inventory.models import (
    InventoryLocation,
    MaterialLot,
    Product,
    PurchaseOrder,
    Reference,
    Reservation,
    Vendor,
)
from inventory.selectors.stock import default_location
from inventory.selectors.units import stock_quantity
from inventory.services.ledger import Kind, Movement, lock_balances, post_transactions, valid_cost
from inventory.services.lots import require_certificate
from inventory.services.reservations import release_rows


@verb
def receive_lot(
    product: Product,
    *,
    lot_number: str,
    quantity: Decimal,
    unit_cost: Decimal,
    vendor: Vendor | None = None,
    purchase_order: PurchaseOrder | None = None,
    location: InventoryLocation | None = None,
    unit: str | None = None,
    vendor_lot_number: str = "",
    received_at: datetime.datetime | None = None,
    expires_at: datetime.datetime | None = None,
    quarantine: bool = False,
    actor: User,
) -> MaterialLot:
    """Receive a lot into stock and return it; fact ``inventory.lot_received``.

    ``quantity`` is in ``unit``, else in the product's stock unit; ``unit_cost`` is per stock unit. A lot in quarantine
    is on hand but cannot be used before it is released; one of a product that asks for a certificate begins there.

    Raises:
        LotNumberTaken: a lot with this number exists.
        UnknownConversion: ``unit`` is not the product's and does not measure what the stock unit does.
        InexactQuantity: so many of the product's own unit are not a quantity of 4 decimals.
        NoLocation: no location is given and none is the default.
    """
    kept = stock_quantity(product, quantity, unit or product.unit_of_measure)
    lot_number = lot_number.strip()
    if not lot_number:
        raise InvalidValue("A lot needs a number.", details={"field": "lot_number"})
    place = location or default_location()
    lot = MaterialLot(
        lot_number=lot_number,
        product=product,
        vendor=vendor,
        purchase_order=purchase_order,
        vendor_lot_number=vendor_lot_number,
        received_date=received_at or timezone.now(),
        expiration_date=expires_at,
        quantity_received=kept,
        quantity_remaining=Decimal(0),
        unit_cost=valid_cost(unit_cost),
        status=_first_status(product, quarantine),
    )
    try:
        with transaction.atomic():
            lot.save()
    except IntegrityError:
        if MaterialLot.all_objects.filter(lot_number=lot_number).exists():
            raise LotNumberTaken(details={"lot_number": lot_number}) from None
        raise
    reference = (Reference.PURCHASE_ORDER, purchase_order.pk) if purchase_order else (Reference.LOT, lot.pk)
    receipt = Movement(
        Kind.RECEIPT,
        product.pk,
        place.pk,
        lot.pk,
        kept,
        unit_cost=lot.unit_cost,
        reference_type=reference[0],
        reference_id=reference[1],
        at=lot.received_date,
    )
    post_transactions([receipt], actor=actor)
    lot.refresh_from_db()
    emit(
        "inventory.lot_received",
        f"inventory.materiallot:{lot.pk}",
        id=lot.pk,
        number=lot.lot_number,
        product_id=product.pk,
        vendor_id=vendor.pk if vendor else None,
        purchase_order_id=purchase_order.pk if purchase_order else None,
    )
    return lot


def _first_status(product: Product, quarantine: bool) -> MaterialLot.Status:
    waits = quarantine or product.requires_certificate
    return MaterialLot.Status.QUARANTINE if waits else MaterialLot.Status.ACTIVE


@verb
def release_lot(lot: MaterialLot, *, actor: User, reason: str = "") -> MaterialLot:
    """Let a lot in quarantine be used; one that is empty stays so in all but name.

    Raises:
        CertificateMissing: the product asks for a certificate of analysis, and the lot has none.
    """
    with LOT.step(lot, "release", actor=actor, reason=reason):
        require_certificate(lot)
    return lot


@verb
def quarantine_lot(lot: MaterialLot, *, actor: User, reason: str) -> MaterialLot:
    """Take a lot out of use and give free what was reserved of it; the fact names how many reservations that were."""
    released = _free_reservations(lot, actor=actor, reason=reason)
    with LOT.step(lot, "quarantine", actor=actor, reason=reason) as move:
        move.payload["released_reservations"] = released
    return lot


@verb
def expire_lot(lot: MaterialLot, *, actor: User, reason: str = "") -> MaterialLot:
    """Take a lot out of use for good and give free what was reserved of it."""
    released = _free_reservations(lot, actor=actor, reason=reason)
    with LOT.step(lot, "expire", actor=actor, reason=reason) as move:
        move.payload["released_reservations"] = released
    return lot


@verb
def expire_lots(*, actor: User) -> list[MaterialLot]:
    """Expire every lot whose date has passed; return them."""
    due = MaterialLot.objects.filter(
        status__in=(MaterialLot.Status.ACTIVE, MaterialLot.Status.QUARANTINE), expiration_date__lte=timezone.now()
    ).order_by("pk")
    # Locked all at once and looked for again: what was used up or expired by somebody meanwhile is not due any more.
    lock_balances(Q(lot__in=due.order_by().values("pk")))
    return [expire_lot(lot, actor=actor, reason="The expiration date has passed.") for lot in due.all()]


def _free_reservations(lot: MaterialLot, *, actor: User, reason: str) -> int:
    # Balances before the lot: the order in which consumption locks them.
    lock_balances(Q(lot=lot))
    rows = Reservation.objects.filter(balance__lot=lot)
    return release_rows(rows.values_list("pk", flat=True), actor=actor, reason=reason)
