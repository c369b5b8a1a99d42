"""Parcels: packing what is finished and inspected, and handing it over."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from typing import TYPE_CHECKING

from django.db.models import Exists, OuterRef, Q
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core.documents import update_documents
from blb3d.core.errors import InvalidTransition, InvalidValue
from blb3d.core.lifecycle import allow
from blb3d.core.numbering import next_number
from blb3d.core.verbs import verb
from inventory import services as inventory
from inventory.models import Reference
from production.models import Demand, ProductionOrder, QualityInspection, SerialNumber, TraceLink
from production.services.links import Node, link
from sales import selectors
from sales.errors import NothingToPack, NotInspected, PartsMissing
from sales.lifecycles import SHIPMENT
from sales.models import SalesOrder, SalesOrderLine, Shipment, ShipmentLine
from sales.services.supply import LINE, catch_up, locked_order

if TYPE_CHECKING:
    from inventory.services import Consumed

Status = SalesOrder.Status
Supply = SalesOrderLine.Supply

#: Statuses in which finished lines may leave; others follow in parcels of their own.
_PACKABLE = (Status.CONFIRMED, Status.IN_PRODUCTION, Status.QUALITY_CHECK)


@verb
def pack_shipment(
    order: SalesOrder,
    *,
    items: Sequence[tuple[int, int]] | None = None,
    carrier: str = "",
    service: str = "",
    actor: User,
) -> Shipment:
    """Pack a parcel; ``items`` are (line id, quantity), without them everything that is still open.

    Serial numbers are picked when packing. While the order is still being made, its finished lines can go ahead.

    Raises:
        NothingToPack: nothing is open, or more than is open was asked for.
        PartsMissing: parts are not finished and reserved; ``details["items"]`` says of which lines how many.
        NotInspected: a production order of these lines has no passed final inspection.
        InvalidTransition: the order is not in work.
    """
    allow(actor, "sales.pack_shipment")
    number = next_number("SHP")
    locked_order(order)
    if order.status not in _PACKABLE:
        raise InvalidTransition(f"An order that is {order.get_status_display()} is not packed.")
    lines = {line.pk: line for line in order.lines.select_related("product")}
    packed = selectors.packed_of_lines(lines)
    chosen = _chosen(lines, packed, items)
    _check_parts(lines, packed, chosen)
    _check_inspections(list(chosen))
    shipment = Shipment(
        shipment_number=number, sales_order=order, carrier=carrier, service=service, packed_at=timezone.now()
    )
    shipment.save()
    rows = [
        ShipmentLine(shipment=shipment, sales_order_line=lines[pk], quantity=quantity)
        for pk, quantity in chosen.items()
    ]
    ShipmentLine.objects.bulk_create(rows)
    _pick_serials(shipment)
    with SHIPMENT.step(shipment, "pack", actor=actor) as move:
        move.payload["sales_order_id"] = order.pk
    return shipment


def _chosen(
    lines: dict[int, SalesOrderLine], packed: dict[int, int], items: Sequence[tuple[int, int]] | None
) -> dict[int, int]:
    left = {pk: line.quantity - line.quantity_shipped - packed.get(pk, 0) for pk, line in lines.items()}
    if items is None:
        chosen = {pk: quantity for pk, quantity in left.items() if quantity > 0}
    else:
        chosen = {}
        for pk, quantity in items:
            if pk not in left or pk in chosen or quantity < 1:
                raise InvalidValue("Name each line of the order once, with how many.", details={"line": pk})
            chosen[pk] = quantity
        over = {pk: left[pk] for pk, quantity in chosen.items() if quantity > left[pk]}
        if over:
            raise NothingToPack(
                "More than is left was to be packed.",
                details={"items": [{"line": lines[pk].line_number, "left": most} for pk, most in over.items()]},
            )
    if not chosen:
        raise NothingToPack
    return chosen


def _check_parts(lines: dict[int, SalesOrderLine], packed: dict[int, int], chosen: dict[int, int]) -> None:
    """Refuse what is not reserved for its line: parts are reserved when they come off the plate or the shelf."""
    reserved = selectors.reserved_for_lines(chosen)
    missing = []
    for pk, quantity in chosen.items():
        line = lines[pk]
        there = reserved.get(pk, Decimal(0)) - packed.get(pk, 0)
        if line.supply == Supply.UNMAPPED or (line.supply != Supply.NONE and there < quantity):
            missing.append({"line": line.line_number, "name": line.name, "there": str(max(there, Decimal(0)))})
    if missing:
        raise PartsMissing(details={"items": missing})


def _check_inspections(line_ids: list[int]) -> None:
    passed = QualityInspection.objects.filter(
        production_order=OuterRef("pk"), inspection_type=QualityInspection.Type.FINAL, passed=True
    )
    shared = Demand.objects.filter(
        production_order=OuterRef("pk"), reference_type=Reference.SALES_ORDER_LINE, reference_id__in=line_ids
    )
    uninspected = ProductionOrder.objects.filter(
        ~Exists(passed), Q(sales_order_line__in=line_ids) | Exists(shared), quantity_completed__gt=0
    ).values_list("code", flat=True)
    if uninspected:
        raise NotInspected(details={"production_orders": sorted(uninspected)})


def _pick_serials(shipment: Shipment) -> None:
    """Give each parcel line of a serialised product its serial numbers: those made for it first, oldest first."""
    rows = list(
        shipment.lines.filter(sales_order_line__product__is_serialized=True).select_related("sales_order_line__product")
    )
    for row in rows:
        line = row.sales_order_line
        packed = ShipmentLine.serials.through.objects.filter(serialnumber=OuterRef("pk")).exclude(
            shipmentline__shipment__status=Shipment.Status.VOIDED
        )
        free = SerialNumber.objects.filter(
            ~Exists(packed), product=line.product_id, status=SerialNumber.Status.IN_STOCK
        )
        own = free.filter(production_order__sales_order_line=line).order_by("pk")
        picked = list(own[: row.quantity])
        if len(picked) < row.quantity:
            shelf = free.filter(
                Q(production_order__sales_order_line__isnull=True)
                | Q(production_order__sales_order__status=SalesOrder.Status.CANCELLED)
            ).order_by("pk")
            picked += shelf[: row.quantity - len(picked)]
        if len(picked) < row.quantity:
            raise PartsMissing(
                "There are not enough serial numbers.",
                details={"items": [{"line": line.line_number, "name": line.name, "there": len(picked)}]},
            )
        row.serials.set(picked)


@verb
def ship_shipment(
    shipment: Shipment,
    *,
    carrier: str = "",
    service: str = "",
    tracking_number: str = "",
    tracking_url: str = "",
    actor: User,
) -> Shipment:
    """Hand a packed parcel over: stock and serial numbers leave, and the order moves on if that was all.

    Raises:
        InsufficientStock: the books do not have what the parcel holds.
        InvalidTransition: it is not packed.
    """
    allow(actor, "sales.ship_shipment")
    order = locked_order(shipment.sales_order)
    with SHIPMENT.step(shipment, "ship", actor=actor) as move:
        shipment.carrier = carrier or shipment.carrier
        shipment.service = service or shipment.service
        shipment.tracking_number = tracking_number or shipment.tracking_number
        shipment.tracking_url = tracking_url or shipment.tracking_url
        shipment.shipped_at = timezone.now()
        move.payload.update(
            sales_order_id=order.pk,
            carrier=shipment.carrier,
            service=shipment.service,
            tracking_number=shipment.tracking_number,
            tracking_url=shipment.tracking_url,
        )
        rows = list(shipment.lines.select_related("sales_order_line"))
        issued = _issue(shipment, rows, actor=actor)
        serials = list(SerialNumber.objects.filter(shipment_lines__shipment=shipment).order_by("pk"))
        for serial in serials:
            serial.status, serial.sales_order = SerialNumber.Status.SHIPPED, order
            serial.shipped_date, serial.location = shipment.shipped_at, None
        update_documents(serials, ["status", "sales_order", "shipped_date", "location"])
        lines = [row.sales_order_line for row in rows]
        for row in rows:
            row.sales_order_line.quantity_shipped += row.quantity
        update_documents(lines, ["quantity_shipped"])
        done = [line.pk for line in lines if line.quantity_shipped == line.quantity]
        inventory.release_reservations(LINE, done, actor=actor)
        _trace(shipment, order, issued, serials)
    catch_up(order, actor=actor)
    return shipment


def _issue(shipment: Shipment, rows: Sequence[ShipmentLine], *, actor: User) -> list[Consumed]:
    uses = [
        inventory.Use(
            product_id=row.sales_order_line.product_id,
            quantity=Decimal(row.quantity),
            reference_type=Reference.SHIPMENT,
            reference_id=shipment.pk,
            holder=(LINE, row.sales_order_line_id),
        )
        for row in rows
        if row.sales_order_line.supply != Supply.NONE and row.sales_order_line.product_id is not None
    ]
    return inventory.issue(uses, actor=actor) if uses else []


def _trace(shipment: Shipment, order: SalesOrder, issued: Sequence[Consumed], serials: Sequence[SerialNumber]) -> None:
    node = TraceLink.Node
    parcel: Node = (node.SHIPMENT, shipment.pk)
    edges: list[tuple[Node, Node]] = [
        ((node.SALES_ORDER, order.pk), parcel),
        (parcel, (node.CUSTOMER, order.customer_id)),
        *(((node.SERIAL, serial.pk), parcel) for serial in serials),
        *(((node.LOT, row.lot_id), parcel) for row in issued if row.lot_id is not None),
    ]
    link(edges)


@verb
def ship_order(
    order: SalesOrder,
    *,
    carrier: str = "",
    service: str = "",
    tracking_number: str = "",
    tracking_url: str = "",
    actor: User,
) -> list[Shipment]:
    """Ship every packed parcel of an order under one tracking number, packing what is open when nothing is packed."""
    packed = list(order.shipments.filter(status=Shipment.Status.PACKED).order_by("pk"))
    return [
        ship_shipment(
            shipment,
            carrier=carrier,
            service=service,
            tracking_number=tracking_number,
            tracking_url=tracking_url,
            actor=actor,
        )
        for shipment in packed or [pack_shipment(order, actor=actor)]
    ]


@verb
def deliver_shipment(shipment: Shipment, *, actor: User) -> Shipment:
    """Say that a parcel arrived."""
    allow(actor, "sales.deliver_shipment")
    return deliver(shipment, actor=actor)


def deliver(shipment: Shipment, *, actor: User) -> Shipment:
    """Deliver inside another verb, which has said who may."""
    with SHIPMENT.step(shipment, "deliver", actor=actor) as move:
        shipment.delivered_at = timezone.now()
        move.payload["sales_order_id"] = shipment.sales_order_id
    return shipment


@verb
def void_shipment(shipment: Shipment, *, actor: User, reason: str) -> Shipment:
    """Unpack a parcel that has not left; what was in it can be packed again."""
    allow(actor, "sales.void_shipment")
    locked_order(shipment.sales_order)
    with SHIPMENT.step(shipment, "void", actor=actor, reason=reason):
        pass
    return shipment
