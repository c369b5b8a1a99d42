"""The shop is told each parcel once, whatever happens to the call."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.utils import timezone

from blb3d.core import outbox
from blb3d.core.inbox import InboundMessage
from blb3d.core.outbox import EventDelivery
from integrations.models import MarketplaceProductMapping
from integrations.squarespace.sandbox import Fault, Shop
from sales import services as sales
from sales.models import SalesOrder, Shipment
from sales.tests.factories import made_product, print_parts, ready_to_ship, system_actor

pytestmark = pytest.mark.django_db

TELL = "integrations.squarespace.handlers.tell_shipment"


@pytest.fixture
def order(shop: Shop, follow: Callable[..., InboundMessage]) -> SalesOrder:
    """Return a shop's order that is ready to be shipped."""
    mapping = {"marketplace_sku": "HOOK", "erp_product": made_product()}
    MarketplaceProductMapping.objects.create(marketplace="squarespace", marketplace_product_id="v-1", **mapping)
    shop.create_order([{"sku": "HOOK", "quantity": 2}])
    follow()
    placed = SalesOrder.objects.get()
    print_parts(placed)
    return sales.finish_production(placed, actor=system_actor())


def ship(order: SalesOrder, **how: Any) -> Shipment:
    how = {"carrier": "USPS", "service": "Ground", "tracking_number": "9400-1", **how}
    shipment = sales.pack_shipment(order, actor=system_actor())
    return sales.ship_shipment(shipment, actor=system_actor(), **how)


def deliver() -> EventDelivery:
    """Let the worker tell the shop, now; return what became of it."""
    outbox.relay()
    delivery = EventDelivery.objects.get(handler=TELL)
    EventDelivery.objects.filter(pk=delivery.pk).update(next_attempt_at=timezone.now() - timedelta(seconds=1))
    outbox.deliver(delivery)
    delivery.refresh_from_db()
    return delivery


def told(shop: Shop) -> list[str]:
    (order,) = shop.orders.values()
    return [row["trackingNumber"] for row in order["fulfillments"]]


def test_it_tells_the_shop_and_the_buyer_gets_one_mail(shop: Shop, order: SalesOrder) -> None:
    shipment = ship(order, tracking_url="https://carrier.example/9400-1")
    assert deliver().status == "done"
    theirs = shop.orders[order.source_order_id]
    assert theirs["fulfillmentStatus"] == "FULFILLED"
    (row,) = theirs["fulfillments"]
    assert shipment.shipped_at is not None
    assert row == {
        "shipDate": shipment.shipped_at.strftime("%Y-%m-%dT%H:%M:%S.")
        + f"{shipment.shipped_at.microsecond // 1000:03}Z",
        "carrierName": "USPS",
        "service": "Ground",
        "trackingNumber": "9400-1",
        "trackingUrl": "https://carrier.example/9400-1",
    }
    assert shop.emails == {order.source_order_id: 1}


def test_the_news_that_comes_back_changes_nothing(
    shop: Shop, order: SalesOrder, follow: Callable[..., InboundMessage]
) -> None:
    ship(order)
    deliver()
    assert '"FULFILLED"' in shop.notifications[-1].body
    assert follow().status == "done"
    order.refresh_from_db()
    assert (order.status, order.internal_note) == ("shipped", "")


@pytest.mark.parametrize("trouble", ["500", "429", "drop"])
def test_it_tries_again_after_trouble_and_tells_once(shop: Shop, order: SalesOrder, trouble: str) -> None:
    ship(order)
    shop.faults.append(Fault(trouble, method="POST"))
    assert deliver().status == "pending"
    assert told(shop) == []
    cache.clear()
    assert deliver().status == "done"
    assert (told(shop), shop.emails) == (["9400-1"], {order.source_order_id: 1})


@pytest.mark.parametrize("trouble", ["lose", "hang"])
def test_it_tells_once_when_the_answer_is_lost_after_the_shop_took_it(
    shop: Shop, order: SalesOrder, settings: Any, trouble: str
) -> None:
    settings.PARTNER_TIMEOUT_SECONDS = 1
    ship(order)
    shop.faults.append(Fault(trouble, method="POST"))
    assert deliver().status == "pending"
    assert told(shop) == ["9400-1"]
    assert deliver().status == "done"
    assert (told(shop), shop.emails) == (["9400-1"], {order.source_order_id: 1})


def test_it_tells_once_when_the_worker_dies_before_its_mark(shop: Shop, order: SalesOrder) -> None:
    ship(order)
    delivery = deliver()
    EventDelivery.objects.filter(pk=delivery.pk).update(status="pending")
    assert deliver().status == "done"
    assert shop.emails == {order.source_order_id: 1}


def test_a_parcel_without_a_tracking_number_goes_under_its_own_number(shop: Shop, order: SalesOrder) -> None:
    shipment = ship(order, carrier="", service="", tracking_number="", tracking_url="at the counter")
    assert deliver().status == "done"
    (row,) = shop.orders[order.source_order_id]["fulfillments"]
    assert (row["carrierName"], row["service"], row["trackingUrl"]) == ("Other", "Standard", None)
    assert row["trackingNumber"] == shipment.shipment_number


def test_a_refusal_waits_for_a_person(shop: Shop, order: SalesOrder) -> None:
    ship(order)
    shop.cancel(order.source_order_id)
    delivery = deliver()
    assert (delivery.status, delivery.attempts) == ("dead", 1)
    assert delivery.last_error.startswith("INTEG_002")
    assert shop.emails == {}


def test_an_order_from_elsewhere_is_none_of_the_shops_business(shop: Shop) -> None:
    ship(ready_to_ship((made_product(), 1)))
    assert deliver().status == "done"
    assert shop.calls == []


def test_a_gift_card_beside_goods_keeps_no_order_from_being_shipped(
    shop: Shop, order: SalesOrder, follow: Callable[..., InboundMessage]
) -> None:
    card = {"sku": None, "productName": "Gift card", "lineItemType": "GIFT_CARD"}
    shop.create_order([{"sku": "HOOK"}, card])
    follow()
    mixed = SalesOrder.objects.latest("pk")
    print_parts(mixed)
    sales.finish_production(mixed, actor=system_actor())
    ship(mixed)
    mixed.refresh_from_db()
    assert mixed.status == "shipped"
    assert deliver().status == "done"
    assert shop.emails == {mixed.source_order_id: 1}
