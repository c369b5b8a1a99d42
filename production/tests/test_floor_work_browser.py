"""The bench in a real browser at phone width: one tap, or counts that add up by themselves, with and without script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client

from blb3d.accounts.tests.factories import SuperuserFactory
from blb3d.core.tests.browsing import PHONE, Window, browser_marks, windows
from inventory.tests.factories import system_actor
from production import services as production
from production.models import ProductionOperation
from production.tests.factories import black_pla, cleared, printable, queued, routed, stock

pytestmark = browser_marks

PAINT = "/floor/work/PAINT/"
#: What is pressed with gloves and is lower than 56 px.
SMALL_BUTTONS = """[...document.querySelectorAll("#content article button, #content article .pick")]
    .filter(button => button.checkVisibility() && button.getBoundingClientRect().height < 56)
    .map(button => button.textContent)"""


@pytest.fixture
def paint(transactional_db: None) -> ProductionOperation:
    """Six lamp shades that wait to be painted."""
    production.add_standard_defects(actor=system_actor())
    stock(black_pla())
    product = printable(parts=6, name="Lamp shade")
    routed(product, "paint", "pack")
    order, [job] = queued(product, 6)
    cleared(job, good=6)
    return order.operations.order_by("sequence").first()


@pytest.fixture
def visit(live_server: Any, paint: ProductionOperation) -> Iterator[Callable[..., Window]]:
    client = Client()
    client.force_login(SuperuserFactory())
    name = django_settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
    with windows(live_server.url, Window) as open_window:
        yield lambda size, **options: open_window(size, cookies=[cookie], **options)


def test_scrap_and_rework_are_taken_off_what_is_good_by_big_buttons(visit: Callable[..., Window]) -> None:
    window = visit(PHONE)
    window.go("/floor/work/")
    window.page.click("text=painting")
    window.page.wait_for_selector("text=6 × Lamp shade")
    window.keep("work")
    window.page.click("button:has-text('Start')")
    window.page.wait_for_selector("text=Started: painting, Lamp shade.")
    window.page.click("summary:has-text('Not all of them')")
    window.page.click("[aria-label='One scrap more']")
    window.page.click("[aria-label='One more to be done again']")
    window.page.wait_for_function("document.querySelector('[name=good]').value === '4'")
    assert window.page.evaluate(SMALL_BUTTONS) == []
    window.page.check("[name=defect][value=surface]")
    window.keep("work-counts")
    window.page.click("button:has-text('Report these')")
    window.page.wait_for_selector("text=painting, Lamp shade: 4 good, 1 scrap, 1 to be done again.")
    window.page.wait_for_selector("text=1 came back to be done again")
    window.page.click("button:has-text('All 1 good')")
    window.page.wait_for_selector("text=painting, Lamp shade: 1 good.")
    assert window.errors == []


def test_the_same_works_without_script(visit: Callable[..., Window]) -> None:
    window = visit(PHONE, has_script=False)
    window.go(PAINT)
    window.page.click("summary:has-text('Not all of them')")
    window.fill({"good": "2", "scrap": "1", "note": "runs"})
    window.page.click("button:has-text('Report these')")
    window.page.wait_for_selector("text=painting, Lamp shade: 2 good, 1 scrap.")
    window.page.wait_for_selector("text=3 × Lamp shade")
