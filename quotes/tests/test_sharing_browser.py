"""Comparing and sharing in a real browser: a guest on a phone without script, and who gets the link at a desk."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from blb3d.core.tests.browsing import DESK, NO_WEBGL, PHONE
from quotes.modelfiles.make import BRACKET
from quotes.tests.test_portal_browser import Visitor, pytestmark, visit

__all__ = ["pytestmark", "visit"]


def test_a_guest_takes_a_variant_and_shares_it(
    visit: Callable[..., Visitor],
    live_server: Any,
    settings: Any,
) -> None:
    settings.BASE_URL = live_server.url
    guest = visit(PHONE, *NO_WEBGL, has_script=False)
    page = guest.page
    guest.configure(BRACKET)
    page.click("a:has-text('Compare materials')")
    page.wait_for_url("**/compare/")
    guest.keep("compare")
    page.click("button[aria-label='Take PLA, standard, 25']")
    page.wait_for_url(lambda url: "compare" not in url)
    assert page.is_visible("text=25 ×")
    price = page.inner_text(".price .is-total dd")
    page.click("a:has-text('Share')")
    page.click("button:has-text('Make a link')")
    guest.keep("share")
    link = page.input_value("input[readonly]")
    page.close()

    other = visit(DESK, *NO_WEBGL)
    other.page.goto(link)
    assert other.page.inner_text(".price .is-total dd") == price
    # Pictures are lazy: one may begin to load after the page has.
    other.page.wait_for_function("[...document.images].every(image => image.complete && image.naturalWidth > 0)")
    other.keep("shared")
    other.page.close()
    assert guest.errors == other.errors == []
