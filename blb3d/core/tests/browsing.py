"""A real browser for the tests of pages: one visitor per window, who keeps what went wrong.

A module that uses it takes ``browser_marks`` as its ``pytestmark`` and makes a fixture of ``windows``.
``PORTAL_PICTURES=folder`` keeps a picture of every page that a test calls ``keep`` on.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
PICTURES = os.environ.get("PORTAL_PICTURES", "")
DESK, PHONE = (1280, 900), (390, 844)
NO_WEBGL = ("--disable-3d-apis",)
#: A browser on a busy machine may be late: its tests get a second try, which the report shows as RERUN.
browser_marks = [
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed"),
    pytest.mark.django_db(transaction=True),
    pytest.mark.flaky(reruns=1),
]


class Window:
    """A browser page that keeps pictures and collects what went wrong in it."""

    def __init__(self, page: Any, base: str, label: str, *, has_script: bool = True) -> None:
        self.page, self.base, self.label, self.has_script = page, base, label, has_script
        self.errors: list[str] = []
        self.count = 0
        page.on("console", lambda message: self.errors.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: self.errors.append(str(error)))

    def go(self, path: str) -> None:
        """Open an address of the system under test."""
        self.page.goto(f"{self.base}{path}")

    def keep(self, name: str) -> None:
        """Keep a picture, and see that the page is not wider than the window."""
        wide = self.page.evaluate("document.documentElement.scrollWidth - document.documentElement.clientWidth")
        assert wide <= 0, f"{name} is {wide} px wider than the window"
        if PICTURES:
            self.count += 1
            Path(PICTURES).mkdir(parents=True, exist_ok=True)
            self.page.screenshot(path=f"{PICTURES}/{self.label}-{self.count:02d}-{name}.png", full_page=True)

    def fill(self, values: dict[str, str]) -> None:
        """Type into inputs by their names."""
        for name, value in values.items():
            self.page.fill(f"input[name={name}]", value)

    def tab_to(self, selector: str) -> None:
        """Go from field to field, as somebody without a mouse does, until one fits."""
        for _ in range(80):
            self.page.keyboard.press("Tab")
            if self.page.evaluate("selector => document.activeElement.matches(selector)", selector):
                return
        raise AssertionError(f"no way to {selector} by keyboard")


W = TypeVar("W", bound=Window)


@contextmanager
def windows(base: str, kind: type[W]) -> Iterator[Callable[..., W]]:
    """Give a function that opens windows, ``open(size, *switches, has_script=, cookies=)``; all close at the end."""
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with sync_api.sync_playwright() as playwright:
        browsers = []

        def open_window(size: tuple[int, int], *switches: str, has_script: bool = True, cookies: Any = ()) -> W:
            browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox", *switches])
            browsers.append(browser)
            width, height = size
            context = browser.new_context(
                viewport={"width": width, "height": height}, java_script_enabled=has_script, has_touch=size == PHONE
            )
            context.set_default_timeout(20_000)
            if cookies:
                context.add_cookies(list(cookies))
            label = f"{width}{'' if has_script else '-noscript'}"
            return kind(context.new_page(), base, label, has_script=has_script)

        yield open_window
        for browser in browsers:
            browser.close()
