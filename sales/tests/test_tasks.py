from __future__ import annotations

import datetime

import pytest
from django.utils import timezone

from sales import services as sales
from sales.models import Payment, SalesOrder
from sales.tasks import complete_delivered_orders, settle_payments
from sales.tests.factories import made_product, placed, ready_to_ship, system_actor

pytestmark = pytest.mark.django_db


def test_a_charge_whose_answer_was_lost_is_settled_by_the_beat():
    order = placed((made_product(), 1), source="portal")
    long_ago = timezone.now() - datetime.timedelta(hours=1)
    Payment.objects.create(
        sales_order=order, amount=order.grand_total, method="card", idempotency_key="k", status="intended"
    )
    Payment.objects.update(created_at=long_ago)
    settle_payments()
    assert Payment.objects.get().status == Payment.Status.DECLINED


def test_orders_delivered_two_weeks_ago_are_completed():
    old, new = (ready_to_ship((made_product(), 1)) for _ in range(2))
    for order in (old, new):
        sales.ship_order(order, actor=system_actor())
        order.refresh_from_db()
        sales.deliver_order(order, actor=system_actor())
    SalesOrder.objects.filter(pk=old.pk).update(delivered_at=timezone.now() - datetime.timedelta(days=15))
    complete_delivered_orders()
    assert [SalesOrder.objects.get(pk=order.pk).status for order in (old, new)] == ["completed", "delivered"]
