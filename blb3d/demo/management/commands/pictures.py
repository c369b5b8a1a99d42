"""``manage.py pictures``: the screenshots of the documentation, taken from a running farm."""

from __future__ import annotations

import shutil
import tempfile
from argparse import ArgumentParser
from pathlib import Path
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError

from blb3d.demo.client import wait_for
from blb3d.demo.farm import Farm, Ports
from blb3d.demo.main_job import CUSTOMER, MODEL, MainJob
from blb3d.demo.seed import USERS

if TYPE_CHECKING:
    from playwright.sync_api import Page

DESKTOP = {"width": 1360, "height": 900}
PHONE = {"width": 390, "height": 844}
#: The 3D view is drawn by the processor, on any machine alike.
BROWSER_OPTIONS = [
    "--no-sandbox",
    "--use-angle=swiftshader",
    "--enable-unsafe-swiftshader",
    "--disable-quic",
    "--disable-background-networking",
]


def find_chromium() -> str:
    """Return the path of the browser.

    Raises:
        CommandError: there is none.
    """
    for name in ("chromium", "chromium-browser", "google-chrome", "msedge"):
        found = shutil.which(name)
        if found:
            return found
    raise CommandError("No Chromium found: install the package `chromium`.")


class Command(BaseCommand):
    """Play the beginning of the main job and photograph what each kind of user sees."""

    help = "Take the screenshots of docs/pictures from a running demo farm."

    def add_arguments(self, parser: ArgumentParser) -> None:
        """Take where the pictures go."""
        parser.add_argument("--folder", type=Path, default=Path(settings.BASE_DIR) / "docs" / "pictures")

    def handle(self, *args: Any, **options: Any) -> None:
        """Start a farm, make documents, take pictures, stop."""
        folder: Path = options["folder"]
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(prefix="blb3d-pictures-", ignore_cleanup_errors=True) as data:
            farm = Farm(Path(data), Ports.free(), time_scale=240)
            farm.prepare(backlog=True)
            try:
                farm.start()
                job = MainJob(farm, self.stdout.write)
                job.staff.login(USERS[0].email, USERS[0].password)
                order = job.portal_order()
                job.orders = [order, job.shop_order()]
                quote = self._open_quote(job)
                wait_for("a plate to clear", lambda: job.staff.rows("/api/v1/print-jobs", needs_clearing="true"))
                self._take(farm, folder, order, quote)
            finally:
                farm.stop()

    def _open_quote(self, job: MainJob) -> dict[str, Any]:
        """Return a priced quote that nobody has accepted yet."""
        return job.customer.call(  # type: ignore[no-any-return]
            "POST",
            "/api/v1/quotes",
            files={"files": (MODEL.name, MODEL.read_bytes(), "model/3mf")},
            data={"material_type": "PLA", "color": "Blue", "quantity": "8", "product_name": "Wall bracket"},
        )

    def _take(self, farm: Farm, folder: Path, order: dict[str, Any], quote: dict[str, Any]) -> None:
        from playwright.sync_api import sync_playwright

        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find_chromium(), args=BROWSER_OPTIONS)
            for label, size in (("desktop", DESKTOP), ("phone", PHONE)):
                staff = browser.new_context(viewport=size, base_url=farm.url)  # type: ignore[arg-type]
                page = staff.new_page()
                page.goto("/admin/")
                page.fill("input[name=username]", USERS[0].email)
                page.fill("input[name=password]", USERS[0].password)
                page.press("input[name=password]", "Enter")
                page.wait_for_url("**/admin/")
                for name, address in (
                    ("console-home", "/admin/"),
                    ("console-sales-order", f"/admin/sales/salesorder/{order['id']}/change/"),
                ):
                    page.goto(address, wait_until="networkidle")
                    page.screenshot(path=folder / f"{name}-{label}.png", full_page=label == "phone")
                self._take_floor(page, folder, label)
                guest = browser.new_context(viewport=size, base_url=farm.url)  # type: ignore[arg-type]
                self._take_quoting(guest.new_page(), folder, label)
                buyer = browser.new_context(viewport=size, base_url=farm.url)  # type: ignore[arg-type]
                page = buyer.new_page()
                page.goto("/login/")
                page.fill("input[name=username]", CUSTOMER[0])
                page.fill("input[name=password]", CUSTOMER[1])
                page.press("input[name=password]", "Enter")
                page.wait_for_load_state("networkidle")
                for name, address in (
                    ("portal-quote", f"/quotes/{quote['id']}/"),
                    ("portal-order", f"/orders/{order['id']}/"),
                ):
                    page.goto(address, wait_until="networkidle")
                    self._whole(page, folder / f"{name}-{label}.png")
            browser.close()
        self.stdout.write(f"wrote {folder}")

    def _take_floor(self, page: Page, folder: Path, label: str) -> None:
        """Photograph the board, and on the phone the page of the machine whose plate waits to be cleared."""
        page.goto("/floor/")
        page.wait_for_selector(".tile")
        page.screenshot(path=folder / f"floor-board-{label}.png", full_page=label == "phone")
        if label == "phone":
            page.click(".tile >> nth=0 >> .tile__name a")
            page.wait_for_selector("#now [data-stamp]")
            page.screenshot(path=folder / f"floor-machine-{label}.png", full_page=True)

    def _take_quoting(self, page: Page, folder: Path, label: str) -> None:
        """Photograph what a visitor without an account sees: the start, and a price chosen beside its model."""
        page.goto("/", wait_until="networkidle")
        page.set_input_files("input[type=file]", MODEL)
        page.screenshot(path=folder / f"portal-start-{label}.png")
        page.click("button:has-text('See the price')")
        page.wait_for_selector(".viewer--live")
        page.fill("#id_quantity", "20")
        page.check("input[name=color_name][value=Blue]")
        page.wait_for_selector("#price dt:has-text('20 ×')")
        page.wait_for_load_state("networkidle")
        self._whole(page, folder / f"portal-configure-{label}.png")

    def _whole(self, page: Page, path: Path) -> None:
        """Photograph a whole page, in a window as high as it is: what stays in sight stands where it ends."""
        if page.locator("#viewer[data-mesh]").count():
            page.wait_for_selector(".viewer--live")
        size = page.viewport_size
        assert size is not None
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({"width": size["width"], "height": height})
        page.wait_for_timeout(500)
        page.screenshot(path=path)
        page.set_viewport_size(size)
