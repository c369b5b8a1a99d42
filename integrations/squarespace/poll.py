"""Asking the shop what a webhook missed. What is found goes through the same door as a notification."""

from __future__ import annotations

import datetime
import json
import logging
from typing import Any

from django.conf import settings
from django.utils import timezone

from blb3d.core import inbox
from blb3d.core.errors import BLB3DError
from integrations.models import Channel, Marketplace
from integrations.squarespace.client import Squarespace
from integrations.squarespace.order import read_instant
from sales.models import SalesOrder

log = logging.getLogger(__name__)

#: Windows overlap by this, for clocks that differ and for orders that move between pages while they are read.
OVERLAP = datetime.timedelta(minutes=10)
#: How far the first poll of a new channel looks back: orders from before are not ours.
FIRST_LOOK = datetime.timedelta(hours=24)


def poll_orders() -> int:
    """Look at every order modified since the last poll and file news in the inbox; return how much was new.

    A poll that fails leaves the window where it was, and its error where staff see it. Does nothing without a key, or
    after the extension was uninstalled.
    """
    channel, _ = Channel.objects.get_or_create(marketplace=Marketplace.SQUARESPACE)
    if not channel.is_active or not settings.SQUARESPACE_API_KEY:  # type: ignore[misc]
        return 0
    until = timezone.now()
    since = (channel.polled_until or until - FIRST_LOOK) - OVERLAP
    channels = Channel.objects.filter(pk=channel.pk)
    try:
        with Squarespace() as shop:
            found = sum(_file(rows) for rows in shop.pages_modified(since, until))
    except BLB3DError as error:
        log.warning("the poll of Squarespace failed: %s", error)
        channels.update(last_poll_at=until, last_error=str(error)[:500])
        return 0
    channels.update(last_poll_at=until, polled_until=until, last_error="")
    return found


def _file(rows: list[dict[str, Any]]) -> int:
    """Put one page of orders into the inbox, but for those that we know as they are."""
    known = dict(
        SalesOrder.all_objects.filter(
            source=SalesOrder.Source.SQUARESPACE, source_order_id__in=[str(row.get("id")) for row in rows]
        ).values_list("source_order_id", "source_modified_at")
    )
    new = 0
    for row in rows:
        try:
            order_id, modified = "" + row["id"], read_instant(row["modifiedOn"])
        except (KeyError, TypeError, ValueError):
            log.exception("an order in Squarespace's list cannot be read")
            continue
        seen = known.get(order_id)
        if seen is not None and seen >= modified:
            continue
        key = f"{order_id}@{row['modifiedOn']}"
        news = {"id": key, "topic": "order.update", "createdOn": row["modifiedOn"], "data": {"orderId": order_id}}
        _, is_new = inbox.receive(
            "squarespace", key, "order.update", body=json.dumps(news).encode(), headers={}, subject=order_id
        )
        new += is_new
    return new
