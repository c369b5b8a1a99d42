"""One set of numbers from the estimate to the order: plates, quote, bill of materials and order say the same."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from inventory.models import BOM, ProductPlate
from production.models import ProductionOrder
from quotes import services as quotes
from quotes.modelfiles.make import box, write_3mf
from quotes.models import Quote
from quotes.services.recomputing import recompute_quote
from quotes.tests.factories import bracket, cube, member, quoted, system_actor
from sales.models import SalesOrder
from sales.pricing import price_again
from sales.tests.factories import ADDRESS, staff

pytestmark = [pytest.mark.django_db, pytest.mark.usefixtures("materials", "uploads")]

D = Decimal
SETS = {
    "one part": lambda: [bracket()],
    "several files": lambda: [bracket(), _boxes((10, 10, 10), (30, 30, 30)), cube(60)],
    "more than a plate": lambda: [_boxes((150, 150, 3), (150, 150, 3), (150, 150, 3)), cube()],
    "tiny": lambda: [_boxes((3, 3, 2))],
}


def _boxes(*sides: tuple[float, float, float]) -> quotes.Upload:
    return quotes.Upload("boxes.3mf", write_3mf([(f"Box {n}", *box(*side)) for n, side in enumerate(sides)]))


@pytest.fixture
def nobody_approves(settings):
    settings.REQUIRE_QUOTE_APPROVAL_OVER = settings.QUOTE_APPROVAL_NEW_CUSTOMER_OVER = D(10**7)


@pytest.mark.usefixtures("nobody_approves")
@pytest.mark.parametrize("quantity", [1, 7, 50, 401])
@pytest.mark.parametrize("files", SETS)
def test_plates_quote_bill_and_order_agree(files, quantity):
    buyer = member()
    quote = quoted(buyer, files=SETS[files](), quantity=quantity)
    plates = quote.estimate_detail["plates"]
    # The columns of a set keep 2 and 4 decimals.
    minutes = sum(D(plate["minutes"]) * plate["runs"] for plate in plates)
    grams = sum(D(use["grams"]) * plate["runs"] for plate in plates for use in plate["filaments"])
    assert abs(quote.print_time_minutes * quantity - minutes) <= D("0.005") * quantity * len(plates)
    assert abs(quote.material_grams * quantity - grams) <= D("0.00005") * quantity * len(plates)
    assert sum(D(line["amount"]) for line in quote.price_lines) == quote.subtotal == quote.unit_price * quantity

    kept = Quote.objects.get(pk=quote.pk)
    again = recompute_quote(kept)
    assert price_again(kept.price_breakdown) == again.price
    assert (again.price.subtotal, again.price.tax, again.price.total) == (quote.subtotal, quote.tax, quote.total_price)
    assert (again.estimate.minutes, again.estimate.grams) == (kept.print_time_minutes, kept.material_grams)

    for _ in range(2):
        quotes.accept_quote(quote, shipping=ADDRESS, actor=buyer.user)
    order = SalesOrder.objects.get()
    assert (order.subtotal, order.tax_total, order.grand_total) == (quote.subtotal, quote.tax, quote.total_price)
    line = BOM.objects.get(product=quote.product).lines.get()
    assert abs(line.quantity * 1000 - quote.material_grams) <= max(D("0.05"), D("0.1") - quote.material_grams)
    assert ProductionOrder.objects.get().quantity == quantity
    made = {row.plate_number: row for row in ProductPlate.objects.filter(product=quote.product)}
    assert [(made[n].parts_per_plate, made[n].estimated_minutes) for n in sorted(made)] == [
        (plate["sets"], D(plate["minutes"])) for plate in plates
    ]
    assert [plate["runs"] for plate in plates] == [math.ceil(quantity / plate["sets"]) for plate in plates]


def test_several_files_that_a_person_estimated_together_are_not_sliced_as_the_first_of_them():
    buyer = member()
    quote = quoted(buyer, files=[bracket(), cube()], submit=False)
    quotes.estimate_quote_by_hand(quote, material_grams=D(10), print_time_minutes=D(20), actor=system_actor())
    quotes.submit_quote(quote, actor=buyer.user)
    quotes.accept_quote(quote, actor=buyer.user)
    assert ProductPlate.objects.get().model_file == ""


def test_an_offer_that_nobody_approved_is_not_got_by_submitting_the_quote_again():
    buyer = member()
    quote = quoted(buyer, submit=False)
    quotes.submit_quote(quote, actor=buyer.user)
    clerk = staff("quotes.offer_quote", "quotes.request_changes_quote")
    quotes.offer_price(quote, unit_price=quote.unit_price - 1, reason="A try", actor=clerk)
    quotes.request_changes(quote, reason="Which colour?", actor=clerk)
    quotes.submit_quote(quote, actor=buyer.user)
    assert quote.status == "pending"
    assert quote.approvals.get(status="PENDING").required_when == "AGREED_PRICE"
