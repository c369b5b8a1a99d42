"""Periodic tasks of stock."""

from __future__ import annotations

import logging

from celery import shared_task

from blb3d.accounts.models import User
from inventory import services as inventory

log = logging.getLogger(__name__)


@shared_task
def expire_lots() -> int:
    """Expire lots whose date has passed; return how many."""
    return len(inventory.expire_lots(actor=User.objects.system("inventory")))


@shared_task
def reconcile_ledger() -> int:
    """Prove the books, keep the report and log every difference; return how many there are. Nothing is repaired."""
    report = inventory.reconcile_stock(actor=User.objects.system("inventory"))
    for difference in report.differences:
        log.error("the stock books differ: %(what)s of %(subject)s: expected %(expected)s, found %(found)s", difference)
    return report.difference_count


@shared_task
def classify_abc() -> int:
    """Give products their class by what was consumed of them in a year; return how many changed."""
    return sum(inventory.classify_abc(actor=User.objects.system("inventory")).values())
