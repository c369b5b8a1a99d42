"""Periodic tasks of stock."""

from __future__ import annotations

import logging

from celery import shared_task
from django.db import transaction

from blb3d.accounts.models import User
from inventory import services as inventory
from inventory.selectors import verify_ledger

log = logging.getLogger(__name__)


@shared_task
def expire_lots() -> int:
    """Expire lots whose date has passed; return how many."""
    return len(inventory.expire_lots(actor=User.objects.system("inventory")))


@shared_task
def reconcile_ledger() -> int:
    """Compare the books and report every difference in the log; return how many there are. Nothing is repaired."""
    with transaction.atomic():
        report = verify_ledger()
    for difference in report.differences:
        log.error("the stock books differ: %s", difference)
    return len(report.differences)
