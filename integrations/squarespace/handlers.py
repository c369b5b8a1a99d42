"""What is done about Squarespace's messages, and what Squarespace is told."""

from __future__ import annotations

from django.db.models import QuerySet

from blb3d.accounts.models import User
from blb3d.core.inbox import InboundMessage, receives
from blb3d.core.outbox import OutboxEvent, subscribes
from integrations.models import Channel, Marketplace
from integrations.squarespace.client import Parcel, Squarespace
from integrations.squarespace.intake import SOURCE, take_order
from integrations.squarespace.order import read_order
from sales.models import SalesOrder, Shipment


def _channel() -> QuerySet[Channel]:
    return Channel.objects.filter(marketplace=Marketplace.SQUARESPACE)


@receives("squarespace", "order.create", "order.update")
def take_news(message: InboundMessage) -> None:
    """Fetch the order that a notification names, and follow it: the notification itself is only a hint."""
    if message.headers:  # told by the shop itself, not found by a poll
        _channel().update(last_message_at=message.received_at)
    with Squarespace() as shop:
        body = shop.order(message.subject)
    take_order(read_order(body), actor=User.objects.system("squarespace"))


@receives("squarespace", "extension.uninstall")
def stop_polling(message: InboundMessage) -> None:
    """Note that the shop has let us go: its key is worthless now, and staff see why nothing comes."""
    Channel.objects.get_or_create(marketplace=Marketplace.SQUARESPACE)
    note = f"The extension was uninstalled at Squarespace on {message.received_at:%Y-%m-%d %H:%M} UTC."
    _channel().update(is_active=False, last_error=note)


@subscribes("sales.order_shipped", outside=True)
def tell_shipment(event: OutboxEvent) -> None:
    """Tell the shop the parcels of its order, each once: those it knows by their tracking number are left out."""
    order = SalesOrder.all_objects.get(pk=event.payload["id"])
    if order.source != SOURCE:
        return
    parcels = [_parcel(shipment) for shipment in _gone(order)]
    with Squarespace() as shop:
        told = {row.get("trackingNumber") for row in shop.order(order.source_order_id).get("fulfillments") or []}
        untold = [parcel for parcel in parcels if parcel.tracking_number not in told]
        if untold:
            shop.fulfil(order.source_order_id, untold)


def _gone(order: SalesOrder) -> list[Shipment]:
    left = order.shipments.filter(status__in=[Shipment.Status.SHIPPED, Shipment.Status.DELIVERED])
    return list(left.order_by("pk"))


def _parcel(shipment: Shipment) -> Parcel:
    """Return a shipment as the shop takes it; one without a tracking number goes under its own number."""
    link = shipment.tracking_url
    return Parcel(
        shipped_at=shipment.shipped_at or shipment.updated_at,
        carrier=shipment.carrier or "Other",
        service=shipment.service or "Standard",
        tracking_number=shipment.tracking_number or shipment.shipment_number,
        tracking_url=link if link.startswith(("https://", "http://")) else "",
    )
