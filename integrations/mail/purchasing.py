"""The purchase order in the vendor's mail: once when it is ordered, and again when a person asks for it."""

from __future__ import annotations

from urllib.parse import quote

from django.conf import settings

from blb3d.accounts.models import User
from blb3d.core.outbox import OutboxEvent, subscribes
from integrations.mail.send import Attachment, event_key, send
from inventory import services as inventory
from inventory.models import PurchaseOrder

Status = PurchaseOrder.Status


@subscribes("inventory.purchase_ordered", "inventory.purchase_send_asked", outside=True)
def mail_purchase_order(event: OutboxEvent) -> None:
    """Send the vendor the order as PDF; a vendor without an address, or an order cancelled meanwhile, gets no mail."""
    order = PurchaseOrder.all_objects.select_related("vendor").get(pk=event.payload["id"])
    if order.status in (Status.DRAFT, Status.CANCELLED) or not order.vendor.email:
        return
    desk: str = settings.ADMIN_EMAIL  # type: ignore[misc]
    was_sent = send(
        "purchase_order",
        order.vendor.email,
        key=event_key(event),
        attachments=[Attachment(f"{order.po_number}.pdf", inventory.purchase_order_pdf(order), "application/pdf")],
        order=order,
        action_url=f"mailto:{desk}?subject={quote(f'Order {order.po_number}')}",
    )
    if was_sent:
        inventory.mark_purchase_sent(order, actor=User.objects.system("mail"))
