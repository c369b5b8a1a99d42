"""An accepted quote becomes a product and, where it goes somewhere, one order, however often it is asked for."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal
from functools import partial

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.core import outbox
from blb3d.core.errors import InvalidTransition, NotAllowed, StaleVersion
from integrations.models import OfflineCharge
from integrations.payments.offline import OfflinePayments
from inventory.errors import MaterialNotFound
from inventory.models import BOM, PrintFile, Product, ProductPlate
from inventory.tests.concurrency import together
from production.models import ProductionOrder
from quotes import services as quotes
from quotes.errors import AddressNeeded, NoCustomer, OverApprovalLimit, QuoteExpired
from quotes.models import Quote, QuoteAnalytics
from quotes.services import PaymentOrder
from quotes.tests.factories import bracket, cube, member, quoted, request, stranger, system_actor
from sales.errors import PaymentDeclined
from sales.models import Customer, CustomerUser, Payment, SalesOrder
from sales.services.payments import _intend
from sales.tests.factories import ADDRESS, CustomerAddressFactory, staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]

D = Decimal
CARD, BAD_CARD = PaymentOrder("card", "tok_ok"), PaymentOrder("card", "tok_declined")


def test_the_product_is_the_set_with_its_bom_in_kg_and_its_plates(materials):
    buyer = member()
    quote = quoted(buyer, quantity=10, product_name="Bracket")
    quotes.accept_quote(quote, actor=buyer.user)
    product = quote.product
    assert (product.sku, product.name, product.category, product.type) == (
        f"CUSTOM-{quote.quote_number}", "Bracket", "custom", "custom",
    )  # fmt: skip
    bom = BOM.objects.get(product=product, is_active=True)
    line = bom.lines.get()
    assert bom.code == f"BOM-{product.sku}"
    assert line.component in (materials["black"], materials["white"])
    assert line.component.unit_of_measure == "kg"
    assert line.quantity == (quote.material_grams / 1000).quantize(D("0.0001"))
    plate = ProductPlate.objects.get(product=product)
    (kept,) = quote.estimate_detail["plates"]
    assert plate.model_file == quote.files.get().file.name
    assert (plate.parts_per_plate, plate.estimated_minutes) == (kept["sets"], D(kept["minutes"]))
    assert plate.filaments.get().grams == D(kept["filaments"][0]["grams"])
    assert PrintFile.objects.count() == 0, "what a customer uploads is never a print file"


def test_a_quote_of_125_5_grams_has_a_bom_of_0_1255_kg():
    buyer = member()
    quote = quoted(buyer, submit=False, color="Black")
    quotes.estimate_quote_by_hand(quote, material_grams=D("125.5"), print_time_minutes=D(200), actor=system_actor())
    quotes.submit_quote(quote, actor=buyer.user)
    quotes.accept_quote(quote, actor=buyer.user)
    line = BOM.objects.get(product=quote.product).lines.get()
    assert (line.quantity, line.component.unit_of_measure) == (D("0.1255"), "kg")
    assert (line.entered_quantity, line.unit_of_measure) == (D("125.5"), "g")


def test_a_file_that_only_an_engineer_could_judge_is_ordered_and_given_to_no_slicer():
    buyer = member()
    step = quotes.Upload("part.step", b"ISO-10303-21;\nHEADER;")
    quote = quoted(buyer, files=[bracket(), step], is_for_engineer=True)
    quotes.estimate_quote_by_hand(quote, material_grams=D(20), print_time_minutes=D(60), actor=system_actor())
    quotes.approve_quote(quote, actor=system_actor())
    quotes.accept_quote(quote, actor=buyer.user)
    assert quote.status == "accepted"
    assert ProductPlate.objects.get(product=quote.product).model_file == ""


def test_the_cheapest_material_in_stock_is_taken_and_kept(materials):
    buyer = member()
    quote = quoted(buyer)
    quotes.accept_quote(quote, actor=buyer.user)
    assert (quote.material, quote.color_name) == (materials["black"], "Black")
    assert quote.materials.get().material == materials["black"]


def test_the_colour_asked_for_is_taken(materials):
    buyer = member()
    quote = quoted(buyer, color="White")
    quotes.accept_quote(quote, actor=buyer.user)
    assert BOM.objects.get(product=quote.product).lines.get().component == materials["white"]


def test_a_material_that_is_gone_stops_the_acceptance(materials):
    buyer = member()
    quote = quoted(buyer, color="White")
    white = materials["white"]
    white.is_active = False
    white.save()
    with pytest.raises(MaterialNotFound):
        quotes.accept_quote(quote, actor=buyer.user)
    quote.refresh_from_db()
    assert (quote.status, quote.product) == ("approved", None)
    assert not Product.objects.filter(category="custom").exists()


def test_without_an_address_the_quote_is_accepted_and_ordered_later():
    buyer = member()
    quote = quoted(buyer, quantity=3)
    quotes.accept_quote(quote, actor=buyer.user)
    assert (quote.status, quote.sales_order) == ("accepted", None)
    with pytest.raises(AddressNeeded):
        quotes.convert_quote(quote, actor=buyer.user)
    order = quotes.convert_quote(quote, shipping=ADDRESS, customer_po_number="4711", actor=buyer.user)
    assert (quote.status, quote.sales_order) == ("converted", order)
    assert (order.source, order.source_order_id, order.order_type) == ("portal", quote.quote_number, "quote_based")
    assert (order.subtotal, order.tax_total, order.grand_total) == (quote.subtotal, quote.tax, quote.total_price)
    assert (order.shipping_address_line1, order.customer_po_number) == (ADDRESS.line1, "4711")
    line = order.lines.get()
    assert (line.product, line.quantity, line.unit_price) == (quote.product, 3, quote.unit_price)
    assert quotes.convert_quote(quote, shipping=ADDRESS, actor=buyer.user) == order
    made = ProductionOrder.objects.get()
    assert (made.product, made.quantity, made.status, made.sales_order) == (quote.product, 3, "draft", order)


def test_with_an_address_given_or_on_file_the_order_is_placed_at_once():
    given, filed = member(), member()
    CustomerAddressFactory(customer=filed.customer, is_default=True)
    first, second = quoted(given), quoted(filed, rush="urgent")
    quotes.accept_quote(first, shipping=ADDRESS, actor=given.user)
    quotes.accept_quote(second, actor=filed.user)
    assert (first.status, first.sales_order.status) == ("converted", "pending")
    assert (second.status, second.sales_order.shipping_address_line1) == ("converted", "5 Depot Road")
    assert (first.sales_order.priority, second.sales_order.priority) == (2, 4)


def test_a_second_accept_gives_the_same_and_changes_nothing():
    buyer = member()
    quote = quoted(buyer)
    quotes.accept_quote(quote, shipping=ADDRESS, actor=buyer.user)
    before = (quote.version, quote.accepted_at, quote.sales_order_id)
    again = Quote.objects.get(pk=quote.pk)
    quotes.accept_quote(again, shipping=ADDRESS, actor=buyer.user)
    assert (again.version, again.accepted_at, again.sales_order_id) == before
    assert (SalesOrder.objects.count(), ProductionOrder.objects.count()) == (1, 1)
    assert Product.objects.filter(category="custom").count() == 1


@pytest.mark.parametrize("status", ["draft", "pending", "rejected", "cancelled"])
def test_only_an_approved_quote_is_accepted(status):
    buyer = member()
    quote = quoted(buyer, submit=False)
    if status == "pending":
        quotes.update_quote(quote, special_instructions="Look!", actor=buyer.user)
    if status != "draft":
        quotes.submit_quote(quote, actor=buyer.user)
    if status in ("rejected", "cancelled"):
        verb = quotes.reject_quote if status == "rejected" else quotes.cancel_quote
        verb(quote, actor=buyer.user)
    assert quote.status == status
    with pytest.raises(InvalidTransition):
        quotes.accept_quote(quote, shipping=ADDRESS, actor=buyer.user)
    with pytest.raises(InvalidTransition):
        quotes.convert_quote(quote, shipping=ADDRESS, actor=buyer.user)
    assert SalesOrder.objects.count() == 0
    assert not Product.objects.filter(category="custom").exists()


def test_an_expired_quote_cannot_be_accepted_whether_or_not_that_was_written():
    buyer = member()
    quote = quoted(buyer)
    Quote.objects.filter(pk=quote.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    with pytest.raises(QuoteExpired):
        quotes.accept_quote(quote, shipping=ADDRESS, actor=buyer.user)
    quotes.expire_quotes(actor=system_actor())
    with pytest.raises(QuoteExpired):
        quotes.accept_quote(quote, shipping=ADDRESS, actor=buyer.user)
    quote.refresh_from_db()
    assert (quote.status, SalesOrder.objects.count()) == ("expired", 0)


def test_a_stale_accept_is_refused():
    buyer = member()
    quote = quoted(buyer)
    with pytest.raises(StaleVersion):
        quotes.accept_quote(quote, version=quote.version - 1, actor=buyer.user)
    assert Quote.objects.get().status == "approved"


def test_a_stranger_can_neither_accept_nor_order():
    buyer = member()
    quote = quoted(buyer)
    for verb in (quotes.accept_quote, quotes.convert_quote):
        with pytest.raises(NotAllowed):
            verb(quote, shipping=ADDRESS, actor=stranger())
    assert Quote.objects.get().status == "approved"


def test_a_guests_quote_is_not_ordered():
    quote = quotes.create_quote(request(), actor=system_actor())
    with pytest.raises(NoCustomer):
        quotes.accept_quote(quote, shipping=ADDRESS, actor=system_actor())


@pytest.mark.parametrize(
    ("role", "over", "may"),
    [("BUYER", "0.00", True), ("BUYER", "0.01", False), ("APPROVER", "0.01", True), ("ADMIN", "0.01", True)],
)
def test_a_buyer_accepts_up_to_the_limit(role, over, may):
    buyer = member(role=role)
    quote = quoted(buyer)
    CustomerUser.objects.filter(pk=buyer.pk).update(approval_limit=quote.total_price - D(over))
    if may:
        assert quotes.accept_quote(quote, actor=buyer.user).status == "accepted"
        return
    with pytest.raises(OverApprovalLimit) as caught:
        quotes.accept_quote(quote, actor=buyer.user)
    assert caught.value.http_status == 403
    approver = member(role="APPROVER", customer=buyer.customer)
    assert quotes.accept_quote(quote, actor=approver.user).status == "accepted"


def test_staff_accept_for_a_customer():
    quote = quoted()
    quotes.accept_quote(
        quote, shipping=ADDRESS, actor=staff("quotes.accept_quote", "quotes.convert_quote", "sales.add_salesorder")
    )
    assert quote.sales_order.customer == quote.customer


def test_a_customer_on_terms_is_confirmed_at_once():
    buyer = member()
    buyer.customer.terms = Customer.Terms.NET_30
    buyer.customer.save()
    quote = quoted(buyer)
    quotes.accept_quote(quote, shipping=ADDRESS, actor=buyer.user)
    assert quote.sales_order.status == "confirmed"
    assert ProductionOrder.objects.get().status == "confirmed"


def test_several_files_are_several_plates_of_one_product():
    buyer = member()
    quote = quoted(buyer, files=[bracket(), cube()])
    quotes.accept_quote(quote, actor=buyer.user)
    plates = ProductPlate.objects.filter(product=quote.product).order_by("plate_number")
    assert [plate.model_file for plate in plates] == [row.file.name for row in quote.files.order_by("pk")]
    assert BOM.objects.get(product=quote.product).lines.count() == 1


def test_the_conversion_is_recorded():
    buyer = member()
    quote = quoted(buyer)
    quotes.accept_quote(quote, shipping=ADDRESS, actor=buyer.user)
    row = QuoteAnalytics.objects.get(quote=quote)
    assert (row.converted_to_order, row.conversion_time_hours) == (True, D("0.00"))


def test_accepting_costs_the_same_with_one_file_or_four():
    counts = []
    for files in ([bracket()], [bracket()], [bracket(), cube(), cube(21, "b.3mf"), cube(22, "c.3mf")]):
        buyer = member()
        quote = quoted(buyer, files=files)
        with CaptureQueriesContext(connection) as queries:
            quotes.accept_quote(quote, shipping=ADDRESS, actor=buyer.user)
        counts.append(len(queries))
    assert counts[1] == counts[2]


# --- Paying ---------------------------------------------------------------------------------------------------------


def test_a_card_pays_the_order_and_confirms_it():
    buyer = member()
    quote = quoted(buyer)
    quotes.accept_quote(quote, shipping=ADDRESS, payment=CARD, actor=buyer.user)
    order = SalesOrder.objects.get()
    assert (order.payment_status, order.amount_paid, order.status) == ("paid", quote.total_price, "confirmed")
    quotes.accept_quote(Quote.objects.get(), shipping=ADDRESS, payment=CARD, actor=buyer.user)
    assert (Payment.objects.count(), OfflineCharge.objects.count()) == (1, 1)


def test_a_declined_card_leaves_the_order_pending_and_another_one_pays_it():
    buyer = member()
    quote = quoted(buyer)
    with pytest.raises(PaymentDeclined) as caught:
        quotes.accept_quote(quote, shipping=ADDRESS, payment=BAD_CARD, actor=buyer.user)
    assert caught.value.code == "PAYMENT_001"
    order = SalesOrder.objects.get()
    assert (Quote.objects.get().status, order.status, order.payment_status) == ("converted", "pending", "pending")
    quotes.accept_quote(Quote.objects.get(), payment=CARD, actor=buyer.user)
    order.refresh_from_db()
    assert (SalesOrder.objects.count(), order.status, order.payment_status) == (1, "confirmed", "paid")


def test_a_bank_transfer_waits_for_the_money():
    buyer = member()
    quote = quoted(buyer)
    quotes.accept_quote(quote, shipping=ADDRESS, payment=PaymentOrder("bank_transfer"), actor=buyer.user)
    order = SalesOrder.objects.get()
    assert (order.status, order.payment_status) == ("pending", "pending")
    assert Payment.objects.get().status == "intended"


def test_a_payment_needs_an_order():
    buyer = member()
    quote = quoted(buyer)
    with pytest.raises(AddressNeeded):
        quotes.accept_quote(quote, payment=CARD, actor=buyer.user)
    assert OfflineCharge.objects.count() == 0


def end_state():
    """Return the documents without their keys, numbers and times."""
    quote, order, payment = Quote.objects.get(), SalesOrder.objects.get(), Payment.objects.get()
    return (
        (quote.status, quote.total_price, quote.sales_order_id == order.pk),
        (order.status, order.payment_status, order.amount_paid, order.lines.count()),
        (payment.status, payment.amount, OfflineCharge.objects.count()),
        sorted(ProductionOrder.objects.values_list("status", "quantity")),
        Product.objects.filter(category="custom").count(),
    )


@pytest.mark.parametrize("killed_after", ["nothing", "order", "intent", "charge"])
def test_a_kill_between_the_transactions_of_accept_and_payment_ends_the_same(killed_after):
    """What a killed process leaves committed is made here; the customer's second call goes on from there."""
    buyer = member()
    quote = quoted(buyer, quantity=2)
    if killed_after != "nothing":
        quotes.take_acceptance(quote, shipping=ADDRESS, actor=buyer.user)
    if killed_after in ("intent", "charge"):
        order = SalesOrder.objects.get()
        payment, _ = _intend(order, method="card", actor=buyer.user)
        if killed_after == "charge":
            OfflinePayments().charge(
                amount=payment.amount, currency="USD", token="tok_ok",
                idempotency_key=payment.idempotency_key, description="",
            )  # fmt: skip
    quotes.accept_quote(Quote.objects.get(), shipping=ADDRESS, payment=CARD, actor=buyer.user)
    outbox.drain()
    total = Quote.objects.get().total_price
    assert end_state() == (
        ("converted", total, True),
        ("confirmed", "paid", total, 1),
        ("received", total, 1),
        [("confirmed", 2)],
        1,
    )


# --- At once --------------------------------------------------------------------------------------------------------


@pytest.mark.django_db(transaction=True)
def test_eight_accepts_at_once_make_one_order(shared_database):
    buyer = member()
    quote = quoted(buyer)
    calls = [
        partial(quotes.take_acceptance, Quote.objects.get(pk=quote.pk), shipping=ADDRESS, actor=buyer.user)
        for _ in range(8)
    ]
    results = together(*calls)
    assert [result.status for result in results] == ["converted"] * 8
    assert {result.sales_order_id for result in results} == {SalesOrder.objects.get().pk}
    assert (ProductionOrder.objects.count(), Product.objects.filter(category="custom").count()) == (1, 1)


@pytest.mark.django_db(transaction=True)
def test_paying_twice_at_once_charges_once(shared_database):
    buyer = member()
    quote = quoted(buyer)
    calls = [
        partial(quotes.accept_quote, Quote.objects.get(pk=quote.pk), shipping=ADDRESS, payment=CARD, actor=buyer.user)
        for _ in range(4)
    ]
    results = together(*calls)
    assert [type(result) for result in results] == [Quote] * 4, results
    order = SalesOrder.objects.get()
    assert (order.payment_status, OfflineCharge.objects.count(), Payment.objects.count()) == ("paid", 1, 1)


@pytest.mark.django_db(transaction=True)
def test_accept_and_cancel_at_once_do_not_both_happen(shared_database):
    buyer = member()
    quote = quoted(buyer)
    one, other = Quote.objects.get(pk=quote.pk), Quote.objects.get(pk=quote.pk)
    results = together(
        partial(quotes.take_acceptance, one, shipping=ADDRESS, actor=buyer.user),
        partial(quotes.cancel_quote, other, actor=buyer.user),
    )
    assert sum(isinstance(result, InvalidTransition) for result in results) == 1
    status = Quote.objects.get().status
    assert (status, SalesOrder.objects.count()) in {("converted", 1), ("cancelled", 0)}
