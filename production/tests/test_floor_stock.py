"""Stock on the floor: counting with a phone, drying, places and lots behind their labels, labels for two printers."""

from __future__ import annotations

import datetime
import io
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone
from pypdf import PdfReader

from blb3d.accounts.models import User
from blb3d.core.templatetags.blb3d_ui import plain_number
from inventory import services as inventory
from inventory.models import CycleCount, Inventory, Product, Spool
from inventory.tests.factories import (
    ComponentFactory,
    LocationFactory,
    MaterialFactory,
    put_on_shelf,
    receive,
    system_actor,
)
from production import services as production
from production.errors import SpoolInUse, SpoolNotUsable
from production.models import PrinterSlot
from production.tests.factories import PrinterFactory, black_pla, printable, printing, queued, stock
from production.tests.test_floor import PASSWORD, role, said

pytestmark = pytest.mark.django_db

HOUR = datetime.timedelta(hours=1)


@pytest.fixture
def operator() -> User:
    user = User.objects.create_user("operator@example.com", PASSWORD, is_staff=True)
    user.groups.add(role("operator"))
    return user


@pytest.fixture
def floor(client: Client, operator: User) -> Client:
    client.force_login(operator)
    return client


def text_of(answer: Any) -> str:
    """Return what a page shows."""
    return str(answer.content.decode())


def spools(count: int = 1, product: Product | None = None) -> list[Spool]:
    """Return reels of 1000 g of a new lot."""
    lot = receive(product or MaterialFactory(), count)
    return inventory.make_spools(lot, count=count, grams_each=Decimal(1000), actor=system_actor())


def nylon(**fields: Any) -> Product:
    """Return a material that takes up water."""
    return MaterialFactory(
        material_type="PA-CF", is_hygroscopic=True, drying_celsius=80, drying_hours=8, open_hours=24, **fields
    )


def sheet(is_blind: bool = True) -> CycleCount:
    """Return a sheet of the default place that is being counted."""
    count = inventory.plan_count(location=LocationFactory(), is_blind=is_blind, actor=system_actor())
    return inventory.start_count(count, actor=system_actor())


# --- counting --------------------------------------------------------------------------------------------------------


def test_a_sheet_is_counted_line_by_line_and_booked(floor: Client, operator: User) -> None:
    part = ComponentFactory(sku="C-SCREW")
    put_on_shelf(part, 100)
    [spool] = spools()
    count = sheet()
    number = count.count_number
    assert number in text_of(floor.get("/floor/counts/"))
    scan = floor.get(f"/floor/counts/{number}/", {"q": f"https://farm.example/floor/spools/{spool.label}/"})
    assert scan.url == f"/floor/counts/{number}/2/"
    answer = floor.post(f"/floor/counts/{number}/2/", {"key": "1", "quantity": "1,0"}, follow=True)
    assert answer.redirect_chain[-1][0] == f"/floor/counts/{number}/1/"
    assert said(answer) == [f"{spool.lot.product.sku} at MAIN: 1 counted."]
    again = floor.post(f"/floor/counts/{number}/2/", {"key": "1", "quantity": "1,0"}, follow=True)
    assert said(again)[0].startswith("Nothing was changed.")
    floor.post(f"/floor/counts/{number}/1/", {"key": "2", "quantity": "99"})
    assert "Everything is counted" in text_of(floor.get(f"/floor/counts/{number}/"))
    assert said(floor.post(f"/floor/counts/{number}/submit/", {"key": "3"}, follow=True)) == [f"{number} is booked."]
    count.refresh_from_db()
    assert (count.status, count.submitted_by) == ("approved", operator)
    assert Inventory.objects.get(product=part).on_hand_quantity == 99


def test_a_blind_sheet_never_tells_what_the_books_say(floor: Client) -> None:
    put_on_shelf(ComponentFactory(), 8765)
    number = sheet().count_number
    floor.post(f"/floor/counts/{number}/1/", {"key": "1", "quantity": "4321"})
    pages = [f"/floor/counts/{number}/", f"/floor/counts/{number}/1/", f"/floor/counts/{number}/?q=MAIN"]
    for page in pages:
        shown = text_of(floor.get(page, follow=True))
        assert "8765" not in shown, page
        assert plain_number(Decimal(8765)) not in shown, page
    open_number = sheet_of_another()
    assert "Expected: 70" in text_of(floor.get(f"/floor/counts/{open_number}/1/"))


def sheet_of_another() -> str:
    """Return the number of a sheet that is not blind."""
    place = LocationFactory(code="OPEN")
    put_on_shelf(ComponentFactory(), 70, place)
    count = inventory.plan_count(location=place, is_blind=False, actor=system_actor())
    return inventory.start_count(count, actor=system_actor()).count_number


def test_something_that_is_not_on_the_sheet_is_added_by_its_label(floor: Client) -> None:
    put_on_shelf(ComponentFactory(), 10)
    count = sheet()
    [spool] = spools()
    LocationFactory(code="BIN-7")
    form = {"key": "1", "what": spool.label, "place": "https://farm.example/floor/places/BIN-7/", "quantity": "0.5"}
    answer = floor.post(f"/floor/counts/{count.count_number}/found/", form, follow=True)
    assert said(answer) == [f"{spool.lot.product.sku} at BIN-7 is on the sheet."]
    line = count.lines.get(is_found=True)
    assert (line.lot, line.location.code, line.counted_quantity) == (spool.lot, "BIN-7", Decimal("0.5"))
    refused = floor.post(f"/floor/counts/{count.count_number}/found/", {**form, "key": "2", "what": "nothing"})
    assert refused.status_code == 422
    assert 'value="BIN-7"' in text_of(refused) or "places/BIN-7" in text_of(refused)


def test_a_number_that_is_none_is_refused_and_stays_typed(floor: Client) -> None:
    put_on_shelf(ComponentFactory(), 10)
    count = sheet()
    answer = floor.post(f"/floor/counts/{count.count_number}/1/", {"key": "1", "quantity": "ten"})
    assert answer.status_code == 422
    assert 'value="ten"' in text_of(answer)
    assert count.lines.get().counted_quantity is None
    assert floor.post(f"/floor/counts/{count.count_number}/submit/", {"key": "2"}).status_code == 422
    assert floor.get("/floor/counts/CC-1999-001/").status_code == 404
    assert floor.get(f"/floor/counts/{count.count_number}/99/").status_code == 404


def test_counting_takes_its_permission(client: Client) -> None:
    user = User.objects.create_user("sales@example.com", PASSWORD, is_staff=True)
    user.groups.add(role("sales"))
    client.force_login(user)
    assert client.get("/floor/counts/").status_code == 403


def test_the_page_of_a_sheet_costs_the_same_for_few_and_many(floor: Client) -> None:
    def cost(code: str, lines: int) -> int:
        place = LocationFactory(code=code)
        for _ in range(lines):
            put_on_shelf(ComponentFactory(), 10, place)
        count = inventory.plan_count(location=place, actor=system_actor())
        inventory.start_count(count, actor=system_actor())
        inventory.count_line(count.lines.first(), quantity=Decimal(10), actor=system_actor())
        with CaptureQueriesContext(connection) as queries:
            floor.get(f"/floor/counts/{count.count_number}/")
        return len(queries)

    cost("P-0", 2)
    assert cost("P-1", 3) == cost("P-2", 12)


# --- drying ----------------------------------------------------------------------------------------------------------


def test_a_spool_goes_into_the_dryer_and_comes_out_dry(floor: Client) -> None:
    [spool] = spools(product=nylon())
    inventory.open_spool(spool, at=timezone.now() - 30 * HOUR, actor=system_actor())
    page = f"/floor/spools/{spool.label}/"
    assert "Must be dried" in text_of(floor.get(page))
    assert spool.label in text_of(floor.get("/floor/drying/"))
    assert "1 must be dried" in text_of(floor.get("/floor/spools/"))
    answer = floor.post(f"{page}dry/", {"key": "1", "celsius": "80"}, follow=True)
    assert said(answer) == [f"{spool.label} is in the dryer."]
    early = floor.post(f"{page}dried/", {"key": "2", "sealed": "1"}, follow=True)
    assert said(early) == [f"{spool.label} came out too early: it still must be dried."]
    inventory.start_drying(spool, at=timezone.now() - 9 * HOUR, actor=system_actor())
    done = floor.post(f"{page}dried/", {"key": "3", "sealed": "1"}, follow=True)
    assert said(done) == [f"{spool.label} is dry and sealed."]
    assert "Everything is dry" in text_of(floor.get("/floor/drying/"))
    assert said(floor.post(f"{page}opened/", {"key": "4"}, follow=True)) == [f"{spool.label} is open."]


def test_a_spool_in_the_dryer_leaves_its_printer_and_is_not_loaded(floor: Client) -> None:
    [spool] = spools(product=nylon())
    printer = PrinterFactory()
    production.load_spool(printer, spool, tray=0, actor=system_actor())
    spool.refresh_from_db()
    assert spool.opened_at is not None
    production.dry_reel(spool, actor=system_actor())
    assert not PrinterSlot.objects.filter(spool=spool).exists()
    answer = floor.post(f"/floor/spools/{spool.label}/hang/", {"key": "1", "printer": printer.pk, "tray": 0})
    assert answer.context["error"].code == "LOT_014"


def test_the_machine_page_warns_of_a_wet_spool(floor: Client) -> None:
    [spool] = spools(product=nylon())
    printer = PrinterFactory()
    production.load_spool(printer, spool, tray=0, actor=system_actor())
    page = f"/floor/printers/{printer.serial}/"
    assert "must be dried" not in text_of(floor.get(page))
    Spool.objects.filter(pk=spool.pk).update(opened_at=timezone.now() - 25 * HOUR)
    assert "must be dried" in text_of(floor.get(page))


def test_a_spool_at_work_is_neither_dried_nor_split_nor_put_together() -> None:
    stock(black_pla())
    lot = receive(black_pla(), 2)
    spool, other = inventory.make_spools(lot, count=2, grams_each=Decimal(1000), actor=system_actor())
    printer = PrinterFactory()
    production.load_spool(printer, spool, tray=0, actor=system_actor())
    _, jobs = queued(printable(), 1)
    printing(jobs[0], printer)
    for act in (
        lambda: production.dry_reel(spool, celsius=60, actor=system_actor()),
        lambda: production.split_reel(spool, grams=Decimal(10), actor=system_actor()),
        lambda: production.merge_reels(other, into=spool, actor=system_actor()),
    ):
        with pytest.raises(SpoolInUse):
            act()
    assert Spool.objects.filter(remaining_grams=1000).count() == 2


# --- places, lots, splitting -----------------------------------------------------------------------------------------


def test_a_spool_is_put_to_a_place_by_scanning_both_ways_round(floor: Client) -> None:
    first, second = spools(2)
    LocationFactory(code="DRY-1")
    form = {"key": "1", "scanned": "https://farm.example/floor/places/DRY-1/"}
    assert said(floor.post(f"/floor/spools/{first.label}/move/", form, follow=True)) == [
        f"{first.label} is kept in DRY-1."
    ]
    answer = floor.post("/floor/places/dry-1/put/", {"key": "2", "spool": second.label}, follow=True)
    assert said(answer) == [f"{second.label} is kept in DRY-1."]
    shown = text_of(floor.get("/floor/places/DRY-1/"))
    assert first.label in shown
    assert second.lot.lot_number in shown
    stock_there = Inventory.objects.get(lot=first.lot, location__code="DRY-1")
    assert stock_there.on_hand_quantity == 2
    assert floor.post("/floor/places/DRY-1/put/", {"key": "3", "spool": "none"}).status_code == 422
    assert floor.get("/floor/places/none/").status_code == 404
    lost = floor.post(f"/floor/spools/{first.label}/move/", {"key": "4", "scanned": "NOWHERE"})
    assert lost.status_code == 422


def test_a_lot_has_a_page_behind_its_label(floor: Client) -> None:
    first, _ = spools(2)
    shown = text_of(floor.get(f"/floor/lots/{first.lot.lot_number}/"))
    assert "2 kg left" in shown
    assert first.label in shown
    assert floor.get("/floor/lots/none/").status_code == 404


def test_a_label_of_a_place_or_lot_in_the_search_of_spools_leads_to_its_page(floor: Client) -> None:
    [spool] = spools()
    for scanned in ("places/MAIN", f"lots/{spool.lot.lot_number}"):
        answer = floor.get("/floor/spools/", {"q": f"https://farm.example/floor/{scanned}/"})
        assert (answer.status_code, answer.url) == (302, f"/floor/{scanned}/")
    for scanned in ("places/none", "lots/none"):
        assert floor.get("/floor/spools/", {"q": f"https://farm.example/floor/{scanned}/"}).status_code == 200


def test_a_spool_is_moved_over_http(floor: Client) -> None:
    [spool] = spools()
    LocationFactory(code="DRY-1")
    path = f"/api/v1/spools/{spool.label}/move"
    answer = floor.post(path, {"location": "DRY-1"}, content_type="application/json")
    assert (answer.status_code, answer.json()["location"]) == (200, "DRY-1")
    assert Inventory.objects.get(lot=spool.lot, location__code="DRY-1").on_hand_quantity == 1
    assert floor.post(path, {"location": "none"}, content_type="application/json").status_code == 404


def test_a_spool_is_split_and_put_together_again(floor: Client) -> None:
    [spool] = spools()
    page = f"/floor/spools/{spool.label}/"
    answer = floor.post(f"{page}split/", {"key": "1", "grams": "300", "new_tare": "90"}, follow=True)
    new = Spool.objects.exclude(pk=spool.pk).get()
    assert said(answer) == [f"{new.label} holds 300 g, {spool.label} 700 g. Print its label."]
    assert new.label in text_of(floor.get(page))
    answer = floor.post(f"{page}merge/", {"key": "2", "into": new.label}, follow=True)
    assert said(answer) == [f"{spool.label} is empty, {new.label} holds 1000 g."]
    with pytest.raises(SpoolNotUsable):
        production.load_spool(PrinterFactory(), Spool.objects.get(pk=spool.pk), tray=0, actor=system_actor())
    assert floor.post(f"{page}split/", {"key": "3", "grams": "1"}).context["error"].code == "LOT_010"


def test_an_empty_reel_leaves_its_printer_when_it_is_put_together() -> None:
    first, second = spools(2)
    production.load_spool(PrinterFactory(), first, tray=0, actor=system_actor())
    production.merge_reels(first, into=second, actor=system_actor())
    assert not PrinterSlot.objects.filter(spool=first).exists()


# --- labels ----------------------------------------------------------------------------------------------------------


def test_labels_that_were_not_printed_yet_are_printed_once(floor: Client) -> None:
    first, second = spools(2)
    answer = floor.post("/floor/labels/spools/print/", {"label": first.label})
    assert "SP-" in PdfReader(io.BytesIO(answer.content)).pages[0].extract_text()
    first.refresh_from_db()
    assert first.labelled_at is not None
    zpl = floor.post("/floor/labels/spools/print/", {"as": "zpl"})
    assert zpl["Content-Type"] == "text/plain"
    assert zpl.content.decode().count("^XA") == 1
    assert second.label in zpl.content.decode()
    assert floor.post("/floor/labels/spools/print/").status_code == 404
    assert floor.get("/floor/labels/spools/print/").status_code == 405


def test_printers_have_labels_for_a_label_printer_too(floor: Client) -> None:
    PrinterFactory(name="P1S left", serial="01P00A1")
    zpl = floor.get("/floor/labels/printers.pdf?as=zpl").content.decode()
    assert "^FDP1S left^FS" in zpl
    assert "/floor/printers/01P00A1/" in zpl
