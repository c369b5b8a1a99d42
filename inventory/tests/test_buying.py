"""From what is needed to draft orders, and who sells what."""

import datetime
from decimal import Decimal

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from blb3d.core.errors import InvalidTransition, InvalidValue
from blb3d.core.tests.counting import statements_of
from inventory import services as inventory
from inventory.errors import NoVendor
from inventory.models import ProductUnit, PurchaseOrder, PurchaseOrderLine, VendorItem, VendorPrice
from inventory.selectors.sourcing import sources
from inventory.services import PriceSpec, Want
from inventory.tests.factories import ComponentFactory, MaterialFactory, VendorFactory, receive, system_actor

pytestmark = pytest.mark.django_db
D = Decimal


def sells(vendor, product, unit, **terms):
    """Let a vendor sell a product; ``prices`` are breaks by quantity."""
    prices = terms.pop("prices", {})
    item = VendorItem.objects.create(vendor=vendor, product=product, unit=unit, **terms)
    for minimum, price in prices.items():
        VendorPrice.objects.create(item=item, minimum_quantity=D(minimum), unit_price=D(price))
    return item


def spooled(**fields):
    """Return a filament with spools of 1 kg."""
    product = MaterialFactory(**fields)
    ProductUnit.objects.create(product=product, unit="spool", factor=D(1))
    return product


def bought(*wants, **more):
    return inventory.buy(wants, actor=system_actor(), **more)


def test_what_is_wanted_becomes_a_draft_in_the_vendors_unit_steps_and_price():
    pla, vendor = spooled(), VendorFactory(lead_time_days=9)
    terms = {"minimum_quantity": D(4), "order_multiple": D(2), "lead_time_days": 3, "vendor_sku": "PLA-1K"}
    sells(vendor, pla, "spool", prices={"0": "21.50", "6": "19.90", "10": "18"}, **terms)
    needed = timezone.localdate() + datetime.timedelta(days=20)
    (order,) = bought(Want(pla, D("4.2"), needed, note="For the lamps"), Want(pla, D("0.5")))
    line = order.lines.get()
    assert (line.quantity, line.unit_of_measure, line.unit_price, line.vendor_sku) == (
        D(6),
        "spool",
        D("19.9"),
        "PLA-1K",
    )
    assert (line.needed_on, line.expected_on) == (needed, needed)
    assert (order.status, order.vendor, order.subtotal, order.notes) == ("draft", vendor, D("119.40"), "For the lamps")
    assert order.po_number.startswith("PUR-")


def test_each_day_is_a_line_at_the_price_of_all_of_them_and_not_expected_before_its_lead_time_is_over():
    today, bolt, vendor = timezone.localdate(), ComponentFactory(), VendorFactory(lead_time_days=5)
    sells(vendor, bolt, "each", prices={"0": "0.10", "100": "0.08"}, minimum_quantity=D(50))
    soon, later = (today + datetime.timedelta(days=days) for days in (2, 30))
    (order,) = bought(Want(bolt, D(60), later), Want(bolt, D(10), soon), Want(bolt, D(20), soon), Want(bolt, D(5)))
    rows = order.lines.values_list("line_number", "quantity", "unit_price", "needed_on", "expected_on")
    assert list(rows.order_by("line_number")) == [
        (1, D(50), D("0.08"), soon, today + datetime.timedelta(days=5)),
        (2, D(60), D("0.08"), later, later),
    ]
    assert (order.subtotal, order.expected_on) == (D("8.80"), later)


def test_what_nobody_needs_is_taken_off_a_draft_and_the_last_line_cancels_it():
    bolt, nut, vendor = ComponentFactory(), ComponentFactory(), VendorFactory()
    for part in (bolt, nut):
        sells(vendor, part, "each", prices={"0": "0.10"})
    (order,) = bought(Want(bolt, D(10)), Want(nut, D(20)))
    first, second = order.lines.order_by("line_number")
    actor = system_actor()
    inventory.cancel_purchase_rest(order, line_ids=[first.pk], reason="nobody needs it", actor=actor)
    assert (order.status, order.subtotal, list(order.lines.all())) == ("draft", D("2.00"), [second])
    inventory.cancel_purchase_rest(order, line_ids=[second.pk], reason="nor this", actor=actor)
    assert order.status == "cancelled"
    with pytest.raises(InvalidTransition):
        inventory.cancel_purchase_rest(order, line_ids=[second.pk], reason="again", actor=actor)


def test_less_than_the_minimum_is_raised_to_it_and_the_price_is_that_of_the_quantity():
    pla, vendor = spooled(), VendorFactory()
    sells(vendor, pla, "spool", prices={"0": "21.50", "5": "19"}, minimum_quantity=D(5))
    (order,) = bought(Want(pla, D("0.3")))
    assert order.lines.values_list("quantity", "unit_price").get() == (D(5), D(19))


def test_a_price_counts_while_it_is_valid():
    today = timezone.localdate()
    bolt, vendor = ComponentFactory(), VendorFactory()
    item = sells(vendor, bolt, "each", prices={"0": "0.10"})
    day = datetime.timedelta(days=1)
    VendorPrice.objects.create(item=item, unit_price=D("0.07"), valid_from=today - 9 * day, valid_to=today - day)
    VendorPrice.objects.create(item=item, unit_price=D("0.06"), valid_from=today + day)
    assert bought(Want(bolt, D(10)))[0].lines.get().unit_price == D("0.1")
    VendorPrice.objects.create(item=item, unit_price=D("0.08"), valid_from=today, valid_to=today)
    assert bought(Want(bolt, D(10)))[0].lines.get().unit_price == D("0.08")


def test_each_vendor_gets_one_order_and_who_is_named_goes_before_who_is_preferred():
    first, second = VendorFactory(code="A"), VendorFactory(code="B")
    bolt, nut, pla = ComponentFactory(sku="C-1"), ComponentFactory(sku="C-2"), spooled(sku="M-1")
    for vendor in (first, second):
        sells(vendor, bolt, "each", is_preferred=vendor is second)
    sells(first, nut, "each")
    sells(second, pla, "spool")
    orders = bought(Want(bolt, D(5)), Want(nut, D(5)), Want(pla, D(2)), Want(bolt, D(3), vendor=first))
    found = {
        order.vendor.code: list(order.lines.values_list("line_number", "product__sku", "quantity")) for order in orders
    }
    assert found == {"A": [(1, "C-1", D(3)), (2, "C-2", D(5))], "B": [(1, "C-1", D(5)), (2, "M-1", D(2))]}


def test_without_an_item_the_vendor_of_the_last_lot_sends_the_purchase_unit_at_standard_cost():
    old, new = VendorFactory(), VendorFactory(lead_time_days=4)
    pla = spooled(unit_cost=D("12.5"), purchase_unit="spool")
    receive(pla, 1, vendor=old, received_at=timezone.now() - datetime.timedelta(days=3))
    receive(pla, 1, vendor=new)
    (order,) = bought(Want(pla, D("2.25")))
    line = order.lines.get()
    assert (order.vendor, line.quantity, line.unit_of_measure, line.unit_price) == (new, D(3), "spool", D("12.5"))
    assert line.expected_on == timezone.localdate() + datetime.timedelta(days=4)


def test_what_nobody_sells_is_named_and_nothing_is_written():
    bolt, nut, sold = ComponentFactory(sku="C-9"), ComponentFactory(sku="C-8"), ComponentFactory()
    sells(VendorFactory(), sold, "each")
    sells(VendorFactory(is_active=False), bolt, "each")
    sells(VendorFactory(), nut, "each", is_active=False)
    with pytest.raises(NoVendor) as refused:
        bought(Want(bolt, D(1)), Want(sold, D(1)), Want(nut, D(1)))
    assert refused.value.details == {"skus": ["C-8", "C-9"]}
    for wrong in ([], [Want(sold, D(0))], [Want(sold, D(-1))], [Want(sold, D("NaN"))]):
        with pytest.raises(InvalidValue):
            bought(*wrong)
    assert not PurchaseOrder.objects.exists()


def test_a_draft_is_added_to_only_when_asked_and_loses_its_approval():
    bolt, vendor, actor = ComponentFactory(), VendorFactory(), system_actor()
    sells(vendor, bolt, "each", prices={"0": "2"})
    (draft,) = bought(Want(bolt, D(5)))
    assert bought(Want(bolt, D(5))) != [draft]
    PurchaseOrder.objects.exclude(pk=draft.pk).delete()
    PurchaseOrder.objects.filter(pk=draft.pk).update(approved_by=actor, approved_at=timezone.now())
    assert bought(Want(bolt, D(7)), add_to_drafts=True) == [draft]
    draft.refresh_from_db()
    assert (draft.subtotal, draft.approved_by, draft.approved_at) == (D(24), None, None)
    assert list(draft.lines.values_list("line_number", "quantity")) == [(1, D(5)), (2, D(7))]


def test_sources_say_minimum_and_multiple_in_stock_units():
    pla, vendor, nobody = spooled(), VendorFactory(lead_time_days=6), ComponentFactory()
    ProductUnit.objects.create(product=pla, unit="box", factor=D(8))
    sells(vendor, pla, "box", minimum_quantity=D(2), order_multiple=D(1))
    found = sources([pla.pk, nobody.pk])
    assert set(found) == {pla.pk}
    source = found[pla.pk]
    assert (source.vendor_id, source.lead_days, source.minimum, source.multiple) == (vendor.pk, 6, D(16), D(8))


def test_of_several_vendors_without_a_preferred_one_it_is_who_sent_the_last_lot():
    bolt = ComponentFactory()
    first, second = VendorFactory(), VendorFactory()
    for vendor in (first, second):
        sells(vendor, bolt, "each")
    assert sources([bolt.pk])[bolt.pk].vendor_id == first.pk
    receive(bolt, 1, vendor=second)
    assert sources([bolt.pk])[bolt.pk].vendor_id == second.pk


def test_buying_and_looking_for_sources_cost_the_same_for_two_products_and_for_twenty():
    costs = []
    vendor, other = VendorFactory(), VendorFactory()
    bought(Want(ComponentFactory(), D(1), vendor=vendor))  # the year's first number costs more
    for count in (2, 20):
        wants = []
        for number in range(count):
            product = spooled()
            sells(vendor if number % 2 else other, product, "spool", prices={"0": "20", "4": "18"})
            wants.append(Want(product, D(5)))
        with CaptureQueriesContext(connection) as looking:
            assert len(sources([want.product.pk for want in wants])) == count
        with CaptureQueriesContext(connection) as buying:
            bought(*wants)
        costs.append((len(looking), len(statements_of(buying))))
    assert costs[0] == costs[1]
    assert costs[0][0] <= 4
    assert PurchaseOrderLine.objects.count() == 23


def test_a_price_in_another_money_than_the_vendors_is_none():
    bolt, vendor = ComponentFactory(unit_cost=D(3)), VendorFactory(currency="EUR")
    item = inventory.set_vendor_item(vendor, bolt, unit="each", prices=[PriceSpec(D(7))], actor=system_actor())
    [order] = inventory.buy([Want(bolt, D(1), vendor=vendor)], actor=system_actor())
    assert (order.currency, order.lines.get().unit_price) == ("EUR", D(7))
    item.prices.update(currency="USD")
    [order] = inventory.buy([Want(bolt, D(1), vendor=vendor)], actor=system_actor())
    assert (order.currency, order.lines.get().unit_price) == ("EUR", D(3))
