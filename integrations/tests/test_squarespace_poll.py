"""The poll finds what a webhook missed and files it through the same door."""

from __future__ import annotations

import datetime
from typing import Any

import pytest
from django.utils import timezone

from blb3d.core import inbox
from blb3d.core.inbox import InboundMessage
from integrations.models import Channel, MarketplaceProductMapping
from integrations.squarespace.client import instant
from integrations.squarespace.poll import poll_orders
from integrations.squarespace.sandbox import Fault, Shop
from integrations.tasks import poll_squarespace
from sales.models import SalesOrder
from sales.tests.factories import made_product

pytestmark = pytest.mark.django_db


def ordered(shop: Shop) -> dict[str, Any]:
    """Let a buyer order, a moment ago: what happens in the very millisecond of a poll is left to the next one."""
    return a_moment_ago(shop.create_order([{"sku": "HOOK"}]), seconds=2)


def a_moment_ago(order: dict[str, Any], seconds: int = 1) -> dict[str, Any]:
    order["modifiedOn"] = instant(timezone.now() - datetime.timedelta(seconds=seconds))
    return order


@pytest.fixture(autouse=True)
def _mapping() -> None:
    MarketplaceProductMapping.objects.create(
        marketplace="squarespace", marketplace_product_id="v", marketplace_sku="HOOK", erp_product=made_product()
    )


def test_it_finds_an_order_whose_webhook_never_came(shop: Shop) -> None:
    order = ordered(shop)
    assert poll_squarespace() == 1
    message = InboundMessage.objects.get()
    assert (message.external_id, message.topic) == (f"{order['id']}@{order['modifiedOn']}", "order.update")
    assert inbox.drain() == 1
    assert SalesOrder.objects.get().status == "confirmed"
    channel = Channel.objects.get()
    assert channel.polled_until == channel.last_poll_at
    assert (channel.last_error, channel.last_message_at) == ("", None)


def test_it_files_nothing_twice_and_nothing_that_we_know(shop: Shop) -> None:
    order = ordered(shop)
    assert poll_orders() == 1
    assert poll_orders() == 0
    inbox.drain()
    assert poll_orders() == 0
    a_moment_ago(shop.refund(order["id"], "2.00"))
    assert poll_orders() == 1
    inbox.drain()
    assert SalesOrder.objects.get().amount_refunded == 2
    assert InboundMessage.objects.count() == 2


def test_it_reads_every_page_by_the_rules_of_the_api(shop: Shop) -> None:
    shop.page_size = 2
    for _ in range(5):
        ordered(shop)
    assert poll_orders() == 5
    assert len(shop.calls) == 3
    assert "modifiedAfter" in shop.calls[0]
    assert all("cursor=" in call and "modified" not in call for call in shop.calls[1:])


def test_windows_overlap(shop: Shop) -> None:
    until = timezone.now() - datetime.timedelta(hours=3)
    Channel.objects.create(marketplace="squarespace", polled_until=until)
    order = shop.create_order([{"sku": "HOOK"}])
    order["modifiedOn"] = (until - datetime.timedelta(minutes=5)).strftime("%Y-%m-%dT%H:%M:%S.000Z")
    assert poll_orders() == 1


def test_orders_from_long_before_the_first_poll_are_not_ours(shop: Shop) -> None:
    shop.create_order([{"sku": "HOOK"}])["modifiedOn"] = "2020-01-01T00:00:00.000Z"
    assert poll_orders() == 0


@pytest.mark.parametrize("trouble", ["500", "drop", "401"])
def test_a_poll_that_fails_says_so_and_starts_again_at_the_same_place(shop: Shop, trouble: str) -> None:
    shop.page_size = 1
    ordered(shop)
    ordered(shop)
    assert poll_orders() == 2
    before = Channel.objects.get().polled_until
    shop.faults.append(Fault(trouble))
    assert poll_orders() == 0
    channel = Channel.objects.get()
    assert channel.polled_until == before
    assert channel.last_error.startswith("INTEG_00")
    poll_orders()
    assert Channel.objects.get().last_error == ""


def test_a_poll_that_breaks_off_between_pages_loses_nothing(shop: Shop) -> None:
    shop.page_size = 1
    for _ in range(2):
        ordered(shop)
    shop.faults.append(Fault("500", path="cursor="))
    assert poll_orders() == 0
    assert InboundMessage.objects.count() == 1
    assert poll_orders() == 1
    inbox.drain()
    assert SalesOrder.objects.count() == 2


def test_an_order_in_the_list_that_cannot_be_read_keeps_no_other_waiting(shop: Shop) -> None:
    ordered(shop)
    shop.orders["odd"] = {**ordered(shop), "id": None}
    assert poll_orders() == 2
    assert InboundMessage.objects.count() == 2


def test_it_does_nothing_without_a_key_or_after_an_uninstall(shop: Shop, settings: Any) -> None:
    ordered(shop)
    channel = Channel.objects.create(marketplace="squarespace", is_active=False)
    assert poll_orders() == 0
    Channel.objects.filter(pk=channel.pk).update(is_active=True)
    settings.SQUARESPACE_API_KEY = ""
    assert poll_orders() == 0
    assert shop.calls == []
