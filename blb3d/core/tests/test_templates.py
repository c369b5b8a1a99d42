"""Every template of the portal renders with what its view gives, and keeps to the content security policy."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest
from django.conf import settings
from django.template.loader import render_to_string
from django.test import RequestFactory, override_settings

from blb3d.core.tests import portal_samples

TEMPLATES = Path(settings.BASE_DIR) / "templates"
STATIC = Path(settings.BASE_DIR) / "blb3d" / "core" / "static" / "blb3d"
PAGES = sorted(path.relative_to(TEMPLATES).as_posix() for path in TEMPLATES.glob("portal/*.html"))
ERROR_PAGES = sorted(path.name for path in TEMPLATES.glob("*.html"))
NOT_PAGES = {"portal/base.html", "portal/error.html"}
MAILS = sorted({path.name.split(".")[0] for path in TEMPLATES.glob("mail/*")} - {"base"})
VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}


class Page(HTMLParser):
    """Reads a page strictly: unclosed elements, repeated ids and whatever the content policy forbids."""

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.ids: list[str] = []
        self.faults: list[str] = []
        self.labels_for: set[str] = set()
        self.inputs: dict[str, dict[str, str | None]] = {}

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look(tag, dict(attrs))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._look(tag, dict(attrs))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"</{tag}> closes what is not open, line {self.getpos()[0]}")

    def _look(self, tag: str, attrs: dict[str, str | None]) -> None:
        if tag == "style" or (tag == "script" and not attrs.get("src")):
            self.faults.append(f"inline <{tag}>")
        self.faults += [f"{tag} {name}=" for name in attrs if name == "style" or name.startswith(("on", "hx-on"))]
        for name in ("src", "href", "action"):
            if tag in ("script", "link", "img", "use") and (attrs.get(name) or "").startswith(("http", "//", "data:")):
                self.faults.append(f"{tag} loads {attrs[name]}")
        if attrs.get("id"):
            self.ids.append(str(attrs["id"]))


def read(html: str) -> Page:
    page = Page()
    page.feed(html)
    page.close()
    return page


@pytest.fixture(autouse=True)
def _portal_urls() -> Iterator[None]:
    with override_settings(ROOT_URLCONF="blb3d.core.tests.portal_urls"):
        yield


@pytest.mark.parametrize("name", [name for name in PAGES + ERROR_PAGES if name not in NOT_PAGES])
def test_it_renders_the_page_within_the_content_policy(name: str) -> None:
    html = render_to_string(name, portal_samples.pages()[name], request=RequestFactory().get("/?status=open"))
    page = read(html)
    assert page.faults == []
    assert page.open == []
    assert len(page.ids) == len(set(page.ids))
    assert len(html.encode()) < 60_000
    assert "{{" not in html
    assert "{%" not in html


@pytest.mark.parametrize("name", ERROR_PAGES)
def test_it_renders_an_error_page_without_request_and_context(name: str) -> None:
    assert read(render_to_string(name)).faults == []


@pytest.mark.parametrize("name", MAILS)
def test_it_renders_the_mail_as_text_and_html_with_one_button(name: str) -> None:
    context = portal_samples.mails()[name]
    html = render_to_string(f"mail/{name}.html", context)
    text = render_to_string(f"mail/{name}.txt", context)
    subject = render_to_string(f"mail/{name}.subject.txt", context).strip()
    assert re.findall(r'<a href="([^"]*)"', html) == ["https://shop.example.com/portal/quotes/42/?a=1&amp;b=2"]
    assert text.count("https://") == 1
    assert "https://shop.example.com/portal/quotes/42/?a=1&b=2" in text
    assert "&amp;" not in text
    assert "\n" not in subject
    assert 10 < len(subject) < 70


def test_it_escapes_what_customers_wrote() -> None:
    html = render_to_string("portal/quote_detail.html", portal_samples.pages()["portal/quote_detail.html"])
    assert "bracket &lt;v2&gt;.3mf" in html
    assert "<v2>" not in html


def test_it_keeps_what_was_typed_and_says_what_is_wrong() -> None:
    html = render_to_string("portal/register.html", portal_samples.pages()["portal/register.html"])
    assert 'value="anna@"' in html
    assert "Enter a valid email address." in html
    assert 'aria-invalid="true"' in html


def test_it_shows_a_visitor_no_link_that_needs_an_account() -> None:
    html = render_to_string("portal/home.html", {"guest_quotes": True})
    assert "No account needed" in html
    assert "/order-list/" not in html
    assert "/login/" in html


def test_it_stops_asking_for_progress_when_the_order_is_done() -> None:
    context = portal_samples.pages()["portal/order_progress.html"]
    assert "hx-get" in render_to_string("portal/order_progress.html", context)
    done = {**context, "order": portal_samples.order(status="delivered")}
    assert "hx-get" not in render_to_string("portal/order_progress.html", done)


def test_every_icon_that_a_template_names_is_in_the_sprite() -> None:
    sources = [path.read_text(encoding="utf-8") for path in TEMPLATES.rglob("*.html")]
    named = {name for source in sources for name in re.findall(r'{% icon "(\w+)"', source)}
    drawn = set(re.findall(r'<symbol id="(\w+)"', (STATIC / "icons.svg").read_text(encoding="utf-8")))
    assert len(named) > 10
    assert named <= drawn


@pytest.mark.parametrize("name", ["blb3d.css", "admin.css"])
def test_a_stylesheet_is_ours_alone_and_light(name: str) -> None:
    css = (STATIC / name).read_text(encoding="utf-8")
    assert "@import" not in css
    assert "http" not in css
    assert "url(" not in css
    assert len(css.encode()) < 40_000


def test_a_page_with_its_assets_weighs_under_150_kb() -> None:
    assets = ["blb3d.css", "portal.js", "icons.svg", "logo.svg", "vendor/htmx-2.0.11.min.js"]
    assert sum((STATIC / asset).stat().st_size for asset in assets) < 100_000


def test_the_console_has_the_accent_and_the_meanings_of_the_portal() -> None:
    portal = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{6})", (STATIC / "blb3d.css").read_text().split("@media")[0]))
    console = (STATIC / "admin.css").read_text().split("html.dark")[0]
    assert re.findall(r"--color-primary-600: (#[0-9a-f]{6})", console) == [portal["accent"]]
    for meaning in ("good", "waiting", "attention", "stopped"):
        assert f"--{meaning}: {portal[meaning]}; --{meaning}-soft: {portal[meaning + '-soft']};" in console


def _luminance(color: str) -> float:
    digits = color.lstrip("#")
    digits = "".join(d * 2 for d in digits) if len(digits) == 3 else digits
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    r, g, b = (part / 12.92 if part <= 0.03928 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * r + 0.7152 * g + 0.0722 * b


def _contrast(one: str, other: str) -> float:
    darker, lighter = sorted((_luminance(one), _luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_and_edges_have_the_contrast_of_wcag_aa(scheme: str) -> None:
    css = (STATIC / "blb3d.css").read_text(encoding="utf-8")
    block = re.findall(r":root \{(.*?)\}", css, re.S)[0 if scheme == "light" else 1]
    token = dict(re.findall(r"--([a-z-]+): (#[0-9a-f]{3,6})", block))
    text_on = [(text, on) for text in ("text", "muted", "accent") for on in ("bg", "surface", "sunken")]
    text_on += [(meaning, f"{meaning}-soft") for meaning in ("good", "waiting", "attention", "stopped")]
    text_on += [("text", f"{meaning}-soft") for meaning in ("good", "waiting", "attention", "stopped", "accent")]
    text_on += [("on-accent", "accent"), ("accent", "accent-soft"), ("stopped", "surface"), ("attention", "surface")]
    weak = {pair: round(_contrast(token[pair[0]], token[pair[1]]), 2) for pair in text_on}
    assert {pair: ratio for pair, ratio in weak.items() if ratio < 4.5} == {}
    assert _contrast(token["edge"], token["surface"]) >= 3
