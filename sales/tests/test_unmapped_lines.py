from __future__ import annotations

from decimal import Decimal

import pytest

from blb3d.core import outbox
from blb3d.core.errors import InvalidValue, NotAllowed
from production.models import ProductionOrder
from sales import services as sales
from sales.errors import UnmappedLines
from sales.models import SalesOrder
from sales.tests.factories import UserFactory, bought_product, made_product, placed, system_actor

pytestmark = pytest.mark.django_db


def test_an_order_with_an_unknown_sku_is_kept_and_held_with_the_reason():
    order = placed((made_product(), 1), (None, 2), source="squarespace", source_order_id="u1")
    assert order.status == SalesOrder.Status.ON_HOLD
    assert order.hold_reason == "SKU not mapped: DESK-1"
    assert order.lines.get(line_number=2).supply == "unmapped"
    assert ProductionOrder.objects.count() == 1  # the known line is planned, the unknown one is not
    outbox.drain()
    order.refresh_from_db()
    assert order.status == SalesOrder.Status.ON_HOLD


def test_mapping_the_last_line_releases_and_confirms_a_paid_order():
    order = placed((None, 2), source="squarespace", source_order_id="u2")
    product = made_product()
    sales.map_order_line(order.lines.get(), [(product, 1)], actor=system_actor())
    order.refresh_from_db()
    line = order.lines.get()
    assert (order.status, order.hold_reason, order.held_for_mapping) == ("confirmed", "", False)
    assert (line.product, line.supply, line.quantity, line.total) == (product, "make", 2, Decimal("40.00"))
    assert ProductionOrder.objects.get().status == ProductionOrder.Status.CONFIRMED


def test_an_order_stays_held_while_another_line_is_unmapped():
    order = placed((None, 1), (None, 1), source="squarespace", source_order_id="u3")
    sales.map_order_line(order.lines.first(), [(made_product(), 1)], actor=system_actor())
    order.refresh_from_db()
    assert order.status == SalesOrder.Status.ON_HOLD


def test_a_kit_adds_lines_and_what_was_paid_stands():
    order = placed((None, 3), source="squarespace", source_order_id="u4")
    stand, screw = made_product(), bought_product()
    total = order.grand_total
    sales.map_order_line(order.lines.get(), [(stand, 2), (screw, 8)], actor=system_actor())
    order.refresh_from_db()
    rows = [(line.product, line.quantity, line.unit_price, line.total) for line in order.lines.all()]
    assert rows == [
        (stand, 6, Decimal("10.00"), Decimal("60.00")),
        (screw, 24, Decimal("0.00"), Decimal("0.00")),
    ]
    assert order.grand_total == total


def test_an_order_held_by_a_person_stays_held_after_mapping():
    order = placed((None, 1), source="squarespace", source_order_id="u5")
    sales.resume_order(order, actor=system_actor())
    sales.hold_order(order, actor=system_actor(), reason="Customer asked to wait")
    sales.map_order_line(order.lines.get(), [(made_product(), 1)], actor=system_actor())
    order.refresh_from_db()
    assert (order.status, order.hold_reason) == ("on_hold", "Customer asked to wait")


def test_it_refuses_to_confirm_with_an_unmapped_line():
    order = placed((None, 1), source="squarespace", source_order_id="u6")
    sales.resume_order(order, actor=system_actor())
    with pytest.raises(UnmappedLines) as refused:
        sales.confirm_order(order, actor=system_actor())
    assert refused.value.details == {"skus": ["DESK-1"]}
    order.refresh_from_db()
    assert order.status == SalesOrder.Status.PENDING


def test_it_refuses_a_line_that_has_a_product_and_an_empty_kit():
    order = placed((made_product(), 1), (None, 1), source="squarespace", source_order_id="u7")
    known, unknown = order.lines.all()
    for line, products in (
        (known, [(made_product(), 1)]),
        (unknown, []),
        (unknown, [(made_product(), 0)]),
        (unknown, [(made_product(), 10**9)]),
    ):
        with pytest.raises(InvalidValue):
            sales.map_order_line(line, products, actor=system_actor())
    with pytest.raises(NotAllowed):
        sales.map_order_line(unknown, [(made_product(), 1)], actor=UserFactory())
    unknown.refresh_from_db()
    assert unknown.product is None
