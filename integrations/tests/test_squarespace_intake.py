"""A shop's order becomes ours: placed, paid and confirmed once, whatever happens to its news."""

from __future__ import annotations

import threading
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.core.cache import cache
from django.db import connection, connections
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.accounts.models import User
from blb3d.core import inbox
from blb3d.core.errors import InvalidValue, NotAllowed
from blb3d.core.inbox import InboundMessage
from blb3d.core.outbox import OutboxEvent
from blb3d.core.tests.counting import statements_of
from integrations import services as integrations
from integrations.models import Channel, MarketplaceMappingLine, MarketplaceProductMapping
from integrations.squarespace.intake import take_order
from integrations.squarespace.order import read_order
from integrations.squarespace.sandbox import Fault, Shop
from inventory.models import Product
from production.models import ProductionOrder
from sales import services as sales
from sales.models import Customer, Payment, Refund, SalesOrder, SalesOrderLine
from sales.tests.factories import made_product, print_parts, staff, system_actor

pytestmark = pytest.mark.django_db

Follow = Callable[..., InboundMessage]


def mapped(sku: str, **product: Any) -> Product:
    """Return a product that the shop sells under this SKU."""
    made = made_product(**product)
    MarketplaceProductMapping.objects.create(
        marketplace="squarespace", marketplace_product_id=f"variant-of-{sku}", marketplace_sku=sku, erp_product=made
    )
    return made


def the_order() -> SalesOrder:
    return SalesOrder.objects.get()


def everything() -> dict[str, Any]:
    """Return what exists, as a person would see it."""
    orders = SalesOrder.objects.order_by("pk")
    return {
        "orders": [(o.source_order_id, o.status, o.payment_status, o.grand_total, o.amount_refunded) for o in orders],
        "lines": list(SalesOrderLine.objects.order_by("pk").values_list("line_number", "product", "quantity", "total")),
        "production": list(ProductionOrder.objects.order_by("pk").values_list("product", "quantity", "status")),
        "payments": list(Payment.objects.order_by("pk").values_list("amount", "method", "status")),
        "refunds": list(Refund.objects.values_list("amount", flat=True)),
        "customers": list(Customer.objects.values_list("email", flat=True)),
        "facts": list(OutboxEvent.objects.order_by("pk").values_list("topic", flat=True)),
    }


def again(message: InboundMessage) -> InboundMessage:
    """Handle a message once more, as after a death between the work and its mark."""
    InboundMessage.objects.filter(pk=message.pk).update(status="pending", next_attempt_at=timezone.now())
    inbox.handle(message)
    message.refresh_from_db()
    return message


# Placing -------------------------------------------------------------------------------------------------------------
def test_a_three_line_order_is_placed_paid_and_confirmed(shop: Shop, follow: Follow) -> None:
    Channel.objects.create(marketplace="squarespace")
    products = [mapped("HOOK"), mapped("BOX"), mapped("STAND")]
    lines = [{"sku": sku, "quantity": n, "unitPricePaid": "10.50"} for n, sku in enumerate(("HOOK", "BOX", "STAND"), 1)]
    told = shop.create_order(lines, taxTotal="4.41", formSubmission=[{"label": "Gift?", "value": "yes"}])
    message = follow()
    assert (message.status, message.last_error) == ("done", "")
    order = the_order()
    assert (order.status, order.payment_status, order.source) == ("confirmed", "paid", "squarespace")
    assert (order.source_order_id, order.source_order_number) == (told["id"], "1001")
    amounts = (order.subtotal, order.shipping_total, order.tax_total, order.grand_total)
    assert amounts == (Decimal("63.00"), Decimal("6.00"), Decimal("4.41"), Decimal("73.41"))
    assert (order.customer.email, order.customer.name) == ("buyer1001@shop.example", "Shop Buyer")
    assert (order.shipping_address_line1, order.shipping_zip, order.shipping_country) == (
        "7 Canal Street",
        "46802",
        "US",
    )
    assert order.customer_note == "Gift?: yes"
    assert [(line.product, line.quantity, line.supply) for line in order.lines.order_by("line_number")] == [
        (product, number, "make") for number, product in enumerate(products, 1)
    ]
    payment = order.payments.get()
    assert (payment.amount, payment.method, payment.status) == (Decimal("73.41"), "squarespace", "received")
    made = order.production_orders.order_by("pk")
    assert [(row.product, row.quantity, row.status) for row in made] == [
        (product, number, "confirmed") for number, product in enumerate(products, 1)
    ]
    assert order.created_by is not None
    assert order.created_by.email == "squarespace@system.invalid"
    assert Channel.objects.get().last_message_at == message.received_at


def test_handling_the_same_message_again_changes_nothing(shop: Shop, follow: Follow) -> None:
    mapped("HOOK")
    shop.create_order([{"sku": "HOOK", "quantity": 2}])
    message = follow()
    before = everything()
    assert again(message).status == "done"
    assert everything() == before


def test_a_second_notification_of_the_same_order_changes_nothing(shop: Shop, follow: Follow) -> None:
    mapped("HOOK")
    order = shop.create_order([{"sku": "HOOK", "quantity": 2}])
    follow()
    before = everything()
    shop._tell("order.create", order["id"])
    assert follow().status == "done"
    assert everything() == before
    assert InboundMessage.objects.count() == 2


def test_a_failure_in_the_middle_leaves_nothing_and_the_repeat_everything(shop: Shop, follow: Follow) -> None:
    mapped("HOOK")
    before = everything()
    order = shop.create_order([{"sku": "HOOK"}])
    # More went back than was ever paid: refused after the order was placed and paid in the same transaction.
    shop.change(order["id"], refundedTotal={"value": "999.00", "currency": "USD"})
    message = follow(shop.notifications[0])
    assert message.status == "dead"
    assert "PAYMENT_003" in message.last_error
    assert everything() == before
    shop.change(order["id"], refundedTotal={"value": "5.00", "currency": "USD"})
    InboundMessage.objects.get().replay()
    message.refresh_from_db()
    inbox.handle(message)
    assert the_order().status == "confirmed"
    assert list(Refund.objects.values_list("amount", flat=True)) == [Decimal("5.00")]


@pytest.mark.parametrize("trouble", ["500", "429", "drop", "hang"])
def test_a_shop_in_trouble_is_asked_again_later(shop: Shop, follow: Follow, settings: Any, trouble: str) -> None:
    settings.PARTNER_TIMEOUT_SECONDS = 1
    mapped("HOOK")
    shop.create_order([{"sku": "HOOK"}])
    shop.faults.append(Fault(trouble))
    message = follow()
    assert (message.status, message.attempts) == ("pending", 1)
    assert message.last_error.startswith("INTEG_001")
    assert message.next_attempt_at > timezone.now()
    assert not SalesOrder.objects.exists()
    cache.clear()  # a minute passes
    assert again(message).status == "done"
    assert the_order().status == "confirmed"


def test_after_a_429_the_shop_is_left_alone_for_a_minute(shop: Shop, follow: Follow) -> None:
    shop.create_order([{"sku": "HOOK"}])
    shop.faults.append(Fault("429"))
    message = follow()
    assert len(shop.calls) == 1
    again(message)
    assert len(shop.calls) == 1
    assert "slow down" in message.last_error


def test_an_order_that_the_shop_does_not_know_goes_to_a_person(shop: Shop, follow: Follow) -> None:
    order = shop.create_order([{"sku": "HOOK"}])
    del shop.orders[order["id"]]
    message = follow()
    assert (message.status, message.attempts) == ("dead", 1)
    assert message.last_error.startswith("INTEG_002")


@pytest.mark.parametrize(
    "broken",
    [{"lineItems": None}, {"grandTotal": None}, {"modifiedOn": "yesterday"}, {"lineItems": [{"quantity": "many"}]}],
)
def test_an_order_that_cannot_be_read_goes_to_a_person(shop: Shop, follow: Follow, broken: dict[str, Any]) -> None:
    shop.create_order([{"sku": "HOOK"}]).update(broken)
    message = follow()
    assert message.status == "dead"
    assert message.last_error.startswith("INTEG_004")
    assert not SalesOrder.objects.exists()


# What lines say ------------------------------------------------------------------------------------------------------
def test_a_variant_is_found_before_its_product_and_its_product_before_the_sku(shop: Shop, follow: Follow) -> None:
    variant, product, sku = mapped("A"), mapped("B"), mapped("C")
    MarketplaceProductMapping.objects.filter(erp_product=variant).update(marketplace_product_id="v-1")
    MarketplaceProductMapping.objects.filter(erp_product=product).update(marketplace_product_id="p-1")
    shop.create_order(
        [
            {"sku": "C", "variantId": "v-1", "productId": "p-1"},
            {"sku": "C", "variantId": "v-2", "productId": "p-1"},
            {"sku": "C", "variantId": "v-3", "productId": "p-3"},
        ]
    )
    follow()
    lines = the_order().lines.order_by("line_number")
    assert [line.product for line in lines] == [variant, product, sku]
    assert [line.external_product_id for line in lines] == ["v-1", "v-2", "v-3"]


def test_two_lines_with_the_same_id_stay_two_lines(shop: Shop, follow: Follow) -> None:
    mapped("HOOK")
    shop.create_order([{"sku": "HOOK", "id": "same"}, {"sku": "HOOK", "id": "same", "quantity": 4}])
    follow()
    lines = the_order().lines.order_by("line_number")
    assert [(line.external_line_id, line.quantity) for line in lines] == [("same#1", 1), ("same#2", 4)]


def test_what_the_buyer_chose_and_wrote_is_kept(shop: Shop, follow: Follow) -> None:
    mapped("HOOK")
    options = [{"optionName": "Color", "value": "Black"}]
    texts = [{"label": "Engraving", "value": "Happy birthday"}, {"label": "Color", "value": "of the text: red"}]
    shop.create_order([{"sku": "HOOK", "variantOptions": options, "customizations": texts}, {"sku": "HOOK"}])
    follow()
    lines = the_order().lines.order_by("line_number")
    assert lines[0].options == {"Color": "Black", "Engraving": "Happy birthday", "Color (2)": "of the text: red"}
    assert lines[1].options == {}


def test_a_kit_becomes_its_products_at_the_price_paid(shop: Shop, follow: Follow) -> None:
    hook, box = made_product(), made_product()
    kit = MarketplaceProductMapping.objects.create(
        marketplace="squarespace", marketplace_product_id="kit-1", marketplace_sku="KIT"
    )
    MarketplaceMappingLine.objects.create(mapping=kit, product=hook, quantity=3)
    MarketplaceMappingLine.objects.create(mapping=kit, product=box, quantity=1)
    shop.create_order([{"sku": "KIT", "quantity": 2, "unitPricePaid": "10.00", "productName": "Desk set"}])
    follow()
    order = the_order()
    assert [(line.product, line.quantity, line.total, line.name) for line in order.lines.order_by("line_number")] == [
        (box, 2, Decimal("20.00"), "Desk set"),
        (hook, 6, Decimal("0.00"), f"{hook.name} (of Desk set)"),
    ]
    assert (order.grand_total, order.payment_status, order.status) == (Decimal("26.00"), "paid", "confirmed")


def test_what_is_not_goods_is_not_made_and_is_pointed_out(shop: Shop, follow: Follow) -> None:
    mapped("HOOK")
    card = {"sku": None, "productName": "Gift card", "lineItemType": "GIFT_CARD", "variantOptions": None}
    shop.create_order([{"sku": "HOOK"}, card])
    follow()
    order = the_order()
    assert order.status == "confirmed"
    assert [line.supply for line in order.lines.order_by("line_number")] == ["make", "none"]
    assert order.production_orders.count() == 1
    assert order.internal_note == "Please check Gift card: it is a GIFT_CARD, nothing is made."


def test_an_order_discounted_to_nothing_is_made_all_the_same(shop: Shop, follow: Follow) -> None:
    mapped("HOOK")
    shop.create_order([{"sku": "HOOK"}], discountTotal="25.00")
    follow()
    order = the_order()
    assert (order.grand_total, order.status, order.payment_status) == (Decimal("0.00"), "confirmed", "paid")
    assert order.production_orders.get().status == "confirmed"
    assert not Payment.objects.exists()


def test_prices_with_tax_inside_become_net_and_add_up_to_the_cent(shop: Shop, follow: Follow) -> None:
    mapped("HOOK")
    shop.create_order(
        [{"sku": "HOOK", "quantity": 3, "unitPricePaid": "9.99"}],
        shippingTotal="5.00",
        taxTotal="5.58",
        priceTaxInterpretation="INCLUSIVE",
        grandTotal={"value": "34.97", "currency": "EUR"},
    )
    follow()
    order = the_order()
    assert (order.grand_total, order.tax_total, order.currency) == (Decimal("34.97"), Decimal("5.58"), "EUR")
    assert order.lines.get().unit_price == Decimal("8.40")
    assert order.subtotal - order.discount_total + order.shipping_total + order.tax_total == order.grand_total
    assert order.discount_total < Decimal("0.03")
    assert "include 5.58 tax" in order.internal_note


def test_a_test_order_says_so(shop: Shop, follow: Follow) -> None:
    mapped("HOOK")
    shop.create_order([{"sku": "HOOK"}], testmode=True, internalNotes=[{"content": "Call first"}])
    follow()
    assert the_order().internal_note.splitlines() == [
        "Test order: the shop was in test mode when it was placed.",
        "Call first",
    ]


@pytest.mark.parametrize(
    "nowhere", [None, {"firstName": "", "lastName": "", "address1": None, "city": None, "postalCode": None}]
)
def test_it_takes_an_order_without_address_and_e_mail(shop: Shop, follow: Follow, nowhere: Any) -> None:
    mapped("HOOK")
    shop.create_order([{"sku": "HOOK"}], billingAddress=nowhere, shippingAddress=nowhere, customerEmail=None)
    assert follow().status == "done"
    order = the_order()
    assert (order.customer.email, order.shipping_address_line1) == ("buyer@squarespace.invalid", "")
    assert order.status == "confirmed"


# SKUs that nobody knows ----------------------------------------------------------------------------------------------
def test_an_unknown_sku_holds_the_order_until_it_is_mapped_and_nothing_is_lost(shop: Shop, follow: Follow) -> None:
    known = mapped("HOOK")
    text = [{"label": "Engraving", "value": "Happy birthday"}]
    shop.create_order(
        [{"sku": "HOOK", "quantity": 2}, {"sku": "NEW", "variantId": "v-new", "quantity": 3, "customizations": text}]
    )
    assert follow().status == "done"
    order = the_order()
    assert (order.status, order.payment_status) == ("on_hold", "paid")
    assert "NEW" in order.hold_reason
    assert [row.product for row in order.production_orders.all()] == [known]

    clerk = staff("integrations.change_marketplaceproductmapping", "sales.change_salesorder", "sales.resume_salesorder")
    product = made_product()
    integrations.map_product("squarespace", "v-new", "NEW", [(product, 1)], name="New thing", actor=clerk)
    order.refresh_from_db()
    assert (order.status, order.payment_status, order.hold_reason) == ("confirmed", "paid", "")
    line = order.lines.get(external_sku="NEW")
    assert (line.product, line.quantity, line.options) == (product, 3, {"Engraving": "Happy birthday"})
    made = order.production_orders.order_by("pk")
    assert [(row.product, row.quantity, row.status) for row in made] == [
        (known, 2, "confirmed"),
        (product, 3, "confirmed"),
    ]
    # The next order finds the mapping by itself.
    shop.create_order([{"sku": "NEW", "variantId": "v-new"}])
    follow()
    assert SalesOrder.objects.latest("pk").status == "confirmed"


def test_mapping_one_of_two_unknown_skus_keeps_the_order_on_hold(shop: Shop, follow: Follow) -> None:
    shop.create_order([{"sku": "ONE"}, {"sku": "TWO"}])
    follow()
    integrations.map_product("squarespace", "", "ONE", [(made_product(), 1)], actor=system_actor())
    order = the_order()
    assert order.status == "on_hold"
    assert sorted(order.lines.values_list("supply", flat=True)) == ["make", "unmapped"]
    integrations.map_product("squarespace", "", "TWO", [(made_product(), 1)], actor=system_actor())
    order.refresh_from_db()
    assert order.status == "confirmed"


def test_a_kit_mapped_later_becomes_the_same_lines(shop: Shop, follow: Follow) -> None:
    shop.create_order([{"sku": "KIT", "quantity": 2, "unitPricePaid": "10.00"}])
    follow()
    hook, box = made_product(), made_product()
    integrations.map_product("squarespace", "", "KIT", [(hook, 3), (box, 1)], actor=system_actor())
    order = the_order()
    assert [(line.product, line.quantity, line.total) for line in order.lines.order_by("line_number")] == [
        (box, 2, Decimal("20.00")),
        (hook, 6, Decimal("0.00")),
    ]
    assert order.status == "confirmed"


def test_a_mapping_to_a_product_that_is_not_sold_any_more_counts_for_nothing(shop: Shop, follow: Follow) -> None:
    old = mapped("HOOK")
    Product.objects.filter(pk=old.pk).update(is_active=False)
    shop.create_order([{"sku": "HOOK"}])
    follow()
    assert the_order().status == "on_hold"


def test_a_mapping_needs_a_permission_and_a_product_that_is_sold() -> None:
    product = made_product()
    with pytest.raises(NotAllowed):
        integrations.map_product("squarespace", "v", "S", [(product, 1)], actor=staff("sales.change_salesorder"))
    Product.objects.filter(pk=product.pk).update(is_active=False)
    product.refresh_from_db()
    wrong: list[tuple[str, str, str, list[tuple[Product, int]]]] = [
        ("squarespace", "v", "S", [(product, 1)]),
        ("squarespace", "v", "S", []),
        ("squarespace", "", " ", [(made_product(), 1)]),
        ("amazon", "v", "S", [(made_product(), 1)]),
        *[("squarespace", "v", "S", [(made_product(), many)]) for many in (0, -1, 10**9)],
    ]
    for arguments in wrong:
        with pytest.raises(InvalidValue):
            integrations.map_product(*arguments, actor=system_actor())
    assert not MarketplaceProductMapping.objects.exists()


# News of an order that we have ---------------------------------------------------------------------------------------
def test_an_update_that_comes_before_the_create_ends_in_the_same_documents(shop: Shop, follow: Follow) -> None:
    mapped("HOOK")
    order = shop.create_order([{"sku": "HOOK"}])
    shop.refund(order["id"], "4.00")
    create, update = shop.notifications
    follow(update)
    before = everything()
    assert before["orders"] == [(order["id"], "confirmed", "paid", Decimal("25.00"), Decimal("4.00"))]
    assert follow(create).status == "done"
    assert everything() == before


def test_older_news_is_ignored(shop: Shop, follow: Follow) -> None:
    mapped("HOOK")
    order = shop.create_order([{"sku": "HOOK"}])
    old = dict(order)
    shop.refund(order["id"], "4.00")
    follow()
    shop.orders[order["id"]] = old | {"fulfillmentStatus": "CANCELED"}
    before = everything()
    message = follow(shop.notifications[0])
    assert message.status == "ignored"
    assert everything() == before


def test_refunds_are_recorded_as_they_grow(shop: Shop, follow: Follow) -> None:
    mapped("HOOK")
    order = shop.create_order([{"sku": "HOOK"}])
    follow()
    for amount in ("4.00", "6.00"):
        shop.refund(order["id"], amount)
        again(follow())
    assert list(Refund.objects.order_by("pk").values_list("amount", flat=True)) == [Decimal("4.00"), Decimal("6.00")]
    shop.refund(order["id"], "15.00")
    follow()
    assert (the_order().payment_status, the_order().amount_refunded) == ("refunded", Decimal("25.00"))


def test_a_cancelled_order_is_cancelled_with_its_production(shop: Shop, follow: Follow) -> None:
    mapped("HOOK")
    order = shop.create_order([{"sku": "HOOK"}])
    follow()
    shop.cancel(order["id"])
    again(follow())
    assert the_order().status == "cancelled"
    assert ProductionOrder.objects.get().status == "cancelled"


def test_an_order_cancelled_before_we_knew_of_it_ends_as_one_cancelled_after(shop: Shop, follow: Follow) -> None:
    mapped("HOOK")
    order = shop.create_order([{"sku": "HOOK"}])
    shop.cancel(order["id"])
    follow(shop.notifications[0])
    assert (the_order().status, the_order().payment_status) == ("cancelled", "paid")
    assert ProductionOrder.objects.get().status == "cancelled"


def test_a_cancelled_order_that_is_ready_to_leave_is_held_for_a_person_once(shop: Shop, follow: Follow) -> None:
    mapped("HOOK")
    order = shop.create_order([{"sku": "HOOK"}])
    follow()
    ours = the_order()
    print_parts(ours)
    sales.finish_production(ours, actor=system_actor())
    assert ours.status == "quality_check"
    shop.cancel(order["id"])
    message = follow()
    ours.refresh_from_db()
    assert ours.status == "on_hold"
    assert ours.hold_reason.startswith("Squarespace cancelled this order.")
    sales.resume_order(ours, actor=system_actor())
    again(message)
    ours.refresh_from_db()
    assert ours.status == "quality_check"


def test_an_order_fulfilled_elsewhere_is_held_for_a_person(shop: Shop, follow: Follow) -> None:
    mapped("HOOK")
    order = shop.create_order([{"sku": "HOOK"}])
    follow()
    shop.change(order["id"], "FULFILLED", fulfillmentStatus="FULFILLED")
    follow()
    assert (the_order().status, "not shipped from here" in the_order().hold_reason) == ("on_hold", True)


def test_an_order_that_is_not_paid_yet_is_held_and_goes_on_when_it_is(shop: Shop, follow: Follow) -> None:
    mapped("HOOK")
    order = shop.create_order([{"sku": "HOOK"}], paymentState="PENDING")
    follow()
    assert (the_order().status, the_order().payment_status) == ("on_hold", "pending")
    assert "PENDING" in the_order().hold_reason
    shop.change(order["id"], "MARKED_PENDING", paymentState="PAID")
    follow()
    assert (the_order().status, the_order().payment_status) == ("confirmed", "paid")


@pytest.mark.django_db(transaction=True)
def test_eight_workers_at_once_make_one_order(shop: Shop) -> None:
    if connection.vendor == "sqlite":
        pytest.skip("SQLite in memory has one connection; the same test runs on PostgreSQL")
    mapped("HOOK")
    theirs = read_order(shop.create_order([{"sku": "HOOK", "quantity": 2}]))
    system = User.objects.system("squarespace")
    gate = threading.Barrier(8)
    found: list[Any] = []

    def take() -> None:
        gate.wait()
        try:
            found.append(take_order(theirs, actor=system).pk)
        except Exception as error:
            found.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=take) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [the_order().pk] * 8
    assert the_order().status == "confirmed"
    assert (Customer.objects.count(), Payment.objects.count(), ProductionOrder.objects.count()) == (1, 1, 1)


def test_thirty_lines_cost_as_many_statements_as_three(shop: Shop) -> None:
    for number in range(30):
        mapped(f"P{number}")
    system = User.objects.system("squarespace")
    counts = []
    for many in (1, 3, 30):  # the first one makes the number sequences
        told = shop.create_order([{"sku": f"P{number}"} for number in range(many)], customerEmail="same@shop.example")
        with CaptureQueriesContext(connection) as made:
            take_order(read_order(told), actor=system)
        counts.append(len(statements_of(made)))
    assert counts[1] == counts[2]


def test_news_in_the_wrong_order_end_as_in_the_right_one(shop: Shop, follow: Follow) -> None:
    """The update is here before the creation that it follows, and is told again at the end."""
    mapped("HOOK")
    order = shop.create_order([{"sku": "HOOK", "quantity": 2}])
    shop.refund(order["id"], "4.00")
    created, updated = shop.notifications
    assert (created.topic, updated.topic) == ("order.create", "order.update")
    assert follow(updated).status == "done"
    before = everything()
    assert (before["orders"][0][1:3], before["refunds"]) == (("confirmed", "paid"), [Decimal("4.00")])
    for late in (created, updated):
        assert follow(late).status in ("done", "ignored")
    assert everything() == before


def test_an_absurd_quantity_is_laid_before_a_person_and_leaves_nothing(shop: Shop, follow: Follow) -> None:
    mapped("HOOK")
    shop.create_order([{"sku": "HOOK", "quantity": 10**9, "unitPricePaid": "0.01"}])
    message = follow()
    assert message.status == "dead"
    assert "quantity" in message.last_error
    assert (everything()["orders"], everything()["production"], everything()["payments"]) == ([], [], [])
