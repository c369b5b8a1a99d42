"""The main act of the portal in a real browser: at a desk, on a phone, and without script.

``PORTAL_PICTURES=folder`` keeps a picture of every page.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from quotes.modelfiles.make import BRACKET
from quotes.models import Quote
from quotes.tests.factories import materials as make_materials
from sales.models import SalesOrder

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
    pytest.mark.django_db(transaction=True),
]

PICTURES = os.environ.get("PORTAL_PICTURES", "")


class Visitor:
    """A browser page that keeps pictures and collects what went wrong in it."""

    def __init__(self, page: Any, base: str, label: str, *, has_script: bool) -> None:
        self.page, self.base, self.label, self.has_script = page, base, label, has_script
        self.errors: list[str] = []
        self.count = 0
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def go(self, path: str) -> None:
        self.page.goto(f"{self.base}{path}")

    def keep(self, name: str) -> None:
        """Keep a picture, and see that the page is not wider than the window."""
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name} is {wide} px wider than the window"
        if PICTURES:
            self.count += 1
            Path(PICTURES).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=f"{PICTURES}/{self.label}-{self.count:02d}-{name}.png", full_page=True)


@pytest.fixture(params=[(1280, 900, True), (390, 844, True), (1280, 900, False)], ids=["desk", "phone", "no-script"])
def visitor(request: Any, live_server: Any, uploads: Path) -> Iterator[Visitor]:
    """A visitor at a desk, on a phone, without script."""
    width, height, has_script = request.param
    make_materials()
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(viewport={"width": width, "height": height}, java_script_enabled=has_script)
        context.set_default_timeout(20_000)
        label = f"{width}{'' if has_script else '-noscript'}"
        yield Visitor(context.new_page(), live_server.url, label, has_script=has_script)
        browser.close()


def test_from_a_file_to_an_order(visitor: Visitor) -> None:
    """A visitor drops the bracket, sees a price, registers, accepts, pays, and follows the order."""
    page = visitor.page
    visitor.go("/")
    visitor.keep("home")
    page.set_input_files("input[type=file]", BRACKET)
    page.click("button:has-text('See the price')")
    page.wait_for_url("**/configure/")
    visitor.keep("configure")
    page.fill("#id_quantity", "10")
    if visitor.has_script:
        page.dispatch_event("#id_quantity", "change")
        page.wait_for_selector("#price dt:has-text('10 ×')")
    visitor.keep("configured")
    page.click("button:has-text('Get the quote')")
    page.wait_for_url("**/quotes/*/")
    visitor.keep("guest-quote")

    page.click("a:has-text('Register to order')")
    for name, value in {
        "first_name": "Ann",
        "last_name": "Example",
        "company_name": "Example Works",
        "email": "ann@example.com",
        "password": "a-long-portal-password",
    }.items():
        page.fill(f"input[name={name}]", value)
    visitor.keep("register")
    page.click("button:has-text('Create the account')")
    page.wait_for_url("**/quotes/*/")
    visitor.keep("quote")

    page.click("summary:has-text('Accept this quote')")
    for name, value in {
        "shipping_address_line1": "1 Harbour Street",
        "shipping_city": "Portland",
        "shipping_state": "OR",
        "shipping_zip": "97201",
        "customer_po_number": "4711",
    }.items():
        page.fill(f"input[name={name}]", value)
    page.check("input[name=payment_method][value='card:tok_ok']")
    visitor.keep("accept")
    page.click("button:has-text('Order for')")
    page.wait_for_url("**/orders/*/")
    assert page.is_visible("text=Thank you for the order.")
    visitor.keep("order")
    for path in ("/", "/quotes/", "/orders/", "/company/"):
        visitor.go(path)
        visitor.keep(path.strip("/") or "home-again")
    page.close()
    assert visitor.errors == []


@pytest.fixture(autouse=True)
def _documents_are_there(request: Any, transactional_db: None) -> Iterator[None]:
    """Look at the documents once the browser is gone: its loop and the database do not share a thread."""
    yield
    quote, order = Quote.objects.get(), SalesOrder.objects.get()
    assert (quote.status, quote.quantity, quote.sales_order) == ("converted", 10, order)
    assert (order.status, order.payment_status, order.customer_po_number) == ("confirmed", "paid", "4711")
