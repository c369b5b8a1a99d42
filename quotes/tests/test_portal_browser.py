"""The main act of the portal in a real browser: at a desk, on a phone, by keyboard alone, and without script."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from blb3d.core.tests.browsing import DESK, NO_WEBGL, PHONE, Window, browser_marks, windows
from quotes.modelfiles.make import BRACKET, box, write_3mf
from quotes.models import Quote
from quotes.tests.factories import materials as make_materials
from sales.models import SalesOrder

pytestmark = browser_marks

#: WebGL drawn by the processor: a machine that runs tests has no graphics card.
WEBGL = ("--use-angle=swiftshader", "--enable-unsafe-swiftshader")
#: What a page of the portal may weigh, all it loads included, the 3D view apart.
MOST_BYTES = 150_000
BUYER = {
    "first_name": "Buyer",
    "last_name": "Example",
    "company_name": "Example Works",
    "email": "buyer@example.com",
    "password": "a-long-portal-password",
}
SHIP_TO = {
    "shipping_address_line1": "1 Harbour Street",
    "shipping_city": "Portland",
    "shipping_state": "OR",
    "shipping_zip": "97201",
    "customer_po_number": "4711",
}


class Visitor(Window):
    """A customer's window."""

    def upload(self, *files: Any) -> None:
        """Choose files on the start page and ask for the price."""
        self.go("/")
        self.page.set_input_files("input[type=file]", list(files))
        self.page.click("button:has-text('See the price')")

    def configure(self, *files: Any) -> None:
        """Come to the page where a price is chosen."""
        self.upload(*files)
        self.page.wait_for_url("**/configure/")


@pytest.fixture
def visit(live_server: Any, uploads: Path) -> Iterator[Callable[..., Visitor]]:
    """Opens browsers: ``visit(size, *switches, has_script=True)``."""
    make_materials()
    with windows(live_server.url, Visitor) as open_window:
        yield open_window


@pytest.fixture
def _ordered(request: Any, transactional_db: None) -> Iterator[None]:
    """Look at the documents once the browser is gone: its loop and the database do not share a thread."""
    yield
    quote, order = Quote.objects.get(), SalesOrder.objects.get()
    assert (quote.status, quote.quantity, quote.quality, quote.sales_order) == ("converted", 10, "fine", order)
    assert (order.status, order.payment_status, order.customer_po_number) == ("confirmed", "paid", "4711")


@pytest.mark.usefixtures("_ordered")
@pytest.mark.parametrize(
    ("size", "has_script"), [(DESK, True), (PHONE, True), (DESK, False)], ids=["desk", "phone", "no-script"]
)
def test_from_a_file_to_an_order(visit: Callable[..., Visitor], size: tuple[int, int], *, has_script: bool) -> None:
    """A visitor drops the bracket, sees a price, changes it, registers, accepts, pays, and follows the order."""
    visitor = visit(size, *WEBGL, has_script=has_script)
    page = visitor.page
    visitor.go("/")
    visitor.keep("home")
    visitor.configure(BRACKET)
    if has_script:
        page.wait_for_selector(".viewer--live")
    visitor.keep("configure")
    before = page.inner_text("#price-total strong")
    page.fill("#id_quantity", "10")
    page.check("input[name=quality][value=fine]", force=True)
    page.check("input[name=color_name][value=Black]")
    if has_script:
        page.wait_for_selector("#price dt:has-text('10 ×')")
    else:
        page.click("button:has-text('Work out the price again')")
        page.wait_for_selector("#price dt:has-text('10 ×')")
    assert page.inner_text("#price-total strong") != before
    visitor.keep("configured")
    page.click("button:has-text('Keep this price')")
    page.wait_for_url(lambda url: "configure" not in url)
    visitor.keep("guest-quote")

    page.click("a:has-text('Register to order')")
    visitor.fill(BUYER)
    visitor.keep("register")
    page.click("button:has-text('Create the account')")
    page.wait_for_url("**/quotes/*/")
    visitor.keep("quote")

    page.click("summary:has-text('Accept this quote')")
    visitor.fill(SHIP_TO)
    page.check("input[name=payment_method][value='card:tok_ok']")
    visitor.keep("accept")
    assert page.locator("button:has-text('Order for')").bounding_box()["height"] < 60
    page.click("button:has-text('Order for')")
    page.wait_for_url("**/orders/*/")
    assert page.is_visible("text=Thank you for the order.")
    visitor.keep("order")
    for path in ("/", "/quotes/", "/orders/", "/company/"):
        visitor.go(path)
        visitor.keep(path.strip("/") or "home-again")
    page.close()
    assert visitor.errors == []


@pytest.mark.usefixtures("_ordered")
def test_the_same_by_keyboard_alone(visit: Callable[..., Visitor]) -> None:
    """Nothing between the file and the order needs a mouse."""
    visitor = visit(DESK, *WEBGL)
    page = visitor.page
    press = page.keyboard.press
    visitor.go("/")
    visitor.tab_to("input[type=file]")
    page.set_input_files("input[type=file]", BRACKET)
    visitor.tab_to("button.btn--primary")
    press("Enter")
    page.wait_for_url("**/configure/")
    visitor.tab_to("#id_quantity")
    press("Control+A")
    page.keyboard.type("10")
    visitor.tab_to("input[name=quality]")
    press("ArrowRight")
    page.wait_for_selector("#price dt:has-text('10 ×')")
    visitor.tab_to(".card__foot--stays button")
    press("Enter")
    page.wait_for_url(lambda url: "configure" not in url)
    visitor.tab_to("a[href*=register].btn--large")
    press("Enter")
    page.wait_for_selector("input[name=first_name]")
    for name, value in BUYER.items():
        visitor.tab_to(f"input[name={name}]")
        page.keyboard.type(value)
    press("Enter")
    page.wait_for_selector("summary.btn--primary")
    visitor.tab_to("summary.btn--primary")
    press("Enter")
    for name, value in SHIP_TO.items():
        visitor.tab_to(f"input[name={name}]")
        page.keyboard.type(value)
    visitor.tab_to("input[name=payment_method]")
    while not page.is_checked("input[name=payment_method][value='card:tok_ok']"):
        press("ArrowDown")
    visitor.tab_to("details form button.btn--primary")
    press("Enter")
    page.wait_for_url("**/orders/*/")
    page.close()
    assert visitor.errors == []


def test_the_model_turns_takes_the_colour_and_comes_back(visit: Callable[..., Visitor]) -> None:
    visitor = visit(DESK, *WEBGL)
    page = visitor.page
    visitor.configure(BRACKET)
    page.wait_for_selector(".viewer--live")
    assert sorted(page.locator(".viewer__size").all_inner_texts()) == ["40 mm", "60 mm", "60 mm"]

    def drawn() -> None:
        page.evaluate("() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")

    def places() -> list[list[int]]:
        """Where the sizes stand, to the pixel."""
        drawn()
        found: list[list[int]] = page.evaluate(
            "() => [...document.querySelectorAll('.viewer__size')].map((size) =>"
            " size.style.translate.split(' ').map((place) => Math.round(parseFloat(place))))"
        )
        return found

    first = places()
    page.focus(".viewer canvas")
    page.keyboard.press("ArrowLeft")
    assert places() != first
    page.click("[data-viewer-reset]")
    assert places() == first

    def picture() -> bytes:
        drawn()
        taken: bytes = page.locator(".viewer__stage").screenshot()
        return taken

    grey = picture()
    page.check("input[name=color_name][value=Black]")
    assert picture() != grey
    assert visitor.errors == []


def test_each_of_several_files_can_be_looked_at(visit: Callable[..., Visitor], tmp_path: Path) -> None:
    visitor = visit(PHONE, *WEBGL)
    page = visitor.page
    model = tmp_path / "block.3mf"
    model.write_bytes(write_3mf([("Block", *box(30, 20, 10))]))
    visitor.configure(BRACKET, model)
    page.wait_for_selector(".viewer--live")
    assert page.inner_text(".viewer__mm") == "60 × 40 × 60 mm"
    page.click("button:has-text('block.3mf')")
    page.wait_for_selector(".viewer__size:has-text('30 mm')")
    assert page.inner_text(".viewer__mm") == "30 × 20 × 10 mm"
    assert page.get_attribute(".viewer canvas", "aria-label") == "3D view of block.3mf, 30 × 20 × 10 mm"
    assert page.locator("[aria-pressed=true]").all_inner_texts() == ["block.3mf"]
    assert visitor.errors == []


def test_a_browser_without_3d_shows_the_picture(visit: Callable[..., Visitor]) -> None:
    visitor = visit(PHONE, *NO_WEBGL)
    visitor.configure(BRACKET)
    visitor.page.wait_for_load_state("networkidle")
    assert visitor.page.is_visible("img[alt='Preview of bracket.3mf']")
    assert visitor.page.locator(".viewer--live").count() == 0


def test_pages_are_light_and_the_3d_view_comes_only_where_it_is_seen(visit: Callable[..., Visitor]) -> None:
    visitor = visit(DESK, *WEBGL)
    sizes: dict[str, int] = {}
    visitor.page.on("response", lambda answer: sizes.setdefault(answer.url, len(answer.body())))
    visitor.go("/")
    visitor.page.wait_for_load_state("networkidle")
    assert not [url for url in sizes if "three" in url or "viewer" in url]
    assert 0 < sum(sizes.values()) < MOST_BYTES
    sizes.clear()
    visitor.page.set_input_files("input[type=file]", BRACKET)
    visitor.page.click("button:has-text('See the price')")
    visitor.page.wait_for_selector(".viewer--live")
    view = {url for url in sizes if "three-" in url or "viewer.js" in url or "/mesh/" in url}
    assert len(view) == 3
    assert sum(size for url, size in sizes.items() if url not in view) < MOST_BYTES
    assert visitor.errors == []


def test_each_refused_file_is_said_on_its_line_and_can_be_left_out(visit: Callable[..., Visitor]) -> None:
    visitor = visit(PHONE)
    page = visitor.page
    broken = {"name": "broken.3mf", "mimeType": "model/3mf", "buffer": b"no model"}
    notes = {"name": "notes.txt", "mimeType": "text/plain", "buffer": b"words"}
    bracket = {"name": "bracket.3mf", "mimeType": "model/3mf", "buffer": BRACKET.read_bytes()}
    visitor.go("/")
    page.set_input_files("input[type=file]", [bracket, notes])
    page.set_input_files("input[type=file]", [broken])
    assert page.locator(".upload__name").all_inner_texts() == ["bracket.3mf", "notes.txt", "broken.3mf"]
    assert page.locator(".is-refused .upload__name").all_inner_texts() == ["notes.txt"]
    page.click("button[aria-label='Leave out notes.txt']")
    page.click("button:has-text('See the price')")
    page.wait_for_selector(".is-refused:has-text('broken.3mf')")
    visitor.keep("refused")
    assert "its content is not 3MF. Export the part" in page.inner_text(".is-refused .upload__why")
    page.click("button[aria-label='Leave out broken.3mf']")
    page.click("button:has-text('See the price')")
    page.wait_for_url("**/configure/")
    # The refused upload is an answer of status 422, which the browser calls an error.
    assert [error for error in visitor.errors if "422" not in error] == []


def test_an_upload_can_be_stopped_and_sent_again(visit: Callable[..., Visitor]) -> None:
    visitor = visit(DESK)
    page = visitor.page
    page.route("**/quotes/new/", lambda route: None)  # a line that takes for ever
    visitor.upload(BRACKET)
    page.wait_for_selector(".upload progress:visible")
    page.click("button[aria-label='Leave out bracket.3mf']")
    assert page.inner_text(".errors") == "Stopped. Your files are still here."
    page.unroute("**/quotes/new/")
    page.click("button:has-text('See the price')")
    page.wait_for_url("**/configure/")
    assert visitor.errors == []


def test_what_cannot_be_priced_is_given_to_an_engineer(visit: Callable[..., Visitor]) -> None:
    visitor = visit(PHONE)
    page = visitor.page
    step = {"name": "part.step", "mimeType": "model/step", "buffer": b"ISO-10303-21;\nHEADER;"}
    visitor.upload(step)
    page.wait_for_selector(".is-refused:has-text('An engineer can look at it')")
    page.click("button:has-text('Ask an engineer')")
    page.wait_for_url("**/quotes/*/")
    assert page.is_visible("a:has-text('Register to get an answer')")
    assert [error for error in visitor.errors if "422" not in error] == []


def test_a_file_that_misses_the_drop_zone_arrives_all_the_same(visit: Callable[..., Visitor]) -> None:
    visitor = visit(DESK)
    visitor.go("/")
    visitor.page.evaluate(
        """() => {
            const carried = new DataTransfer();
            carried.items.add(new File(["solid"], "dropped.stl"));
            document.querySelector("h1").dispatchEvent(
                new DragEvent("drop", { dataTransfer: carried, bubbles: true, cancelable: true }),
            );
        }"""
    )
    assert visitor.page.locator(".upload__name").all_inner_texts() == ["dropped.stl"]
    assert visitor.errors == []


def test_colours_follow_the_material(visit: Callable[..., Visitor], tmp_path: Path) -> None:
    """What the material does not come in goes away, and a colour that was chosen before is let go."""
    visitor = visit(DESK)
    page = visitor.page
    model = tmp_path / "block.3mf"
    model.write_bytes(write_3mf([("Block", *box(30, 20, 10))]))
    visitor.configure(model)
    page.check("input[name=color_name][value=Black]")
    page.select_option("#id_material_type", "PETG")
    assert page.is_checked("input[name=color_name][value='']")
    assert page.locator("#swatches [data-types]:visible").all_inner_texts() == ["Grey\nin stock"]
    page.wait_for_function("document.querySelector('#price .notice') === null")
    assert visitor.errors == []
