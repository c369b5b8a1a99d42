"""Periodic tasks of sales."""

from __future__ import annotations

from celery import shared_task
from django.utils import timezone

from blb3d.accounts.models import User
from sales import services as sales
from sales.models import SalesOrder
from sales.services.orders import COMPLETED_AFTER


@shared_task
def settle_payments() -> None:
    """Ask the provider about charges whose answer was never written."""
    sales.settle_intended_payments(actor=User.objects.system("sales"))


@shared_task
def complete_delivered_orders() -> None:
    """Complete orders that were delivered two weeks ago."""
    due = SalesOrder.objects.filter(
        status=SalesOrder.Status.DELIVERED, delivered_at__lte=timezone.now() - COMPLETED_AFTER
    )
    for order in due.order_by("pk")[:500]:
        sales.complete_order(order, actor=User.objects.system("sales"))
