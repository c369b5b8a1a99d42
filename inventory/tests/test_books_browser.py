"""The pages of the stock books in a real browser: at a desk and on a phone."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.urls import reverse

from blb3d.accounts.tests.factories import SuperuserFactory
from blb3d.core.tests.browsing import DESK, PHONE, Window, browser_marks, windows
from inventory import services as inventory
from inventory.models import Inventory, InventoryTransaction, ReconciliationReport
from inventory.tasks import reconcile_ledger
from inventory.tests.factories import system_actor
from inventory.tests.test_admin import url
from inventory.tests.test_books_pages import day, stock

pytestmark = browser_marks


@dataclass(frozen=True)
class Visit:
    """A way to open windows, and where the pages are; the database is not asked while a browser is open."""

    open: Callable[..., Window]
    period: str
    balance: str
    proof: str


@pytest.fixture
def visit(live_server: Any, transactional_db: None) -> Iterator[Visit]:
    """Opens windows of somebody who may do everything: some stock, a period to close, a proof that found something."""
    stock()
    period = inventory.create_period(first_day=day(6), last_day=day(3), actor=system_actor())
    balance = Inventory.objects.get(lot__isnull=True)
    rows = Inventory.objects.filter(pk=balance.pk)
    rows.update(cost_per_unit=Decimal(3))
    reconcile_ledger()
    rows.update(cost_per_unit=balance.cost_per_unit)
    proof = ReconciliationReport.objects.get()
    client = Client()
    client.force_login(SuperuserFactory())
    name = django_settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
    places = [url(row, "change") for row in (period, balance, proof)]
    with windows(live_server.url, Window) as open_window:
        yield Visit(lambda size: open_window(size, cookies=[cookie]), *places)


@pytest.mark.parametrize("size", [DESK, PHONE])
def test_the_pages_of_the_books_fit_and_are_worked(visit: Visit, size: tuple[int, int]) -> None:
    window = visit.open(size)
    window.go(reverse("console-stock-value") + "?by=all")
    window.keep("stock-value")
    window.go(visit.period)
    window.keep("period-open")
    window.page.click(".doc__acts button:has-text('Close')")
    window.keep("period-asks")
    window.page.click("button.act--primary:has-text('Close')")
    window.page.wait_for_selector("text=$40.00")
    window.keep("period-closed")
    window.go(visit.balance)
    window.keep("balance")
    window.page.click(".doc__acts button:has-text('Correct')")
    window.page.fill("input[name=quantity_change]", "-2")
    window.page.fill("textarea[name=reason]", "broken")
    window.keep("correct-asks")
    window.page.click("button[type=submit]:has-text('Correct')")
    window.page.wait_for_selector("text=8 on hand")
    window.go(url(InventoryTransaction, "changelist"))
    window.keep("ledger")
    window.page.click("#result_list tbody th a >> nth=0")
    window.page.wait_for_selector("text=-$0.50")
    window.keep("ledger-row")
    window.go(visit.proof)
    window.keep("proof")
    assert window.errors == []
