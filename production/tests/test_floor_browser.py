"""The floor in a real browser: a phone at a printer, boards at a desk and on the wall, a network that goes away."""

from __future__ import annotations

import datetime
import io
from collections.abc import Callable, Iterator
from decimal import Decimal
from typing import Any

import pytest
from django.conf import settings as django_settings
from django.test import Client
from django.utils import timezone
from PIL import Image

from blb3d.accounts.tests.factories import SuperuserFactory
from blb3d.core.tests.browsing import DESK, PHONE, Window, browser_marks, windows
from inventory.models import Spool
from inventory.tests.factories import MaterialFactory, receive, system_actor
from production import services as production
from production.floor import board as board_page
from production.models import DefectReason, Printer, PrinterSlot
from production.tests.factories import PrinterFactory, black_pla, finished, printable, printing, queued, stock

pytestmark = browser_marks

WALL = (1920, 1080)
#: What is pressed with gloves and is lower than 56 px.
SMALL_BUTTONS = """[...document.querySelectorAll("#content button, #content .pick")]
    .filter(button => button.checkVisibility() && button.getBoundingClientRect().height < 56)
    .map(button => button.textContent)"""


@pytest.fixture
def farm(transactional_db: None) -> dict[str, Printer]:
    """Seven printers that do different things, and what they print with."""
    pla, orange = black_pla(), MaterialFactory(sku="M-ORANGE", color_name="Signal orange", color_hex="F05A00")
    stock(pla, "20")
    DefectReason.objects.update_or_create(code="warping", defaults={"name": "Warping", "position": 1})
    DefectReason.objects.update_or_create(code="stringing", defaults={"name": "Stringing", "position": 2})
    request = {"demand_reference": ("sales_order_line", 7), "demand_label": "SO-2026-014 Example Works"}
    clip = printable(parts=8, name="Cable clip, black")
    _, jobs = queued(clip, 56, due_date=datetime.date(2030, 3, 12), **request)
    names = ("P1S left", "P1S far", "P1S middle", "P1S right", "X1 one", "X1 two", "A1 by the door")
    printers = {name: PrinterFactory(name=name, loaded=[pla]) for name in names}
    finished(jobs[0], printers["P1S left"])
    finished(jobs[4], printers["P1S far"])
    for job, name, percent, left in ((jobs[1], "P1S middle", 62, 41), (jobs[2], "P1S right", 12, 250)):
        printing(job, printers[name])
        figures = {"percent": percent, "layer": 31, "total_layers": 50, "remaining_minutes": left}
        production.record_progress(job, **figures, actor=system_actor())
    paused = printing(jobs[3], printers["X1 one"])
    production.record_paused(paused, reason="Filament ran out in A1", actor=system_actor())
    PrinterSlot.objects.filter(printer=printers["X1 two"]).update(material=orange, color_hex="F05A00")
    Printer.objects.filter(name="A1 by the door").update(
        connection=Printer.Connection.OFFLINE, last_seen_at=timezone.now() - datetime.timedelta(minutes=7)
    )
    lot = receive(pla, "1")
    Spool.objects.create(label="SP-0042", lot=lot, tare_grams=Decimal(210), remaining_grams=Decimal(900))
    return printers


@pytest.fixture
def visit(live_server: Any, farm: dict[str, Printer]) -> Iterator[Callable[..., Window]]:
    """Opens windows of somebody who may do everything, once the farm is there."""
    client = Client()
    client.force_login(SuperuserFactory())
    name = django_settings.SESSION_COOKIE_NAME
    cookie = {"name": name, "value": client.cookies[name].value, "url": live_server.url}
    with windows(live_server.url, Window) as open_window:
        yield lambda size, **options: open_window(size, cookies=[cookie], **options)


def page_of(printer: Printer) -> str:
    return f"/floor/printers/{printer.serial}/"


def test_a_plate_is_cleared_by_one_tap_or_by_three_with_scrap(
    visit: Callable[..., Window], farm: dict[str, Printer]
) -> None:
    window = visit(PHONE)
    page = window.page
    window.go(page_of(farm["P1S left"]))
    page.wait_for_selector("button:has-text('All 8 good: clear')")
    small = page.evaluate(SMALL_BUTTONS)
    assert small == []
    window.keep("plate-done")
    page.tap("[aria-label='One scrap more']")
    page.tap("label.pick:has-text('Warping')")
    window.keep("plate-scrap")
    page.tap("button:has-text('Clear: 7 good, 1 scrap')")
    page.wait_for_selector("text=Cleared: 7 good, 1 scrap. P1S left is free for the next job.")
    window.keep("plate-cleared")
    page.wait_for_selector("text=Last cleared today")
    window.go(page_of(farm["P1S far"]))
    page.tap("button:has-text('All 8 good: clear')")
    page.wait_for_selector("text=Cleared: 8 good. P1S far is free for the next job.")
    assert window.errors == []


def test_typed_figures_count_while_they_are_typed(visit: Callable[..., Window], farm: dict[str, Printer]) -> None:
    window = visit(PHONE)
    page = window.page
    window.go(page_of(farm["P1S left"]))
    page.fill("[data-scrap]", "1")
    # The field still has the focus: reasons and counts stand before a finger goes to the button.
    page.wait_for_selector("button:has-text('Clear: 7 good, 1 scrap')")
    page.tap("label.pick:has-text('Warping')")
    page.tap("button:has-text('Clear: 7 good, 1 scrap')")
    page.wait_for_selector("text=Cleared: 7 good, 1 scrap. P1S left is free for the next job.")
    assert window.errors == []


def test_a_plate_is_cleared_without_script_and_a_second_time_without_harm(
    visit: Callable[..., Window], farm: dict[str, Printer]
) -> None:
    window, late = visit(PHONE, has_script=False), visit(PHONE, has_script=False)
    page = window.page
    window.go(page_of(farm["P1S left"]))
    late.go(page_of(farm["P1S left"]))
    window.keep("plate-done")
    page.fill("[data-good]", "6")
    page.fill("[data-scrap]", "2")
    page.check("label.pick:has-text('Stringing') input", force=True)
    page.click("button:has-text('Clear with these counts')")
    page.wait_for_selector("text=Cleared: 6 good, 2 scrap.")
    late.page.click("button:has-text('All 8 good: clear')")
    late.page.wait_for_selector("text=by you: 6 good, 2 scrap. Nothing was changed.")
    late.keep("plate-again")


def test_what_was_typed_stays_when_the_network_is_gone(visit: Callable[..., Window], farm: dict[str, Printer]) -> None:
    window = visit(PHONE)
    page = window.page
    window.go(page_of(farm["P1S left"]))
    page.tap("[aria-label='One scrap more']")
    page.tap("[aria-label='One scrap more']")
    page.context.set_offline(True)
    page.tap("button:has-text('Clear: 6 good, 2 scrap')")
    page.wait_for_selector("text=No connection. What you typed is kept")
    assert (page.input_value("[data-good]"), page.input_value("[data-scrap]")) == ("6", "2")
    page.context.set_offline(False)
    page.tap("button:has-text('Clear: 6 good, 2 scrap')")
    page.wait_for_selector("text=Cleared: 6 good, 2 scrap.")


@pytest.mark.parametrize("size", [DESK, PHONE], ids=["desk", "phone"])
def test_the_board_shows_the_farm_and_goes_on_by_itself(
    visit: Callable[..., Window],
    farm: dict[str, Printer],
    size: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(board_page, "SECONDS", 1)
    window = visit(size)
    page = window.page
    window.go("/floor/")
    page.wait_for_selector(".tile >> nth=6")
    order = page.eval_on_selector_all(".tile__name", "names => names.map(name => name.textContent.trim())")
    assert order == ["P1S left", "P1S far", "X1 one", "X1 two", "P1S middle", "P1S right", "A1 by the door"]
    assert page.text_content(".tile:has-text('P1S middle') .ring text") == "62%"
    assert "today" in page.inner_text(".tile:has-text('P1S middle') .tile__finish") or timezone.localtime().hour > 22
    assert page.is_visible(".tile:has-text('X1 two') >> text=Load PLA Black")
    assert page.is_visible(".tile:has-text('P1S left') >> text=Example Works")
    window.keep("board")

    other = visit(PHONE)
    other.go(page_of(farm["P1S far"]))
    other.page.tap("button:has-text('All 8 good: clear')")
    page.wait_for_selector(".tile:has-text('P1S far') .chip:has-text('Ready')")
    assert window.errors == []
    page.context.set_offline(True)
    page.wait_for_selector("text=No connection since")
    window.keep("board-lost")
    page.context.set_offline(False)
    page.wait_for_selector("#lost", state="hidden")
    page.click(".tile__name a:has-text('P1S left')")
    page.wait_for_url(f"**{page_of(farm['P1S left'])}")
    page.wait_for_selector("button:has-text('All 8 good: clear')")


def test_a_wall_screen_shows_the_board_by_its_link(live_server: Any, farm: dict[str, Printer]) -> None:
    _, token = production.add_screen("Hall", actor=system_actor())
    with windows(live_server.url, Window) as open_window:
        window = open_window(WALL)
        window.go(f"/floor/wall/{token}/")
        window.page.wait_for_selector(".tile >> nth=6")
        assert window.page.inner_text(".tile >> nth=0").startswith("P1S left")
        assert "Example Works" not in window.page.content()
        name = window.page.evaluate("parseFloat(getComputedStyle(document.querySelector('.tile__name')).fontSize)")
        assert name >= 36
        window.keep("wall")
        assert window.errors == []


def test_the_machine_page_sees_that_other_things_have_become_possible(
    visit: Callable[..., Window], farm: dict[str, Printer]
) -> None:
    window = visit(PHONE)
    page = window.page
    window.go(page_of(farm["P1S far"]))
    page.wait_for_selector("button:has-text('All 8 good: clear')")
    other = visit(PHONE)
    other.go(page_of(farm["P1S far"]))
    other.page.tap("button:has-text('All 8 good: clear')")
    page.wait_for_selector("text=Last cleared today")
    assert page.locator("button:has-text('All 8 good: clear')").count() == 0
    assert window.errors == []


def test_a_problem_is_reported_with_a_photo_and_solved(visit: Callable[..., Window], farm: dict[str, Printer]) -> None:
    window = visit(PHONE)
    page = window.page
    window.go(page_of(farm["X1 two"]))
    page.tap("summary:has-text('Report a problem')")
    page.tap("label.pick:has-text('Nozzle clogged')")
    page.fill("textarea[name=text]", "Clicks since this morning")
    out = io.BytesIO()
    Image.new("RGB", (800, 600), "peru").save(out, "JPEG")
    photo = {"name": "p.jpg", "mimeType": "image/jpeg", "buffer": out.getvalue()}
    page.set_input_files("details[open] input[name=photo]", photo)
    page.check("input[name=out_of_service]")
    window.keep("report")
    with page.expect_response("**/floor/problems/*/photo/") as picture:
        page.tap("button:has-text('Report')")
    page.wait_for_selector("text=Reported: Nozzle clogged: Clicks since this morning. X1 two is out of service.")
    assert picture.value.ok
    window.keep("reported")
    page.fill("input[name=resolution]", "New nozzle")
    page.tap("button:has-text('Solved: back in service')")
    page.wait_for_selector("text=X1 two is in service.")
    assert window.errors == []


def test_a_spool_is_loaded_and_weighed_by_its_label(visit: Callable[..., Window], farm: dict[str, Printer]) -> None:
    window = visit(PHONE)
    page = window.page
    window.go(page_of(farm["X1 two"]))
    page.tap(".slot:has-text('A1')")
    page.fill("details[open] input[name=spool]", "sp-0042")
    window.keep("load")
    page.tap("button:has-text('Load into A1')")
    page.wait_for_selector("text=900 g left) hangs in A1 of X1 two.")
    page.wait_for_selector(".slot:has-text('A1') >> text=SP-0042")
    window.go("/floor/spools/")
    page.fill("input[name=q]", "SP-0042")
    page.tap("button:has-text('Find')")
    page.wait_for_url("**/floor/spools/SP-0042/")
    page.fill("input[name=gross]", "1000")
    window.keep("weigh")
    page.tap("button:has-text('Book this weight')")
    page.wait_for_selector("text=SP-0042: 790 g left, -110 g against the books.")
    assert window.errors == []


def test_a_photo_of_the_first_layer_is_kept(visit: Callable[..., Window], farm: dict[str, Printer]) -> None:
    window = visit(PHONE)
    page = window.page
    window.go(page_of(farm["P1S right"]))
    page.tap("summary:has-text('Photo of this print')")
    out = io.BytesIO()
    Image.new("RGB", (640, 480), "teal").save(out, "PNG")
    photo = {"name": "p.png", "mimeType": "image/png", "buffer": out.getvalue()}
    page.set_input_files("details[open] input[name=photo]", photo)
    page.tap("button:has-text('Keep the photo')")
    page.wait_for_selector("text=Photo kept: first layer.")
    with page.expect_response("**/floor/photos/*/") as picture:
        page.tap("summary:has-text('Photo of this print (1)')")
    assert picture.value.ok
    assert window.errors == []
