"""The schedule page in a real browser: at a desk and on a phone."""

from __future__ import annotations

import datetime
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone

from blb3d.accounts.tests.factories import SuperuserFactory
from blb3d.core.tests.browsing import DESK, PHONE, Window, browser_marks, windows
from inventory.tests.factories import MaterialFactory, system_actor
from production import services as production
from production.models import PrintJob, WorkCenter
from production.services.routings import StepSpec, set_routing
from production.tests.factories import PrinterFactory, black_pla, draft, printable, printing, queued, stock

pytestmark = browser_marks


@pytest.fixture
def farm(transactional_db: None) -> None:
    """A farm at work: jobs that run, wait, go late, wait for paint, and one without a file."""
    black, red = black_pla(), MaterialFactory(sku="M-RED", color_name="Red", color_hex="D02020")
    for material in (black, red):
        stock(material, "50")
    paint = WorkCenter.objects.create(code="PAINT", name="Painting", kind="paint", places=1)
    printers = [PrinterFactory(name=name, loaded=[black]) for name in ("Ada", "Blaise", "Grace", "Leonardo")]
    bracket = printable(sku="FG-BRACKET", name="Wall bracket", parts=4)
    bracket.plates.update(estimated_minutes=190)
    vase = printable(sku="FG-VASE", name="Vase", material=red)
    vase.plates.update(estimated_minutes=420)
    set_routing(vase, [StepSpec("Prime and paint", paint, Decimal(25), Decimal(30))], actor=system_actor())
    today = timezone.localdate()
    _, jobs = queued(bracket, 30, due_date=today + datetime.timedelta(days=6))
    for job, printer in zip(jobs[:2], printers, strict=False):
        printing(job, printer)
        PrintJob.objects.filter(pk=job.pk).update(remaining_minutes=70)
    queued(vase, 4, due_date=today + datetime.timedelta(days=2), priority=3)
    draft(vase, 5, due_date=today + datetime.timedelta(days=9))
    draft(printable(sku="FG-LAMP", name="Lamp base", file=False), 2)
    draft(bracket, 8, due_date=today)
    production.make_schedule(cause="every few minutes", actor=system_actor())


@pytest.fixture
def visit(live_server: Any, farm: None) -> Iterator[Callable[..., Window]]:
    """Opens windows of somebody who may do everything, once the farm is at work."""
    client = Client()
    client.force_login(SuperuserFactory())
    name = django_settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
    with windows(live_server.url, Window) as open_window:
        yield lambda size: open_window(size, cookies=[cookie])


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_schedule_is_seen_opened_and_made_anew(visit: Callable[..., Window], size: tuple[int, int]) -> None:
    window = visit(size)
    window.go("/admin/schedule/")
    page = window.page
    page.wait_for_selector(".gantt__bar--running >> nth=1", state="attached")
    page.wait_for_selector(".gantt__bar--late", state="attached")
    page.wait_for_selector("text=No print file for plate 1")
    assert page.locator(".gantt__lane").count() == 1 + 4 + 1
    window.keep("schedule")
    page.click(".gantt__more >> nth=0 >> summary")
    page.wait_for_selector(".gantt__more[open] >> text=Wall bracket, running")
    page.click("button:has-text('Plan now')")
    page.wait_for_selector("text=pieces of work are planned, 2 could not be.")
    page.click("a:has-text('1 day') >> nth=0")
    page.wait_for_selector("a[aria-current=true]:has-text('1 day')")
    window.keep("one-day")
    assert window.errors == []
