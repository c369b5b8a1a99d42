"""The production order's page and the page that asks, in a real browser: at a desk and on a phone."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client

from blb3d.accounts.tests.factories import SuperuserFactory
from blb3d.core.tests.browsing import DESK, PHONE, Window, browser_marks, windows
from inventory.tests.factories import (
    ComponentFactory,
    ProductFactory,
    make_bom,
    make_plate,
    put_on_shelf,
    release_file,
    system_actor,
)
from production import services as production
from production.models import ProductionOrder
from production.tests.factories import PrinterFactory, black_pla, finished, printing, queued, stock

pytestmark = browser_marks


@pytest.fixture
def order(transactional_db: None) -> ProductionOrder:
    """An order in the middle of its work: a plate counted with scrap, one to be cleared, one printing, some waiting."""
    pla, screw = black_pla(), ComponentFactory(sku="C-SCREW-M3")
    stock(pla, "10")
    put_on_shelf(screw, 30)
    product = ProductFactory(sku="FG-CLIP", name="Cable clip")
    make_bom(product, (pla, "0.0250"), (screw, 2))
    release_file(make_plate(product, parts=4, minutes=90, grams={pla: "100"}))
    made, jobs = queued(
        product,
        20,
        demand_reference=("sales_order_line", 7),
        demand_label="SO-2026-014 Example Works",
        due_date=datetime.date(2030, 3, 12),
    )
    printers = [PrinterFactory(loaded=[pla], hourly_rate=Decimal(2)) for _ in range(3)]
    finished(jobs[0], printers[0])
    count = production.PlateCount(made.pk, 3, 1, "Warped corner")
    production.clear_plate(jobs[0], [count], actor=system_actor())
    finished(jobs[1], printers[1])
    running = printing(jobs[2], printers[2])
    production.record_progress(running, percent=40, remaining_minutes=54, actor=system_actor())
    made.refresh_from_db()
    return made


@pytest.fixture
def visit(live_server: Any, order: ProductionOrder) -> Iterator[Callable[..., Window]]:
    """Opens windows of somebody who may do everything, once the order is there."""
    client = Client()
    client.force_login(SuperuserFactory())
    name = django_settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
    with windows(live_server.url, Window) as open_window:
        yield lambda size: open_window(size, cookies=[cookie])


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_an_order_shows_how_far_it_is_and_what_an_act_will_do(
    visit: Callable[..., Window], order: ProductionOrder, size: tuple[int, int]
) -> None:
    window = visit(size)
    window.go(f"/admin/production/productionorder/{order.pk}/change/")
    page = window.page
    page.wait_for_selector("section[aria-label=Next] >> text=Clear 4 parts off")
    page.wait_for_selector("section[aria-label='Print jobs'] >> text=a person to clear the plate")
    page.wait_for_selector("section[aria-label='Time and cost'] >> text=went into failed prints")
    window.keep("order")
    page.click("summary[aria-label='More acts']")
    page.click("button:has-text('Give up for now')")
    page.wait_for_selector(".effects >> text=SO-2026-014 Example Works waits for 17 parts by 12 Mar 2030")
    window.keep("give-up")
    page.click("a:has-text('Keep as it is')")
    page.wait_for_selector("section[aria-label=Next]")
    page.click("summary[aria-label='More acts']")
    page.click("button:has-text('Split')")
    page.wait_for_selector(".effects >> text=Up to 9 parts of 20")
    window.keep("split")
    page.fill("input[name=quantity]", "4")
    page.click("button.act--primary:has-text('Split')")
    page.wait_for_selector("text=done for")
    window.keep("done")
    page.click(".doc a[href*='/productionorder/']")
    page.wait_for_selector("text=0 of 4 good parts")
    page.click("summary[aria-label='More acts']")
    page.click("button:has-text('Split')")
    page.fill("input[name=quantity]", "1")
    page.click("button.act--primary:has-text('Split')")
    page.wait_for_selector("text=0 of 3 good parts")
    page.click("summary[aria-label='More acts']")
    page.click("button:has-text('Merge')")
    # Each order that may be made with it stands on its line, where it can be read and ticked.
    offered = page.locator("label:has(input[name=orders])")
    offered.locator("input").check()
    box = offered.bounding_box()
    assert box is not None
    assert box["width"] > 4 * box["height"]
    window.keep("merge")
    assert window.errors == []
