"""Which fact is told to whom; of quotes see ``quotes.py`` beside this. A mail goes out once per fact; what the server
refuses waits for a person.
"""

from __future__ import annotations

from blb3d.accounts import services as accounts
from blb3d.accounts.models import User
from blb3d.core.outbox import OutboxEvent, subscribes
from integrations.mail.send import event_key, page, send
from sales.models import SalesOrder, Shipment


@subscribes("accounts.user_registered", outside=True)
def mail_verification(event: OutboxEvent) -> None:
    """Ask a new user to prove the address."""
    user = User.objects.get(pk=event.payload["user_id"])
    if user.is_active and not user.is_email_verified:
        link = page("verify-email", **accounts.email_verification_link(user))
        send("verify_email", user.email, key=event_key(event), action_url=link)


@subscribes("accounts.password_reset_requested", outside=True)
def mail_password_reset(event: OutboxEvent) -> None:
    """Send the link by which a new password is set; it is made now and stored nowhere."""
    user = User.objects.get(pk=event.payload["user_id"])
    if user.is_active:
        link = page("password-reset-confirm", **accounts.password_reset_link(user))
        send("password_reset", user.email, key=event_key(event), email=user.email, action_url=link)


@subscribes("sales.order_confirmed", outside=True)
def mail_confirmation(event: OutboxEvent) -> None:
    """Tell a customer that an order is confirmed."""
    order = SalesOrder.all_objects.select_related("customer").get(pk=event.payload["id"])
    if _is_ours_to_tell(order):
        link = page("order-detail", pk=order.pk)
        send("order_confirmed", order.customer.email, key=event_key(event), order=order, action_url=link)


@subscribes("sales.order_shipped", outside=True)
def mail_shipment(event: OutboxEvent) -> None:
    """Tell a customer that the order is on its way."""
    order = SalesOrder.all_objects.select_related("customer").get(pk=event.payload["id"])
    if _is_ours_to_tell(order):
        shipment = Shipment.all_objects.get(pk=event.payload["shipment_id"])
        link = shipment.tracking_url or page("order-detail", pk=order.pk)
        send(
            "order_shipped", order.customer.email, key=event_key(event), order=order, shipment=shipment, action_url=link
        )


def _is_ours_to_tell(order: SalesOrder) -> bool:
    """Return False for a shop's order: the shop tells its buyers itself."""
    return order.source not in SalesOrder.PREPAID_SOURCES
